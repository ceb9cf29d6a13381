import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openSqliteLedger } from '../../src/store/adapters/sqlite/ledger.ts'
import { openSqliteStore } from '../../src/store/adapters/sqlite/store.ts'
import { ledgerStoreConformance, recordStoreConformance, type Place } from './conformance.ts'
import { allPages, eachWithStore, keysOf, must, named, put, query } from './conformance/fixtures.ts'
import { randomSuite } from './conformance/random.ts'

async function place<S>(open: (path: string, now: () => number) => Promise<S>): Promise<Place<S>> {
  const folder = await mkdtemp(join(tmpdir(), 'wardkeep-'))
  return { open: (now) => open(join(folder, 'store.db'), now), dispose: () => rm(folder, { recursive: true }) }
}

const makeRecords = () => place((path, now) => openSqliteStore({ path, now }))

recordStoreConformance('sqlite', makeRecords)
ledgerStoreConformance('sqlite', () => place((path, now) => openSqliteLedger({ path, now })))

// Sets past 64 terms are read by their heads, past 256 the newest of the type are looked through first.
describe('sqlite: sets of many terms', () => {
  randomSuite(makeRecords, { records: 300, terms: 700, queries: 100 })

  const world = eachWithStore(makeRecords)

  it('give each record once when the newest of the type hold few of them and their lists the rest', async () => {
    const wanted = Array.from({ length: 300 }, (_, i) => `w${i}`)
    const label = (i: number): string => i < 300 || i % 100 === 0 ? `w${i % 300}` : 'other'
    await must(world.store, { puts: Array.from({ length: 800 }, (_, i) => put(`r${i}`, { updated: 100 + Math.floor(i / 9), terms: ['all', label(i)] })) })
    const expected = Array.from({ length: 800 }, (_, i) => i).filter((i) => label(i) !== 'other').length
    for (const order of ['newest', 'oldest'] as const) {
      for (const asked of [query([wanted], { order }), query([wanted, [...wanted, 'all']], { order })]) {
        for (const limit of [4, 10, 1_000]) {
          const found = await allPages((ask) => world.store.find(asked, ask), { limit })
          expect(found.length).toBe(expected)
          expect(new Set(keysOf(found)).size).toBe(expected)
        }
      }
    }
    expect(await world.store.count(query([wanted, ['all']], { noneOf: [named('w7')] }), 1_000)).toEqual({ count: expected - 1, more: false })
  })
})
