import { createCipheriv } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { entryOpener } from '../../src/audit/entry.ts'
import { chunked, RESOURCES_MAX } from '../../src/audit/chunks.ts'
import { accessRecord, copyRecord, entryAccess } from '../../src/audit/record.ts'
import { logOf } from '../../src/audit/slot.ts'
import { unstamped } from '../../src/audit/stamp.ts'
import { verifyLedger } from '../../src/audit/verify.ts'
import { decodeRecord, encodeRecord } from '../../src/audit/wire.ts'
import { type LedgerStore, StoreUnavailable } from '../../src/store/ports.ts'
import { asked, type Bench, CALLER, commit, openBench, put, reading, row } from './bench.ts'

const LOG = logOf('server-1')
let bench: Bench
beforeEach(async () => { bench = await openBench() })
afterEach(() => bench.close())

async function requestIds(log = LOG): Promise<readonly string[]> {
  const opener = entryOpener(bench.ring)
  const entries = await bench.store.entries(log, 1, 1000, 'oldest')
  const records = await Promise.all(entries.map(({ id, sealed }) => opener.open(log, id, unstamped(sealed))))
  return records.filter((record) => record.heads.length === 0 && record.interaction !== 'ledger-start').map((record) => record.requestId)
}

const read = (requestId: string) => accessRecord(reading('42', 'o-1', { request: asked('read', { id: 'o-1', requestId }) }))
/** A store whose appends fail while `down`: not yet, since a ledger opens with one. */
function failing(store: LedgerStore) {
  const state = { down: false }
  const append: LedgerStore['append'] = (log, entries) => (state.down ? Promise.reject(new StoreUnavailable('down')) : store.append(log, entries))
  return { state, store: Object.assign(Object.create(store) as LedgerStore, { append }) }
}

describe('the canonical bytes of a record', () => {
  const full = () => accessRecord({
    at: 7, request: asked('batch', { type: null, params: [['x', 'é&=']], clientRequestId: 'c-1' }), caller: CALLER, status: 200, why: 'none', operation: 'none',
    disclosed: [row('Observation', 'o-1', ['42', '43'], 3), row('Practitioner', 'p', [])],
    entries: [entryAccess(asked('read', { id: 'o-1' }), 200, [row('Observation', 'o-1', ['44'])])],
    written: [{ ref: { type: 'Patient', id: '45' }, version: 2, deleted: true, patients: ['45'], key: new Uint8Array(16), hash: new Uint8Array(32) }]
  })
  const copied = () => copyRecord({ at: 7, requestId: 'r', event: 'import', account: 'é', copy: { command: 'restore', begun: true, place: '/b', manifest: 'ab' } })
  it('give the record back', () => {
    for (const record of [full(), copied()]) expect(decodeRecord(encodeRecord(record))).toEqual(record)
    expect(full().patients).toEqual(['42', '43', '45', '44'])
  })
  it('of format 1 are read', () => {
    const { v, re, en, ...rest } = JSON.parse(encodeRecord(full()))
    expect([v, typeof re, typeof en[0].at(-1)]).toEqual([2, 'string', 'string'])
    const first = { ...rest, v: 1, re: [['Observation', 'o-1', 3, 0, 1], ['Practitioner', 'p', 1]], en: [[...en[0].slice(0, -1), [['Observation', 'o-1', 1, 3]]]] }
    expect(decodeRecord(JSON.stringify(first))).toEqual(full())
    for (const other of [0, 3, undefined]) expect(() => decodeRecord(JSON.stringify({ ...first, v: other }))).toThrow()
  })
  it('have sorted keys, so that the same record has the same bytes', () => {
    for (const record of [full(), copied()]) {
      const keys = Object.keys(JSON.parse(encodeRecord(record)) as object)
      expect(keys).toEqual([...keys].sort())
    }
  })
})

describe('append and sequence', () => {
  it('numbers reads and writes of one log in the order in which they became durable, from 1 and without a gap', async () => {
    const ledger = await bench.ledger()
    await ledger.append(read('a'))
    const { put: one, written } = put('Observation', 'o-2', 1, ['42'], bench)
    await commit(bench.records, { puts: [one], outbox: [await ledger.seal(accessRecord({ ...reading('42', 'o-2'), request: asked('create', { requestId: 'b' }), written: [written] }))] })
    await ledger.sequence()
    await ledger.append(read('c'))
    await ledger.sequence()
    expect(await requestIds()).toEqual(['a', 'b', 'c'])
    expect((await bench.store.entries(LOG, 1, 10, 'oldest')).map((entry) => entry.seq)).toEqual([1, 2, 3, 4])
    expect(await bench.records.outbox(10)).toEqual([])
    await ledger.close()
  })

  it('keeps every one of many concurrent appends, each once and in order of its own log', async () => {
    const ledger = await bench.ledger()
    const names = Array.from({ length: 300 }, (_, index) => `r-${index}`)
    await Promise.all([...names.map((name) => ledger.append(read(name))), ledger.sequence(), ledger.sequence()])
    await ledger.close()
    expect(await requestIds()).toEqual(names)
    expect(await verifyLedger(bench)).toMatchObject({ ok: true, exitCode: 0, entries: 301, waiting: 0 })
  })

  it('numbers its own entries behind thousands that wait for the slot of a process that died, and verify compares the records all the same', async () => {
    const dead = await bench.ledger({ slot: 'server-2' })
    await commit(bench.records, { outbox: await Promise.all(Array.from({ length: 2_500 }, (_, i) => dead.seal(read(`dead-${i}`)))) })
    const ledger = await bench.ledger()
    await commit(bench.records, { outbox: [await ledger.seal(read('own'))] })
    await ledger.sequence()
    expect(await requestIds()).toEqual(['own'])
    expect(await bench.records.outbox(10_000)).toHaveLength(2_500)
    expect(await verifyLedger(bench)).toMatchObject({ ok: true, exitCode: 0, waiting: 2_500 })
    await dead.close()
    await ledger.close()
  })

  it('drops what a crash left in the outbox after it was numbered', async () => {
    const ledger = await bench.ledger()
    const { put: one, written } = put('Observation', 'o-2', 1, ['42'], bench)
    await commit(bench.records, { puts: [one], outbox: [await ledger.seal(accessRecord({ ...reading('42', 'o-2'), request: asked('create', { requestId: 'b' }), written: [written] }))] })
    const crashing = await bench.ledger({ slot: 'server-2', records: bench.records })
    await crashing.close()
    const stuck = Object.assign(Object.create(bench.records) as typeof bench.records, { outboxDone: () => Promise.reject(new StoreUnavailable('crash')) })
    await ledger.close()
    expect((await bench.store.head(LOG)).seq).toBe(2)
    await commit(bench.records, { outbox: [{ id: (await bench.store.entries(LOG, 2, 1, 'oldest'))[0]!.id, sealed: unstamped((await bench.store.entries(LOG, 2, 1, 'oldest'))[0]!.sealed) as never }] })
    expect(await bench.records.outbox(10)).toHaveLength(1)
    await expect(bench.ledger({ records: stuck })).rejects.toThrow('crash')
    expect(await verifyLedger(bench)).toMatchObject({ ok: true, waiting: 0 })
    bench.clock.ms += 60_000
    const again = await bench.ledger()
    await again.close()
    expect(await requestIds()).toEqual(['b'])
    expect(await bench.records.outbox(10)).toEqual([])
    expect(await verifyLedger(bench)).toMatchObject({ ok: true })
  })

  it('takes another slot while one is held, and continues a slot whose process died', async () => {
    const first = await bench.ledger({ slot: 'server' })
    const second = await bench.ledger({ slot: 'server' })
    expect([first.slot, second.slot]).toEqual(['server-1', 'server-2'])
    const { put: one, written } = put('Observation', 'o-2', 1, ['42'], bench)
    await commit(bench.records, { puts: [one], outbox: [await first.seal(accessRecord({ ...reading('42', 'o-2'), request: asked('create', { requestId: 'of the dead' }), written: [written] }))] })
    await second.sequence()
    expect(await requestIds()).toEqual([])
    bench.clock.ms += 60_000
    await second.sequence()
    expect(await requestIds()).toEqual(['of the dead'])
    expect(await verifyLedger(bench)).toMatchObject({ ok: true })
    await second.close()
  })

  it('names the heads of all logs first and once an hour', async () => {
    const first = await bench.ledger()
    await first.append(read('a'))
    await first.close()
    const second = await bench.ledger({ slot: 'cli' })
    bench.clock.ms += 3_600_000
    await second.sequence()
    await second.close()
    const opener = entryOpener(bench.ring)
    const log = logOf('cli')
    const records = await Promise.all((await bench.store.entries(log, 1, 9, 'oldest')).map(({ id, sealed }) => opener.open(log, id, unstamped(sealed))))
    expect(records.map((record) => [record.interaction, record.heads.map(({ log: name, seq }) => [name, seq])])).toEqual([
      ['ledger-start', [['server-1', 2]]], ['ledger-heads', [['cli', 1], ['server-1', 2]]]
    ])
  })
})

describe('when the store takes nothing', () => {
  it('spools, and numbers the spooled entries when the store is back', async () => {
    const { state, store } = failing(bench.store)
    const ledger = await bench.ledger({ store, spoolDir: bench.dir })
    state.down = true
    await ledger.append(read('a'))
    await ledger.append(read('b'))
    expect(await requestIds()).toEqual([])
    state.down = false
    await ledger.sequence()
    expect(await requestIds()).toEqual(['a', 'b'])
    expect(readdirSync(bench.dir).filter((name) => name.endsWith('.spool'))).toEqual([])
    bench.clock.ms += 5000
    await ledger.append(read('c'))
    await ledger.close()
    expect(await requestIds()).toEqual(['a', 'b', 'c'])
  })

  it('replays the spool of a process that died, without what a crash cut off', async () => {
    const { state, store } = failing(bench.store)
    const dead = await bench.ledger({ store, spoolDir: bench.dir })
    state.down = true
    await dead.append(read('a'))
    await dead.append(read('b'))
    await dead.close()
    const path = join(bench.dir, 'ledger-server-1.spool')
    expect(existsSync(path)).toBe(true)
    writeFileSync(path, readFileSync(path).subarray(0, -3))
    bench.clock.ms += 60_000
    const next = await bench.ledger({ slot: 'server-2', spoolDir: bench.dir })
    expect(await requestIds()).toEqual(['a'])
    await next.close()
    expect(existsSync(path)).toBe(false)
  })

  it('goes to the store again after a second, also where the clock was put back meanwhile', async () => {
    const { state, store } = failing(bench.store)
    const ledger = await bench.ledger({ store, spoolDir: bench.dir })
    state.down = true
    await ledger.append(read('a'))
    state.down = false
    await ledger.append(read('b'))
    expect(await requestIds()).toEqual([])
    bench.clock.ms -= 86_400_000
    await ledger.append(read('c'))
    expect(await requestIds()).toEqual(['c'])
    await ledger.close()
    expect(await requestIds()).toEqual(['c', 'a', 'b'])
  })

  it('is not held by a start that failed', async () => {
    const { state, store } = failing(bench.store)
    state.down = true
    await expect(bench.ledger({ store, spoolDir: bench.dir, intervalMs: 5 })).rejects.toBeInstanceOf(StoreUnavailable)
    state.down = false
    const next = await bench.ledger({ spoolDir: bench.dir })
    expect(next.slot).toBe('server-1')
    await new Promise((resolve) => setTimeout(resolve, 50))
    await next.append(read('a'))
    await next.close()
    expect(await requestIds()).toEqual(['a'])
  })

  it('goes to the spool when the store hangs', async () => {
    let hangs = false
    const append: LedgerStore['append'] = (log, entries) => (hangs ? new Promise<void>(() => undefined) : bench.store.append(log, entries))
    const ledger = await bench.ledger({ store: Object.assign(Object.create(bench.store) as LedgerStore, { append }), spoolDir: bench.dir, appendMsMax: 500 })
    hangs = true
    await ledger.append(read('a'))
    await ledger.close()
    expect(existsSync(join(bench.dir, 'ledger-server-1.spool'))).toBe(true)
  })

  it('goes to the spool at once while it hangs, and holds each entry once when the late answer came', async () => {
    let late: (() => Promise<void>) | null = null
    let hangs = false
    const append: LedgerStore['append'] = (log, entries) => (hangs
      ? new Promise<void>((resolve, reject) => { late ??= () => bench.store.append(log, entries).then(resolve, reject) })
      : bench.store.append(log, entries))
    const ledger = await bench.ledger({ store: Object.assign(Object.create(bench.store) as LedgerStore, { append }), spoolDir: bench.dir, appendMsMax: 1_000 })
    hangs = true
    await ledger.append(read('a'))
    bench.clock.ms += 5000
    await ledger.append(read('b'))
    hangs = false
    bench.clock.ms += 5000
    await ledger.append(read('c'))
    expect(await requestIds()).toEqual([])
    await late!()
    await ledger.sequence()
    bench.clock.ms += 5000
    await ledger.append(read('d'))
    expect(await requestIds()).toEqual(['a', 'b', 'c', 'd'])
    expect(await verifyLedger(bench)).toMatchObject({ ok: true, waiting: 0 })
    await ledger.close()
  })

  it('rejects when the spool takes nothing either, or there is none', async () => {
    const { store, state } = failing(bench.store)
    const none = await bench.ledger({ store })
    state.down = true
    await expect(none.append(read('a'))).rejects.toBeInstanceOf(StoreUnavailable)
    state.down = false
    await none.append(read('control'))
    await none.close()
    let dir: string | null = bench.dir
    const broken = await bench.ledger({ store, get spoolDir() { return dir } })
    state.down = true
    await broken.append(read('b'))
    await broken.close()
    dir = join(bench.dir, 'wardkeep.db')
    await expect(bench.ledger({ store, slot: 'server-2', spoolDir: dir }).then((ledger) => ledger.append(read('c')))).rejects.toThrow()
  })
})

it('parts a disclosure of more resources than one entry names, and loses none', () => {
  const disclosed = Array.from({ length: 2 * RESOURCES_MAX + 1 }, (_, index) => row('Observation', `o-${index}`, [`p-${index % 7}`]))
  const parts = chunked(accessRecord({ at: 0, request: asked('search-type'), caller: CALLER, status: 200, disclosed }))
  expect(parts.map((part) => part.resources.length)).toEqual([RESOURCES_MAX, RESOURCES_MAX, 1])
  expect(parts.flatMap((part) => part.resources)).toEqual(disclosed)
  expect(parts[2]!.patients).toEqual([`p-${(2 * RESOURCES_MAX) % 7}`])
  const entries = [entryAccess(asked('search-type'), 200, disclosed), entryAccess(asked('read', { id: 'o-1' }), 404, [])]
  const bundle = chunked(accessRecord({ at: 0, request: asked('batch'), caller: CALLER, status: 200, entries }))
  expect(bundle.flatMap((part) => part.entries.flatMap((entry) => entry.resources))).toEqual(disclosed)
  expect(bundle.at(-1)!.entries.at(-1)!.status).toBe(404)
})

it('leaves no name, id, query or claim in the clear in the files of the ledger', async () => {
  const ledger = await bench.ledger({ spoolDir: bench.dir })
  const canary = 'CANARY-7f3a'
  const caller = { ...CALLER, subject: canary, client: canary, fhirUser: `Practitioner/${canary}`, jti: canary }
  for (let index = 0; index < 1100; index++) {
    await ledger.append(accessRecord(reading(canary, canary, { caller, request: asked('search-type', { params: [['name', canary]], requestId: canary, address: canary }) })))
  }
  await ledger.sequence()
  const { state, store } = failing(bench.store)
  const spooling = await bench.ledger({ slot: 'server-2', store, spoolDir: bench.dir })
  state.down = true
  await spooling.append(accessRecord(reading(canary, canary, { caller })))
  await spooling.close()
  expect(await bench.store.indexed(LOG)).toBe(1000)
  const names = readdirSync(bench.dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  expect(names.map((entry) => entry.name)).toEqual(expect.arrayContaining(['ledger.db', 'ledger-server-2.spool']))
  for (const entry of names) expect(readFileSync(join(entry.parentPath, entry.name)).includes(canary), entry.name).toBe(false)
  // The search that finds nothing finds the canary where it is in the clear.
  expect(Buffer.from(encodeRecord(accessRecord(reading(canary, canary)))).includes(canary)).toBe(true)
  await ledger.close()
})

it('encodes and seals a read in the time that the hot path has', async () => {
  const ledger = await bench.ledger()
  const record = read('r-1')
  const wide = accessRecord({ at: 0, request: asked('search-type'), caller: CALLER, status: 200, disclosed: Array.from({ length: 50 }, (_, index) => row('Observation', `0c6e0c54-${index}`, ['42'])) })
  const time = async (one: typeof record): Promise<number> => {
    for (let index = 0; index < 2000; index++) await ledger.seal(one)
    const start = performance.now()
    for (let index = 0; index < 2000; index++) await ledger.seal(one)
    return ((performance.now() - start) / 2000) * 1000
  }
  const [one, fifty] = [await time(record), await time(wide)]
  const cipher = performance.now()
  for (let index = 0; index < 2000; index++) createCipheriv('aes-256-gcm', new Uint8Array(32), new Uint8Array(12)).final()
  console.log(`encode and seal: read ${one.toFixed(1)} µs, search of 50 ${fifty.toFixed(1)} µs (an empty cipher: ${((performance.now() - cipher) / 2).toFixed(1)} µs)`)
  expect(one).toBeLessThan(500)
  await ledger.close()
})
