/** References between the entries of a transaction, and conditional references (https://hl7.org/fhir/R4/http.html#trules). */
import { fault } from '../../model/errors.ts'
import { type Ref, refText, type Resource } from '../../model/resource.ts'
import { parseCriteria } from '../../search/parse.ts'
import { matches } from '../../search/match.ts'
import { uniqueMatch } from '../conditional.ts'
import type { Exchange } from '../exchange.ts'

/** A copy of `value` in which every string that `swap` knows is replaced. Raw numbers stay as they are. */
export function rewriteStrings(value: unknown, swap: (text: string, key: string) => string | undefined, key = ''): unknown {
  if (typeof value === 'string') return swap(value, key) ?? value
  if (typeof value !== 'object' || value === null || isRawJson(value)) return value
  if (Array.isArray(value)) return value.map((item) => rewriteStrings(item, swap, key))
  const copy: Record<string, unknown> = {}
  for (const [name, item] of Object.entries(value)) copy[name] = rewriteStrings(item, swap, name)
  return copy
}

const isRawJson = (JSON as unknown as { isRawJSON(value: unknown): boolean }).isRawJSON

/** Replaces references to other entries: by their fullUrl in `reference` elements, and urn: values wherever they stand as a whole value. */
export function linkEntries(resource: Resource, places: ReadonlyMap<string, Ref>): Resource {
  return rewriteStrings(resource, (text, key) => {
    if (key !== 'reference' && !text.startsWith('urn:')) return undefined
    const place = places.get(text)
    return place === undefined ? undefined : refText(place)
  }) as Resource
}

const CONDITIONAL = /^([A-Z][A-Za-z]+)\?(.+)$/

export function conditionalReferences(resource: Resource): readonly string[] {
  const found = new Set<string>()
  rewriteStrings(resource, (text, key) => {
    if (key === 'reference' && CONDITIONAL.test(text)) found.add(text)
    return undefined
  })
  return [...found]
}

/** The one resource that a conditional reference names, among what the caller may search and what the bundle itself writes; else 412. */
export async function resolveConditional(exchange: Exchange, text: string, own: readonly Resource[]): Promise<string> {
  const [, type = '', criteria = ''] = CONDITIONAL.exec(text)!
  const { site } = exchange
  const stored = await uniqueMatch(exchange, type, criteria)
  const filter = parseCriteria(type, criteria, { base: site.base, ...site.bounds, lenient: false, now: () => site.now })
  const staged = own.filter((resource) => resource.resourceType === type && resource.id !== stored?.row.id && matches(filter, resource, { base: site.base }))
  const ids = [...(stored === null ? [] : [stored.row.id]), ...staged.map((resource) => resource.id!)]
  if (ids.length !== 1) throw fault(412, ids.length === 0 ? 'not-found' : 'multiple-matches', `A conditional reference must match one resource; it matches ${ids.length === 0 ? 'none' : 'several'}`)
  return `${type}/${ids[0]}`
}
