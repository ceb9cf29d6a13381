/** What makes a log one history. A Merkle tree (RFC 6962) over salted commitments can take the chain's place behind this interface. */
import { createHash, createHmac, timingSafeEqual, type KeyObject } from 'node:crypto'
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

/** link_n = HMAC-SHA256(key, link_{n-1} ‖ log ‖ seq ‖ id ‖ SHA-256(sealed)). Without the key nobody continues or mends a log. */
export function hmacChain(key: KeyObject): Chain {
  const next = (previous: Uint8Array, { log, seq, id, sealed }: ChainedEntry): Bytes => {
    const number = Buffer.alloc(8)
    number.writeBigUInt64BE(BigInt(seq))
    const hash = createHash('sha256').update(sealed).digest()
    return new Uint8Array(createHmac('sha256', key).update(previous).update(log).update(number).update(id).update(hash).digest())
  }
  return {
    empty: new Uint8Array(32),
    next,
    holds(previous, entry, link) {
      return link.length === 32 && timingSafeEqual(next(previous, entry), link)
    }
  }
}
