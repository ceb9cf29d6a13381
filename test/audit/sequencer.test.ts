/** What the sequencer gives to the index, and how much of it at once. Its entries cannot be opened: their terms have to be at hand. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { hmacChain } from '../../src/audit/chain.ts'
import { ready } from '../../src/audit/log-end.ts'
import { ownTerms } from '../../src/audit/own-terms.ts'
import { blinder } from '../../src/audit/postings.ts'
import { sequencer } from '../../src/audit/sequencer.ts'
import { logOf } from '../../src/audit/slot.ts'
import { type LedgerStore, StoreUnavailable, type Term } from '../../src/store/ports.ts'
import { type Bench, id16, openBench } from './bench.ts'

const LOG = logOf('server-1')
let bench: Bench
beforeEach(async () => { bench = await openBench() })
afterEach(() => bench.close())

const termOf = (number: number): Term => new Uint8Array(16).fill(number)

/** `before` runs ahead of each call of the index; `calls`: how far each that was done went, and how many postings it had. */
async function bySequencer(before: () => Promise<unknown> = async () => undefined) {
  const calls: (readonly [through: number, postings: number])[] = []
  const errors: unknown[] = []
  const index: LedgerStore['index'] = async (log, through, postings) => {
    await before()
    await bench.store.index(log, through, postings)
    calls.push([through, postings.reduce((sum, { terms }) => sum + terms.flat().length, 0)])
  }
  const store = Object.assign(Object.create(bench.store) as LedgerStore, { index })
  const { ring, records, now } = bench
  const made = sequencer({
    store, records, ring, chain: hmacChain(ring.linkKey()), blinder: blinder((await ring.classKey('ledger')).index), own: ownTerms(), now, appendMsMax: 60_000,
    failed: (error) => { errors.push(error) }
  })
  const add = async (count: number, terms: readonly Term[]): Promise<void> => {
    const sealed = new Uint8Array(40)
    await Promise.all(Array.from({ length: count }, () => made.end(LOG).add(ready({ entry: { id: id16(), sealed }, terms: [terms] }))))
  }
  return { add, calls, errors, pass: () => made.pass(LOG, null) }
}

it('indexes the whole segments that wait with one call, and leaves the rest', async () => {
  const { add, calls, errors, pass } = await bySequencer()
  await add(2_300, [termOf(1), termOf(2)])
  await pass()
  await pass()
  expect([calls, errors, await bench.store.indexed(LOG)]).toEqual([[[2_000, 4_000]], [], 2_000])
  await add(700, [termOf(1)])
  await pass()
  expect([calls.slice(1), errors]).toEqual([[[3_000, 1_300]], []])
  expect(await bench.store.lookup(LOG, [termOf(1)], 5_000, 3)).toEqual([3_000, 2_999, 2_998])
  expect(await bench.store.lookup(LOG, [termOf(2)], 5_000, 3)).toEqual([2_300, 2_299, 2_298])
})

it('ends a call behind the segment whose postings are too many, and goes on with another', async () => {
  const { add, calls, errors, pass } = await bySequencer()
  const few = [termOf(1)]
  await add(1_000, few)
  await add(1_000, Array.from({ length: 400 }, (_, i) => Uint8Array.from([i >> 8, i, ...termOf(9).subarray(2)])))
  await add(2_000, few)
  await pass()
  expect([calls, errors]).toEqual([[[2_000, 401_000], [4_000, 2_000]], []])
})

it('takes twenty segments at most, and keeps the terms of what comes while they are written', async () => {
  let first = true
  const { add, calls, errors, pass } = await bySequencer(async () => {
    if (!first) return
    first = false
    await add(1_000, [termOf(2)])
    throw new StoreUnavailable('down')
  })
  await add(20_000, [termOf(1)])
  await pass()
  expect([calls, errors.length]).toEqual([[], 1])
  await pass()
  expect([calls, errors.length]).toEqual([[[20_000, 20_000], [21_000, 1_000]], 1])
  expect(await bench.store.lookup(LOG, [termOf(2)], 30_000, 2)).toEqual([21_000, 20_999])
})

it('indexes after a failure what it failed to, from the terms that it had', async () => {
  let down = true
  const { add, calls, errors, pass } = await bySequencer(async () => { if (down) throw new StoreUnavailable('down') })
  await add(3_100, [termOf(1)])
  await pass()
  expect([calls, errors.length]).toEqual([[], 1])
  down = false
  await pass()
  expect([calls, errors.length]).toEqual([[[3_000, 3_000]], 1])
})
