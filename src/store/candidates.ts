import type { Bytes } from '../model/resource.ts'
import { TERM_BYTES, type Position, type Stored, type Term } from './ports.ts'

/**
 * Testing candidates against any-of sets, shared by the adapters. An adapter reads one set from its index and tests
 * the others here, on the terms stored with the record.
 */

/** A set of distinct terms: `blob` holds them one after the other, `index` finds them by their second 32-bit word. */
export interface TermSet {
  readonly size: number
  readonly blob: Bytes
  /** Number of the last term with this word; `previous` leads to the others. */
  readonly index: ReadonlyMap<number, number>
  /** For each term the number of an earlier one with the same word, or -1. */
  readonly previous: Int32Array
}

const sets = new WeakMap<readonly Term[], TermSet>()

/** The set made of this array. Kept as long as the array lives, so a caller that reuses its array pays once. */
export function termSet(terms: readonly Term[]): TermSet {
  const known = sets.get(terms)
  if (known !== undefined) return known
  const made = makeSet(terms)
  sets.set(terms, made)
  return made
}

/** Term number `i` of the set, a view. */
export function termAt(set: TermSet, i: number): Bytes {
  return set.blob.subarray(i * TERM_BYTES, (i + 1) * TERM_BYTES)
}

/** Does the record with these terms (n×16 B) carry any of the set? An empty set is carried by none. */
export function holdsAny(terms: Uint8Array, set: TermSet): boolean {
  for (let at = 0; at < terms.length; at += TERM_BYTES) {
    if (numberOf(set, terms, at) >= 0) return true
  }
  return false
}

/** Does the record carry at least one term of every set, and none of `none`? */
export function passes(terms: Uint8Array, all: readonly TermSet[], none: TermSet | null): boolean {
  for (const set of all) {
    if (!holdsAny(terms, set)) return false
  }
  return none === null || !holdsAny(terms, none)
}

const VERSION_BYTES = 4

/**
 * Position of one version for `findVersions`: the key of 16 B, then the version as 4 B big-endian, because two
 * versions of a record may carry the same millisecond.
 */
export function versionPosition(stored: Pick<Stored, 'key' | 'version' | 'updated'>): Position {
  const key = new Uint8Array(stored.key.length + VERSION_BYTES)
  key.set(stored.key)
  new DataView(key.buffer).setUint32(stored.key.length, stored.version)
  return { updated: stored.updated, key }
}

/** The record key and the version of such a position; version null where the position names a whole record. */
export function positionParts(position: Position): { readonly key: Bytes; readonly version: number | null } {
  const { key } = position
  if (key.length === TERM_BYTES) return { key, version: null }
  return { key: key.slice(0, TERM_BYTES), version: new DataView(key.buffer, key.byteOffset).getUint32(TERM_BYTES) }
}

// The first word of a term is the patient prefix, the same for all terms of a patient: it would not spread.
function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at + 4] as number) | (bytes[at + 5] as number) << 8 | (bytes[at + 6] as number) << 16 | (bytes[at + 7] as number) << 24
}

function sameTerm(left: Uint8Array, leftAt: number, right: Uint8Array, rightAt: number): boolean {
  for (let i = 0; i < TERM_BYTES; i++) {
    if (left[leftAt + i] !== right[rightAt + i]) return false
  }
  return true
}

function numberOf(set: Pick<TermSet, 'blob' | 'index' | 'previous'>, bytes: Uint8Array, at: number): number {
  let number = set.index.get(wordAt(bytes, at)) ?? -1
  while (number >= 0 && !sameTerm(set.blob, number * TERM_BYTES, bytes, at)) number = set.previous[number] as number
  return number
}

function makeSet(terms: readonly Term[]): TermSet {
  const blob = new Uint8Array(terms.length * TERM_BYTES)
  const index = new Map<number, number>()
  const previous = new Int32Array(terms.length)
  let size = 0
  for (const term of terms) {
    if (numberOf({ blob, index, previous }, term, 0) >= 0) continue
    const word = wordAt(term, 0)
    blob.set(term, size * TERM_BYTES)
    previous[size] = index.get(word) ?? -1
    index.set(word, size)
    size++
  }
  return { size, blob: blob.slice(0, size * TERM_BYTES), index, previous }
}
