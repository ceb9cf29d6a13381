import { readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { verifyLedger } from '../../src/audit/verify.ts'
import { accessRecord } from '../../src/audit/record.ts'
import { openSpool, slotOfSpool } from '../../src/audit/spool.ts'
import { type LedgerStore, StoreUnavailable } from '../../src/store/ports.ts'
import { asked, type Bench, commit, openBench, put, reading, requestIdsOf } from './bench.ts'

let bench: Bench
beforeEach(async () => { bench = await openBench() })
afterEach(() => bench.close())

const LEASE_MS = 15_000
const named = (requestId: string) => accessRecord(reading('42', 'o-1', { request: asked('read', { id: 'o-1', requestId }) }))

describe('the log of a process that died', () => {
  it('is continued by another one, each time anew, also where it went on by itself in between', async () => {
    const errors: unknown[] = []
    const server = await bench.ledger({ slot: 'server-1', failed: (error) => errors.push(error) })
    for (let round = 0; round < 3; round++) {
      const command = await bench.ledger({ slot: 'cli' })
      await command.append(accessRecord(reading('42', `o-${round}`)))
      // It dies here: nothing is closed, and its lease ends by itself.
      bench.clock.ms += LEASE_MS + 1
      await server.sequence()
    }
    expect(errors).toEqual([])
    expect(await verifyLedger(bench)).toMatchObject({ ok: true, waiting: 0 })
    await server.close()
  })

  it('that goes on in a slot it lost meanwhile continues the log where the other left it', async () => {
    const errors: unknown[] = []
    const slow = await bench.ledger({ slot: 'server-1', failed: (error) => errors.push(error) })
    await slow.append(accessRecord(reading('42', 'o-1')))
    await slow.sequence()
    bench.clock.ms += LEASE_MS + 1
    const other = await bench.ledger({ slot: 'server-1' })
    await other.append(accessRecord(reading('42', 'o-2')))
    await other.close()
    await slow.append(accessRecord(reading('42', 'o-3')))
    await slow.sequence()
    await slow.close()
    expect(errors).toEqual([])
    expect(await verifyLedger(bench)).toMatchObject({ ok: true, waiting: 0 })
  })

  it('is read again by a process whose clock is behind that of the one which continued it', async () => {
    const errors: unknown[] = []
    const first = await bench.ledger({ slot: 'server-1', failed: (error) => errors.push(error) })
    await first.append(accessRecord(reading('42', 'o-1')))
    await first.sequence()
    bench.clock.ms += LEASE_MS + 1
    const other = await bench.ledger({ slot: 'server-1' })
    await other.append(accessRecord(reading('42', 'o-2')))
    await other.close()
    bench.clock.ms -= LEASE_MS + 1
    await first.append(accessRecord(reading('42', 'o-3')))
    await first.sequence()
    await first.close()
    expect(errors).toEqual([])
    expect(await verifyLedger(bench)).toMatchObject({ ok: true, waiting: 0 })
  })
})

describe('the spool of a process that lives on', () => {
  /** Two processes at one folder whose ledger is down for longer than a lease; then the second one finds it back first. */
  async function outage() {
    let down = false
    const whileUp = <A extends readonly unknown[], R>(call: (...args: A) => Promise<R>) => (...args: A): Promise<R> => (down ? Promise.reject(new StoreUnavailable('down')) : call(...args))
    const store = Object.assign(Object.create(bench.store) as LedgerStore, { append: whileUp(bench.store.append), lease: whileUp(bench.store.lease) })
    const first = await bench.ledger({ slot: 'server-1', store, spoolDir: bench.dir })
    const second = await bench.ledger({ slot: 'server-2', store, spoolDir: bench.dir })
    down = true
    await first.append(named('a'))
    bench.clock.ms += LEASE_MS + 1
    await first.append(named('b'))
    down = false
    await second.sequence()
    return { first, second }
  }

  it('is taken over without what it writes at that moment being lost', async () => {
    const { first, second } = await outage()
    expect(await requestIdsOf(bench, 'server-1')).toEqual(['a', 'b'])
    await first.append(named('c'))
    await first.sequence()
    expect(await requestIdsOf(bench, 'server-1')).toEqual(['a', 'b', 'c'])
    await first.close()
    await second.close()
    expect(await verifyLedger(bench)).toMatchObject({ ok: true, waiting: 0 })
  })

  it('is taken over wholly, whenever it writes', async () => {
    const entry = (name: number) => ({ id: new Uint8Array(16).fill(name), sealed: new Uint8Array(40).fill(name) })
    const [writer, taker] = [openSpool(bench.dir, 'server-1'), openSpool(bench.dir, 'server-1')]
    await writer.append(entry(1))
    const puts: number[][] = []
    await taker.replay(async (entries) => {
      puts.push(entries.map(({ id }) => id[0]!))
      // While the first is being taken, then while what came meanwhile is.
      await writer.append(entry(puts.length + 1))
    })
    expect(puts).toEqual([[1], [1, 2]])
    expect(readdirSync(bench.dir).filter((name) => slotOfSpool(name) !== null)).toEqual(['ledger-server-1.spool'])
    await taker.replay(async (entries) => { puts.push(entries.map(({ id }) => id[0]!)) })
    expect(puts.slice(2)).toEqual([[3]])
    await Promise.all([writer.close(), taker.close()])
  })

  it('is kept where a crash stopped the one who took it', async () => {
    const spool = openSpool(bench.dir, 'server-1')
    await spool.append({ id: new Uint8Array(16).fill(1), sealed: new Uint8Array(40) })
    await spool.append({ id: new Uint8Array(16).fill(2), sealed: new Uint8Array(40) })
    await spool.close()
    renameSync(join(bench.dir, 'ledger-server-1.spool'), join(bench.dir, 'ledger-server-1.0123456789abcdef.spool'))
    const ids: number[] = []
    await expect(spool.replay(() => Promise.reject(new StoreUnavailable('down')))).rejects.toThrow('down')
    await spool.replay(async (entries) => { ids.push(...entries.map(({ id }) => id[0]!)) })
    expect(ids).toEqual([1, 2])
    expect(readdirSync(bench.dir).filter((name) => slotOfSpool(name) !== null)).toEqual([])
  })
})

it('a write that its own process and the one that took its log over both number is in the log once', async () => {
  const errors: unknown[] = []
  const slow = await bench.ledger({ slot: 'server-1', failed: (error) => errors.push(error) })
  const { put: one, written } = put('Observation', 'o-2', 1, ['42'], bench)
  await commit(bench.records, { puts: [one], outbox: [await slow.seal(accessRecord({ ...reading('42', 'o-2'), request: asked('create', { requestId: 'w' }), written: [written] }))] })
  bench.clock.ms += LEASE_MS + 1
  // It dies between the log and the outbox.
  const records = Object.assign(Object.create(bench.records) as typeof bench.records, { outboxDone: () => Promise.reject(new StoreUnavailable('dead')) })
  await bench.ledger({ slot: 'server-2', records, failed: () => undefined })
  bench.clock.ms += LEASE_MS + 1
  await slow.sequence().catch((error: unknown) => errors.push(error))
  expect(errors).toEqual([])
  expect(await requestIdsOf(bench, 'server-1')).toEqual(['w'])
  await slow.close()
  expect(await verifyLedger(bench)).toMatchObject({ ok: true, waiting: 0 })
})

it('a ledger that closes waits for reads that are being recorded before it lets its log go', async () => {
  const append: LedgerStore['append'] = async (log, entries) => {
    await new Promise((resolve) => { setTimeout(resolve, 30) })
    await bench.store.append(log, entries)
  }
  const closing = await bench.ledger({ slot: 'server-1', store: Object.assign(Object.create(bench.store) as LedgerStore, { append }) })
  const appends: Promise<void>[] = []
  for (const name of ['a', 'b', 'c']) {
    appends.push(closing.append(named(name)))
    // One is being written and others wait.
    await new Promise((resolve) => { setTimeout(resolve, 10) })
  }
  await closing.close()
  expect(await requestIdsOf(bench, 'server-1')).toEqual(['a', 'b', 'c'])
  await Promise.all(appends)
  const next = await bench.ledger({ slot: 'server-1' })
  await next.append(named('d'))
  await next.close()
  expect(await requestIdsOf(bench, 'server-1')).toEqual(['a', 'b', 'c', 'd'])
  expect(await verifyLedger(bench)).toMatchObject({ ok: true, waiting: 0 })
})

it('a log has a mark of its end from its first entry on, wherever its process died', async () => {
  let dead = false
  const append: LedgerStore['append'] = (log, entries) => {
    dead = true
    return bench.store.append(log, entries)
  }
  const put = (one: Parameters<typeof bench.records.commit>[0]) => (dead ? Promise.reject(new StoreUnavailable('dead by now')) : bench.records.commit(one))
  const dying = await bench.ledger({
    slot: 'server-1', failed: () => undefined,
    store: Object.assign(Object.create(bench.store) as LedgerStore, { append }), records: Object.assign(Object.create(bench.records) as typeof bench.records, { commit: put })
  })
  await dying.append(accessRecord(reading('42', 'o-1')))
  expect(await verifyLedger(bench)).toMatchObject({ ok: true, exitCode: 0, entries: 2 })
  // Control: without any it is told.
  await commit(bench.records, { documents: [{ name: bench.ring.documentName('ledger-head', 'server-1'), expect: null, expires: null, sealed: null }] })
  expect(await verifyLedger(bench)).toMatchObject({ ok: false, exitCode: 3 })
})
