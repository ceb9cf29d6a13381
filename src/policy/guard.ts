/**
 * ResourceStore + Policy → GuardedStore for one caller: the one predicate (DESIGN.md I2). What it hides does not exist: reads answer as
 * for an absent row, searches count, order and page without it, and writes are checked on the image before and the image after.
 */
import { fault, notFound } from '../model/errors.ts'
import { type Ref, refText, type Resource } from '../model/resource.ts'
import { matches } from '../search/match.ts'
import { searchParam } from '../search/parameters.ts'
import type { GuardedStore, Right, Row, SearchAsk, Seen } from '../store/ports.ts'
import type { StagedStore } from '../store/staged-store.ts'
import { isSubsetted } from './mask.ts'
import { allowedBy, type Policy, type TypePolicy } from './policy.ts'

export interface GuardContext {
  readonly base: string
  readonly now: number
  readonly newId: () => string
  readonly scanRecordsMax: number
  readonly entriesMax: number
}

export function guard(store: StagedStore, policy: Policy, context: GuardContext): GuardedStore {
  const disclosed = new Map<string, Row>()
  const eyes = lens(policy, context)
  const { allowed, see } = eyes
  const reveal = (row: Row): Seen => {
    disclosed.set(`${refText(row)}/${row.version}`, row)
    return see(row)
  }
  const current = async (ref: Ref): Promise<Row | undefined> => (await store.read([ref]))[0]
  const self: Omit<GuardedStore, never> = {
    fingerprint: policy.fingerprint,
    entriesMax: context.entriesMax,
    require: eyes.require,
    async read(ref) {
      eyes.require(ref.type, 'r')
      const row = await current(ref)
      return row !== undefined && allowed(row, 'r') ? reveal(row) : undefined
    },
    async version(ref, version) {
      eyes.require(ref.type, 'r')
      const now = await current(ref)
      if (now === undefined || !allowed(now, 'r')) return undefined
      const row = now.version === version ? now : await store.version(ref, version)
      return row !== undefined && allowed(row, 'r') ? reveal(row) : undefined
    },
    async history(ref, before, limit) {
      eyes.require(ref.type, 'r')
      const now = await current(ref)
      if (now === undefined || !allowed(now, 'r')) return []
      const seen: Seen[] = []
      for (let from = before; ; ) {
        const rows = await store.versions(ref, from, limit)
        for (const row of rows) if (seen.length < limit && allowed(row, 'r')) seen.push(reveal(row))
        const last = rows.at(-1)
        if (last === undefined || rows.length < limit || seen.length === limit) return seen
        from = last.version
      }
    },
    async search(ask) {
      const found = await store.find(eyes.findAsk(ask))
      return { rows: found.rows.map(reveal), next: found.next }
    },
    async count(ask, max) {
      const found = await store.find({ ...eyes.findAsk(ask), after: null, limit: max })
      return { count: found.rows.length, more: found.next !== null }
    },
    ...writer(store, policy, eyes, context, reveal),
    lock: (criteria) => store.lock(criteria),
    disclosed: () => [...disclosed.values()]
  }
  return self as GuardedStore
}

type Lens = ReturnType<typeof lens>

/** What this caller may see of a row, and of which rows. */
function lens(policy: Policy, context: GuardContext) {
  const typed = (type: string): TypePolicy => policy.forType(type)
  const matcher = (row: Row) => (filter: Parameters<typeof matches>[0]) => matches(filter, row.resource(), { base: context.base })
  const allowed = (row: Row, right: Right): boolean => {
    const grants = typed(row.type).rights[right]
    return grants !== undefined && allowedBy(grants, row, matcher(row))
  }
  const see = (row: Row): Seen => {
    const mask = typed(row.type).mask
    if (mask === null) return { row, masked: false, json: () => row.json, resource: () => row.resource() }
    let shown: Resource | null = null
    const resource = (): Resource => (shown ??= mask.apply(row.resource()))
    return { row, masked: true, json: () => Buffer.from(JSON.stringify(resource())), resource }
  }
  const require = (type: string, right: Right): void => {
    if ((typed(type).rights[right]?.length ?? 0) === 0) throw fault(403, 'forbidden', `Neither scope nor role allows this interaction on ${type}`)
  }
  const findAsk = (ask: SearchAsk): Parameters<StagedStore['find']>[0] => {
    require(ask.type, 's')
    const { mask, rights } = typed(ask.type)
    for (const code of ask.codes) {
      const param = searchParam(ask.type, code)
      if (param !== undefined && mask?.hides(param)) throw fault(403, 'forbidden', `The search parameter '${code}' reads elements that are hidden from this role`)
    }
    const accept = (row: Row): boolean =>
      allowed(row, 's') && (ask.filter.kind === 'all' || matches(ask.filter, see(row).resource(), { base: context.base }))
    return {
      type: ask.type, reach: reachOf(rights.s ?? []), filter: ask.filter, accept, order: ask.order, after: ask.after,
      limit: ask.limit, scanRecordsMax: context.scanRecordsMax
    }
  }
  return { allowed, see, require, findAsk, typed }
}

/** The writing half: the image before and the image after must both lie within the caller's grants. */
function writer(store: StagedStore, policy: Policy, eyes: Lens, context: GuardContext, reveal: (row: Row) => Seen): Pick<GuardedStore, 'create' | 'update' | 'remove'> {
  const { allowed, see, typed } = eyes
  async function stage(content: Resource, current: Row | undefined, right: 'c' | 'u'): Promise<Seen> {
    const patients = await store.patientsOf(content)
    const row = store.stage({ current, content, deleted: false, patients })
    if (!allowed(row, right)) throw fault(403, 'forbidden', `The resource as written lies outside what this caller may ${right === 'c' ? 'create' : 'update'}`)
    if (current !== undefined && !current.deleted && !policy.move && differs(current.patients, patients)) {
      throw fault(403, 'forbidden', 'The change moves the resource to another patient, which needs the right to move')
    }
    return allowed(row, 'r') ? reveal(row) : see(row)
  }
  return {
    async create(resource, id) {
      eyes.require(resource.resourceType, 'c')
      refuseSubsetted(resource)
      const merged = typed(resource.resourceType).mask?.merge(resource, null) ?? resource
      return stage({ ...merged, id: id ?? context.newId() }, undefined, 'c')
    },
    async update(resource, ifMatch) {
      eyes.require(resource.resourceType, 'u')
      refuseSubsetted(resource)
      const ref = { type: resource.resourceType, id: resource.id }
      const [stored] = await store.read([ref])
      const current = stored !== undefined && allowed(stored, 'u') ? stored : undefined
      if (ifMatch !== null && current?.version !== ifMatch) throw preconditionFailed()
      const { mask } = typed(ref.type)
      if (current === undefined || current.deleted) {
        // A hidden row must answer like an absent one, so only a caller to whom nothing of the type is hidden may name a new id.
        if (current === undefined && (stored !== undefined || !ownsType(eyes, ref.type))) throw notFound()
        eyes.require(ref.type, 'c')
        return { seen: await stage(mask?.merge(resource, null) ?? resource, current, 'c'), created: true }
      }
      const merged = mask?.merge(resource, current.resource()) ?? resource
      if (!policy.relabel && dropsLabel(current, merged)) throw fault(403, 'forbidden', 'A security label may be removed only by a role that may relabel', `${ref.type}.meta.security`)
      return { seen: await stage(merged, current, 'u'), created: false }
    },
    async remove(ref, ifMatch) {
      eyes.require(ref.type, 'd')
      const [row] = await store.read([ref])
      if (row === undefined || row.deleted || !allowed(row, 'd')) {
        if (ifMatch !== null) throw preconditionFailed()
        return undefined
      }
      if (ifMatch !== null && row.version !== ifMatch) throw preconditionFailed()
      return store.stage({ current: row, content: row.resource(), deleted: true, patients: row.patients })
    }
  }
}

const preconditionFailed = (): Error => fault(412, 'conflict', 'If-Match does not name the current version')

const ownsType = (eyes: Lens, type: string): boolean =>
  (eyes.typed(type).rights.u ?? []).some((grant) => grant.reach.kind === 'all' && grant.filter.kind === 'all')

const differs = (a: readonly string[], b: readonly string[]): boolean => [...a].sort().join() !== [...b].sort().join()

function refuseSubsetted(resource: Resource): void {
  if (isSubsetted(resource)) throw fault(422, 'business-rule', 'A resource marked SUBSETTED is not whole and cannot be written', `${resource.resourceType}.meta.tag`)
}

function dropsLabel(current: Row, written: Resource): boolean {
  const kept = new Set((written.meta?.security ?? []).map((label) => `${label.system ?? ''}|${label.code ?? ''}`))
  return current.labels.some((label) => !kept.has(label))
}
