import { positionParts, versionPosition } from '../../candidates.ts'
import type { Key, Page, PageAsk, Position, Stored, TermQuery } from '../../ports.ts'
import { binary, bytesOf, hexOf, pieces, versionId } from './bytes.ts'
import { COMMAND_MS, snapshot, type At, type Database } from './database.ts'
import { inOrder, planOf, readAll, type Head, type Place, type Source } from './find.ts'
import { placesOf, readRecords, shardsOf } from './read.ts'
import type { VersionDocument } from './schema.ts'
import { storedOf } from './stored.ts'

const KEY_BYTES = 16
const VERSION_MAX = 0xffffffff
const IDS_AT_ONCE = 1_000

/** Versions of one record, newest first, the current one included. */
export async function versionsOf(base: Database, key: Key, before: number | null, limit: number): Promise<Stored[]> {
  return await snapshot(base, async (at) => {
    const [current] = await readRecords(base, [key], at)
    if (current === undefined) return []
    const found = before === null || current.version < before ? [current] : []
    if (found.length === limit) return found
    const bound = Math.min(before ?? VERSION_MAX, current.version)
    const filter = { ...await placesOf(base, [key], at), _id: { $gt: versionId(key, bound), $lte: versionId(key, 0) } }
    const options = { sort: { _id: 1 as const }, limit: limit - found.length, projection: { terms: 0 }, maxTimeMS: COMMAND_MS, ...at }
    const superseded = await base.in.version.find(filter, options).toArray()
    return [...found, ...superseded.map((document) => storedOf(document, keyOf(document)))]
  })
}

export async function versionOf(base: Database, key: Key, version: number): Promise<Stored | undefined> {
  const [found] = await versionsOf(base, key, version + 1, 1)
  return found?.version === version ? found : undefined
}

const keyOf = ({ _id }: Pick<Head, '_id'>): Key => bytesOf(_id).slice(0, KEY_BYTES)

/**
 * A page over current and superseded versions, newest first by time, then up by key, then down by version, or the exact mirror. The
 * live ones are found by their terms, the others by their trail.
 */
export async function findVersionsPage(base: Database, query: TermQuery, ask: PageAsk): Promise<Page> {
  const plan = planOf(base, query, base.splitTerms)
  if (plan === null) return { records: [], next: null, examined: 0 }
  const wanted = Math.min(ask.limit, Math.ceil(ask.examine))
  const after = placesAfter(query.order, ask.after)
  return await snapshot(base, async (at) => {
    const read = (source: Source, place: Place | null): Promise<Head[]> => readAll(source, { after: place, limit: wanted + 2, at })
    const current = await read({ ...plan, collection: base.in.record }, after.current)
    const superseded = await read({ ...plan, collection: base.in.version }, after.superseded)
    const records = await contentOf(base, at, [...current, ...superseded].sort((a, b) => inOrder(query.order, a, b)).slice(0, wanted + 2))
    const found = records.filter((stored) => !isBehind(query.order, ask.after, stored))
    const page = found.slice(0, wanted)
    const last = page.at(-1)
    return { records: page, next: found.length > wanted && last !== undefined ? versionPosition(last) : null, examined: page.length }
  })
}

async function contentOf(base: Database, at: At, heads: readonly Head[]): Promise<Stored[]> {
  const isCurrent = ({ _id }: Head): boolean => _id.position === KEY_BYTES
  const current = heads.filter(isCurrent)
  const records = await readRecords(base, current.map(({ _id }) => bytesOf(_id)), at, current.map(({ c }) => c))
  const superseded = heads.filter((head) => !isCurrent(head))
  const versions = new Map<string, VersionDocument>()
  for (const piece of pieces(superseded, IDS_AT_ONCE)) {
    const filter = { _id: { $in: piece.map(({ _id }) => _id) }, ...shardsOf(base, piece.map(({ c }) => c)) }
    const documents = await base.in.version.find(filter, { projection: { terms: 0 }, batchSize: IDS_AT_ONCE, maxTimeMS: COMMAND_MS, ...at }).toArray()
    for (const document of documents) versions.set(hexOf(document._id), document as VersionDocument)
  }
  const found = new Map(records.flatMap((stored) => (stored === undefined ? [] : [[hexOf(stored.key), stored] as const])))
  return heads.flatMap((head) => {
    const version = versions.get(hexOf(head._id))
    const stored = isCurrent(head) ? found.get(hexOf(head._id)) : version && storedOf(version, keyOf(head))
    return stored === undefined ? [] : [stored]
  })
}

/**
 * Places in both collections behind which a position goes on. The version it names may have been current then and
 * superseded since, so the record of the position is read again and dropped by `isBehind`.
 */
function placesAfter(order: TermQuery['order'], after: Position | null): { current: Place | null; superseded: Place | null } {
  if (after === null) return { current: null, superseded: null }
  const { key, version } = positionParts(after)
  const { updated } = after
  const end = order === 'newest' ? 0 : VERSION_MAX
  return {
    current: { updated, id: binary(key), inclusive: version !== null && order === 'oldest' },
    superseded: { updated, id: versionId(key, version ?? end) }
  }
}

function isBehind(order: TermQuery['order'], after: Position | null, stored: Stored): boolean {
  if (after === null || stored.updated !== after.updated) return false
  const { key, version } = positionParts(after)
  if (version === null || Buffer.compare(key, stored.key) !== 0) return false
  return order === 'newest' ? stored.version >= version : stored.version <= version
}
