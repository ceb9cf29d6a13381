import { readFileSync } from 'node:fs'
import { createServer, IncomingMessage, type RequestListener, type Server, ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { operationOutcome } from '../model/errors.ts'
import type { HttpConfig } from './exchange.ts'

/** An express application: express gives requests and responses these prototypes. */
export type App = RequestListener & { readonly request: object; readonly response: object }

/** The listening side: time-outs, header bound and TLS; `app` also decides whether a body that waits for `100 Continue` may come. */
export function openListener(config: HttpConfig, app: App): Server {
  const { timeouts, bounds } = config
  const http = {
    headersTimeout: timeouts.headersMs, requestTimeout: Math.max(timeouts.bodyMs, timeouts.headersMs), keepAliveTimeout: timeouts.keepAliveMs,
    connectionsCheckingInterval: Math.max(10, Math.min(1_000, timeouts.headersMs / 4)), maxHeaderSize: bounds.headerBytesMax,
    IncomingMessage: bornWith(IncomingMessage, app.request), ServerResponse: bornWith(ServerResponse, app.response)
  }
  const server = config.tls === null ? createServer(http)
    : createTlsServer({ ...http, cert: readFileSync(config.tls.certFile), key: readFileSync(config.tls.keyFile), minVersion: 'TLSv1.2', handshakeTimeout: timeouts.headersMs })
  const waiting = new Set<Socket>()
  idle.set(server, waiting)
  server.on(config.tls === null ? 'connection' : 'secureConnection', (socket: Socket) => {
    waiting.add(socket)
    socket.once('close', () => waiting.delete(socket))
  })
  const handle: RequestListener = (request, response) => {
    waiting.delete(request.socket)
    response.once('close', () => { if (!request.socket.destroyed) waiting.add(request.socket) })
    app(request, response)
  }
  return server.on('request', handle).on('checkContinue', handle).on('clientError', refuseConnection)
}

/** Connections on which no request is under way, also those that have sent a part of one's head. */
const idle = new WeakMap<Server, Set<Socket>>()

/**
 * The class with the prototype that express would give each message later: to change it on a living object costs every request some
 * microseconds, there and wherever the object is used.
 */
function bornWith<C extends abstract new (...args: never[]) => object>(base: C, prototype: object): C {
  const made = function (...args: unknown[]): object {
    return Reflect.construct(base, args, made)
  }
  made.prototype = prototype
  return made as unknown as C
}

/** What is no HTTP gets a fixed answer; nothing of it is repeated or logged. */
function refuseConnection(error: Error & { code?: string }, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy()
  const [status, code] = error.code === 'HPE_HEADER_OVERFLOW' ? ['431 Request Header Fields Too Large', 'too-long'] as const
    : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? ['408 Request Timeout', 'timeout'] as const : ['400 Bad Request', 'invalid'] as const
  const body = JSON.stringify(operationOutcome([{ severity: 'error', code, diagnostics: 'The request is not acceptable HTTP' }]))
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nCache-Control: no-store\r\nContent-Type: application/fhir+json; charset=utf-8\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
}

/** How long a head that has begun may still take when the server stops. */
const HEAD_GRACE_MS = 1000

/** Resolves when the last connection is gone; after `drainMs` the rest is cut. */
export function drain(server: Server, drainMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timers = [
      setTimeout(() => { for (const socket of idle.get(server) ?? []) socket.destroy() }, Math.min(HEAD_GRACE_MS, drainMs)),
      setTimeout(() => server.closeAllConnections(), drainMs)
    ]
    server.close(() => {
      timers.forEach(clearTimeout)
      resolve()
    })
    server.closeIdleConnections()
  })
}
