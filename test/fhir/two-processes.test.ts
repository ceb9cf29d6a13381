import { createHash } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { anyTypeTerm } from '../../src/crypto/blind-index.ts'
import { askAt, beside, type Child, mint, newPlace, pause, type Place, startChild, wardkeep } from '../child.ts'
import { freePort } from '../free-port.ts'
import type { Json, Reply } from '../harness.ts'
import { isOnMongo, storedDocuments } from '../stores.ts'

const SYSTEM_URI = 'urn:two'

let place: Place
let servers: Child[]
let token: string

beforeAll(async () => {
  place = await newPlace()
  ;[token] = (await mint(place, { scope: 'system/*.cruds' })) as [string]
  const other = await freePort()
  // At once, on an empty place: whoever is second takes the keys of the first.
  servers = await Promise.all([startChild(place), startChild(place, { PORT: String(other) })])
})
afterAll(async () => {
  for (const server of servers ?? []) await server.kill()
  if (place !== undefined) rmSync(place.dir, { recursive: true, force: true })
})

const ask = (at: number, method: string, path: string, body?: Json, headers: Readonly<Record<string, string>> = {}, bearer = token): Promise<Reply> =>
  askAt(servers[at]!.base, bearer, method, path, { ...(body === undefined ? {} : { body }), headers })
const patient = (id: string): Json => ({ resourceType: 'Patient', id, identifier: [{ system: SYSTEM_URI, value: `id-of-${id}` }], name: [{ family: `Family${id.replace(/\W/g, '')}` }] })
const observation = (subject: string, id: string): Json => ({ resourceType: 'Observation', id, status: 'final', code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }] }, subject: { reference: `Patient/${subject}` } })
const found = (reply: Reply): readonly string[] => (reply.json.entry ?? []).map((entry: Json) => `${entry.resource.resourceType}/${entry.resource.id}`).sort()

async function writePatient(at: number, id: string): Promise<void> {
  expect((await ask(at, 'PUT', `Patient/${id}`, patient(id))).status).toBe(201)
  for (const number of [1, 2, 3]) expect((await ask(at, 'PUT', `Observation/${id}-${number}`, observation(id, `${id}-${number}`))).status).toBe(201)
  expect((await ask(at, 'PUT', `Observation/${id}-1`, { ...observation(id, `${id}-1`), status: 'amended' })).status).toBe(200)
  expect((await ask(at, 'DELETE', `Observation/${id}-3`)).status).toBe(204)
}

/** Everything of a reply that a client could compare, its own id made one word. */
function seen(reply: Reply, id: string): Json {
  const headers = [...reply.headers].filter(([name]) => !/^(date|x-request-id|ratelimit.*|keep-alive|connection)$/.test(name))
  return JSON.parse(JSON.stringify({ status: reply.status, headers, text: reply.text }).replaceAll(id, 'ID').replaceAll(id.replace(/\W/g, ''), 'ID'))
}

/** Every question about a patient and the records in whose ids its id stands. None of them writes. */
const questions = (id: string): readonly (readonly [method: string, path: string, headers?: Readonly<Record<string, string>>])[] => [
  ...[`Patient/${id}`, `Observation/${id}-1`, `Observation/${id}-3`].flatMap((ref): (readonly [string, string])[] => [['GET', ref], ['HEAD', ref], ['GET', `${ref}/_history`], ['GET', `${ref}/_history/1`], ['GET', `${ref}/_history/2`]]),
  ...[
    `Patient?_id=${id}`, `Patient?identifier=${SYSTEM_URI}|id-of-${id}`, `Patient?family=Family${id.replace(/\W/g, '')}`, `Observation?patient=${id}`, `Observation?subject=Patient/${id}`,
    `Observation?patient=${id}&code=8867-4`, `Observation?patient=${id}&_count=0`, `Observation?patient=${id}&_total=accurate`, `Observation?_id=${id}-1,${id}-2,${id}-3`
  ].map((path) => ['GET', path] as const),
  ['DELETE', `Patient/${id}`], ['DELETE', `Observation/${id}-1`], ['DELETE', `Observation/${id}-3`], ['DELETE', `Observation/${id}-1`, { 'if-match': 'W/"2"' }], ['DELETE', `Patient?identifier=${SYSTEM_URI}|id-of-${id}`]
]

async function asNeverWas(id: string, never: string): Promise<void> {
  const asks = questions(id)
  const other = questions(never)
  for (const at of [0, 1]) {
    for (const [index, [method, path, headers]] of asks.entries()) {
      const [reply, absent] = [await ask(at, method, path, undefined, headers), await ask(at, other[index]![0], other[index]![1], undefined, other[index]![2])]
      expect([method, path, seen(reply, id)]).toEqual([method, path, seen(absent, never)])
    }
    const stale = await ask(at, 'PUT', `Observation/${id}-1`, observation(id, `${id}-1`), { 'if-match': 'W/"2"' })
    expect(seen(stale, id)).toEqual(seen(await ask(at, 'PUT', `Observation/${never}-1`, observation(never, `${never}-1`), { 'if-match': 'W/"2"' }), never))
  }
}

describe('two processes on one DATA_DIR', () => {
  test('both serve: what one writes the other reads, finds and pages through', async () => {
    await writePatient(0, 'shared')
    expect((await ask(1, 'GET', 'Patient/shared')).json).toEqual((await ask(0, 'GET', 'Patient/shared')).json)
    const page = await ask(1, 'GET', 'Observation?patient=shared&_count=1')
    const next: string = page.json.link.find((link: Json) => link.relation === 'next').url
    expect([...found(page), ...found(await ask(0, 'GET', next.slice(next.indexOf('/R4/') + 4)))].sort()).toEqual(['Observation/shared-1', 'Observation/shared-2'])
  })

  test('keep one another from double creates and lost updates', async () => {
    const creates = await Promise.all(Array.from({ length: 10 }, (_, index) =>
      ask(index % 2, 'POST', 'Basic', { resourceType: 'Basic', code: { text: 'x' }, identifier: [{ system: SYSTEM_URI, value: 'one' }] }, { 'if-none-exist': `identifier=${SYSTEM_URI}|one` })))
    expect(new Set(creates.map((reply) => reply.json.id)).size).toBe(1)
    expect(creates.map((reply) => reply.status).sort()).toEqual([200, 200, 200, 200, 200, 200, 200, 200, 200, 201])
    const updates = await Promise.all(Array.from({ length: 16 }, (_, index) => ask(index % 2, 'PUT', 'Patient/shared', patient('shared'), { 'if-match': 'W/"1"' })))
    expect(updates.filter((reply) => reply.status === 200).length).toBe(1)
    const firsts = await Promise.all(Array.from({ length: 10 }, (_, index) => ask(index % 2, 'PUT', `Observation/both-${index}`, observation('both', `both-${index}`))))
    expect(firsts.map((reply) => reply.status)).toEqual(Array(10).fill(201))
    for (const at of [0, 1]) expect(found(await ask(at, 'GET', 'Observation?patient=both')).length).toBe(10)
  })

  test('both refuse a token within 2 s after it was revoked by command', async () => {
    const [doomed] = await mint(place, { scope: 'system/*.rs' })
    for (const at of [0, 1]) expect((await ask(at, 'GET', 'Patient/shared', undefined, {}, doomed)).status).toBe(200)
    const stop = Date.now() + 10_000
    let revoked = Number.POSITIVE_INFINITY
    const lasts = [0, 1].map(async (at) => {
      let last = 0
      // Asked without a pause, the token never leaves the cache on its own.
      for (let refused = 0; refused < 3 && Date.now() < stop; ) {
        const began = Date.now()
        const { status } = await ask(at, 'GET', 'Patient/shared', undefined, {}, doomed)
        if (status === 200) last = began
        refused = status === 401 ? refused + 1 : 0
        await pause(10)
      }
      return last
    })
    expect(await wardkeep(place, 'token', 'revoke', doomed!).then((ended) => { revoked = Date.now(); return ended.code })).toBe(0)
    for (const last of await Promise.all(lasts)) expect(last).toBeLessThan(revoked + 2000)
    for (const at of [0, 1]) expect((await ask(at, 'GET', 'Patient/shared', undefined, {}, doomed)).status).toBe(401)
  })
})

describe('keys erase, beside running servers', () => {
  test('makes every interaction answer as for a patient who never was, and leaves no byte of the records in the file', async () => {
    await writePatient(0, 'x-erased')
    await writePatient(1, 'x-stays')
    for (const at of [0, 1]) expect(found(await ask(at, 'GET', 'Observation?patient=x-erased'))).toEqual(['Observation/x-erased-1', 'Observation/x-erased-2'])
    const [file, wal] = ['wardkeep.db', 'wardkeep.db-wal'].map((name) => join(place.env.DATA_DIR!, name)) as [string, string]
    const pieces = await beside(place, async ({ ring, records }) => {
      const rows = await records.versions(ring.recordKey('Observation', 'x-erased-1'), null, 10)
      return [anyTypeTerm(ring, 'x-erased'), ring.recordKey('Patient', 'x-erased'), ring.patientKeyName('x-erased'), ...rows.map((row) => row.sealed.subarray(200, 264))]
    })
    const held = async (): Promise<readonly boolean[]> => {
      const stored = isOnMongo ? (await storedDocuments(place.env)).map(({ bytes }) => bytes) : [file, wal].map((path) => readFileSync(path))
      return pieces.map((piece) => stored.some((bytes) => bytes.includes(piece)))
    }
    expect(await held()).toEqual([true, true, true, true, true])
    const erased = await wardkeep(place, 'keys', 'erase', 'Patient/x-erased', '--yes')
    expect([erased.code, erased.out.includes('4 records')]).toEqual([0, true])
    await asNeverWas('x-erased', 'x-absent')
    expect(await held()).toEqual([false, false, false, false, false])
    expect(found(await ask(0, 'GET', 'Observation?patient=x-stays'))).toEqual(['Observation/x-stays-1', 'Observation/x-stays-2'])
    const verified = await beside(place, (system) => system.verify({ versions: true }))
    expect([verified.problems, verified.erased]).toEqual([[], 4])
  })

  test('lets the same patient be written anew at once, by a process that still held the key, and for good', async () => {
    await writePatient(0, 'x-again')
    for (const at of [0, 1]) await ask(at, 'GET', 'Observation?patient=x-again')
    expect((await wardkeep(place, 'keys', 'erase', 'Patient/x-again', '--yes')).code).toBe(0)
    await writePatient(1, 'x-again')
    expect((await ask(0, 'PUT', 'Observation/x-again-4', observation('x-again', 'x-again-4'))).status).toBe(201)
    // By now both have noticed the erasure.
    await pause(1100)
    for (const at of [0, 1]) {
      expect(found(await ask(at, 'GET', 'Observation?patient=x-again'))).toEqual(['Observation/x-again-1', 'Observation/x-again-2', 'Observation/x-again-4'])
      expect((await ask(at, 'GET', 'Observation/x-again-1/_history')).json.entry.length).toBe(2)
      expect((await ask(at, 'GET', 'Patient/x-again')).json.meta.versionId).toBe('1')
    }
  })

  test('while others write to the patient: afterwards nothing of it is half there, and every id can be written again', async () => {
    await writePatient(0, 'x-busy')
    let busy = true
    const statuses = new Set<number>()
    const ids: string[] = []
    const writers = [0, 1].map(async (at) => {
      for (let number = 0; busy; number++) {
        const id = `x-busy-w${at}-${number}`
        ids.push(id)
        statuses.add((await ask(at, 'PUT', `Observation/${id}`, observation('x-busy', id))).status)
        await pause(50)
      }
    })
    expect((await wardkeep(place, 'keys', 'erase', 'Patient/x-busy', '--yes')).code).toBe(0)
    busy = false
    await Promise.all(writers)
    expect([...statuses]).toEqual([201])
    for (const id of ids) {
      const reply = await ask(0, 'GET', `Observation/${id}`)
      expect([200, 404]).toContain(reply.status)
      expect((await ask(1, 'PUT', `Observation/${id}`, observation('x-busy', id))).status).toBe(reply.status === 200 ? 200 : 201)
    }
    expect(found(await ask(1, 'GET', 'Observation?patient=x-busy&_count=1000'))).toEqual([...ids].map((id) => `Observation/${id}`).sort())
    const verified = await wardkeep(place, 'audit', 'verify', '--versions')
    expect([verified.code, verified.out]).toEqual([0, expect.stringContaining('0 problems')])
  })
})

describe('keys rotate, beside running servers', () => {
  test('rewrites no record, no version and no patient key; all still reads and new patients can be written', async () => {
    const digest = (sealed: Uint8Array): string => createHash('sha256').update(sealed).digest('hex')
    const hashes = async (): Promise<Map<string, string>> => {
      if (isOnMongo) {
        const rows = (await storedDocuments(place.env)).filter(({ collection }) => ['record', 'version', 'document'].includes(collection))
        return new Map(rows.map(({ collection, id, sealed }) => [`${collection} ${id}`, digest(sealed!)]))
      }
      const db = new DatabaseSync(join(place.env.DATA_DIR!, 'wardkeep.db'), { readOnly: true })
      const rows = ['record', 'version', 'document'].flatMap((table) => {
        const keys = { record: 'hex(key)', version: "recno || ' ' || version", document: 'hex(name)' }[table]
        return db.prepare(`select '${table} ' || ${keys} as name, sealed from ${table}`).all() as { name: string; sealed: Uint8Array }[]
      })
      db.close()
      return new Map(rows.map(({ name, sealed }) => [name, digest(sealed)]))
    }
    await beside(place, async ({ ledger }) => ledger.sequence())
    const before = await hashes()
    const rotated = await wardkeep(place, 'keys', 'rotate')
    expect([rotated.code, /0 resources rewritten/.test(rotated.out)]).toEqual([0, true])
    const after = await hashes()
    const changed = [...before].filter(([name, hash]) => after.get(name) !== hash).map(([name]) => name.split(' ')[0])
    // Two branch keys, and the marks of logs that went on meanwhile.
    expect(new Set(changed)).toEqual(new Set(['document']))
    expect(changed.length).toBeLessThanOrEqual(2 + 4)
    for (const at of [0, 1]) {
      expect((await ask(at, 'GET', 'Patient/shared')).status).toBe(200)
      expect((await ask(at, 'PUT', `Patient/after-rotation-${at}`, patient(`after-rotation-${at}`))).status).toBe(201)
    }
    await servers[1]!.stop()
    servers[1] = await startChild(place, { PORT: new URL(servers[1]!.base).port })
    expect(found(await ask(1, 'GET', 'Patient?_id=shared,after-rotation-0,after-rotation-1'))).toEqual(['Patient/after-rotation-0', 'Patient/after-rotation-1', 'Patient/shared'])
  })
})
