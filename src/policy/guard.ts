/**
 * ResourceStore + Policy → GuardedStore for one caller: the one predicate (DESIGN.md I2). What it hides does not exist: reads answer as
 * for an absent row, searches count, order and page without it, and writes are checked on the image before and the image after.
 */
import { fault, notFound } from '../model/errors.ts'
import { type Ref, refText, type Resource } from '../model/resource.ts'
import { derivedTargets } from '../search/compartment.ts'
import { matches } from '../search/match.ts'
import { isStray, referencesIn } from '../search/references.ts'
import type { guarded, GuardedStore, Row, Seen } from '../store/ports.ts'
import type { StagedStore } from '../store/staged-store.ts'
import { type Grant, grantsFor, isWholeTenant, maskOf, writableOf } from './grants.ts'
import { includer } from './guarded-include.ts'
import { searcher } from './guarded-search.ts'
import { type GuardContext, type Lens, lens } from './lens.ts'
import { isSubsetted } from './mask.ts'
import type { Policy } from './policy.ts'

export type { GuardContext } from './lens.ts'

export function guard(store: StagedStore, policy: Policy, context: GuardContext): GuardedStore {
  const disclosed = new Map<string, Row>()
  const eyes = lens(policy, context)
  const reveal = (seen: Seen): Seen => {
    disclosed.set(`${refText(seen.row)}/${seen.row.version}`, seen.row)
    return seen
  }
  /** A version is there iff the caller may see the current one (of a deleted row: its last content). */
  const current = async (ref: Ref): Promise<Seen | undefined> => {
    eyes.require(ref.type, 'r')
    const [row] = await store.read([ref])
    return row === undefined ? undefined : eyes.look(row, 'r')
  }
  const self: Omit<GuardedStore, typeof guarded> = {
    fingerprint: policy.fingerprint,
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
    history: async (ref, before, limit) => ((await current(ref)) === undefined ? [] : visibleVersions(ref, before, limit)),
    ...searcher(store, eyes, context, reveal),
    ...includer(store, eyes, context, reveal),
    ...writer(store, policy, eyes, context, reveal),
    lock: (criteria) => store.lock(criteria),
    disclosed: () => [...disclosed.values()]
  }
  return self as GuardedStore

  async function visibleVersions(ref: Ref, before: number | null, limit: number): Promise<readonly Seen[]> {
    const shown: Seen[] = []
    for (let from = before; ; ) {
      const rows = await store.versions(ref, from, limit)
      for (const row of rows) {
        const seen = shown.length < limit ? eyes.look(row, 'r') : undefined
        if (seen !== undefined) shown.push(reveal(seen))
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length < limit || shown.length === limit) return shown
      from = last.version
    }
  }
}

/** The writing half: the image before and the image after must both lie within the caller's grants. */
function writer(store: StagedStore, policy: Policy, eyes: Lens, context: GuardContext, reveal: (seen: Seen) => Seen): Pick<GuardedStore, 'create' | 'update' | 'remove'> {
  /** Stages what some of these grants allow as written; `rest` of the checks are theirs alone, so that two rules never combine to more than either. */
  async function stage(content: Resource, current: Row | undefined, grants: readonly Grant[], rest: (allowing: readonly Grant[]) => void): Promise<Seen> {
    refuseStrays(content, context.base)
    const patients = await store.patientsOf(content)
    const row = store.stage({ current, content, deleted: false, patients })
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
  const createAs = (content: Resource, current: Row | undefined): Promise<Seen> =>
    stage(content, current, eyes.require(content.resourceType, 'c'), (allowing) => void merged(content, null, allowing))
  /** What is stored when this caller writes: hidden parts come from the stored version, and only writable elements may differ. */
  function merged(written: Resource, before: Row | null, grants: readonly Grant[]): Resource {
    const type = written.resourceType
    const stored = before === null ? null : before.resource()
    const whole = maskOf(type, grants)?.merge(written, stored) ?? written
    writableOf(type, grants)?.check(whole, stored)
    return whole
  }
  return {
    async create(resource, id) {
      refuseSubsetted(resource)
      return createAs({ ...resource, id: id ?? context.newId() }, undefined)
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
        if (current === undefined && (stored !== undefined || !grants.some(isWholeTenant))) throw notFound()
        return { seen: await createAs(resource, current), created: true }
      }
      const whole = merged(resource, current, before)
      if (!policy.relabel && dropsLabel(current, whole)) throw fault(403, 'forbidden', 'A security label may be removed only by a role that may relabel', `${ref.type}.meta.security`)
      const alone = (allowing: readonly Grant[]): void => void (allowing.length < before.length && merged(resource, current, allowing))
      return { seen: await stage(whole, current, before, alone), created: false }
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
