/** Versions that a caller may see: of one resource, of a type, of all types in one order. */
import type { Ref } from '../model/resource.ts'
import type { Turn } from '../model/turns.ts'
import type { HistoryAsk, Position, Row, VersionsAsk } from '../store/ports.ts'
import type { StagedStore } from '../store/staged-store.ts'

type Listed = { readonly row: Row; readonly position: Position }
export interface Listing { readonly found: readonly Listed[]; readonly more: boolean }

/** What of the ask is the policy's: the reach, and whether a version and its current one are both seen. */
export type Judge = (type: string) => Pick<VersionsAsk, 'reach' | 'accept' | 'scanRecordsMax' | 'turn'>

export async function typeVersions(store: StagedStore, judge: Judge, type: string, ask: HistoryAsk): Promise<Listing> {
  return store.findVersions({ type, ...judge(type), ...ask, before: Infinity })
}

/** The types' own streams, merged: by time, then by the name of the type, then as each store has them. */
export async function systemVersions(store: StagedStore, judge: Judge, types: readonly string[], ask: HistoryAsk, turn: Turn): Promise<Listing> {
  const start = ask.after === null ? null : typedPosition(ask.after)
  const sign = ask.order === 'newest' ? -1 : 1
  const streams = [...types].sort().map((type) => stream(store, { type, ...judge(type), ...ask, ...resumed(type, start, ask) }))
  const heads: IteratorResult<Listed, undefined>[] = []
  for (let from = 0; from < streams.length; from += STREAMS_AT_ONCE) {
    heads.push(...(await Promise.all(streams.slice(from, from + STREAMS_AT_ONCE).map((each) => each.next()))))
    const pause = turn()
    if (pause !== undefined) await pause
  }
  const found: Listed[] = []
  for (;;) {
    let best = -1
    heads.forEach(({ value }, index) => {
      if (value !== undefined && (best < 0 || sign * (value.row.updated - heads[best]!.value!.row.updated) < 0)) best = index
    })
    const head = heads[best]?.value
    if (head === undefined) return { found, more: false }
    if (found.length === ask.limit) return { found, more: true }
    found.push({ row: head.row, position: positionOf(head) })
    heads[best] = await streams[best]!.next()
  }
}

/** Types whose first versions are asked for together. */
const STREAMS_AT_ONCE = 16

/** The first of each type are few, since most types have none of the newest. */
async function* stream(store: StagedStore, ask: VersionsAsk): AsyncGenerator<Listed, undefined> {
  let { after } = ask
  for (let limit = 4; ; limit = Math.min(128, limit * 4)) {
    const { found, more } = await store.findVersions({ ...ask, after, limit })
    yield* found
    if (!more) return undefined
    after = found.at(-1)!.position
  }
}

/** Where a type goes on after a page of several: types that come earlier in the order have given all of the last row's millisecond. */
function resumed(type: string, start: { readonly type: string; readonly position: Position } | null, ask: HistoryAsk): Pick<VersionsAsk, 'after' | 'from' | 'before'> {
  if (start === null) return { after: null, from: ask.from, before: Infinity }
  const { updated } = start.position
  if (type === start.type) return { after: start.position, from: ask.from, before: Infinity }
  const isGiven = type < start.type ? 1 : 0
  return ask.order === 'newest'
    ? { after: null, from: ask.from, before: updated + 1 - isGiven }
    : { after: null, from: Math.max(ask.from, updated + isGiven), before: Infinity }
}

/** A position among all types carries the type before the store's own. */
const positionOf = ({ row, position }: Listed): Position =>
  ({ updated: position.updated, key: Uint8Array.from([row.type.length, ...Buffer.from(row.type), ...position.key]) })

function typedPosition({ updated, key }: Position): { readonly type: string; readonly position: Position } {
  const end = 1 + (key[0] ?? 0)
  return { type: Buffer.from(key.subarray(1, end)).toString(), position: { updated, key: key.slice(end) } }
}

/** Versions of one resource; a position holds the version number in the place of the time. */
export async function instanceVersions(store: StagedStore, sees: (row: Row) => boolean, ref: Ref, current: Row, ask: HistoryAsk): Promise<Listing> {
  const found: Listed[] = []
  const from = ask.order === 'newest' ? downwards(store, ref, ask.after?.updated ?? null) : upwards(store, ref, ask.after?.updated ?? 0, current.version)
  for await (const row of from) {
    if (ask.order === 'newest' && row.updated < ask.from) break
    if (row.updated < ask.from || !sees(row) || !(await wasCurrent(store, ref, row, current, ask.at))) continue
    if (found.length === ask.limit) return { found, more: true }
    found.push({ row, position: { updated: row.version, key: new Uint8Array(0) } })
  }
  return { found, more: false }
}

const VERSIONS_AT_ONCE = 100

async function* downwards(store: StagedStore, ref: Ref, start: number | null): AsyncGenerator<Row> {
  for (let before = start; ;) {
    const rows = await store.versions(ref, before, VERSIONS_AT_ONCE)
    yield* rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < VERSIONS_AT_ONCE) return
    before = last.version
  }
}

async function* upwards(store: StagedStore, ref: Ref, after: number, last: number): AsyncGenerator<Row> {
  for (let version = after + 1; version <= last; version++) {
    const row = await store.version(ref, version)
    if (row !== undefined) yield row
  }
}

async function wasCurrent(store: StagedStore, ref: Ref, row: Row, current: Row, at: HistoryAsk['at']): Promise<boolean> {
  if (at === null) return true
  if (row.updated >= at.before) return false
  if (row.updated >= at.from || row.version === current.version) return true
  const next = await store.version(ref, row.version + 1)
  return next !== undefined && next.updated > at.from
}
