/** What the terminology operations share: which value set or code system is meant, and which codes are asked about. */
import { fault, notFound } from '../../model/errors.ts'
import type { FhirResponse } from '../../model/interaction.ts'
import type { Resource } from '../../model/resource.ts'
import { jsonReply } from '../reply.ts'
import { type Codes, codesOf } from '../terminology/code-system.ts'
import type { Library } from '../terminology/library.ts'
import type { CodeSystem, ValueSet } from '../terminology/resources.ts'
import { Terminology } from '../terminology/value-set.ts'
import { visibleLibrary } from '../terminology/visible.ts'
import { validateResource } from '../validate/validate.ts'
import type { OperationCall, OperationParameter, ParameterType } from './operation.ts'

export const parameter = (name: string, type: ParameterType, max: '1' | '*' = '1', min: 0 | 1 = 0): OperationParameter => ({ name, type, min, max })

export interface Code {
  /** Null: not said. */
  readonly system: string | null
  readonly version: string | null
  readonly code: string
  readonly display: string | null
}

/** A value set, by instance, url or in the body, and a library of what it draws on. */
export async function valueSetOf(call: OperationCall): Promise<{ readonly set: ValueSet; readonly library: Library; readonly terminology: Terminology }> {
  const { exchange, given } = call
  const own = await instanceOf(call, ['url', 'valueSet', 'valueSetVersion'])
  const [sent, url, version] = [given.value('valueSet'), given.text('url'), given.text('valueSetVersion')]
  if (own === null && (sent === undefined) === (url === null)) throw fault(400, 'required', 'One of the parameters url and valueSet is needed')
  if (version !== null && url === null) throw fault(400, 'invalid', 'The parameter valueSetVersion belongs to url')
  const resource = own ?? (sent === undefined ? null : validateResource(sent, 'ValueSet'))
  const canonical = version === null ? url ?? '' : `${url}|${version}`
  const library = await visibleLibrary(exchange, resource === null ? { valueSetUrls: [canonical] } : { valueSets: [resource as ValueSet] })
  const set = resource as ValueSet | null ?? library.valueSet(canonical)
  if (set === undefined) throw fault(404, 'not-found', 'No such value set is known here')
  return { set, library, terminology: new Terminology(library, { left: exchange.site.bounds.expansionCodesMax }) }
}

/** The resource that the request names, as the caller may see it; null where it names none. It excludes the parameters that name another. */
export async function instanceOf({ exchange: { request, guarded }, given }: OperationCall, others: readonly string[]): Promise<Resource | null> {
  if (request.id === null) return null
  const other = others.find((name) => given.text(name) !== null || given.value(name) !== undefined)
  if (other !== undefined) throw fault(400, 'invalid', `The parameter ${other} has no place where the instance is named`)
  const seen = await guarded.read({ type: request.type!, id: request.id })
  if (seen === undefined) throw notFound()
  if (seen.row.deleted) throw fault(410, 'deleted', 'The resource was deleted')
  return seen.resource()
}

/** A code system that is here, at least in part. FhirError 404: not known here. */
export async function codeSystemOf({ exchange }: OperationCall, url: string, version: string | null): Promise<Codes> {
  const canonical = version === null ? url : `${url}|${version}`
  const found = (await visibleLibrary(exchange, { codeSystemUrls: [canonical] })).codeSystem(canonical)
  if (found === undefined) throw fault(404, 'not-found', 'No such code system is known here')
  return usable(found)
}

/** FhirError 422: the resource lists no codes of its own. */
export function usable(system: CodeSystem): Codes {
  if (system.content === 'not-present' || system.content === 'supplement') throw notHere()
  return codesOf(system)
}

/** Neither a yes nor a no can be given. */
export const notHere = (): Error => fault(422, 'not-supported', 'It cannot be told: a code system, a value set or a filter that it depends on is not here in full')

/** What `code` with its system, `coding` or `codeableConcept` names; of these parameters one must be given. */
export function codesGiven({ given }: OperationCall, options: { readonly system: string | null; readonly version: string | null }): readonly Code[] {
  const code = given.text('code')
  const [coding, concept] = [given.value('coding') as Given | undefined, given.value('codeableConcept') as { readonly coding?: readonly Given[] } | undefined]
  if ([code ?? undefined, coding, concept].filter((each) => each !== undefined).length !== 1) throw fault(400, 'required', 'One of the parameters code, coding and codeableConcept is needed')
  if (code !== null) return [{ code, system: options.system, version: options.version, display: given.text('display') }]
  const listed = coding === undefined ? concept?.coding ?? [] : [coding]
  return listed.flatMap((each) => (each.code === undefined ? [] : [{ code: each.code, system: each.system ?? null, version: each.version ?? null, display: each.display ?? null }]))
}

interface Given { readonly system?: string; readonly version?: string; readonly code?: string; readonly display?: string }

/** One part of a Parameters resource. */
export type Part = Readonly<Record<string, unknown>> & { readonly name: string }

export const parametersReply = (parts: readonly (Part | null)[]): FhirResponse =>
  jsonReply({ resourceType: 'Parameters', parameter: parts.filter((part) => part !== null) })

export const part = (name: string, key: string, value: unknown): Part | null => (value === undefined || value === null ? null : { name, [key]: value })

/** Displays are compared as people read them: case and white space aside. */
export const sameDisplay = (a: string, b: string): boolean => a.trim().replace(/\s+/g, ' ').toLowerCase() === b.trim().replace(/\s+/g, ' ').toLowerCase()
