/**
 * The same resources in both stores, and the same random questions to both and to a plain loop over all that was written. By hand:
 * `node test/store/equal-stores.ts 10000 [seed]`.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openKeyRing } from '../../src/crypto/keys.ts'
import { openFileProvider } from '../../src/crypto/providers/file.ts'
import { parseOwnJson } from '../../src/model/json.ts'
import type { Resource } from '../../src/model/resource.ts'
import { compartmentPatients } from '../../src/search/compartment.ts'
import { matches } from '../../src/search/match.ts'
import type { Filter } from '../../src/search/query.ts'
import { openMongoStore } from '../../src/store/adapters/mongodb/store.ts'
import { openSqliteStore } from '../../src/store/adapters/sqlite/store.ts'
import { StoreUnavailable, type Commit, type FindAsk, type Position, type Put, type Reach, type RecordStore, type ResourceStore, type Term, type TermQuery } from '../../src/store/ports.ts'
import { sealedStore } from '../../src/store/sealed-store.ts'
import { BASE } from '../search/asking.ts'
import { pick, randomFilter, randomResource, reseed } from '../search/random-resources.ts'
import { allPages, hex, seeded } from './conformance/fixtures.ts'
import { freshDatabase, mongoServer } from './mongo-place.ts'

export interface EqualReport {
  readonly queries: number
  readonly worlds: number
  /** Rows that all queries together found. */
  readonly matched: number
  /** Queries of one patient, and those that found something on a page that was not the first. */
  readonly pages: number
  readonly faults: readonly string[]
}

export interface EqualOptions {
  readonly url: string
  readonly queries: number
  readonly seed: number
  /** A fault is planted in what is compared with, to see that it is found. */
  readonly plant?: boolean
  readonly say?: (line: string) => void
}

const RESOURCES_MAX = 300
const QUERIES_OF_WORLD = 250
/** Sets of terms are split into pieces in three worlds of four. A set of 300 in pieces of 5 is 60 statements a page: once in a while is enough. */
const SPLITS = [5, 40, 200, 40] as const
/** Of one query. Pages of one row are asked where few match. */
const PAGES_MAX = 12
const START = Date.UTC(2026, 0, 1)
const bytes = (count: number) => Uint8Array.from(randomBytes(count))

/** A stand-in on a busy machine may not answer in time: that is no wrong answer. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || tries === 10) throw error
    }
  }
}

/** What a plain loop knows of a record. */
interface Known { readonly id: string; readonly resource: Resource; readonly updated: number; readonly put: Put }
interface World { readonly stores: readonly [RecordStore, RecordStore]; readonly sealed: readonly [ResourceStore, ResourceStore]; readonly live: readonly Known[]; readonly random: ReturnType<typeof seeded>; close(): Promise<void> }

export async function equalStores({ url, queries, seed, plant = false, say = () => undefined }: EqualOptions): Promise<EqualReport> {
  reseed(seed)
  const random = seeded(seed)
  const faults: string[] = []
  let [asked, matched, pages, worlds] = [0, 0, 0, 0]
  while (asked < queries) {
    const world = await openWorld(url, random, worlds++)
    for (let i = 0; i < QUERIES_OF_WORLD && asked < queries; i++, asked++) {
      const { found, paged, fault } = asked % 2 === 0 ? await askResources(world, plant) : await askTerms(world, plant)
      matched += found
      pages += paged
      if (fault !== null) faults.push(`world ${worlds}, query ${i}: ${fault}`)
    }
    await world.close()
    say(`${asked}/${queries} queries, ${worlds} worlds, ${matched} rows, ${faults.length} faults`)
  }
  return { queries: asked, worlds, matched, pages, faults }
}

async function openWorld(url: string, random: World['random'], number: number): Promise<World> {
  const dir = mkdtempSync(join(tmpdir(), 'wardkeep-equal-'))
  const now = (): number => START
  const sqlite = await openSqliteStore({ path: join(dir, 'wardkeep.db'), now })
  // On the path of a cluster in every third.
  const mongo = await openMongoStore({ url, database: freshDatabase(), now, splitTerms: SPLITS[number % SPLITS.length]!, sharded: number % 3 === 0 })
  const puts = new Map<string, Put>()
  const both: RecordStore = {
    ...sqlite,
    async commit(commit: Commit) {
      const [one, other] = [await sqlite.commit(commit), await patiently(() => mongo.commit(commit))]
      if (one.kind !== 'done' || other.kind !== 'done') throw new Error('A write of the test met a conflict')
      for (const put of commit.puts) puts.set(hex(put.key), put)
      return one
    }
  }
  const documents = { get: sqlite.document, put: async (list: readonly { readonly name: Term; readonly expect: number | null; readonly sealed: Term | null }[]) =>
    (await both.commit({ id: bytes(16), expect: [], puts: [], rewrites: [], erase: [], documents: list.map((one) => ({ ...one, expires: null })), outbox: [] })).kind === 'done' }
  const ring = await openKeyRing({ provider: openFileProvider(join(dir, 'keys')), documents, tenant: 'equal', now })
  const sealing = (records: RecordStore) => sealedStore({ records, ring, tenant: 'equal', base: BASE, parse: parseOwnJson, now, random: bytes, termsMax: 512 })
  const live = await fill(sealing(both), random, (type, id) => puts.get(hex(ring.recordKey(type, id)))!)
  return {
    stores: [sqlite, mongo], sealed: [sealing(sqlite), sealing(mongo)], live, random,
    async close() {
      await Promise.all([sqlite.close(), mongo.close()])
      rmSync(dir, { recursive: true, force: true })
    }
  }
}

/** Up to 300 resources, a few per millisecond; some are written again, some deleted. */
async function fill(store: ResourceStore, random: World['random'], putOf: (type: string, id: string) => Put): Promise<readonly Known[]> {
  const count = 20 + random.below(RESOURCES_MAX - 19)
  const live = new Map<string, Known>()
  const versions = new Map<string, number>()
  let time = START - 10_000_000
  const write = async (resources: readonly Resource[], deleted: boolean): Promise<void> => {
    const updated = time += random.below(3)
    const writes = resources.map((resource) => {
      const ref = { type: resource.resourceType, id: resource.id! }
      const expected = versions.get(`${ref.type}/${ref.id}`) ?? 0
      const full = { ...resource, meta: { ...resource.meta, versionId: String(expected + 1), lastUpdated: new Date(updated).toISOString() } } as Resource
      return { ref, expect: expected, deleted, resource: full, json: Buffer.from(JSON.stringify(full)), updated }
    })
    const done = await store.commit({ writes, expect: [], locks: [], follows: [], move: true, audit: async () => ({ id: bytes(16), sealed: bytes(8) }) })
    if (done.kind !== 'done') throw new Error('A write of the test met a conflict')
    for (const { ref, expect, resource } of writes) {
      versions.set(`${ref.type}/${ref.id}`, expect + 1)
      if (deleted) live.delete(`${ref.type}/${ref.id}`)
      else live.set(`${ref.type}/${ref.id}`, { id: ref.id, resource, updated, put: putOf(ref.type, ref.id) })
    }
  }
  const made = Array.from({ length: count }, (_, i) => randomResource(i))
  for (let at = 0; at < made.length;) {
    const size = pick([1, 5, 20])
    await write(made.slice(at, at + size), false)
    at += size
  }
  const some = (share: number): readonly Resource[] => made.filter(() => random.below(100) < share)
  const changed = some(12).map((old) => ({ ...randomResource(Number(old.id) + 600), id: old.id! }))
  for (const resource of changed) await write([resource], false)
  const gone = some(6).filter(({ resourceType, id }) => live.has(`${resourceType}/${id}`))
  if (gone.length > 0) await write(gone, true)
  return [...live.values()]
}

const pageSize = (random: World['random'], rows: number): number => Math.max(1 + random.below(40), Math.ceil(rows / PAGES_MAX))

interface Asked { readonly found: number; readonly paged: number; readonly fault: string | null }

/** `key updated` in the order given, those of one millisecond sorted: which of them is first is the store's own. */
function canonical(rows: readonly { readonly name: string; readonly updated: number }[], order: TermQuery['order']): string {
  const way = order === 'newest' ? -1 : 1
  if (rows.some(({ updated }, i) => i > 0 && way * (updated - rows[i - 1]!.updated) < 0)) return `not in order: ${rows.map(({ updated }) => updated).join(' ')}`
  return [...rows].sort((a, b) => way * (a.updated - b.updated) || (a.name < b.name ? -1 : 1)).map(({ name, updated }) => `${name} ${updated}`).join('\n')
}

function compared(lists: readonly string[], expected: readonly { readonly name: string; readonly updated: number }[], ask: { order: TermQuery['order']; limit: number; shown: object }, plant: boolean): Asked {
  const sorted = [...expected].sort((a, b) => (ask.order === 'newest' ? -1 : 1) * (a.updated - b.updated))
  const wanted = canonical(plant ? sorted.slice(1) : sorted, ask.order)
  const fault = lists.every((list) => list === wanted) ? null : `${JSON.stringify(ask.shown)}: sqlite ${lists[0]!.split('\n').length}, mongodb ${lists[1]!.split('\n').length}, expected ${expected.length}`
  return { found: expected.length, paged: expected.length > ask.limit ? 1 : 0, fault }
}

async function askResources({ sealed, live, random }: World, plant: boolean): Promise<Asked> {
  const of = pick(live)
  const type = of.resource.resourceType
  const filter: Filter = randomFilter(of.resource, 2)
  const order = pick(['newest', 'oldest'] as const)
  const patients = random.some(['1', '2', '3', '4', '5', '6', '12'], 1 + random.below(3))
  const reach: Reach = random.below(2) === 0 ? { kind: 'all' } : { kind: 'patients', patients: [...new Set(patients)], shared: true }
  const inReach = ({ resource }: Known): boolean => reach.kind === 'all' || compartmentPatients(resource, BASE).some((patient) => reach.patients.includes(patient))
  const expected = live.filter((known) => known.resource.resourceType === type && inReach(known) && matches(filter, known.resource, { base: BASE, updated: known.updated }))
  const limit = pageSize(random, expected.length)
  const ask: Omit<FindAsk, 'after'> = { type, reach, filter, order, limit, scanRecordsMax: 100_000, accept: (row) => matches(filter, row.resource(), { base: BASE, updated: row.updated }) }
  const lists = await Promise.all(sealed.map(async (store) => {
    const rows: { name: string; updated: number }[] = []
    for (let after: Position | null = null; ;) {
      const page = await patiently(() => store.find({ ...ask, after }))
      rows.push(...page.rows.map(({ id, updated }) => ({ name: id, updated })))
      if (page.rows.length > limit || (page.next !== null && page.rows.length < limit)) return 'a page is not as long as asked'
      if (page.next === null) return canonical(rows, order)
      after = page.next
    }
  }))
  return compared(lists, expected.map(({ id, updated }) => ({ name: id, updated })), { order, limit, shown: { type, filter, reach, order, limit } }, plant)
}

const termsOf = ({ put }: Known): readonly Term[] => Array.from({ length: put.terms.length / 16 }, (_, i) => put.terms.slice(i * 16, i * 16 + 16))

async function askTerms({ stores, live, random }: World, plant: boolean): Promise<Asked> {
  const some = (): readonly Term[] => Array.from({ length: 1 + random.below(random.below(8) === 0 ? 300 : 6) }, () => random.some(termsOf(pick(live)), 1)).flat().filter((term) => term !== undefined)
  const sets = random.below(4)
  const times = live.map(({ updated }) => updated)
  const query: TermQuery = {
    type: sets > 0 && random.below(4) === 0 ? null : pick(live).resource.resourceType, allOf: Array.from({ length: sets }, some), noneOf: random.below(3) === 0 ? some().slice(0, 50) : [],
    order: pick(['newest', 'oldest'] as const), ...(random.below(4) === 0 ? { updated: { from: pick(times), before: pick(times) } } : {})
  }
  const expected = live.filter(({ resource, updated, put }) => {
    const own = new Set(termsOf({ put } as Known).map(hex))
    const has = (set: readonly Term[]): boolean => set.some((term) => own.has(hex(term)))
    return (query.type === null || query.type === resource.resourceType) && query.allOf.every(has) && !has(query.noneOf)
      && updated >= (query.updated?.from ?? -Infinity) && updated < (query.updated?.before ?? Infinity)
  })
  const limit = pageSize(random, expected.length)
  const examine = pageSize(random, expected.length)
  const max = 1 + random.below(60)
  const lists = await Promise.all(stores.map(async (store) => {
    const { count, more } = await patiently(() => store.count(query, max))
    if (count !== Math.min(max, expected.length) || more !== expected.length > max) return `counts ${count} ${more}`
    const found = await allPages((page) => patiently(() => store.find(query, page)), { limit, examine })
    return canonical(found.map(({ key, updated }) => ({ name: hex(key), updated })), query.order)
  }))
  const shown = { type: query.type, sets: query.allOf.map((set) => set.length), noneOf: query.noneOf.length, updated: query.updated, order: query.order, limit, examine }
  return compared(lists, expected.map(({ put, updated }) => ({ name: hex(put.key), updated })), { order: query.order, limit, shown }, plant)
}

if (process.argv[1] === import.meta.filename) {
  const server = await mongoServer()
  if (server.missing !== null) throw new Error(server.missing)
  const seed = Number(process.argv[3] ?? Date.now() % 1_000_000)
  const report = await equalStores({ url: server.url, queries: Number(process.argv[2] ?? 10_000), seed, say: (line) => process.stdout.write(`${line}\n`) })
  process.stdout.write(`${JSON.stringify({ seed, ...report }, null, 2)}\n`)
  await server.end()
  process.exitCode = report.faults.length === 0 ? 0 : 1
}
