/** The OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1.html), made from the tables that the server runs on. */
import type { Interaction } from '../../model/interaction.ts'
import { answered } from '../../search/answered.ts'
import { allTypes } from '../../search/classification.ts'
import { compartment, isCompartment } from '../../search/compartment-search.ts'
import { resultParameters } from '../../search/result-parameters.ts'
import type { CapabilityOptions } from '../capabilities.ts'
import { operations } from '../operations/index.ts'
import { isComplex, type OperationDefinition } from '../operations/operation.ts'
import { interactionsDefault, routes } from '../routes.ts'
import { components, parameterName, ref } from './components.ts'

/** The document as it is sent. */
export const openApiBytes = (options: CapabilityOptions): Uint8Array => Buffer.from(JSON.stringify(openApi(options)))

export function openApi({ base, version }: CapabilityOptions): Readonly<Record<string, unknown>> {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Wardkeep, a FHIR R4 server', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      description: 'The RESTful API of FHIR R4 (https://hl7.org/fhir/R4/http.html). GET is answered on HEAD too. What a caller may not see does not exist for it.'
    },
    servers: [{ url: base }],
    security: [{ bearer: [] }],
    paths: paths(),
    components: components()
  }
}

type Paths = Record<string, Record<string, unknown>>

function paths(): Paths {
  const found: Paths = { '/openapi.json': { get: { operationId: 'openapi', summary: 'This document', security: [], responses: { 200: { description: 'OpenAPI 3.1', content: { 'application/json': { schema: { type: 'object' } } } }, 304: ref('responses', '304') } } } }
  const add = (path: string, method: string, operation: unknown): void => {
    const entry = (found[path === '' ? '/' : path] ??= inPath(path))
    entry[method.toLowerCase()] = operation
  }
  for (const [shape, method, interaction] of routes) {
    if (!interactionsDefault.has(interaction)) continue
    if (!shape.startsWith('/T')) add(shape, method, operationOf(interaction, null, method, shape))
    else if (shape.startsWith('/T/id/T') || shape.startsWith('/T/id/*')) for (const type of allTypes.filter(isCompartment)) addCompartment(type, shape, method, interaction)
    else for (const type of allTypes) add(shape.replace('/T', `/${type}`).replace('/id', '/{id}').replace(/\/v$/, '/{vid}'), method, operationOf(interaction, type, method, shape))
  }
  for (const operation of operations) addOperation(operation)
  return found

  function addCompartment(type: string, shape: string, method: string, interaction: Interaction): void {
    const path = `/${type}/{id}/${shape.slice('/T/id/'.length).replace(/^T/, '{member}')}`
    add(path, method, operationOf(interaction, null, method, `${shape} of ${type}`))
    if (!shape.startsWith('/T/id/*')) found[path]!.parameters = [ref('parameters', 'id'), { name: 'member', in: 'path', required: true, schema: { enum: [...compartment(type).keys()] }, description: 'Type of what is looked for in the compartment' }]
  }

  function addOperation(operation: OperationDefinition): void {
    const types = operation.resourceTypes ?? allTypes
    const places = operation.levels.flatMap((level) => (level === 'system' ? [''] : types.map((type) => (level === 'type' ? `/${type}` : `/${type}/{id}`))))
    for (const place of places) for (const method of operation.affectsState ? ['POST'] : ['GET', 'POST']) add(`${place}/$${operation.code}`, method, named(operation, place, method))
  }
}

const inPath = (path: string): Record<string, unknown> => {
  const names = ['id', 'vid'].filter((name) => path.includes(`{${name}}`))
  return names.length === 0 ? {} : { parameters: names.map((name) => ref('parameters', name)) }
}

interface Facts {
  readonly headers: readonly string[]
  readonly query: (type: string | null) => readonly string[]
  readonly body?: (type: string) => string
  readonly answers: (type: string) => Readonly<Record<string, string>>
  readonly errors: readonly number[]
}

const FORM = ['_format', '_pretty']
/** Any refusal may come anywhere; these are worth a line everywhere. */
const EVERY = ['400', '401', '403', '404', 'default']
const WRITE = [405, 409, 412, 413, 415, 422]
const searches = (type: string | null): readonly string[] => [...(type === null ? ['_type'] : answered(type).map(parameterName)), ...resultParameters, '_page']
/** Any search parameter of the type is taken; these are the ones that name one resource. */
const criteria = (type: string | null): readonly string[] => [...(type === null ? [] : answered(type).filter(({ code }) => code === '_id' || code === 'identifier').map(parameterName)), ...FORM]
const same = (type: string): string => type
const written = (type: string) => ({ 200: type, 201: type })
const bundle = () => ({ 200: 'Bundle' })
const history: Facts = { headers: [], query: () => ['_count', '_since', '_at', '_sort', '_page', ...FORM], answers: bundle, errors: [422] }
const search: Facts = { headers: ['Prefer'], query: searches, answers: bundle, errors: [413, 415, 422] }
const whole: Facts = { headers: ['Prefer'], query: () => FORM, body: () => 'Bundle', answers: bundle, errors: WRITE }

/** What each interaction takes and answers. */
const FACTS: Readonly<Record<Interaction, Facts | null>> = {
  capabilities: { headers: [], query: () => FORM, answers: () => ({ 200: 'CapabilityStatement' }), errors: [] },
  read: { headers: ['If-None-Match', 'If-Modified-Since'], query: () => FORM, answers: (type) => ({ 200: type, 304: '304' }), errors: [410] },
  vread: { headers: ['If-None-Match', 'If-Modified-Since'], query: () => FORM, answers: (type) => ({ 200: type, 304: '304' }), errors: [410] },
  create: { headers: ['If-None-Exist', 'Prefer', 'X-Security-Context'], query: () => FORM, body: same, answers: written, errors: WRITE },
  update: { headers: ['If-Match', 'If-None-Match', 'Prefer', 'X-Security-Context'], query: criteria, body: same, answers: written, errors: WRITE },
  patch: { headers: ['If-Match', 'Prefer'], query: criteria, body: () => 'Patch', answers: (type) => ({ 200: type }), errors: [...WRITE, 410] },
  delete: { headers: ['If-Match'], query: criteria, answers: () => ({ 204: '204' }), errors: [405, 409, 412, 422] },
  'history-instance': history, 'history-type': history, 'history-system': history, 'search-type': search, 'search-system': search,
  batch: whole, transaction: whole, operation: null
}

function operationOf(interaction: Interaction, type: string | null, method: string, shape: string): unknown {
  const facts = FACTS[interaction]!
  const isForm = method === 'POST' && facts.body === undefined
  const isInstance = shape.includes('/id') && !shape.includes(' of ')
  const query = isForm ? [] : isInstance && (interaction === 'update' || interaction === 'patch' || interaction === 'delete') ? FORM : facts.query(type)
  return {
    operationId: [interaction, type ?? 'any', method, shape.replaceAll(/[^A-Za-z]+/g, '.')].join('-'),
    tags: [type ?? 'system'],
    ...(interaction === 'capabilities' ? { security: [] } : {}),
    ...parameters([...facts.headers, ...query]),
    ...(facts.body === undefined ? isForm ? { requestBody: ref('requestBodies', 'Form') } : {} : { requestBody: ref('requestBodies', facts.body(type ?? 'Bundle')) }),
    responses: responses(facts.answers(type ?? 'Resource'), facts.errors)
  }
}

function named({ code, parameters: known, searches: takesSearch, definition }: OperationDefinition, place: string, method: string): unknown {
  const type = place.split('/')[1] ?? null
  const own = known.filter((parameter) => !isComplex(parameter.type))
  const query = method === 'POST' ? [] : takesSearch === true && type !== null ? answered(type).map(parameterName) : []
  const given = method === 'POST' ? [] : own.map(({ name, min, max }) => ({ name, in: 'query', required: min === 1, ...(max === '*' ? { explode: true, schema: { type: 'array', items: { type: 'string' } } } : { schema: { type: 'string' } }) }))
  const found = [...[...query, ...FORM].map((name) => ref('parameters', name)), ...given]
  return {
    operationId: `$${code}-${place.replaceAll(/[^A-Za-z]+/g, '.')}-${method}`, tags: [type ?? 'system'], externalDocs: { url: definition }, parameters: found,
    ...(method === 'POST' ? { requestBody: ref('requestBodies', 'Operation') } : {}), responses: responses({ 200: 'Resource' }, [405, 410, ...WRITE])
  }
}

const parameters = (names: readonly string[]): object => (names.length === 0 ? {} : { parameters: [...new Set(names)].map((name) => ref('parameters', name)) })

const responses = (answers: Readonly<Record<string, string>>, errors: readonly number[]): unknown =>
  Object.fromEntries([...Object.entries(answers), ...[...EVERY, ...errors.map(String)].map((status) => [status, status] as const)].map(([status, name]) => [status, ref('responses', name)]))
