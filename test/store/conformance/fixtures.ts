import { createHash, randomBytes } from 'node:crypto'
import { afterEach, beforeEach } from 'vitest'
import type { Bytes } from '../../../src/model/resource.ts'
import type { Commit, EntryPostings, Page, PageAsk, Put, RecordStore, Stored, Term, TermQuery } from '../../../src/store/ports.ts'
import type { MakePlace, Place } from '../conformance.ts'

/** 16 bytes that stand for a label: a key, a term, a name. */
export function named(label: string): Bytes {
  return new Uint8Array(createHash('sha256').update(label).digest().subarray(0, 16))
}

export const randomId = (): Bytes => new Uint8Array(randomBytes(16))
export const text = (value: string): Bytes => new Uint8Array(new TextEncoder().encode(value))
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
export const keysOf = (records: readonly Stored[]): string[] => records.map(({ key }) => hex(key))

/** Postings as the ledger's index takes them: each in a list of its own. */
export const listed = (postings: readonly { readonly term: Term; readonly seq: number }[]): EntryPostings[] => postings.map(({ term, seq }) => ({ seq, terms: [[term]] }))

export function packed(labels: readonly string[]): Bytes {
  const sorted = [...new Set(labels)].map(named).sort(Buffer.compare)
  return new Uint8Array(Buffer.concat(sorted))
}

export const query = (allOf: readonly (readonly string[])[], more: Partial<TermQuery> = {}): TermQuery =>
  ({ type: 'Observation', allOf: allOf.map((set) => set.map(named)), noneOf: [], order: 'newest', ...more })

export interface PutAsk { readonly expect?: number; readonly updated?: number; readonly deleted?: boolean; readonly type?: string; readonly terms?: readonly string[]; readonly trail?: readonly string[]; readonly sealed?: string }

export function put(label: string, ask: PutAsk = {}): Put {
  const expect = ask.expect ?? 0
  return {
    key: named(label), type: ask.type ?? 'Observation', expect, updated: ask.updated ?? 1_000 + expect, deleted: ask.deleted ?? false,
    c: named(label).slice(0, 4), terms: packed(ask.terms ?? []), trail: packed(ask.trail ?? []), sealed: text(ask.sealed ?? `${label} ${expect + 1}`)
  }
}

export function commitOf(parts: Partial<Commit>): Commit {
  return { id: randomId(), expect: [], puts: [], rewrites: [], erase: [], documents: [], outbox: [], ...parts }
}

/** All records of a query, page after page. Fails when a page brings a record again. */
export async function allPages(ask: (page: PageAsk) => Promise<Page>, page: { limit: number; examine?: number } = { limit: 100 }): Promise<Stored[]> {
  const found: Stored[] = []
  let after: PageAsk['after'] = null
  for (let pages = 0; pages < 10_000; pages++) {
    const { records, next }: Page = await ask({ after, limit: page.limit, examine: page.examine ?? 2_000 })
    found.push(...records)
    if (next === null) return found
    after = next
  }
  throw new Error('The pages do not end')
}

/** A fresh store for every test, and a clock that the test moves. */
export function eachWithStore<S extends { close(): Promise<void> }>(make: MakePlace<S>): { readonly store: S; now: number; reopen(): Promise<S> } {
  let place: Place<S>
  let store: S
  const world = {
    now: 1_000_000,
    get store() { return store },
    async reopen() {
      await store.close()
      store = await place.open(() => world.now)
      return store
    }
  }
  beforeEach(async () => {
    world.now = 1_000_000
    place = await make()
    store = await place.open(() => world.now)
  })
  afterEach(async () => {
    await store.close()
    await place.dispose()
  })
  return world
}

/** Commits and expects no conflict. */
export async function must(store: RecordStore, parts: Partial<Commit>): Promise<void> {
  const result = await store.commit(commitOf(parts))
  if (result.kind !== 'done') throw new Error('A commit of the test met a conflict')
}

/** A small generator with a seed (mulberry32), so a failure can be run again. */
export function seeded(seed: number): { below(bound: number): number; some<T>(items: readonly T[], count: number): T[] } {
  let state = seed
  const below = (bound: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ state >>> 15, 1 | state)
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed
    return ((mixed ^ mixed >>> 14) >>> 0) % bound
  }
  return { below, some: (items, count) => Array.from({ length: count }, () => items[below(items.length)] as (typeof items)[number]) }
}
