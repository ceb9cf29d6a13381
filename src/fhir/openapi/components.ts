/** What operations of the OpenAPI document refer to by name. */
import { answered } from '../../search/answered.ts'
import { allTypes } from '../../search/classification.ts'
import type { ParamType, SearchParam } from '../../search/query.ts'
import { resultParameters } from '../../search/result-parameters.ts'
import { ID_PATTERN } from '../../model/resource.ts'
import { formats } from '../formats.ts'
import { JSON_PATCH } from '../patch/patch-body.ts'

export const ref = (kind: 'schemas' | 'parameters' | 'responses' | 'requestBodies', name: string): { readonly $ref: string } => ({ $ref: `#/components/${kind}/${name}` })

/** Search parameters of one code and kind are one component, whatever type they are of. */
export const parameterName = ({ code, kind }: Pick<SearchParam, 'code' | 'kind'>): string => `${kind}.${code}`

export const HEADERS: Readonly<Record<string, string>> = {
  'If-Match': 'Version to change, as W/"1"', 'If-None-Match': 'Of a read: versions that the client has. Of an update: `*`, only where nothing is there', 'If-Modified-Since': 'HTTP date',
  'If-None-Exist': 'Search parameters: nothing is created where a resource matches', Prefer: '`return=minimal`, `return=representation`, `return=OperationOutcome`; `handling=strict`, `handling=lenient`',
  'X-Security-Context': 'Reference to what a Binary in its native form belongs to', 'X-Request-Id': 'Answered as X-Correlation-Id'
}

/** Statuses of refusals; each is an OperationOutcome. */
export const ERRORS: Readonly<Record<string, string>> = {
  400: 'The request is malformed', 401: 'No valid token', 403: 'Neither scope nor role allows it', 404: 'No such resource, or none that this caller may see', 405: 'Not supported here', 406: 'No format that was asked for is offered',
  409: 'In conflict with what is stored', 410: 'The resource was deleted', 412: 'A precondition does not hold', 413: 'The body is too large', 414: 'The URL is too long', 415: 'A body of this media type is not read',
  422: 'R4 or a rule of this server forbids it, or it costs too much', 429: 'Too many requests', 500: 'The server failed', 503: 'Store, keys or ledger cannot be reached'
}

export function components(): Readonly<Record<string, unknown>> {
  const own = (build: (type: string) => unknown): readonly (readonly [string, unknown])[] => allTypes.map((type) => [type, build(type)])
  return {
    securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'Access token with SMART scopes (v1 or v2); `/.well-known/smart-configuration` says where from' } },
    schemas: { Resource: resourceSchema(null), ...Object.fromEntries(own(resourceSchema)) },
    parameters: { ...pathParameters, ...headerParameters(), ...queryParameters(), ...searchComponents() },
    headers: { ETag: { description: 'Weak ETag of the version', schema: { type: 'string' } }, 'Last-Modified': { schema: { type: 'string' } }, Location: { description: 'URL of the version that was written', schema: { type: 'string' } } },
    requestBodies: {
      ...Object.fromEntries(own(bodyOf)),
      Patch: { required: true, description: 'JSON Patch, or Parameters of FHIRPath Patch', content: { [JSON_PATCH]: { schema: { type: 'array', items: { type: 'object' } } }, ...content('Parameters') } },
      Form: { description: 'Search parameters', content: { 'application/x-www-form-urlencoded': { schema: { type: 'object', additionalProperties: { type: 'string' } } } } },
      Operation: { ...bodyOf('Parameters'), required: false }
    },
    responses: {
      ...Object.fromEntries(own((type) => resourceResponse(type))), Resource: resourceResponse('Resource'), ...Object.fromEntries(Object.entries(ERRORS).map(([status, description]) => [status, { description, content: content('OperationOutcome') }])),
      default: { description: 'A refusal', content: content('OperationOutcome') }, 204: { description: 'Done; nothing to say' }, 304: { description: 'The client has the current version' }
    }
  }
}

/** By media type; schemas describe the JSON. */
const content = (schema: string): Readonly<Record<string, unknown>> =>
  Object.fromEntries(formats.map(({ type, syntax }) => [type, { schema: syntax === 'json' ? ref('schemas', schema) : { type: 'string' } }]))

const resourceSchema = (type: string | null): unknown => ({
  type: 'object', required: ['resourceType'],
  properties: { resourceType: type === null ? { type: 'string' } : { const: type }, id: { type: 'string', pattern: ID_PATTERN.source }, meta: { type: 'object' } },
  ...(type === null ? {} : { externalDocs: { url: `https://hl7.org/fhir/R4/${type.toLowerCase()}.html` } })
})

function bodyOf(type: string): { readonly required: boolean; readonly content: unknown } {
  const media = Object.fromEntries(Object.entries(content(type)).map(([name, schema]) => [name, { ...(schema as object), example: name.endsWith('json') ? { resourceType: type } : `<${type} xmlns="http://hl7.org/fhir"/>` }]))
  return { required: true, content: type === 'Binary' ? { ...media, '*/*': {} } : media }
}

const resourceResponse = (type: string): unknown => ({
  description: type === 'Resource' ? 'A resource' : `A ${type}; to a write an OperationOutcome or nothing, where Prefer asks for it`,
  headers: Object.fromEntries(['ETag', 'Last-Modified', 'Location'].map((name) => [name, { $ref: `#/components/headers/${name}` }])),
  content: type === 'Binary' ? { ...content('Resource'), '*/*': {} } : content('Resource')
})

const text = (description: string): object => ({ schema: { type: 'string' }, description })
const id = { type: 'string', pattern: ID_PATTERN.source }

const pathParameters: Readonly<Record<string, unknown>> = {
  id: { name: 'id', in: 'path', required: true, schema: id, description: 'Logical id' }, vid: { name: 'vid', in: 'path', required: true, schema: id, description: 'Version' }
}

const headerParameters = (): Readonly<Record<string, unknown>> => Object.fromEntries(Object.entries(HEADERS).map(([name, description]) => [name, { name, in: 'header', ...text(description) }]))

/** Those that have no row in a table of search parameters. */
function queryParameters(): Readonly<Record<string, unknown>> {
  const rows: readonly (readonly [name: string, description: string])[] = [
    ['_since', 'Instant: what changed at or after it'], ['_at', 'Date or time: what was current then'], ['_page', 'Sealed place of a page; comes in links only'], ['_type', 'Resource types, separated by commas'],
    ...resultParameters.map((name) => [name, 'https://hl7.org/fhir/R4/search.html#return'] as const)
  ]
  return Object.fromEntries(rows.map(([name, description]) => [name, { name, in: 'query', ...text(description), ...(VALUES[name] === undefined ? {} : { schema: { enum: VALUES[name] } }) }]))
}

/** Parameters with a closed list of values. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  _format: formats.flatMap(({ type, short }) => (short === null ? [type] : [short, type])), _pretty: ['true', 'false'],
  _summary: ['true', 'text', 'data', 'count', 'false'], _total: ['none', 'estimate', 'accurate']
}

function searchComponents(): Readonly<Record<string, unknown>> {
  const found = new Map<string, unknown>()
  for (const param of allTypes.flatMap(answered)) {
    const key = parameterName(param)
    if (!found.has(key)) found.set(key, { name: param.code, in: 'query', explode: true, schema: { type: 'array', items: { type: 'string', ...FORMS[param.kind] } }, description: `https://hl7.org/fhir/R4/search.html#${param.kind}` })
  }
  return Object.fromEntries(found)
}

const PREFIX = '^(eq|ne|gt|lt|ge|le|sa|eb|ap)?'
const FORMS: Readonly<Partial<Record<ParamType, object>>> = {
  number: { pattern: `${PREFIX}[+-]?\\d` }, quantity: { pattern: `${PREFIX}[+-]?\\d` }, date: { pattern: `${PREFIX}\\d{4}` }
}
