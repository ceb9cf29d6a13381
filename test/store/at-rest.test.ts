import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allTypes } from '../../src/search/classification.ts'
import { beside, type Child, mint, newPlace, type Place, startChild } from '../child.ts'
import { makeSigner } from '../oauth/tokens.ts'
import { filesBelow, foundBelow, foundIn, needlesFor, type Needle } from './canaries.ts'
import { type Field, plant, plantQuestions, plantResources, QUANTITY, send } from './canary-plants.ts'
import { accessRecords } from './ledger-read.ts'

const ISSUER = 'https://idp.example/clinic'

let place: Place
let temporary: string
let server: Child
let field: Field
let references: readonly string[]
/** Tokens, and what could be kept of them instead of themselves. */
const secrets: Needle[] = []

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wardkeep-issuers-'))
  temporary = join(folder, 'tmp')
  mkdirSync(temporary)
  const signer = await makeSigner('ES256', 'k1')
  place = await newPlace({ LOG_LEVEL: 'trace', TMPDIR: temporary, TRUSTED_ISSUERS: join(folder, 'issuers.json') })
  const audience = `${place.env.BASE_URL}/fhir/R4`
  writeFileSync(join(folder, 'issuers.json'), JSON.stringify([{ issuer: ISSUER, audience, jwks: { keys: [signer.publicJwk] } }]))
  const [token] = await mint(place, { scope: 'system/*.cruds' })
  server = await startChild(place)
  field = { base: server.base, token: token!, plants: [] }
  references = await plantResources(field)
  await plantQuestions(field)
  const ledger = (label: string): string => plant(field, label, 'ledger')
  const [claimed] = await mint(place, {
    scope: `user/Observation.rs?code=${ledger('constraint of a scope')} ${ledger('unknown scope')}`, fhirUser: `Practitioner/${ledger('fhirUser')}`, roles: [ledger('role'), 'physician'],
    purposes: ['TREAT', ledger('purpose')], client: ledger('client'), subject: ledger('subject')
  }, { scope: 'patient/*.rs', patient: plant(field, 'launch patient', 200) })
  await send(field, 'GET', 'Observation', 200, {}, claimed)
  const jwt = await new SignJWT({ scope: 'system/Patient.rs', client_id: ledger('client of a JWT'), roles: [ledger('role of a JWT'), 'system'], purpose_of_use: ledger('purpose of a JWT') })
    .setProtectedHeader({ alg: 'ES256', kid: 'k1', typ: 'at+jwt' }).setIssuer(ISSUER).setAudience(audience).setSubject(ledger('subject of a JWT')).setJti(ledger('jti')).setIssuedAt().setExpirationTime('5 min').sign(signer.privateKey)
  await send(field, 'GET', 'Patient', 200, {}, jwt)
  for (const secret of [token!, claimed!, jwt]) {
    const sum = createHash('sha256').update(secret).digest()
    for (const bytes of [Buffer.from(secret.slice(3, 40)), Buffer.from(secret.slice(-30)), sum, Buffer.from(sum.toString('base64url'))]) secrets.push({ form: 'a token or its hash', bytes, anyCase: false })
  }
})

afterAll(async () => {
  await server?.kill()
  if (place !== undefined) rmSync(place.dir, { recursive: true, force: true })
})

const needles = (): readonly Needle[] => [...needlesFor(field.plants.map((each) => each.canary), [QUANTITY]), ...secrets]
const everywhere = (): readonly string[] => [...foundBelow(place.env.DATA_DIR!, needles()), ...foundBelow(temporary, needles()), ...foundIn('log', Buffer.from(server.output()), needles())]

describe('the search for canaries', () => {
  test('finds one that lies in the clear in a database, a text, a name, or in another writing, and nothing where there is none', () => {
    const dir = mkdtempSync(join(tmpdir(), 'wardkeep-control-'))
    const one = field.plants[0]!.canary
    const sought = needlesFor([one], [QUANTITY])
    const writings: readonly (readonly [string, Buffer])[] = [
      ['text', Buffer.from(`x ${one} x`)], ['small', Buffer.from(one.toLowerCase())], ['capitals', Buffer.from(one.toUpperCase())], ['cut', Buffer.from(one.slice(0, 6).toLowerCase())],
      ['end', Buffer.from(one.slice(6))], ['reversed', Buffer.from([...one].reverse().join(''))], ['utf16le', Buffer.from(one, 'utf16le')], ['utf16be', Buffer.from(one, 'utf16le').swap16()],
      ['hexadecimal', Buffer.from(Buffer.from(one).toString('hex'))], ['HEX', Buffer.from(Buffer.from(one).toString('hex').toUpperCase())],
      ...['', 'a', 'ab'].map((before): readonly [string, Buffer] => [`base64 ${before}`, Buffer.from(Buffer.from(`${before}${one}..`).toString('base64'))]),
      ['base64 of small letters', Buffer.from(Buffer.from(one.toLowerCase()).toString('base64url'))],
      ['number', Buffer.from(`{"value":${QUANTITY}}`)], ['double', Buffer.from(new Float64Array([QUANTITY]).buffer)]
    ]
    for (const [name, bytes] of writings) expect([name, foundIn(name, Buffer.concat([Buffer.alloc(50, 7), bytes, Buffer.alloc(50, 9)]), sought).length > 0]).toEqual([name, true])
    const db = new DatabaseSync(join(dir, 'clear.db'))
    db.exec('create table t(name text)')
    db.prepare('insert into t values (?)').run(one)
    db.close()
    writeFileSync(join(dir, `${one}.txt`), 'nothing inside')
    writeFileSync(join(dir, 'clean.txt'), 'nothing at all')
    expect([...new Set(foundBelow(dir, sought).map((found) => found.split(':')[0]))].sort()).toEqual(['clear.db', `name of ${one}.txt`])
    rmSync(dir, { recursive: true })
  })

  test('has at least 100 of them, and each came in: a read shows it, the sealed ledger holds it, or it was refused', async () => {
    expect(field.plants.length).toBeGreaterThanOrEqual(100)
    const read = (await Promise.all(references.map(async (reference) => (await send(field, 'GET', reference, 200)).text))).join('\n')
    const shown = read + read.replace(/"data":"([^"]+)"/g, (_, data: string) => Buffer.from(data, 'base64').toString('utf8'))
    const recorded = decodeURIComponent(JSON.stringify(await beside(place, accessRecords)))
    const missing = field.plants.filter(({ canary, proof }) => (proof === 'kept' ? !shown.includes(canary) : proof === 'ledger' && !recorded.includes(canary)))
    expect(missing).toEqual([])
  })
})

describe('at rest', () => {
  test('no canary is in a page link', async () => {
    const shared = plant(field, 'identifier of two', 'kept')
    for (let copy = 0; copy < 2; copy++) await send(field, 'POST', 'Basic', 201, { body: { resourceType: 'Basic', code: { text: 'x' }, identifier: [{ system: 'urn:x', value: shared }] } })
    const page = await send(field, 'GET', `Basic?identifier=urn:x|${shared}&_count=1`, 200)
    const next: string = page.json.link.find((link: { relation: string }) => link.relation === 'next').url
    expect(foundIn('next', Buffer.from(next), needles())).toEqual([])
    expect((await send(field, 'GET', next.slice(server.base.length + 1), 200)).text).toContain(shared)
  })

  test('no canary is in an answer of 500, or in the log of one', async () => {
    const id = plant(field, 'id of a damaged record', 'kept')
    await send(field, 'PUT', `Basic/${id}`, 201, { body: { resourceType: 'Basic', id, code: { text: plant(field, 'content of a damaged record', 500) } } })
    const key = await beside(place, async ({ ring }) => ring.recordKey('Basic', id))
    const db = new DatabaseSync(join(place.env.DATA_DIR!, 'wardkeep.db'))
    db.prepare('update record set sealed = cast(substr(sealed, 1, 100) || zeroblob(length(sealed) - 100) as blob) where key = ?').run(key)
    db.close()
    const reply = await send(field, 'GET', `Basic/${id}`, 500)
    expect(foundIn('reply', Buffer.from(reply.text), needles())).toEqual([])
    await send(field, 'GET', 'Basic', 500)
  })

  test('no canary is in the spool that takes the place of a ledger which is down', async () => {
    const db = new DatabaseSync(join(place.env.DATA_DIR!, 'ledger.db'))
    db.exec('begin immediate')
    const reply = await send(field, 'GET', `Patient?family=${plant(field, 'search while the ledger is down', 200)}`, 200, { headers: { 'x-request-id': plant(field, 'request id while it is down', 200) } })
    expect(reply.json.resourceType).toBe('Bundle')
    const spool = filesBelow(place.env.DATA_DIR!).filter(({ name }) => name.endsWith('.spool'))
    expect(spool.map(({ name, bytes }) => [name, bytes.length > 100])).toEqual([['ledger-server-1.spool', true]])
    expect(everywhere()).toEqual([])
    db.exec('rollback')
    db.close()
  })

  test('none of them is in any file or line of the log: while the server runs, after a kill, after a restart and a stop', async () => {
    expect(everywhere()).toEqual([])
    const files = filesBelow(place.env.DATA_DIR!).map(({ name }) => name)
    for (const name of ['wardkeep.db', 'wardkeep.db-wal', 'wardkeep.db-shm', 'ledger.db', 'ledger.db-wal', 'ledger.db-shm']) expect(files).toContain(name)
    expect(files.some((name) => name.startsWith('keys/'))).toBe(true)
    await server.kill()
    expect(everywhere()).toEqual([])
    expect(server.output().split('\n').length).toBeGreaterThan(field.plants.length / 2)
    server = await startChild(place)
    expect(await server.stop()).toBe(0)
    expect(everywhere()).toEqual([])
  })

  test('the tables hold exactly what docs/DATA-AT-REST.md says, and the only text is the name of a resource type', () => {
    const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'DATA-AT-REST.md'), 'utf8')
    const documented = [...page.matchAll(/^\| (\w+\.db) \| (\w+) \| (\w+) \|/gm)].map(([, file, table, column]) => `${file} ${table} ${column}`)
    const found: string[] = []
    const texts: string[] = []
    for (const file of ['wardkeep.db', 'ledger.db']) {
      const db = new DatabaseSync(join(place.env.DATA_DIR!, file), { readOnly: true })
      const columns = db.prepare("select m.name as owner, c.name as name, c.type as type from sqlite_schema m, pragma_table_info(m.name) c where m.type = 'table'").all() as { owner: string; name: string; type: string }[]
      for (const { owner, name, type } of columns) {
        found.push(`${file} ${owner} ${name}`)
        expect(['INTEGER', 'BLOB', 'TEXT']).toContain(type.toUpperCase())
        if (type.toUpperCase() !== 'TEXT') expect(db.prepare(`select count(*) as n from ${owner} where typeof(${name}) not in ('integer', 'blob', 'null')`).get()).toEqual({ n: 0 })
        else texts.push(...db.prepare(`select ${name} as value from ${owner}`).all().map((row) => `${row.value}`))
      }
      db.close()
    }
    expect(found.sort()).toEqual(documented.sort())
    expect(texts.length).toBeGreaterThan(5)
    expect(texts.filter((text) => !allTypes.includes(text))).toEqual([])
  })
})
