import { describe, expect, it } from 'vitest'
import type { Commit, RecordStore, TermQuery } from '../../../src/store/ports.ts'
import type { MakePlace } from '../conformance.ts'
import { allPages, commitOf, eachWithStore, hex, named, put, seeded, type PutAsk } from './fixtures.ts'
import type { FindSize } from './find.ts'

/** A version as the brute-force model keeps it. */
export interface Version { readonly label: string; readonly version: number; readonly type: string; readonly updated: number; readonly deleted: boolean; readonly terms: readonly string[]; readonly trail: readonly string[] }
/** A query in words. */
export interface Words { readonly type: string | null; readonly allOf: readonly (readonly string[])[]; readonly noneOf: readonly string[]; readonly updated: { from?: number; before?: number }; readonly order: 'newest' | 'oldest' }

export function randomSuite(make: MakePlace<RecordStore>, size: FindSize): void {
  describe('random writes and queries, against a brute-force model', () => {
    const world = eachWithStore(make)
    const seed = 20_261_123

    it(`agree in find, count and findVersions (seed ${seed})`, async () => {
      const random = seeded(seed)
      const vocabulary = Array.from({ length: size.terms * 2 }, (_, i) => `t${i}`)
      const model = new Map<string, Version[]>()
      for (let batch = 0; batch < Math.ceil(size.records / 20); batch++) {
        const commit = randomBatch(random, model, { vocabulary, labels: size.records })
        expect(await world.store.commit(commit)).toEqual({ kind: 'done' })
      }
      let matched = 0
      for (let i = 0; i < size.queries; i++) {
        const words = randomWords(random, vocabulary, size.terms)
        matched += await agree(world.store, model, words, { limit: 1 + random.below(9), examine: 1 + random.below(60) })
      }
      // A suite whose queries match nothing would prove nothing.
      expect(matched).toBeGreaterThan(size.queries)
    })
  })
}

async function agree(store: RecordStore, model: ReadonlyMap<string, readonly Version[]>, words: Words, page: { limit: number; examine: number }): Promise<number> {
  const query: TermQuery = { ...words, allOf: words.allOf.map((set) => set.map(named)), noneOf: words.noneOf.map(named) }
  const live = [...model.values()].map((versions) => versions.at(-1) as Version).filter(({ deleted }) => !deleted)
  const wanted = live.filter((version) => isMatch(version, version.terms, words))
  const found = await allPages((ask) => store.find(query, ask), page)
  const name = (label: string, version: number): string => `${hex(named(label))}/${version}`
  expect(found.map(({ key, version }) => `${hex(key)}/${version}`).sort()).toEqual(wanted.map(({ label, version }) => name(label, version)).sort())
  inOrder(found, words.order)
  const whole = await allPages((ask) => store.find(query, ask))
  expect(found.map(({ key }) => hex(key))).toEqual(whole.map(({ key }) => hex(key)))
  const max = 1 + page.limit * 5
  expect(await store.count(query, max)).toEqual({ count: Math.min(max, wanted.length), more: wanted.length > max })

  const every = [...model.values()].flatMap((versions) => versions.filter((version, i) =>
    isMatch(version, i === versions.length - 1 && !version.deleted ? version.terms : version.trail, words)))
  const history = await allPages((ask) => store.findVersions(query, ask), page)
  expect(history.map(({ key, version }) => `${hex(key)}/${version}`).sort()).toEqual(every.map(({ label, version }) => name(label, version)).sort())
  inOrder(history, words.order)
  return wanted.length
}

function inOrder(found: readonly { readonly updated: number }[], order: 'newest' | 'oldest'): void {
  const times = found.map(({ updated }) => updated)
  expect(times).toEqual([...times].sort((a, b) => order === 'newest' ? b - a : a - b))
}

export function isMatch(version: Version, terms: readonly string[], words: Words): boolean {
  const { from = -Infinity, before = Infinity } = words.updated
  return (words.type === null || version.type === words.type) && version.updated >= from && version.updated < before
    && words.allOf.every((set) => set.some((term) => terms.includes(term))) && !words.noneOf.some((term) => terms.includes(term))
}

type Random = ReturnType<typeof seeded>

// Few milliseconds for many records: ties are the hard case.
const MOMENTS = 12

export function randomBatch(random: Random, model: Map<string, Version[]>, world: { vocabulary: readonly string[]; labels: number }): Commit {
  const puts: ReturnType<typeof put>[] = []
  const rewrites: ReturnType<typeof put>[] = []
  const erase: ReturnType<typeof named>[] = []
  const labels = new Set(Array.from({ length: 30 }, () => `r${random.below(world.labels)}`))
  for (const label of labels) {
    const versions = model.get(label) ?? []
    const last = versions.at(-1)
    const terms = ['all', ...random.some(world.vocabulary, 1 + random.below(8))]
    const trail = terms.slice(0, 2)
    const kind = random.below(12)
    if (last !== undefined && kind === 0) {
      erase.push(named(label))
      model.delete(label)
    } else if (last !== undefined && kind === 1) {
      rewrites.push(put(label, { expect: last.version, type: last.type, terms, trail }))
      model.set(label, [...versions.slice(0, -1), { ...last, terms, trail }])
    } else {
      const ask: Required<Omit<PutAsk, 'sealed'>> = {
        expect: last?.version ?? 0, type: last?.type ?? (random.below(4) === 0 ? 'Patient' : 'Observation'),
        updated: Math.max(last?.updated ?? 0, 100 + random.below(MOMENTS)), deleted: last !== undefined && kind === 2, terms, trail
      }
      puts.push(put(label, ask))
      model.set(label, [...versions, { label, version: ask.expect + 1, ...ask }])
    }
  }
  return commitOf({ puts, rewrites, erase })
}

export function randomWords(random: Random, vocabulary: readonly string[], termsMax: number): Words {
  const sets = random.below(4)
  const type = random.below(5) === 0 && sets > 0 ? null : random.below(4) === 0 ? 'Patient' : 'Observation'
  const allOf = Array.from({ length: sets }, () => {
    const common = random.below(3) === 0 ? ['all'] : []
    return [...common, ...random.some(vocabulary, 1 + random.below(Math.floor(termsMax / sets)))]
  })
  return {
    type, allOf, noneOf: random.below(3) === 0 ? random.some(vocabulary, 1 + random.below(8)) : [],
    updated: random.below(4) !== 0 ? {} : { from: 100 + random.below(MOMENTS), before: 100 + random.below(MOMENTS) },
    order: random.below(2) === 0 ? 'newest' : 'oldest'
  }
}

