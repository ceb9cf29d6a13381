import { fault } from '../model/errors.ts'
import { type Ref, refText } from '../model/resource.ts'
import { takingTurns } from '../model/turns.ts'
import { derivedTypes, derivedUnindexed } from '../search/classification.ts'
import { compartmentPatients, derivedTargets } from '../search/compartment.ts'
import { searchParam } from '../search/parameters.ts'
import { ALL } from '../search/query.ts'
import { pointingAt } from '../search/types/reference.ts'
import type { FindAsk, ResourceStore, ResourceWrite, Row } from './ports.ts'

/** Rewritten with the commit that moves their target; more is refused. */
const derivedRecordsMax = 1000

type Patients = readonly string[]

export interface DerivedAsk {
  readonly writes: readonly ResourceWrite[]
  readonly staged: (ref: Ref) => Patients | undefined
  readonly base: string
  readonly before: (ref: Ref) => Promise<void>
}

export interface Moved {
  /** Resources whose patients change, as `Type/id`. */
  readonly moved: readonly string[]
  /** What follows them, with the patients that it gets. */
  readonly rows: readonly { readonly row: Row; readonly patients: Patients }[]
}

/**
 * Records whose patients follow from a resource that this commit moves to other patients (DESIGN.md §5 "derived"), or writes under an id that
 * they named before it was there, and from those records in turn, deleted ones too. `staged` has the patients of what the commit itself writes;
 * `before` is called with each resource before its followers are looked for. FhirError 422 beyond 1,000 records.
 */
export async function derivedFrom(store: ResourceStore, { writes, staged, base, before }: DerivedAsk): Promise<Moved> {
  const named = writes.filter((write) => write.fresh !== true && !write.deleted)
  if (named.length === 0) return { moved: [], rows: [] }
  const stored = await store.read(named.map((write) => write.ref))
  const moved = stored.filter((row) => row !== undefined).filter((row) => !same(staged(row) ?? [], row.patients))
  const appeared = named.filter(({ ref }, i) => stored[i] === undefined && (staged(ref) ?? []).length > 0).map(({ ref }) => ref)
  const followers = await followersOf(store, { moved, appeared }, { staged, base, before })
  return { moved: moved.map(refText), rows: await withPatients(store, followers, staged, base) }
}

interface Targets { readonly moved: readonly Row[]; readonly appeared: readonly Ref[] }

/** Every stored record that hangs on one of these, at any depth, but for what the commit writes. */
async function followersOf(store: ResourceStore, { moved, appeared }: Targets, { staged, base, before }: Omit<DerivedAsk, 'writes'>): Promise<ReadonlyMap<string, Row>> {
  const found = new Map<string, Row>()
  const open = [...moved]
  const turn = takingTurns()
  const isOther = (row: Row): boolean => staged(row) === undefined && !found.has(refText(row))
  // Mostly nothing names them; a load may have thousands, so many are asked for together.
  for (let at = 0; at < appeared.length; at += APPEARED_AT_ONCE) {
    const some = appeared.slice(at, at + APPEARED_AT_ONCE)
    await Promise.all(some.map(before))
    for (const row of await rowsNaming(store, some, naming(some, { base, isOther }))) {
      found.set(refText(row), row)
      open.push(row)
    }
    const pause = turn()
    if (pause !== undefined) await pause
  }
  for (let target = open.pop(); target !== undefined; target = open.pop()) {
    await before({ type: target.type, id: target.id })
    for (const row of await derivedRows(store, target, naming([target], { base, isOther }))) {
      found.set(refText(row), row)
      open.push(row)
    }
    if (found.size > derivedRecordsMax) throw fault(422, 'too-costly', `More than ${derivedRecordsMax} records follow the patient of this resource`)
  }
  return found
}

/** The patients that the followers get: of each its own and those of its targets, from the bottom up, so that a circle keeps no old one. */
async function withPatients(store: ResourceStore, followers: ReadonlyMap<string, Row>, staged: (ref: Ref) => Patients | undefined, base: string): Promise<Moved['rows']> {
  const patients = new Map<string, Patients>([...followers].map(([key, row]) => [key, compartmentPatients(row.resource(), base)]))
  const lookup = (ref: Ref): Patients | undefined => staged(ref) ?? patients.get(refText(ref))
  for (let changed = true; changed;) {
    changed = false
    for (const [key, row] of followers) {
      const next = await store.patientsOf(row.resource(), lookup)
      if (same(next, patients.get(key)!)) continue
      patients.set(key, next)
      changed = true
    }
  }
  return [...followers].map(([key, row]) => ({ row, patients: patients.get(key)! })).filter(({ row, patients: next }) => !same(row.patients, next))
}

const APPEARED_AT_ONCE = 64

/** Live records that hang on one of these by a parameter that R4 has. */
async function rowsNaming(store: ResourceStore, targets: readonly Ref[], accept: (row: Row) => boolean): Promise<readonly Row[]> {
  const asks = derivedTypes.flatMap(({ type, code }): readonly FindAsk[] => {
    const param = searchParam(type, code)
    return param === undefined ? [] : [{ ...NAMING, accept, type, reach: { kind: 'all' }, filter: pointingAt(param, targets) }]
  })
  return findAll(store, asks)
}

/** Each once. */
async function findAll(store: ResourceStore, asks: readonly FindAsk[]): Promise<readonly Row[]> {
  const rows = new Map<string, Row>()
  for (const ask of asks) for (const row of (await store.find(ask)).rows) rows.set(refText(row), row)
  return [...rows.values()]
}

const NAMING = { order: 'newest', after: null, limit: derivedRecordsMax + 1, scanRecordsMax: Number.MAX_SAFE_INTEGER } as const

/** `isOther`: not written by this commit, and not found before. */
interface Others { readonly base: string; readonly isOther: (row: Row) => boolean }

function naming(targets: readonly Ref[], { base, isOther }: Others): (row: Row) => boolean {
  const names = new Set(targets.map(refText))
  return (row) => isOther(row) && derivedTargets(row.resource(), base).some((ref) => names.has(refText(ref)))
}

async function derivedRows(store: ResourceStore, target: Row, accept: (row: Row) => boolean): Promise<readonly Row[]> {
  // No index leads to these; but what hangs on a record is visible to its patients, and few records are.
  const reach = target.patients.length === 0 ? { kind: 'all' as const } : { kind: 'patients' as const, patients: target.patients, shared: true }
  const unindexed = derivedUnindexed.map((type): FindAsk => ({ ...NAMING, accept, type, reach, filter: ALL }))
  const rows = [...await rowsNaming(store, [target], accept), ...await findAll(store, unindexed), ...await deletedRows(store, target, accept)]
  return [...new Map(rows.map((row) => [refText(row), row])).values()]
}

const hangingTypes: readonly string[] = [...new Set([...derivedTypes.map(({ type }) => type), ...derivedUnindexed])]

/** A deleted record has no terms but those of its patients, and its last content is still shown to them. */
async function deletedRows(store: ResourceStore, { patients }: Row, accept: (row: Row) => boolean): Promise<readonly Row[]> {
  if (patients.length === 0) return []
  const reach = { kind: 'patients' as const, patients, shared: false }
  const ask = { reach, order: 'newest' as const, after: null, limit: derivedRecordsMax + 1, from: 0, before: Infinity, at: null, scanRecordsMax: Number.MAX_SAFE_INTEGER }
  const found: Row[] = []
  for (const type of hangingTypes) {
    const last = await store.findVersions({ ...ask, type, accept: (row, current) => row === current && row.deleted && accept(row) })
    found.push(...last.found.map(({ row }) => row))
  }
  return found
}

const same = (a: Patients, b: Patients): boolean => [...a].sort().join() === [...b].sort().join()
