import type { Bytes } from '../model/resource.ts'
import { AES_GCM, nonceOf, TAG_BYTES, XAES_GCM, type Aead } from './aead.ts'
import { compareBytes } from './bytes.ts'
import type { DataKey } from './data-keys.ts'
import { SealBroken } from './errors.ts'
import { decodeHeader, encodeHeader, type Header } from './header.ts'
import type { KeyRing } from './keys.ts'

export type { Header } from './header.ts'
export { SealBroken } from './errors.ts'

/** `body` is a view into the opened content, not a copy. `key` opened it. */
export interface Opened { readonly header: Header; readonly body: Uint8Array; readonly key: DataKey }

export interface SealInput {
  readonly header: Header
  readonly body: Uint8Array
  readonly key: DataKey
  readonly recordKey: Bytes
  readonly tenant: string
  /** Nonce source, for tests with fixed vectors. */
  readonly random?: (bytes: number) => Bytes
}

export interface OpenInput {
  readonly sealed: Uint8Array
  /** Where the record was found: key, type and version as the store says. */
  readonly recordKey: Uint8Array
  readonly type: string
  readonly version: number
  readonly tenant: string
  readonly ring: Pick<KeyRing, 'keyById' | 'renewed' | 'recordKey' | 'hadLife'>
}

/**
 * Seals one version of a resource: format ‖ algorithm ‖ data key id (16) ‖ its life (8) ‖ nonce ‖ ciphertext ‖ tag (DESIGN.md §5). A patient's key
 * seals only what names that patient and no other.
 */
export function seal(input: SealInput): Bytes {
  const { header, body, key } = input
  if (!fits(key, header)) throw new RangeError('A patient key seals only records of that patient alone')
  const encoded = encodeHeader(header, body.length)
  const plain = room(paddedBytes(encoded.bytes + body.length))
  encoded.write(plain)
  plain.set(body, encoded.bytes)
  plain.fill(0, encoded.bytes + body.length)
  const aead = aeadOf(key)
  const nonce = (input.random ?? nonceOf)(aead.nonceBytes)
  const bodyAt = NONCE_AT + aead.nonceBytes
  const out = new Uint8Array(bodyAt + plain.length + TAG_BYTES)
  out[0] = FORMAT
  out[1] = algorithmOf(key)
  out.set(key.id, 2)
  out.set(key.life, LIFE_AT)
  out.set(nonce, NONCE_AT)
  const aad = additional(input.tenant, header.type, header.version, input.recordKey, out)
  aead.seal(key.seal, nonce, aad, plain, out, bodyAt)
  return out
}

/**
 * Opens a record found at a place. Sync when the key that it names is cached. Undefined: the key was erased, though its patient may have
 * another by now. SealBroken on any mismatch, thrown or rejected: altered bytes, another place, tenant, version or key, a header that does not give the record key.
 */
export function open(input: OpenInput): Opened | undefined | Promise<Opened | undefined> {
  const { sealed, ring } = input
  if (sealed.length < NONCE_AT || sealed[0] !== FORMAT) throw new SealBroken('format')
  const key = ring.keyById(sealed.subarray(2, LIFE_AT))
  return key instanceof Promise ? key.then((loaded) => openedBy(input, loaded)) : openedBy(input, key)
}

function openedBy(input: OpenInput, key: DataKey | undefined): Opened | undefined | Promise<Opened | undefined> {
  const { sealed, ring } = input
  if (key === undefined || isOfLife(sealed, key)) return openedWith(input, key)
  if (!ring.hadLife(key.id, lifeIn(sealed))) throw new SealBroken('key life')
  // Sealed under another key of this patient. Where it is a newer one, this key is of before an erasure that is not known here yet.
  return ring.renewed(key).then((newest) => (newest !== undefined && isOfLife(sealed, newest) ? openedWith(input, newest) : undefined))
}

/** Whether a sealed record names this very key, not one that was made for the same patient before or after. */
export const isSealedUnder = (sealed: Uint8Array, key: DataKey): boolean =>
  compareBytes(sealed.subarray(2, LIFE_AT), key.id) === 0 && isOfLife(sealed, key)

const lifeIn = (sealed: Uint8Array): Uint8Array => sealed.subarray(LIFE_AT, NONCE_AT)
const isOfLife = (sealed: Uint8Array, key: DataKey): boolean => compareBytes(lifeIn(sealed), key.life) === 0

/** Size of content after padding: the next of 512·1.25^k, so at most a quarter more, and the exact size stays hidden. */
export function paddedBytes(bytes: number): number {
  let size = SMALLEST
  while (Math.ceil(size) < bytes) size *= GROWTH
  return Math.ceil(size)
}

const FORMAT = 1
const LIFE_AT = 18
const NONCE_AT = 26
const SMALLEST = 512
const GROWTH = 1.25
const AES_GCM_ALGORITHM = 1
const XAES_GCM_ALGORITHM = 2

/** A class key seals a tenant's records for years, more than random 96-bit nonces allow. */
const algorithmOf = (key: DataKey): number => (key.patient === null ? XAES_GCM_ALGORITHM : AES_GCM_ALGORITHM)
const aeadOf = (key: DataKey): Aead => (key.patient === null ? XAES_GCM : AES_GCM)

const fits = (key: DataKey, header: Header): boolean =>
  key.patient === null || (header.patients.length === 1 && header.patients[0] === key.patient)

function openedWith(input: OpenInput, key: DataKey | undefined): Opened | undefined {
  if (key === undefined) return undefined
  const { sealed, type, version, recordKey } = input
  if (sealed[1] !== algorithmOf(key)) throw new SealBroken('algorithm')
  const aead = aeadOf(key)
  const bodyAt = NONCE_AT + aead.nonceBytes
  const aad = additional(input.tenant, type, version, recordKey, sealed)
  if (sealed.length < bodyAt + TAG_BYTES) throw new SealBroken('length')
  const plain = aead.open(key.seal, sealed.subarray(NONCE_AT, bodyAt), aad, sealed.subarray(bodyAt))
  if (plain === undefined) throw new SealBroken('record')
  const { header, bodyAt: start, bodyBytes } = decodeHeader(Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength))
  if (header.type !== type || header.version !== version) throw new SealBroken('place')
  if (!fits(key, header)) throw new SealBroken('patient')
  if (compareBytes(input.ring.recordKey(type, header.id), recordKey) !== 0) throw new SealBroken('record key')
  return { header, body: new Uint8Array(plain.buffer, plain.byteOffset + start, bodyBytes), key }
}

/** Length-prefixed format and algorithm, tenant, type, record key, version, data key id and life, in a scratch buffer. */
function additional(tenant: string, type: string, version: number, recordKey: Uint8Array, sealed: Uint8Array): Uint8Array {
  if ((tenant.length + type.length) * 3 > AAD_BYTES_MAX - 64) throw new RangeError('Tenant or type name too long')
  let at = 0
  const part = (bytes: Uint8Array): void => {
    aadScratch[at] = bytes.length
    aadScratch.set(bytes, at + 1)
    at += bytes.length + 1
  }
  const text = (value: string): void => {
    const bytes = aadScratch.write(value, at + 2, 'utf8')
    aadScratch.writeUInt16LE(bytes, at)
    at += bytes + 2
  }
  part(sealed.subarray(0, 2))
  text(tenant)
  text(type)
  part(recordKey)
  aadScratch[at] = 8
  at = aadScratch.writeDoubleLE(version, at + 1)
  part(sealed.subarray(2, NONCE_AT))
  return aadScratch.subarray(0, at)
}

const AAD_BYTES_MAX = 1024
const aadScratch = Buffer.alloc(AAD_BYTES_MAX)

const ROOM_BYTES = 1 << 16
const scratch = Buffer.alloc(ROOM_BYTES)

/** Content before sealing; larger ones get a buffer of their own. */
function room(bytes: number): Buffer {
  return bytes <= ROOM_BYTES ? scratch.subarray(0, bytes) : Buffer.alloc(bytes)
}
