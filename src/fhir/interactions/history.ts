/** Instance history (https://hl7.org/fhir/R4/http.html#history). */
import { fault, notFound } from '../../model/errors.ts'
import type { FhirRequest } from '../../model/interaction.ts'
import { refText } from '../../model/resource.ts'
import type { Seen } from '../../store/ports.ts'
import { allowParams, type Exchange, type InteractionDefinition, openPage, pageToken } from '../exchange.ts'
import { etag, FHIR_JSON, isPretty, JsonPieces } from '../reply.ts'

export const historyInstance: InteractionDefinition = {
  code: 'history-instance',
  right: 'r',
  async run(exchange) {
    const { request, guarded, site } = exchange
    const ref = { type: request.type!, id: request.id! }
    const path = `${refText(ref)}/_history`
    allowParams(request, ['_format', '_pretty', '_count', '_since', '_page'])
    const { params, before } = pageOf(exchange, path)
    const count = Math.min(site.bounds.countMax, countOf(params) ?? site.bounds.countDefault)
    const since = sinceOf(params)
    const versions = await guarded.history(ref, before, count + 1)
    if (versions.length === 0 && before === null) throw notFound()
    const rows = versions.slice(0, count).filter((seen) => seen.row.updated >= since)
    const last = versions[count - 1]
    const more = versions.slice(count).some((seen) => seen.row.updated >= since)
    const links = [{ relation: 'self', url: `${site.base}/${path}${params.length === 0 ? '' : `?${new URLSearchParams(params.map(([name, value]) => [name, value]))}`}` }]
    if (more && last !== undefined) links.push({ relation: 'next', url: `${site.base}/${path}?_page=${pageToken(exchange, path, params, { updated: last.row.version, key: new Uint8Array(0) })}` })
    const pieces = new JsonPieces().text(`{"resourceType":"Bundle","type":"history","link":${JSON.stringify(links)}`)
    rows.forEach((seen, index) => writeEntry(pieces.text(index === 0 ? ',"entry":[' : ','), site.base, seen))
    return { status: 200, headers: { 'content-type': FHIR_JSON }, body: pieces.text(rows.length === 0 ? '}' : ']}').done(isPretty(request)) }
  }
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

/** The position of a history page is the version before which it goes on. */
function pageOf(exchange: Exchange, path: string): { params: FhirRequest['params']; before: number | null } {
  const token = exchange.request.params.find(([name]) => name === '_page')
  if (token === undefined) return { params: exchange.request.params.filter(([name]) => name === '_count' || name === '_since'), before: null }
  if (exchange.request.params.some(([name]) => name === '_count' || name === '_since')) throw fault(400, 'invalid', "'_page' stands alone")
  const { params, after } = openPage(exchange, token[1], path)
  return { params, before: after.updated }
}

function countOf(params: FhirRequest['params']): number | null {
  const text = params.find(([name]) => name === '_count')?.[1]
  if (text === undefined) return null
  if (!/^[1-9][0-9]{0,5}$/.test(text)) throw fault(400, 'value', "'_count' is a positive integer")
  return Number(text)
}

function sinceOf(params: FhirRequest['params']): number {
  const text = params.find(([name]) => name === '_since')?.[1]
  if (text === undefined) return 0
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(at)) throw fault(400, 'value', "'_since' is an instant with a time zone")
  return at
}
