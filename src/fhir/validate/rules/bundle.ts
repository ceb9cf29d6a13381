import { at, distinct, has, objectsAt, type Test } from './words.ts'
import { isObject, type Json } from '../walk.ts'

const REQUESTS: ReadonlySet<unknown> = new Set(['batch', 'transaction', 'history'])
const RESPONSES: ReadonlySet<unknown> = new Set(['batch-response', 'transaction-response', 'history'])

const startsWith = (type: string, resourceType: string): Test => (x) => x.type !== type
  || at(objectsAt(x, 'entry')[0], 'resource.resourceType')[0] === resourceType

/** Invariants of Bundle (https://hl7.org/fhir/R4/bundle.html#invs), each linear in the entries. */
export const BUNDLE_RULES: Readonly<Record<string, Test>> = {
  'bdl-1': (x) => !has(x, 'total') || x.type === 'searchset' || x.type === 'history',
  'bdl-2': (x) => x.type === 'searchset' || objectsAt(x, 'entry').every((entry) => !has(entry, 'search')),
  'bdl-3': (x) => objectsAt(x, 'entry').every((entry) => has(entry, 'request') === REQUESTS.has(x.type)),
  'bdl-4': (x) => objectsAt(x, 'entry').every((entry) => has(entry, 'response') === RESPONSES.has(x.type)),
  'bdl-5': (x) => has(x, 'resource') || has(x, 'request') || has(x, 'response'),
  'bdl-7': (x) => x.type === 'history' || distinct(objectsAt(x, 'entry').filter((entry) => entry.fullUrl !== undefined).map(entryVersion)),
  'bdl-8': (x) => typeof x.fullUrl !== 'string' || !x.fullUrl.includes('/_history/'),
  'bdl-9': (x) => x.type !== 'document' || (at(x, 'identifier.system').length > 0 && at(x, 'identifier.value').length > 0),
  'bdl-10': (x) => x.type !== 'document' || typeof x.timestamp === 'string',
  'bdl-11': startsWith('document', 'Composition'),
  'bdl-12': startsWith('message', 'MessageHeader')
}

/** R4 says in words what no invariant of its says: a fullUrl that is no urn agrees with the type and id of its resource. */
export const fullUrlAgrees: Test = ({ fullUrl, resource }) => {
  const place = typeof fullUrl === 'string' && isObject(resource) ? REST_URL.exec(fullUrl) : null
  if (place === null || !isObject(resource)) return true
  return resource.resourceType === place[1] && (resource.id === undefined || resource.id === place[2])
}

const REST_URL = /^https?:\/\/.*\/([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})$/

const entryVersion = (entry: Json): string => `${String(entry.fullUrl)} ${String(at(entry, 'resource.meta.versionId')[0] ?? '')}`
