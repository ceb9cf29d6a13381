import type { KeyObject } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Bytes } from '../model/resource.ts'
import { byteText, compareBytes, exact, lengthPrefixed } from './bytes.ts'
import type { DataKey } from './data-keys.ts'
import type { KeyRing } from './keys.ts'
import { hmac256, hmac512 } from './mac.ts'

/** A value of a parameter as it was normalised for the index; `code` may name more than the parameter (`name:exact`). */
export interface TermValue { readonly code: string; readonly value: string }

/** What blind-index needs of a ring. */
export type TermRing = Pick<KeyRing, 'terms' | 'epoch'>

export const TERM_BYTES = 16
export const PREFIX_BYTES = 4
export const HOMOPHONES = 16

/** 4 bytes at the start of every term of one patient, so that they lie together; also the shard key. */
export function patientPrefix(ring: TermRing, patient: string): Bytes {
  return exact(prefixOf(ring, patient))
}

/**
 * Where a record lies in a store of several shards, 4 bytes: with all else of its one patient; of several patients, in the one place that is
 * theirs, so that a search of any of them knows where; of none, spread by its key.
 */
export function placeOf(ring: TermRing, patients: readonly string[], recordKey: Bytes): Bytes {
  if (patients.length === 0) return recordKey.slice(0, PREFIX_BYTES)
  return patients.length === 1 ? patientPrefix(ring, patients[0]!) : severalPlace(ring)
}

/** Every place in which a record that names one of these patients can lie. */
export const placesOf = (ring: TermRing, patients: readonly string[]): readonly Bytes[] => [...patients.map((patient) => patientPrefix(ring, patient)), severalPlace(ring)]

const severalPlace = (ring: TermRing): Bytes => exact(hmac256(ring.terms, lengthPrefixed(['several patients'])).subarray(0, PREFIX_BYTES))

/** Visibility: the record names this compartment patient. */
export const patientTerm = (ring: TermRing, type: string, patient: string, epoch = ring.epoch): Bytes =>
  visible(ring, 'patient', type, patient, epoch)

/** Visibility: the record names this compartment patient and no other. */
export const onlyTerm = (ring: TermRing, type: string, patient: string, epoch = ring.epoch): Bytes =>
  visible(ring, 'only', type, patient, epoch)

/** Visibility: the record, of whatever type, names this compartment patient. */
export const anyTypeTerm = (ring: TermRing, patient: string, epoch = ring.epoch): Bytes => visible(ring, 'any type', '', patient, epoch)

/** Visibility: every record of the type, for callers who see all patients. */
export const typeTerm = (ring: TermRing, type: string, epoch = ring.epoch): Bytes => tenantWide(ring, ['type', type], epoch)

/** epoch (1) ‖ HMAC-SHA-256 (15): equal for all patients of the tenant. */
export const populationTerm = (ring: TermRing, type: string, ask: TermValue, epoch = ring.epoch): Bytes =>
  tenantWide(ring, ['population', type, ask.code, ask.value], epoch)

/** The 16 terms under which a patient's records with this value may lie; a query asks for any of them. */
export function patientLevelTerms(ring: TermRing, key: DataKey, type: string, ask: TermValue, epoch = ring.epoch): Bytes[] {
  const prefix = prefixOf(ring, patientOf(key))
  const out: Bytes[] = []
  for (let block = 0; block < HOMOPHONES / TERMS_PER_DIGEST; block++) {
    const digest = levelDigest(key, type, ask, block, epoch)
    for (let slot = 0; slot < TERMS_PER_DIGEST; slot++) out.push(clustered(prefix, epoch, digest, slot * SLOT_BYTES))
  }
  return out
}

/** The one of the 16 that this record takes, by HMAC(record key) mod 16. */
export function patientLevelTerm(ring: TermRing, key: DataKey, type: string, ask: TermValue, recordKey: Bytes, epoch = ring.epoch): Bytes {
  const prefix = prefixOf(ring, patientOf(key))
  const number = homophoneOf(ring, recordKey)
  const digest = levelDigest(key, type, ask, Math.floor(number / TERMS_PER_DIGEST), epoch)
  return clustered(prefix, epoch, digest, (number % TERMS_PER_DIGEST) * SLOT_BYTES)
}

/** Sorted, distinct, one after the other. */
export function packTerms(terms: readonly Bytes[]): Bytes {
  const distinct = terms.toSorted(compareBytes).filter((term, i, all) => i === 0 || compareBytes(term, all[i - 1]!) !== 0)
  const out = new Uint8Array(distinct.length * TERM_BYTES)
  distinct.forEach((term, i) => out.set(term, i * TERM_BYTES))
  return out
}

/** One HMAC-SHA-512 (64 bytes) gives four terms of 11 bytes, each from its own 16: four digests for a query instead of sixteen. */
const TERMS_PER_DIGEST = 4
const SLOT_BYTES = 16

function prefixOf(ring: TermRing, patient: string): Uint8Array {
  let known = prefixes.get(ring.terms)
  if (known === undefined) prefixes.set(ring.terms, (known = new LRUCache({ max: 20_000 })))
  let prefix = known.get(patient)
  if (prefix === undefined) {
    prefix = exact(hmac256(ring.terms, lengthPrefixed(['prefix', patient])).subarray(0, PREFIX_BYTES))
    known.set(patient, prefix)
  }
  return prefix
}

/** Every record and every panel asks for the same few. */
const prefixes = new WeakMap<KeyObject, LRUCache<string, Uint8Array>>()

function homophoneOf(ring: TermRing, recordKey: Bytes): number {
  const record = byteText(recordKey)
  if (lastHomophone.record !== record || lastHomophone.terms !== ring.terms) {
    lastHomophone = { terms: ring.terms, record, number: hmac256(ring.terms, lengthPrefixed(['homophone', record]))[0]! % HOMOPHONES }
  }
  return lastHomophone.number
}

/** The terms of one record are made one after the other. */
let lastHomophone: LastHomophone = { terms: null, record: '', number: 0 }

interface LastHomophone { readonly terms: KeyObject | null; readonly record: string; readonly number: number }

function visible(ring: TermRing, kind: string, type: string, patient: string, epoch: number): Bytes {
  const prefix = prefixOf(ring, patient)
  return clustered(prefix, epoch, hmac256(ring.terms, lengthPrefixed([kind, String(epoch), type, patient])), 0)
}

function tenantWide(ring: TermRing, parts: readonly string[], epoch: number): Bytes {
  const digest = hmac256(ring.terms, lengthPrefixed([...parts, String(epoch)]))
  const out = new Uint8Array(TERM_BYTES)
  out[0] = epoch
  out.set(digest.subarray(0, TERM_BYTES - 1), 1)
  return out
}

const levelDigest = (key: DataKey, type: string, ask: TermValue, block: number, epoch: number): Uint8Array =>
  hmac512(key.index, lengthPrefixed(['patient level', String(block), String(epoch), type, ask.code, ask.value]))

/** patient prefix (4) ‖ epoch (1) ‖ 11 bytes of the digest. */
function clustered(prefix: Uint8Array, epoch: number, digest: Uint8Array, from: number): Bytes {
  const out = new Uint8Array(TERM_BYTES)
  out.set(prefix)
  out[PREFIX_BYTES] = epoch
  out.set(digest.subarray(from, from + TERM_BYTES - PREFIX_BYTES - 1), PREFIX_BYTES + 1)
  return out
}

function patientOf(key: DataKey): string {
  if (key.patient === null) throw new RangeError('Patient-level terms need the key of a patient')
  return key.patient
}
