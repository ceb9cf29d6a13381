/** What the conformance suite cannot see: concerns, start checks, races between processes, lost answers, the sharded path. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type CommandStartedEvent, ReadPreference, WriteConcern } from 'mongodb'
import { afterAll, describe, expect, test } from 'vitest'
import { applyCommit } from '../../src/store/adapters/mongodb/commit.ts'
import { type Database, type MongoStoreOptions, openDatabase, weakness } from '../../src/store/adapters/mongodb/database.ts'
import { countRecords, findPage } from '../../src/store/adapters/mongodb/find.ts'
import { findVersionsPage, versionsOf } from '../../src/store/adapters/mongodb/history.ts'
import { openMongoLedger } from '../../src/store/adapters/mongodb/ledger.ts'
import { makeLanes } from '../../src/store/adapters/mongodb/lanes.ts'
import { openMongoStore } from '../../src/store/adapters/mongodb/store.ts'
import { type Commit, StoreBroken, StoreTooCostly, StoreUnavailable, StoreUnknown } from '../../src/store/ports.ts'
import { withClient } from '../stores.ts'
import { allPages, commitOf, keysOf, named, put, query, randomId, text } from './conformance/fixtures.ts'
import { randomSuite } from './conformance/random.ts'
import { CLOCK_OF_TESTS, freshDatabase, mongoPlaces, mongoServer, standIn } from './mongo-place.ts'

const server = await mongoServer()
const made: string[] = []
const bases: Database[] = []

afterAll(async () => {
  await Promise.all(bases.map(({ client }) => client.close()))
  // A server of our own goes with its files.
  if (server.missing === null && server.stop === null) await withClient(server.url, async (client) => { for (const name of made) await client.db(name).dropDatabase() })
  await server.end()
})

const newDatabase = (): string => {
  const name = freshDatabase()
  made.push(name)
  return name
}

async function base(more: Partial<MongoStoreOptions> = {}): Promise<Database> {
  const opened = await openDatabase({ url: server.url, database: newDatabase(), now: () => 1_000_000, splitTerms: 4, ...CLOCK_OF_TESTS, ...more })
  bases.push(opened)
  return opened
}

const commit = (on: Database, parts: Partial<Commit>) => applyCommit(on, commitOf(parts), 1)
const option = (url: string, more: string): string => `${url}${url.includes('?') ? '&' : url.endsWith('/') ? '?' : '/?'}${more}`
const skipped = server.missing === null ? '' : ` (skipped: ${server.missing})`

test('commits in lanes: in the order called where they meet, side by side where they do not or only share', async () => {
  const lanes = makeLanes(8)
  const log: string[] = []
  const work = (name: string, ms: number) => async () => {
    log.push(`+${name}`)
    await sleep(ms)
    log.push(`-${name}`)
  }
  void lanes.run({ exclusive: ['a'], shared: ['s'] }, work('1', 30))
  void lanes.run({ exclusive: ['b'], shared: ['s'] }, work('2', 10))
  void lanes.run({ exclusive: ['a', 'b'], shared: [] }, work('3', 5))
  void lanes.run({ exclusive: ['s'], shared: [] }, work('4', 5)).catch(() => {})
  void lanes.run({ exclusive: [], shared: ['s'] }, async () => { throw new Error('refused') }).catch(() => {})
  void lanes.run({ exclusive: ['s'], shared: [] }, work('5', 0))
  await lanes.idle()
  expect(log.slice(0, 2)).toEqual(['+1', '+2'])
  expect(log.slice(2, 4)).toEqual(['-2', '-1'])
  expect(log.indexOf('+3')).toBeGreaterThan(3)
  expect(log.indexOf('+4')).toBeGreaterThan(3)
  expect(log.indexOf('+5')).toBeGreaterThan(log.indexOf('-4'))
  expect(log.length).toBe(10)
})

/** A client that does something else before and after the first call of one method: what another process may do meanwhile. */
function interrupted(on: Database, collection: 'lock' | 'directory' | 'done', method: 'updateOne' | 'bulkWrite' | 'insertOne', before: () => Promise<unknown>, after: () => Promise<unknown> = async () => {}): { on: Database; times: () => number } {
  let times = 0
  const target = on.in[collection]
  const hooked = new Proxy(target, {
    get(from, property) {
      const value = Reflect.get(from, property)
      if (property !== method) return typeof value === 'function' ? value.bind(from) : value
      return async (...given: unknown[]) => {
        const first = times++ === 0
        if (first) await before()
        const result = await value.apply(from, given)
        if (first) await after()
        return result
      }
    }
  })
  return { on: { ...on, in: { ...on.in, [collection]: hooked } }, times: () => times }
}

describe.skipIf(server.missing !== null)(`mongodb: commands${skipped}`, () => {
  test('every read names majority or snapshot, every write and commit majority with journal, and reads of records an index and a time limit', async () => {
    const on = await base({ url: option(server.url, 'monitorCommands=true') })
    const seen: CommandStartedEvent[] = []
    on.client.on('commandStarted', (event) => seen.push(event))
    const terms = ['a', 'b', 'c', 'd', 'e', 'f']
    await commit(on, { puts: [put('x', { terms }), put('y', { terms })], documents: [{ name: named('d'), expect: 0, expires: null, sealed: text('d') }] })
    await commit(on, {
      puts: [put('x', { expect: 1, terms })], rewrites: [put('y', { expect: 1, terms })], expect: [{ key: named('z'), version: 0 }], expectDocuments: [{ name: named('d'), version: 1 }],
      outbox: [{ id: randomId(), sealed: text('o') }]
    })
    const page = { after: { updated: 5_000, key: named('q') }, limit: 5, examine: 5 }
    expect((await findPage(on, query([terms]), page)).records.length).toBe(2)
    expect((await findPage(on, query([['a']]), page)).records.length).toBe(2)
    expect((await findVersionsPage(on, query([[...terms, 'g']]), { ...page, after: null })).records.length).toBe(2)
    expect((await versionsOf(on, named('x'), null, 5)).length).toBe(2)
    expect(await countRecords(on, query([terms]), 5)).toEqual({ count: 2, more: false })
    const level = ({ command }: CommandStartedEvent): unknown => command.readConcern?.level
    const isDurable = ({ command }: CommandStartedEvent): boolean => command.writeConcern?.w === 'majority' && command.writeConcern?.j === true
    const alone = seen.filter(({ command }) => command.autocommit === undefined)
    const reads = alone.filter(({ commandName }) => ['find', 'aggregate'].includes(commandName))
    expect(reads.length).toBeGreaterThan(8)
    expect(reads.filter((event) => !['majority', 'snapshot'].includes(level(event) as string))).toEqual([])
    expect(reads.filter((event) => event.command.readConcern?.atClusterTime !== undefined && level(event) !== 'snapshot')).toEqual([])
    // Of searches in pieces and of histories, which ask several times.
    expect(reads.filter((event) => level(event) === 'snapshot').length).toBeGreaterThan(8)
    expect(reads.filter(({ command }) => command.maxTimeMS === undefined)).toEqual([])
    expect(reads.filter(({ command }) => (command.filter?.terms !== undefined || command.sort?.updated !== undefined) && command.hint === undefined)).toEqual([])
    const writes = alone.filter(({ commandName }) => ['insert', 'update', 'delete', 'findAndModify'].includes(commandName))
    expect(writes.filter((event) => !isDurable(event))).toEqual([])
    const starts = seen.filter(({ command }) => command.startTransaction === true)
    expect(starts.length).toBeGreaterThan(2)
    expect(starts.filter((event) => level(event) !== 'snapshot')).toEqual([])
    const commits = seen.filter(({ commandName }) => commandName === 'commitTransaction')
    expect([commits.length, commits.filter((event) => !isDurable(event))]).toEqual([3, []])
  })

  test('an insert takes 1,000 documents at most, a statement of a search 200 terms, and a client 32 connections', async () => {
    const on = await base({ url: option(server.url, 'monitorCommands=true'), splitTerms: undefined as never })
    expect([on.splitTerms, on.client.options.maxPoolSize, on.client.options.serverSelectionTimeoutMS]).toEqual([200, 32, 5_000])
    const seen: CommandStartedEvent[] = []
    on.client.on('commandStarted', (event) => seen.push(event))
    await commit(on, { puts: Array.from({ length: 1_050 }, (_, i) => put(`r${i}`, { updated: 1_000 + i % 50, terms: i < 250 ? [`t${i}`] : [] })) })
    const inserts = seen.filter(({ commandName, command }) => commandName === 'insert' && command.insert === 'record')
    expect(inserts.map(({ command }) => command.documents.length)).toEqual([1_000, 50])
    expect(Math.max(...seen.filter(({ commandName }) => /insert|update/.test(commandName)).map(({ command }) => (command.documents ?? command.updates).length))).toBe(1_000)
    seen.length = 0
    const found = await allPages((page) => findPage(on, query([Array.from({ length: 250 }, (_, i) => `t${i}`)], { places: [named('r1').slice(0, 4)] }), page), { limit: 300 })
    expect(new Set(keysOf(found)).size).toBe(250)
    const sets = seen.filter(({ command }) => command.find === 'record' && command.filter.terms !== undefined).map(({ command }) => command.filter.terms.$in.length)
    expect([Math.max(...sets), Math.min(...sets), sets.length % 2]).toEqual([200, 50, 0])
  })

  test('no option of the URL weakens what is acknowledged or read', async () => {
    const weak = option(server.url, 'w=0&journal=false&readConcernLevel=local&readPreference=secondary&retryWrites=false')
    try {
      const { client } = await base({ url: weak })
      expect(weakness(client.options)).toBeNull()
    } catch (error) {
      expect(error).toBeInstanceOf(StoreUnavailable)
    }
    const strong = (await base()).client.options
    expect(weakness(strong)).toBeNull()
    expect(weakness({ ...strong, retryWrites: false })).toBe('retryWrites')
    expect(weakness({ ...strong, readPreference: ReadPreference.secondary })).toBe('readPreference')
    expect(weakness({ ...strong, writeConcern: new WriteConcern('majority', 0, false) })).toBe('journal')
    expect(weakness({ ...strong, writeConcern: new WriteConcern(1, 0, true) })).toBe('w')
    await expect(base({ url: option(server.url, 'wtimeoutMS=5') })).rejects.toThrow('wtimeoutMS')
  })
})

describe.skipIf(server.missing !== null)(`mongodb: the ledger${skipped}`, () => {
  const log = named('server-1').slice(0, 8)
  const entries = (from: number, through: number) => Array.from({ length: through - from + 1 }, (_, i) => ({ seq: from + i, id: randomId(), sealed: text('x'), link: new Uint8Array(32).fill(from + i) }))

  test('ends where its last entry is, however far behind the document of the log, and is longer than its entries where those were cut off', async () => {
    const database = newDatabase()
    const { in: { log: logs, entry } } = await base({ database })
    const store = await openMongoLedger({ url: server.url, database, now: () => 1_000_000, ...CLOCK_OF_TESTS })
    await store.append(log, entries(1, 3))
    await store.append(log, entries(4, 5))
    await store.close()
    expect((await logs.findOne({}))?.seq).toBe(5)
    const again = await openMongoLedger({ url: server.url, database, now: () => 1_000_000, ...CLOCK_OF_TESTS })
    for (const behind of [0, 3]) {
      await logs.updateOne({}, { $set: { seq: behind } })
      expect([(await again.head(log)).seq, (await again.logs()).length]).toEqual([5, 1])
    }
    await again.append(log, entries(6, 6))
    await again.close()
    await entry.deleteMany({ $nor: [{ _id: { $in: (await entry.find({}, { sort: { _id: 1 }, limit: 4 }).toArray()).map(({ _id }) => _id) } }] })
    const cut = await openMongoLedger({ url: server.url, database, now: () => 1_000_000, ...CLOCK_OF_TESTS })
    expect([(await cut.head(log)).seq, (await cut.entries(log, 1, 10, 'oldest')).length]).toEqual([6, 4])
    await cut.close()
  })

  test('two processes at one end: the one that comes late writes nothing', async () => {
    const database = newDatabase()
    await base({ database })
    const [one, other] = await Promise.all([1, 2].map(() => openMongoLedger({ url: server.url, database, now: () => 1_000_000, ...CLOCK_OF_TESTS })))
    await one!.append(log, entries(1, 2))
    await other!.append(log, entries(3, 4))
    const late = entries(3, 5)
    await expect(one!.append(log, late)).rejects.toBeInstanceOf(StoreUnavailable)
    expect(await other!.known(late.map(({ id }) => id))).toEqual([])
    expect((await one!.head(log)).seq).toBe(4)
    await Promise.all([one!.close(), other!.close()])
  })
})

describe.skipIf(server.missing !== null)(`mongodb: the start${skipped}`, () => {
  test('makes the indexes once, with their times of expiry, and refuses a database in which one is not as it must be', async () => {
    const database = newDatabase()
    await base({ database, expiryDelayS: 0 })
    await base({ database, expiryDelayS: 0 })
    await withClient(server.url, async (client) => {
      const expiry = async (name: string) => (await client.db(database).collection(name).listIndexes().toArray()).map(({ expireAfterSeconds }) => expireAfterSeconds).filter((after) => after !== undefined)
      expect([await expiry('document'), await expiry('directory'), await expiry('done'), await expiry('record')]).toEqual([[0], [0], [86_400], []])
      await client.db(database).collection('record').dropIndex('by_term')
      await client.db(database).collection('record').createIndex({ terms: 1, _id: 1 }, { name: 'by_term' })
    })
    await expect(base({ database, expiryDelayS: 0 })).rejects.toBeInstanceOf(StoreBroken)
  })

  test('takes a ledger that kept unnumbered entries apart over where it has none, and refuses it where one waits', async () => {
    const database = newDatabase()
    const { db, in: { schema } } = await base({ database })
    await schema.updateOne({ _id: 1 }, { $set: { version: 2 } })
    await db.collection('pending').insertOne({ n: 1 })
    await expect(base({ database })).rejects.toThrow('earlier version')
    await db.collection('pending').deleteMany({})
    await base({ database })
    expect([(await schema.findOne({ _id: 1 }))?.version, (await db.listCollections({ name: 'pending' }).toArray()).length]).toEqual([3, 0])
  })

  test('refuses a URL that is none, a host that does not answer, without a word of either, and waits no longer than it says', async () => {
    const open = (url: string) => openMongoStore({ url, now: Date.now, selectionMs: 300 }).catch((error: Error) => error)
    const start = performance.now()
    for (const url of ['mongodb://secret', 'mongodb://u:secret@127.0.0.1:1/', 'mongodb://u:secret@127.0.0.1:1/?secret=1', 'mongodb://u:se%zcret@h/']) {
      const error = await open(url)
      expect([url, error instanceof StoreUnavailable]).toEqual([url, true])
      expect((error as Error).message).not.toMatch(/secret|127/)
    }
    expect(performance.now() - start).toBeLessThan(5_000)
  })

  test.skipIf(server.stop === null)('refuses a server that is no replica set', async () => {
    const alone = await standIn(['--standalone'])
    await expect(openMongoStore({ url: alone.url, now: Date.now })).rejects.toThrow('replica set')
    await alone.end()
  })
})

describe.skipIf(server.missing !== null)(`mongodb: commits of several processes${skipped}`, () => {
  const name = named('generation')
  const generation = (expected: number) => ({ name, expect: expected, expires: null, sealed: text(`g${expected + 1}`) })

  test('a document relied upon is not what it was when the commit is done: conflict, absent ones too', async () => {
    const on = await base()
    for (const expected of [0, 1]) {
      // The first commit that relies upon it gives it its locks.
      expect(await commit(on, { expectDocuments: [{ name, version: expected }], puts: [put(`before ${expected}`)] })).toEqual({ kind: 'done' })
      const held = interrupted(on, 'lock', 'bulkWrite', async () => {
        expect(await commit(on, { documents: [generation(expected)] })).toEqual({ kind: 'done' })
      })
      expect(await commit(held.on, { expectDocuments: [{ name, version: expected }], puts: [put(`late ${expected}`)] })).toEqual({ kind: 'conflict', keys: [name] })
      expect(held.times()).toBeGreaterThan(0)
    }
  })

  test('a record relied upon is not what it was when the commit is done: conflict, absent ones too', async () => {
    const on = await base()
    for (const [key, expected] of [['a', 0], ['a', 1], ['a', 2]] as const) {
      const held = interrupted(on, 'directory', 'bulkWrite', async () => {
        expect(await commit(on, { puts: [put(key, { expect: expected })] })).toEqual({ kind: 'done' })
      })
      expect(await commit(held.on, { expect: [{ key: named(key), version: expected }], puts: [put(`late ${expected}`)] })).toEqual({ kind: 'conflict', keys: [named(key)] })
    }
  })

  test('many that rely upon one document go side by side, and an erasure among them ends all later ones', async () => {
    const database = newDatabase()
    const both = [await base({ database }), await base({ database })]
    const relying = (i: number, version: number) => commit(both[i % 2]!, { expectDocuments: [{ name, version }], puts: [put(`r${version}/${i}`)] })
    expect((await Promise.all(Array.from({ length: 12 }, (_, i) => relying(i, 0)))).every(({ kind }) => kind === 'done')).toBe(true)
    expect(await commit(both[0]!, { documents: [generation(0)] })).toEqual({ kind: 'done' })
    expect((await Promise.all(Array.from({ length: 6 }, (_, i) => relying(i, 0)))).every(({ kind }) => kind === 'conflict')).toBe(true)
  })

  test('two clients on one version: one wins each time', async () => {
    const database = newDatabase()
    const [one, two] = [await base({ database }), await base({ database })]
    for (let version = 0; version < 4; version++) {
      const results = await Promise.all([one, two, one, two].map((on) => commit(on, { puts: [put('a', { expect: version })] })))
      expect(results.filter(({ kind }) => kind === 'done').length).toBe(1)
    }
  })
})

describe.skipIf(server.missing !== null || server.stop === null)(`mongodb: lost answers (only where failures can be planted)${skipped}`, () => {
  const plant = (on: Database, times: number, data: object) => on.client.db('admin').command({ configureFailPoint: 'failCommand', mode: { times }, data })

  test('a commit whose answer is lost is asked for again, and is there once', async () => {
    const on = await base()
    await plant(on, 2, { failCommands: ['commitTransaction'], closeConnection: true })
    expect(await commit(on, { puts: [put('a')], outbox: [{ id: randomId(), sealed: text('one') }] })).toEqual({ kind: 'done' })
    expect(await on.in.outbox.countDocuments()).toBe(1)
    expect(await on.in.record.countDocuments()).toBe(1)
  })

  test('a commit whose answer never comes is StoreUnknown, and later the same id answers', async () => {
    const database = newDatabase()
    const cut = await base({ database, selectionMs: 700 })
    const parts = commitOf({ puts: [put('a')], outbox: [{ id: randomId(), sealed: text('one') }] })
    // Its last write goes through, and then there is nobody to commit it.
    const held = interrupted(cut, 'done', 'insertOne', async () => {}, () => server.stop!())
    await expect(applyCommit(held.on, parts, 1)).rejects.toBeInstanceOf(StoreUnknown)
    await server.start!()
    const on = await base({ database })
    expect(await applyCommit(on, parts, 1)).toEqual({ kind: 'done' })
    expect(await applyCommit(on, parts, 1)).toEqual({ kind: 'done' })
    expect([await on.in.outbox.countDocuments(), await on.in.record.countDocuments()]).toEqual([1, 1])
  })

  test('a passing failure runs the transaction again; another one is StoreUnavailable and leaves nothing', async () => {
    const on = await base()
    await plant(on, 2, { failCommands: ['insert'], errorCode: 112, errorLabels: ['TransientTransactionError'] })
    expect(await commit(on, { puts: [put('a')] })).toEqual({ kind: 'done' })
    await plant(on, 1, { failCommands: ['insert'], errorCode: 8_000 })
    await expect(commit(on, { puts: [put('b')] })).rejects.toBeInstanceOf(StoreUnavailable)
    expect(await on.in.record.countDocuments()).toBe(1)
    expect(await on.in.directory.countDocuments()).toBe(1)
  })
})

describe.skipIf(server.missing !== null || server.stop === null)(`mongodb: connections that break before a commit (only where failures can be planted)${skipped}`, () => {
  const N = 8

  test.each(['update', 'insert'])('of %s in several transactions at once: each is run again and done', async (command) => {
    const on = await base()
    await commit(on, { puts: Array.from({ length: N }, (_, i) => put(`r${i}`)) })
    await on.client.db('admin').command({ configureFailPoint: 'failCommand', mode: { times: N }, data: { failCommands: [command], closeConnection: true } })
    const done = await Promise.allSettled(Array.from({ length: N }, (_, i) => commit(on, { puts: [put(`r${i}`, { expect: 1 })] })))
    expect(done).toEqual(Array(N).fill({ status: 'fulfilled', value: { kind: 'done' } }))
    expect(await on.in.record.countDocuments({ version: 2 })).toBe(N)
  })
})

describe.skipIf(server.missing !== null)(`mongodb: size and place${skipped}`, () => {
  test('a record of 12 MiB is kept with its versions, a larger one is StoreTooCostly', async () => {
    const store = await openMongoStore({ url: server.url, database: newDatabase(), now: Date.now })
    const sealed = new Uint8Array(12 * 2 ** 20).fill(7)
    for (const expected of [0, 1]) expect(await store.commit(commitOf({ puts: [{ ...put('a', { expect: expected }), sealed }] }))).toEqual({ kind: 'done' })
    expect((await store.version(named('a'), 1))?.sealed.length).toBe(sealed.length)
    await expect(store.commit(commitOf({ puts: [{ ...put('b'), sealed: new Uint8Array(sealed.length + 1) }] }))).rejects.toBeInstanceOf(StoreTooCostly)
    await store.close()
    await expect(store.get([named('a')])).rejects.toBeInstanceOf(StoreUnavailable)
  })

  test('a record that moves to another patient takes its versions along, and is erased whole', async () => {
    const on = await base({ sharded: true })
    const c = (byte: number) => new Uint8Array(4).fill(byte)
    await commit(on, { puts: [{ ...put('a', { terms: ['p'], trail: ['p'] }), c: c(1) }] })
    await commit(on, { puts: [{ ...put('a', { expect: 1, terms: ['p'], trail: ['p'] }), c: c(1) }] })
    await commit(on, { puts: [{ ...put('a', { expect: 2, terms: ['p'], trail: ['p'] }), c: c(2) }] })
    await commit(on, { rewrites: [{ ...put('a', { expect: 3, terms: ['p'], trail: ['p'] }), c: c(3) }] })
    const places = async () => [...await on.in.record.find().toArray(), ...await on.in.version.find().toArray(), ...await on.in.directory.find().toArray()].map((row) => row.c?.value()[0])
    expect(await places()).toEqual([3, 3, 3, 3])
    expect((await versionsOf(on, named('a'), null, 9)).map(({ version }) => version)).toEqual([3, 2, 1])
    await commit(on, { erase: [named('a')] })
    expect(await places()).toEqual([])
  })

  randomSuite(mongoPlaces(server, openMongoStore, { sharded: true, splitTerms: 1_000 }), { records: 20, terms: 8, queries: 5 })

  test('the scan of the newest of a type and the lists of a large set give the same pages', async () => {
    const on = await base()
    const terms = Array.from({ length: 12 }, (_, i) => `t${i}`)
    await commit(on, { puts: Array.from({ length: 60 }, (_, i) => put(`r${i}`, { updated: 100 + (i % 7), terms: ['all', `t${i % 16}`] })) })
    for (const order of ['newest', 'oldest'] as const) {
      const asked = query([terms], { order })
      const scanned = await allPages((page) => findPage(on, asked, page), { limit: 5 })
      // Without a type there is nothing to scan.
      const listed = await allPages((page) => findPage(on, { ...asked, type: null }, page), { limit: 5 })
      expect(keysOf(scanned)).toEqual(keysOf(listed))
      expect(new Set(keysOf(scanned)).size).toBe(60 - Math.floor(60 / 16) * 4)
    }
  })
})

describe.skipIf(!server.real)('mongodb: plans, on a real mongod named by MONGODB_URI only (the stand-in explains none)', () => {
  test('the newest under up to 200 terms are merged from the index, not sorted', async () => {
    const on = await base({ splitTerms: 200 })
    await commit(on, { puts: Array.from({ length: 300 }, (_, i) => put(`r${i}`, { terms: [`t${i % 150}`, 'all'] })) })
    const filter = { terms: { $in: Array.from({ length: 200 }, (_, i) => named(`t${i}`)) }, type: 'Observation', deleted: false }
    const plan = JSON.stringify(await on.in.record.find(filter as object).sort({ updated: -1, _id: 1 }).hint('by_term').limit(20).explain('queryPlanner'))
    expect(plan).toContain('SORT_MERGE')
    expect(plan).not.toContain('"SORT"')
  })
})
