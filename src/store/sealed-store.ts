/**
 * RecordStore + keys → ResourceStore. Blinds the query, asks the adapter for candidates, opens them, and lets the caller's
 * `accept` confirm each: the index is a hint, what was opened is the truth.
 */
import { SealBroken, open, type Opened } from '../crypto/envelope.ts'
import type { DataKey } from '../crypto/keys.ts'
import { fault } from '../model/errors.ts'
import type { Ref, Resource } from '../model/resource.ts'
import { takingTurns } from '../model/turns.ts'
import { packagedTerms } from '../search/index-levels.ts'
import { plan } from '../search/plan.ts'
import type { Plan } from '../search/query.ts'
import { frozen, openedRows } from './opened-rows.ts'
import { inReach } from './reach.ts'
import { blindQuery } from './blind-query.ts'
import { ROWS_AT_ONCE } from './bounds.ts'
import { type IndexState, indexState } from './index-state.ts'
import { movedName, sealedCommit } from './sealed-commit.ts'
import { findOfPatient } from './patient-find.ts'
import { findVersions } from './version-find.ts'
import type { SealedStoreOptions } from './sealed-options.ts'
import type { FindAsk, Found, Position, ResourceStore, Row, Stored } from './ports.ts'
import { StoreBroken } from './ports.ts'

export function sealedStore(options: SealedStoreOptions): ResourceStore {
  const { records, ring } = options
  const openRow = rowOpener(options)
  const index = indexState(options)
  const store: ResourceStore = {
    async read(refs) {
      await ring.refresh()
      const rows: (Row | undefined)[] = []
      const breath = takingTurns()
      for (let start = 0; start < refs.length; start += ROWS_AT_ONCE) {
        const keys = refs.slice(start, start + ROWS_AT_ONCE).map((ref) => ring.recordKey(ref.type, ref.id))
        for (const stored of await records.get(keys)) {
          rows.push(stored === undefined ? undefined : await openRow(stored))
          const pause = breath()
          if (pause !== undefined) await pause
        }
      }
      return rows
    },
    async version(ref, version) {
      await ring.refresh()
      const stored = await records.version(ring.recordKey(ref.type, ref.id), version)
      return stored === undefined ? undefined : await openRow(stored)
    },
    async versions(ref, before, limit) {
      await ring.refresh()
      const key = ring.recordKey(ref.type, ref.id)
      const rows: Row[] = []
      // A version whose key was erased is passed over, so a page with fewer rows than asked is not yet the end.
      for (let from = before; rows.length < limit; ) {
        const page: readonly Stored[] = await records.versions(key, from, Math.min(1000, limit - rows.length))
        for (const row of await Promise.all(page.map((stored) => openRow(stored)))) if (row !== undefined) rows.push(row)
        const last = page.at(-1)
        if (last === undefined || last.version === 1) break
        from = last.version
      }
      return rows
    },
    find: (ask) => findReported({ ...options, index, store, openRow }, ask),
    position: ({ type, id, updated }) => ({ updated, key: ring.recordKey(type, id) }),
    findOfPatient: (ask) => findOfPatient(options, openRow, ask),
    findVersions: (ask) => findVersions(options, openRow, ask),
    async lockVersion(criteria) {
      return (await records.document(ring.documentName('lock', criteria)))?.version ?? 0
    },
    moves: async (ref) => (await records.document(movedName(ring, ref)))?.version ?? 0,
    ...sealedCommit(options, index, () => store)
  }
  return store
}

type OpenRow = (stored: Stored) => Promise<Row | undefined> | Row | undefined

/** Opens a record; undefined when its key was erased. A record that does not authenticate stops the request: it is an attack or a broken disk. */
function rowOpener(options: SealedStoreOptions): OpenRow {
  const { ring, tenant, parse } = options
  const rows = openedRows(ring)
  const made = (stored: Stored, opened: Opened | undefined): Row | undefined => {
    if (opened === undefined) return undefined
    const row = rowOf(stored, opened, parse)
    rows.add(stored, row, opened.key)
    return row
  }
  return (stored) => {
    const known = rows.get(stored)
    if (known !== undefined) return known
    const opened = open({ sealed: stored.sealed, recordKey: stored.key, type: stored.type, version: stored.version, tenant, ring })
    return opened instanceof Promise ? opened.then((late) => made(stored, late)) : made(stored, opened)
  }
}

/** What keeps a current record from being read, in words that follow its name; null = nothing. No erasure leaves a record without its key. */
export async function openFault(options: SealedStoreOptions, stored: Stored): Promise<string | null> {
  try {
    return (await rowOpener(options)(stored)) === undefined ? 'cannot be read: its key is gone' : null
  } catch (error) {
    if (error instanceof SealBroken) return 'does not open'
    throw error
  }
}

/** What many rows have alike is the same object in each, so that it is compared by being that, and takes no memory. */
function rowOf(stored: Stored, opened: Opened, parse: (bytes: Uint8Array) => unknown): Row {
  const { header, body, key } = opened
  if (header.deleted !== stored.deleted || header.updated !== stored.updated) throw new SealBroken('A record does not agree with its header')
  let parsed: Resource | null = null
  return Object.freeze({
    type: stored.type,
    id: header.id,
    version: header.version,
    updated: header.updated,
    deleted: header.deleted,
    patients: key.patient === null ? Object.freeze(header.patients) : patientsUnder(key, key.patient),
    labels: header.labels.length === 0 ? NO_LABELS : Object.freeze(header.labels),
    json: body,
    memo: [],
    resource: () => (parsed ??= frozen(parse(body) as Resource))
  })
}

const NO_LABELS: readonly string[] = Object.freeze([])
const underKeys = new WeakMap<DataKey, readonly string[]>()

/** A patient's key opens only rows of that patient alone (crypto/envelope.ts). */
function patientsUnder(key: DataKey, patient: string): readonly string[] {
  let patients = underKeys.get(key)
  if (patients === undefined) underKeys.set(key, (patients = Object.freeze([patient])))
  return patients
}

interface Finding extends SealedStoreOptions { readonly index: IndexState; readonly store: ResourceStore; readonly openRow: OpenRow }

/** Only what `accept` has an opinion of is counted: rows that are hidden from the caller are not. */
async function findReported(finding: Finding, ask: FindAsk): Promise<Found> {
  await finding.ring.refresh()
  const { type, filter, report } = ask
  // Asked of the store each time: what is kept of it might be older than a write without these terms.
  const served = finding.index.served(type, filter)
  const packaged = served instanceof Promise ? await served : served
  const planned = plan(type, filter, { base: finding.base, termsMax: finding.termsMax, packaged })
  const costly = (): Error => tooCostly(planned, planned.unindexed.filter((code) => packagedTerms(type).has(code) && !packaged.has(code)))
  if (report === undefined) return find(finding, planned, ask, costly)
  let [opened, confirmed] = [0, 0]
  const accept = (row: Row): boolean | null => {
    const accepted = ask.accept(row)
    if (accepted !== null) opened += 1
    if (accepted === true) confirmed += 1
    return accepted
  }
  const found = await find(finding, planned, { ...ask, accept }, costly)
  report({ type, plan: planned, opened, confirmed })
  return found
}

/** Rows of one type that `accept` confirms, in order, bounded by the rows that the caller sees and that had to be opened in vain. */
async function find(finding: Finding, planned: Plan, ask: FindAsk, costly: () => Error): Promise<Found> {
  const { records, openRow } = finding
  if (planned.empty || ask.limit < 1) return { rows: [], next: null }
  if (planned.ids !== null) return findByIds(finding, planned.ids, ask)
  const query = await blindQuery(finding, ask, planned)
  if (query === null) return { rows: [], next: null }
  const rows: Row[] = []
  let last: Stored | null = null
  let after = ask.after
  let refused = 0
  const breath = ask.turn ?? takingTurns()
  for (;;) {
    // One row more than asked is looked for, so that a next link exists only where another row of this caller does.
    const limit = Math.min(ROWS_AT_ONCE, after === ask.after ? ask.limit + 1 : Math.max(64, ask.limit + 1 - rows.length))
    const page = await records.find(query, { after, limit, examine: 2000 })
    for (const stored of page.records) {
      // Awaited only where a key has to be read: searches that take turns row by row are slower, all of them.
      const opened = openRow(stored)
      const row = opened instanceof Promise ? await opened : opened
      if (row === undefined || row.type !== ask.type || !inReach(ask.reach, row)) continue
      const accepted = ask.accept(row)
      if (accepted) {
        if (rows.length === ask.limit) return { rows, next: last === null ? null : { updated: last.updated, key: last.key } }
        rows.push(row)
        last = stored
      } else if (accepted !== null && ++refused > ask.scanRecordsMax) throw costly()
      const pause = breath()
      if (pause !== undefined) await pause
    }
    if (page.next === null) return { rows, next: null }
    after = page.next
  }
}

/** `waiting`: parameters of packages that a reindex would give an index. */
function tooCostly({ unindexed }: Plan, waiting: readonly string[]): Error {
  const named = (codes: readonly string[]): string => codes.map((code) => `'${code}'`).join(', ')
  const names = unindexed.length === 0 ? 'this search' : named(unindexed)
  const reindex = waiting.length === 0 ? '' : ` (\`wardkeep reindex\` gives ${named(waiting)} one)`
  return fault(422, 'too-costly', `SCAN_RECORDS_MAX was passed: ${names} is not served by an index here${reindex}; add an indexed parameter (a patient, an identifier) or raise SCAN_RECORDS_MAX`)
}

async function findByIds({ store, ring }: Finding, ids: readonly string[], ask: FindAsk): Promise<Found> {
  const refs: Ref[] = ids.map((id) => ({ type: ask.type, id }))
  const live: { row: Row; position: Position }[] = []
  for (const row of await store.read(refs)) {
    if (row === undefined || row.deleted || row.type !== ask.type || !inReach(ask.reach, row)) continue
    live.push({ row, position: { updated: row.updated, key: ring.recordKey(row.type, row.id) } })
  }
  const sign = ask.order === 'newest' ? -1 : 1
  live.sort((a, b) => sign * comparePositions(a.position, b.position))
  const rows: Row[] = []
  let last: Position | null = null
  const breath = ask.turn ?? takingTurns()
  for (const { row, position } of live) {
    const pause = breath()
    if (pause !== undefined) await pause
    if (ask.after !== null && sign * comparePositions(position, ask.after) <= 0) continue
    if (!ask.accept(row)) continue
    if (rows.length === ask.limit) return { rows, next: last }
    rows.push(row)
    last = position
  }
  return { rows, next: null }
}

export function comparePositions(a: Position, b: Position): number {
  return a.updated - b.updated || Buffer.compare(a.key, b.key)
}

/** SealBroken and StoreBroken both mean that bytes were changed behind our back. */
export const isBroken = (error: unknown): boolean => error instanceof SealBroken || error instanceof StoreBroken
