/**
 * Sealing of ledger entries. One process seals under a key of its own, derived from the ledger's class key and 16 random bytes, with a
 * counter as nonce: no nonce ever repeats, however many entries a log gets.
 *
 * Bytes: format 1 ‖ class key id 16 ‖ log 8 ‖ salt 16 ‖ counter 6 ‖ ciphertext ‖ tag 16. AAD: all before the ciphertext ‖ entry id.
 * Content: u32 length ‖ JSON (wire.ts) ‖ zeros up to a size bucket.
 */
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, randomFillSync, type KeyObject } from 'node:crypto'
import type { DataKey, KeyRing } from '../crypto/keys.ts'
import type { Bytes } from '../model/resource.ts'
import type { OutboxEntry } from '../store/ports.ts'
import type { AccessRecord } from './record.ts'
import { decodeRecord, encodeRecord } from './wire.ts'

const FORMAT = 1
const LOG_AT = 17
const SALT_AT = 25
const COUNTER_AT = 41
const HEAD_BYTES = 47
const TAG_BYTES = 16
const ID_COUNTER_AT = 10

/** An entry that does not open: changed, moved, or of an unknown format. */
export class EntryBroken extends Error {}
/** An entry whose key is not there (any more). */
export class EntryKeyGone extends Error {}

/** Seals records for one log. Synchronous, so that a record is sealed in the order in which it was made. */
export interface EntrySealer { seal(record: AccessRecord, at: number): OutboxEntry }

export function entrySealer(key: DataKey, log: Bytes, random: (into: Uint8Array) => void = randomFillSync): EntrySealer {
  const salt = new Uint8Array(16)
  random(salt)
  const session = sessionKey(key.seal, salt)
  const idStart = new Uint8Array(ID_COUNTER_AT)
  random(idStart)
  let counter = 0
  return {
    seal(record, at) {
      counter += 1
      const id = idOf(idStart, counter)
      const body = padded(encodeRecord(record, at))
      // From the pool, since it is copied once more on its way; every byte of it is written.
      const sealed = Buffer.allocUnsafe(HEAD_BYTES + body.length + TAG_BYTES)
      sealed[0] = FORMAT
      sealed.set(key.id, 1)
      sealed.set(log, LOG_AT)
      sealed.set(salt, SALT_AT)
      writeCounter(nonce, 6, counter)
      sealed.set(nonce.subarray(6), COUNTER_AT)
      const cipher = createCipheriv('aes-256-gcm', session, nonce)
      cipher.setAAD(aad(sealed, id))
      sealed.set(cipher.update(body), HEAD_BYTES)
      cipher.final()
      sealed.set(cipher.getAuthTag(), HEAD_BYTES + body.length)
      return { id, sealed }
    }
  }
}

/** The log that an entry was sealed for, readable without its key; authenticated once it is opened. */
export function logOfEntry(sealed: Uint8Array): Bytes | null {
  return sealed.length < HEAD_BYTES + TAG_BYTES || sealed[0] !== FORMAT ? null : sealed.slice(LOG_AT, SALT_AT) as Bytes
}

export interface EntryOpener {
  /** Throws EntryBroken when a byte, the id or the log is not as sealed, EntryKeyGone when the key is missing. */
  open(log: Uint8Array, id: Uint8Array, sealed: Uint8Array): AccessRecord | Promise<AccessRecord>
}

const SESSIONS_MAX = 1024

export function entryOpener(ring: Pick<KeyRing, 'keyById'>): EntryOpener {
  const sessions = new Map<string, KeyObject>()
  const unlock = (key: DataKey | undefined, name: string, salt: Uint8Array): KeyObject => {
    if (key === undefined) throw new EntryKeyGone('The key of a ledger entry is not there')
    const session = sessionKey(key.seal, salt)
    if (sessions.size >= SESSIONS_MAX) sessions.clear()
    sessions.set(name, session)
    return session
  }
  return {
    open(log, id, sealed) {
      const own = logOfEntry(sealed)
      if (own === null || Buffer.compare(own, log) !== 0) throw new EntryBroken('An entry is not of this log')
      const name = Buffer.from(sealed.buffer, sealed.byteOffset, COUNTER_AT).toString('latin1')
      const session = sessions.get(name)
      if (session !== undefined) return opened(session, id, sealed)
      const salt = sealed.slice(SALT_AT, COUNTER_AT)
      const key = ring.keyById(sealed.slice(1, LOG_AT))
      if (key instanceof Promise) return key.then((late) => opened(unlock(late, name, salt), id, sealed))
      return opened(unlock(key, name, salt), id, sealed)
    }
  }
}

/** What a cipher reads at once, written anew for each entry. The first six bytes of a nonce stay zero. */
const nonce = new Uint8Array(12)
const aadBytes = new Uint8Array(HEAD_BYTES + 16)
let bodyRoom = Buffer.alloc(1 << 16)
/** The entry of a thousand resources needs some 200 kB. */
const BODY_ROOM_MAX = 1 << 20

function opened(session: KeyObject, id: Uint8Array, sealed: Uint8Array): AccessRecord {
  nonce.set(sealed.subarray(COUNTER_AT, HEAD_BYTES), 6)
  const end = sealed.length - TAG_BYTES
  const decipher = createDecipheriv('aes-256-gcm', session, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(aad(sealed, id))
  decipher.setAuthTag(sealed.subarray(end))
  let body: Buffer
  try {
    body = decipher.update(sealed.subarray(HEAD_BYTES, end))
    decipher.final()
  } catch (cause) {
    throw new EntryBroken('An entry was changed', { cause })
  }
  return decodeRecord(body.toString('utf8', 4, 4 + body.readUInt32BE(0)))
}

function sessionKey(seal: KeyObject, salt: Uint8Array): KeyObject {
  return createSecretKey(createHmac('sha256', seal).update('ledger session').update(salt).digest())
}

function aad(sealed: Uint8Array, id: Uint8Array): Uint8Array {
  aadBytes.set(sealed.subarray(0, HEAD_BYTES))
  aadBytes.set(id, HEAD_BYTES)
  return aadBytes
}

function writeCounter(into: Uint8Array, at: number, counter: number): void {
  let rest = counter
  for (let byte = at + 5; byte >= at; byte--) {
    into[byte] = rest % 256
    rest = Math.floor(rest / 256)
  }
}

/** Ten random bytes of the sealer ‖ its counter: ids of one sealer follow one another, so that a store's index of them grows at one place. */
function idOf(start: Uint8Array, counter: number): Bytes {
  const id = new Uint8Array(16)
  id.set(start)
  writeCounter(id, ID_COUNTER_AT, counter)
  return id
}

/** Sizes grow by a quarter, so that a size tells little of what an access touched. */
const BUCKETS: readonly number[] = Array.from({ length: 64 }, (_, step) => Math.ceil((512 * 1.25 ** step) / 64) * 64)

/** The text after its length, with zeros behind it; valid until the next call. */
function padded(json: string): Buffer {
  // A UTF-16 unit is at most three bytes of UTF-8; the next bucket is at most a quarter and 64 bytes larger.
  const bytesMax = json.length * 4 + 1024
  if (bytesMax > bodyRoom.length && bytesMax <= BODY_ROOM_MAX) bodyRoom = Buffer.alloc(bytesMax)
  const body = bytesMax <= bodyRoom.length ? bodyRoom : Buffer.alloc(bytesMax)
  const length = body.write(json, 4, 'utf8')
  const size = BUCKETS.find((bucket) => bucket >= length + 4)
  if (size === undefined) throw new RangeError('An access record is too large')
  body.writeUInt32BE(length, 0)
  return body.fill(0, length + 4, size).subarray(0, size)
}
