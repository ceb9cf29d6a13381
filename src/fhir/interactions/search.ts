/** search-type and search-system by GET and POST, in a compartment or not (https://hl7.org/fhir/R4/http.html#search). */
import { fault } from '../../model/errors.ts'
import { refText } from '../../model/resource.ts'
import { allTypes, isResourceType } from '../../search/classification.ts'
import { compartment, inCompartment } from '../../search/compartment-search.ts'
import { parseSearch } from '../../search/parse.ts'
import { and, type Query } from '../../search/query.ts'
import type { SortPlace } from '../../search/sort.ts'
import type { Position, SearchAsk, Seen, Seens } from '../../store/ports.ts'
import { allows, type Exchange, type InteractionDefinition, lenient, openPage, type PageLink, type Place } from '../exchange.ts'
import { type Page, searchPage } from '../searchset.ts'
import { checkElements } from '../subset.ts'
import { lookupsFor } from '../terminology/lookups.ts'

export const searchType: InteractionDefinition = {
  code: 'search-type',
  right: 's',
  async run(exchange) {
    const { request, guarded } = exchange
    const type = request.type!
    guarded.require(type, 's')
    const path = request.compartment === undefined ? type : `${refText(request.compartment)}/${type}`
    const { params, after, back } = pageOf(exchange, path)
    const query = queryOf(exchange, type, params, await lookupsFor(exchange, params))
    const reports = query.explain ? guarded.explained() : null
    return searchPage(exchange, path, query, { ...(await pageFor(exchange, query, after, back)), reports })
  }
}

/** Several types, named by `_type`, or all, of a compartment (`Patient/1/*`) or of the server; in order of time. Parameters are those that all of them have. */
export const searchSystem: InteractionDefinition = {
  code: 'search-system',
  right: 's',
  async run(exchange) {
    const { request, guarded } = exchange
    const path = request.compartment === undefined ? '' : `${refText(request.compartment)}/*`
    const { params, after, back } = pageOf(exchange, path)
    const types = typesOf(exchange, params)
    const lookups = await lookupsFor(exchange, params)
    const queries = types.map((type) => queryOf(exchange, type, params.filter(([name]) => name !== '_type'), lookups))
    const [first] = queries
    if (first === undefined) throw fault(403, 'forbidden', 'Neither scope nor role allows this search on any type')
    if (first.sortKeys.length > 0) throw fault(400, 'not-supported', "Several types are sorted by '_lastUpdated' only")
    const query: Query = { ...first, used: [...params.filter(([name]) => name === '_type'), ...first.used] }
    const asks = queries.map(({ type, filter, codes }): SearchAsk => ({ type, filter, codes, order: first.sort, after: after as Position | null, back, limit: first.count }))
    const total = async (): Promise<number> => {
      let sum = 0
      for (const ask of asks) sum += await exactTotal(exchange, { ...ask, after: null })
      return sum
    }
    const isLater = after !== null
    const reports = first.explain ? guarded.explained() : null
    if (first.summary === 'count' || first.count === 0) return searchPage(exchange, path, query, { ...NOTHING, isLater, total: await total(), reports })
    const found = asks.length === 1 ? await guarded.search(asks[0]!) : await guarded.searchAll(asks)
    const isWhole = !isLater && found.next === null
    const sum = first.total === 'none' ? null : isWhole ? found.rows.length : first.total === 'accurate' ? await total() : null
    return searchPage(exchange, path, query, { ...found, isLater, total: sum, included: await included(exchange, query, found.rows), reports })
  }
}

/** Parsed, with what the request's compartment adds, and refused early where the caller may not have it. */
function queryOf(exchange: Exchange, type: string, params: PageLink['params'], lookups: Awaited<ReturnType<typeof lookupsFor>>): Query {
  const { request, guarded, site } = exchange
  const query = parseSearch(type, params, { base: site.base, ...site.bounds, ...lookups, lenient: lenient(request), now: () => site.now })
  checkElements(type, query.elements)
  guarded.requireIncludes(type, query.includes)
  if (query.explain && type === 'AuditEvent') throw fault(400, 'not-supported', "'_explain' tells of the record store, where most AuditEvents do not lie")
  if (request.compartment === undefined) return query
  const within = inCompartment(request.compartment, type)
  if (within === null) throw fault(404, 'not-found', `The compartment has no resources of type ${type}`)
  return { ...query, filter: and([within, query.filter]) }
}

/** Types that are named must be allowed; of all types, or all of a compartment, those count that the caller may search. */
function typesOf({ request, guarded }: Exchange, params: PageLink['params']): readonly string[] {
  const given = params.filter(([name]) => name === '_type')
  const names = [...new Set(given.flatMap(([, text]) => text.split(',')))].filter((name) => name !== '')
  if (given.length > 1 || !names.every(isResourceType)) throw fault(400, 'value', "'_type' is given once and names resource types")
  if (names.length > 1 && names.includes('AuditEvent')) throw fault(400, 'not-supported', 'AuditEvents are searched by themselves')
  if (names.length > 0) {
    for (const name of names) guarded.require(name, 's')
    return names
  }
  if (request.compartment === undefined && params.length === 0) throw fault(400, 'required', "A search of all types has a parameter, or names some in '_type'")
  const all = request.compartment === undefined ? allTypes : [...compartment(request.compartment.type).keys()]
  return all.filter((type) => type !== 'AuditEvent' && allows(guarded, type))
}

const NOTHING = { rows: [], included: [], next: null, previous: null } as const

async function pageFor(exchange: Exchange, query: Query, after: Place | null, back: boolean): Promise<Omit<Page, 'reports'>> {
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
