import { expect, describe, it } from 'vitest'
import type { Commit, RecordStore, Stored } from '../../../src/store/ports.ts'
import type { MakePlace } from '../conformance.ts'
import { allPages, hex, keysOf, must, named, packed, put, query, seeded, text } from './fixtures.ts'

interface Model { version: number; sealed: string; term: string }

const LABELS = Array.from({ length: 10 }, (_, i) => `r${i}`)
const TERMS = ['t0', 't1', 't2']

/** Records that are read again and again, while this process and another write them in every way there is. */
export function againSuite(make: MakePlace<RecordStore>): void {
  describe('records that are read again', () => {
    it('are as they are now, whoever wrote them and however, and never an object that was given for something else', async () => {
      const place = await make()
      const stores = [await place.open(() => 1_000_000), await place.open(() => 1_000_000)]
      const random = seeded(20261129)
      const model = new Map<string, Model>()
      const given = new Map<Stored, string>()
      const check = async (store: RecordStore): Promise<void> => {
        const wanted = LABELS.map((label) => model.get(label))
        const found = [...await store.get(LABELS.map(named))]
        expect(found.map((stored) => stored && [stored.version, Buffer.from(stored.sealed).toString()])).toEqual(wanted.map((one) => one && [one.version, one.sealed]))
        for (const term of TERMS) {
          const carrying = LABELS.filter((label) => model.get(label)?.term === term).map((label) => hex(named(label))).sort()
          const both = [await allPages((ask) => store.find(query([[term], ['all']]), ask)), await allPages((ask) => store.find(query([TERMS, [term]]), ask))]
          // Found by a term of its own, a record is tested on the others that it carries.
          const [label] = random.some(LABELS, 1) as [string]
          const own = await allPages((ask) => store.find(query([[label], [term]]), ask))
          expect(keysOf(own)).toEqual(model.get(label)?.term === term ? [hex(named(label))] : [])
          found.push(...own)
          for (const records of both) {
            expect(keysOf(records).sort()).toEqual(carrying)
            found.push(...records)
          }
        }
        for (const stored of found.filter((one) => one !== undefined)) {
          const content = `${hex(stored.key)} ${stored.version} ${stored.updated} ${hex(stored.sealed)}`
          expect(given.get(stored) ?? content).toBe(content)
          given.set(stored, content)
        }
      }
      for (let step = 0; step < 60; step++) {
        const parts = changes(random, model, step)
        await must(stores[random.below(2)]!, parts)
        for (const store of stores) await check(store)
      }
      // Otherwise nothing was ever given again, and this says little.
      expect(given.size).toBeLessThan(60 * 2 * LABELS.length)
      for (const store of stores.toReversed()) await store.close()
      await place.dispose()
    })
  })
}

function changes(random: ReturnType<typeof seeded>, model: Map<string, Model>, step: number): Partial<Commit> {
  const [label] = random.some(LABELS, 1) as [string]
  const [term] = random.some(TERMS, 1) as [string]
  const now = model.get(label)
  const kind = now === undefined ? 0 : random.below(5)
  const sealed = `${label} ${step}`
  const terms = [term, 'all', label]
  if (kind < 2) {
    model.set(label, { version: (now?.version ?? 0) + 1, sealed, term })
    return { puts: [put(label, { expect: now?.version ?? 0, updated: 1_000 + step, sealed, terms })] }
  }
  if (kind === 2) {
    model.delete(label)
    return { erase: [named(label)] }
  }
  if (kind === 3) {
    model.set(label, { ...now!, term })
    return { terms: [{ key: named(label), version: now!.version, sealed: text(now!.sealed), terms: packed(terms) }] }
  }
  model.set(label, { ...now!, sealed, term })
  return { rewrites: [put(label, { expect: now!.version, sealed, terms })] }
}
