/** References between the entries of a transaction, and conditional references (https://hl7.org/fhir/R4/http.html#trules). */
import { fault } from '../../model/errors.ts'
import { isRawNumber } from '../../model/decimal.ts'
import { type Ref, refText, type Resource } from '../../model/resource.ts'
import { parseCriteria } from '../../search/parse.ts'
import { matches } from '../../search/match.ts'
import { uniqueMatch } from '../conditional.ts'
import type { Exchange } from '../exchange.ts'
import { type Shape, shapeOf } from '../validate/shapes.ts'

/** What a string becomes; undefined: it stays. `key` is its element's name, `shape` the type that the element belongs to. */
type Swap = (text: string, key: string, shape: Shape) => string | undefined

/**
 * Replaces links to other entries, as R4 says: references, values of type uri, url, oid and uuid that are an entry's fullUrl, and href and
 * src in narrative. Canonicals and plain strings stay. A relative reference is read against the root of its own entry's fullUrl.
 */
export function linkEntries(resource: Resource, places: ReadonlyMap<string, Ref>, fullUrl: string | null): Resource {
  const root = fullUrl === null ? undefined : RESTFUL.exec(fullUrl)?.[1]
  const target = (text: string): string | undefined => {
    const place = places.get(text) ?? (root !== undefined && RELATIVE.test(text) ? places.get(root + text) : undefined)
    return place === undefined ? undefined : refText(place)
  }
  return rewrite(resource, (text, key, shape) => {
    if (isReference(key, shape)) return target(text)
    const type = shape.props.get(key)?.type
    if (type === 'xhtml') return text.replace(LINK, (whole, before: string, url: string) => { const to = target(url); return to === undefined ? whole : before + to })
    return type !== undefined && URIS.has(type) ? target(text) : undefined
  })
}

const RESTFUL = /^(https?:\/\/.+\/)[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/
const RELATIVE = /^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/
const LINK = /(\s(?:href|src)\s*=\s*["'])([^"']+)/g
const URIS: ReadonlySet<string> = new Set(['uri', 'url', 'oid', 'uuid'])
const CONDITIONAL = /^([A-Z][A-Za-z]+)\?(.+)$/

const isReference = (key: string, shape: Shape): boolean => key === 'reference' && shape.name === 'Reference'

export function conditionalReferences(resource: Resource): readonly string[] {
  const found = new Set<string>()
  rewrite(resource, (text, key, shape) => {
    if (isReference(key, shape) && CONDITIONAL.test(text)) found.add(text)
    return undefined
  })
  return [...found]
}

/** `resource` with its conditional references replaced by what `resolved` has for them. */
export function linkConditional(resource: Resource, resolved: ReadonlyMap<string, string>): Resource {
  return rewrite(resource, (text, key, shape) => (isReference(key, shape) ? resolved.get(text) : undefined))
}

/** The one resource that a conditional reference names, among what the caller may search and what the bundle itself writes; else 412. */
export async function resolveConditional(exchange: Exchange, text: string, own: readonly Resource[]): Promise<string> {
  const [, type = '', criteria = ''] = CONDITIONAL.exec(text)!
  const { site } = exchange
  const stored = await uniqueMatch(exchange, type, criteria)
  const parsed = parseCriteria(type, criteria, { base: site.base, ...site.bounds, lenient: false, now: () => site.now })
  const filter = await exchange.guarded.resolve(type, parsed)
  const mine = own.filter((resource) => resource.resourceType === type)
  const ids = mine.filter((resource) => matches(filter, resource, { base: site.base })).map((resource) => resource.id!)
  // Of a row that the bundle rewrites, only what it will be counts.
  if (stored !== null && !mine.some((resource) => resource.id === stored.row.id)) ids.push(stored.row.id)
  if (ids.length !== 1) throw fault(412, ids.length === 0 ? 'not-found' : 'multiple-matches', `A conditional reference must match one resource; it matches ${ids.length === 0 ? 'none' : 'several'}`)
  return `${type}/${ids[0]}`
}

/** A copy of a valid resource with some of its strings swapped. Raw numbers stay as they are. */
function rewrite(resource: Resource, swap: Swap): Resource {
  return rewriteObject(resource as unknown as Record<string, unknown>, shapeOf(resource.resourceType)!, swap) as unknown as Resource
}

function rewriteObject(value: Record<string, unknown>, shape: Shape, swap: Swap): Record<string, unknown> {
  const copy: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) copy[key] = rewriteValue(item, key, shape, swap)
  return copy
}

function rewriteValue(value: unknown, key: string, shape: Shape, swap: Swap): unknown {
  if (typeof value === 'string') return swap(value, key, shape) ?? value
  if (typeof value !== 'object' || value === null || isRawNumber(value)) return value
  if (Array.isArray(value)) return value.map((item) => rewriteValue(item, key, shape, swap))
  const { resourceType } = value as Partial<Resource>
  const prop = shape.props.get(key)
  const inner = prop?.type === 'Resource' && resourceType !== undefined ? shapeOf(resourceType) : key.startsWith('_') ? shapeOf('Element') : prop?.shape?.()
  return inner === undefined ? value : rewriteObject(value as Record<string, unknown>, inner, swap)
}
