/** What the ledger says was last written under each record key. Keys and hashes are kept as short binary strings: there may be millions. */
import type { AccessRecord } from './record.ts'

export interface LastWrite {
  /** Time of the entry; the largest number for entries that wait. */
  readonly stamp: number
  readonly version: number
  /** Hashes that this version may have: several when the order of two entries of one millisecond is not known. */
  readonly hashes: readonly string[]
  /** The record was erased, and nothing was written since. */
  readonly erased: boolean
}

export interface LastWrites {
  take(record: AccessRecord, stamp: number): void
  last(key: Uint8Array): LastWrite | undefined
  /** Hashes under which a version was ever written; undefined where versions are not kept. */
  version(key: Uint8Array, version: number): ReadonlySet<string> | undefined
  keys(): IterableIterator<readonly [key: string, write: LastWrite]>
}

export const short = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')

export function lastWrites(keepVersions: boolean): LastWrites {
  const last = new Map<string, LastWrite>()
  const versions = new Map<string, Set<string>>()
  const write = (key: string, next: LastWrite): void => {
    const known = last.get(key)
    if (known === undefined || newer(next, known)) last.set(key, next)
    else if (known.stamp === next.stamp && known.version === next.version && !next.erased) last.set(key, { ...known, hashes: [...known.hashes, ...next.hashes] })
  }
  return {
    take(record, stamp) {
      for (const { key, hash, version } of record.written) {
        const name = short(Buffer.from(key, 'hex'))
        const sum = short(Buffer.from(hash, 'hex'))
        write(name, { stamp, version, hashes: [sum], erased: false })
        if (!keepVersions) continue
        const place = `${name}${version}`
        const sums = versions.get(place)
        if (sums === undefined) versions.set(place, new Set([sum]))
        else sums.add(sum)
      }
      for (const key of record.erased) write(short(Buffer.from(key, 'hex')), { stamp, version: 0, hashes: [], erased: true })
    },
    last: (key) => last.get(short(key)),
    version: (key, version) => (keepVersions ? versions.get(`${short(key)}${version}`) ?? new Set() : undefined),
    keys: () => last.entries()
  }
}

/** An erasure ends a key's history; within a history the higher version is the later, and of one version the later entry. */
function newer(next: LastWrite, known: LastWrite): boolean {
  if (next.erased || known.erased) return next.stamp > known.stamp || (next.stamp === known.stamp && next.erased)
  return next.version > known.version || (next.version === known.version && next.stamp > known.stamp)
}
