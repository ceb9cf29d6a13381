/** The end of a log by itself: who comes first, what is told of what is there, and the chain. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { hmacChain } from '../../src/audit/chain.ts'
import { LogContinued, openLogEnd, ready } from '../../src/audit/log-end.ts'
import { hex } from '../../src/audit/record.ts'
import { logOf } from '../../src/audit/slot.ts'
import { openSqliteLedger } from '../../src/store/adapters/sqlite/ledger.ts'
import { type LedgerStore, StoreUnavailable } from '../../src/store/ports.ts'
import { type Bench, id16, openBench } from './bench.ts'

const LOG = logOf('server-1')
let bench: Bench
beforeEach(async () => { bench = await openBench() })
afterEach(() => bench.close())

const later = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms) })
const changed = (store: LedgerStore, more: Partial<LedgerStore>): LedgerStore => Object.assign(Object.create(store) as LedgerStore, more)

/** As a network and a store without transactions may be: answers are lost, come late, or of some entries only the first are taken. */
function unreliable(store: LedgerStore): LedgerStore {
  let call = 0
  return changed(store, {
    async append(log, entries) {
      call += 1
      if (call % 4 === 0) {
        await store.append(log, entries.slice(0, Math.ceil(entries.length / 2)))
        throw new StoreUnavailable('some of them')
      }
      const written = store.append(log, entries)
      if (call % 7 === 0) {
        void written.catch(() => undefined)
        throw new StoreUnavailable('no answer')
      }
      await written
      if (call % 9 === 0) await later(60)
    }
  })
}

it('two processes at one log, both of which lose answers: one chain, every entry in it once, and what was told to be there is', async () => {
  const chain = hmacChain(bench.ring.linkKey())
  const other = await openSqliteLedger({ path: bench.ledgerPath, now: bench.now })
  const told: string[] = []
  const made: string[] = []
  const errors: unknown[] = []
  await Promise.all([bench.store, other].map(async (store) => {
    const end = openLogEnd({ store: unreliable(store), log: LOG, chain, now: bench.now, appendMsMax: 30 })
    await Promise.all(Array.from({ length: 100 }, async (_, i) => {
      await later(i * 3)
      const entry = { id: id16(), sealed: new Uint8Array(40) }
      made.push(hex(entry.id))
      for (let tries = 0; tries < 200; tries++) {
        try {
          // As what comes back from the spool does: it may be in the log.
          await (tries === 0 ? end.add(ready({ entry, terms: [] })) : end.addNew([entry], () => undefined))
          return void told.push(hex(entry.id))
        } catch (error) {
          errors.push(error)
          await later(5 + (i % 10))
        }
      }
    }))
  }))
  const entries = await bench.store.entries(LOG, 1, 1000, 'oldest')
  expect(entries.map(({ seq }) => seq)).toEqual(Array.from(entries, (_, i) => i + 1))
  expect(entries.map((entry, i) => chain.holds(entries[i - 1]?.link ?? chain.empty, { log: LOG, ...entry }, entry.link))).toEqual(entries.map(() => true))
  expect([...told].sort()).toEqual([...made].sort())
  expect(entries.map(({ id }) => hex(id)).sort()).toEqual([...made].sort())
  expect([errors.some((error) => error instanceof LogContinued), errors.length > 10]).toEqual([true, true])
  await other.close()
})

it('where a log stands is read once for all who ask at the same time, so that none falls behind what is written meanwhile', async () => {
  const head: LedgerStore['head'] = async (log) => {
    const found = await bench.store.head(log)
    await later(20)
    return found
  }
  let answered: Promise<void> = Promise.resolve()
  const store = changed(bench.store, {
    head, append: async (...args: Parameters<LedgerStore['append']>) => { await bench.store.append(...args); await answered }
  })
  const end = openLogEnd({ store, log: LOG, chain: hmacChain(bench.ring.linkKey()), now: bench.now, appendMsMax: 5_000 })
  const entry = (name: number) => ({ id: new Uint8Array(16).fill(name), sealed: new Uint8Array(40) })
  const first = end.add(ready({ entry: entry(1), terms: undefined }))
  await later(10)
  // Asked after the first, and answered before its entry is there.
  answered = end.head().then(() => undefined)
  await first
  expect((await end.head()).seq).toBe(1)
  await end.add(ready({ entry: entry(2), terms: undefined }))
  expect((await end.head()).seq).toBe(2)
})

it('says that some of many entries failed only when nothing is known to be under way any more, so that the next try asks what is there', async () => {
  let calls = 0
  const store = changed(bench.store, {
    async append(log, entries) {
      if (++calls === 1) throw new StoreUnavailable('the first group')
      await later(30)
      await bench.store.append(log, entries)
    }
  })
  const end = openLogEnd({ store, log: LOG, chain: hmacChain(bench.ring.linkKey()), now: bench.now, appendMsMax: 5_000 })
  const entries = Array.from({ length: 1_100 }, () => ({ id: id16(), sealed: new Uint8Array(40) }))
  await expect(end.addNew(entries, () => undefined)).rejects.toThrow('the first group')
  // Its group had 256 of them.
  expect((await bench.store.head(LOG)).seq).toBe(844)
  await end.addNew(entries, () => undefined)
  expect((await bench.store.head(LOG)).seq).toBe(1_100)
})

it('asks for nothing while a write hangs: what it is told could be wrong before the entries are passed on', async () => {
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => { release = resolve })
  let calls = 0
  let written: Promise<void> = Promise.resolve()
  const store = changed(bench.store, {
    append: (log, entries) => (++calls > 1 ? bench.store.append(log, entries) : (written = held.then(() => bench.store.append(log, entries)))),
    async known(ids) {
      const known = await bench.store.known(ids)
      release()
      await written
      return known
    }
  })
  const end = openLogEnd({ store, log: LOG, chain: hmacChain(bench.ring.linkKey()), now: bench.now, appendMsMax: 20 })
  const entry = { id: id16(), sealed: new Uint8Array(40) }
  await expect(end.add(ready({ entry: entry, terms: undefined }))).rejects.toThrow('The ledger does not answer')
  await expect(end.addNew([entry], () => undefined)).rejects.toThrow('The ledger does not answer')
  release()
  await written
  await later(0)
  await end.addNew([entry, { ...entry, id: id16() }], () => undefined)
  expect((await bench.store.head(LOG)).seq).toBe(2)
})
