/** What was written a moment ago, by any process: looked for again and again by those who keep something of it. */
import { open } from '../crypto/envelope.ts'
import { byteText } from '../crypto/bytes.ts'
import { SealBroken } from '../crypto/errors.ts'
import type { Resource } from '../model/resource.ts'
import type { SealedStoreOptions } from './sealed-options.ts'
import type { Stored } from './ports.ts'

export interface Recent {
  /** Versions that were not there at the last look; null where there are too many to tell, or one of them does not open. */
  look(): Promise<readonly { readonly type: string; readonly resource: Resource }[] | null>
}

/** A version is stamped before it is committed: one that took longer than this may be missed. The largest transactions take about a minute. */
const WINDOW_MS = 120_000
const ROWS_MAX = 500

/** Versions of these types. `updated` may come in any order, so the whole window is compared with what was seen of it. */
export function recentWrites({ records, ring, tenant, now, parse }: SealedStoreOptions, types: readonly string[]): Recent {
  let seen = new Set<string>()

  const windowOf = async (type: string): Promise<readonly Stored[] | null> => {
    const query = { type, allOf: [], noneOf: [], updated: { from: now() - WINDOW_MS }, order: 'newest' as const }
    const { records: found, next } = await records.findVersions(query, { after: null, limit: ROWS_MAX, examine: ROWS_MAX })
    return next === null ? found : null
  }
  return {
    async look() {
      const windows = await Promise.all(types.map(windowOf))
      const found = windows.flatMap((rows) => rows ?? [])
      const before = seen
      seen = new Set(found.map(nameOf))
      if (windows.includes(null)) return null
      const fresh: { type: string; resource: Resource }[] = []
      for (const stored of found) {
        if (before.has(nameOf(stored))) continue
        try {
          const opened = await open({ sealed: stored.sealed, recordKey: stored.key, type: stored.type, version: stored.version, tenant, ring })
          if (opened !== undefined) fresh.push({ type: stored.type, resource: parse(opened.body) as Resource })
        } catch (error) {
          if (error instanceof SealBroken) return null
          throw error
        }
      }
      return fresh
    }
  }
}

const nameOf = ({ key, version }: Stored): string => `${byteText(key)} ${version}`
