import { Binary } from 'mongodb'
import type { Bytes } from '../../../model/resource.ts'
import { TERM_BYTES, type Terms } from '../../ports.ts'

/** Bytes as the driver writes them. */
export const binary = (bytes: Uint8Array): Binary => new Binary(bytes)

/** Bytes as the driver reads them, in a buffer of exactly their length: the driver's own is a view of a whole reply. */
export const bytesOf = (value: Binary): Bytes => Uint8Array.from(value.buffer.subarray(0, value.position))

export const hexOf = (value: Uint8Array | Binary): string =>
  Buffer.from(value instanceof Binary ? value.buffer.subarray(0, value.position) : value).toString('hex')

export const same = (left: Binary, right: Binary): boolean => hexOf(left) === hexOf(right)

/** Memory order, which is also the database's order of binaries of one length. */
export const compare = (left: Binary, right: Binary): number => Buffer.compare(left.value(), right.value())

/** Packed terms one by one, for an index over each of them. */
export function termList(terms: Terms): Binary[] {
  return Array.from({ length: terms.length / TERM_BYTES }, (_, i) => binary(terms.slice(i * TERM_BYTES, (i + 1) * TERM_BYTES)))
}

const VERSION_MAX = 0xffffffff

/**
 * `_id` of a superseded version: the record key, then the version turned upside down, so that the newest comes first in
 * the order in which keys ascend.
 */
export function versionId(key: Uint8Array, version: number): Binary {
  const id = Buffer.alloc(key.length + 4)
  id.set(key)
  id.writeUInt32BE(VERSION_MAX - version, key.length)
  return new Binary(id)
}

/** Bytes, then a number as 8 B big-endian: in the order of the numbers. */
export function numbered(bytes: Uint8Array, number: number): Binary {
  const id = Buffer.alloc(bytes.length + 8)
  id.set(bytes)
  id.writeBigUInt64BE(BigInt(Math.max(0, Math.min(number, Number.MAX_SAFE_INTEGER))), bytes.length)
  return new Binary(id)
}

/** The list in pieces of at most `size`. */
export function pieces<T>(list: readonly T[], size: number): (readonly T[])[] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size))
}
