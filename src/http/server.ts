import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isIP, type AddressInfo } from 'node:net'
import express from 'express'
import { fault, FhirError } from '../model/errors.ts'
import type { FhirRequest, FhirResponse, RequestHeaders } from '../model/interaction.ts'
import { authenticate, refuseTokenIn } from './authenticate.ts'
import { readBody } from './body.ts'
import { crossOrigin } from './cross-origin.ts'
import type { Exchange, HttpConfig, ServerOptions, Step } from './exchange.ts'
import { JSON_FORMAT } from '../fhir/formats.ts'
import { interactionsDefault, openRouter } from '../fhir/routes.ts'
import { fixedHeaders } from './headers.ts'
import { type App, drain, openListener } from './listen.ts'
import { formatForErrors, negotiate } from './negotiate.ts'
import { basePath, discovery, health, readiness } from './public-pages.ts'
import { parsePairs } from '../fhir/query-string.ts'
import { addressKeys, clientKey, openLimiter } from './rate-limit.ts'
import { laidOut, replyToError, respond, type RespondOptions } from './respond.ts'

export interface RunningServer {
  readonly port: number
  /** Stops accepting, lets requests in flight finish (at most `timeouts.drainMs`), then cuts what is left. */
  close(): Promise<void>
}

/** Listens, and answers each request by the steps of the table below. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { config, log } = options
  let draining = false
  const limit = { limit: config.rateLimitPerMinute, ...(options.hits === undefined ? {} : { hits: options.hits }) }
  const byAddress = openLimiter({ ...limit, name: 'address', keyOf: addressKeys() })
  const byClient = openLimiter({ ...limit, name: 'client', keyOf: clientKey })
  const steps: readonly Step[] = [
    boundTarget(config),                                       // 414
    health,                                                    // /health
    byAddress.step,                                            // 429
    crossOrigin(config),                                       // CORS, preflight
    readiness({ ...options, draining: () => draining }),       // /ready
    discovery(options),                                        // metadata, /.well-known/*
    underBase(config),                                         // 404 for what is not FHIR
    authenticate(options.verify),                              // 401: nothing below is said to a stranger
    byClient.step,                                             // 429
    route(options),                                            // 400, 404, 405
    negotiate,                                                 // 406
    readBody(options),                                         // 400, 413, 415
    dispatch(options)                                          // the FHIR interaction
  ]
  const respondOptions: RespondOptions = { fixed: fixedHeaders(config), writeStallMs: config.timeouts.writeStallMs, draining: () => draining }
  const app = express()
  app.disable('x-powered-by').disable('etag').set('query parser', false)
  app.set('trust proxy', config.trustProxy.length === 0 ? false : [...config.trustProxy])
  app.use((incoming: express.Request, outgoing: express.Response) => {
    const exchange = openExchange(incoming, outgoing, config.trustProxy.length === 0 ? undefined : incoming.ip)
    void answer(exchange, steps, { ...options, respondOptions })
  })
  const server = openListener(config, app as typeof app & App)
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(config.port, config.host, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      draining = true
      await drain(server, config.timeouts.drainMs)
      byAddress.close()
      byClient.close()
      log.flush()
    }
  }
}

type AnswerOptions = ServerOptions & { readonly respondOptions: RespondOptions }

async function answer(exchange: Exchange, steps: readonly Step[], options: AnswerOptions): Promise<void> {
  let reply: FhirResponse | undefined
  try {
    for (const step of steps) {
      const done = step(exchange)
      reply = done instanceof Promise ? await done : done
      if (reply !== undefined) break
    }
  } catch (error) {
    reply = await refusal(exchange, error, options)
  }
  const { id, route, started } = exchange
  if (reply !== undefined && (exchange.format.syntax === 'xml' || exchange.pretty) && exchange.laidOut === null) reply = await layOut(exchange, reply, options)
  try {
    respond(exchange, reply ?? replyToError(undefined, id, options.unavailable), options.respondOptions)
  } catch (error) {
    options.log.fault(id, error)
    exchange.outgoing.destroy()
  }
  options.log.request({ interaction: route?.interaction ?? 'none', type: route?.type ?? null, status: reply?.status ?? 500, ms: performance.now() - started, id })
}

/** Writes what goes out as XML or indented; a reply that cannot be is an error of the server. */
async function layOut(exchange: Exchange, reply: FhirResponse, options: AnswerOptions): Promise<FhirResponse> {
  try {
    exchange.laidOut = await laidOut(exchange, reply, options.largeXml)
    return reply
  } catch (error) {
    options.log.fault(exchange.id, error)
    const failed = replyToError(error, exchange.id, options.unavailable)
    exchange.laidOut = await laidOut(exchange, failed, undefined)
    return failed
  }
}

/** Turns an error into an answer. A refused credential is reported before the answer leaves; a failing report never opens a door. */
async function refusal(exchange: Exchange, error: unknown, options: AnswerOptions): Promise<FhirResponse> {
  const { id, address, caller, handled } = exchange
  exchange.format = formatForErrors(exchange)
  const reply = replyToError(error, id, options.unavailable)
  if (!(error instanceof FhirError) || reply.status >= 500) options.log.fault(id, error)
  if (handled || (reply.status !== 401 && reply.status !== 403)) return reply
  try {
    await options.refused({ requestId: id, clientRequestId: exchange.clientId, address, status: reply.status, ...(caller === null ? {} : { client: caller.client }) })
  } catch (failure) {
    options.log.fault(id, failure)
  }
  return reply
}

const CLIENT_ID = /^[A-Za-z0-9._-]{1,64}$/

function openExchange(incoming: IncomingMessage, outgoing: ServerResponse, proxied: string | undefined): Exchange {
  const { headers } = incoming
  const target = originForm(incoming.url ?? '/')
  const mark = target.indexOf('?')
  const sentId = headers['x-request-id']
  const address = proxied !== undefined && isIP(proxied) !== 0 ? proxied : incoming.socket.remoteAddress ?? ''
  return {
    incoming, outgoing, id: randomUUID(), started: performance.now(),
    clientId: typeof sentId === 'string' && CLIENT_ID.test(sentId) ? sentId : null,
    address: address.startsWith('::ffff:') ? address.slice(7) : address,
    path: mark < 0 ? target : target.slice(0, mark), query: mark < 0 ? '' : target.slice(mark + 1),
    headers: {}, caller: null, route: null, params: [], accept: headers.accept, format: JSON_FORMAT, negotiated: false, pretty: false, layout: '', laidOut: null, body: null,
    bodyUnread: headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0', handled: false
  }
}

/** RFC 9112 §3.2.2: a server must take the absolute form too. Its host is ignored like the Host header. */
const originForm = (url: string): string => url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?]*/i, '')

function boundTarget(config: HttpConfig): Step {
  return ({ incoming }) => {
    if ((incoming.url?.length ?? 0) > config.bounds.urlBytesMax) throw fault(414, 'too-long', `The URL has more than ${config.bounds.urlBytesMax} bytes (URL_BYTES_MAX)`)
    return undefined
  }
}

function underBase(config: HttpConfig): Step {
  const base = basePath(config)
  return ({ path }) => {
    if (path !== base && !path.startsWith(`${base}/`)) throw fault(404, 'not-found', 'No such page')
    return undefined
  }
}

function route(options: ServerOptions): Step {
  const base = basePath(options.config)
  const router = openRouter({ types: options.types, interactions: options.interactions ?? interactionsDefault, operations: options.operations ?? [] })
  return (exchange) => {
    exchange.params = parsePairs(exchange.query, options.config.bounds.paramsMax)
    refuseTokenIn(exchange.params)
    exchange.route = router.route(exchange.incoming.method ?? '', exchange.path.slice(base.length))
    return undefined
  }
}

function dispatch(options: ServerOptions): Step {
  return (exchange) => {
    const { route: found, caller, params, layout, body, id, clientId, address } = exchange
    if (found === null || caller === null) throw new Error('a step is missing')
    const request: FhirRequest = { ...found, params, ...(layout === '' ? {} : { layout }), headers: headersOf(exchange), body, requestId: id, clientRequestId: clientId, address }
    exchange.handled = true
    return options.handle(request, caller)
  }
}

function headersOf({ incoming: { headers }, accept }: Exchange): RequestHeaders {
  const chosen: Record<string, string> = {}
  const put = (name: keyof RequestHeaders, value: string | string[] | undefined) => { if (typeof value === 'string') chosen[name] = value.trim() }
  put('ifMatch', headers['if-match'])
  put('ifNoneMatch', headers['if-none-match'])
  put('ifModifiedSince', headers['if-modified-since'])
  put('ifNoneExist', headers['if-none-exist'])
  put('prefer', headers['prefer'])
  put('securityContext', headers['x-security-context'])
  put('accept', accept)
  return chosen
}
