/** `wardkeep move`: a store in use for a while, moved to MongoDB and back. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Source, sourceOf } from '../../seed/bundles.ts'
import { generate } from '../../seed/generate.ts'
import { load } from '../../seed/load.ts'
import { headsRecord } from '../../src/audit/record.ts'
import { loadConfig } from '../../src/config.ts'
import { abandonMove, moveStore } from '../../src/moving.ts'
import { rowsOf } from '../../src/store/move.ts'
import { openStores, openTransfer } from '../../src/stores.ts'
import { beside, type Place } from '../child.ts'
import { dataDir } from '../data.ts'
import { startHarness, SYSTEM, type Json } from '../harness.ts'
import { freshDatabase, mongoServer } from './mongo-place.ts'
import { withClient } from '../stores.ts'

const server = await mongoServer()
afterAll(() => server.end())

const database = freshDatabase()
const mongo = server.url.replace(/^(mongodb(?:\+srv)?:\/\/[^/?]+)\/?[^?]*/, `$1/${database}`)
const command = join(import.meta.dirname, '..', '..', 'src', 'cli', 'wardkeep.ts')

const dirs: string[] = []
function newDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'wardkeep-move-'))
  dirs.push(dir)
  return dir
}

/** A place on the same keys, by its store. */
const placeOn = (dir: string, keys: string, url: string): Place =>
  ({ dir, env: { DATA_DIR: dir, KEY_URL: `file:${keys}`, STORE_URL: url, LOG_LEVEL: 'silent', RATE_LIMIT: '1000000' } })
const sqlite = (dir: string): string => `sqlite:${join(dir, 'wardkeep.db')}`
const refusal = (work: Promise<unknown>): Promise<string> => work.then(() => 'not refused', (error: Error) => error.message)

/** A commit whose answer was lost is sent again: done once, its document has version 1. */
const repeated = (place: Place): Promise<number | undefined> => beside(place, async ({ records }) => {
  const [id, name] = ['repeated commit.', 'repeated locked.'].map((text) => Uint8Array.from(Buffer.from(text)))
  await records.commit({ id: id!, expect: [], puts: [], rewrites: [], erase: [], documents: [{ name: name!, expect: null, expires: null, sealed: new Uint8Array(4) }], outbox: [] })
  return (await records.document(name!))?.version
})

/** The exports and imports that the officer finds, the oldest first, and the patient none. */
async function copiesSeen(place: Place): Promise<readonly string[]> {
  const harness = await startHarness(place.env)
  try {
    const path = 'AuditEvent?type=110106,110107&_sort=_lastUpdated'
    const officer = await harness.ask(await harness.token({ scope: 'user/*.rs', roles: ['privacy-officer'], fhirUser: 'Practitioner/officer' }), 'GET', path)
    const patient = await harness.ask(await harness.token({ scope: 'patient/*.rs', patient: 'p' }), 'GET', path)
    expect([patient.status, patient.json.total]).toEqual([200, 0])
    return officer.json.entry.map(({ resource: { subtype, outcomeDesc, agent } }: Json) => [subtype[0].code, outcomeDesc ?? 'done', agent[0].name].join(' '))
  } finally {
    await harness.running.close()
    rmSync(harness.dir, { recursive: true, force: true })
  }
}

/** A real patient where there is one, and generated ones elsewhere; with what they refer to before them. */
function sources(): readonly Source[] {
  const synthea = dataDir() === null ? null : join(dataDir()!, 'synthea')
  if (synthea === null) return [...generate({ patients: 2, seed: 5, date: '2026-01-01', size: 'small' })].map(sourceOf)
  const files = readdirSync(synthea).filter((name) => name.endsWith('.json')).map((name) => join(synthea, name))
  const isSite = (path: string): boolean => /\/(hospital|practitioner)Information[^/]*$/.test(path)
  const smallest = readFileSync(files.filter((path) => !isSite(path)).sort((a, b) => statSync(a).size - statSync(b).size)[0]!, 'utf8')
  const sites = files.filter(isSite).sort().flatMap((path) => JSON.parse(readFileSync(path, 'utf8')).entry)
    .filter(({ resource }: Json) => (resource.identifier ?? []).some(({ value }: Json) => smallest.includes(`${value}"`)))
  return [{ name: 'hospitalInformation1.json', bundle: { resourceType: 'Bundle', type: 'batch', entry: sites } }, { name: 'smallest.json', bundle: JSON.parse(smallest) }].map(sourceOf)
}

/** Every answer about what is stored, as a client sees it. */
async function world(place: Place, token: string): Promise<Json> {
  const harness = await startHarness(place.env)
  try {
    const asked = ['Patient', 'Patient/_history', 'Observation?_count=1000&_total=accurate', 'Observation/_history?_count=1000', 'Encounter/_history?_count=1000', 'Observation/moved/_history', 'Observation/gone/_history', 'Observation/gone', 'Patient/erased']
    const answers: Json[] = []
    for (const path of asked) {
      const { status, json } = await harness.ask(token, 'GET', path)
      const entries: readonly string[] = (json.entry ?? []).map((entry: Json) => JSON.stringify(entry.resource ?? entry.request))
      answers.push([path, status, json.total ?? null, entries.length, createHash('sha256').update([...entries].sort().join('\n')).digest('hex')])
    }
    expect((await harness.ask(token, 'GET', 'AuditEvent?action=C')).json.entry.length).toBeGreaterThan(3)
    return answers
  } finally {
    await harness.running.close()
    rmSync(harness.dir, { recursive: true, force: true })
  }
}

describe.skipIf(server.missing !== null)(`move${server.missing === null ? '' : `: skipped, ${server.missing}`}`, () => {
  const [first, other] = [newDir(), newDir()]
  const keys = join(first, 'keys')
  const source = placeOn(first, keys, sqlite(first))
  const middle = placeOn(newDir(), keys, mongo)
  const last = placeOn(other, keys, sqlite(other))
  const config = loadConfig(source.env)
  const plainly = (url: string): string => url.replace(/\?.*$/, '')
  // A move that was refused by its target, and one that was run three times; the user and password of a target are nobody's business.
  const onRecord = [`transmit begun ${plainly(mongo)}_taken`, `transmit begun ${plainly(mongo)}`, `receive done ${sqlite(first)}`]
  let token: string
  let before: Json

  beforeAll(async () => {
    const harness = await startHarness(source.env)
    token = await harness.token(SYSTEM)
    expect((await load({ sources: sources(), url: harness.running.system.config.baseUrl, token })).failed).toEqual([])
    const observation = (id: string, mark: string): Json => ({ resourceType: 'Observation', id, status: 'final', code: { text: mark }, subject: { reference: 'Patient/p' } })
    for (const mark of ['one', 'two', 'three']) await harness.put(observation('moved', mark))
    await harness.put(observation('gone', 'one'))
    expect((await harness.ask(token, 'DELETE', 'Observation/gone')).status).toBe(204)
    await harness.put({ resourceType: 'Patient', id: 'erased', active: true })
    await harness.running.system.erase('erased')
    // A lock, and a token that has expired.
    await harness.ask(token, 'POST', 'Basic', { body: { resourceType: 'Basic', code: { text: 'x' } }, headers: { 'if-none-exist': 'identifier=urn:x|1' } })
    for (let i = 0; i < 1100; i++) await harness.running.system.ledger.append(headsRecord(Date.now(), 'ledger-heads', []))
    expect(await refusal(moveStore({ config, from: sqlite(first), to: mongo }))).toMatch(/^The source is in use: a process holds its ledger slot server-1/)
    await harness.running.close()
    expect([await repeated(source), await repeated(source)]).toEqual([1, 1])
    before = await world(source, token)
  })
  afterAll(async () => {
    if (server.missing === null) await withClient(server.url, async (client) => { await client.db(database).dropDatabase() })
    for (const dir of dirs) rmSync(dir, { recursive: true, force: true })
  })

  test('refuses a source that is none, a target of the same kind, and a target that holds something', async () => {
    expect(await refusal(moveStore({ config: { ...config, dataDir: newDir() }, from: sqlite(newDir()), to: mongo }))).toMatch(/^The source holds no store/)
    expect(await refusal(moveStore({ config, from: sqlite(first), to: sqlite(other) }))).toMatch(/are of one kind/)
    await withClient(server.url, async (client) => {
      const taken = `${database}_taken`
      await client.db(taken).collection('record').insertOne({ _id: Buffer.alloc(16) as never, type: 'Basic', version: 1, updated: 1, deleted: false, terms: [], c: Buffer.alloc(4), trail: Buffer.alloc(0), sealed: Buffer.alloc(4) })
      expect(await refusal(moveStore({ config, from: sqlite(first), to: mongo.replace(database, taken) }))).toMatch(/^The target holds data already/)
      await client.db(taken).dropDatabase()
    })
    // What is on record of it names that target, so it goes to no other.
    expect(await refusal(moveStore({ config, from: sqlite(first), to: mongo }))).toMatch(/^A move of this store to another target was begun/)
    // The source was made quiet by then: it can be given up, and is used again.
    expect(await refusal(beside(source, async () => undefined))).toMatch(/^This store was moved, or is being moved/)
    expect([await abandonMove(config, sqlite(first)), await abandonMove(config, sqlite(first))]).toEqual([true, false])
    expect(await refusal(beside(source, async () => undefined))).toBe('not refused')
  })

  test('goes on where it was killed, and ends with the same rows, a ledger that verifies, and the same answers', async () => {
    const target = { config: loadConfig(middle.env), rows: 0 }
    for (let kill = 0; kill < 2; kill++) {
      const mover = spawn(process.execPath, [command, 'move', '--from', sqlite(first), '--to', mongo], { env: source.env, stdio: ['ignore', 'ignore', 'pipe'] })
      target.rows = await killedAfter(mover, middle, target.rows)
      expect(await refusal(beside(middle, async () => undefined))).toMatch(/^A move into this store is not finished/)
    }
    expect(await refusal(moveStore({ config: { ...config, dataDir: newDir() }, from: sqlite(newDir()), to: mongo }))).toMatch(/^The source holds no store/)
    const progress: number[] = []
    const { rows, verified } = await moveStore({ config, from: sqlite(first), to: mongo, progress: (done, all) => progress.push(done / all) })
    expect([verified.exitCode, verified.problems, verified.waiting]).toEqual([0, [], 0])
    expect(rows).toBeGreaterThan(1200)
    expect(progress.at(-1)).toBe(1)
    expect(await world(middle, token)).toEqual(before)
    expect(await repeated(middle)).toBe(1)
    expect(await copiesSeen(middle)).toEqual(onRecord)
    expect(await refusal(beside(source, async () => undefined))).toMatch(/^This store was moved/)
    // It is served now, so it can be the target of no other move.
    expect(await refusal(moveStore({ config, from: sqlite(first), to: mongo }))).toMatch(/^The target (is in use|holds data already)/)
  })

  test('back again: the same rows, and writes go on in the same chain', async () => {
    const { rows, verified } = await moveStore({ config: loadConfig(last.env), from: mongo, to: sqlite(other) })
    expect([verified.exitCode, verified.problems]).toEqual([0, []])
    expect(rows).toBeGreaterThan(1200)
    expect(postingLists(other)).toEqual(postingLists(first))
    expect(postingLists(other).some(({ below }) => below !== null)).toBe(true)
    expect(await world(last, token)).toEqual(before)
    expect(await repeated(last)).toBe(1)
    expect(await copiesSeen(last)).toEqual([...onRecord, `transmit begun ${sqlite(other)}`, `receive done ${plainly(mongo)}`])
    await beside(last, async (system) => {
      await system.ledger.sequence()
      expect(await system.verify({ versions: true })).toMatchObject({ exitCode: 0, problems: [] })
    })
  })
})

/** The index of the ledger, row by row. */
function postingLists(dir: string): readonly Json[] {
  const db = new DatabaseSync(join(dir, 'ledger.db'), { readOnly: true })
  const rows = db.prepare('select name, term, top, below from posting join log on no = log order by name, term, top').all()
  db.close()
  return rows
}

/** Waits until the target has more rows than before, and kills. Answers its rows. */
async function killedAfter(mover: ChildProcess, target: Place, rows: number): Promise<number> {
  const ended = new Promise<number | null>((resolve) => mover.once('close', resolve))
  let said = ''
  mover.stderr?.on('data', (piece: Buffer) => { said += piece.toString('utf8') })
  const config = loadConfig(target.env)
  const { records, ledgerStore } = await openStores(config, Date.now, null)
  const transfer = await openTransfer(config, Date.now, 'source')
  try {
    for (;;) {
      const now = await rowsOf({ transfer, ledger: ledgerStore })
      if (now > rows + 100) {
        mover.kill('SIGKILL')
        expect(await ended).toBe(null)
        return now
      }
      expect([mover.exitCode, said]).toEqual([null, ''])
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  } finally {
    await Promise.all([records.close(), ledgerStore.close(), transfer.close()])
  }
}
