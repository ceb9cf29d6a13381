/** A store full of random rows, asked without HTTP in between, and what a caller should be answered by a plain scan. */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { accessRecord } from '../../../src/audit/record.ts'
import { loadConfig } from '../../../src/config.ts'
import type { Caller } from '../../../src/model/caller.ts'
import { FhirError } from '../../../src/model/errors.ts'

import type { Resource } from '../../../src/model/resource.ts'
import { type FhirRequest, wholeBody } from '../../../src/model/interaction.ts'
import { allTypes, classify } from '../../../src/search/classification.ts'
import type { SearchParam } from '../../../src/search/query.ts'
import type { Row } from '../../../src/store/ports.ts'
import { stagedStore } from '../../../src/store/staged-store.ts'
import { openSystem, type System } from '../../../src/system.ts'
import { dropStore, newStore } from '../../stores.ts'
import { BASE, makeResource, type Random, ROWS } from './generate.ts'
import type { Case, Condition } from './queries.ts'
import { around } from './hierarchies.ts'
import { clock, compositeHolds, holds, type Row as Found, spanOf, targetOf, type Typed, valuesOf } from './reference.ts'

export interface World {
  readonly system: System
  readonly rows: ReadonlyMap<string, readonly Found[]>
  close(): Promise<void>
}

/** Types whose rows follow others: written after what they follow. */
const types = [...allTypes.filter((type) => classify(type)!.kind !== 'derived'), ...allTypes.filter((type) => classify(type)!.kind === 'derived')].filter((type) => type !== 'AuditEvent')
export const SEARCHED = types

export const SYSTEM_CALLER = callerOf({ scope: 'system/*.cruds' })
export const PATIENT_CALLER = callerOf({ scope: 'patient/*.rs', patient: 'r1', fhirUser: 'Patient/r1' })

function callerOf(claims: Partial<Caller>): Caller {
  return {
    issuer: 'http://127.0.0.1', subject: 'tester', client: 'test', scope: '', patient: null, encounter: null, fhirUser: null, roles: [], purposes: [], jti: null,
    expires: Number.MAX_SAFE_INTEGER, ceiling: null, ...claims
  }
}

export async function openWorld(random: Random): Promise<World> {
  const { system, close, at } = await openStore()
  const rows = new Map<string, Found[]>(types.map((type) => [type, []]))
  for (let n = 0; n < ROWS; n++) {
    const now = clock - 1_000_000 + n * 1000
    at(now)
    for (const row of await commit(system, now, types.map((type) => makeResource(random, type, `r${n}`)))) rows.get(row.type)!.push({ resource: row.resource(), updated: row.updated })
  }
  at(clock)
  return { system, rows, close }
}

/** A system without HTTP on a clock of its own. */
export async function openStore(settings: Readonly<Record<string, string>> = {}): Promise<{ readonly system: System; readonly at: (ms: number) => void; close(): Promise<void> }> {
  const dir = mkdtempSync(join(tmpdir(), 'wardkeep-property-'))
  const own = settings.STORE_URL === undefined ? newStore() : {}
  let now = clock
  const config = loadConfig({ DATA_DIR: dir, BASE_URL: 'http://127.0.0.1', LOG_LEVEL: 'silent', ...own, ...settings })
  const system = await openSystem({ config, slot: 'server', now: () => now })
  return {
    system, at: (ms) => { now = ms },
    async close() {
      await system.close()
      await dropStore(own)
      rmSync(dir, { recursive: true, force: true })
    }
  }
}

/** Stores resources as they are, in one commit and unchecked: a store may hold more than its door lets in. */
export async function commit(system: System, now: number, contents: readonly Resource[]): Promise<readonly Row[]> {
  const staged = stagedStore(system.resources, now, BASE)
  for (const content of contents) staged.stage({ current: undefined, content, deleted: false, patients: await staged.patientsOf(content) })
  const rows = staged.stagedRows()
  const request = requestOf('create', 'Basic', [])
  const done = await staged.finish((written) => system.ledger.seal(accessRecord({ at: now, request, caller: SYSTEM_CALLER, status: 201, written })), true)
  if (done.kind !== 'done') throw new Error('the rows were not stored')
  return rows
}

export const requestOf = (interaction: FhirRequest['interaction'], type: string, params: FhirRequest['params'], id: string | null = null): FhirRequest => ({
  interaction, type, id, version: null, params, headers: {}, body: null, requestId: randomUUID(), clientRequestId: null, address: ''
})

interface Bundle { readonly total?: number; readonly link: readonly { readonly relation: string; readonly url: string }[]; readonly entry?: readonly { readonly resource: { readonly id: string } }[] }

export interface Answer { readonly status: number; readonly ids: readonly string[]; readonly totals: readonly (number | null)[]; readonly why: string }

/** All pages of a search, one after the other. */
export async function ask({ system }: World, caller: Caller, { type, params }: Case): Promise<Answer> {
  const ids: string[] = []
  const totals: (number | null)[] = []
  let next: Case['params'] | null = params
  try {
    for (let page = 0; next !== null && page < 40; page++) {
      const { status, body } = await system.handle(requestOf('search-type', type, next), caller)
      if (status !== 200) return { status, ids, totals, why: String(body) }
      const bundle = JSON.parse(wholeBody(body!).toString()) as Bundle
      ids.push(...(bundle.entry ?? []).map(({ resource }) => resource.id))
      totals.push(bundle.total ?? null)
      const link = bundle.link.find(({ relation }) => relation === 'next')
      next = link === undefined ? null : [['_page', new URL(link.url).searchParams.get('_page')!]]
    }
  } catch (error) {
    if (!(error instanceof FhirError)) throw error
    return { status: error.status, ids, totals, why: error.issues[0]?.diagnostics ?? '' }
  }
  return { status: 200, ids, totals, why: '' }
}

/** What one caller sees, found by reading each row and by asking each type. */
export interface View { readonly rows: ReadonlyMap<string, readonly Found[]>; readonly searchable: ReadonlySet<string> }

export async function viewOf(world: World, caller: Caller): Promise<View> {
  const rows = new Map<string, readonly Found[]>()
  const searchable = new Set<string>()
  // A type after the other: requests wait for one of the store's connections for a few seconds only.
  for (const [type, all] of world.rows) {
    if ((await status(world, requestOf('search-type', type, [['_count', '1']]), caller)) === 200) searchable.add(type)
    const read = await Promise.all(all.map((row) => status(world, requestOf('read', type, [], row.resource.id!), caller)))
    rows.set(type, all.filter((_, at) => read[at] === 200))
  }
  return { rows, searchable }
}

async function status({ system }: World, request: FhirRequest, caller: Caller): Promise<number> {
  try {
    return (await system.handle(request, caller)).status
  } catch (error) {
    if (error instanceof FhirError) return error.status
    throw error
  }
}

/* ---------- the plain scan ---------- */

/** Whether a search follows a link to a type that the caller may not search. */
export function isRefused(condition: Condition, searchable: ReadonlySet<string>): boolean {
  switch (condition.kind) {
    case 'and': case 'or': return condition.of.some((each) => isRefused(each, searchable))
    case 'not': return isRefused(condition.of, searchable)
    case 'chain': return condition.targets.every(({ type, of }) => !searchable.has(type) || isRefused(of, searchable))
    case 'has': return !searchable.has(condition.param.type) || isRefused(condition.of, searchable)
    case 'clause': {
      const tree = treeOf(condition)
      return tree !== null && !searchable.has(tree.type)
    }
    default: return false
  }
}

/** The one row that a clause asks the hierarchy of. */
function treeOf({ param, how, values: [asked] }: Extract<Condition, { kind: 'clause' }>): { readonly type: string; readonly id: string } | null {
  return param.kind === 'reference' && (how === 'above' || how === 'below') && asked?.kind === 'reference' && asked.type !== null && asked.id !== null ? { type: asked.type, id: asked.id } : null
}

export function meets(condition: Condition, row: Found, view: View): boolean {
  switch (condition.kind) {
    case 'and': return condition.of.every((each) => meets(each, row, view))
    case 'or': return condition.of.some((each) => meets(each, row, view))
    case 'not': return !meets(condition.of, row, view)
    case 'missing': return isPresent(condition.param, row) !== condition.missing
    case 'clause': {
      const { param, how, values } = condition
      if (how === 'not') return !meets({ ...condition, how: null }, row, view)
      const tree = treeOf(condition)
      if (tree !== null) {
        const ids = around(how!, tree.type, tree.id, view.rows.get(tree.type) ?? [])
        return valuesOf(param, row).map(({ value }) => targetOf(value)).some((target) => target?.type === tree.type && ids.has(target.id!))
      }
      return values.some((asked) => (asked.kind === 'composite'
        ? compositeHolds(param, row, (parts) => asked.of.every((part, at) => parts[at]!.some((typed) => holds(null, part, typed))))
        : valuesOf(param, row).some((typed) => holds(how, asked, typed))))
    }
    case 'chain': return condition.targets.some(({ type, of }) => valuesOf(condition.param, row).some((typed) => {
      const target = targetOf(typed.value)
      return target?.type === type && (view.rows.get(type) ?? []).some((each) => each.resource.id === target.id && meets(of, each, view))
    }))
    case 'has': return (view.rows.get(condition.param.type) ?? []).some((each) => meets(condition.of, each, view) && valuesOf(condition.param, each).some((typed) => {
      const target = targetOf(typed.value)
      return target?.type === row.resource.resourceType && target.id === row.resource.id
    }))
  }
}

const isPresent = (param: SearchParam, row: Found): boolean => (param.kind === 'composite' ? compositeHolds(param, row, () => true) : valuesOf(param, row).length > 0)

/** Parameters whose order is beyond dispute: one text, number or time for a value. */
export const isOrdered = (param: SearchParam): boolean => ['token', 'date', 'uri', 'number'].includes(param.kind) && param.expression !== ''

type Key = string | number

function keysOf(param: SearchParam, row: Found, descending: boolean): readonly Key[] {
  return valuesOf(param, row).flatMap((typed): readonly Key[] => {
    if (param.kind === 'date') {
      const span = spanOf(typed)
      return span === null ? [] : [descending ? span[1] : span[0]]
    }
    const { low, high } = (typeof typed.value === 'object' && typed.value !== null ? typed.value : {}) as { readonly low?: { readonly value: number }; readonly high?: { readonly value: number } }
    if (low !== undefined || high !== undefined) return [descending ? high?.value ?? Number.MAX_VALUE : low?.value ?? -Number.MAX_VALUE]
    return texts(typed)
  })
}

function texts({ type, value }: Typed): readonly Key[] {
  if (typeof value !== 'object' || value === null) return [typeof value === 'boolean' ? String(value) : value as Key]
  const fields = value as Readonly<Record<string, unknown>> & { readonly coding?: readonly { readonly code?: string }[]; readonly low?: { readonly value: number } }
  if (fields.coding !== undefined) return fields.coding.flatMap(({ code }) => code ?? [])
  const own = type === 'Identifier' || type === 'ContactPoint' ? fields.value : fields.code ?? fields.text
  return typeof own === 'string' ? [own] : []
}

const order = (a: Key, b: Key): number => (a < b ? -1 : a > b ? 1 : 0)

/** Ids in the order they are owed. Missing last; equal ones newest first. */
export function expected({ type, conditions, sort }: Case, view: View): readonly string[] {
  const found = (view.rows.get(type) ?? []).filter((row) => conditions.every((each) => meets(each, row, view)))
  const best = (param: SearchParam, descending: boolean, row: Found): Key | undefined => [...keysOf(param, row, descending)].sort((a, b) => (descending ? -order(a, b) : order(a, b)))[0]
  return [...found].sort((a, b) => {
    for (const { param, descending } of sort) {
      const [left, right] = [best(param, descending, a), best(param, descending, b)]
      if (left === undefined || right === undefined) {
        if (left !== right) return left === undefined ? 1 : -1
      } else if (order(left, right) !== 0) return descending ? -order(left, right) : order(left, right)
    }
    return b.updated - a.updated || order(a.resource.id!, b.resource.id!)
  }).map(({ resource }) => resource.id!)
}
