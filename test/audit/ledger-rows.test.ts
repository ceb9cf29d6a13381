import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ledgerRows, type LedgerRows } from '../../src/audit/ledger-rows.ts'
import { accessRecord, copyRecord } from '../../src/audit/record.ts'
import { unionStore } from '../../src/audit/union-store.ts'
import { FhirError } from '../../src/model/errors.ts'
import type { Resource } from '../../src/model/resource.ts'
import { matches } from '../../src/search/match.ts'
import { parseCriteria } from '../../src/search/parse.ts'
import { ALL, type Filter } from '../../src/search/query.ts'
import type { FindAsk, LedgerStore, Position, Reach, ResourceStore, Row } from '../../src/store/ports.ts'
import { asked, type Bench, CALLER, commit, openBench, reading, row } from './bench.ts'

const BASE = 'https://fhir.example.org/fhir/R4'
const EVERYONE: Reach = { kind: 'all' }
const of = (...patients: string[]): Reach => ({ kind: 'patients', patients, shared: true })
let bench: Bench
let rows: LedgerRows
let opened = 0

beforeEach(async () => {
  bench = await openBench()
  const store = Object.assign(Object.create(bench.store) as LedgerStore, {
    entries: async (...args: Parameters<LedgerStore['entries']>) => {
      const entries = await bench.store.entries(...args)
      opened += entries.length
      return entries
    }
  })
  rows = ledgerRows({ store, ring: bench.ring, base: BASE, site: 'fhir.example.org', withQuery: false })
})
afterEach(() => bench.close())

/** 2,300 entries in two logs: every access of patient p-0 … p-9 in turn, each 100th by somebody else, each 50th a failed read. */
async function fill(): Promise<void> {
  const logs = [await bench.ledger({ slot: 'server-1' }), await bench.ledger({ slot: 'server-2' })]
  for (let index = 0; index < 2300; index++) {
    const caller = index % 100 === 0 ? { ...CALLER, fhirUser: 'Practitioner/other', subject: 'other' } : CALLER
    const log = logs[index < 100 ? 1 : 0]!
    await (index % 50 === 7
      ? log.append(accessRecord({ at: 0, request: asked('read', { id: 'hidden' }), caller, status: 404 }))
      : log.append(accessRecord(reading(`p-${index % 10}`, `o-${index}`, { caller }))))
    if (index % 300 === 299) {
      for (const one of logs) await one.sequence()
      bench.clock.ms += 60_000
    }
  }
  for (const log of logs) await log.close()
}

const filterOf = (criteria: string): Filter =>
  criteria === '' ? ALL : parseCriteria('AuditEvent', criteria, { base: BASE, countMax: 1000, countDefault: 50, orValuesMax: 200, lenient: false })

function ask(criteria: string, more: Partial<FindAsk> = {}): FindAsk {
  const filter = filterOf(criteria)
  const accept = (one: Row): boolean => matches(filter, one.resource(), { base: BASE, updated: one.updated })
  return { type: 'AuditEvent', reach: EVERYONE, filter, accept, order: 'newest', after: null, limit: 50, scanRecordsMax: 10_000, ...more }
}

async function all(find: (ask: FindAsk) => Promise<{ rows: readonly Row[]; next: Position | null }>, criteria: string, more: Partial<FindAsk> = {}): Promise<readonly Row[]> {
  const found: Row[] = []
  for (let after: Position | null = null; ;) {
    const page = await find(ask(criteria, { ...more, after }))
    found.push(...page.rows)
    if (page.next === null) return found
    after = page.next
  }
}

const ids = (found: readonly Row[]): readonly string[] => found.map((one) => one.id)

describe('a search of the ledger', () => {
  it('answers as a scan of everything does, by the index and in the tail, newest and oldest, page by page', async () => {
    await fill()
    const everything = await all((one) => rows.find(one), '', { limit: 1000 })
    expect(everything).toHaveLength(2300 + 2)
    expect(new Set(ids(everything)).size).toBe(2302)
    expect(everything.every((one, index) => index === 0 || everything[index - 1]!.updated >= one.updated)).toBe(true)
    const found = (criteria: string, reach: Reach = EVERYONE) => everything.filter((one) => (reach.kind === 'all' || one.patients.some((p) => reach.patients.includes(p))) && matches(filterOf(criteria), one.resource(), { base: BASE, updated: one.updated }))
    const cases: readonly (readonly [string, number, Reach?])[] = [
      ['patient=Patient/p-3', 230], ['patient=p-3', 230], ['patient=p-3,p-4', 460], ['agent=Practitioner/other', 23], ['agent:identifier=https://id.example.org|other', 23],
      ['agent:identifier=|client-app-7', 2300], ['agent:identifier=|fhir.example.org', 2302], ['entity=Observation/o-17', 1], ['entity=Observation/hidden', 46], ['subtype=read', 2300],
      ['outcome=4', 46], ['outcome=0', 2256], ['action=R', 2300], ['patient=p-3&agent=Practitioner/other', 0], ['patient=p-0&agent=Practitioner/other', 23], ['date=2026-09-21', 2302], ['date=2020', 0],
      ['date=ge2026-09-21&date=lt2026-09-22', 2302], ['patient:missing=true', 48], ['_id=server-1-5-0,server-2-5-0,server-1-999999-0', 2], ['', 229, of('p-7')], ['', 0, of()], ['patient=p-3', 0, of('p-7')], ['entity=Observation/o-13', 1, of('p-3')]
    ]
    for (const [criteria, count, reach = EVERYONE] of cases) {
      const wanted = ids(found(criteria, reach))
      if (criteria !== '') expect(wanted, criteria).toHaveLength(criteria === '' && count === 0 ? 0 : count)
      expect(ids(await all((one) => rows.find(one), criteria, { reach, limit: 37 })), criteria).toEqual(wanted)
      expect(ids(await all((one) => rows.find(one), criteria, { reach, limit: 37, order: 'oldest' })), criteria).toEqual([...wanted].reverse())
    }
    opened = 0
    await rows.find(ask('agent=Practitioner/other'))
    expect(opened).toBeLessThan(600)
    opened = 0
    await rows.find(ask('patient=p-3', { limit: 20 }))
    expect(opened).toBeLessThan(600)
  })

  it('refuses a scan past its bound by naming the setting, and counts nothing outside the reach', async () => {
    await fill()
    const asking = (criteria: string, reach: Reach, scanRecordsMax: number) => rows.find(ask(criteria, { reach, scanRecordsMax }))
    const error = await asking('action=D', EVERYONE, 500).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(FhirError)
    expect(error).toMatchObject({ status: 422, issues: [{ code: 'too-costly', diagnostics: expect.stringContaining('SCAN_RECORDS_MAX') as string }] })
    expect(await asking('action=D', of('p-3'), 500)).toEqual({ rows: [], next: null })
    await expect(asking('action=D', of('p-3'), 100)).rejects.toMatchObject({ status: 422 })
  })

  it('finds the export among far more accesses than it may look at, by its type', async () => {
    const first = await bench.ledger({ slot: 'cli' })
    await first.append(copyRecord({ at: 0, requestId: 'r', event: 'export', account: 'operator', copy: { command: 'backup', begun: true, place: '/b', manifest: null } }))
    await first.close()
    await fill()
    const asking = (criteria: string, reach: Reach = EVERYONE) => rows.find(ask(criteria, { reach, scanRecordsMax: 500 }))
    for (const criteria of ['type=110106', 'type=http://dicom.nema.org/resources/ontology/DCM|110106', 'type=110106,110107&date=ge2026-09-21'])
      expect([criteria, ids((await asking(criteria)).rows)]).toEqual([criteria, ['cli-2-0']])
    expect([(await asking('type=110107')).rows, (await asking('type=110106', of('p-3'))).rows]).toEqual([[], []])
    await expect(asking('type=rest&action=D')).rejects.toMatchObject({ status: 422 })
  })

  it('reads by id what the search gives, and nothing else', async () => {
    const ledger = await bench.ledger()
    await ledger.append(accessRecord({ at: 0, request: asked('search-type'), caller: CALLER, status: 200, disclosed: [row('Observation', 'a', ['1']), row('Observation', 'b', ['2'])] }))
    await ledger.close()
    const found = await all((one) => rows.find(one), 'subtype=search-type')
    expect(ids(found)).toEqual(['server-1-2-1', 'server-1-2-0'])
    for (const one of found) {
      const read = await rows.read(one.id)
      expect([read?.patients, JSON.parse(new TextDecoder().decode(read!.json))]).toEqual([one.patients, one.resource()])
    }
    for (const id of ['server-1-2-2', 'server-1-3-0', 'server-2-2-0', 'other']) expect(await rows.read(id)).toBeUndefined()
  })

  it('sees what was answered before it', async () => {
    const ledger = await bench.ledger()
    const fresh = ledgerRows({ store: bench.store, ring: bench.ring, base: BASE, site: 's', withQuery: true, sequence: ledger.sequence })
    await ledger.append(accessRecord(reading('1', 'o')))
    expect((await rows.find(ask('patient=1'))).rows).toHaveLength(1)
    // A write's entry is committed with it, and numbered by the next pass or the next search.
    await commit(bench.records, { outbox: [await ledger.seal(accessRecord(reading('1', 'written')))] })
    expect((await rows.find(ask('patient=1'))).rows).toHaveLength(1)
    expect((await fresh.find(ask('patient=1'))).rows).toHaveLength(2)
    await ledger.close()
  })
})

describe('the union with AuditEvents of other systems', () => {
  /** Rows in memory in the order of their time, ties by the order of making. */
  function external(count: number, updated: (index: number) => number): ResourceStore {
    const made = Array.from({ length: count }, (_, index): Row => {
      const resource: Resource = { resourceType: 'AuditEvent', id: `x-${index}`, action: 'E' }
      const id = `x-${index}`
      return { type: 'AuditEvent', id, version: 1, updated: updated(index), deleted: false, patients: [], labels: [], json: new TextEncoder().encode(JSON.stringify(resource)), memo: [], resource: () => resource, subjects: () => [] } as Row
    })
    const place = (key: Uint8Array): number => made.findIndex((one) => Buffer.compare(bench.ring.recordKey('AuditEvent', one.id), key) === 0)
    const store: Partial<ResourceStore> = {
      read: async (refs) => refs.map((ref) => made.find((one) => one.id === ref.id)),
      async find({ after, order, limit, accept }) {
        const sign = order === 'newest' ? -1 : 1
        const tie = after === null ? -1 : place(after.key)
        const sorted = made.map((one, index) => ({ one, index })).sort((a, b) => sign * (a.one.updated - b.one.updated || a.index - b.index))
        const behind = (one: Row, index: number): boolean => after === null || sign * (one.updated - after.updated) > 0 || (one.updated === after.updated && (tie === -1 || sign * (index - tie) > 0))
        const found: Row[] = []
        for (const { one, index } of sorted) if (behind(one, index) && await accept(one)) found.push(one)
        const given = found.slice(0, limit)
        return { rows: given, next: found.length > limit ? { updated: given.at(-1)!.updated, key: bench.ring.recordKey('AuditEvent', given.at(-1)!.id) } : null }
      },
      commit: async () => ({ kind: 'done', written: [] })
    }
    return store as ResourceStore
  }

  it.each([1, 2, 7, 1000])('gives every row once, in order, in pages of %i', async (limit) => {
    const ledger = await bench.ledger()
    const start = bench.clock.ms
    for (let index = 0; index < 15; index++) {
      await ledger.append(accessRecord({ at: 0, request: asked('search-type'), caller: CALLER, status: 200, disclosed: [row('Observation', 'a', ['1']), row('Observation', 'b', ['2'])] }))
      await ledger.sequence()
      if (index % 2 === 0) bench.clock.ms += 10
    }
    await ledger.close()
    for (const updated of [(index: number) => start + 10 * Math.floor(index / 3), () => start - 5, () => start + 1e6]) {
      const both = unionStore(external(20, updated), rows)
      const newest = await all((one) => both.find(one), '', { limit, accept: () => true })
      expect(newest).toHaveLength(31 + 20)
      expect(new Set(ids(newest)).size).toBe(51)
      expect(newest.every((one, index) => index === 0 || newest[index - 1]!.updated >= one.updated)).toBe(true)
      expect(ids(await all((one) => both.find(one), '', { limit, accept: () => true, order: 'oldest' }))).toEqual([...ids(newest)].reverse())
    }
  })

  it('reads from both, and lets nobody take an id of the ledger', async () => {
    const ledger = await bench.ledger()
    await ledger.close()
    const both = unionStore(external(2, () => 5), rows)
    const read = await both.read([{ type: 'AuditEvent', id: 'x-1' }, { type: 'AuditEvent', id: 'server-1-1-0' }, { type: 'AuditEvent', id: 'server-1-9-0' }])
    expect(read.map((one) => one?.id)).toEqual(['x-1', 'server-1-1-0', undefined])
    expect((await both.versions({ type: 'AuditEvent', id: 'server-1-1-0' }, null, 10)).map((one) => one.version)).toEqual([1])
    expect(await both.versions({ type: 'AuditEvent', id: 'server-1-1-0' }, 1, 10)).toEqual([])
    const writing = (id: string) => both.commit({ writes: [{ ref: { type: 'AuditEvent', id }, expect: 0, deleted: false, resource: { resourceType: 'AuditEvent' }, json: new Uint8Array(), updated: 0 }], expect: [], locks: [], follows: [], move: false, audit: () => Promise.reject(new Error('unused')) })
    await expect(writing('server-1-77-0')).rejects.toMatchObject({ status: 422 })
    expect(await writing('x-9')).toMatchObject({ kind: 'done' })
  })
})
