import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Caller } from '../model/caller.ts'
import type { FhirRequest, FhirResponse, Interaction } from '../model/interaction.ts'
import type { Format } from '../fhir/formats.ts'
import type { OperationRoute, Route } from '../fhir/routes.ts'
import type { Log } from './log.ts'
import type { Pair } from '../fhir/query-string.ts'

/** One request and what the steps have found out about it so far. */
export interface Exchange {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  /** Our own request id. */
  readonly id: string
  readonly clientId: string | null
  readonly address: string
  /** `performance.now()` at the start. */
  readonly started: number
  /** Request target without query, as sent. */
  readonly path: string
  /** Query without `?`, as sent. */
  readonly query: string
  /** Headers of every answer to this request, beside the fixed ones. */
  readonly headers: Record<string, string>
  caller: Caller | null
  route: Route | null
  params: readonly Pair[]
  /** The Accept header, or _format in its place. */
  accept: string | undefined
  /** What they ask for. */
  format: Format
  /** Whether the request has said so already. */
  negotiated: boolean
  pretty: boolean
  /** `_format` and `_pretty` as given, as a query. */
  layout: string
  /** The reply in XML or indented, once it is written. */
  laidOut: string | null
  body: FhirRequest['body']
  /** A body was sent and nobody has read it. */
  bodyUnread: boolean
  /** The request reached `handle`, which records what it refuses by itself. */
  handled: boolean
}

/** A step answers, or leaves the request to the next one. It throws FhirError to refuse. */
export type Step = (exchange: Exchange) => FhirResponse | undefined | Promise<FhirResponse | undefined>

export interface Refusal {
  /** Our own request id, and the client's. */
  readonly requestId: string
  readonly clientRequestId: string | null
  readonly address: string
  /** Known only where the token was good and something else was not. */
  readonly client?: string
  readonly status: number
}

/** Counts of requests among the processes behind one address; a limiter has a name. */
export interface SharedHits {
  report(limiter: string, hits: ReadonlyMap<string, number>): void
  /** `take` is called with what the others counted. */
  heard(limiter: string, take: (hits: readonly (readonly [key: string, count: number])[]) => void): void
}

export interface ServerOptions {
  /** Of a server among several. */
  readonly hits?: SharedHits
  readonly config: HttpConfig
  /** Resource types that have routes. */
  readonly types: ReadonlySet<string>
  readonly handle: (request: FhirRequest, caller: Caller) => Promise<FhirResponse>
  readonly verify: (token: string) => Caller | Promise<Caller>
  /** Told of every refused credential, before the answer leaves. */
  readonly refused: (refusal: Refusal) => void | Promise<void>
  /** Rejects while store, keys or ledger are not usable. */
  readonly ready: () => Promise<void>
  /** CapabilityStatement as JSON. */
  readonly metadata: () => Uint8Array | string
  /** The OpenAPI document as JSON; made when it is first asked for. */
  readonly openApi?: () => Uint8Array
  /** JSON by the name after `/.well-known/`. */
  readonly wellKnown?: Readonly<Record<string, () => Uint8Array | string>>
  /** Bytes that this caller's body may have, inflated. */
  readonly bodyLimit?: (caller: Caller) => number | Promise<number>
  /** Lays out a large reply as XML away from this thread; default: on it. */
  readonly largeXml?: ((json: Uint8Array | string) => Promise<string>) | undefined
  /** True for errors of the store that a client may retry. */
  readonly unavailable: (error: unknown) => boolean
  /** Interactions that have routes; default `interactionsDefault` of fhir-routes.ts. */
  readonly interactions?: ReadonlySet<Interaction>
  /** Operations that have routes; default none. */
  readonly operations?: readonly OperationRoute[]
  readonly log: Log
}

/** The part of the settings that this stage needs (config.ts has their meaning). */
export interface HttpConfig {
  readonly port: number
  readonly host: string
  readonly fhirBase: string
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null
  readonly trustProxy: readonly string[]
  readonly corsOrigins: readonly string[]
  readonly rateLimitPerMinute: number
  readonly bounds: Readonly<Record<'bodyBytesMax' | 'formBytesMax' | 'urlBytesMax' | 'headerBytesMax' | 'paramsMax', number>>
  readonly timeouts: Readonly<Record<'headersMs' | 'bodyMs' | 'writeStallMs' | 'keepAliveMs' | 'drainMs' | 'readyMs', number>>
}
