/** Responses as bytes. Stored bytes are sent as they are wherever nothing is hidden and nothing was asked to be changed. */
import { operationOutcome, type FhirError } from '../model/errors.ts'
import { BLOCK_BYTES, type Blocks, takeBlock } from '../model/blocks.ts'
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

/** Smaller bodies have memory of their own. */
const BLOCKS_FROM = 16 * 1024
/** A UTF-16 unit is at most so many bytes of UTF-8. */
const UNIT_BYTES_MAX = 3

/** JSON put together from text and stored bytes, without parsing the latter. */
export class JsonPieces {
  readonly #pieces: (string | Uint8Array)[] = []
  /** Behind the last piece: texts that follow each other become one. */
  #text = ''
  #bytesMax = 0

  text(text: string): this {
    this.#text += text
    return this
  }

  bytes(bytes: Uint8Array): this {
    if (this.#text !== '') this.#endText()
    this.#pieces.push(bytes)
    this.#bytesMax += bytes.length
    return this
  }

  body(body: Body): this {
    if (typeof body === 'string') return this.text(body)
    for (const part of isBlocks(body) ? body.parts : [body]) this.bytes(part)
    return this
  }

  done(): Uint8Array | Blocks {
    this.#endText()
    return this.#bytesMax < BLOCKS_FROM ? this.#small() : this.#blocks()
  }

  #small(): Uint8Array {
    const out = Buffer.allocUnsafe(this.#bytesMax)
    let at = 0
    for (const piece of this.#pieces) at += put(piece, out, at)
    return out.subarray(0, at)
  }

  #blocks(): Blocks {
    const parts: Uint8Array[] = []
    const lent: Buffer[] = []
    let length = 0
    let block = takeBlock()
    let at = 0
    const end = (): void => {
      parts.push(block.subarray(0, at))
      length += at
      if (block.length === BLOCK_BYTES) lent.push(block)
    }
    for (const piece of this.#pieces) {
      const bytesMax = typeof piece === 'string' ? UNIT_BYTES_MAX * piece.length : piece.length
      if (at + bytesMax > block.length) {
        end()
        block = bytesMax > BLOCK_BYTES ? Buffer.allocUnsafeSlow(bytesMax) : takeBlock()
        at = 0
      }
      at += put(piece, block, at)
    }
    end()
    return { parts, length, lent }
  }

  #endText(): void {
    this.#pieces.push(this.#text)
    this.#bytesMax += UNIT_BYTES_MAX * this.#text.length
    this.#text = ''
  }
}

/** Writes a piece; how many bytes it has. */
function put(piece: string | Uint8Array, into: Buffer, at: number): number {
  if (typeof piece === 'string') return into.write(piece, at)
  into.set(piece, at)
  return piece.length
}
