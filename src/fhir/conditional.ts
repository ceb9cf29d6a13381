import { fault } from '../model/errors.ts'
import type { FhirRequest } from '../model/interaction.ts'
import { parseCriteria } from '../search/parse.ts'
import { codesOf } from '../search/query.ts'
import type { SearchAsk, Seen } from '../store/ports.ts'
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

/**
 * What a conditional delete removes: the one match, or all where the caller's policy allows it. 412 for more than one without that, and
 * for more than fit on a page.
 */
export async function matchesToDelete(exchange: Exchange, type: string, criteria: string): Promise<readonly Seen[]> {
  const { guarded, site } = exchange
  if (!guarded.deleteMany) {
    const match = await conditionalMatch(exchange, type, criteria)
    return match === null ? [] : [match]
  }
  await guarded.lock(`${type}?${normalised(type, criteria)}`)
  const { rows, next } = await guarded.search(askFor(exchange, type, criteria, site.bounds.countMax))
  if (next !== null) throw fault(412, 'too-costly', 'The criteria match more resources than COUNT_MAX, which one request may delete')
  return rows
}

/** As `conditionalMatch`, for references: it reads and does not lock. */
export async function uniqueMatch(exchange: Exchange, type: string, criteria: string): Promise<Seen | null> {
  const { rows } = await exchange.guarded.search(askFor(exchange, type, criteria, 2))
  if (rows.length > 1) throw fault(412, 'multiple-matches', 'The criteria match more than one resource')
  return rows[0] ?? null
}

function askFor({ site }: Exchange, type: string, criteria: string, limit: number): SearchAsk {
  const filter = parseCriteria(type, criteria, { base: site.base, ...site.bounds, lenient: false, now: () => site.now })
  return { type, filter, codes: codesOf(filter), order: 'newest', after: null, limit }
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
