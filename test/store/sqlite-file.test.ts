import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openSqliteLedger } from '../../src/store/adapters/sqlite/ledger.ts'
import { openSqliteStore } from '../../src/store/adapters/sqlite/store.ts'
import { startWriter } from '../../src/store/adapters/sqlite/writer-link.ts'
import { StoreBroken, StoreUnavailable, StoreUnknown, type RecordStore } from '../../src/store/ports.ts'
import { allPages, commitOf, must, named, put, query, randomId, text } from './conformance/fixtures.ts'
import { makeOldLedger } from './old-ledger.ts'
import { INCREMENTS, raise } from './sqlite-child.ts'

let folder: string
let path: string
const now = Date.now
const script = join(import.meta.dirname, 'sqlite-child.ts')

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wardkeep-'))
  path = join(folder, 'data', 'store.db')
})
afterEach(() => { rmSync(folder, { recursive: true }) })

function child(task: string): { readonly process: ReturnType<typeof spawn>; readonly output: Promise<string>; readonly code: Promise<number | null> } {
  const started = spawn(process.execPath, [script, task, path], { stdio: ['ignore', 'pipe', 'inherit'], env: {} })
  let output = ''
  started.stdout?.on('data', (piece) => { output += String(piece) })
  const code = new Promise<number | null>((resolve) => { started.once('close', resolve) })
  return { process: started, code, output: code.then(() => output) }
}

/** Raises the shared version as long as the other writer lives; how often. */
async function raiseUntil(store: RecordStore, end: Promise<unknown>): Promise<number> {
  let ended = false
  void end.finally(() => { ended = true })
  let raised = 0
  for (; !ended; raised++) await raise(store, 1)
  return raised
}

describe('the files of the sqlite store', () => {
  it('are readable by their owner only: database, WAL, shared memory', async () => {
    const store = await openSqliteStore({ path, now })
    await must(store, { puts: [put('a')] })
    const files = readdirSync(join(folder, 'data'))
    expect(files.sort()).toEqual(['store.db', 'store.db-shm', 'store.db-wal'])
    for (const file of files) expect([file, statSync(join(folder, 'data', file)).mode & 0o777]).toEqual([file, 0o600])
    await store.close()
    expect(readdirSync(join(folder, 'data')).sort()).toEqual(['store.db'])
  })

  it('are read again where somebody else has written into them, by SQL too', async () => {
    const store = await openSqliteStore({ path, now })
    await must(store, { puts: [put('a', { sealed: 'first', terms: ['t'] }), put('b', { terms: ['t'] })] })
    const read = async (): Promise<readonly (string | undefined)[]> => (await store.get([named('a'), named('b')])).map((stored) => stored && Buffer.from(stored.sealed).toString())
    const found = async (): Promise<number> => (await allPages((ask) => store.find(query([['t']]), ask))).length
    const sql = new DatabaseSync(path)
    expect([await read(), await found()]).toEqual([['first', 'b 1'], 2])
    const [before] = await store.get([named('a')])
    expect((await store.get([named('a')]))[0]).toBe(before)
    sql.prepare('update record set sealed=? where key=?').run(text('other'), named('a'))
    expect([await read(), await found()]).toEqual([['other', 'b 1'], 2])
    // A write of this process beside it does not hide it.
    await must(store, { puts: [put('b', { expect: 1, terms: ['t'] })] })
    expect(await read()).toEqual(['other', 'b 2'])
    sql.exec('delete from posting; delete from record')
    expect([await read(), await found()]).toEqual([[undefined, undefined], 0])
    sql.close()
    await store.close()
  })

  it('hold nothing of an erased record or a removed document once the commit is answered', async () => {
    const canary = 'canary-canary-canary'
    const store = await openSqliteStore({ path, now })
    const holds = (): boolean => [path, `${path}-wal`].some((file) => readFileSync(file).includes(canary))
    const terms = [named('term-of-the-erased')]
    const holdsTerm = (): boolean => [path, `${path}-wal`].some((file) => terms.some((term) => readFileSync(file).includes(term)))
    await must(store, { puts: [put('a', { sealed: canary.repeat(1_000), terms: ['term-of-the-erased'], trail: ['term-of-the-erased'] })] })
    await must(store, { puts: [put('a', { expect: 1, sealed: canary, terms: ['term-of-the-erased'] }), put('b')] })
    await must(store, { documents: [{ name: named('key'), expect: 0, expires: null, sealed: text(canary) }] })
    expect([holds(), holdsTerm()]).toEqual([true, true])
    await must(store, { erase: [named('a')] })
    expect([holds(), holdsTerm()]).toEqual([true, false])
    await must(store, { documents: [{ name: named('key'), expect: 1, expires: null, sealed: null }] })
    expect(holds()).toBe(false)
    expect((await store.get([named('b')]))[0]?.version).toBe(1)
    await store.close()
  })

  it('of another kind, of no kind, damaged or out of reach are refused, and no thread is left behind', async () => {
    await (await openSqliteLedger({ path, now })).close()
    await expect(openSqliteStore({ path, now })).rejects.toBeInstanceOf(StoreBroken)
    const text = join(folder, 'data', 'text.db')
    writeFileSync(text, 'not a database, but long enough to be taken for one'.repeat(200))
    await expect(openSqliteStore({ path: text, now })).rejects.toBeInstanceOf(StoreBroken)
    await expect(openSqliteStore({ path: folder, now })).rejects.toBeInstanceOf(StoreUnavailable)
  })

  it('of a ledger that kept unnumbered entries apart are taken over where it has none, and refused where one waits', async () => {
    mkdirSync(join(folder, 'data'))
    makeOldLedger(path, 1, { log: named('cli').slice(0, 8), entries: 1, indexed: 0, postings: [] })
    const older = (sql: string): void => {
      const db = new DatabaseSync(path)
      db.exec(sql)
      db.close()
    }
    older("insert into pending(id,sealed) values (x'01',x'02')")
    for (let time = 0; time < 2; time++) await expect(openSqliteLedger({ path, now })).rejects.toThrow('earlier version')
    older('delete from pending')
    const again = await openSqliteLedger({ path, now })
    expect((await again.entries(named('cli').slice(0, 8), 1, 10, 'oldest')).map(({ seq }) => seq)).toEqual([1])
    await again.close()
    const db = new DatabaseSync(path)
    expect(db.prepare("select count(*) as n from sqlite_master where name='pending'").get()).toMatchObject({ n: 0 })
    db.close()
  })

  it('with a damaged page answer StoreBroken, never other bytes', async () => {
    const store = await openSqliteStore({ path, now })
    await must(store, { puts: Array.from({ length: 200 }, (_, i) => put(`r${i}`, { terms: ['t'], sealed: 'x'.repeat(500) })) })
    await store.close()
    const bytes = readFileSync(path)
    writeFileSync(path, bytes.fill(0xff, 16 * 4096))
    const damaged = await openSqliteStore({ path, now })
    await expect(allPages((ask) => damaged.find(query([['t']]), ask))).rejects.toBeInstanceOf(StoreBroken)
    await damaged.close()
  })

  it('let go of expired documents and of commit ids older than a day', async () => {
    let time = 1_000_000
    const store = await openSqliteStore({ path, now: () => time })
    const rows = (table: 'document' | 'done'): number => {
      const db = new DatabaseSync(path, { readOnly: true })
      const count = Number(db.prepare(`select count(*) as n from ${table}`).get()?.['n'])
      db.close()
      return count
    }
    const lasting = { name: named('lasting'), expect: 0, expires: null, sealed: text('x') }
    await must(store, { documents: [{ name: named('short'), expect: 0, expires: time + 10, sealed: text('x') }, lasting] })
    time += 60_000
    await store.health()
    expect([rows('document'), rows('done')]).toEqual([1, 1])
    time += 24 * 3_600_000
    await store.health()
    expect([rows('document'), rows('done')]).toEqual([1, 0])
    await store.close()
  })
})

describe('several writers of one file', () => {
  it('lose no update: two processes', async () => {
    const store = await openSqliteStore({ path, now })
    const other = child('increments')
    const raised = await raiseUntil(store, other.code)
    expect(await other.code).toBe(0)
    expect(raised).toBeGreaterThan(INCREMENTS / 4)
    expect((await store.get([named('shared')]))[0]?.version).toBe(INCREMENTS + raised)
    await store.close()
  })

  it('lose no update: two threads through one writer thread, and each reads its own commits', async () => {
    const store = await openSqliteStore({ path, now })
    const writer = store.connect()
    const thread = new Worker(script, { workerData: { path, writer }, transferList: [writer], execArgv: [] })
    const ended = new Promise((resolve, reject) => { thread.once('exit', resolve).once('error', reject) })
    const raised = await raiseUntil(store, ended)
    expect(await ended).toBe(0)
    expect((await store.get([named('shared')]))[0]?.version).toBe(INCREMENTS + raised)
    await store.close()
  })
})

describe('an end without warning', () => {
  it('of the writer: commits in flight are unknown, later ones refused as broken, reads go on, close ends', async () => {
    const { port, worker } = startWriter(path, 'records')
    const store = await openSqliteStore({ path, now, writer: port })
    await must(store, { puts: [put('a')] })
    const inFlight = Array.from({ length: 5 }, () => store.commit(commitOf({ outbox: [{ id: randomId(), sealed: text('x') }] })))
    const settled = Promise.allSettled(inFlight)
    await Promise.resolve()
    await worker.terminate()
    for (const result of await settled) {
      if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(StoreUnknown)
    }
    // One that was sent before the end was heard of is unknown too.
    const refusal = (): Promise<unknown> => store.commit(commitOf({ puts: [put('b')] })).catch((error: unknown) => error)
    const first = await refusal()
    expect(first instanceof StoreUnknown ? await refusal() : first).toBeInstanceOf(StoreBroken)
    await expect(store.health()).rejects.toBeInstanceOf(StoreBroken)
    expect((await store.get([named('a')]))[0]?.version).toBe(1)
    await store.close()
  })

  it('of the process: every acknowledged commit is there, whole', async () => {
    const running = child('writesUntilKilled')
    await new Promise((resolve) => { running.process.stdout?.once('data', () => setTimeout(resolve, 300)) })
    running.process.kill('SIGKILL')
    const acknowledged = (await running.output).split('\n').slice(0, -1)
    expect(acknowledged.length).toBeGreaterThan(8)
    const store = await openSqliteStore({ path, now })
    for (const i of acknowledged) {
      expect((await store.get([named(`r${i}`)]))[0]?.version).toBe(1)
      expect((await store.find(query([[`t${i}`]]), { after: null, limit: 2, examine: 2 })).records.length).toBe(1)
    }
    await store.close()
  })

  it('is not how a process ends that closes its stores: nothing keeps it alive', async () => {
    const running = child('opensAndCloses')
    const late = setTimeout(() => { running.process.kill('SIGKILL') }, 15_000)
    expect(await running.code).toBe(0)
    clearTimeout(late)
  })

  it('leaves a closed store that refuses reads and writes', async () => {
    const store = await openSqliteStore({ path, now })
    await store.close()
    await store.close()
    await expect(store.get([named('a')])).rejects.toBeInstanceOf(StoreUnavailable)
    await expect(store.commit(commitOf({}))).rejects.toBeInstanceOf(StoreUnavailable)
    await expect(store.take(named('a'))).rejects.toBeInstanceOf(StoreUnavailable)
  })
})

it('an index of which a part failed does not count as made, so that no entry is passed over', async () => {
  const ledger = await openSqliteLedger({ path, now })
  const log = new Uint8Array(8).fill(1)
  const entries = Array.from({ length: 5_000 }, (_, i) => ({ seq: i + 1, id: randomId(), sealed: text('x'), link: new Uint8Array(32) }))
  await ledger.append(log, entries)
  const postings = entries.map(({ seq }) => ({ seq, terms: [[named('all'), named(`own ${seq}`)]] }))
  // More than one piece, the first of which the database refuses.
  await expect(ledger.index(log, 5_000, [{ seq: 0.5, terms: [[new Uint8Array(16)]] }, ...postings])).rejects.toThrow()
  await ledger.health()
  expect(await ledger.indexed(log)).toBe(0)
  await ledger.index(log, 5_000, postings)
  expect(await ledger.indexed(log)).toBe(5_000)
  expect(await ledger.lookup(log, [named('all')], 3, 10)).toEqual([2, 1])
  await ledger.close()
})
