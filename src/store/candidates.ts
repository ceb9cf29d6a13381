import type { Bytes } from '../model/resource.ts'
import { TERM_BYTES, type Position, type Stored, type Term } from './ports.ts'

/**
 * Testing candidates against any-of sets, shared by the adapters. An adapter reads one set from its index and tests
 * the others here, on the terms stored with the record.
 */

/** A set of distinct terms: `blob` holds them one after the other, `slots` finds them by four bytes of their digest. */
export interface TermSet {
  readonly size: number
  readonly terms: readonly Term[]
  readonly blob: Bytes
  /** A hash table of numbers of terms plus one, 0 where a slot is free; a term lies where its digest says or in the next slot that was free. A power of two long. */
  readonly slots: Int32Array
  /** Of each term the four bytes that it is found by. */
  readonly words: Int32Array
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

/** The terms of a record (n×16 B), and of each four bytes of its digest, by which a set is asked. */
export interface Carried { readonly terms: Uint8Array; readonly words: Int32Array }

export function carried(terms: Uint8Array): Carried {
  const words = new Int32Array(terms.length / TERM_BYTES)
  for (let i = 0; i < words.length; i++) words[i] = wordAt(terms, i * TERM_BYTES)
  return { terms, words }
}

/** Does the record carry any of the set? An empty set is carried by none. */
export function holdsAny({ terms, words }: Carried, { slots, words: own, blob }: TermSet): boolean {
  const mask = slots.length - 1
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    for (let slot = word & mask, number = slots[slot]!; number !== 0; number = slots[slot]!) {
      if (own[number - 1] === word && sameTerm(blob, (number - 1) * TERM_BYTES, terms, i * TERM_BYTES)) return true
      slot = slot + 1 & mask
    }
  }
  return false
}

/** Does the record carry at least one term of every set, and none of `none`? */
export function passes(record: Carried, all: readonly TermSet[], none: TermSet | null): boolean {
  for (const set of all) {
    if (!holdsAny(record, set)) return false
  }
  return none === null || !holdsAny(record, none)
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

// A term begins with the patient's prefix and the epoch, the same for all terms of a patient: they would not spread.
function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at + 5] as number) | (bytes[at + 6] as number) << 8 | (bytes[at + 7] as number) << 16 | (bytes[at + 8] as number) << 24
}

function sameTerm(left: Uint8Array, leftAt: number, right: Uint8Array, rightAt: number): boolean {
  for (let i = 0; i < TERM_BYTES; i++) {
    if (left[leftAt + i] !== right[rightAt + i]) return false
  }
  return true
}

/** The slot of a term, or the free one where it would lie. */
function slotOf({ blob, slots }: Pick<TermSet, 'blob' | 'slots'>, term: Term): number {
  const mask = slots.length - 1
  let slot = wordAt(term, 0) & mask
  for (let number = slots[slot]!; number !== 0 && !sameTerm(blob, (number - 1) * TERM_BYTES, term, 0); number = slots[slot]!) slot = slot + 1 & mask
  return slot
}

function makeSet(terms: readonly Term[]): TermSet {
  const blob = new Uint8Array(terms.length * TERM_BYTES)
  // At most a quarter of the slots are taken.
  const slots = new Int32Array(2 ** Math.ceil(Math.log2(4 * terms.length + 2)))
  const words = new Int32Array(terms.length)
  const distinct: Term[] = []
  for (const term of terms) {
    const slot = slotOf({ blob, slots }, term)
    if (slots[slot] !== 0) continue
    blob.set(term, distinct.length * TERM_BYTES)
    words[distinct.length] = wordAt(term, 0)
    distinct.push(term)
    slots[slot] = distinct.length
  }
  const size = distinct.length
  return { size, terms: distinct, blob: blob.slice(0, size * TERM_BYTES), slots, words }
}
