import { describe, expect, it } from 'vitest'
import { versionPosition } from '../../../src/store/candidates.ts'
import type { RecordStore } from '../../../src/store/ports.ts'
import type { MakePlace } from '../conformance.ts'
import { allPages, commitOf, eachWithStore, hex, keysOf, must, named, put, query, text } from './fixtures.ts'

export function historySuite(make: MakePlace<RecordStore>): void {
  describe('versions', () => {
    const world = eachWithStore(make)
    const a = named('a')
    const find = async (term: string) => keysOf(await allPages((ask) => world.store.find(query([[term]]), ask)))
    const history = async (term: string, limit = 100, order: 'newest' | 'oldest' = 'newest'): Promise<string[]> =>
      (await allPages((ask) => world.store.findVersions(query([[term]], { order }), ask), { limit })).map(({ key, version }) => `${hex(key) === hex(a) ? 'a' : 'b'}${version}`)

    it('are kept and read newest first, the current one included, and one by one', async () => {
      for (let i = 0; i < 5; i++) await must(world.store, { puts: [put('a', { expect: i, updated: 100 })] })
      const read = async (before: number | null, limit: number): Promise<number[]> => (await world.store.versions(a, before, limit)).map(({ version }) => version)
      expect(await read(null, 10)).toEqual([5, 4, 3, 2, 1])
      expect(await read(null, 2)).toEqual([5, 4])
      expect(await read(4, 2)).toEqual([3, 2])
      expect(await read(1, 2)).toEqual([])
      expect((await world.store.version(a, 2))?.sealed).toEqual(text('a 2'))
      expect((await world.store.version(a, 5))?.sealed).toEqual(text('a 5'))
      expect(await world.store.version(a, 6)).toBeUndefined()
      expect(await world.store.versions(named('none'), null, 5)).toEqual([])
    })

    it('that are superseded are found by their trail only, the live one by its terms', async () => {
      await must(world.store, { puts: [put('a', { terms: ['p', 'code'], trail: ['p'] })] })
      await must(world.store, { puts: [put('a', { expect: 1, terms: ['p', 'other'], trail: ['p'] })] })
      expect(await find('code')).toEqual([])
      expect(await find('other')).toEqual([hex(a)])
      expect(await history('code')).toEqual([])
      expect(await history('other')).toEqual(['a2'])
      expect(await history('p')).toEqual(['a2', 'a1'])
    })

    it('of a deleted record: get and version give it, find does not, history shows it by its trail, and it can come back', async () => {
      await must(world.store, { puts: [put('a', { terms: ['p'], trail: ['p'] })] })
      await must(world.store, { puts: [put('a', { expect: 1, deleted: true, terms: ['p', 'x'], trail: ['p'] })] })
      expect((await world.store.get([a]))[0]).toMatchObject({ deleted: true, version: 2, sealed: text('a 2') })
      expect(await find('p')).toEqual([])
      expect(await world.store.count(query([['p']]), 10)).toEqual({ count: 0, more: false })
      expect(await world.store.count(query([]), 10)).toEqual({ count: 0, more: false })
      expect(await history('x')).toEqual([])
      const shown = (await world.store.findVersions(query([['p']]), { after: null, limit: 10, examine: 10 })).records
      expect(shown.map(({ version, deleted, sealed }) => [version, deleted, sealed])).toEqual([[2, true, text('a 2')], [1, false, text('a 1')]])
      await must(world.store, { puts: [put('a', { expect: 2, terms: ['p'], trail: ['p'] })] })
      expect(await find('p')).toEqual([hex(a)])
      expect(await history('p')).toEqual(['a3', 'a2', 'a1'])
      expect(await world.store.version(a, 2)).toMatchObject({ deleted: true, sealed: text('a 2') })
      expect((await world.store.versions(a, null, 9)).map(({ version, sealed }) => [version, sealed])).toEqual([[3, text('a 3')], [2, text('a 2')], [1, text('a 1')]])
    })

    it('are paged without loss or repeat though they share a millisecond, also when the version at the position is superseded', async () => {
      for (let i = 0; i < 4; i++) {
        for (const label of ['a', 'b']) await must(world.store, { puts: [put(label, { expect: i, updated: i < 2 ? 50 : 60, terms: ['p'], trail: ['p'] })] })
      }
      const all = await history('p')
      expect(new Set(all).size).toBe(8)
      for (const limit of [1, 2, 3, 7]) {
        expect(await history('p', limit)).toEqual(all)
        expect(await history('p', limit, 'oldest')).toEqual([...all].reverse())
        const typed = await allPages((ask) => world.store.findVersions(query([]), ask), { limit })
        expect(typed.map(({ key, version }) => `${hex(key) === hex(a) ? 'a' : 'b'}${version}`)).toEqual(all)
      }
      const first = await world.store.findVersions(query([['p']]), { after: null, limit: 1, examine: 10 })
      const label = hex(first.records[0]?.key ?? a) === hex(a) ? 'a' : 'b'
      expect(first.next).toEqual(versionPosition(first.records[0] as NonNullable<(typeof first.records)[0]>))
      await must(world.store, { puts: [put(label, { expect: 4, updated: 60, terms: ['p'], trail: ['p'] })] })
      const rest = await allPages((ask) => world.store.findVersions(query([['p']]), { ...ask, after: ask.after ?? first.next }))
      expect(rest.map(({ key, version }) => `${hex(key) === hex(a) ? 'a' : 'b'}${version}`)).toEqual(all.slice(1))
    })

    it('are not made by a rewrite: same version, new content, terms and trail; its `expect` is the current version', async () => {
      await must(world.store, { puts: [put('a', { updated: 70, terms: ['p'], trail: ['p'] }), put('b', { terms: ['p'], trail: ['p'] })] })
      await must(world.store, { puts: [put('b', { expect: 1, deleted: true, trail: ['p'] })] })
      expect(await world.store.commit(commitOf({ rewrites: [put('a', { expect: 0 })] }))).toEqual({ kind: 'conflict', keys: [a] })
      await must(world.store, { rewrites: [put('a', { expect: 1, terms: ['q'], trail: ['q'], sealed: 'moved' }), put('b', { expect: 2, trail: ['q'], sealed: 'gone' })] })
      expect((await world.store.get([a]))[0]).toMatchObject({ version: 1, updated: 70, sealed: text('moved') })
      expect(await find('p')).toEqual([])
      expect(await find('q')).toEqual([hex(a)])
      expect(await history('p')).toEqual(['b1'])
      expect((await history('q')).sort()).toEqual(['a1', 'b2'])
      expect(await world.store.version(named('b'), 2)).toMatchObject({ deleted: true, sealed: text('gone') })
      await must(world.store, { puts: [put('a', { expect: 1, updated: 80, terms: ['z'], trail: ['z'] })] })
      expect((await history('q')).sort()).toEqual(['a1', 'b2'])
    })

    it('go with an erasure: record, versions, postings and trails; the key may be used again', async () => {
      await must(world.store, { puts: [put('a', { terms: ['p'], trail: ['p'] }), put('b', { terms: ['p'], trail: ['p'] })] })
      await must(world.store, { puts: [put('a', { expect: 1, terms: ['p'], trail: ['p'] }), put('b', { expect: 1, deleted: true, trail: ['p'] })] })
      await must(world.store, { erase: [a, named('b'), named('never')] })
      expect(await world.store.get([a, named('b')])).toEqual([undefined, undefined])
      expect(await find('p')).toEqual([])
      expect(await history('p')).toEqual([])
      expect(await world.store.versions(a, null, 5)).toEqual([])
      expect(await world.store.version(a, 1)).toBeUndefined()
      expect(await world.store.scan(null, 10)).toEqual([])
      await must(world.store, { puts: [put('a', { terms: ['z'], trail: ['z'] })] })
      await must(world.store, { puts: [put('a', { expect: 1, terms: ['z'], trail: ['z'] })] })
      expect(await history('p')).toEqual([])
      expect(await history('z')).toEqual(['a2', 'a1'])
    })
  })
}
