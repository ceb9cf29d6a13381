import type { Binary, Collection, Document, Filter } from 'mongodb'
import { termSet, type TermSet } from '../../candidates.ts'
import type { Key, Page, PageAsk, Stored, TermQuery } from '../../ports.ts'
import { binary, bytesOf, compare, hexOf } from './bytes.ts'
import { COMMAND_MS, snapshot, type At, type Database } from './database.ts'
import { readRecords } from './read.ts'
import type { RecordDocument, VersionDocument } from './schema.ts'
import { storedOf } from './stored.ts'

/** Where reading goes on: behind this document, or with it. */
export interface Place { readonly updated: number; readonly id: Binary; readonly inclusive?: boolean }

/** One collection read in order, by the terms of one set (in pieces) or by type. */
export interface Source {
  readonly collection: Collection<RecordDocument> | Collection<VersionDocument>
  readonly order: TermQuery['order']
  /** What every document must be, beside the set that is read. */
  readonly filter: Filter<Document>
  /** The set that is read, in pieces; null: by type. */
  readonly pieces: readonly (readonly Binary[])[] | null
  readonly updated: TermQuery['updated']
}

/** A document of either collection, as far as its order needs, and where it lies. */
export interface Head { readonly _id: Binary; readonly updated: number; readonly c: Binary }

const PIECES_AT_ONCE = 4
/** Of a set of many terms the newest of the type are tested first: where many match, that is far cheaper than many lists. */
const SCAN_RECORDS = 512
/** So few places spare most shards, and little of them is among the newest of a type. */
const FEW_PLACES = 64

const isLocal = ({ places }: TermQuery): boolean => places !== undefined && places.length <= FEW_PLACES

/** The filter of a query and the set that is read from the index: the smallest. Null: nothing can match. A router sends it to the shards of `c` only. */
export function planOf({ sharded }: Pick<Database, 'sharded'>, query: TermQuery, splitTerms: number): Pick<Source, 'filter' | 'pieces' | 'order' | 'updated'> | null {
  const sets = query.allOf.map(termSet).sort((a, b) => a.size - b.size)
  const [driver, ...rest] = sets
  if (driver?.size === 0) return null
  const conditions = rest.map((set) => ({ terms: { $in: binariesOf(set) } }))
  const filter: Filter<Document> = {
    ...query.type === null ? {} : { type: query.type },
    ...sharded && isLocal(query) ? { c: { $in: query.places!.map(binary) } } : {},
    ...conditions.length === 0 ? {} : { $and: conditions },
    ...query.noneOf.length === 0 ? {} : { $nor: [{ terms: { $in: binariesOf(termSet(query.noneOf)) } }] }
  }
  return { filter, pieces: driver === undefined ? null : split(binariesOf(driver), splitTerms), order: query.order, updated: query.updated }
}

export async function findPage(base: Database, query: TermQuery, ask: PageAsk): Promise<Page> {
  const plan = planOf(base, query, base.splitTerms)
  if (plan === null) return { records: [], next: null, examined: 0 }
  const source: Source = { ...plan, filter: { ...plan.filter, deleted: false }, collection: base.in.record }
  const wanted = Math.min(ask.limit, Math.ceil(ask.examine))
  const after = ask.after === null ? null : { updated: ask.after.updated, id: binary(ask.after.key) }
  if ((source.pieces?.length ?? 1) <= 1) {
    const found = await read(source, source.pieces?.[0] ?? null, { after, limit: wanted + 1, whole: true })
    return pageOf(found.map((document) => base.again(storedOf(document as RecordDocument))), wanted)
  }
  return await snapshot(base, async (at) => {
    const scanned = query.type === null || isLocal(query) ? null : await scanType(source, { after, limit: wanted + 1, at })
    const heads = scanned ?? await readAll(source, { after, limit: wanted + 1, at })
    const records = await readRecords(base, heads.map(({ _id }) => bytesOf(_id)), at, heads.map(({ c }) => c))
    return pageOf(records.filter((record) => record !== undefined), wanted)
  })
}

function pageOf(found: readonly Stored[], wanted: number): Page {
  const records = found.slice(0, wanted)
  const last = records.at(-1)
  const next = found.length > wanted && last !== undefined ? { updated: last.updated, key: last.key as Key } : null
  return { records, next, examined: records.length }
}

export async function countRecords(base: Database, query: TermQuery, max: number): Promise<{ readonly count: number; readonly more: boolean }> {
  const plan = planOf(base, query, Infinity)
  if (plan === null || isEmpty(plan.updated)) return { count: 0, more: false }
  const [terms] = plan.pieces ?? []
  const filter = { ...plan.filter, deleted: false, ...updatedFilter(plan.updated), ...terms === undefined ? {} : { terms: { $in: [...terms] } } }
  const count = await (base.in.record as unknown as Collection<Document>).countDocuments(filter, { limit: max + 1, hint: terms === undefined ? 'by_type' : 'by_term', maxTimeMS: COMMAND_MS })
  return { count: Math.min(count, max), more: count > max }
}

interface Ask { readonly after: Place | null; readonly limit: number; readonly at?: At; readonly whole?: boolean }

/** Heads in order, from all pieces, each document once. */
export async function readAll(source: Source, ask: Ask): Promise<Head[]> {
  const { pieces } = source
  if (pieces === null) return await read(source, null, ask)
  // The first read fixes the snapshot that the others share.
  const lists: Head[][] = [await read(source, pieces[0] ?? [], ask)]
  for (let at = 1; at < pieces.length; at += PIECES_AT_ONCE) {
    lists.push(...await Promise.all(pieces.slice(at, at + PIECES_AT_ONCE).map((piece) => read(source, piece, ask))))
  }
  const found = new Map(lists.flat().map((head) => [hexOf(head._id), head]))
  return [...found.values()].sort((a, b) => inOrder(source.order, a, b)).slice(0, ask.limit)
}

/** Newest first by time and then up by `_id`, oldest first the exact mirror: one index in both directions. */
export function inOrder(order: TermQuery['order'], a: Head, b: Head): number {
  const difference = b.updated - a.updated || compare(a._id, b._id)
  return order === 'newest' ? difference : -difference
}

/** Documents under the terms, in order. Two statements where it goes on: `$or` would lose the order of the index. */
export async function read(source: Source, terms: readonly Binary[] | null, ask: Ask): Promise<Head[]> {
  const { after, limit } = ask
  const filter = { ...source.filter, ...terms === null ? {} : { terms: { $in: [...terms] } } }
  const hint = terms === null ? 'by_type' : 'by_term'
  const one = (time: Filter<Document>, limit: number): Promise<Head[]> => find(source, { filter: { ...filter, ...time }, hint }, { ...ask, limit })
  if (isEmpty(source.updated)) return []
  if (after === null) return await one(updatedFilter(source.updated), limit)
  const way = `${source.order === 'newest' ? '$gt' : '$lt'}${after.inclusive === true ? 'e' : ''}`
  const found = isWithin(source.updated, after.updated) ? await one({ updated: after.updated, _id: { [way]: after.id } }, limit) : []
  return found.length === limit ? found : [...found, ...await one({ updated: beyond(source, after.updated) }, limit - found.length)]
}

/** What lies behind a millisecond, within the query's own bounds. */
function beyond({ order, updated }: Source, at: number): Filter<Document> {
  const from = updated?.from ?? -Infinity
  const before = updated?.before ?? Infinity
  if (order === 'newest') return { $gte: from, $lt: Math.min(at, before) }
  return from > at ? { $gte: from, $lt: before } : { $gt: at, $lt: before }
}

async function find(source: Source, asked: { readonly filter: Filter<Document>; readonly hint: string }, { limit, at, whole }: Ask): Promise<Head[]> {
  const way = source.order === 'newest' ? -1 : 1
  const projection: Document = whole === true ? { terms: 0, trail: 0 } : { updated: 1, c: 1 }
  const collection = source.collection as unknown as Collection<Document>
  const found = await collection.find(asked.filter, {
    sort: { updated: way, _id: way === 1 ? -1 : 1 }, limit, batchSize: limit, hint: asked.hint, projection, maxTimeMS: COMMAND_MS, ...at
  }).toArray()
  return found as unknown as Head[]
}

/** The newest of the type that match, where they are enough among the first so many; else null. */
async function scanType(source: Source, { after, limit, at }: Ask & { readonly at: At }): Promise<Head[] | null> {
  const way = source.order === 'newest' ? -1 : 1
  const { type, deleted, ...tests } = source.filter
  const time = after === null ? updatedFilter(source.updated) : { updated: notBefore(source, after.updated) }
  const panel = { terms: { $in: (source.pieces ?? []).flat() } }
  const found = await (source.collection as unknown as Collection<Document>).aggregate([
    { $match: { type, deleted, ...time } }, { $sort: { updated: way, _id: -way } }, { $limit: SCAN_RECORDS },
    { $match: { $and: [tests, panel] } }, { $project: { updated: 1, c: 1 } }
  ], { hint: 'by_type', maxTimeMS: COMMAND_MS, ...at }).toArray() as unknown as Head[]
  const behind = found.filter((head) => after === null || inOrder(source.order, { ...head, _id: after.id, updated: after.updated }, head) < 0)
  return behind.length < limit ? null : behind.slice(0, limit)
}

/** What lies behind a millisecond, and the millisecond itself. */
function notBefore({ order, updated }: Source, at: number): Document {
  const from = updated?.from ?? -Infinity
  const before = updated?.before ?? Infinity
  if (order === 'oldest') return { $gte: Math.max(at, from), $lt: before }
  return before <= at ? { $gte: from, $lt: before } : { $gte: from, $lte: at }
}

const binariesOf = (set: TermSet): Binary[] => set.terms.map(binary)

const split = (terms: readonly Binary[], size: number): (readonly Binary[])[] =>
  Array.from({ length: Math.max(1, Math.ceil(terms.length / size)) }, (_, i) => (size === Infinity ? terms : terms.slice(i * size, (i + 1) * size)))

function updatedFilter(updated: TermQuery['updated']): { updated?: Document } {
  const bounds = { ...updated?.from === undefined ? {} : { $gte: updated.from }, ...updated?.before === undefined ? {} : { $lt: updated.before } }
  return Object.keys(bounds).length === 0 ? {} : { updated: bounds }
}

const isEmpty = (updated: TermQuery['updated']): boolean => (updated?.from ?? -Infinity) >= (updated?.before ?? Infinity)
const isWithin = (updated: TermQuery['updated'], at: number): boolean => at >= (updated?.from ?? -Infinity) && at < (updated?.before ?? Infinity)
