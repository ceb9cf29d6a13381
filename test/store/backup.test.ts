/** `wardkeep backup` and `restore`, as an operator runs them. */
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join, sep } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { backupStore, restoreStore } from '../../src/backup.ts'
import { loadConfig } from '../../src/config.ts'
import { askAt, beside, type Child, mint, newPlace, type Place, startChild, wardkeep } from '../child.ts'
import type { Json } from '../harness.ts'

let place: Place
let server: Child
let token: string
const elsewhere: Place[] = []

const keysOf = (at: Place): string => join(at.dir, 'keys')
const dataOf = (at: Place): string => at.env.DATA_DIR!
const observation = (id: string, mark: string): Json => ({ resourceType: 'Observation', id, status: 'final', code: { text: mark }, subject: { reference: 'Patient/p' } })
const put = async (id: string, mark = id): Promise<number> => (await askAt(server.base, token, 'PUT', `Observation/${id}`, { body: observation(id, mark) })).status

/** The words with which an operation refuses, said in this process: a command of its own takes a second. */
const refusal = (work: Promise<unknown>): Promise<string> => work.then(() => 'not refused', (error: Error) => error.message)
const restore = (at: Place, path: string): Promise<unknown> => restoreStore(loadConfig(at.env), path, { keepLedger: false })

async function somewhere(keys: 'with keys' | 'without keys'): Promise<Place> {
  const fresh = await newPlace()
  const at = { ...fresh, env: { ...fresh.env, KEY_URL: `file:${keysOf(fresh)}` } }
  if (keys === 'with keys') cpSync(keysOf(place), keysOf(at), { recursive: true })
  elsewhere.push(at)
  return at
}

beforeAll(async () => {
  const fresh = await newPlace()
  place = { ...fresh, env: { ...fresh.env, KEY_URL: `file:${keysOf(fresh)}` } }
  ;[token] = (await mint(place, { scope: 'system/*.cruds' })) as [string]
  mkdirSync(join(dataOf(place), 'packages'))
  writeFileSync(join(dataOf(place), 'packages', 'packages.json'), '[]\n')
  server = await startChild(place)
})
afterAll(async () => {
  await server?.kill()
  for (const at of [place, ...elsewhere]) if (at !== undefined) rmSync(at.dir, { recursive: true, force: true })
})

/** The events of copies that a caller finds, the oldest first: `export begun`, `import`, with the hash of the manifest where it is named. */
async function copiesSeen(base: string, token: string): Promise<readonly string[]> {
  const { status, json } = await askAt(base, token, 'GET', 'AuditEvent?type=110106,110107&_sort=_lastUpdated&_count=1000')
  expect(status).toBe(200)
  return (json.entry ?? []).map(({ resource: { type, outcomeDesc, agent, entity } }: Json) => {
    expect([agent[0].name, agent.at(-1)]).toEqual([expect.stringContaining(sep), { type: expect.anything(), who: { identifier: { value: userInfo().username } }, requestor: true }])
    return [type.code === '110106' ? 'export' : 'import', outcomeDesc, entity[0].detail?.[0].valueString].filter((part) => part !== undefined).join(' ')
  })
}

describe('backup of a store in use, and restore', () => {
  const backup = (): string => join(place.dir, 'backup')

  test('copies records and ledger of one moment while clients write; the copy verifies and holds all that was acknowledged before', async () => {
    for (const id of ['a-1', 'a-2']) expect(await put(id)).toBe(201)
    let writing = true
    let written = 0
    const writers = Promise.all([0, 1, 2, 3].map(async (client) => {
      for (; writing; written++) expect(await put(`load-${client}-${written}`)).toBe(201)
    }))
    const made = await wardkeep(place, 'backup', backup())
    const during = written
    writing = false
    await writers
    expect([made.code, made.out]).toEqual([0, expect.stringMatching(/^backup: 3 files, \d+ bytes, as of .*\nKeys are not in it/)])
    expect(during).toBeGreaterThan(3)
    const at = await somewhere('with keys')
    const restored = await wardkeep(at, 'restore', backup())
    expect([restored.code, restored.out]).toEqual([0, expect.stringMatching(/^restored as of [^\n]*\nok: \d+ entries, \d+ records, 0 problems\n$/)])
    expect(readFileSync(join(dataOf(at), 'packages', 'packages.json'), 'utf8')).toBe('[]\n')
    const copy = await startChild(at)
    for (const id of ['a-1', 'a-2']) expect((await askAt(copy.base, token, 'GET', `Observation/${id}`)).json.code.text).toBe(id)
    expect((await askAt(copy.base, token, 'PUT', 'Observation/a-1', { body: observation('a-1', 'changed'), headers: { 'if-match': 'W/"1"' } })).status).toBe(200)
    expect(await copy.stop()).toBe(0)
    expect((await wardkeep(at, 'audit', 'verify', '--versions')).out).toMatch(/^ok: .* 0 problems/)
  })

  test('the backup holds no key, for nobody else to read, and is not made over anything or with keys', async () => {
    expect(readdirSync(backup()).sort()).toEqual(['ledger.db', 'manifest.json', 'packages', 'wardkeep.db'])
    const secrets = readdirSync(keysOf(place)).map((name) => readFileSync(join(keysOf(place), name), 'utf8').split(' ')[3]!)
    expect(secrets.length).toBe(1)
    for (const name of readdirSync(backup()).filter((each) => each !== 'packages')) {
      expect([name, statSync(join(backup(), name)).mode & 0o777]).toEqual([name, 0o600])
      const bytes = readFileSync(join(backup(), name))
      for (const secret of secrets) expect([bytes.includes(secret), bytes.includes(Buffer.from(secret, 'base64url'))]).toEqual([false, false])
    }
    expect(await refusal(backupStore(loadConfig(place.env), backup()))).toBe('The backup folder exists: name a new one')
    const withKeys = await wardkeep(place, 'backup', join(place.dir, 'other'), '--keys')
    expect([withKeys.code, withKeys.out]).toEqual([1, expect.stringContaining('never holds keys')])
    expect(existsSync(join(place.dir, 'other'))).toBe(false)
  })

  test('is on record: its beginning before a byte is copied, its end with the hash of its manifest; officers find it, patients do not', async () => {
    const manifest = createHash('sha256').update(readFileSync(join(backup(), 'manifest.json'))).digest('hex')
    // Nothing can be written below a file.
    expect(await refusal(backupStore(loadConfig(place.env), join(backup(), 'manifest.json', 'cut-off')))).toMatch(/ENOTDIR/)
    const callers = [...['privacy-officer', 'auditor', 'nurse'].map((role) => ({ scope: 'user/*.rs', roles: [role], fhirUser: `Practitioner/${role}` })), { scope: 'patient/*.rs', patient: 'p', fhirUser: 'Patient/p' }]
    const [officer, auditor, nurse, patient] = await mint(place, ...callers)
    const owed = ['export begun', `export ${manifest}`, 'export begun']
    expect([await copiesSeen(server.base, officer!), await copiesSeen(server.base, auditor!), await copiesSeen(server.base, token)]).toEqual([owed, owed, owed])
    expect(await copiesSeen(server.base, patient!)).toEqual([])
    const [{ resource: { id } }] = (await askAt(server.base, officer!, 'GET', 'AuditEvent?type=110106')).json.entry
    const statuses = await Promise.all([officer, auditor, nurse, patient].map(async (each) => (await askAt(server.base, each!, 'GET', `AuditEvent/${id}`)).status))
    expect([id, statuses]).toEqual([expect.stringMatching(/^cli-/), [200, 200, 403, 404]])
    expect((await wardkeep(place, 'audit', 'verify', '--versions')).out).toMatch(/^ok: .* 0 problems/)
    // The copy knows that it is one, and that it was put somewhere.
    const at = await somewhere('with keys')
    expect(await refusal(restore(at, backup()))).toBe('not refused')
    const [there, , , patientThere] = await mint(at, ...callers)
    const copy = await startChild(at)
    expect(await copiesSeen(copy.base, there!)).toEqual(['export begun', `import ${manifest}`])
    expect(await copiesSeen(copy.base, patientThere!)).toEqual([])
    expect(await copy.stop()).toBe(0)
    expect((await wardkeep(at, 'audit', 'verify', '--versions')).out).toMatch(/^ok: .* 0 problems/)
  })

  test('without the keys nothing is copied, since nothing could be put on record', async () => {
    const keyless = { ...place.env, KEY_URL: `file:${join(place.dir, 'no-keys')}` }
    expect(await refusal(backupStore(loadConfig(keyless), join(place.dir, 'keyless')))).toMatch(/^KEY_URL holds no keys/)
    expect([existsSync(join(place.dir, 'keyless')), existsSync(join(place.dir, 'keyless.partial')), existsSync(join(place.dir, 'no-keys'))]).toEqual([false, false, false])
  })

  test('restore refuses to write over anything, a backup that is not whole, missing keys, and another store', async () => {
    const full = await wardkeep(place, 'restore', backup())
    expect([full.code, full.out]).toEqual([78, expect.stringContaining('is there already')])
    const keyless = await somewhere('without keys')
    expect(await refusal(restore(keyless, backup()))).toMatch(/^KEY_URL holds no keys/)
    expect([existsSync(keysOf(keyless)), existsSync(join(dataOf(keyless), 'wardkeep.db'))]).toEqual([false, false])
    const at = await somewhere('with keys')
    const broken = join(at.dir, 'broken')
    cpSync(backup(), broken, { recursive: true })
    const bytes = readFileSync(join(broken, 'ledger.db'))
    bytes[bytes.length - 100]! ^= 1
    writeFileSync(join(broken, 'ledger.db'), bytes)
    expect(await refusal(restore(at, broken))).toMatch(/^The backup is not whole: ledger.db/)
    const manifest = JSON.parse(readFileSync(join(broken, 'manifest.json'), 'utf8'))
    manifest.files[0].name = '../escape.db'
    writeFileSync(join(broken, 'manifest.json'), JSON.stringify(manifest))
    expect(await refusal(restore(at, broken))).toMatch(/^The manifest/)
    expect(await refusal(restore({ ...at, env: { ...at.env, STORE_URL: 'mongodb://127.0.0.1:1/x' } }, backup()))).toMatch(/^backup and restore are for the embedded store/)
    expect(existsSync(join(dataOf(at), 'wardkeep.db'))).toBe(false)
    expect(await refusal(restore(at, backup()))).toBe('not refused')
  })

  test('a restore that was cut off keeps servers away until it is run again', async () => {
    const at = await somewhere('with keys')
    mkdirSync(dataOf(at), { mode: 0o700 })
    cpSync(join(backup(), 'wardkeep.db'), join(dataOf(at), 'wardkeep.db'))
    writeFileSync(join(dataOf(at), 'restore.unfinished'), JSON.stringify([join(dataOf(at), 'wardkeep.db'), join(dataOf(at), 'ledger.db')]))
    // It died while it put itself on record, and was of another backup: what SQLite had beside that file belongs to no other.
    expect(await put('a-2', 'later')).toBe(200)
    cpSync(join(dataOf(place), 'wardkeep.db-wal'), join(dataOf(at), 'wardkeep.db-wal'))
    expect(statSync(join(dataOf(at), 'wardkeep.db-wal')).size).toBeGreaterThan(4000)
    await expect(startChild(at)).rejects.toThrow('A restore into DATA_DIR was not finished: run it again')
    expect(await refusal(restore(at, backup()))).toBe('not refused')
    const verified = await wardkeep(at, 'audit', 'verify')
    expect([verified.code, verified.out]).toEqual([0, expect.stringContaining(' 0 problems')])
  })

  test('with --keep-ledger the ledger that was not lost names each record that the backup is too old for', async () => {
    expect([await put('a-1', 'newer'), await put('late')]).toEqual([200, 201])
    await beside(place, (system) => system.rotateKeys())
    expect(await server.stop()).toBe(0)
    const at = await somewhere('with keys')
    mkdirSync(dataOf(at), { mode: 0o700 })
    cpSync(join(dataOf(place), 'ledger.db'), join(dataOf(at), 'ledger.db'))
    expect(await refusal(restore(at, backup()))).toContain('ledger.db is there already')
    const kept = await wardkeep(at, 'restore', backup(), '--keep-ledger')
    expect(kept.code).toBe(2)
    expect(kept.out).toContain('The keys were rotated after this backup was made')
    expect(kept.out).toMatch(/tampered: Record [0-9a-f]{32} was rolled back from version 2 to 1\n/)
    expect(kept.out).toMatch(/tampered: Record [0-9a-f]{32} is missing, and no erasure names it\n/)
    expect(kept.out).toContain('The ledger knows of more than was restored')
    // The old place itself still verifies.
    expect((await wardkeep(place, 'audit', 'verify')).code).toBe(0)
  })
})
