/** A whole server on MongoDB, what it leaves in the database, and what it does while the database is away. */
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Binary, type CommandStartedEvent, type Db, MongoClient, ObjectId } from 'mongodb'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { allTypes } from '../../src/search/classification.ts'
import { dataDir } from '../data.ts'
import { type Harness, idsOf, type Json, startHarness, SYSTEM } from '../harness.ts'
import { withClient, withDatabase } from '../stores.ts'
import { freshDatabase, mongoServer } from './mongo-place.ts'

const server = await mongoServer()
afterAll(() => server.end())

describe.skipIf(server.missing !== null)(`a server on MongoDB${server.missing === null ? '' : `: skipped, ${server.missing}`}`, () => {
  const database = freshDatabase()
  let harness: Harness
  let token: string

  beforeAll(async () => {
    harness = await startHarness({ STORE_URL: withDatabase(server.url, database), BODY_BYTES_INLINE: '200000' })
    token = await harness.token(SYSTEM)
  })
  afterAll(() => harness?.close())

  test('creates, reads, searches, updates, deletes and shows history', async () => {
    const patient: Json = await harness.put({ resourceType: 'Patient', name: [{ family: 'Quill', given: ['Ada'] }], birthDate: '1980-02-03' })
    const observation: Json = await harness.put({ resourceType: 'Observation', status: 'final', code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }] }, subject: { reference: `Patient/${patient.id}` } })
    const found = await harness.ask(token, 'GET', `Observation?patient=${patient.id}&code=http://loinc.org|8867-4`)
    expect(idsOf(found.json)).toEqual([`Observation/${observation.id}`])
    expect(idsOf((await harness.ask(token, 'GET', 'Patient?family=quill')).json)).toEqual([`Patient/${patient.id}`])
    expect(idsOf((await harness.ask(token, 'GET', 'Patient?family=other')).json)).toEqual([])
    expect((await harness.ask(token, 'PUT', `Patient/${patient.id}`, { body: { ...patient, birthDate: '1981-02-03' }, headers: { 'if-match': 'W/"1"' } })).status).toBe(200)
    expect((await harness.ask(token, 'PUT', `Patient/${patient.id}`, { body: patient, headers: { 'if-match': 'W/"1"' } })).status).toBe(412)
    expect((await harness.ask(token, 'DELETE', `Observation/${observation.id}`)).status).toBe(204)
    expect((await harness.ask(token, 'GET', `Observation/${observation.id}`)).status).toBe(410)
    const history = await harness.ask(token, 'GET', `Patient/${patient.id}/_history`)
    expect(history.json.entry.map(({ resource }: Json) => resource.birthDate)).toEqual(['1981-02-03', '1980-02-03'])
    const log = await harness.ask(token, 'GET', `AuditEvent?patient=Patient/${patient.id}`)
    expect(log.json.entry.length).toBeGreaterThan(3)
  })

  test('asks the database once for a read and once for a search, and once more to put it on record', async () => {
    const seen: string[] = []
    const connect = MongoClient.prototype.connect
    const watched = vi.spyOn(MongoClient.prototype, 'connect').mockImplementation(function (this: MongoClient) {
      this.on('commandStarted', ({ commandName, command }: CommandStartedEvent) => seen.push(`${commandName} ${command[commandName]}`))
      return connect.call(this)
    })
    const url = withDatabase(server.url, freshDatabase())
    const at = await startHarness({ STORE_URL: `${url}${url.includes('?') ? '&' : '?'}monitorCommands=true` })
    watched.mockRestore()
    const bearer = await at.token(SYSTEM)
    const mine = await at.token({ scope: 'patient/*.rs', patient: 'a' })
    await at.put({ resourceType: 'Patient', id: 'a', active: true })
    const code = { coding: [{ system: 'urn:c', code: 'c' }] }
    for (const id of ['one', 'two']) await at.put({ resourceType: 'Observation', id, status: 'final', code, subject: { reference: 'Patient/a' } })
    // What is looked at every second, and the ledger's sequencer, ask for themselves.
    const ownTrips = (): readonly string[] => seen.filter((name) => /^(find|aggregate|getMore) (record|version|directory)$|^insert entry$/.test(name))
    const trips = async (path: string, by = bearer): Promise<readonly string[]> => {
      expect((await at.ask(by, 'GET', path)).status).toBe(200)
      await at.running.system.ledger.sequence()
      seen.length = 0
      expect((await at.ask(by, 'GET', path)).status).toBe(200)
      return ownTrips()
    }
    const [find, onRecord] = ['find record', 'insert entry']
    for (const by of [bearer, mine]) {
      expect(await trips('Observation/one', by)).toEqual([find, onRecord])
      for (const asked of ['', '?code=urn:c|c', '?subject=Patient/a', '?_count=1&_sort=_lastUpdated']) expect([asked, await trips(`Observation${asked}`, by)]).toEqual([asked, [find, onRecord]])
      expect(await trips('Observation?_include=Observation:subject', by)).toEqual([find, find, onRecord])
    }
    await at.close()
  })

  const synthea = dataDir() === null ? null : join(dataDir()!, 'synthea')
  test.skipIf(synthea === null)(`takes Synthea's smallest patient in one transaction, on the thread for large bodies${synthea === null ? ': skipped, no data' : ''}`, async () => {
    const files = readdirSync(synthea!).filter((name) => name.endsWith('.json')).map((name) => join(synthea!, name))
    const isSite = (path: string): boolean => /\/(hospital|practitioner)Information[^/]*$/.test(path)
    const smallest = readFileSync(files.filter((path) => !isSite(path)).sort((a, b) => statSync(a).size - statSync(b).size)[0]!, 'utf8')
    // The sites and practitioners that the patient's bundle refers to by their identifiers.
    const sites = files.filter(isSite).sort().flatMap((path) => JSON.parse(readFileSync(path, 'utf8')).entry)
      .filter(({ resource }: Json) => (resource.identifier ?? []).some(({ value }: Json) => smallest.includes(`${value}"`)))
    expect(sites.length).toBeGreaterThan(2)
    for (const text of [JSON.stringify({ resourceType: 'Bundle', type: 'batch', entry: sites }), smallest]) {
      const reply = await harness.ask(token, 'POST', '', { body: text })
      expect([reply.status, reply.status === 200 ? '' : reply.text.slice(0, 300)]).toEqual([200, ''])
      expect(reply.json.entry.length).toBe(JSON.parse(text).entry.length)
      expect(reply.json.entry.filter(({ response }: Json) => !/^20[01]/.test(response.status))).toEqual([])
    }
    const given = JSON.parse(smallest).entry.map(({ resource }: Json) => resource)
    const family: string = given.find(({ resourceType }: Json) => resourceType === 'Patient').name[0].family
    const [patient] = idsOf((await harness.ask(token, 'GET', `Patient?family=${family}`)).json)
    const observations = given.filter(({ resourceType }: Json) => resourceType === 'Observation').length
    expect((await harness.ask(token, 'GET', `Observation?patient=${patient}&_summary=count`)).json.total).toBe(observations)
  })

  test('is one of two on the same database: each sees at once what the other wrote, of a race one wins, an erasure holds for both, and the ledger verifies', async () => {
    const other = await startHarness({ STORE_URL: withDatabase(server.url, database), KEY_URL: `file:${join(harness.dir, 'keys')}` })
    const both = [{ at: harness, token }, { at: other, token: await other.token(SYSTEM) }] as const
    const patient: Json = await harness.put({ resourceType: 'Patient', name: [{ family: 'Shared' }] })
    for (const { at, token: bearer } of both) expect(idsOf((await at.ask(bearer, 'GET', 'Patient?family=shared')).json)).toEqual([`Patient/${patient.id}`])
    const raced = await Promise.all([0, 1, 2, 3].map((i) => {
      const { at, token: bearer } = both[i % 2]!
      return at.ask(bearer, 'PUT', `Patient/${patient.id}`, { body: { ...patient, gender: i % 2 === 0 ? 'male' : 'female' }, headers: { 'if-match': 'W/"1"' } })
    }))
    expect(raced.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412])
    const created = await Promise.all(both.map(({ at, token: bearer }) => at.ask(bearer, 'POST', 'Basic', { body: { resourceType: 'Basic', code: { text: 'once' }, identifier: [{ system: 'urn:once', value: '1' }] }, headers: { 'if-none-exist': 'identifier=urn:once|1' } })))
    expect(created.map(({ status }) => status).sort()).toEqual([200, 201])
    expect(await other.running.system.erase(patient.id)).toMatchObject({ erased: 1 })
    expect(await eventually(() => harness.ask(token, 'GET', `Patient/${patient.id}`), ({ status }) => status === 404)).toMatchObject({ status: 404 })
    await other.close()
    await harness.running.system.ledger.sequence()
    // The thread for large bodies numbers its entries itself, and is the least urgent of all on a busy machine.
    const { ok, problems, waiting } = await eventually(() => harness.running.system.verify({ versions: true }), (verified) => verified.waiting === 0)
    expect({ ok, problems, waiting }).toEqual({ ok: true, problems: [], waiting: 0 })
  })

  test('leaves in the database only what docs/DATA-AT-REST.md lists: bytes, numbers, times, flags, and names of resource types', async () => {
    const { ledger, ledgerStore } = harness.running.system
    await ledger.sequence()
    // Segments are written from a thousand entries on.
    await ledgerStore.index((await ledgerStore.logs())[0]!, 0, [{ seq: 1, terms: [[Uint8Array.from(randomBytes(16))]] }])
    await withClient(server.url, async (client) => {
      const walked = await walk(client.db(database))
      const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'DATA-AT-REST.md'), 'utf8').split('## On MongoDB')[1]!
      const rows = [...page.matchAll(/^\| (\w+) \| (\w+) \| ([a-z ]+) \|/gm)].filter(([, collection]) => collection !== 'collection')
      const documented = rows.map(([, collection, field]) => `${collection} ${field}`)
      const types = new Map(rows.map(([, collection, field, type]) => [`${collection} ${field}`, type!.split(' or ')]))
      expect([...walked.fields].filter((field) => !documented.includes(field))).toEqual([])
      expect(documented.filter((field) => !walked.fields.has(field) && !RARE.has(field))).toEqual([])
      expect([...walked.types].filter((found) => !types.get(found.split(': ')[0]!)?.includes(found.split(': ')[1]!))).toEqual([])
      expect([...walked.texts].filter((text) => !allTypes.includes(text))).toEqual([])
      expect(walked.texts.size).toBeGreaterThan(1)
      expect([...walked.others]).toEqual([])
      // The walk finds what must not be there.
      const planted = client.db(`${database}_planted`)
      await planted.collection('record').insertOne({ _id: 1 as never, name: 'Quill', deep: [{ id: new ObjectId() }] })
      const control = await walk(planted)
      expect([...control.fields, ...control.texts, ...control.others].sort()).toEqual(['Quill', 'record _id', 'record deep', 'record deep.id: ObjectId', 'record name'])
      await planted.dropDatabase()
    })
  })

  test('refuses a resource of more than 12 MiB with 413 and stores nothing of it', async () => {
    const body = { resourceType: 'Binary', contentType: 'application/octet-stream', data: Buffer.alloc(10 * 2 ** 20, 7).toString('base64') }
    const reply = await harness.ask(token, 'POST', 'Binary', { body })
    expect([reply.status, reply.json.issue[0].code]).toEqual([413, 'too-long'])
    expect((await harness.ask(token, 'GET', 'Binary?_summary=count')).json.total).toBe(0)
  })

  test.skipIf(server.stop === null)(`answers 503 with Retry-After while the database is away, and recovers by itself${server.stop === null ? ': skipped, the server is not ours to stop' : ''}`, async () => {
    const created: Json = await harness.put({ resourceType: 'Basic', code: { text: 'before' } })
    await server.stop!()
    const asked = [['GET', `Basic/${created.id}`], ['GET', 'Basic'], ['POST', 'Basic', { resourceType: 'Basic', code: { text: 'lost' } }]] as const
    const [replies, ready] = await Promise.all([
      Promise.all(asked.map(([method, path, body]) => harness.ask(token, method, path, body === undefined ? {} : { body }))),
      fetch(`${new URL(harness.base).origin}/ready`)
    ])
    expect(replies.map(({ status, headers }) => [status, headers.get('retry-after')])).toEqual(asked.map(() => [503, expect.stringMatching(/^\d+$/)]))
    expect(replies.map(({ text }) => text).join()).not.toMatch(/mongo|127\.0\.0\.1|topology/i)
    expect(ready.status).toBe(503)
    await server.start!()
    const reply = await eventually(() => harness.ask(token, 'GET', `Basic/${created.id}`), ({ status }) => status === 200)
    expect([reply.status, reply.json.code?.text]).toEqual([200, 'before'])
    expect((await harness.ask(token, 'POST', 'Basic', { body: { resourceType: 'Basic', code: { text: 'after' } } })).status).toBe(201)
  })
})

/** Fields that this run of a server need not have written. */
const RARE = new Set(['document expires', 'directory expires', 'outbox _id', 'outbox n', 'outbox sealed', 'version _id'])

interface Walked { readonly fields: Set<string>; /** `collection field: type` */ readonly types: Set<string>; readonly texts: Set<string>; readonly others: Set<string> }

/** Every value of every document: top fields by name, texts, and what is neither bytes, number, time nor flag. */
async function walk(db: Db): Promise<Walked> {
  const walked: Walked = { fields: new Set(), types: new Set(), texts: new Set(), others: new Set() }
  const visit = (value: unknown, path: string): void => {
    if (value === null || typeof value === 'number' || typeof value === 'boolean' || value instanceof Date || value instanceof Binary) return
    if (typeof value === 'string') walked.texts.add(value)
    else if (Array.isArray(value)) for (const item of value) visit(item, path)
    else if (Object.getPrototypeOf(value) === Object.prototype) for (const [key, inner] of Object.entries(value as object)) visit(inner, `${path}.${key}`)
    else walked.others.add(`${path}: ${(value as object).constructor.name}`)
  }
  for (const { name } of await db.listCollections().toArray()) {
    for await (const document of db.collection(name).find()) {
      for (const [field, value] of Object.entries(document)) {
        walked.fields.add(`${name} ${field}`)
        walked.types.add(`${name} ${field}: ${typeName(value)}`)
        visit(value, `${name} ${field}`)
      }
    }
  }
  return walked
}

/** The word of docs/DATA-AT-REST.md for it. */
function typeName(value: unknown): string {
  if (Array.isArray(value)) return `list of ${[...new Set(value.map(typeName))].join(', ') || 'bytes'}`
  if (value instanceof Binary) return 'bytes'
  if (value instanceof Date) return 'date'
  return value === null ? 'null' : ({ string: 'text', number: 'number', boolean: 'flag' } as Record<string, string>)[typeof value] ?? 'other'
}

async function eventually<T>(work: () => Promise<T>, isDone: (value: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const value = await work()
    if (isDone(value) || tries === 40) return value
    await new Promise((resolve) => { setTimeout(resolve, 250) })
  }
}
