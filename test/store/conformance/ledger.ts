import { describe, expect, it } from 'vitest'
import type { Bytes } from '../../../src/model/resource.ts'
import type { LedgerEntry, LedgerStore } from '../../../src/store/ports.ts'
import type { MakePlace } from '../conformance.ts'
import { eachWithStore, hex, listed, named, randomId, text } from './fixtures.ts'

export function ledgerSuite(make: MakePlace<LedgerStore>): void {
  describe('the ledger', () => {
    const world = eachWithStore(make)
    const log = named('server-1').slice(0, 8)
    const other = named('cli').slice(0, 8)
    const link = (seq: number): Bytes => new Uint8Array(32).fill(seq)
    const entry = (seq: number, id = randomId()): LedgerEntry => ({ seq, id, sealed: text(`entry ${seq}`), link: link(seq) })
    const entries = (from: number, through: number): LedgerEntry[] => Array.from({ length: through - from + 1 }, (_, i) => entry(from + i))
    const seqs = async (from: number, limit: number, order: 'oldest' | 'newest', of = log): Promise<number[]> =>
      (await world.store.entries(of, from, limit, order)).map(({ seq }) => seq)

    it('keeps what was appended, and its head, through the next open', async () => {
      expect(await world.store.head(log)).toEqual({ seq: 0, link: new Uint8Array(32) })
      const appended = entries(1, 200)
      await world.store.append(log, appended.slice(0, 150))
      await world.store.append(log, appended.slice(150))
      const store = await world.reopen()
      expect(await store.entries(log, 1, 1_000, 'oldest')).toEqual(appended)
      expect(await store.head(log)).toEqual({ seq: 200, link: link(200) })
      expect(await store.head(other)).toEqual({ seq: 0, link: new Uint8Array(32) })
      await store.append(log, entries(201, 202))
      expect(await store.head(log)).toEqual({ seq: 202, link: link(202) })
    })

    it('waits in close for appends in flight', async () => {
      const appends = [world.store.append(log, entries(1, 100)), world.store.append(other, entries(1, 50))]
      const store = await world.reopen()
      await Promise.all(appends)
      expect([(await store.head(log)).seq, (await store.head(other)).seq]).toEqual([100, 50])
    })

    it('takes only what continues the log, and nothing of a batch that does not', async () => {
      await world.store.append(log, entries(1, 3))
      for (const wrong of [[entry(5)], [entry(3)], [entry(4), entry(6)], [entry(4), entry(4)]]) {
        await expect(world.store.append(log, wrong)).rejects.toThrow()
        expect(await world.store.head(log)).toEqual({ seq: 3, link: link(3) })
        expect(await world.store.known(wrong.map(({ id }) => id))).toEqual([])
      }
      await world.store.append(log, [])
      await world.store.append(log, entries(4, 4))
      expect(await seqs(1, 10, 'oldest')).toEqual([1, 2, 3, 4])
    })

    it('refuses an id that is in a log already, and goes on behind what it took of the others', async () => {
      const [first] = entries(1, 1) as [LedgerEntry]
      await world.store.append(log, [first])
      await expect(world.store.append(log, [entry(2), entry(3, first.id)])).rejects.toThrow()
      const { seq } = await world.store.head(log)
      expect([1, 2]).toContain(seq)
      await world.store.append(log, entries(seq + 1, 4))
      expect(await seqs(1, 10, 'oldest')).toEqual([1, 2, 3, 4])
    })

    it('lets one of many that append at the same head win', async () => {
      const settled = await Promise.allSettled(Array.from({ length: 16 }, () => world.store.append(log, entries(1, 2))))
      expect(settled.filter(({ status }) => status === 'fulfilled').length).toBe(1)
      expect(await seqs(1, 100, 'oldest')).toEqual([1, 2])
    })

    it('knows which ids are in a log', async () => {
      const appended = entries(1, 3)
      await world.store.append(log, appended)
      const fresh = randomId()
      const known = await world.store.known([fresh, ...appended.map(({ id }) => id)])
      expect(known.map(hex).sort()).toEqual(appended.map(({ id }) => hex(id)).sort())
    })

    it('reads entries from a number on in both directions, and keeps its logs apart', async () => {
      await world.store.append(log, entries(1, 9))
      await world.store.append(other, entries(1, 2))
      expect(await seqs(4, 3, 'oldest')).toEqual([4, 5, 6])
      expect(await seqs(4, 3, 'newest')).toEqual([4, 3, 2])
      expect(await seqs(100, 2, 'newest')).toEqual([9, 8])
      expect(await seqs(8, 10, 'oldest')).toEqual([8, 9])
      expect(await seqs(1, 10, 'newest', other)).toEqual([1])
      expect(await seqs(1, 10, 'oldest', named('none').slice(0, 8))).toEqual([])
      expect((await world.store.logs()).map(hex).sort()).toEqual([hex(log), hex(other)].sort())
    })

    it('looks up by terms, newest first, each number once, below a number', async () => {
      await world.store.append(log, entries(1, 20))
      const posting = (term: string, seq: number) => ({ term: named(term), seq })
      await world.store.index(log, 10, Array.from({ length: 10 }, (_, i) => ({ seq: i + 1, terms: [[named('all')], [named(`m${(i + 1) % 3}`)]] })))
      expect(await world.store.indexed(log)).toBe(10)
      const lookup = (terms: string[], before: number, limit: number, of = log) => world.store.lookup(of, terms.map(named), before, limit)
      expect(await lookup(['m0', 'm1'], 100, 100)).toEqual([10, 9, 7, 6, 4, 3, 1])
      expect(await lookup(['m0', 'all', 'm0'], 8, 4)).toEqual([7, 6, 5, 4])
      expect(await lookup(['none'], 100, 10)).toEqual([])
      expect(await lookup([], 100, 10)).toEqual([])
      expect(await lookup(['all'], 100, 10, other)).toEqual([])
      const many = Array.from({ length: 100 }, (_, i) => `m${i}`)
      expect(await lookup(many, 10, 4)).toEqual([9, 8, 7, 6])
      await world.store.index(log, 20, listed([posting('m0', 20), posting('m0', 9)]))
      expect(await lookup(['m0'], 100, 2)).toEqual([20, 9])
      expect(await world.store.indexed(log)).toBe(20)
      expect(await world.store.indexed(other)).toBe(0)
    })

    it('finds the same in whatever groups it was indexed: several segments at once, again, in parts, and in no order', async () => {
      const count = 1_300
      await world.store.append(log, entries(1, count))
      const carried: readonly (readonly [term: string, by: (seq: number) => boolean])[] = [
        ['each', () => true], ['third', (seq) => seq % 3 === 0], ['edges', (seq) => seq % 1_000 < 2], ['first', (seq) => seq === 1], ['last', (seq) => seq === count],
        ...Array.from({ length: 100 }, (_, i) => [`own ${i}`, (seq: number) => seq % 311 === i] as const)
      ]
      const all = Array.from({ length: count }, (_, i) => carried.filter(([, by]) => by(i + 1)).map(([term]) => ({ term: named(term), seq: i + 1 }))).flat()
      const between = (from: number, through: number) => all.filter(({ seq }) => seq >= from && seq <= through)
      await world.store.index(log, 1_100, listed(between(1, 1_100)).reverse())
      await world.store.index(log, 1_100, listed(between(1, 1_100)))
      const store = await world.reopen()
      await store.index(log, 1_200, listed([...between(1_101, 1_200), ...between(950, 1_050)]))
      await store.index(log, count, listed(between(1_201, count)))
      expect(await store.indexed(log)).toBe(count)
      const sets = [['each'], ['third', 'edges'], ['edges', 'first', 'last'], carried.slice(3).map(([term]) => term), carried.slice(1).map(([term]) => term)]
      const asks = [[10_000, 1_000], [1_001, 1], [777, 1_000], [1_102, 4], [1_002, 1_000], [1, 3]] as const
      for (const [i, set] of sets.entries()) {
        const hits = Array.from({ length: count }, (_, k) => count - k).filter((seq) => carried.some(([term, by]) => set.includes(term) && by(seq)))
        for (const [before, limit] of asks.filter((_, k) => (i + k) % 3 < 2)) {
          const found = await store.lookup(log, set.map(named), before, limit)
          expect([set[0], before, limit, found]).toEqual([set[0], before, limit, hits.filter((seq) => seq < before).slice(0, limit)])
        }
      }
    })

    it('refuses a segment that ends after the log', async () => {
      await world.store.append(log, entries(1, 2))
      await expect(world.store.index(log, 3, [])).rejects.toThrow()
      expect(await world.store.indexed(log)).toBe(0)
    })

    it('leases a log to one holder until its time', async () => {
      const [me, you] = [randomId(), randomId()]
      const first = await Promise.all([world.store.lease(log, me, world.now + 100), world.store.lease(log, you, world.now + 100)])
      expect(first).toEqual([true, false])
      expect(await world.store.lease(log, me, world.now + 200)).toBe(true)
      expect(await world.store.lease(other, you, world.now + 200)).toBe(true)
      world.now += 199
      expect(await world.store.lease(log, you, world.now + 100)).toBe(false)
      world.now += 1
      expect(await world.store.lease(log, you, world.now + 100)).toBe(true)
      expect(await world.store.lease(log, me, world.now + 100)).toBe(false)
      expect(await world.store.logs()).toEqual([])
    })
  })
}
