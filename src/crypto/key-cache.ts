import { LRUCache } from 'lru-cache'
import type { Bytes } from '../model/resource.ts'
import { byteText } from './bytes.ts'
import type { DataKey } from './data-keys.ts'

/** Opened data keys by id, bounded in number and in time. */
export interface KeyCache {
  get(id: Uint8Array): DataKey | undefined
  /** `at`: when the branch key that opened it was unwrapped (ms). A data key ends with that branch key. */
  add(key: DataKey, at: number): void
  forget(id: Bytes): void
  clear(): void
  /** Rises with every forget and clear: what was read from the store before must not be added after. */
  readonly drops: number
}

export const CACHE_MS = 15 * 60_000

/** Younger than the bound; a clock that was set back counts as old. */
export const isFresh = (at: number, now: number, bound = CACHE_MS): boolean => now >= at && now - at < bound

export function makeKeyCache(max: number, now: () => number): KeyCache {
  const keys = new LRUCache<string, { readonly key: DataKey; readonly at: number }>({ max })
  let drops = 0
  return {
    get drops() {
      return drops
    },
    get(id) {
      const entry = keys.get(byteText(id))
      return entry !== undefined && isFresh(entry.at, now()) ? entry.key : undefined
    },
    add(key, at) {
      keys.set(byteText(key.id), { key, at })
    },
    forget(id) {
      drops++
      keys.delete(byteText(id))
    },
    clear() {
      drops++
      keys.clear()
    }
  }
}
