/** Responses as bytes. Stored bytes are sent as they are wherever nothing is hidden and nothing was asked to be changed. */
import { operationOutcome, type FhirError } from '../model/errors.ts'
import type { FhirRequest, FhirResponse } from '../model/interaction.ts'
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
export function resourceReply(request: FhirRequest, seen: Seen, status = 200, extra: Readonly<Record<string, string>> = {}): FhirResponse {
  const body = isPretty(request) ? JSON.stringify(seen.resource(), null, 2) : seen.json()
  return { status, headers: { ...rowHeaders(seen.row), ...extra }, body }
}

export function jsonReply(request: FhirRequest, value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): FhirResponse {
  return { status, headers: { 'content-type': FHIR_JSON, ...headers }, body: JSON.stringify(value, null, isPretty(request) ? 2 : undefined) }
}

export function errorReply(error: FhirError): FhirResponse {
  return { status: error.status, headers: { 'content-type': FHIR_JSON, ...error.headers }, body: JSON.stringify(operationOutcome(error.issues)) }
}

export const isPretty = (request: FhirRequest): boolean => request.params.some(([name, value]) => name === '_pretty' && value === 'true')

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

  done(pretty: boolean): Uint8Array | string {
    this.#pieces.push(Buffer.from(this.#text))
    this.#text = ''
    const bytes = Buffer.concat(this.#pieces)
    if (!pretty) return bytes
    // The reviver keeps the text of numbers, so that 1.10 stays 1.10 in an indented reply too.
    return JSON.stringify(JSON.parse(bytes.toString('utf8'), keepNumberText), null, 2)
  }
}

const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON

function keepNumberText(this: unknown, _key: string, value: unknown, context?: { source?: string }): unknown {
  return typeof value === 'number' && context?.source !== undefined && context.source !== String(value) ? rawJson(context.source) : value
}
