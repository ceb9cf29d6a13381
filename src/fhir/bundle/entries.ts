/** Entries of a batch or transaction as FHIR requests (https://hl7.org/fhir/R4/http.html#transaction). */
import { fault, FhirError } from '../../model/errors.ts'
import type { FhirRequest } from '../../model/interaction.ts'
import { valueIn } from '../body.ts'
import { parsePairs } from '../query-string.ts'
import type { Router } from '../routes.ts'
import { validateResource } from '../validate/validate.ts'

export interface Entry {
  readonly index: number
  readonly fullUrl: string | null
  readonly method: string
  /** The entry as a request of its own, or the fault that stops it from being one. */
  readonly request: FhirRequest | FhirError
}

/** The envelope of a Bundle. Its entries' resources are validated when each entry runs. FhirError 400 or 413. */
export function bundleIn(request: FhirRequest, options: { readonly jsonDepthMax: number; readonly entriesMax: number }): { readonly type: 'batch' | 'transaction'; readonly entry: readonly unknown[] } {
  if (request.body === null) throw fault(400, 'required', 'A Bundle is needed as the body')
  const value = 'resource' in request.body ? request.body.resource : valueIn(request.body, options.jsonDepthMax)
  if (!isObject(value) || value.resourceType !== 'Bundle') throw fault(400, 'structure', 'The body must be a Bundle', 'Bundle')
  if (value.type !== 'batch' && value.type !== 'transaction') throw fault(400, 'value', 'A Bundle posted here is a batch or a transaction', 'Bundle.type')
  const entry = value.entry ?? []
  if (!Array.isArray(entry)) throw fault(400, 'structure', 'Bundle.entry must be an array', 'Bundle.entry')
  if (entry.length > options.entriesMax) throw fault(413, 'too-long', `A Bundle may have ${options.entriesMax} entries (ENTRIES_MAX)`, 'Bundle.entry')
  validateResource(value, 'Bundle', { entryResources: false })
  return { type: value.type, entry }
}

/** Where entries are routed: by the table that routes the network's requests. */
export interface EntryPlace {
  readonly base: string
  readonly router: Router
  readonly paramsMax: number
}

export function entriesOf(parent: FhirRequest, place: EntryPlace, entries: readonly unknown[]): readonly Entry[] {
  return entries.map((entry, index) => {
    const outline = isObject(entry) ? entry : {}
    const line = isObject(outline.request) ? outline.request : {}
    const method = typeof line.method === 'string' ? line.method : ''
    const fullUrl = typeof outline.fullUrl === 'string' ? outline.fullUrl : null
    return { index, fullUrl, method, request: entryRequest(parent, place, { index, method, line, resource: outline.resource }) }
  })
}

function entryRequest(
  parent: FhirRequest, { base, router, paramsMax }: EntryPlace, entry: { index: number; method: string; line: Record<string, unknown>; resource: unknown }
): FhirRequest | FhirError {
  const where = `Bundle.entry[${entry.index}].request`
  const { url } = entry.line
  if (typeof url !== 'string' || url === '') return fault(400, 'required', 'An entry needs request.url', `${where}.url`)
  if (!/^(GET|HEAD|POST|PUT|PATCH|DELETE)$/.test(entry.method)) return fault(400, 'not-supported', 'An entry is a GET, HEAD, POST, PUT, PATCH or DELETE', `${where}.method`)
  const relative = url.startsWith(`${base}/`) ? url.slice(base.length) : url.startsWith('/') ? url : `/${url}`
  if (/^\/[A-Za-z][A-Za-z0-9+.-]*:/.test(relative)) return fault(400, 'value', 'The URL of an entry is not one of this server', `${where}.url`)
  const [path = '', query = ''] = split(relative, '?')
  try {
    const routed = { ...router.route(entry.method, path), params: parsePairs(query, paramsMax) }
    if (routed.interaction === 'batch' || routed.interaction === 'transaction' || routed.interaction === 'capabilities') {
      return fault(400, 'not-supported', 'An entry names a resource or a type', `${where}.url`)
    }
    if (entry.resource !== undefined && !(CARRYING.has(routed.interaction) && entry.method !== 'GET' && entry.method !== 'HEAD')) {
      return fault(400, 'invalid', 'Only a create, an update, a patch or a posted operation carries a resource', `Bundle.entry[${entry.index}].resource`)
    }
    const headers = {
      ...text('ifMatch', entry.line.ifMatch), ...text('ifNoneMatch', entry.line.ifNoneMatch), ...text('ifNoneExist', entry.line.ifNoneExist),
      ...text('ifModifiedSince', entry.line.ifModifiedSince), ...text('prefer', parent.headers.prefer), accept: 'application/fhir+json'
    }
    return { ...parent, ...routed, headers, body: entry.resource === undefined ? null : { resource: entry.resource } }
  } catch (error) {
    if (error instanceof FhirError) return error
    throw error
  }
}

/** Interactions whose entry has a resource. */
const CARRYING: ReadonlySet<string> = new Set(['create', 'update', 'patch', 'operation'])

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const text = (name: string, value: unknown): Record<string, string> => (typeof value === 'string' ? { [name]: value } : {})

function split(value: string, mark: string): [string, string] {
  const at = value.indexOf(mark)
  return at < 0 ? [value, ''] : [value.slice(0, at), value.slice(at + 1)]
}
