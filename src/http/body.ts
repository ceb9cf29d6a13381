import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { fault, FhirError } from '../model/errors.ts'
import { refuseTokenIn } from './authenticate.ts'
import type { Exchange, HttpConfig, ServerOptions, Step } from './exchange.ts'
import { mediaType, negotiateForm } from './negotiate.ts'
import { bodyFormat } from '../fhir/formats.ts'
import { JSON_PATCH } from '../fhir/patch/patch-body.ts'
import { parsePairs } from '../fhir/query-string.ts'

const inflate = promisify(gunzip)

/** Reads the body of a write or of a form, after authentication and with the bound of this caller. */
export function readBody(options: { readonly config: HttpConfig; readonly bodyLimit?: ServerOptions['bodyLimit'] | undefined }): Step {
  const { bounds } = options.config
  const bodyLimit = options.bodyLimit ?? (() => bounds.bodyBytesMax)
  return (exchange) => {
    const { method } = exchange.incoming
    if (method === 'GET' || method === 'HEAD' || method === 'DELETE') return undefined
    return method === 'POST' && exchange.route?.interaction.startsWith('search') === true ? readForm(exchange) : readContent(exchange)
  }

  async function readForm(exchange: Exchange): Promise<undefined> {
    if (!exchange.bodyUnread) return
    const { type, charset } = mediaType(exchange.incoming.headers['content-type'] ?? '')
    if (type !== 'application/x-www-form-urlencoded' || charset !== 'utf-8') throw unsupported('The body of _search is application/x-www-form-urlencoded')
    const bytes = await readBytes(exchange, bounds.formBytesMax, 'FORM_BYTES_MAX')
    const form = parsePairs(latin1(bytes), bounds.paramsMax - exchange.params.length)
    refuseTokenIn(form)
    exchange.params = [...exchange.params, ...form]
    negotiateForm(exchange, form)
  }

  async function readContent(exchange: Exchange): Promise<undefined> {
    if (exchange.caller === null) return
    // An operation without parameters needs no body.
    if (exchange.route?.interaction === 'operation' && !exchange.bodyUnread) return
    const contentType = contentTypeOf(exchange)
    const limit = await bodyLimit(exchange.caller)
    exchange.body = { bytes: exchange.bodyUnread ? await readBytes(exchange, limit, 'BODY_BYTES_MAX') : new Uint8Array(), contentType }
  }
}

/** FHIR JSON or XML; for PATCH a JSON Patch too, for Binary whatever was sent (https://hl7.org/fhir/R4/binary.html#rest). */
function contentTypeOf({ incoming, route }: Exchange): string {
  const sent = incoming.headers['content-type']
  if (sent === undefined) throw unsupported('Content-Type is missing')
  const { type, charset, version } = mediaType(sent)
  const isContent = route?.type === 'Binary' && (route.interaction === 'create' || route.interaction === 'update')
  if ((bodyFormat(type, isContent) !== undefined || (type === JSON_PATCH && route?.interaction === 'patch')) && charset === 'utf-8' && version) return type
  // `application/fhir+…` is a resource in some format, never the content of a Binary.
  if (!isContent || type.startsWith('application/fhir+') || !/^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}$/.test(type) || sent.length > 256)
    throw unsupported('This server reads application/fhir+json and application/fhir+xml of FHIR 4.0 in UTF-8')
  return sent
}

/** Never more than `bytesMax` bytes are held, sent or inflated: RFC 9110 lets a client lie about both lengths. */
async function readBytes(exchange: Exchange, bytesMax: number, setting: string): Promise<Uint8Array> {
  const { incoming, outgoing } = exchange
  const encoding = (incoming.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  if (encoding !== 'gzip' && encoding !== 'identity')
    throw new FhirError(415, [{ severity: 'error', code: 'not-supported', diagnostics: 'The only content coding is gzip' }], { headers: { 'Accept-Encoding': 'gzip' } })
  const tooBig = () => fault(413, 'too-long', `The body has more than ${bytesMax} bytes (${setting})`)
  if (Number(incoming.headers['content-length'] ?? 0) > bytesMax) throw tooBig()
  if (incoming.headers.expect !== undefined) outgoing.writeContinue()
  const bytes = await collect(incoming, lengthOf(incoming), bytesMax, tooBig)
  exchange.bodyUnread = false
  if (encoding === 'identity') return bytes
  return inflate(bytes, { maxOutputLength: bytesMax }).catch((cause: unknown) => {
    throw isTooLarge(cause) ? tooBig() : fault(400, 'invalid', 'The body is not valid gzip')
  })
}

/** Bytes that were announced, where they are many: put in their place as they come, they need not be put together in one piece of work. */
function lengthOf({ headers }: IncomingMessage): number | null {
  const length = Number(headers['content-length'] ?? 0)
  return length > PLACED_BYTES_MIN ? length : null
}

const PLACED_BYTES_MIN = 1_048_576

/**
 * `length`: of the whole body, which Node sees to. Memory is taken page by page, as bytes arrive, and is shared: another thread gets it without a copy,
 * and V8 does not count it among its own, for which it would collect all garbage.
 */
function collect(incoming: IncomingMessage, length: number | null, bytesMax: number, tooBig: () => FhirError): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const whole = length === null ? null : new Uint8Array(new SharedArrayBuffer(length))
    const chunks: Buffer[] = []
    let size = 0
    const stop = (error: Error) => {
      incoming.off('data', onData).off('end', onEnd).off('close', onClose).pause()
      reject(error)
    }
    const onData = (chunk: Buffer) => {
      const at = size
      size += chunk.length
      if (size > bytesMax) stop(tooBig())
      else if (whole === null) chunks.push(chunk)
      else {
        whole.set(chunk, at)
        // The next turn of the event loop brings the next piece, and not, as Node would read them, thirty at once: others come in between.
        incoming.pause()
        setImmediate(() => incoming.resume())
      }
    }
    const onEnd = () => {
      incoming.off('close', onClose)
      resolve(whole ?? (chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, size)))
    }
    const onClose = () => stop(fault(400, 'invalid', 'The body ended early'))
    incoming.on('data', onData).once('end', onEnd).once('close', onClose).once('error', onClose)
  })
}

const isTooLarge = (cause: unknown): boolean => cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE'
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
const unsupported = (text: string): FhirError => fault(415, 'not-supported', text)

const DISCARD_BYTES_MAX = 1_048_576
const DISCARD_MS_MAX = 2_000

/** After an early answer the rest of a body is thrown away, but not for ever: past 1 MiB or 2 s the connection goes. */
export function abandonBody(exchange: Exchange): void {
  const { incoming } = exchange
  if (!exchange.bodyUnread || incoming.readableEnded) return
  let size = 0
  const timer = setTimeout(() => incoming.destroy(), DISCARD_MS_MAX).unref()
  incoming.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > DISCARD_BYTES_MAX) incoming.destroy()
  })
  incoming.once('close', () => clearTimeout(timer)).once('end', () => clearTimeout(timer)).resume()
}

