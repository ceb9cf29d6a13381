/** Responses as bytes. Stored bytes are sent as they are wherever nothing is hidden and nothing was asked to be changed. */
import { operationOutcome, type FhirError } from '../model/errors.ts'
import type { FhirResponse } from '../model/interaction.ts'
import type { Row, Seen } from '../store/ports.ts'

export const FHIR_JSON = 'application/fhir+json; charset=utf-8'

export const etag = (version: number): string => `W/"${version}"`

export function rowHeaders(row: Row): Readonly<Record<string, string>> {
  const known = headersOfRows.get(row)
  if (known !== undefined) return known
  const made = Object.freeze({ 'content-type': FHIR_JSON, etag: etag(row.version), 'last-modified': new Date(row.updated).toUTCString() })
  headersOfRows.set(row, made)
  return made
}

/** Of rows that are read again and again; a date as text costs more than all the rest of it. */
const headersOfRows = new WeakMap<Row, Readonly<Record<string, string>>>()

/** A single resource. */
export function resourceReply(seen: Seen, status = 200, extra: Readonly<Record<string, string>> = {}): FhirResponse {
  return { status, headers: { ...rowHeaders(seen.row), ...extra }, body: seen.json() }
}

export function jsonReply(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): FhirResponse {
  return { status, headers: { 'content-type': FHIR_JSON, ...headers }, body: JSON.stringify(value) }
}

export function errorReply(error: FhirError): FhirResponse {
  return { status: error.status, headers: { 'content-type': FHIR_JSON, ...error.headers }, body: JSON.stringify(operationOutcome(error.issues)) }
}

/** JSON put together from text and stored bytes, without parsing the latter. */
export class JsonPieces {
  readonly #pieces: Uint8Array[] = []
  /** Behind the last piece: texts that follow each other become one. */
  #text = ''

  text(text: string): this {
    this.#text += text
    return this
  }

  bytes(bytes: Uint8Array): this {
    this.#pieces.push(Buffer.from(this.#text), bytes)
    this.#text = ''
    return this
  }

  done(): Uint8Array {
    this.#pieces.push(Buffer.from(this.#text))
    this.#text = ''
    return Buffer.concat(this.#pieces)
  }
}
