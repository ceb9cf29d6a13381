import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { copyFileSync, existsSync, rmSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest'
import { accessRecord, erasureRecord } from '../../src/audit/record.ts'
import { logOf } from '../../src/audit/slot.ts'
import { verifyLedger } from '../../src/audit/verify.ts'
import { auditCommand } from '../../src/cli/audit.ts'
import type { Bytes } from '../../src/model/resource.ts'
import { type LedgerEntry, type LedgerStore, StoreUnavailable } from '../../src/store/ports.ts'
import { asked, type Bench, CALLER, commit, openBench, put, reading } from './bench.ts'

const LOG = logOf('server-1')
let bench: Bench
beforeEach(async () => { bench = await openBench() })
afterEach(() => bench.close())

type Written = ReturnType<typeof put>

async function write(written: readonly Written[], more: { erase?: readonly Bytes[] } = {}): Promise<void> {
  const ledger = await bench.ledger()
  const record = accessRecord({ at: 0, request: asked('transaction'), caller: CALLER, status: 200, written: written.map((one) => one.written) })
  await commit(bench.records, { puts: written.map((one) => one.put), outbox: [await ledger.seal(record)], ...more })
  await ledger.close()
}

/** Three records, one of them changed once, and twenty reads. */
async function history(): Promise<void> {
  await write([put('Patient', '42', 1, ['42'], bench), put('Observation', 'o-1', 1, ['42'], bench), put('Observation', 'o-2', 1, ['42'], bench)])
  const ledger = await bench.ledger()
  for (let index = 0; index < 20; index++) {
    await ledger.append(accessRecord(reading('42', 'o-1')))
    if (index % 7 === 0) await ledger.sequence()
    bench.clock.ms += 10
  }
  await ledger.close()
  await write([put('Observation', 'o-2', 2, ['42'], bench)])
}

/** Changes a file behind the store's back. */
async function tamper(path: string, sql: string, ...values: SQLInputValue[]): Promise<void> {
  await bench.reopen(() => {
    const db = new DatabaseSync(path)
    db.prepare(sql).run(...values)
    db.close()
  })
}

const ledgerFile = (sql: string, ...values: SQLInputValue[]): Promise<void> => tamper(bench.ledgerPath, sql, ...values)
const texts = async (): Promise<readonly string[]> => (await verifyLedger(bench)).problems.map((problem) => problem.text)
const POS = 'pos % 1099511627776'

describe('a clean ledger', () => {
  it('verifies, with superseded versions and after a restart', async () => {
    await history()
    expect(await verifyLedger({ ...bench, store: bench.store, records: bench.records, versions: true }))
      .toEqual({ ok: true, exitCode: 0, entries: 25, waiting: 0, records: 3, erased: 0, problems: [] })
    await bench.reopen(() => undefined)
    expect(await texts()).toEqual([])
  })

  it('verifies while entries wait to be numbered', async () => {
    await history()
    const ledger = await bench.ledger()
    await ledger.append(accessRecord(reading('42', 'o-1')))
    const one = put('Observation', 'o-3', 1, ['42'], bench)
    await commit(bench.records, { puts: [one.put], outbox: [await ledger.seal(accessRecord({ at: 0, request: asked('create'), caller: CALLER, status: 201, written: [one.written] }))] })
    expect(await verifyLedger(bench)).toMatchObject({ ok: true, entries: 27, waiting: 1, records: 4 })
    await ledger.close()
  })

  it('verifies while it is written to', async () => {
    await history()
    const ledger = await bench.ledger({ intervalMs: 5 })
    let writing = true
    const writes = (async () => {
      for (let version = 3; writing; version++) {
        const one = put('Observation', 'o-2', version, ['42'], bench)
        await commit(bench.records, { puts: [one.put], outbox: [await ledger.seal(accessRecord({ at: 0, request: asked('update'), caller: CALLER, status: 200, written: [one.written] }))] })
      }
    })()
    for (let run = 0; run < 10; run++) expect(await texts()).toEqual([])
    writing = false
    await writes
    await ledger.close()
  })

  it('reports erased records as erased, also when the id is used again, and finds what an erasure left', async () => {
    await history()
    const keys = [bench.ring.recordKey('Observation', 'o-1'), bench.ring.recordKey('Observation', 'o-2')]
    const cli = await bench.ledger({ slot: 'cli' })
    const erasure = (erased: readonly Bytes[]) => cli.seal(erasureRecord({ at: 0, requestId: 'e', address: '', caller: null, patient: '42', keys: erased }))
    bench.clock.ms += 1000
    await commit(bench.records, { erase: keys, outbox: [await erasure(keys)] })
    await cli.sequence()
    expect(await verifyLedger(bench)).toMatchObject({ ok: true, erased: 2, records: 1 })
    bench.clock.ms += 1000
    await write([put('Observation', 'o-1', 1, ['42'], bench)])
    expect(await verifyLedger(bench)).toMatchObject({ ok: true, erased: 1, records: 2 })
    bench.clock.ms += 1000
    await commit(bench.records, { outbox: [await erasure([bench.ring.recordKey('Patient', '42')])] })
    await cli.close()
    expect(await texts()).toEqual([expect.stringContaining('is there although it was erased')])
  })
})

describe('found in the ledger', () => {
  beforeEach(history)
  afterEach(async () => {
    expect(await verifyLedger(bench)).toMatchObject({ ok: false, exitCode: 2 })
  })

  it('a flipped bit at any place of an entry', async () => {
    const [entry] = await bench.store.entries(LOG, 9, 1, 'oldest')
    for (const at of [0, 5, 6, 7, 25, 32, 50, 60, 200, entry!.sealed.length - 1]) {
      const changed = entry!.sealed.slice()
      changed[at]! ^= 1
      await ledgerFile(`update entry set sealed=? where ${POS}=9`, changed)
      expect(await texts(), `byte ${at}`).toContain('server-1 9: it does not follow from the entry before it')
    }
    await ledgerFile(`update entry set sealed=? where ${POS}=9`, entry!.sealed)
    expect(await texts()).toEqual([])
    const link = entry!.link.slice()
    link[3]! ^= 128
    await ledgerFile(`update entry set link=? where ${POS}=9`, link)
  })

  it('an id that was changed', () => ledgerFile(`update entry set id=? where ${POS}=9`, new Uint8Array(16)))

  it('a deleted entry', async () => {
    await ledgerFile(`delete from entry where ${POS}=9`)
    expect(await texts()).toContain('server-1: entries 9 to 9 are missing')
  })

  it('a deleted entry whose followers were moved up', async () => {
    await ledgerFile(`delete from entry where ${POS}=9`)
    await ledgerFile(`update entry set pos=-pos where ${POS}>9`)
    await ledgerFile('update entry set pos=-pos-1 where pos<0')
    await ledgerFile('update log set seq=seq-1')
  })

  it('two entries that changed places', async () => {
    const [left, right] = await bench.store.entries(LOG, 9, 2, 'oldest')
    await ledgerFile(`update entry set id=? where ${POS}=9`, new Uint8Array(16))
    await ledgerFile(`update entry set id=?, sealed=? where ${POS}=10`, left!.id, left!.sealed)
    await ledgerFile(`update entry set id=?, sealed=? where ${POS}=9`, right!.id, right!.sealed)
  })

  it('an end that was cut off, with the head set back to match', async () => {
    const [last] = await bench.store.entries(LOG, 20, 1, 'oldest')
    await ledgerFile(`delete from entry where ${POS}>20`)
    expect(await texts()).toContain('server-1: the end is missing after entry 20')
    await ledgerFile('update log set seq=20, link=?', last!.link)
    expect(await texts()).toContain('server-1: entry 25 is not as the mark in the record store names it')
  })

  it('a log that was removed as a whole', async () => {
    await ledgerFile('delete from entry')
    await ledgerFile('delete from log')
    expect(await texts()).toContain('server-1: entry 25 is not as the mark in the record store names it')
  })

  it('the file of another day put back', async () => {
    const files = ['', '-wal', '-shm'].map((end) => `${bench.ledgerPath}${end}`)
    await bench.reopen(() => files.filter((file) => existsSync(file)).forEach((file) => copyFileSync(file, `${file}.old`)))
    const ledger = await bench.ledger()
    await ledger.append(accessRecord(reading('42', 'o-1')))
    await ledger.close()
    expect(await texts()).toEqual([])
    await bench.reopen(() => {
      for (const file of files) {
        rmSync(file, { force: true })
        if (existsSync(`${file}.old`)) copyFileSync(`${file}.old`, file)
      }
    })
    expect(await texts()).toEqual([expect.stringContaining('is not as the mark in the record store names it')])
  })

  it('an entry put in: a repeated one, and one of nobody', async () => {
    const [entry] = await bench.store.entries(LOG, 9, 1, 'oldest')
    const { seq, link } = await bench.store.head(LOG)
    await ledgerFile('insert into entry(pos,id,sealed,link) select max(pos)+1, ?, ?, ? from entry', new Uint8Array(16), entry!.sealed, link)
    expect(await texts()).toContain('server-1: entries lie behind its end')
    await ledgerFile('update log set seq=?', seq + 1)
    expect(await texts()).toContain(`server-1 ${seq + 1}: it does not open`)
  })

  it('a waiting entry of nobody', async () => {
    await commit(bench.records, { outbox: [{ id: new Uint8Array(16), sealed: new Uint8Array(200).fill(1) }] })
  })

  it('a mark that was changed', async () => {
    await commit(bench.records, { documents: [{ name: bench.ring.documentName('ledger-head', 'server-1'), expect: null, expires: null, sealed: new Uint8Array(100) }] })
  })
})

test('a mark that is gone is told, as what could not be compared', async () => {
  await history()
  expect((await verifyLedger(bench)).exitCode).toBe(0)
  await commit(bench.records, { documents: [{ name: bench.ring.documentName('ledger-head', 'server-1'), expect: null, expires: null, sealed: null }] })
  const { exitCode, problems } = await verifyLedger(bench)
  expect([exitCode, problems.map(({ text }) => text)]).toEqual([3, ['server-1: the record store has no mark of its end; a server that starts makes one']])
})

describe('300 random mutations of a log', () => {
  /** The ledger as it is, but for the entries of one log. `head` follows the last of them when `mended`. */
  function showing(entries: readonly LedgerEntry[], mended: boolean): LedgerStore {
    const at = (seq: number): number => entries.findIndex((entry) => entry.seq >= seq)
    return Object.assign(Object.create(bench.store) as LedgerStore, {
      entries: async (_: Bytes, from: number, limit: number) => (at(from) < 0 ? [] : entries.slice(at(from), at(from) + limit)),
      ...(mended ? { head: async () => ({ seq: entries.at(-1)?.seq ?? 0, link: entries.at(-1)?.link ?? new Uint8Array(32) }) } : {})
    })
  }
  const numbered = (entries: readonly LedgerEntry[]): readonly LedgerEntry[] => entries.map((entry, index) => ({ ...entry, seq: index + 1 }))
  /** A small generator with a fixed seed: a run that fails can be run again. */
  function dice(seed: number): (sides: number) => number {
    let state = seed
    return (sides) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * sides)
    }
  }
  const flip = (bytes: Bytes, bit: number): Bytes => bytes.map((byte, index) => (index === bit >>> 3 ? byte ^ (1 << (bit & 7)) : byte))

  it('are all found, and 20 clean runs between them find nothing', async () => {
    await history()
    const entries = await bench.store.entries(LOG, 1, 1000, 'oldest')
    const roll = dice(4711)
    const kinds: readonly ((at: number, other: number) => readonly LedgerEntry[])[] = [
      (at) => entries.map((entry, index) => (index === at ? { ...entry, sealed: flip(entry.sealed, roll(entry.sealed.length * 8)) } : entry)),
      (at) => entries.map((entry, index) => (index === at ? { ...entry, link: flip(entry.link, roll(256)) } : entry)),
      (at) => entries.map((entry, index) => (index === at ? { ...entry, id: flip(entry.id, roll(128)) } : entry)),
      (at) => entries.filter((_, index) => index !== at),
      (at) => numbered(entries.filter((_, index) => index !== at)),
      (at, other) => numbered(entries.map((entry, index) => (index === at ? entries[other]! : index === other ? entries[at]! : entry))),
      (at) => entries.slice(0, at),
      (at, other) => numbered([...entries.slice(0, at), entries[other]!, ...entries.slice(at)]),
      (at) => numbered([...entries, entries[at]!])
    ]
    for (let run = 0; run < 300; run++) {
      const at = roll(entries.length)
      const other = (at + 1 + roll(entries.length - 1)) % entries.length
      const kind = run % kinds.length
      const store = showing(kinds[kind]!(at, other), roll(2) === 1)
      expect((await verifyLedger({ store, records: bench.records, ring: bench.ring })).exitCode, `run ${run}, kind ${kind}, entry ${at + 1}`).toBe(2)
      if (run % 15 === 0) expect((await verifyLedger({ store: showing(entries, true), records: bench.records, ring: bench.ring })).problems).toEqual([])
    }
  })
})

describe('found in the records', () => {
  beforeEach(history)
  const key = (id: string): Bytes => bench.ring.recordKey('Observation', id)
  const recordsFile = (sql: string, ...values: SQLInputValue[]): Promise<void> => tamper(bench.recordsPath, sql, ...values)

  it('other bytes, of the current version and of a superseded one', async () => {
    await recordsFile('update record set sealed=? where key=?', new Uint8Array(64), key('o-1'))
    expect(await texts()).toEqual([expect.stringContaining('does not hold the bytes that were written')])
    await recordsFile('update version set sealed=? where recno=(select recno from record where key=?)', new Uint8Array(64), key('o-2'))
    const { problems } = await verifyLedger({ store: bench.store, records: bench.records, ring: bench.ring, versions: true })
    expect(problems.map((problem) => problem.text)).toContainEqual(expect.stringContaining('that were written as version 1'))
  })

  it('a record rolled back to an older version', async () => {
    const old = await bench.records.version(key('o-2'), 1)
    await recordsFile('update record set version=1, sealed=? where key=?', old!.sealed, key('o-2'))
    expect(await texts()).toEqual([expect.stringContaining('was rolled back from version 2 to 1')])
  })

  it('a record that is missing without an erasure', async () => {
    await commit(bench.records, { erase: [key('o-1')] })
    expect(await texts()).toEqual([expect.stringContaining('is missing, and no erasure names it')])
  })

  it('a record and a version that no entry names', async () => {
    await commit(bench.records, { puts: [put('Observation', 'o-9', 1, ['42'], bench).put] })
    expect(await texts()).toEqual([expect.stringContaining('has no entry in the ledger')])
    await commit(bench.records, { puts: [put('Observation', 'o-1', 2, ['42'], bench).put] })
    expect(await texts()).toContainEqual(expect.stringContaining('has a version 2 without an entry'))
  })
})

describe('audit verify', () => {
  async function run(): Promise<{ lines: readonly string[]; code: unknown }> {
    const lines: string[] = []
    const open = async () => ({ verify: (options: { versions: boolean }) => verifyLedger({ ...bench, store: bench.store, records: bench.records, ...options }), close: async () => undefined })
    await auditCommand(open, (line) => lines.push(line)).parseAsync(['verify', '--versions'], { from: 'user' })
    const code = process.exitCode
    process.exitCode = 0
    return { lines, code }
  }

  it('prints counts and problems, and exits with 0 or 2', async () => {
    await history()
    expect(await run()).toEqual({ lines: ['ok: 25 entries, 0 waiting, 3 records, 0 erased, 0 problems'], code: 0 })
    await ledgerFile(`delete from entry where ${POS}=9`)
    const { lines, code } = await run()
    expect([code, lines[0], lines.at(-1)]).toEqual([2, 'tampered: server-1: entries 9 to 9 are missing', expect.stringMatching(/^tampered: 24 entries/)])
  })

  it('exits with 3 when a store cannot be read, which is no finding of tampering', async () => {
    await history()
    const records = Object.assign(Object.create(bench.records) as typeof bench.records, { scan: () => Promise.reject(new StoreUnavailable('down')) })
    expect(await verifyLedger({ store: bench.store, records, ring: bench.ring })).toMatchObject({ exitCode: 3, problems: [{ kind: 'incomplete' }] })
  })
})
