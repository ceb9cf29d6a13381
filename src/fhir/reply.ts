/** Responses as bytes. Stored bytes are sent as they are wherever nothing is hidden and nothing was asked to be changed. */
import { operationOutcome, type FhirError } from '../model/errors.ts'
import { BLOCK_BYTES, type Blocks, giveBack, takeBlock } from '../model/blocks.ts'
import { type Body, type FhirResponse, isBlocks } from '../model/interaction.ts'
import { memoized } from '../model/memo.ts'
import type { Row, Seen } from '../store/ports.ts'

export const FHIR_JSON = 'application/fhir+json; charset=utf-8'

export const etag = (version: number): string => `W/"${version}"`

/** A date as text costs more than all the rest of it. */
export const rowHeaders = memoized((row: Row): Readonly<Record<string, string>> =>
  Object.freeze({ 'content-type': FHIR_JSON, etag: etag(row.version), 'last-modified': new Date(row.updated).toUTCString() }))

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

/** Bodies of fewer bytes have memory of their own. */
const SMALL_BYTES = 16 * 1024
/** A UTF-16 unit is at most so many bytes of UTF-8. */
const UNIT_BYTES_MAX = 3

/** JSON put together from text and stored bytes, without parsing the latter. What it is put into is lent, so `done` follows, once. */
export class JsonPieces {
  readonly #parts: Uint8Array[] = []
  readonly #lent: Buffer[] = []
  #block: Buffer | null = null
  #at = 0
  /** Of what lies before the block. */
  #length = 0
  /** Not put in yet: texts that follow each other become one. */
  #text = ''

  text(text: string): this {
    this.#text += text
    return this
  }

  bytes(bytes: Uint8Array): this {
    if (this.#text !== '') this.#endText()
    this.#room(bytes.length).set(bytes, this.#at)
    this.#at += bytes.length
    return this
  }

  body(body: Body): this {
    if (typeof body === 'string') return this.text(body)
    for (const part of isBlocks(body) ? body.parts : [body]) this.bytes(part)
    return this
  }

  done(): Uint8Array | Blocks {
    this.#endText()
    const block = this.#block!
    if (this.#parts.length > 0 || this.#at >= SMALL_BYTES) return this.#blocks()
    const small = Buffer.allocUnsafe(this.#at)
    block.copy(small, 0, 0, this.#at)
    if (block.length === BLOCK_BYTES) giveBack({ lent: [block] })
    return small
  }

  #blocks(): Blocks {
    this.#endBlock()
    return { parts: this.#parts, length: this.#length, lent: this.#lent }
  }

  /** The block with so many bytes left in it. */
  #room(bytesMax: number): Buffer {
    if (this.#block !== null && this.#at + bytesMax <= this.#block.length) return this.#block
    this.#endBlock()
    return (this.#block = bytesMax > BLOCK_BYTES ? Buffer.allocUnsafeSlow(bytesMax) : takeBlock())
  }

  #endBlock(): void {
    const block = this.#block
    if (block === null) return
    this.#parts.push(block.subarray(0, this.#at))
    this.#length += this.#at
    if (block.length === BLOCK_BYTES) this.#lent.push(block)
    this.#at = 0
  }

  #endText(): void {
    const text = this.#text
    this.#text = ''
    const block = this.#room(UNIT_BYTES_MAX * text.length)
    this.#at += block.write(text, this.#at)
  }
}
