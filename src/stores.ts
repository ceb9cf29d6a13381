/** Which adapter STORE_URL names: one entry each. */
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { MessagePort } from 'node:worker_threads'
import type { Config } from './config.ts'
import { openMongoLedger } from './store/adapters/mongodb/ledger.ts'
import { shardMongo } from './store/adapters/mongodb/shard.ts'
import { openMongoStore } from './store/adapters/mongodb/store.ts'
import { openSqliteLedger } from './store/adapters/sqlite/ledger.ts'
import { openSqliteStore } from './store/adapters/sqlite/store.ts'
import { openMongoTransfer } from './store/adapters/mongodb/transfer.ts'
import { isHeld, openSqliteTransfer, type SqliteFiles } from './store/adapters/sqlite/transfer.ts'
import type { LedgerStore, RecordStore } from './store/ports.ts'
import type { Transfer } from './store/ports/transfer.ts'

/** Ports to the writer threads of the process, for a worker thread that runs a system of its own; null where each thread has its own client. */
export type WriterPorts = { readonly store: MessagePort; readonly ledger: MessagePort } | null

export interface Stores {
  readonly records: RecordStore
  readonly ledgerStore: LedgerStore
  /** More ports to the same writers. */
  connect(): WriterPorts
}

interface Opening<Kind extends Config['store']['kind']> {
  readonly store: Extract<Config['store'], { readonly kind: Kind }>
  readonly dataDir: string
  readonly now: () => number
  readonly writers: WriterPorts
}

export function openStores({ store, dataDir }: Config, now: () => number, writers: WriterPorts): Promise<Stores> {
  switch (store.kind) {
    case 'sqlite': return openFiles({ store, dataDir, now, writers })
    case 'mongodb': return openDatabase({ store, dataDir, now, writers })
  }
}

/** Row by row, for a move: beside the stores that `openStores` opens. */
export async function openTransfer({ store, dataDir }: Config, now: () => number, use: 'source' | 'target'): Promise<Transfer> {
  return store.kind === 'sqlite' ? openSqliteTransfer(filesOf(store.path, dataDir), use) : openMongoTransfer({ url: store.url, now })
}

/** Whether a process holds a slot of the embedded ledger at this time (ms); its file alone is looked at. */
export const ledgerIsHeld = (dataDir: string, at: number): boolean => isHeld(join(dataDir, 'ledger.db'), at)

export const filesOf = (path: string, dataDir: string): SqliteFiles => ({ records: path, ledger: join(dataDir, 'ledger.db') })

/** Spreads the database of STORE_URL over its shards; answers the collections that were not spread before. */
export async function shardStore({ store }: Config, now: () => number): Promise<readonly string[]> {
  if (store.kind !== 'mongodb') throw new Error('STORE_URL names no MongoDB')
  return await shardMongo({ url: store.url, now })
}

async function openFiles({ store, dataDir, now, writers }: Opening<'sqlite'>): Promise<Stores> {
  const files = filesOf(store.path, dataDir)
  await mkdir(dirname(files.records), { recursive: true, mode: 0o700 })
  const records = await openSqliteStore({ path: files.records, now, ...(writers === null ? {} : { writer: writers.store }) })
  const ledgerStore = await openSqliteLedger({ path: files.ledger, now, ...(writers === null ? {} : { writer: writers.ledger }) })
  return { records, ledgerStore, connect: () => ({ store: records.connect(), ledger: ledgerStore.connect() }) }
}

async function openDatabase({ store, now }: Opening<'mongodb'>): Promise<Stores> {
  const records = await openMongoStore({ url: store.url, now })
  const ledgerStore = await openMongoLedger({ url: store.url, now }).catch(async (error: unknown) => {
    await records.close()
    throw error
  })
  return { records, ledgerStore, connect: () => null }
}
