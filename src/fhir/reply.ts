/** Responses as bytes. Stored bytes are sent as they are wherever nothing is hidden and nothing was asked to be changed. */
import { operationOutcome, type FhirError } from '../model/errors.ts'
import { type Body, type FhirResponse, isPieces, type Pieces } from '../model/interaction.ts'
import { JSON_FORMAT } from './formats.ts'
import { memoized } from '../model/memo.ts'
import type { Row, Seen } from '../store/ports.ts'

export const FHIR_JSON = JSON_FORMAT.contentType

export const etag = (version: number): string => `W/"${version}"`

/** A date as text costs more than all the rest of it. */
export const rowHeaders = memoized((row: Row): Readonly<Record<string, string>> =>
  Object.freeze({ 'content-type': FHIR_JSON, etag: etag(row.version), 'last-modified': new Date(row.updated).toUTCString() }))

/** A single resource. */
export function resourceReply(seen: Seen, status = 200, extra: Readonly<Record<string, string>> = {}): FhirResponse {
  return { status, headers: { ...rowHeaders(seen.row), ...extra }, updated: seen.row.updated, body: seen.json() }
}

export function jsonReply(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): FhirResponse {
  return { status, headers: { 'content-type': FHIR_JSON, ...headers }, body: JSON.stringify(value) }
}

export function errorReply(error: FhirError): FhirResponse {
  return { status: error.status, headers: { 'content-type': FHIR_JSON, ...error.headers }, body: JSON.stringify(operationOutcome(error.issues)) }
}

/** A body of fewer bytes is put together at once. */
const SMALL_BYTES = 16 * 1024

/** JSON put together from text and stored bytes, without parsing or copying the latter. */
export class JsonPieces {
  readonly #parts: Uint8Array[] = []
  #length = 0
  /** Behind the last part: texts that follow each other become one. */
  #text = ''

  text(text: string): this {
    this.#text += text
    return this
  }

  bytes(bytes: Uint8Array): this {
    if (this.#text !== '') this.#endText()
    this.#parts.push(bytes)
    this.#length += bytes.length
    return this
  }

  body(body: Body): this {
    if (typeof body === 'string') return this.text(body)
    if (!isPieces(body)) return this.bytes(body)
    for (const part of body.parts) this.bytes(part)
    return this
  }

  done(): Uint8Array | Pieces {
    if (this.#text !== '') this.#endText()
    const pieces = { parts: this.#parts, length: this.#length }
    return pieces.length < SMALL_BYTES ? Buffer.concat(pieces.parts, pieces.length) : pieces
  }

  #endText(): void {
    const text = Buffer.from(this.#text)
    this.#parts.push(text)
    this.#length += text.length
    this.#text = ''
  }
}
