import { fault } from '../model/errors.ts'
import type { FhirRequest } from '../model/interaction.ts'
import { parseCriteria } from '../search/parse.ts'
import { codesOf } from '../search/query.ts'
import type { Seen } from '../store/ports.ts'
import type { Exchange } from './exchange.ts'

/**
 * The one row that a criteria text names for this caller, or null. More than one is 412. The commit of this request takes the lock of the
 * criteria, so of two such requests at once the second runs again and finds what the first wrote.
 */
export async function conditionalMatch(exchange: Exchange, type: string, criteria: string): Promise<Seen | null> {
  // The lock's version is read before the search: a writer that comes between the two makes this commit a conflict.
  await exchange.guarded.lock(`${type}?${normalised(type, criteria)}`)
  return uniqueMatch(exchange, type, criteria)
}

/** As `conditionalMatch`, for references: it reads and does not lock. */
export async function uniqueMatch(exchange: Exchange, type: string, criteria: string): Promise<Seen | null> {
  const { guarded, site } = exchange
  const filter = parseCriteria(type, criteria, { base: site.base, ...site.bounds, lenient: false, now: () => site.now })
  const { rows } = await guarded.search({ type, filter, codes: codesOf(filter), order: 'newest', after: null, limit: 2 })
  if (rows.length > 1) throw fault(412, 'multiple-matches', 'The criteria match more than one resource')
  return rows[0] ?? null
}

/** The same criteria in another order, or encoded otherwise, take the same lock. */
function normalised(type: string, text: string): string {
  const criteria = text.startsWith(`${type}?`) ? text.slice(type.length + 1) : text
  return JSON.stringify([...new URLSearchParams(criteria)].sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : 1)))
}

/** Criteria of a conditional update or delete: the query without what concerns the form of the answer. */
export function criteriaOf(request: FhirRequest): string {
  const pairs = request.params.filter(([name]) => name !== '_format' && name !== '_pretty')
  return new URLSearchParams(pairs.map(([name, value]) => [name, value])).toString()
}
