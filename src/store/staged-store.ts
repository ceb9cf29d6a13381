/**
 * A ResourceStore with the writes of one request laid over it: reads and searches see what was staged, and one commit at the end
 * carries the versions that were read as its preconditions. The guard stands above it, so staged rows pass the same policy.
 */
import { type Ref, refText, type Resource } from '../model/resource.ts'
import type { FindAsk, Found, PatientAsk, Position, ResourceCommit, ResourceStore, ResourceWrite, Row } from './ports.ts'
import { derivedTargets } from '../search/compartment.ts'
import { inReach } from './reach.ts'

export interface StagedStore extends Omit<ResourceStore, 'commit' | 'patientsOf'> {
  /** Compartment patients that this resource would have, staged targets first. */
  patientsOf(resource: Resource): Promise<readonly string[]>
  /** Stages a version over `current`. `content` of a deletion is the last content. Returns the row as it will be stored. */
  stage(change: { readonly current: Row | undefined; readonly content: Resource; readonly deleted: boolean; readonly patients: readonly string[]; readonly fresh?: boolean }): Row
  lock(criteria: string): Promise<void>
  /** Somebody else has written by one of the criteria since: what was read before and after may not agree. */
  overtaken(): Promise<boolean>
  isStaged(ref: Ref): boolean
  stagedRows(): readonly Row[]
  /** What the staged rows replace. */
  replacedRows(): readonly Row[]
  /** Nothing was staged: there is nothing to commit. */
  clean(): boolean
  finish(audit: ResourceCommit['audit'], move: boolean): ReturnType<ResourceStore['commit']>
}

export function stagedStore(store: ResourceStore, now: number, base: string): StagedStore {
  const writes = new Map<string, { write: ResourceWrite; row: Row; replaced: Row | undefined }>()
  const reads: Read[] = []
  const locks = new Map<string, number>()
  const follows: Follows = new Map()
  /** In order; of a record that was read twice the first counts. */
  const note = (ref: Ref, row: Row | undefined): void => void reads.push(row ?? { type: ref.type, id: ref.id, version: 0 })
  const self: StagedStore = {
    async read(refs) {
      const missing = writes.size === 0 ? refs : refs.filter((ref) => !writes.has(refText(ref)))
      const stored = missing.length === 0 ? [] : await store.read(missing)
      missing.forEach((ref, index) => note(ref, stored[index]))
      if (writes.size === 0) return stored
      const found = new Map(missing.map((ref, index) => [refText(ref), stored[index]]))
      return refs.map((ref) => writes.get(refText(ref))?.row ?? found.get(refText(ref)))
    },
    async version(ref, version) {
      const staged = writes.get(refText(ref))?.row
      return staged?.version === version ? staged : store.version(ref, version)
    },
    versions: (ref, before, limit) => store.versions(ref, before, limit),
    find: (ask) => find(store, [...writes.values()].map(({ row }) => row), note, ask),
    position: (row) => store.position(row),
    findOfPatient: (ask) => findOfPatient(store, [...writes.values()].map(({ row }) => row), note, ask),
    findVersions: (ask) => store.findVersions(ask),
    lockVersion: (criteria) => store.lockVersion(criteria),
    moves: (ref) => store.moves(ref),
    async patientsOf(resource) {
      // Targets become preconditions: a record must not be written with the patients of a target that another commit moves meanwhile.
      const targets = derivedTargets(resource, base)
      const known = new Map(targets.length === 0 ? [] : (await followed(self, targets, follows)).map((row, index) => [refText(targets[index]!), row?.patients ?? []]))
      return store.patientsOf(resource, (ref) => known.get(refText(ref)))
    },
    stage({ current, content, deleted, patients, fresh = false }) {
      const ref = { type: content.resourceType, id: content.id! }
      const before = writes.get(refText(ref))
      const expect = before?.write.expect ?? current?.version ?? 0
      const updated = Math.max(now, current?.updated ?? 0)
      const resource = deleted ? content : stamped(content, expect + 1, updated)
      const json = Buffer.from(JSON.stringify(resource))
      const labels = (resource.meta?.security ?? []).map((label) => `${label.system ?? ''}|${label.code ?? ''}`)
      const row: Row = { ...ref, version: expect + 1, updated, deleted, patients, labels, json, memo: [], resource: () => resource }
      writes.set(refText(ref), { write: { ref, expect, deleted, fresh: before?.write.fresh ?? fresh, resource, json, updated }, row, replaced: before?.replaced ?? current })
      return row
    },
    async lock(criteria) {
      if (!locks.has(criteria)) locks.set(criteria, await store.lockVersion(criteria))
    },
    async overtaken() {
      for (const [criteria, version] of locks) if ((await store.lockVersion(criteria)) !== version) return true
      return false
    },
    isStaged: (ref) => writes.has(refText(ref)),
    stagedRows: () => [...writes.values()].map(({ row }) => row),
    replacedRows: () => [...writes.values()].flatMap(({ replaced }) => replaced ?? []),
    clean: () => writes.size === 0,
    async finish(audit, move) {
      const first = new Map(reads.toReversed().map((read) => [refText(read), read]))
      const expect = [...first].filter(([key]) => !writes.has(key)).map(([, { type, id, version }]) => ({ ref: { type, id }, version }))
      return store.commit({
        writes: [...writes.values()].map(({ write }) => write), expect, move, audit,
        locks: [...locks].map(([criteria, version]) => ({ criteria, version })),
        follows: [...follows].filter(([key]) => !writes.has(key)).map(([, followed]) => followed)
      })
    }
  }
  return self
}

/** What was read: a row, or where there was none. */
type Read = Pick<Row, 'type' | 'id' | 'version'>

type Follows = Map<string, { readonly ref: Ref; readonly moves: number }>

/** Rows that a write takes its patients from. One that itself hangs on another gets new ones without a new version, so its moves are noted before it is read. */
async function followed(store: StagedStore, targets: readonly Ref[], follows: Follows): Promise<readonly (Row | undefined)[]> {
  const rows = await store.read(targets)
  const stored = targets.filter((ref, index) => rows[index] !== undefined && !store.isStaged(ref))
  if (stored.length === 0) return rows
  for (const ref of stored) if (!follows.has(refText(ref))) follows.set(refText(ref), { ref, moves: await store.moves(ref) })
  return store.read(targets)
}

/** versionId and lastUpdated are ours; the rest of meta is the client's. */
function stamped(resource: Resource, version: number, updated: number): Resource {
  const { resourceType, id, meta, ...rest } = resource
  const { versionId: _versionId, lastUpdated: _lastUpdated, ...kept } = meta ?? {}
  return { resourceType, id: id!, meta: { versionId: String(version), lastUpdated: new Date(updated).toISOString(), ...kept }, ...rest }
}

/** `next` of a page after which no position exists: the rows that follow are staged and have none yet. */
export const NO_POSITION: Position = { updated: 0, key: new Uint8Array(0) }

/** Before every record of its time, newest first. */
const LAST_KEY = new Uint8Array(16).fill(0xff)

async function find(store: ResourceStore, staged: readonly Row[], note: (ref: Ref, row: Row) => void, ask: FindAsk): Promise<Found> {
  const mine = staged.filter((row) => row.type === ask.type)
  if (mine.length === 0) return noted(await store.find(ask), note)
  const hidden = new Set(mine.map((row) => row.id))
  const stored: FindAsk = { ...ask, accept: (row) => !hidden.has(row.id) && ask.accept(row) }
  const rows: Row[] = []
  for (const row of ask.after === null ? mine : []) if (!row.deleted && inReach(ask.reach, row) && ask.accept(row)) rows.push(row)
  if (rows.length === 0) return noted(await store.find(stored), note)
  // What is staged is newer than all that is stored.
  if (ask.order === 'oldest') {
    const found = noted(await store.find(stored), note)
    const fits = found.rows.length + rows.length <= ask.limit
    return found.next !== null ? found : { rows: [...found.rows, ...rows].slice(0, ask.limit), next: fits ? null : NO_POSITION }
  }
  const room = ask.limit - rows.length
  if (room < 0) return { rows: rows.reverse().slice(0, ask.limit), next: NO_POSITION }
  const found = noted(await store.find({ ...stored, limit: Math.max(1, room) }), note)
  const [first] = found.rows
  if (room === 0) return { rows: rows.reverse(), next: first === undefined ? null : { updated: first.updated, key: LAST_KEY } }
  return { rows: [...rows.reverse(), ...found.rows], next: found.next }
}

/** What is staged is newer than all that is stored. */
async function findOfPatient(store: ResourceStore, staged: readonly Row[], note: (ref: Ref, row: Row) => void, ask: PatientAsk): Promise<Found> {
  if (staged.length === 0) return noted(await store.findOfPatient(ask), note)
  const hidden = new Set(staged.map(refText))
  const own = staged.filter((row) => ask.after === null && !row.deleted && row.patients.includes(ask.patient) && ask.accept(row)).reverse()
  const found = noted(await store.findOfPatient({ ...ask, accept: (row) => !hidden.has(refText(row)) && ask.accept(row) }), note)
  const rows = [...own, ...found.rows]
  return rows.length > ask.limit ? { rows: rows.slice(0, ask.limit), next: NO_POSITION } : { rows, next: found.next }
}

function noted(found: Found, note: (ref: Ref, row: Row) => void): Found {
  for (const row of found.rows) note(row, row)
  return found
}
