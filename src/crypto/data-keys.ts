import { randomBytes, type KeyObject } from 'node:crypto'
import type { Bytes } from '../model/resource.ts'
import { AES_GCM, nonceOf, TAG_BYTES } from './aead.ts'
import { byteText, compareBytes, exact, joined, lengthPrefixed, utf8 } from './bytes.ts'
import { SealBroken } from './errors.ts'
import { checkValue, derive, hmac256 } from './mac.ts'

export interface DataKey {
  /** 16 bytes, the name of its document. A key that is made anew for an erased patient has the same. */
  readonly id: Bytes
  /** 8 bytes that tell it from other keys of this id: what they sealed is erased, not damaged. */
  readonly life: Bytes
  /** The one patient whose records it seals; null for a class key. */
  readonly patient: string | null
  /** AES-256 key of records. */
  readonly seal: KeyObject
  /** HMAC key of patient-level terms. */
  readonly index: KeyObject
}

export type ClassKind = 'shared' | 'several' | 'ledger'
export const CLASS_KINDS: readonly ClassKind[] = ['shared', 'several', 'ledger']

/** Whose key it is. */
export type Holder = { readonly kind: 'patient'; readonly name: string } | { readonly kind: 'class'; readonly name: ClassKind }

/** Branch key (32 bytes), the tenant and the HMAC key of document names. */
export interface DataKeyPlace { readonly branch: KeyObject; readonly tenant: string; readonly names: KeyObject }

/** A key that counts once its document is put with expect 0. */
export interface NewDataKey { readonly key: DataKey; readonly document: { readonly name: Bytes; readonly sealed: Bytes } }

/**
 * 12 bytes keyed digest of the holder ‖ 4 bytes keyed digest of those 12. The second part tells a name that was never ours (damage,
 * forgery) from one whose document is gone (erased).
 */
export function dataKeyName(names: KeyObject, holder: Holder): Bytes {
  const id = exact(hmac256(names, lengthPrefixed(['data key', holder.kind, holder.name])).subarray(0, 16))
  id.set(nameCheck(names, id), 12)
  return id
}

export function isDataKeyName(names: KeyObject, id: Uint8Array): boolean {
  return id.length === 16 && compareBytes(nameCheck(names, id), id.subarray(12)) === 0
}

/** 4 bytes of the key's check value ‖ 4 bytes keyed digest of them and the id: nobody else makes up a life that was never lived. */
export function lifeOf(names: KeyObject, id: Uint8Array, check: Uint8Array): Bytes {
  const life = exact(check.subarray(0, 8))
  life.set(hmac256(names, lengthPrefixed(['data key life', byteText(id), byteText(life.subarray(0, 4))])).subarray(0, 4), 4)
  return life
}

/**
 * A new random data key and its document: format ‖ branch number ‖ check value (16) ‖ nonce ‖ ciphertext ‖ tag. The ciphertext holds
 * the key and its holder, padded to one length for all; AAD binds tenant, key name (hence holder), format, branch and check value.
 */
export function makeDataKey(place: DataKeyPlace, holder: Holder): NewDataKey {
  const id = dataKeyName(place.names, holder)
  const name = utf8(holder.name)
  if (name.length === 0 || name.length > HOLDER_BYTES_MAX) throw new RangeError('A key holder has 1 to 64 bytes')
  const secret = randomBytes(SECRET_BYTES)
  const plain = new Uint8Array(PLAIN_BYTES)
  plain.set(secret)
  plain.set([holder.kind === 'patient' ? PATIENT : CLASS, name.length], SECRET_BYTES)
  plain.set(name, NAME_AT)
  const head = joined([new Uint8Array([FORMAT, BRANCH]), checkValue(secret)])
  const nonce = nonceOf(AES_GCM.nonceBytes)
  const body = new Uint8Array(PLAIN_BYTES + TAG_BYTES)
  AES_GCM.seal(place.branch, nonce, additional(place, id, head), plain, body, 0)
  const key = keyOf(place, id, holder, secret)
  secret.fill(0)
  plain.fill(0)
  return { key, document: { name: id, sealed: joined([head, nonce, body]) } }
}

/** The life of the key in a document as the document says it, which is not opened; SealBroken where it is none. */
export function lifeOfDocument(names: KeyObject, id: Uint8Array, sealed: Uint8Array): Bytes {
  if (sealed.length !== SEALED_BYTES) throw new SealBroken('key document')
  return lifeOf(names, id, sealed.subarray(2, HEAD_BYTES))
}

/** Opens a data key's document; SealBroken when it was altered or is another's. */
export function openDataKey(place: DataKeyPlace, id: Uint8Array, sealed: Uint8Array): DataKey {
  if (sealed.length !== SEALED_BYTES || sealed[0] !== FORMAT || sealed[1] !== BRANCH) throw new SealBroken('key document')
  const head = sealed.subarray(0, HEAD_BYTES)
  const body = HEAD_BYTES + AES_GCM.nonceBytes
  const plain = AES_GCM.open(place.branch, sealed.subarray(HEAD_BYTES, body), additional(place, id, head), sealed.subarray(body))
  if (plain === undefined) throw new SealBroken('key document')
  const secret = plain.subarray(0, SECRET_BYTES)
  const holder = holderOf(plain)
  const name = dataKeyName(place.names, holder)
  if (compareBytes(name, id) !== 0) throw new SealBroken('key holder')
  if (compareBytes(checkValue(secret), sealed.subarray(2, HEAD_BYTES)) !== 0) throw new SealBroken('key check value')
  const key = keyOf(place, name, holder, secret)
  plain.fill(0)
  return key
}

const FORMAT = 1
/** Number of the branch key that wraps it, for a later rotation of branch keys. */
const BRANCH = 1
const PATIENT = 0
const CLASS = 1
const SECRET_BYTES = 32
const NAME_AT = SECRET_BYTES + 2
const HOLDER_BYTES_MAX = 64
const PLAIN_BYTES = NAME_AT + HOLDER_BYTES_MAX
const HEAD_BYTES = 18
const SEALED_BYTES = HEAD_BYTES + AES_GCM.nonceBytes + PLAIN_BYTES + TAG_BYTES

const nameCheck = (names: KeyObject, id: Uint8Array): Uint8Array =>
  hmac256(names, lengthPrefixed(['data key check', byteText(id.subarray(0, 12))])).subarray(0, 4)

function holderOf(plain: Uint8Array): Holder {
  const name = Buffer.from(plain.subarray(NAME_AT, NAME_AT + plain[NAME_AT - 1]!)).toString('utf8')
  if (plain[SECRET_BYTES] === PATIENT) return { kind: 'patient', name }
  const kind = CLASS_KINDS.find((known) => known === name)
  if (plain[SECRET_BYTES] !== CLASS || kind === undefined) throw new SealBroken('key holder')
  return { kind: 'class', name: kind }
}

function keyOf({ names }: DataKeyPlace, id: Bytes, holder: Holder, secret: Uint8Array): DataKey {
  const life = lifeOf(names, id, checkValue(secret))
  return { id, life, patient: holder.kind === 'patient' ? holder.name : null, seal: derive(secret, 'seal'), index: derive(secret, 'index') }
}

const additional = (place: DataKeyPlace, id: Uint8Array, head: Uint8Array): Bytes =>
  joined([utf8(lengthPrefixed(['wardkeep-data-key', place.tenant])), id, head])
