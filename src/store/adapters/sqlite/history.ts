import { passes, positionParts, termSet, versionPosition, type TermSet } from '../../candidates.ts'
import type { Key, Page, PageAsk, Position, Stored, TermQuery } from '../../ports.ts'
import { merged, places, zipped } from './merge.ts'
import { PLACE_MAX, type Lister, type Order, type Place, type PostingTable, type Range } from './postings.ts'
import { rangeOf, type RecordReader } from './reader.ts'

/** Versions of one record, newest first, the current one included. */
export function versionsOf(reader: RecordReader, key: Key, before: number | null, limit: number): Stored[] {
  const recno = reader.recno(key)
  if (recno === null) return []
  const current = reader.byRecno(recno)
  const found = before === null || current.version < before ? [current] : []
  const bound = Math.min(before ?? PLACE_MAX, current.version)
  return [...found, ...reader.versions(recno, bound, limit)].slice(0, limit)
}

export function versionOf(reader: RecordReader, key: Key, version: number): Stored | undefined {
  const recno = reader.recno(key)
  if (recno === null) return undefined
  const current = reader.byRecno(recno)
  return current.version === version ? current : reader.versions(recno, version + 1, 1).find((found) => found.version === version)
}

/**
 * A page over current and superseded versions: those that are live by their terms, the others (a deletion too) by
 * their trail. Order is updated, record, version.
 */
export function findVersionsPage(reader: RecordReader, query: TermQuery, ask: PageAsk): Page {
  const sets = query.allOf.map(termSet).sort((a, b) => a.size - b.size)
  const type = query.type === null ? null : reader.typeId(query.type)
  const records: Stored[] = []
  if (sets[0]?.size === 0 || (query.type !== null && type === null)) return { records, next: null, examined: 0 }
  const none = query.noneOf.length === 0 ? null : termSet(query.noneOf)
  const rest = sets.slice(1)
  let examined = 0
  let last: Position | null = null
  for (const [, recno, number] of candidates(reader, query, type, sets[0], ask)) {
    if (records.length >= ask.limit || examined >= ask.examine) return { records, next: last, examined }
    const found = number === CURRENT ? reader.current(recno as number) : reader.supersededVersion(recno as number, number as number)
    if (found === undefined || isBehind(query.order, ask.after, found.stored)) continue
    examined++
    last = versionPosition(found.stored)
    if ((query.type === null || found.stored.type === query.type) && passes(found, rest, none)) records.push(found.stored)
  }
  return { records, next: null, examined }
}

// The current version is later than every superseded one of its record.
const CURRENT = PLACE_MAX

function* candidates(
  reader: RecordReader, query: TermQuery, type: number | null, driver: TermSet | undefined, ask: PageAsk
): Generator<Place> {
  const { order, updated } = query
  const direction = order === 'newest' ? reader.newest : reader.oldest
  const after = placesOf(reader, order, ask.after)
  const stream = (table: PostingTable, ofType: Lister, range: Range): Generator<Place> =>
    driver === undefined ? merged(order, ofType, 1, range, ask.limit) : places(table, driver, range, ask.limit)
  const live: Lister = (_, range, limit) => direction.ofType(type as number, range, limit)
  const old: Lister = (_, range, limit) => direction.versionsOfType(type as number, range, limit)
  const current = stream(direction.current, live, rangeOf(order, updated, after.current, 2))
  const superseded = stream(direction.superseded, old, rangeOf(order, updated, after.superseded, 3))
  yield* zipped(order, asCurrent(current), superseded)
}

function* asCurrent(found: Generator<Place>): Generator<Place> {
  for (const place of found) yield [...place, CURRENT]
}

/**
 * Places in both tables behind which a position goes on. The version it names may have been current then and
 * superseded since, so the current one of the same record and millisecond is read again and dropped by `isBehind`.
 */
function placesOf(reader: RecordReader, order: Order, after: Position | null): { current: Place | null; superseded: Place | null } {
  if (after === null) return { current: null, superseded: null }
  const { key, version } = positionParts(after)
  const { updated } = after
  const far = order === 'newest' ? PLACE_MAX : 0
  const recno = reader.recno(key)
  if (recno === null) return { current: [updated, far], superseded: [updated, far, far] }
  if (version === null) return { current: [updated, recno], superseded: [updated, recno, PLACE_MAX - far] }
  return { current: [updated, order === 'newest' ? recno + 1 : recno - 1], superseded: [updated, recno, version] }
}

function isBehind(order: Order, after: Position | null, stored: Stored): boolean {
  if (after === null || stored.updated !== after.updated) return false
  const { key, version } = positionParts(after)
  if (version === null || Buffer.compare(key, stored.key) !== 0) return false
  return order === 'newest' ? stored.version >= version : stored.version <= version
}
