/** A cluster of several shards: what is sent to the router, that it names the shards, and that nothing is missed by it. */
import type { CommandStartedEvent, Document } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Database, type MongoStoreOptions, openDatabase, snapshot } from '../../src/store/adapters/mongodb/database.ts'
import { applyCommit } from '../../src/store/adapters/mongodb/commit.ts'
import { findPage } from '../../src/store/adapters/mongodb/find.ts'
import { findVersionsPage } from '../../src/store/adapters/mongodb/history.ts'
import { readRecords } from '../../src/store/adapters/mongodb/read.ts'
import { shardMongo, spread, type Spreadable } from '../../src/store/adapters/mongodb/shard.ts'
import { StoreUnavailable, type RecordStore, type TermQuery } from '../../src/store/ports.ts'
import { newPlace, wardkeep } from '../child.ts'
import { type Harness, idsOf, type Json, startHarness, SYSTEM } from '../harness.ts'
import { withClient, withDatabase } from '../stores.ts'
import { commitOf, hex, named, put, query } from './conformance/fixtures.ts'
import { CLOCK_OF_TESTS, freshDatabase, mongoServer } from './mongo-place.ts'

/** Every query that the server under test asks of its records, on the path of a sharded cluster. */
const asked: TermQuery[] = []
vi.mock('../../src/store/adapters/mongodb/store.ts', async (original) => {
  const { openMongoStore } = await original<{ openMongoStore: (options: MongoStoreOptions) => Promise<RecordStore> }>()
  return {
    async openMongoStore(options: MongoStoreOptions): Promise<RecordStore> {
      const store = await openMongoStore({ ...options, sharded: true })
      const watched = <T>(work: (query: TermQuery, ask: never) => T) => (query: TermQuery, ask: never): T => {
        asked.push(query)
        return work(query, ask)
      }
      return { ...store, find: watched(store.find as never), findVersions: watched(store.findVersions as never) }
    }
  }
})

const server = await mongoServer()
afterAll(() => server.end())
const skipped = server.missing === null ? '' : ` (skipped: ${server.missing})`

/** A cluster that notes what it is told. */
function cluster(hello: Document, keys: Map<string, Document>, log: string[]): Spreadable {
  return {
    async admin(command) {
      if (command.hello === 1) return hello
      log.push(JSON.stringify(command))
      if (command.shardCollection !== undefined) keys.set(command.shardCollection.split('.')[1], command.key)
      return { ok: 1 }
    },
    async createIndex(collection, key, name) { log.push(`${collection} ${name} ${JSON.stringify(key)}`) },
    shardKey: async (collection) => keys.get(collection) ?? null
  }
}

describe('wardkeep mongodb shard', () => {
  const router = { msg: 'isdbgrid' }

  test('spreads records and versions by place and the directory by hash, each behind an index of its key, and again changes nothing', async () => {
    const keys = new Map<string, Document>()
    const log: string[] = []
    expect(await spread('clinic', cluster(router, keys, log))).toEqual(['record', 'version', 'directory'])
    expect(log).toEqual([
      '{"enableSharding":"clinic"}',
      'record by_place {"c":1,"_id":1}', '{"shardCollection":"clinic.record","key":{"c":1,"_id":1}}',
      'version by_place {"c":1,"_id":1}', '{"shardCollection":"clinic.version","key":{"c":1,"_id":1}}',
      'directory by_hash {"_id":"hashed"}', '{"shardCollection":"clinic.directory","key":{"_id":"hashed"}}'
    ])
    const again: string[] = []
    expect(await spread('clinic', cluster(router, keys, again))).toEqual([])
    expect(again).toEqual(['{"enableSharding":"clinic"}'])
    keys.delete('version')
    expect(await spread('clinic', cluster(router, keys, again))).toEqual(['version'])
  })

  test('refuses a replica set, and a collection that is spread in another way', async () => {
    const log: string[] = []
    await expect(spread('clinic', cluster({ setName: 'rs0' }, new Map(), log))).rejects.toThrow('router')
    await expect(spread('clinic', cluster(router, new Map([['record', { _id: 1 }]]), []))).rejects.toThrow('another key')
    expect(log).toEqual([])
  })

  test('says in one line that a store is none to be spread', async () => {
    const place = await newPlace({ STORE_URL: '' })
    expect(await wardkeep(place, 'mongodb', 'shard')).toEqual({ code: 78, out: 'wardkeep: STORE_URL names no MongoDB\n' })
  })

  test.skipIf(server.missing !== null || server.real)(`refuses the stand-in, which is no router${skipped}`, async () => {
    const error = await shardMongo({ url: server.url, database: freshDatabase(), now: Date.now }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(StoreUnavailable)
    expect((error as Error).message).toContain('router')
  })
})

describe.skipIf(server.missing !== null)(`what a router is sent${skipped}`, () => {
  const bases: Database[] = []
  afterAll(() => Promise.all(bases.map(({ client }) => client.close())))
  const c = (byte: number) => new Uint8Array(4).fill(byte)

  async function watched(sharded: boolean): Promise<{ on: Database; filters(collection: string): readonly Json[]; clear(): void }> {
    const url = `${server.url}${server.url.includes('?') ? '&' : '/?'}monitorCommands=true`
    const on = await openDatabase({ url, database: freshDatabase(), now: () => 1_000_000, splitTerms: 4, sharded, ...CLOCK_OF_TESTS })
    bases.push(on)
    const seen: CommandStartedEvent[] = []
    on.client.on('commandStarted', (event) => seen.push(event))
    const terms = ['a', 'b', 'c', 'd', 'e', 'f']
    const one = (label: string, byte: number, expected: number) => ({ ...put(label, { expect: expected, terms, trail: terms }), c: c(byte) })
    await applyCommit(on, commitOf({ puts: [one('x', 1, 0), one('y', 2, 0)] }), 1)
    await applyCommit(on, commitOf({ puts: [one('x', 1, 1)] }), 2)
    seen.length = 0
    return {
      on, clear: () => { seen.length = 0 },
      filters: (name) => seen.filter(({ command }) => command.find === name || command.aggregate === name).map(({ command }) => command.filter ?? command.pipeline[0].$match)
    }
  }
  const placesIn = (filter: Json): readonly string[] | undefined => filter.c?.$in.map((one: { value(): Uint8Array }) => hex(one.value()))
  const page = { after: null, limit: 5, examine: 5 }
  const few = ['a'], many = ['a', 'b', 'c', 'd', 'e', 'f', 'g']

  test('a search that names places names them to every statement on records and versions, few terms or many', async () => {
    const { on, filters, clear } = await watched(true)
    for (const terms of [few, many]) {
      clear()
      const { records } = await findPage(on, query([terms], { places: [c(1), c(9)] }), page)
      expect(records.map(({ key }) => hex(key))).toEqual([hex(named('x'))])
      expect(filters('record').length).toBeGreaterThan(terms === few ? 0 : 2)
      const reads = filters('record').filter((filter) => filter._id === undefined)
      expect(new Set(reads.map((filter) => JSON.stringify(placesIn(filter))))).toEqual(new Set([JSON.stringify(['01010101', '09090909'])]))
      // What was found is read where it was found.
      expect(filters('record').filter((filter) => filter._id !== undefined).map(placesIn)).toEqual(terms === few ? [] : [['01010101']])
      expect(filters('directory')).toEqual([])
      clear()
      const history = await findVersionsPage(on, query([terms], { places: [c(1)] }), page)
      expect(history.records.map(({ version }) => version)).toEqual([2, 1])
      expect([...filters('record'), ...filters('version')].map(placesIn).filter((places) => places?.join() !== '01010101')).toEqual([])
      expect(filters('directory')).toEqual([])
    }
  })

  test('a read by key asks the directory first, by key alone, and then only the shards that it names', async () => {
    const { on, filters } = await watched(true)
    const found = await snapshot(on, (at) => readRecords(on, [named('y'), named('absent')], at))
    expect(found.map((stored) => stored?.version)).toEqual([1, undefined])
    expect(filters('directory').map((filter) => Object.keys(filter))).toEqual([['_id']])
    expect(filters('record').map(placesIn)).toEqual([['02020202']])
  })

  test('a search without places, or with too many, asks all; and on a replica set nothing is said of places', async () => {
    const { on, filters, clear } = await watched(true)
    for (const places of [undefined, Array.from({ length: 65 }, (_, i) => c(i))]) {
      clear()
      expect((await findPage(on, query([few], places === undefined ? {} : { places }), page)).records.length).toBe(2)
      expect(filters('record').map(placesIn)).toEqual([undefined])
    }
    const plain = await watched(false)
    expect((await findPage(plain.on, query([many], { places: [c(1), c(2)] }), page)).records.length).toBe(2)
    expect(plain.filters('record').filter((filter) => placesIn(filter) !== undefined)).toEqual([])
  })
})

describe.skipIf(server.missing !== null)(`a server on the path of a sharded cluster${skipped}`, () => {
  let harness: Harness
  let token: string
  beforeAll(async () => {
    harness = await startHarness({ STORE_URL: withDatabase(server.url, freshDatabase()) })
    token = await harness.token(SYSTEM)
    for (const id of ['p', 'q']) await harness.put({ resourceType: 'Patient', id })
    const observation = (id: string, subject: string): Json => ({ resourceType: 'Observation', id, status: 'final', code: { text: 'x' }, subject: { reference: `Patient/${subject}` } })
    for (const row of [observation('of-p', 'p'), observation('of-q', 'q'), observation('moves', 'p')]) await harness.put(row)
    await harness.put(observation('moves', 'q'))
    const payor = [{ reference: 'Patient/q' }]
    await harness.put({ resourceType: 'Coverage', id: 'of-both', status: 'active', beneficiary: { reference: 'Patient/p' }, payor })
    await harness.put({ resourceType: 'Provenance', id: 'of-all', recorded: '2026-01-01T00:00:00Z', agent: [{ who: { display: 'x' } }], target: ['of-p', 'of-q'].map((id) => ({ reference: `Observation/${id}` })) })
  })
  afterAll(() => harness?.close())

  const ask = async (path: string, bearer = token): Promise<readonly string[]> => idsOf((await harness.ask(bearer, 'GET', path)).json)

  test('finds what names one patient or several, moved or not, by either of them, and each such query says where', async () => {
    const own = { p: ['Observation/of-p'], q: ['Observation/moves', 'Observation/of-q'] }
    for (const patient of ['p', 'q'] as const) {
      const bearer = await harness.token({ scope: 'patient/*.rs', patient })
      asked.length = 0
      expect(await ask(`Observation?patient=${patient}`)).toEqual(own[patient])
      expect(await ask('Observation', bearer)).toEqual(own[patient])
      expect(await ask('Observation?code:text=x', bearer)).toEqual(own[patient])
      expect(await ask('Coverage', bearer)).toEqual(['Coverage/of-both'])
      expect(await ask('Coverage?status=active', bearer)).toEqual(['Coverage/of-both'])
      expect(await ask(`Patient/${patient}/Coverage`)).toEqual(['Coverage/of-both'])
      expect(await ask(`Patient/${patient}/Observation`)).toEqual(own[patient])
      expect(await ask(`Patient/${patient}/$everything`)).toEqual(['Coverage/of-both', ...own[patient], `Patient/${patient}`, 'Provenance/of-all'])
      expect(new Set(await ask('Observation/_history', bearer))).toEqual(new Set(own[patient]))
      expect(asked.length).toBeGreaterThan(6)
      expect(asked.filter(({ places }) => places?.length !== 2)).toEqual([])
      expect(new Set(asked.map(({ places }) => places!.map(hex).join())).size).toBe(1)
    }
    asked.length = 0
    expect((await ask('Observation')).length).toBe(3)
    expect(asked.map(({ places }) => places)).toEqual([undefined])
  })
})

const isRouter = server.missing === null && server.real && await withClient(server.url, async (client) => (await client.db('admin').command({ hello: 1 })).msg === 'isdbgrid')

describe.skipIf(!isRouter)(`a cluster of several shards${isRouter ? '' : ' (not run here: MONGODB_URI names no router of one)'}`, () => {
  test('is spread by the command, and one patient is asked of one shard', async () => {
    const database = freshDatabase()
    expect(await shardMongo({ url: server.url, database, now: Date.now })).toEqual(['record', 'version', 'directory'])
    expect(await shardMongo({ url: server.url, database, now: Date.now })).toEqual([])
    const on = await openDatabase({ url: server.url, database, now: Date.now })
    expect(on.sharded).toBe(true)
    await applyCommit(on, commitOf({ puts: Array.from({ length: 50 }, (_, i) => put(`r${i}`, { terms: ['t'] })) }), 1)
    const plan = await on.in.record.find({ terms: { $in: [named('t')] }, c: { $in: [named('r1').slice(0, 4)] } } as never).sort({ updated: -1, _id: 1 }).hint('by_term').explain('queryPlanner')
    expect(plan.queryPlanner.winningPlan.shards.length).toBe(1)
    await on.db.dropDatabase()
    await on.client.close()
  })
})
