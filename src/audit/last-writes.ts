/** What the ledger says was last written under each record key. Keys and hashes are kept as short binary strings: there may be millions. */
import type { AccessRecord } from './record.ts'

/** Where an entry stands: number `seq` of a log, or the number that a waiting entry may get. */
export interface EntryPlace { readonly log: string; readonly seq: number }

export interface LastWrite extends EntryPlace {
  /** Time of sealing, ms. It orders entries of different logs; within a log their number does. */
  readonly at: number
  readonly version: number
  /** SHA-256 of the sealed record; null: it was erased, and nothing was written since. */
  readonly hash: string | null
}

export interface LastWrites {
  take(record: AccessRecord, place: EntryPlace): void
  last(key: Uint8Array): LastWrite | undefined
  /** Hashes under which a version was ever written; undefined where versions are not kept. */
  version(key: Uint8Array, version: number): ReadonlySet<string> | undefined
  keys(): IterableIterator<readonly [key: string, write: LastWrite]>
}

export const short = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')

export function lastWrites(keepVersions: boolean): LastWrites {
  const last = new Map<string, LastWrite>()
  const versions = new Map<string, Set<string>>()
  const note = (key: string, next: LastWrite): void => {
    const known = last.get(key)
    if (known === undefined || supersedes(next, known)) last.set(key, next)
  }
  return {
    take(record, { log, seq }) {
      for (const { key, hash, version } of record.written) {
        const name = short(Buffer.from(key, 'hex'))
        const sum = short(Buffer.from(hash, 'hex'))
        note(name, { log, seq, at: record.at, version, hash: sum })
        if (!keepVersions) continue
        const sums = versions.get(`${name}${version}`)
        if (sums === undefined) versions.set(`${name}${version}`, new Set([sum]))
        else sums.add(sum)
      }
      for (const key of record.erased) note(short(Buffer.from(key, 'hex')), { log, seq, at: record.at, version: 0, hash: null })
    },
    last: (key) => last.get(short(key)),
    version: (key, version) => (keepVersions ? versions.get(`${short(key)}${version}`) ?? new Set() : undefined),
    keys: () => last.entries()
  }
}

/** An erasure ends a key's history. Within a history the higher version is the later one, and of one version (rewritten) the later entry. */
function supersedes(next: LastWrite, known: LastWrite): boolean {
  if (next.hash !== null && known.hash !== null && next.version !== known.version && !restarted(next, known)) return next.version > known.version
  return later(next, known)
}

/** Version 1 after a higher one in the same log: the key was erased in between by another log, whose entry may come later in the replay. */
const restarted = (next: LastWrite, known: LastWrite): boolean => next.version === 1 && next.log === known.log && next.seq > known.seq

const later = (next: LastWrite, known: LastWrite): boolean => (next.log === known.log ? next.seq >= known.seq : next.at >= known.at)
