/**
 * Rows that were opened a moment ago. The store is asked for every read all the same, and a row is given only for the very object that was
 * opened, which a store gives again for a record as long as it is unchanged and it has room for it (port: `Stored`), and while the key that
 * opened it is held: opening it again would give the same row.
 */
import type { DataKey, KeyRing } from '../crypto/keys.ts'
import type { Row, Stored } from './ports.ts'

export interface OpenedRows {
  get(stored: Stored): Row | undefined
  add(stored: Stored, row: Row, key: DataKey): void
}

interface Opened { readonly row: Row; readonly key: DataKey }

export function openedRows(ring: Pick<KeyRing, 'keyById' | 'drops'>): OpenedRows {
  let rows = new WeakMap<Stored, Opened>()
  let drops = ring.drops
  /** The key last asked for: rows that are found together are mostly under one key. Known to be held for no longer than nothing else can run. */
  let held: DataKey | null = null
  const isHeld = (key: DataKey): boolean => {
    if (key === held) return true
    if (ring.keyById(key.id) !== key) return false
    if (held === null) queueMicrotask(() => { held = null })
    held = key
    return true
  }
  return {
    get(stored) {
      // A key was dropped, perhaps because its patient was erased: nothing that it opened stays in memory.
      if (ring.drops !== drops) {
        rows = new WeakMap()
        drops = ring.drops
        held = null
      }
      const opened = rows.get(stored)
      return opened !== undefined && isHeld(opened.key) ? opened.row : undefined
    },
    add(stored, row, key) {
      rows.set(stored, { row, key })
    }
  }
}

/** Nobody may change what the next reader is given. */
export function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const key in value) frozen(value[key])
  return Object.freeze(value)
}
