import { describe, expect, it } from 'vitest'
import type { RecordStore } from '../../../src/store/ports.ts'
import type { MakePlace } from '../conformance.ts'
import { allPages, commitOf, eachWithStore, hex, keysOf, must, named, put, query, randomId, text } from './fixtures.ts'

export function commitSuite(make: MakePlace<RecordStore>): void {
  describe('a commit', () => {
    const world = eachWithStore(make)

    it('stores a record that is read back whole, by key and in the order asked', async () => {
      await must(world.store, { puts: [put('a', { updated: 7 }), put('b', { type: 'Patient' })] })
      const [b, missing, a] = await world.store.get([named('b'), named('c'), named('a')])
      expect(missing).toBeUndefined()
      expect(b?.type).toBe('Patient')
      expect(a).toEqual({ key: named('a'), type: 'Observation', version: 1, updated: 7, deleted: false, sealed: text('a 1') })
    })

    it('is a conflict, as a value naming the key, when the version replaced is not the current one', async () => {
      await must(world.store, { puts: [put('a')] })
      for (const expected of [0, 2]) {
        const result = await world.store.commit(commitOf({ puts: [put('other'), put('a', { expect: expected })] }))
        expect(result).toEqual({ kind: 'conflict', keys: [named('a')] })
      }
      expect(await world.store.commit(commitOf({ puts: [put('a', { expect: 1 })] }))).toEqual({ kind: 'done' })
      expect(await world.store.get([named('other')])).toEqual([undefined])
    })

    it('checks what was read and relied upon, absence too', async () => {
      await must(world.store, { puts: [put('a')] })
      const relying = (key: string, version: number): Promise<unknown> =>
        world.store.commit(commitOf({ expect: [{ key: named(key), version }], puts: [put(`by ${key} ${version}`)] }))
      expect(await relying('a', 0)).toEqual({ kind: 'conflict', keys: [named('a')] })
      expect(await relying('b', 1)).toEqual({ kind: 'conflict', keys: [named('b')] })
      expect(await relying('a', 1)).toEqual({ kind: 'done' })
      expect(await relying('b', 0)).toEqual({ kind: 'done' })
    })

    it('names every precondition that failed, documents among them, and writes nothing', async () => {
      await must(world.store, { puts: [put('a')] })
      const outbox = [{ id: randomId(), sealed: text('entry') }]
      const documents = [{ name: named('lock'), expect: 3, expires: null, sealed: text('x') }]
      const result = await world.store.commit(commitOf({ puts: [put('a'), put('b')], documents, outbox }))
      expect(result.kind === 'conflict' && result.keys.map(hex).sort()).toEqual([named('a'), named('lock')].map(hex).sort())
      expect(await world.store.get([named('b')])).toEqual([undefined])
      expect(await world.store.document(named('lock'))).toBeUndefined()
      expect(await world.store.outbox(10)).toEqual([])
    })

    it('with an id that was done is done and changes nothing; an id that met a conflict may come again', async () => {
      const first = commitOf({ puts: [put('a')], outbox: [{ id: randomId(), sealed: text('1') }] })
      expect(await world.store.commit(first)).toEqual({ kind: 'done' })
      expect(await world.store.commit(first)).toEqual({ kind: 'done' })
      expect(await world.store.commit({ ...first, puts: [put('a', { expect: 1 }), put('b')] })).toEqual({ kind: 'done' })
      expect((await world.store.get([named('a'), named('b')])).map((row) => row?.version)).toEqual([1, undefined])
      expect((await world.store.outbox(10)).length).toBe(1)
      const refused = commitOf({ puts: [put('c', { expect: 1 })] })
      expect((await world.store.commit(refused)).kind).toBe('conflict')
      expect(await world.store.commit({ ...refused, puts: [put('c')] })).toEqual({ kind: 'done' })
      expect((await world.store.get([named('c')]))[0]?.version).toBe(1)
    })

    it('keeps its id for 24 hours', async () => {
      const first = commitOf({ puts: [put('a')] })
      await world.store.commit(first)
      world.now += 24 * 3_600_000 - 1
      await must(world.store, { puts: [put('b')] })
      await must(world.store, { puts: [put('c')] })
      expect(await world.store.commit(first)).toEqual({ kind: 'done' })
    })

    it('wins once per version, of 64 at once on one key', async () => {
      for (let version = 0; version < 3; version++) {
        const results = await Promise.all(Array.from({ length: 64 }, (_, i) =>
          world.store.commit(commitOf({ puts: [put('a', { expect: version, sealed: `by ${i}` })], outbox: [{ id: randomId(), sealed: text(`${i}`) }] }))))
        const winners = results.flatMap((result, i) => result.kind === 'done' ? [i] : [])
        expect(winners.length).toBe(1)
        expect((await world.store.get([named('a')]))[0]).toMatchObject({ version: version + 1, sealed: text(`by ${winners[0]}`) })
        expect((await world.store.outbox(10)).length).toBe(version + 1)
      }
    })

    it('takes effect in the order called', async () => {
      const results = await Promise.all(Array.from({ length: 30 }, (_, i) => world.store.commit(commitOf({ puts: [put('a', { expect: i })] }))))
      expect(results.every(({ kind }) => kind === 'done')).toBe(true)
      expect((await world.store.get([named('a')]))[0]?.version).toBe(30)
    })

    it('that is refused as corrupt fails alone, whole, and those beside it are done', async () => {
      const taken = randomId()
      await must(world.store, { outbox: [{ id: taken, sealed: text('first') }] })
      const settled = await Promise.allSettled(Array.from({ length: 20 }, (_, i) =>
        world.store.commit(commitOf({ puts: [put(`r${i}`, { terms: ['t'] })], outbox: [{ id: i === 7 ? taken : randomId(), sealed: text('x') }] }))))
      expect(settled.flatMap(({ status }, i) => status === 'rejected' ? [i] : [])).toEqual([7])
      const found = await allPages((ask) => world.store.find(query([['t']]), ask))
      expect(found.length).toBe(19)
      expect(keysOf(found)).not.toContain(hex(named('r7')))
      expect((await world.store.outbox(100)).length).toBe(20)
    })

    it('that names a key twice is refused and writes nothing', async () => {
      await must(world.store, { puts: [put('b')] })
      await expect(world.store.commit(commitOf({ puts: [put('a'), put('a')] }))).rejects.toThrow()
      await expect(world.store.commit(commitOf({ puts: [put('b', { expect: 1 }), put('b', { expect: 1 })] }))).rejects.toThrow()
      expect((await world.store.get([named('a'), named('b')])).map((row) => row?.version)).toEqual([undefined, 1])
    })

    it('in flight is waited for by close, and is there after the next open', async () => {
      const commits = Array.from({ length: 40 }, (_, i) => world.store.commit(commitOf({ puts: [put(`r${i}`)] })))
      const store = await world.reopen()
      expect(await Promise.all(commits)).toEqual(commits.map(() => ({ kind: 'done' })))
      expect((await store.get(commits.map((_, i) => named(`r${i}`)))).every((row) => row?.version === 1)).toBe(true)
    })

    it('adds to the outbox in commit order, and what is done leaves it', async () => {
      const ids = Array.from({ length: 6 }, randomId)
      await Promise.all(ids.map((id, i) => world.store.commit(commitOf({ outbox: [{ id, sealed: text(`${i}`) }] }))))
      expect((await world.store.outbox(4)).map(({ id }) => hex(id))).toEqual(ids.slice(0, 4).map(hex))
      await world.store.outboxDone([ids[0], ids[2]].filter((id) => id !== undefined))
      expect((await world.store.outbox(10)).map(({ sealed }) => new TextDecoder().decode(sealed))).toEqual(['1', '3', '4', '5'])
    })
  })
}
