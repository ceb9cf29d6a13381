/** History of an instance, of a type and of the whole system (https://hl7.org/fhir/R4/http.html#history). */
import { fault, notFound } from '../../model/errors.ts'
import type { FhirRequest, FhirResponse, Interaction } from '../../model/interaction.ts'
import { refText } from '../../model/resource.ts'
import { takingTurns } from '../../model/turns.ts'
import { dateRange } from '../../search/types/date-text.ts'
import type { HistoryAsk, Position, Seen } from '../../store/ports.ts'
import { allowParams, type Exchange, type InteractionDefinition, linkTo, openPosition, pageToken, selfLink } from '../exchange.ts'
import { etag, FHIR_JSON, JsonPieces } from '../reply.ts'

const history = (code: Interaction, right: InteractionDefinition['right']): InteractionDefinition => ({ code, right, run })

export const historyInstance = history('history-instance', 'r')
export const historyType = history('history-type', 's')
export const historySystem = history('history-system', 's')

const ASKED = ['_count', '_since', '_at', '_sort']

async function run(exchange: Exchange): Promise<FhirResponse> {
  const { request, guarded, site } = exchange
  const { type, id } = request
  const path = [type, id, '_history'].filter((part) => part !== null).join('/')
  allowParams(request, ['_format', '_pretty', '_page', ...ASKED])
  const { params, after } = pageOf(exchange, path)
  const of = type === null ? null : id === null ? type : { type, id }
  const limit = Math.min(site.bounds.countMax, countOf(params) ?? site.bounds.countDefault)
  const found = await guarded.history(of, { order: orderOf(params), after, limit, from: sinceOf(params), at: atOf(params) })
  if (found === undefined) throw notFound()
  const links = [{ relation: 'self', url: selfLink(exchange, path, params) }]
  if (found.next !== null) links.push({ relation: 'next', url: linkTo(exchange, path, `_page=${pageToken(exchange, path, params, found.next)}`) })
  const pieces = new JsonPieces().text(`{"resourceType":"Bundle","type":"history","link":${JSON.stringify(links)}`)
  const turn = takingTurns()
  for (const [index, seen] of found.rows.entries()) {
    writeEntry(pieces.text(index === 0 ? ',"entry":[' : ','), site.base, seen)
    const pause = turn()
    if (pause !== undefined) await pause
  }
  return { status: 200, headers: { 'content-type': FHIR_JSON }, body: pieces.text(found.rows.length === 0 ? '}' : ']}').done() }
}

function writeEntry(pieces: JsonPieces, base: string, seen: Seen): void {
  const { row } = seen
  const url = refText(row)
  pieces.text(`{"fullUrl":"${base}/${url}"`)
  if (!row.deleted) pieces.text(',"resource":').bytes(seen.json())
  const method = row.deleted ? 'DELETE' : 'PUT'
  const status = row.deleted ? '204' : row.version === 1 ? '201' : '200'
  const response = { status, etag: etag(row.version), lastModified: new Date(row.updated).toISOString() }
  pieces.text(`,"request":${JSON.stringify({ method, url })},"response":${JSON.stringify(response)}}`)
}

/** A page link carries what was asked; nothing but the output format may stand beside it. */
function pageOf(exchange: Exchange, path: string): { params: FhirRequest['params']; after: Position | null } {
  const asked = exchange.request.params.filter(([name]) => ASKED.includes(name))
  const token = exchange.request.params.find(([name]) => name === '_page')
  if (token === undefined) return { params: asked, after: null }
  if (asked.length > 0) throw fault(400, 'invalid', "'_page' stands alone")
  return openPosition(exchange, token[1], path)
}

const valueOf = (params: FhirRequest['params'], name: string): string | undefined => params.find(([each]) => each === name)?.[1]

function countOf(params: FhirRequest['params']): number | null {
  const text = valueOf(params, '_count')
  if (text === undefined) return null
  if (!/^[1-9][0-9]{0,5}$/.test(text)) throw fault(400, 'value', "'_count' is a positive integer")
  return Number(text)
}

function sinceOf(params: FhirRequest['params']): number {
  const text = valueOf(params, '_since')
  if (text === undefined) return 0
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at)) throw fault(400, 'value', "'_since' is an instant with a time zone")
  return at
}

function atOf(params: FhirRequest['params']): HistoryAsk['at'] {
  const text = valueOf(params, '_at')
  if (text === undefined) return null
  const range = dateRange(text)
  if (range === null) throw fault(400, 'value', "'_at' is a date or a time")
  return range
}

function orderOf(params: FhirRequest['params']): HistoryAsk['order'] {
  const text = valueOf(params, '_sort')
  if (text === undefined || text === '-_lastUpdated') return 'newest'
  if (text !== '_lastUpdated') throw fault(400, 'not-supported', "'_sort' of a history is _lastUpdated or -_lastUpdated")
  return 'oldest'
}
