/** Which adapter STORE_URL names: one entry each. */
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { MessagePort } from 'node:worker_threads'
import type { Config } from './config.ts'
import { openMongoLedger } from './store/adapters/mongodb/ledger.ts'
import { openMongoStore } from './store/adapters/mongodb/store.ts'
import { openSqliteLedger } from './store/adapters/sqlite/ledger.ts'
import { openSqliteStore } from './store/adapters/sqlite/store.ts'
import type { LedgerStore, RecordStore } from './store/ports.ts'

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

async function openFiles({ store, dataDir, now, writers }: Opening<'sqlite'>): Promise<Stores> {
  await mkdir(dirname(store.path), { recursive: true, mode: 0o700 })
  const records = await openSqliteStore({ path: store.path, now, ...(writers === null ? {} : { writer: writers.store }) })
  const ledgerStore = await openSqliteLedger({ path: join(dataDir, 'ledger.db'), now, ...(writers === null ? {} : { writer: writers.ledger }) })
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
