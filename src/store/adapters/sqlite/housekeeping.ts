import type { DatabaseSync } from 'node:sqlite'
import { DONE_KEPT_MS } from '../../ports.ts'
import { prepare } from './database.ts'

const PRUNE_EVERY_MS = 60_000
const PRUNE_ROWS_MAX = 5_000

export interface Housekeeping {
  /** Something was erased: the log must be emptied as soon as the group is durable. */
  erased(): void
  settled(at: number): void
}

/** What the writer does between groups: empties the WAL after an erasure, drops expired documents and old commit ids. */
export function makeHousekeeping(db: DatabaseSync): Housekeeping {
  const checkpoint = prepare<[], [busy: number, log: number, done: number]>(db, 'pragma wal_checkpoint(truncate)')
  const expired = prepare<[number, number]>(db,
    'delete from document where name in (select name from document where expires<=? limit ?)')
  const old = prepare<[number, number]>(db, 'delete from done where n in (select n from done order by n limit ?) and at<?')
  let erased = false
  let pruned = -Infinity

  // A failure here must not fail the group, which is durable: what is left undone is tried again after the next one.
  const tried = (work: () => void): boolean => {
    try {
      work()
      return true
    } catch {
      if (db.isTransaction) db.exec('rollback')
      return false
    }
  }
  const prune = (at: number): void => {
    db.exec('begin immediate')
    const full = expired.run(at, PRUNE_ROWS_MAX) + old.run(PRUNE_ROWS_MAX, at - DONE_KEPT_MS) >= PRUNE_ROWS_MAX
    db.exec('commit')
    if (!full) pruned = at
  }

  return {
    erased: () => { erased = true },
    settled: (at) => {
      if (erased) tried(() => { erased = checkpoint.get()?.[0] !== 0 })
      if (Math.abs(at - pruned) >= PRUNE_EVERY_MS) tried(() => { prune(at) })
    }
  }
}
