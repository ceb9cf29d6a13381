import { isUtf8 } from 'node:buffer'
import { rawNumber } from './decimal.ts'
import { fault } from './errors.ts'

/** Longest text of one number, characters. */
export const NUMBER_TEXT_MAX = 64

/** Objects with more keys than this compare them in a Set, so that no body costs quadratic time. */
const LISTED_KEYS_MAX = 16

/** A whole number of so many digits is exact in a double. */
const SAFE_DIGITS = 15

const OBJECT = 1
const ARRAY = 2
const FNV_START = 0x811c9dc5
const FNV_PRIME = 0x01000193
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])
const FORBIDDEN_HASHES = [...FORBIDDEN_KEYS].map((key) => hashOf(Buffer.from(key)))

/**
 * JSON bytes to a value. Refuses with FhirError 400, in words that hold nothing of the body: bytes that are not UTF-8, nesting deeper than
 * `depthMax`, a key that one object has twice (compared decoded), the keys `__proto__`, `constructor` and `prototype`, unpaired surrogates,
 * numbers over 64 characters or beyond a double, trailing bytes. A leading byte order mark is dropped. A number whose text a double would
 * not give back (`1.50`, 20 digits) becomes a RawJson; see decimal.ts.
 */
export function parseJson(bytes: Uint8Array, bounds: { readonly depthMax: number }): unknown {
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  const body = Buffer.from(bytes.buffer, bytes.byteOffset + start, bytes.length - start)
  if (!isUtf8(body)) throw fault(400, 'structure', 'The body is not UTF-8')
  const scan = new Scan(body, bounds.depthMax)
  scan.run()
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    throw fault(400, 'structure', 'The body is not JSON')
  }
  return scan.exactNumbers.length === 0 ? value : restoreNumbers(value, scan.exactNumbers)
}

/**
 * JSON that this server wrote itself, without blanks, from what `parseJson` had judged: the same value, but keys, depth and encoding
 * are not judged again.
 */
export function parseOwnJson(bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
  return MAYBE_INEXACT.test(text) ? parseJson(bytes, { depthMax: OWN_DEPTH_MAX }) : JSON.parse(text)
}

const OWN_DEPTH_MAX = 1000

/** Finds every number that a double might not give back as it was written, and some that it would: over 15 digits, trailing zeros, exponents. */
const MAYBE_INEXACT = /[:,[](?:-0[,}\]]|-?(?:[0-9]{16}|[0-9]{10,}\.|[0-9]+\.(?:[0-9]{7}|[0-9]*0[,}\]])|[0-9.]+[eE]))/

interface ExactNumber {
  readonly path: readonly (string | number)[]
  readonly text: string
}

function restoreNumbers(root: unknown, numbers: readonly ExactNumber[]): unknown {
  const holder = { root }
  for (const { path, text } of numbers) {
    let parent: Record<string | number, unknown> = holder
    let last: string | number = 'root'
    for (const step of path) {
      parent = parent[last] as Record<string | number, unknown>
      last = step
    }
    parent[last] = rawNumber(text)
  }
  return holder.root
}

/**
 * One pass over the bytes without recursion. It trusts JSON.parse for the grammar: in a body that JSON.parse accepts it sees every key,
 * number and level; in any other body what it sees does not matter.
 */
class Scan {
  readonly exactNumbers: ExactNumber[] = []
  readonly #bytes: Buffer
  readonly #depthMax: number
  #depth = 0
  /** Per level: OBJECT or ARRAY; index in an array, or where the current key lies; where the level's keys start in the lists below. */
  readonly #kind: Uint8Array
  readonly #index: Int32Array
  readonly #keysFrom: Int32Array
  readonly #sets: (Set<string> | null)[] = []
  /** Keys of all open objects: hash, start and end of each. */
  readonly #keys: number[] = []

  constructor(bytes: Buffer, depthMax: number) {
    this.#bytes = bytes
    this.#depthMax = depthMax
    this.#kind = new Uint8Array(depthMax + 1)
    this.#index = new Int32Array(depthMax + 1)
    this.#keysFrom = new Int32Array(depthMax + 1)
  }

  run(): void {
    const bytes = this.#bytes
    const end = bytes.length
    const kind = this.#kind
    const index = this.#index
    let keyNext = false
    for (let at = 0; at < end; at++) {
      const byte = bytes[at] as number
      if (byte === 0x22) {
        at = keyNext ? this.#key(at + 1) : this.#string(at + 1)
      } else if (byte === 0x2c) {
        keyNext = kind[this.#depth] === OBJECT
        if (!keyNext) index[this.#depth] = (index[this.#depth] as number) + 1
      } else if (byte === 0x3a) {
        keyNext = false
      } else if (byte === 0x7b) {
        this.#open(OBJECT)
        keyNext = true
      } else if (byte === 0x5b) {
        this.#open(ARRAY)
        keyNext = false
      } else if (byte === 0x7d || byte === 0x5d) {
        this.#close()
        keyNext = false
      } else if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) {
        at = this.#number(at)
      }
    }
  }

  #open(kind: number): void {
    if (this.#depth >= this.#depthMax) throw fault(400, 'structure', `The body is nested deeper than ${this.#depthMax} levels`)
    const depth = ++this.#depth
    this.#kind[depth] = kind
    this.#index[depth] = 0
    this.#keysFrom[depth] = this.#keys.length
    this.#sets[depth] = null
  }

  #close(): void {
    if (this.#depth === 0) throw fault(400, 'structure', 'The body is not JSON')
    this.#keys.length = this.#keysFrom[this.#depth] as number
    this.#depth--
  }

  /** From behind the opening quote to the closing one. */
  #string(from: number): number {
    const bytes = this.#bytes
    const end = bytes.length
    let at = from
    for (; at < end; at++) {
      const byte = bytes[at]
      if (byte === 0x22) return at
      if (byte === 0x5c) {
        at++
        if (bytes[at] === 0x75) at = this.#unicodeEscape(at)
      }
    }
    return at
  }

  /** At the `u` of an escape. Returns the last byte read; a surrogate must come with its other half. */
  #unicodeEscape(at: number): number {
    const unit = this.#hex(at + 1)
    if (unit < 0xd800 || unit > 0xdfff) return at + 4
    const low = this.#bytes[at + 5] === 0x5c && this.#bytes[at + 6] === 0x75 ? this.#hex(at + 7) : -1
    if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff) throw fault(400, 'structure', 'The body holds half of a surrogate pair')
    return at + 10
  }

  #hex(from: number): number {
    const text = this.#bytes.toString('utf8', from, from + 4)
    return /^[0-9A-Fa-f]{4}$/.test(text) ? parseInt(text, 16) : 0
  }

  #key(from: number): number {
    const bytes = this.#bytes
    const end = bytes.length
    let hash = FNV_START
    let at = from
    let byte = bytes[at]
    while (at < end && byte !== 0x22 && byte !== 0x5c) {
      hash = Math.imul(hash ^ (byte as number), FNV_PRIME)
      byte = bytes[++at]
    }
    const escaped = byte === 0x5c
    if (escaped) at = this.#string(at)
    const depth = this.#depth
    this.#index[depth] = this.#keys.length
    const keysFrom = this.#keysFrom[depth] as number
    this.#keys.push(hash, from, at)
    const set = this.#sets[depth] ?? (escaped || this.#keys.length - keysFrom > 3 * LISTED_KEYS_MAX ? this.#makeSet(depth) : null)
    if (set === null) this.#compareListed(keysFrom, hash, from, at)
    else this.#compareSet(set, this.#keyText(from, at))
    return at
  }

  #compareListed(keysFrom: number, hash: number, from: number, to: number): void {
    const keys = this.#keys
    for (let other = keysFrom; other < keys.length - 3; other += 3) {
      if (keys[other] === hash && this.#sameBytes(keys[other + 1] as number, keys[other + 2] as number, from, to)) throw duplicateKey()
    }
    if (FORBIDDEN_HASHES.includes(hash) && FORBIDDEN_KEYS.has(this.#keyText(from, to))) throw forbiddenKey()
  }

  #compareSet(set: Set<string>, key: string): void {
    if (FORBIDDEN_KEYS.has(key)) throw forbiddenKey()
    if (set.has(key)) throw duplicateKey()
    set.add(key)
  }

  /** The keys that the object had before the newest one. */
  #makeSet(depth: number): Set<string> {
    const set = new Set<string>()
    for (let other = this.#keysFrom[depth] as number; other < this.#keys.length - 3; other += 3) {
      set.add(this.#keyText(this.#keys[other + 1] as number, this.#keys[other + 2] as number))
    }
    this.#sets[depth] = set
    return set
  }

  #sameBytes(from: number, to: number, otherFrom: number, otherTo: number): boolean {
    if (to - from !== otherTo - otherFrom) return false
    for (let step = 0; step < to - from; step++) {
      if (this.#bytes[from + step] !== this.#bytes[otherFrom + step]) return false
    }
    return true
  }

  #keyText(from: number, to: number): string {
    const text = this.#bytes.toString('utf8', from, to)
    if (!text.includes('\\')) return text
    try {
      return JSON.parse(`"${text}"`) as string
    } catch {
      throw fault(400, 'structure', 'The body is not JSON')
    }
  }

  /** From the first byte of a number to its last. */
  #number(from: number): number {
    const bytes = this.#bytes
    let at = from + 1
    let digits = bytes[from] !== 0x2d
    for (let byte = bytes[at]; byte !== undefined && isNumberByte(byte); byte = bytes[++at]) {
      if (byte < 0x30 || byte > 0x39) digits = false
    }
    if (digits && at - from <= SAFE_DIGITS) return at - 1
    if (at - from > NUMBER_TEXT_MAX) throw fault(400, 'value', `A number has more than ${NUMBER_TEXT_MAX} characters`)
    const text = bytes.toString('latin1', from, at)
    const value = Number(text)
    if (value === Infinity || value === -Infinity) throw fault(400, 'value', 'A number is out of range')
    if (String(value) !== text) this.exactNumbers.push({ path: this.#path(), text })
    return at - 1
  }

  #path(): (string | number)[] {
    const path: (string | number)[] = []
    for (let depth = 1; depth <= this.#depth; depth++) {
      const index = this.#index[depth] as number
      path.push(this.#kind[depth] === ARRAY ? index : this.#keyText(this.#keys[index + 1] as number, this.#keys[index + 2] as number))
    }
    return path
  }
}

const isNumberByte = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) || byte === 0x2e || byte === 0x65 || byte === 0x45 || byte === 0x2b || byte === 0x2d

function hashOf(bytes: Uint8Array): number {
  let hash = FNV_START
  for (const byte of bytes) hash = Math.imul(hash ^ byte, FNV_PRIME)
  return hash
}

const duplicateKey = () => fault(400, 'structure', 'An object in the body has the same key twice')
const forbiddenKey = () => fault(400, 'structure', 'The body has a key that no FHIR element is named by')
