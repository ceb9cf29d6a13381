import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { anyTypeTerm, patientTerm } from '../../src/crypto/blind-index.ts'
import { loadConfig } from '../../src/config.ts'
import { startServing } from '../../src/serve.ts'
import { openSystem } from '../../src/system.ts'
import { askAt, wardkeep } from '../child.ts'
import { freePort } from '../free-port.ts'
import { type Harness, type Json, type Reply, startHarness, SYSTEM } from '../harness.ts'

/** Keys and terms as a thief with a copy of the keys could know them; who only writes to the files knows less. */
interface Known { readonly keys: Readonly<Record<string, Buffer>>; readonly terms: Readonly<Record<string, Buffer>>; readonly names: Readonly<Record<string, Buffer>> }

let folder: string
let known: Known
let tokens: Readonly<Record<'system' | 'anna' | 'bert', string>>
let copies = 0

const MARKS = { anna: 'belongs to anna', bert: 'belongs to bert' } as const
/** Of each patient one observation for every change of CHANGES, and two that stay whole there. */
const numbers = (): readonly number[] => Array.from({ length: CHANGES.length + 2 }, (_, number) => number + 1)
const refs = (): readonly string[] => ['Patient/anna', 'Patient/bert', ...numbers().flatMap((number) => [`Observation/anna-${number}`, `Observation/bert-${number}`])]
const observation = (patient: 'anna' | 'bert', number: number, more: Json = {}): Json => ({
  resourceType: 'Observation', id: `${patient}-${number}`, status: 'final', code: { text: 'x' }, subject: { reference: `Patient/${patient}` }, valueString: `${MARKS[patient]} ${number}`, ...more
})

/** One stopped store with two patients; each test works on a copy of it. */
beforeAll(async () => {
  const server: Harness = await startHarness()
  for (const patient of ['anna', 'bert'] as const) {
    await server.put({ resourceType: 'Patient', id: patient, name: [{ family: MARKS[patient] }] })
    for (const number of numbers()) for (const status of ['final', 'amended']) await server.put(observation(patient, number, { status }))
  }
  tokens = {
    system: await server.token(SYSTEM), anna: await server.token({ scope: 'patient/*.rs', patient: 'anna' }), bert: await server.token({ scope: 'patient/*.rs', patient: 'bert' })
  }
  for (const ref of refs()) await server.ask(tokens.system, 'GET', ref)
  const { ring } = server.running.system
  const each = (refs: readonly string[], of: (ref: string) => Uint8Array): Readonly<Record<string, Buffer>> => Object.fromEntries(refs.map((ref) => [ref, Buffer.from(of(ref))]))
  known = {
    keys: each(refs(), (ref) => ring.recordKey(ref.split('/')[0]!, ref.split('/')[1]!)),
    terms: { observations: Buffer.from(patientTerm(ring, 'Observation', 'bert')), any: Buffer.from(anyTypeTerm(ring, 'bert')) },
    names: each(['anna', 'bert'], (patient) => ring.patientKeyName(patient))
  }
  folder = mkdtempSync(join(tmpdir(), 'wardkeep-tampering-'))
  await server.running.close()
  cpSync(server.dir, join(folder, 'clean'), { recursive: true })
  rmSync(server.dir, { recursive: true })
})
afterAll(() => { if (folder !== undefined) rmSync(folder, { recursive: true, force: true }) })

type Change = (records: DatabaseSync, ledger: DatabaseSync) => void

/** A copy of the store with a change made behind its back. */
function tampered(change: Change): string {
  const dir = join(folder, `copy-${++copies}`)
  cpSync(join(folder, 'clean'), dir, { recursive: true })
  const [records, ledger] = ['wardkeep.db', 'ledger.db'].map((name) => new DatabaseSync(join(dir, name))) as [DatabaseSync, DatabaseSync]
  change(records, ledger)
  records.close()
  ledger.close()
  return dir
}

const settings = (dir: string, port = 0): Readonly<Record<string, string>> => ({ DATA_DIR: dir, PORT: String(port), LOG_LEVEL: 'silent', RATE_LIMIT: '1000000' })

async function verdict(dir: string): Promise<readonly [exitCode: number, texts: string]> {
  const system = await openSystem({ config: loadConfig(settings(dir)), slot: 'cli' })
  try {
    const { exitCode, problems } = await system.verify({ versions: true })
    return [exitCode, problems.map((problem) => problem.text).join('; ')]
  } finally {
    await system.close()
  }
}

type Ask = (who: keyof typeof tokens, path: string) => Promise<Reply>

/** Serves a copy. Whatever was changed, neither patient is shown a mark of the other. */
async function served(dir: string, check: (ask: Ask) => Promise<void>): Promise<void> {
  const running = await startServing(loadConfig(settings(dir, await freePort())))
  const ask: Ask = (who, path) => askAt(`http://127.0.0.1:${running.port}/fhir/R4`, tokens[who], 'GET', path)
  try {
    await check(ask)
    for (const who of ['anna', 'bert'] as const) {
      const other = MARKS[who === 'anna' ? 'bert' : 'anna']
      for (const path of ['Observation', 'Patient', ...refs().flatMap((ref) => [ref, `${ref}/_history`])]) {
        const reply = await ask(who, path)
        expect([who, path, reply.text.includes(other)]).toEqual([who, path, false])
      }
    }
  } finally {
    await running.close()
  }
}

const column = (db: DatabaseSync, key: Buffer, name: string): Uint8Array => db.prepare(`select ${name} as it from record where key = ?`).get(key)!.it as Uint8Array
const setSealed = (db: DatabaseSync, key: Buffer, sealed: Uint8Array): void => void db.prepare('update record set sealed = ? where key = ?').run(sealed, key)
const update = (set: string) => (db: DatabaseSync, key: Buffer): void => void db.prepare(`update record set ${set} where key = ?`).run(key)
const flip = (at: number) => (db: DatabaseSync, key: Buffer): void => {
  const sealed = Uint8Array.from(column(db, key, 'sealed'))
  sealed[at]! ^= 1 << (at % 8)
  setSealed(db, key, sealed)
}
const swap = (db: DatabaseSync, key: Buffer, other: Buffer): void => {
  const [first, second] = [column(db, key, 'sealed'), column(db, other, 'sealed')]
  setSealed(db, key, second)
  setSealed(db, other, first)
}

/** Each is done to an observation of anna's; `other` is bert's of the same number. */
const CHANGES: readonly (readonly [what: string, change: (db: DatabaseSync, key: Buffer, other: Buffer) => void])[] = [
  ['it was swapped with another patient’s', swap],
  ['another patient’s was put in its place', (db, key, other) => setSealed(db, key, column(db, other, 'sealed'))],
  ['another of its patient was put in its place', (db, key) => setSealed(db, key, column(db, known.keys['Observation/anna-1']!, 'sealed'))],
  ['an older version was put under the newer number', update('sealed = (select sealed from version v where v.recno = record.recno and v.version = 1)')],
  ['its number was raised', update('version = 3')],
  ['its time was changed', update('updated = updated + 1')],
  ['its deletion was faked', update('deleted = 1')],
  ['its type was changed', update("type = (select id from type where name = 'Patient')")],
  ['its key was given to another record', (db, key, other) => {
    db.prepare('delete from record where key = ?').run(key)
    db.prepare('update record set key = ? where key = ?').run(key, other)
  }],
  ['it was cut off', update('sealed = cast(substr(sealed, 1, 300) as blob)')],
  ...[0, 1, 9, 20, 30, 60, 300, 560].map((at): readonly [string, (db: DatabaseSync, key: Buffer) => void] => [`a bit of its byte ${at} was flipped`, flip(at)])
]

describe('a store that nobody has touched', () => {
  test('serves each patient what is theirs, and verifies: by the same calls as below', async () => {
    const dir = tampered(() => undefined)
    expect(await verdict(dir)).toEqual([0, ''])
    await served(dir, async (ask) => {
      for (const ref of refs()) expect([ref, (await ask('system', ref)).status]).toEqual([ref, 200])
      for (const who of ['anna', 'bert'] as const) {
        const reply = await ask(who, 'Observation')
        expect([reply.json.entry.length, reply.text.includes(MARKS[who])]).toEqual([numbers().length, true])
      }
    })
  })
})

describe('a record that was changed in the file', () => {
  test('is a 500 without content, whatever the change, and each is named by verify; the others read', async () => {
    const keysOf = (number: number): readonly [Buffer, Buffer] => [known.keys[`Observation/anna-${number + 3}`]!, known.keys[`Observation/bert-${number + 3}`]!]
    const dir = tampered((db) => CHANGES.forEach(([, change], number) => change(db, ...keysOf(number))))
    const [exitCode, texts] = await verdict(dir)
    expect([exitCode, CHANGES.filter((_, number) => !texts.includes(keysOf(number)[0].toString('hex'))).map(([what]) => what)]).toEqual([2, []])
    await served(dir, async (ask) => {
      for (const [number, [what]] of CHANGES.entries()) {
        for (const who of ['system', 'anna'] as const) {
          const reply = await ask(who, `Observation/anna-${number + 3}`)
          expect([what, reply.status, reply.json.resourceType, /belongs/.test(reply.text)]).toEqual([what, 500, 'OperationOutcome', false])
        }
      }
      for (const ref of ['Patient/anna', 'Observation/anna-1', 'Observation/bert-2']) expect([ref, (await ask('system', ref)).status]).toEqual([ref, 200])
    })
  })

  test('rolled back as a whole, with its number and time, it reads as it was, and verify says so', async () => {
    const dir = tampered((db) => {
      const key = known.keys['Observation/anna-2']!
      db.prepare('update record set (version, updated, sealed) = (select version, updated, sealed from version v where v.recno = record.recno and v.version = 1) where key = ?').run(key)
      db.prepare('delete from version where recno = (select recno from record where key = ?)').run(key)
    })
    await served(dir, async (ask) => expect((await ask('anna', 'Observation/anna-2')).json.meta.versionId).toBe('1'))
    expect(await verdict(dir)).toEqual([2, expect.stringContaining('was rolled back from version 2 to 1')])
  })

  test('removed with all its index rows, it reads as absent, and verify says so', async () => {
    const dir = tampered((db) => {
      const key = known.keys['Observation/anna-1']!
      db.prepare('delete from posting where recno = (select recno from record where key = ?)').run(key)
      db.prepare('delete from record where key = ?').run(key)
    })
    await served(dir, async (ask) => expect((await ask('anna', 'Observation/anna-1')).status).toBe(404))
    expect(await verdict(dir)).toEqual([2, expect.stringContaining('is missing, and no erasure names it')])
  })

  test('a superseded version that was changed or removed is found', async () => {
    const older = "where version = 1 and recno = (select recno from record where key = ?)"
    for (const sql of [`update version set sealed = (select sealed from record where record.recno = version.recno) ${older}`, `delete from version ${older}`]) {
      expect((await verdict(tampered((db) => db.prepare(sql).run(known.keys['Observation/anna-2']!))))[0]).toBe(2)
    }
  })

  test('given another patient’s visibility terms, it is not shown to that patient', async () => {
    const dir = tampered((db) => {
      const row = db.prepare('select recno, updated, terms, trail from record where key = ?').get(known.keys['Observation/anna-1']!) as { recno: number; updated: number; terms: Uint8Array; trail: Uint8Array }
      const added = [known.terms.observations!, known.terms.any!]
      const packed = (terms: Uint8Array): Buffer => Buffer.concat([...Array.from({ length: terms.length / 16 }, (_, i) => Buffer.from(terms.subarray(i * 16, i * 16 + 16))), ...added].sort(Buffer.compare))
      db.prepare('update record set terms = ?, trail = ? where recno = ?').run(packed(row.terms), packed(row.trail), row.recno)
      for (const term of added) db.prepare('insert into posting(term, updated, recno) values (?, ?, ?)').run(term, row.updated, row.recno)
    })
    await served(dir, async (ask) => expect((await ask('bert', 'Observation')).json.entry.map((entry: Json) => entry.resource.id).sort()).toEqual(numbers().map((number) => `bert-${number}`).sort()))
  })
})

describe('a patient’s key that was changed in the file', () => {
  test('swapped with another patient’s, it opens nothing', async () => {
    const dir = tampered((db) => {
      const of = db.prepare('select sealed from document where name = ?')
      const [anna, bert] = ['anna', 'bert'].map((name) => of.get(known.names[name]!)!.sealed as Uint8Array)
      for (const [name, sealed] of [['anna', bert!], ['bert', anna!]] as const) db.prepare('update document set sealed = ? where name = ?').run(sealed, known.names[name]!)
    })
    await served(dir, async (ask) => {
      for (const ref of refs()) expect([ref, (await ask('system', ref)).status]).toEqual([ref, 500])
    })
    expect((await verdict(dir))[0]).toBe(2)
  })

  test('removed, with no erasure in the ledger, it is missed by verify', async () => {
    const dir = tampered((db) => db.prepare('delete from document where name = ?').run(known.names.anna!))
    expect(await verdict(dir)).toEqual([2, expect.stringContaining('key is gone')])
  })
})

describe('a ledger that was changed in the file', () => {
  const cut = (count: number): Change => (_, ledger) => {
    const log = ledger.prepare("select no, seq from log where hex(name) like '736572766572%'").get() as { no: number; seq: number }
    const room = 2 ** 40
    ledger.prepare('delete from entry where pos > ? and pos <= ?').run(log.no * room + log.seq - count, log.no * room + log.seq)
    ledger.prepare('update log set seq = ?, link = (select link from entry where pos = ?) where no = ?').run(log.seq - count, log.no * room + log.seq - count, log.no)
  }
  const changes: readonly (readonly [string, Change])[] = [
    ['its end was cut off', (_, ledger) => ledger.prepare('delete from entry where pos = (select max(pos) from entry)').run()],
    ['its end was cut off and its head set back', cut(3)],
    ['an entry was taken from its middle', (_, ledger) => ledger.prepare('delete from entry where pos = (select min(pos) + 4 from entry)').run()],
    ['two entries were exchanged', (_, ledger) => {
      const [a, b] = ledger.prepare('select pos, id, sealed from entry order by pos limit 2 offset 3').all() as { pos: number; id: Uint8Array; sealed: Uint8Array }[]
      ledger.prepare('update entry set id = x\'00\' where pos = ?').run(a!.pos)
      ledger.prepare('update entry set id = ?, sealed = ? where pos = ?').run(a!.id, a!.sealed, b!.pos)
      ledger.prepare('update entry set id = ?, sealed = ? where pos = ?').run(b!.id, b!.sealed, a!.pos)
    }],
    ['a bit of an entry was flipped', (_, ledger) => {
      const entry = ledger.prepare('select pos, sealed from entry order by pos limit 1 offset 3').get() as { pos: number; sealed: Uint8Array }
      entry.sealed[100]! ^= 1
      ledger.prepare('update entry set sealed = ? where pos = ?').run(entry.sealed, entry.pos)
    }],
    ['all of it was emptied', (_, ledger) => ledger.exec('delete from entry; delete from log; delete from posting')]
  ]
  test.each(changes)('%s: verify says so, and still does after the server ran again', async (_, change) => {
    expect((await verdict(tampered(change)))[0]).toBe(2)
    const again = tampered(change)
    await (await startServing(loadConfig(settings(again, await freePort())))).close()
    expect((await verdict(again))[0]).toBe(2)
  })
})

test('the command says 2, in one line for each problem and a last one', async () => {
  const dir = tampered((db) => swap(db, known.keys['Observation/anna-1']!, known.keys['Observation/bert-1']!))
  const { code, out } = await wardkeep({ dir, env: settings(dir) }, 'audit', 'verify')
  expect(code).toBe(2)
  expect(out.trim().split('\n').length).toBe(3)
  expect(out).not.toMatch(/anna|bert/)
})
