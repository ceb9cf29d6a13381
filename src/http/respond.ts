import { FhirError, operationOutcome } from '../model/errors.ts'
import { type Body, type FhirResponse, isPieces, wholeBody } from '../model/interaction.ts'
import { JSON_FORMAT } from '../fhir/formats.ts'
import { abandonBody } from './body.ts'
import { xmlOfReply } from '../fhir/xml/reply-xml.ts'
import type { Exchange, ServerOptions } from './exchange.ts'
import { pretty } from './pretty.ts'
import { writePieces } from './write-pieces.ts'

export interface RespondOptions {
  /** Names and values in turn. */
  readonly fixed: readonly string[]
  readonly writeStallMs: number
  readonly draining: () => boolean
}

/** Indented it would be several times as long. */
const PRETTY_BYTES_MAX = 1_048_576
/** More is written as XML on another thread, since it would hold up everybody else. */
const XML_BYTES_MAX = 262_144

/** Writes one answer: fixed headers, those of the steps, those of the reply. HEAD gets the headers of GET. */
export function respond(exchange: Exchange, reply: FhirResponse, options: RespondOptions): void {
  const { outgoing, incoming } = exchange
  if (outgoing.headersSent || outgoing.destroyed) return
  const headers = new HeaderLines(options.fixed)
  headers.addAll(exchange.headers)
  headers.addAll(reply.headers)
  headers.add('X-Request-Id', exchange.id)
  const body = bodyOf(exchange, reply, headers)
  if (exchange.clientId !== null) headers.add('X-Correlation-Id', exchange.clientId)
  if (options.draining() || (exchange.bodyUnread && incoming.headers.expect !== undefined)) headers.add('Connection', 'close')
  const empty = reply.status === 204 || reply.status === 304
  if (!empty) headers.add('Content-Length', String(body === null ? 0 : typeof body === 'string' ? Buffer.byteLength(body) : body.length))
  outgoing.writeHead(reply.status, headers.lines)
  if (body === null || empty || incoming.method === 'HEAD') outgoing.end()
  else if (isPieces(body)) writePieces(outgoing, body)
  else outgoing.end(body)
  abandonBody(exchange)
  watchStall(exchange, options.writeStallMs)
}

/** Names and values in turn, as writeHead takes them without making an object of some twenty headers for each answer. A name stands once. */
class HeaderLines {
  readonly lines: string[]

  constructor(fixed: readonly string[]) {
    this.lines = [...fixed]
  }

  add(name: string, value: string): void {
    const at = this.#at(name)
    if (at < 0) this.lines.push(name, value)
    else this.lines[at + 1] = value
  }

  addAll(headers: Readonly<Record<string, string>>): void {
    for (const name in headers) this.add(name, headers[name]!)
  }

  get(name: string): string | undefined {
    const at = this.#at(name)
    return at < 0 ? undefined : this.lines[at + 1]
  }

  #at(name: string): number {
    const { lines } = this
    const length = name.length
    for (let at = 0; at < lines.length; at += 2) {
      const known = lines[at]!
      if (known === name || (known.length === length && known.toLowerCase() === name.toLowerCase())) return at
    }
    return -1
  }
}

function bodyOf(exchange: Exchange, reply: FhirResponse, headers: HeaderLines): FhirResponse['body'] {
  const { body } = reply
  const sent = headers.get('Content-Type')
  // What is not sent, since it is not modified, is told of as it would be.
  if (body === null && sent === undefined) return null
  const type = sent ?? JSON_FORMAT.contentType
  const fhir = isFhirJson(type)
  const isXml = exchange.laidOut !== null && exchange.format.syntax === 'xml'
  headers.add('Content-Type', !fhir ? type : isXml || reply.status < 400 ? exchange.format.contentType : JSON_FORMAT.contentType)
  if (body === null || isXml) return exchange.laidOut
  if (exchange.route?.type === 'Binary' && !fhir) headers.add('Content-Disposition', 'attachment')
  return exchange.laidOut ?? body
}

/** A resource among the replies in XML or indented, as it was asked for; null for all else (pages, content of a Binary, no body). Large ones are not indented. */
export async function laidOut(exchange: Exchange, { body, headers }: FhirResponse, elsewhere: ServerOptions['largeXml']): Promise<string | null> {
  if (body === null || !isFhirJson(headers['Content-Type'] ?? headers['content-type'] ?? JSON_FORMAT.type)) return null
  if (exchange.format.syntax !== 'xml') return body.length > PRETTY_BYTES_MAX ? null : pretty(textOf(body))
  const isLarge = body.length > XML_BYTES_MAX
  const whole = wholeBody(body)
  return isLarge && elsewhere !== undefined ? elsewhere(whole) : xmlOfReply(whole, exchange.pretty && !isLarge)
}

function textOf(body: Body): string {
  const whole = wholeBody(body)
  return typeof whole === 'string' ? whole : new TextDecoder().decode(whole)
}

const isFhirJson = (type: string): boolean => type === JSON_FORMAT.type || type.startsWith(`${JSON_FORMAT.type};`)

/** A client that takes no byte of a waiting answer for this long loses its connection. Node resets the time-out once all is sent. */
function watchStall({ outgoing }: Exchange, writeStallMs: number): void {
  const { socket } = outgoing
  if (socket === null) outgoing.once('socket', (assigned) => assigned.setTimeout(writeStallMs))
  else if (socket.writableLength > 0) socket.setTimeout(writeStallMs)
}

/** Any error → an answer. What is not a FhirError gives a fixed text and our request id, nothing of its own. */
export function replyToError(error: unknown, id: string, unavailable: (error: unknown) => boolean): FhirResponse {
  const known = error instanceof FhirError ? error : unavailable(error) ? unavailableNow() : internal(id)
  return { status: known.status, headers: { ...known.headers, 'Content-Type': JSON_FORMAT.contentType }, body: JSON.stringify(operationOutcome(known.issues)) }
}

const internal = (id: string): FhirError =>
  new FhirError(500, [{ severity: 'fatal', code: 'exception', diagnostics: `The server failed; quote request ${id} to its operator` }])

const unavailableNow = (): FhirError =>
  new FhirError(503, [{ severity: 'error', code: 'transient', diagnostics: 'The server cannot reach its store at the moment' }], { headers: { 'Retry-After': '5' } })
