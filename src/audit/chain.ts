/** What makes a log one history. A Merkle tree (RFC 6962) over salted commitments can take the chain's place behind this interface. */
import { hash, timingSafeEqual, type KeyObject } from 'node:crypto'
import { hmac256 } from '../crypto/mac.ts'
import type { Bytes } from '../model/resource.ts'

export interface ChainedEntry { readonly log: Uint8Array; readonly seq: number; readonly id: Uint8Array; readonly sealed: Uint8Array }

export interface Chain {
  /** Link of an empty log. */
  readonly empty: Bytes
  /** Link of an entry that follows the entry with link `previous`. */
  next(previous: Uint8Array, entry: ChainedEntry): Bytes
  /** Whether `link` is what `next` would give. */
  holds(previous: Uint8Array, entry: ChainedEntry, link: Uint8Array): boolean
}

/** Written anew for each link. */
const message = Buffer.alloc(96)

/** link_n = HMAC-SHA256(key, link_{n-1} ‖ log ‖ seq ‖ id ‖ SHA-256(sealed)). Without the key nobody continues or mends a log. */
export function hmacChain(key: KeyObject): Chain {
  const next = (previous: Uint8Array, { log, seq, id, sealed }: ChainedEntry): Bytes => {
    message.set(previous, 0)
    message.set(log, 32)
    message.writeBigUInt64BE(BigInt(seq), 40)
    message.set(id, 48)
    message.write(hash('sha256', sealed, 'latin1'), 64, 'latin1')
    return Uint8Array.from(hmac256(key, message))
  }
  return {
    empty: new Uint8Array(32),
    next,
    holds(previous, entry, link) {
      return link.length === 32 && timingSafeEqual(next(previous, entry), link)
    }
  }
}
