/** search-type by GET and POST (https://hl7.org/fhir/R4/http.html#search). Searchset bundles carry no id and no timestamp. */
import { fault } from '../../model/errors.ts'
import type { FhirResponse } from '../../model/interaction.ts'
import { refText } from '../../model/resource.ts'
import { parseSearch } from '../../search/parse.ts'
import type { Query } from '../../search/query.ts'
import type { Position, SearchAsk, Seen } from '../../store/ports.ts'
import { type Exchange, type InteractionDefinition, lenient, openPage, pageToken } from '../exchange.ts'
import { FHIR_JSON, isPretty, JsonPieces } from '../reply.ts'

export const searchType: InteractionDefinition = {
  code: 'search-type',
  right: 's',
  async run(exchange) {
    const { request, guarded, site } = exchange
    const type = request.type!
    guarded.require(type, 's')
    const { params, after } = pageOf(exchange, type)
    const query = parseSearch(type, params, { base: site.base, ...site.bounds, lenient: lenient(request), now: () => site.now })
    const ask: SearchAsk = { type, filter: query.filter, codes: query.codes, order: query.sort, after, limit: query.count }
    if (query.summary === 'count' || query.count === 0) return bundle(exchange, query, [], null, await exactTotal(exchange, ask))
    const { rows, next } = await guarded.search(ask)
    return bundle(exchange, query, rows, next, await total(exchange, ask, query, rows, next))
  }
}

/** A page link carries the query sealed; nothing but output format may stand beside it. */
function pageOf(exchange: Exchange, type: string): { params: readonly (readonly [string, string])[]; after: Position | null } {
  const { request } = exchange
  const token = request.params.find(([name]) => name === '_page')
  if (token === undefined) return { params: request.params, after: null }
  if (request.params.some((pair) => pair !== token && pair[0] !== '_format' && pair[0] !== '_pretty')) throw fault(400, 'invalid', "'_page' stands alone")
  return openPage(exchange, token[1], type)
}

async function total(exchange: Exchange, ask: SearchAsk, query: Query, rows: readonly Seen[], next: Position | null): Promise<number | null> {
  if (query.total === 'none') return null
  if (ask.after === null && next === null) return rows.length
  if (query.total === 'accurate') return exactTotal(exchange, ask)
  if (query.total !== 'estimate') return null
  const { count, more } = await exchange.guarded.count(ask, exchange.site.bounds.scanRecordsMax)
  return more ? null : count
}

async function exactTotal(exchange: Exchange, ask: SearchAsk): Promise<number> {
  const { count, more } = await exchange.guarded.count(ask, exchange.site.bounds.scanRecordsMax)
  if (more) throw fault(422, 'too-costly', 'An accurate total would count more than SCAN_RECORDS_MAX rows')
  return count
}

function bundle(exchange: Exchange, query: Query, rows: readonly Seen[], next: Position | null, total: number | null): FhirResponse {
  const { request, site } = exchange
  const type = request.type!
  const links = [{ relation: 'self', url: selfLink(site.base, type, query) }]
  if (next !== null && next.key.length === 0) throw fault(422, 'not-supported', "A search within a transaction has no second page of what the transaction writes: ask for more with '_count'")
  if (next !== null) links.push({ relation: 'next', url: `${site.base}/${type}?_page=${pageToken(exchange, type, query.used, next)}` })
  const pieces = new JsonPieces().text(`{"resourceType":"Bundle","type":"searchset"${total === null ? '' : `,"total":${total}`},"link":${JSON.stringify(links)}`)
  rows.forEach((seen, index) => {
    pieces.text(`${index === 0 ? ',"entry":[' : ','}{"fullUrl":"${site.base}/${refText(seen.row)}","resource":`).bytes(seen.json()).text(',"search":{"mode":"match"}}')
  })
  return { status: 200, headers: { 'content-type': FHIR_JSON }, body: pieces.text(rows.length === 0 ? '}' : ']}').done(isPretty(request)) }
}

/** The self link shows the parameters that were used (https://hl7.org/fhir/R4/search.html#conformance). */
function selfLink(base: string, type: string, query: Query): string {
  const pairs = query.used.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
  return pairs.length === 0 ? `${base}/${type}` : `${base}/${type}?${pairs.join('&')}`
}
