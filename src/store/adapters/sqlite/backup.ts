import { backup, DatabaseSync } from 'node:sqlite'
import { closeSync, fsyncSync, openSync } from 'node:fs'
import { StoreUnavailable } from '../../ports.ts'
import { openReader } from './database.ts'
import { toStoreError } from './errors.ts'
import type { StoreKind } from './schema.ts'
import type { SqliteFiles } from './transfer.ts'

const BUSY_TIMEOUT_MS = 10_000
const EVERY_PAGE = 0x7fffffff
const KINDS: readonly StoreKind[] = ['records', 'ledger']

/**
 * Copies both files as they are at one moment, while servers go on. For an instant nobody can write to either file: in it each copy takes hold of its
 * snapshot, and `atMoment` is called. No file is written over.
 */
export async function backupFiles(from: SqliteFiles, to: SqliteFiles, atMoment: () => void): Promise<void> {
  const sources = new Map<StoreKind, DatabaseSync>()
  try {
    for (const kind of KINDS) sources.set(kind, openReader(from[kind], kind))
    atOneMoment(from, () => {
      for (const source of sources.values()) {
        source.exec('begin')
        // A transaction has its snapshot from its first read on.
        source.prepare('select count(*) from sqlite_schema').get()
      }
      atMoment()
    })
    for (const [kind, source] of sources) await copyFile(source, to[kind])
  } catch (error) {
    throw toStoreError(error)
  } finally {
    for (const source of sources.values()) source.close()
  }
}

function atOneMoment(files: SqliteFiles, work: () => void): void {
  const locks: DatabaseSync[] = []
  try {
    for (const kind of KINDS) {
      const lock = new DatabaseSync(files[kind], { timeout: BUSY_TIMEOUT_MS })
      locks.push(lock)
      lock.exec('begin immediate')
    }
    work()
  } finally {
    for (const lock of locks) {
      if (lock.isTransaction) lock.exec('rollback')
      lock.close()
    }
  }
}

// One step copies the snapshot of the transaction that is open, on a thread of libuv.
async function copyFile(source: DatabaseSync, target: string): Promise<void> {
  try {
    closeSync(openSync(target, 'wx', 0o600))
  } catch {
    throw new StoreUnavailable('The backup file cannot be made, or exists')
  }
  await backup(source, target, { rate: EVERY_PAGE })
  const handle = openSync(target, 'r+')
  fsyncSync(handle)
  closeSync(handle)
}
