/**
 * The sequencer puts the time at which it numbered an entry before the sealed bytes (6 bytes, ms since 1970). Within a log these times
 * never go back, whatever the order in which accesses became durable: they order pages of AuditEvents, and no entry is opened to find one.
 */
import type { Bytes } from '../model/resource.ts'

const STAMP_BYTES = 6

export function stamped(time: number, sealed: Uint8Array): Bytes {
  const bytes = new Uint8Array(STAMP_BYTES + sealed.length)
  let rest = time
  for (let at = STAMP_BYTES - 1; at >= 0; at--) {
    bytes[at] = rest % 256
    rest = Math.floor(rest / 256)
  }
  bytes.set(sealed, STAMP_BYTES)
  return bytes
}

/** ms since 1970; 0 for bytes too short to hold one. */
export function stampOf(bytes: Uint8Array): number {
  if (bytes.length < STAMP_BYTES) return 0
  const view = new DataView(bytes.buffer, bytes.byteOffset, STAMP_BYTES)
  return view.getUint16(0) * 2 ** 32 + view.getUint32(2)
}

export const unstamped = (bytes: Uint8Array): Uint8Array => bytes.subarray(STAMP_BYTES)
