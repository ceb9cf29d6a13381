/** search-type by GET and POST (https://hl7.org/fhir/R4/http.html#search). */
import { fault } from '../../model/errors.ts'
import { parseSearch } from '../../search/parse.ts'
import type { Query } from '../../search/query.ts'
import type { SortPlace } from '../../search/sort.ts'
import type { Position, SearchAsk, Seen, Seens } from '../../store/ports.ts'
import { type Exchange, type InteractionDefinition, lenient, openPage, type PageLink, type Place } from '../exchange.ts'
import { type Page, searchset } from '../searchset.ts'
import { checkElements } from '../subset.ts'

export const searchType: InteractionDefinition = {
  code: 'search-type',
  right: 's',
  async run(exchange) {
    const { request, guarded, site } = exchange
    const type = request.type!
    guarded.require(type, 's')
    const { params, after, back } = pageOf(exchange, type)
    const query = parseSearch(type, params, { base: site.base, ...site.bounds, lenient: lenient(request), now: () => site.now })
    checkElements(type, query.elements)
    guarded.requireIncludes(type, query.includes)
    return searchset(exchange, type, query, await pageFor(exchange, query, after, back))
  }
}

const NOTHING = { rows: [], included: [], next: null, previous: null } as const

async function pageFor(exchange: Exchange, query: Query, after: Place | null, back: boolean): Promise<Page> {
  const { guarded } = exchange
  const isLater = after !== null
  const { type, filter, codes, count: limit } = query
  const ask: SearchAsk = { type, filter, codes, order: query.sort, after: null, limit }
  if (query.summary === 'count' || limit === 0) return { ...NOTHING, isLater, total: await exactTotal(exchange, ask) }
  let found: Seens<Place>
  let count: number | null = null
  if (query.sortKeys.length > 0) {
    const sorted = await guarded.sorted({ type, filter, codes, keys: query.sortKeys, after: after as SortPlace | null, back, limit })
    found = sorted
    count = sorted.count
  } else {
    found = await guarded.search({ ...ask, after: after as Position | null, back })
  }
  const total = await totalOf(exchange, ask, query, found, isLater, count)
  return { ...found, isLater, total, included: await included(exchange, query, found.rows) }
}

const included = async ({ guarded }: Exchange, query: Query, rows: readonly Seen[]): Promise<readonly Seen[]> =>
  query.includes.length === 0 ? [] : guarded.included(rows, query.includes)

/** A page link carries the query sealed; nothing but output format may stand beside it. */
function pageOf(exchange: Exchange, path: string): { readonly params: PageLink['params']; readonly after: Place | null; readonly back: boolean } {
  const { request } = exchange
  const token = request.params.find(([name]) => name === '_page')
  if (token === undefined) return { params: request.params, after: null, back: false }
  if (request.params.some((pair) => pair !== token && pair[0] !== '_format' && pair[0] !== '_pretty')) throw fault(400, 'invalid', "'_page' stands alone")
  return openPage(exchange, token[1], path)
}

/** `counted`: how many there are, where that is known already. */
async function totalOf(exchange: Exchange, ask: SearchAsk, query: Query, found: Seens<Place>, isLater: boolean, counted: number | null): Promise<number | null> {
  if (query.total === 'none') return null
  if (!isLater && found.next === null) return found.rows.length
  if (query.total === null) return null
  if (counted !== null) return counted
  if (query.total === 'accurate') return exactTotal(exchange, ask)
  const { count, more } = await exchange.guarded.count(ask, exchange.site.bounds.scanRecordsMax)
  return more ? null : count
}

async function exactTotal(exchange: Exchange, ask: SearchAsk): Promise<number> {
  const { count, more } = await exchange.guarded.count(ask, exchange.site.bounds.scanRecordsMax)
  if (more) throw fault(422, 'too-costly', 'An accurate total would count more than SCAN_RECORDS_MAX rows')
  return count
}
