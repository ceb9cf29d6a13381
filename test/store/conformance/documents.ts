import { describe, expect, it } from 'vitest'
import type { RecordStore } from '../../../src/store/ports.ts'
import type { MakePlace } from '../conformance.ts'
import { commitOf, eachWithStore, must, named, text } from './fixtures.ts'

export function documentSuite(make: MakePlace<RecordStore>): void {
  describe('a document', () => {
    const world = eachWithStore(make)
    const name = named('code')
    const document = (expected: number | null, sealed: string | null, expires: number | null = null) =>
      ({ name, expect: expected, expires, sealed: sealed === null ? null : text(sealed) })

    it('counts its versions and is written by compare and set', async () => {
      await must(world.store, { documents: [document(0, 'one')] })
      expect(await world.store.document(name)).toEqual({ version: 1, sealed: text('one') })
      expect(await world.store.commit(commitOf({ documents: [document(0, 'two')] }))).toEqual({ kind: 'conflict', keys: [name] })
      await must(world.store, { documents: [document(1, 'two')] })
      await must(world.store, { documents: [document(null, 'three')] })
      expect(await world.store.document(name)).toEqual({ version: 3, sealed: text('three') })
      await must(world.store, { documents: [document(3, null)] })
      expect(await world.store.document(name)).toBeUndefined()
      await must(world.store, { documents: [document(0, 'again')] })
    })

    it('is a lock: of 64 commits that expect one version, one is done', async () => {
      const results = await Promise.all(Array.from({ length: 64 }, (_, i) => world.store.commit(commitOf({ documents: [document(0, `${i}`)] }))))
      expect(results.filter(({ kind }) => kind === 'done').length).toBe(1)
    })

    it('is absent from the millisecond of its expiry on: to read, to take and to expect', async () => {
      await must(world.store, { documents: [document(0, 'short', world.now + 50)] })
      world.now += 49
      expect((await world.store.document(name))?.version).toBe(1)
      world.now += 1
      expect(await world.store.document(name)).toBeUndefined()
      expect(await world.store.take(name)).toBeUndefined()
      expect((await world.store.commit(commitOf({ documents: [document(1, 'late')] }))).kind).toBe('conflict')
      await must(world.store, { documents: [document(0, 'new')] })
      expect(await world.store.document(name)).toEqual({ version: 1, sealed: text('new') })
    })

    it('is taken exactly once, of 64 who take it at once', async () => {
      await must(world.store, { documents: [document(0, 'grant', world.now + 60_000)] })
      const taken = await Promise.all(Array.from({ length: 64 }, () => world.store.take(name)))
      expect(taken.filter((sealed) => sealed !== undefined)).toEqual([text('grant')])
      expect(await world.store.document(name)).toBeUndefined()
      expect(await world.store.take(named('never'))).toBeUndefined()
    })

    it('that is taken stays taken after the next open', async () => {
      await must(world.store, { documents: [document(0, 'grant')] })
      expect(await world.store.take(name)).toEqual(text('grant'))
      const store = await world.reopen()
      expect(await store.take(name)).toBeUndefined()
    })
  })
}
