import type { Ref } from './resource.ts'

/** Interaction codes of http://hl7.org/fhir/restful-interaction that this server answers. */
export type Interaction = 'read' | 'vread' | 'update' | 'patch' | 'delete' | 'history-instance' | 'history-type' | 'history-system' | 'create'
  | 'search-type' | 'search-system' | 'capabilities' | 'transaction' | 'batch' | 'operation'

/** A FHIR request without HTTP in it: batch entries and the network come through this same door. */
export interface FhirRequest {
  readonly interaction: Interaction
  readonly type: string | null
  readonly id: string | null
  readonly version: string | null
  /** A search within the compartment of this resource. */
  readonly compartment?: Ref
  /** Name of the operation without `$`, for the interaction `operation`. */
  readonly operation?: string | null
  /** Query (and form body) parameters in order, percent-decoded. */
  readonly params: readonly (readonly [name: string, value: string])[]
  /** `_format` and `_pretty` as they were asked for, as a query: links ask for them too. */
  readonly layout?: string
  readonly headers: RequestHeaders
  /** Raw body bytes (network), or the resource of a batch entry already parsed. */
  readonly body: { readonly bytes: Uint8Array; readonly contentType: string } | { readonly resource: unknown } | null
  /** Our own request id, and where the request came from. */
  readonly requestId: string
  readonly clientRequestId: string | null
  readonly address: string
}

/** Parameters as a query, percent-encoded; '' for none. */
export const queryText = (params: FhirRequest['params']): string => params.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&')

/** Request headers that change an answer, already trimmed; absent = undefined. */
export interface RequestHeaders {
  readonly ifMatch?: string
  readonly ifNoneMatch?: string
  readonly ifModifiedSince?: string
  readonly ifNoneExist?: string
  readonly prefer?: string
  readonly accept?: string
  /** X-Security-Context of a raw Binary. */
  readonly securityContext?: string
}

export interface FhirResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** ms since 1970, of the resource: Last-Modified has no more than its second. */
  readonly updated?: number
  /** JSON text or bytes ready to send; null = no body. */
  readonly body: Body | null
}

export type Body = Uint8Array | string | Pieces

/** A long body that is put together as it is sent; most of it lies in rows. `length`: of all parts, in bytes. */
export interface Pieces { readonly parts: readonly Uint8Array[]; readonly length: number }

export const isPieces = (body: Body): body is Pieces => typeof body !== 'string' && 'parts' in body

/** For whoever needs all of it at once. */
export const wholeBody = (body: Body): Uint8Array | string => (isPieces(body) ? Buffer.concat(body.parts, body.length) : body)
