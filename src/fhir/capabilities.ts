/** The CapabilityStatement, made from the tables that the server runs on (https://hl7.org/fhir/R4/http.html#capabilities). */
import type { FhirResponse } from '../model/interaction.ts'
import { answered } from '../search/answered.ts'
import { allTypes, classify } from '../search/classification.ts'
import { searchParam, searchParams } from '../search/parameters.ts'
import type { SearchParam } from '../search/query.ts'
import { isCanonical, mayPointTo, referenceTargets } from '../search/types/reference.ts'
import { formats, JSON_FORMAT, XML_FORMAT } from './formats.ts'
import { interactions } from './interactions/index.ts'
import { operations } from './operations/index.ts'
import type { OperationDefinition } from './operations/operation.ts'
import { JSON_PATCH } from './patch/patch-body.ts'
import { jsonReply } from './reply.ts'

export interface CapabilityOptions {
  readonly base: string
  readonly version: string
  /** ISO date of the release. */
  readonly date: string
}

export function capabilities(options: CapabilityOptions): FhirResponse {
  return jsonReply(statement(options))
}

/** The statement as it is sent to those without a token too. */
export const capabilityBytes = (options: CapabilityOptions): Uint8Array => Buffer.from(JSON.stringify(statement(options)))

const made = new Map<string, unknown>()

function statement(options: CapabilityOptions): unknown {
  let known = made.get(options.base)
  if (known === undefined) made.set(options.base, (known = build(options)))
  return known
}

function build({ base, version, date }: CapabilityOptions): unknown {
  return {
    resourceType: 'CapabilityStatement',
    status: 'active',
    date,
    kind: 'instance',
    software: { name: 'Wardkeep', version },
    implementation: { description: 'Wardkeep, a FHIR R4 server with security built in', url: base },
    fhirVersion: '4.0.1',
    format: formats.flatMap(({ type, short }) => (short === null ? [type] : [short, type])),
    patchFormat: [JSON_PATCH, JSON_FORMAT.type, XML_FORMAT.type],
    rest: [{
      mode: 'server',
      security: {
        cors: true,
        service: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/restful-security-service', code: 'SMART-on-FHIR' }] }],
        description: 'Bearer tokens with SMART scopes (v1 and v2). What a caller may not see does not exist for it.'
      },
      resource: allTypes.filter((type) => classify(type) !== undefined).map(resourceEntry),
      interaction: [...interactions.filter(ofSystem), { code: 'transaction' }, { code: 'batch' }].map(({ code }) => ({ code })),
      compartment: ['Patient', 'Encounter', 'Practitioner', 'RelatedPerson', 'Device'].map((type) => `http://hl7.org/fhir/CompartmentDefinition/${type.charAt(0).toLowerCase()}${type.slice(1)}`),
      ...operationEntries(({ levels }) => levels.includes('system'))
    }]
  }
}

/** Parameters that may point to any type are answered too; listed under all types they would be most of the statement. */
const isNarrow = (param: SearchParam): boolean => referenceTargets(param).length > 0 && referenceTargets(param).length < 100

function operationEntries(offers: (definition: OperationDefinition) => boolean): { readonly operation?: readonly unknown[] } {
  const offered = operations.filter(offers)
  return offered.length === 0 ? {} : { operation: offered.map(({ code, definition }) => ({ name: code, definition })) }
}

const ofSystem = ({ code }: { readonly code: string }): boolean => code.endsWith('-system')

function resourceEntry(type: string): unknown {
  const references = referenceParams()
  const provenance = searchParam('Provenance', 'target')
  const pointing = references.filter((param) => mayPointTo(param, type) && (isNarrow(param) || param === provenance))
  const keeps = type === 'AuditEvent'
  const codes = interactions.filter((definition) => !ofSystem(definition) && definition.code !== 'operation').map(({ code }) => code).filter((code) => !(keeps && (code === 'delete' || code === 'patch')))
  return {
    type,
    profile: `http://hl7.org/fhir/StructureDefinition/${type}`,
    interaction: codes.map((code) => ({ code })),
    versioning: 'versioned-update',
    readHistory: true,
    updateCreate: true,
    conditionalCreate: true,
    conditionalRead: 'full-support',
    conditionalUpdate: true,
    conditionalDelete: keeps ? 'not-supported' : 'single',
    referencePolicy: ['literal', 'logical', 'local'],
    searchInclude: ['*', ...references.filter((param) => param.type === type).map(({ code }) => `${type}:${code}`)],
    ...(pointing.length === 0 ? {} : { searchRevInclude: pointing.map((param) => `${param.type}:${param.code}`) }),
    ...operationEntries(({ levels, resourceTypes }) => levels.some((level) => level !== 'system') && (resourceTypes?.includes(type) ?? true)),
    searchParam: answered(type).map(({ code, kind }) => ({ name: code, type: kind }))
  }
}

let allReferences: readonly SearchParam[] | null = null

const referenceParams = (): readonly SearchParam[] =>
  (allReferences ??= allTypes.flatMap((type) => searchParams(type).filter((param) => param.kind === 'reference' && param.expression !== '' && !isCanonical(param))))
