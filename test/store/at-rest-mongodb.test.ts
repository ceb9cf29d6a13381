/** 200 planted strings, and then every document of every collection, byte by byte: none is there. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { beside, type Child, mint, newPlace, type Place, startChild } from '../child.ts'
import { withClient, withDatabase } from '../stores.ts'
import { canary, foundBelow, foundIn, needlesFor } from './canaries.ts'
import { type Field, plant, plantQuestions, plantResources, QUANTITY, send } from './canary-plants.ts'
import { freshDatabase, mongoServer } from './mongo-place.ts'

const CANARIES = 200
const server = await mongoServer()
afterAll(() => server.end())

describe.skipIf(server.missing !== null)(`a MongoDB that a server has used${server.missing === null ? '' : `: skipped, ${server.missing}`}`, () => {
  const database = freshDatabase()
  let place: Place
  let child: Child
  let field: Field
  let references: readonly string[]

  beforeAll(async () => {
    place = await newPlace({ STORE_URL: withDatabase(server.url, database), LOG_LEVEL: 'trace', TMPDIR: mkdtempSync(join(tmpdir(), 'wardkeep-tmp-')) })
    const [token] = await mint(place, { scope: 'system/*.cruds' })
    child = await startChild(place)
    field = { base: child.base, token: token!, plants: [] }
    references = await plantResources(field)
    await plantQuestions(field)
    while (field.plants.length < CANARIES) {
      const id = plant(field, 'id of one more', 'kept')
      await send(field, 'PUT', `Basic/${id}`, 201, { body: { resourceType: 'Basic', id, code: { text: plant(field, 'text of one more', 'kept') }, identifier: [{ system: `urn:${plant(field, 'system', 'kept')}`, value: plant(field, 'value', 'kept') }] } })
    }
    await beside(place, ({ ledger }) => ledger.sequence())
  })
  afterAll(async () => {
    await child?.kill()
    if (place !== undefined) rmSync(place.dir, { recursive: true, force: true })
    if (server.missing === null) await withClient(server.url, (client) => client.db(database).dropDatabase())
  })

  /** `collection: form` of every needle in any document, and how many documents were looked at. */
  const dumped = (name: string): Promise<{ documents: number; collections: number; found: readonly string[] }> => withClient(server.url, async (client) => {
    const needles = needlesFor(field.plants.map((each) => each.canary), [QUANTITY])
    const db = client.db(name)
    const found: string[] = []
    let documents = 0
    const collections = await db.listCollections().toArray()
    for (const { name: collection } of collections) {
      const bytes: Buffer[] = [Buffer.from(JSON.stringify([collections, await db.collection(collection).listIndexes().toArray()]))]
      for await (const raw of db.collection(collection).find({}, { raw: true })) bytes.push(Buffer.from(raw as unknown as Uint8Array))
      documents += bytes.length - 1
      found.push(...foundIn(collection, Buffer.concat(bytes), needles))
    }
    return { documents, collections: collections.length, found }
  })

  test('holds none of the planted strings, ids of resources included, in any document, name or index; nor do DATA_DIR and the log', async () => {
    expect(field.plants.length).toBeGreaterThanOrEqual(CANARIES)
    // What was planted is there: each is read back in the clear.
    const kept = field.plants.filter(({ proof }) => proof === 'kept').map((each) => each.canary)
    const texts = await Promise.all([...references, ...kept.map((id) => `Basic/${id}`)].map(async (path) => (await fetch(`${field.base}/${path}`, { headers: { authorization: `Bearer ${field.token}` } })).text()))
    expect(texts.filter((text) => kept.some((one) => text.includes(one))).length).toBeGreaterThan(references.length - 3)
    const { documents, collections, found } = await dumped(database)
    expect(found).toEqual([])
    expect([collections, documents > field.plants.length]).toEqual([11, true])
    const needles = needlesFor(field.plants.map((each) => each.canary), [QUANTITY])
    expect([...foundBelow(place.env.DATA_DIR!, needles), ...foundBelow(place.env.TMPDIR!, needles), ...foundIn('log', Buffer.from(child.output()), needles)]).toEqual([])
  })

  test('is searched by a dump that finds a string in the clear as a value, an id, a field, a name, and in bytes', async () => {
    const one = canary()
    await withClient(server.url, async (client) => {
      const control = client.db(`${database}_control`)
      await control.collection('value').insertOne({ deep: [{ text: one }] })
      await control.collection('id').insertOne({ _id: one as never })
      await control.collection('field').insertOne({ [one]: 1 })
      await control.collection('bytes').insertOne({ sealed: Buffer.from(`..${Buffer.from(`ab${one}`).toString('base64')}`) })
      await control.collection('double').insertOne({ value: QUANTITY })
      await control.collection('none').insertOne({ value: 'nothing' })
    })
    const { found } = await dumped(`${database}_control`)
    expect([...new Set(found.map((each) => each.split(':')[0]))].sort()).toEqual(['bytes', 'double', 'field', 'id', 'value'])
    await withClient(server.url, (client) => client.db(`${database}_control`).dropDatabase())
  })
})
