import { LRUCache } from 'lru-cache'
import { byteText } from '../crypto/bytes.ts'
import type { Stored } from './ports.ts'

/** Memory for records that a store gives again, with what is opened of them. */
export const KEPT_BYTES_MAX = 64 * 2 ** 20
/** Larger records would drive out many others. */
export const KEPT_RECORD_BYTES_MAX = 256 * 1024
/** What a record takes with its opened bytes and their parsed content, in sizes of its sealed bytes. */
const SIZES = 6

export const keptBytes = ({ sealed }: Stored): number => SIZES * sealed.length

/** The object that was given for a record the last time, where it has been read again and is the same in every byte. */
export function sameRecords(bytesMax = KEPT_BYTES_MAX): (read: Stored) => Stored {
  const records = new LRUCache<string, Stored>({ maxSize: bytesMax, sizeCalculation: keptBytes })
  return (read) => {
    if (read.sealed.length > KEPT_RECORD_BYTES_MAX) return read
    const name = byteText(read.key)
    const known = records.get(name)
    if (known !== undefined && isSame(known, read)) return known
    records.set(name, read)
    return read
  }
}

const isSame = (a: Stored, b: Stored): boolean =>
  a.type === b.type && a.version === b.version && a.updated === b.updated && a.deleted === b.deleted && Buffer.compare(a.sealed, b.sealed) === 0
