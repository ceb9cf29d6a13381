/**
 * ResourceStore + Policy → GuardedStore for one caller: the one predicate (DESIGN.md I2). What it hides does not exist: reads answer as
 * for an absent row, searches count, order and page without it, and writes are checked on the image before and the image after.
 */
import { fault, notFound } from '../model/errors.ts'
import { memoizedList } from '../model/memo.ts'
import { type Ref, refText, type Resource } from '../model/resource.ts'
import { allTypes } from '../search/classification.ts'
import { derivedTargets } from '../search/compartment.ts'
import { matches } from '../search/match.ts'
import { isStray, referencesIn } from '../search/references.ts'
import type { guarded, GuardedStore, HistoryAsk, Row, Seen } from '../store/ports.ts'
import type { StagedStore } from '../store/staged-store.ts'
import { type Grant, grantsFor, isWholeTenant, maskOf, reachOf, writableOf } from './grants.ts'
import { instanceVersions, type Judge, type Listing, systemVersions, typeVersions } from './guarded-history.ts'
import { includer } from './guarded-include.ts'
import { lister } from './guarded-lists.ts'
import { searcher } from './guarded-search.ts'
import { equal } from './json-parts.ts'
import { type GuardContext, type Lens, lens } from './lens.ts'
import { isSubsetted, untagged } from './mask.ts'
import type { Policy } from './policy.ts'

export type { GuardContext } from './lens.ts'

export function guard(store: StagedStore, policy: Policy, context: GuardContext): GuardedStore {
  const disclosed: Row[] = []
  const eyes = lens(policy, context)
  const reveal = (seen: Seen): Seen => {
    disclosed.push(seen.row)
    return seen
  }
  const { searching, including, listing, writing } = parts(store, policy, eyes, context, reveal)
  /** A version is there iff the caller may see the current one (of a deleted row: its last content). */
  const current = async (ref: Ref): Promise<Seen | undefined> => {
    eyes.require(ref.type, 'r')
    const [row] = await store.read([ref])
    return row === undefined ? undefined : eyes.look(row, 'r')
  }
  const self: Omit<GuardedStore, typeof guarded> = {
    fingerprint: policy.fingerprint,
    deleteMany: policy.deleteMany,
    require: (type, right) => void eyes.require(type, right),
    async read(ref) {
      const seen = await current(ref)
      return seen === undefined ? undefined : reveal(seen)
    },
    async version(ref, version) {
      const now = await current(ref)
      if (now === undefined) return undefined
      const row = now.row.version === version ? now.row : await store.version(ref, version)
      const seen = row === undefined ? undefined : eyes.look(row, 'r')
      return seen === undefined ? undefined : reveal(seen)
    },
    async history(of, ask) {
      const listed = await versionsOf(of, ask)
      if (listed === undefined) return undefined
      const rows = listed.found.map(({ row }) => reveal(eyes.look(row, rightOf(of))!))
      return { rows, next: listed.more ? listed.found.at(-1)!.position : null }
    },
    search: (ask) => searching().search(ask),
    searchAll: (asks) => searching().searchAll(asks),
    sorted: (ask) => searching().sorted(ask),
    count: (ask, max) => searching().count(ask, max),
    resolve: (type, filter) => searching().resolve(type, filter),
    requireIncludes: (type, includes) => including().requireIncludes(type, includes),
    included: (page, includes) => including().included(page, includes),
    ofPatient: (ask) => listing().ofPatient(ask), readAll: (refs, keep) => listing().readAll(refs, keep),
    choose: (ask, among) => listing().choose(ask, among),
    create: (resource, id) => writing().create(resource, id),
    update: (resource, ifMatch) => writing().update(resource, ifMatch),
    patch: (ref, ifMatch, change) => writing().patch(ref, ifMatch, change),
    remove: (ref, ifMatch) => writing().remove(ref, ifMatch),
    lock: (criteria) => store.lock(criteria),
    explained: eyes.explained, disclosures: () => disclosed.length,
    disclosed: (from = 0) => distinct(from === 0 ? disclosed : disclosed.slice(from))
  }
  return self as GuardedStore

  async function versionsOf(of: Ref | string | null, ask: HistoryAsk): Promise<Listing | undefined> {
    const right = rightOf(of)
    const sees = (row: Row): boolean => eyes.look(row, right) !== undefined
    if (of !== null && typeof of !== 'string') {
      const now = await current(of)
      return now === undefined ? undefined : instanceVersions(store, sees, of, now.row, ask)
    }
    const judge: Judge = (type) => ({
      reach: reachOf(eyes.require(type, right)), accept: (row, newest) => sees(newest) && (row === newest || sees(row)), scanRecordsMax: context.scanRecordsMax, turn: eyes.turn
    })
    if (of !== null) return typeVersions(store, judge, of, ask)
    const types = allTypes.filter((type) => eyes.has(type, right))
    if (types.length === 0) throw fault(403, 'forbidden', 'Neither scope nor role allows this interaction on any type')
    return systemVersions(store, judge, types, ask, eyes.turn)
  }
}

/** A history of a type or of all lists what nobody named: SMART's `s`, as a search. */
const rightOf = (of: Ref | string | null): 'r' | 's' => (of !== null && typeof of !== 'string' ? 'r' : 's')

/** Each version once. Where no two rows have one id there is nothing to compare. */
function distinct(rows: readonly Row[]): readonly Row[] {
  if (rows.length < 2 || haveOwnIds(rows)) return rows
  return [...new Map(rows.map((row) => [`${refText(row)}/${row.version}`, row])).values()]
}

const haveOwnIds = memoizedList((rows: readonly Row[]) => new Set(rows.map(({ id }) => id)).size === rows.length)

/** A request needs one of these, and a plain read none: each is made when it is first asked for. */
function parts(store: StagedStore, policy: Policy, eyes: Lens, context: GuardContext, reveal: (seen: Seen) => Seen) {
  return {
    searching: once(() => searcher(store, eyes, context, reveal)),
    including: once(() => includer(store, eyes, context, reveal)),
    listing: once(() => lister(store, eyes, context, reveal)),
    writing: once(() => writer(store, policy, eyes, context, reveal))
  }
}

function once<T>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}

/** What every write of this caller passes before it is staged. */
function stager(store: StagedStore, policy: Policy, eyes: Lens, context: GuardContext, reveal: (seen: Seen) => Seen) {
  /** Stages what some of these grants allow as written; `rest` of the checks are theirs alone, so that two rules never combine to more than either. */
  async function stage(content: Resource, current: Row | undefined, grants: readonly Grant[], rest: (allowing: readonly Grant[]) => void, fresh = false): Promise<Seen> {
    // A large resource has had a turn of its own for being read and validated.
    const pause = eyes.turn()
    if (pause !== undefined) await pause
    refuseStrays(content, context.base)
    const patients = await store.patientsOf(content)
    const row = store.stage({ current, content, deleted: false, patients, fresh })
    const allowing = grantsFor(grants, row, (filter) => matches(filter, row.resource(), { base: context.base }))
    if (allowing.length === 0 || !(await seesSources(content, allowing))) throw fault(403, 'forbidden', 'The resource as written lies outside what this caller may write')
    if (current !== undefined && !policy.move && differs(current.patients, patients)) {
      throw fault(403, 'forbidden', 'The change moves the resource to another patient, which needs the right to move')
    }
    rest(allowing)
    const shown = eyes.look(row, 'r')
    return shown === undefined ? eyes.seen(row, []) : reveal(shown)
  }
  /** What takes its patients from other records may point only at records that the caller sees: else hidden ones would answer unlike absent ones. */
  async function seesSources(content: Resource, allowing: readonly Grant[]): Promise<boolean> {
    const sources = allowing.some(isWholeTenant) ? [] : derivedTargets(content, context.base)
    const rows = sources.length === 0 ? [] : await store.read(sources)
    return rows.every((row) => row !== undefined && eyes.grantsOf(row, 'r').length > 0)
  }
  /** What is stored when this caller writes: hidden parts come from the stored version, and only writable elements may differ. */
  function merged(written: Resource, before: Row | null, grants: readonly Grant[]): Resource {
    const type = written.resourceType
    const stored = before === null ? null : before.resource()
    const whole = maskOf(type, grants)?.merge(written, stored) ?? written
    writableOf(type, grants)?.check(whole, stored)
    return whole
  }
  /** As `merged`, for what was made from the whole stored version: what these grants hide must be as it was. */
  function confine(whole: Resource, before: Row, grants: readonly Grant[]): void {
    const type = whole.resourceType
    const mask = maskOf(type, grants)
    if (mask !== null && !equal(mask.merge(untagged(mask.apply(whole)), before.resource()), whole)) {
      throw fault(422, 'business-rule', 'The change touches elements that this caller does not see', type)
    }
    writableOf(type, grants)?.check(whole, before.resource())
  }
  function refuseDropped(current: Row, whole: Resource): void {
    if (policy.relabel || !dropsLabel(current, whole)) return
    throw fault(403, 'forbidden', 'A security label may be removed only by a role that may relabel', `${whole.resourceType}.meta.security`)
  }
  return { stage, merged, confine, refuseDropped }
}

/** The writing half: the image before and the image after must both lie within the caller's grants. */
function writer(store: StagedStore, policy: Policy, eyes: Lens, context: GuardContext, reveal: (seen: Seen) => Seen): Pick<GuardedStore, 'create' | 'update' | 'patch' | 'remove'> {
  const { stage, merged, confine, refuseDropped } = stager(store, policy, eyes, context, reveal)
  const createAs = (content: Resource, current: Row | undefined, fresh: boolean): Promise<Seen> =>
    stage(content, current, eyes.require(content.resourceType, 'c'), (allowing) => void merged(content, null, allowing), fresh)
  return {
    async create(resource, id) {
      refuseSubsetted(resource)
      return createAs({ ...resource, id: id ?? context.newId() }, undefined, true)
    },
    async update(resource, ifMatch) {
      const grants = eyes.require(resource.resourceType, 'u')
      refuseSubsetted(resource)
      const ref = { type: resource.resourceType, id: resource.id }
      const [stored] = await store.read([ref])
      const before = stored === undefined ? [] : eyes.grantsOf(stored, 'u')
      const current = before.length === 0 ? undefined : stored
      if (ifMatch !== null && current?.version !== ifMatch) throw preconditionFailed()
      if (current === undefined || current.deleted) {
        // A hidden row must answer like an absent one, so only a caller to whom nothing of the type is hidden may name a new id.
        if (current === undefined && !grants.some(isWholeTenant)) throw notFound()
        return { seen: await createAs(resource, current, false), created: true }
      }
      const whole = merged(resource, current, before)
      refuseDropped(current, whole)
      const alone = (allowing: readonly Grant[]): void => void (allowing.length < before.length && merged(resource, current, allowing))
      return { seen: await stage(whole, current, before, alone), created: false }
    },
    async patch(ref, ifMatch, change) {
      // A patch tells what it meets (`test`, `where()`), so it needs to read what it changes.
      eyes.require(ref.type, 'r')
      eyes.require(ref.type, 'u')
      const [stored] = await store.read([ref])
      const seen = stored === undefined ? undefined : eyes.look(stored, 'r')
      const before = stored === undefined ? [] : eyes.grantsOf(stored, 'u')
      if (stored === undefined || seen === undefined || before.length === 0) throw notFound()
      if (stored.deleted) throw fault(410, 'deleted', 'The resource was deleted')
      if (ifMatch !== null && stored.version !== ifMatch) throw preconditionFailed()
      const written = change(seen.masked ? untagged(seen.resource()) : seen.resource())
      refuseSubsetted(written)
      const whole = maskOf(ref.type, eyes.grantsOf(stored, 'r'))?.merge(written, stored.resource()) ?? written
      confine(whole, stored, before)
      refuseDropped(stored, whole)
      return stage(whole, stored, before, (allowing) => void (allowing.length < before.length && confine(whole, stored, allowing)))
    },
    async remove(ref, ifMatch) {
      eyes.require(ref.type, 'd')
      const [row] = await store.read([ref])
      if (row === undefined || row.deleted || eyes.grantsOf(row, 'd').length === 0) {
        if (ifMatch !== null) throw preconditionFailed()
        return undefined
      }
      if (ifMatch !== null && row.version !== ifMatch) throw preconditionFailed()
      return store.stage({ current: row, content: row.resource(), deleted: true, patients: row.patients })
    }
  }
}

const preconditionFailed = (): Error => fault(412, 'conflict', 'If-Match does not name the current version')

const differs = (a: readonly string[], b: readonly string[]): boolean => [...a].sort().join() !== [...b].sort().join()

function refuseSubsetted(resource: Resource): void {
  if (isSubsetted(resource)) throw fault(422, 'business-rule', 'A resource marked SUBSETTED is not whole and cannot be written', `${resource.resourceType}.meta.tag`)
}

/** A reference that only looks like one of ours would leave its patient out of the row's patients. */
function refuseStrays(content: Resource, base: string): void {
  const stray = referencesIn(content).find(({ reference }) => isStray(reference, base))
  if (stray !== undefined) throw fault(422, 'value', 'A reference under the base of this server is Type/id or Type/id/_history/version', `${stray.path}.reference`)
}

function dropsLabel(current: Row, written: Resource): boolean {
  const kept = new Set((written.meta?.security ?? []).map((label) => `${label.system ?? ''}|${label.code ?? ''}`))
  return current.labels.some((label) => !kept.has(label))
}
