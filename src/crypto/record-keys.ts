import type { KeyObject } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Bytes } from '../model/resource.ts'
import { exact, lengthPrefixed } from './bytes.ts'
import { hmac256 } from './mac.ts'

/** 16 bytes, HMAC(type, id). A read needs it to find its record and again to check what it opened, so the last ones are remembered. */
export function recordKeys(key: KeyObject, max: number): (type: string, id: string) => Bytes {
  const known = new LRUCache<string, Bytes>({ max })
  return (type, id) => {
    const name = lengthPrefixed([type, id])
    let made = known.get(name)
    if (made === undefined) {
      made = exact(hmac256(key, name).subarray(0, 16))
      known.set(name, made)
    }
    return exact(made)
  }
}
