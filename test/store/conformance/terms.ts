import { describe, expect, it } from 'vitest'
import type { RecordStore, TermsPut } from '../../../src/store/ports.ts'
import type { MakePlace } from '../conformance.ts'
import { allPages, commitOf, eachWithStore, hex, keysOf, must, named, packed, put, query, randomId, text } from './fixtures.ts'

/** Other terms under the same version and bytes. */
export function termsSuite(make: MakePlace<RecordStore>): void {
  describe('terms alone', () => {
    const world = eachWithStore(make)
    const anew = (label: string, version: number, terms: readonly string[], sealed = `${label} ${version}`): TermsPut =>
      ({ key: named(label), version, sealed: text(sealed), terms: packed(terms) })
    const under = async (term: string): Promise<readonly string[]> => keysOf(await allPages((ask) => world.store.find(query([[term]]), ask))).sort()
    const versionsUnder = async (term: string): Promise<number> => (await allPages((ask) => world.store.findVersions(query([[term]]), ask))).length
    const labels = (...all: readonly string[]): readonly string[] => all.map((label) => hex(named(label))).sort()

    it('change what finds a record, and nothing of the record or its history', async () => {
      await must(world.store, { puts: [put('a', { terms: ['t'], trail: ['v'] }), put('b', { terms: ['t', 'gone'], trail: ['v'] })] })
      await must(world.store, { puts: [put('b', { expect: 1, terms: ['t', 'gone'], trail: ['v'] })] })
      const before = await world.store.get([named('a'), named('b')])
      await must(world.store, { terms: [anew('a', 1, ['t', 'new']), anew('b', 2, ['t', 'new'])] })
      expect(await world.store.get([named('a'), named('b')])).toEqual(before)
      expect([await under('t'), await under('new'), await under('gone')]).toEqual([labels('a', 'b'), labels('a', 'b'), []])
      expect(await world.store.count(query([['t'], ['new']]), 10)).toEqual({ count: 2, more: false })
      expect((await world.store.versions(named('b'), null, 10)).map(({ version, sealed }) => [version, sealed])).toEqual([[2, text('b 2')], [1, text('b 1')]])
      expect(await versionsUnder('v')).toBe(1)
      // A later version takes away what the earlier one was found by then.
      await must(world.store, { puts: [put('b', { expect: 2, terms: ['t'], trail: ['v'] })] })
      expect([await under('t'), await under('new'), await versionsUnder('v')]).toEqual([labels('a', 'b'), labels('a'), 2])
      await must(world.store, { erase: [named('a')] })
      expect(await under('new')).toEqual([])
    })

    it('may be the same as before', async () => {
      await must(world.store, { puts: [put('a', { terms: ['t'] })] })
      for (let again = 0; again < 2; again++) await must(world.store, { terms: [anew('a', 1, ['t', 'new'])] })
      expect([await under('t'), await under('new')]).toEqual([labels('a'), labels('a')])
    })

    it('are refused, with all of their commit, where the version or the bytes are others, or nothing lives there', async () => {
      await must(world.store, { puts: [put('a', { terms: ['t'] }), put('fine', { terms: ['t'] }), put('dead', { terms: ['t'] })] })
      await must(world.store, { puts: [put('dead', { expect: 1, deleted: true })] })
      const refused = [anew('a', 2, ['new'], 'a 1'), anew('a', 1, ['new'], 'other bytes'), anew('dead', 2, ['new']), anew('absent', 1, ['new'])]
      for (const one of refused) {
        const documents = [{ name: named('d'), expect: null, expires: null, sealed: text('x') }]
        expect(await world.store.commit(commitOf({ terms: [anew('fine', 1, ['new']), one], documents }))).toEqual({ kind: 'conflict', keys: [one.key] })
      }
      expect([await under('new'), await under('t'), await world.store.document(named('d'))]).toEqual([[], labels('a', 'fine'), undefined])
      await must(world.store, { terms: [anew('fine', 1, ['new'])] })
      expect(await under('new')).toEqual(labels('fine'))
    })

    it('are refused after a rewrite under the same version', async () => {
      await must(world.store, { puts: [put('a', { terms: ['t'] })] })
      const { updated: _updated, deleted: _deleted, ...rewrite } = put('a', { terms: ['moved'], sealed: 'a moved' })
      await must(world.store, { rewrites: [{ ...rewrite, expect: 1 }] })
      expect((await world.store.commit(commitOf({ terms: [anew('a', 1, ['t', 'new'])] }))).kind).toBe('conflict')
      expect([await under('moved'), await under('new')]).toEqual([labels('a'), []])
      await must(world.store, { terms: [anew('a', 1, ['moved', 'new'], 'a moved')] })
      expect([await under('moved'), await under('new'), await under('t')]).toEqual([labels('a'), labels('a'), []])
    })

    it('lose or win against puts of the same record at once, and are never left beside a version they were not made for', async () => {
      const names = Array.from({ length: 12 }, (_, i) => `r${i}`)
      await must(world.store, { puts: names.map((label) => put(label, { terms: ['t'] })) })
      await Promise.all(names.flatMap((label) => [
        world.store.commit(commitOf({ terms: [anew(label, 1, ['t', 'one'])] })),
        world.store.commit(commitOf({ id: randomId(), puts: [put(label, { expect: 1, terms: ['t', 'two'] })] }))
      ]))
      expect([await under('one'), await under('two'), await under('t')]).toEqual([[], labels(...names), labels(...names)])
    })

    it('that name a key twice, or are out of order, are refused and write nothing', async () => {
      await must(world.store, { puts: [put('a', { terms: ['t'] })] })
      const one = anew('a', 1, ['new', 'other'])
      await expect(world.store.commit(commitOf({ terms: [{ ...one, terms: Uint8Array.from([...one.terms.slice(16), ...one.terms.slice(0, 16)]) }] }))).rejects.toThrow('sorted')
      await expect(world.store.commit(commitOf({ puts: [put('a', { expect: 1 })], terms: [one] }))).rejects.toThrow('twice')
      expect([await under('new'), await under('t')]).toEqual([[], labels('a')])
    })
  })
}
