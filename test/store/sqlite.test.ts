import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'
import { openSqliteLedger } from '../../src/store/adapters/sqlite/ledger.ts'
import { openSqliteStore } from '../../src/store/adapters/sqlite/store.ts'
import { ledgerStoreConformance, recordStoreConformance, type Place } from './conformance.ts'
import { randomSuite } from './conformance/random.ts'

async function place<S>(open: (path: string, now: () => number) => Promise<S>): Promise<Place<S>> {
  const folder = await mkdtemp(join(tmpdir(), 'wardkeep-'))
  return { open: (now) => open(join(folder, 'store.db'), now), dispose: () => rm(folder, { recursive: true }) }
}

const makeRecords = () => place((path, now) => openSqliteStore({ path, now }))

recordStoreConformance('sqlite', makeRecords)
ledgerStoreConformance('sqlite', () => place((path, now) => openSqliteLedger({ path, now })))

// Sets past 64 terms are read by their heads, past 256 the newest of the type are looked through first.
describe('sqlite: sets of many terms', () => { randomSuite(makeRecords, { records: 300, terms: 700, queries: 100 }) })
