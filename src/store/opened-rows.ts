/**
 * Rows that were opened a moment ago. The store is asked for every read all the same, and what is here is given only for the same sealed
 * bytes at the same place while the key that opened them is held: opening them again would give the same row.
 */
import { LRUCache } from 'lru-cache'
import { byteText } from '../crypto/bytes.ts'
import type { DataKey, KeyRing } from '../crypto/keys.ts'
import type { Row, Stored } from './ports.ts'

export interface OpenedRows {
  get(stored: Stored): Row | undefined
  add(stored: Stored, row: Row, key: DataKey): void
}

interface Kept { readonly stored: Stored; readonly row: Row; readonly key: DataKey }

/** Memory for rows. */
const BYTES_MAX = 64 * 2 ** 20
/** What a row takes with its parsed content, in sizes of its sealed bytes. */
const SIZES_PER_ROW = 5

export function openedRows(ring: Pick<KeyRing, 'keyById' | 'drops'>, bytesMax = BYTES_MAX): OpenedRows {
  const rows = new LRUCache<string, Kept>({ maxSize: bytesMax, sizeCalculation: ({ stored }) => SIZES_PER_ROW * stored.sealed.length })
  let drops = ring.drops
  return {
    get(stored) {
      // A key was dropped, perhaps because its patient was erased: nothing that it opened stays in memory.
      if (ring.drops !== drops) {
        rows.clear()
        drops = ring.drops
      }
      const kept = rows.get(byteText(stored.key))
      return kept !== undefined && isSame(kept.stored, stored) && ring.keyById(kept.key.id) === kept.key ? kept.row : undefined
    },
    add(stored, row, key) {
      rows.set(byteText(stored.key), { stored, row, key })
    }
  }
}

const isSame = (a: Stored, b: Stored): boolean =>
  a.type === b.type && a.version === b.version && a.updated === b.updated && a.deleted === b.deleted && Buffer.compare(a.sealed, b.sealed) === 0

/** Nobody may change what the next reader is given. */
export function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const key in value) frozen(value[key])
  return Object.freeze(value)
}
