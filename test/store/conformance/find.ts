import { describe, expect, it } from 'vitest'
import { StoreTooCostly, type RecordStore } from '../../../src/store/ports.ts'
import type { MakePlace } from '../conformance.ts'
import { allPages, eachWithStore, hex, keysOf, must, named, put, query } from './fixtures.ts'

/** Bounds of the random suite: records stored, terms of a query, queries asked. */
export interface FindSize { readonly records: number; readonly terms: number; readonly queries: number }

export function findSuite(make: MakePlace<RecordStore>): void {
  describe('find', () => {
    const world = eachWithStore(make)
    const find = (asked: ReturnType<typeof query>, limit = 100) => allPages((ask) => world.store.find(asked, ask), { limit })
    const labels = (count: number): string[] => Array.from({ length: count }, (_, i) => `r${i}`)
    const load = async (count: number, updated: (i: number) => number): Promise<void> => {
      for (const [i, label] of labels(count).entries()) await must(world.store, { puts: [put(label, { updated: updated(i), terms: ['t', `t${i % 3}`] })] })
    }

    it('gives one total order in both directions, ties of a millisecond included, at every page size', async () => {
      await load(30, (i) => 100 + Math.floor(i / 7))
      const newest = await find(query([['t']]))
      expect(newest.map(({ updated }) => updated)).toEqual(newest.map(({ updated }) => updated).sort((a, b) => b - a))
      expect(new Set(keysOf(newest)).size).toBe(30)
      for (const limit of [1, 2, 7, 29, 30]) {
        expect(keysOf(await find(query([['t']]), limit))).toEqual(keysOf(newest))
        expect(keysOf(await find(query([]), limit))).toEqual(keysOf(newest))
        expect(keysOf(await find(query([['t']], { order: 'oldest' }), limit))).toEqual(keysOf(newest).reverse())
      }
    })

    it('matches nothing for an empty any-of, alone or beside others, and nothing for an unknown type', async () => {
      await load(3, () => 5)
      expect((await find(query([['t']]))).length).toBe(3)
      expect(await find(query([[]]))).toEqual([])
      expect(await find(query([['t'], []]))).toEqual([])
      expect(await find(query([['t']], { type: 'Nothing' }))).toEqual([])
      expect(await find(query([], { type: 'Nothing' }))).toEqual([])
      expect(await world.store.count(query([[]]), 10)).toEqual({ count: 0, more: false })
      expect(await world.store.count(query([['t'], []]), 10)).toEqual({ count: 0, more: false })
    })

    it('finds a record under two terms of one set once', async () => {
      await load(9, () => 5)
      expect(keysOf(await find(query([['t', 't0', 't1', 't', 't']]), 2)).length).toBe(9)
      expect(await world.store.count(query([['t', 't0', 't1']]), 100)).toEqual({ count: 9, more: false })
    })

    it('keeps to the type, and over all types where none is given', async () => {
      await must(world.store, { puts: [put('o', { terms: ['t'] }), put('p', { type: 'Patient', terms: ['t'] })] })
      expect(keysOf(await find(query([['t']])))).toEqual([hex(named('o'))])
      expect(keysOf(await find(query([['t']], { type: 'Patient' })))).toEqual([hex(named('p'))])
      expect((await find(query([['t']], { type: null }))).length).toBe(2)
      await expect(world.store.find(query([], { type: null }), { after: null, limit: 1, examine: 1 })).rejects.toThrow()
    })

    it('stops at `examine` with a position and goes on from there, even when nothing matched', async () => {
      await load(30, (i) => i)
      const rare = query([['t'], ['t0']], { noneOf: ['t1', 't2'].map(named) })
      const page = await world.store.find(rare, { after: null, limit: 10, examine: 1 })
      expect(page.records.length).toBeLessThanOrEqual(1)
      expect(page.next).not.toBeNull()
      expect((await allPages((ask) => world.store.find(rare, ask), { limit: 10, examine: 1 })).length).toBe(10)
    })

    it('goes on from a position whose record was updated: nothing is lost or given twice but the record itself', async () => {
      await load(20, (i) => 100 + Math.floor(i / 5))
      const before = keysOf(await find(query([['t']])))
      const first = await world.store.find(query([['t']]), { after: null, limit: 7, examine: 100 })
      const last = first.records.at(-1)
      const label = labels(20).find((one) => hex(named(one)) === hex(last?.key ?? named('none'))) as string
      await must(world.store, { puts: [put(label, { expect: 1, updated: 900, terms: ['t'] })] })
      const rest = await world.store.find(query([['t']]), { after: first.next, limit: 100, examine: 100 })
      expect(keysOf(rest.records)).toEqual(before.slice(7))
    })

    it('goes on from a position whose record was erased: nothing is lost, and only its millisecond may come again', async () => {
      await load(20, (i) => 100 + Math.floor(i / 5))
      const before = await find(query([['t']]))
      for (const order of ['newest', 'oldest'] as const) {
        const asked = query([['t']], { order })
        const all = await find(asked)
        const first = await world.store.find(asked, { after: null, limit: 7, examine: 100 })
        const last = first.records.at(-1) as (typeof all)[number]
        await must(world.store, { erase: [last.key] })
        const rest = await world.store.find(asked, { after: first.next, limit: 100, examine: 100 })
        const given = keysOf(rest.records)
        expect(given).toEqual(expect.arrayContaining(keysOf(all.slice(7))))
        const again = rest.records.filter(({ key }) => !keysOf(all.slice(7)).includes(hex(key)))
        expect(again.every(({ updated }) => updated === last.updated)).toBe(true)
      }
      expect(before.length).toBe(20)
    })

    it('bounds by `updated`, half-open', async () => {
      await load(10, (i) => 100 + i)
      const between = async (updated: { from?: number; before?: number }): Promise<number[]> =>
        (await find(query([['t']], { updated, order: 'oldest' }), 2)).map((record) => record.updated)
      expect(await between({ from: 103, before: 106 })).toEqual([103, 104, 105])
      expect(await between({ from: 108 })).toEqual([108, 109])
      expect(await between({ before: 102 })).toEqual([100, 101])
      expect(await between({ from: 104, before: 104 })).toEqual([])
      expect(await world.store.count(query([['t']], { updated: { from: 103, before: 106 } }), 10)).toEqual({ count: 3, more: false })
    })

    it('counts up to its bound and says when there is more', async () => {
      await load(10, () => 5)
      expect(await world.store.count(query([['t']]), 10)).toEqual({ count: 10, more: false })
      expect(await world.store.count(query([['t']]), 9)).toEqual({ count: 9, more: true })
      expect(await world.store.count(query([]), 9)).toEqual({ count: 9, more: true })
      expect(await world.store.count(query([['t'], ['t0']]), 3)).toEqual({ count: 3, more: true })
      expect(await world.store.count(query([['t'], ['t0']]), 4)).toEqual({ count: 4, more: false })
      expect(await world.store.count(query([['t']], { noneOf: [named('t0')] }), 100)).toEqual({ count: 6, more: false })
    })

    it('refuses what is past its bounds', async () => {
      const many = Array.from({ length: 5_000 }, (_, i) => `x${i}`)
      await expect(find(query([many]))).rejects.toBeInstanceOf(StoreTooCostly)
      await expect(world.store.find(query([['t']]), { after: null, limit: 1_001, examine: 10 })).rejects.toBeInstanceOf(StoreTooCostly)
    })

    it('scans every record once in key order, deleted ones included', async () => {
      await load(20, () => 5)
      await must(world.store, { puts: [put('r3', { expect: 1, deleted: true })] })
      const keys: string[] = []
      for (let after = null, page = await world.store.scan(after, 6); page.length > 0; page = await world.store.scan(page.at(-1)?.key ?? null, 6)) keys.push(...keysOf(page))
      expect(keys).toEqual(labels(20).map((label) => hex(named(label))).sort())
    })
  })
}
