import type { DatabaseSync } from 'node:sqlite'
import type { Bytes } from '../../../model/resource.ts'
import { type Carried, carried } from '../../candidates.ts'
import { StoreUnavailable, type Key, type OutboxEntry, type Position, type Stored, type TermQuery } from '../../ports.ts'
import { openReader, prepare } from './database.ts'
import { toStoreError } from './errors.ts'
import { type KeptRecord, keptRecords, type KeptRecords } from './kept-records.ts'
import { PLACE_MAX, postingSql, postingTable, type Order, type Place, type PostingTable, type Range } from './postings.ts'
import type { StoreKind } from './schema.ts'

/** A reading connection. Each `read` is one consistent snapshot, never held across an await: it would keep the WAL from shrinking. */
export interface Reader {
  readonly db: DatabaseSync
  read<T>(work: () => T): T
  /** A single statement is its own snapshot: no transaction around it. */
  readOne<T>(work: () => T): T
  close(): void
}

export function makeReader(path: string, kind: StoreKind): Reader {
  const db = openReader(path, kind)
  const begin = db.prepare('begin')
  const commit = db.prepare('commit')
  const readOne = <T>(work: () => T): T => {
    if (!db.isOpen) throw new StoreUnavailable('The store is closed')
    try {
      return work()
    } catch (error) {
      throw toStoreError(error)
    }
  }
  return {
    db,
    readOne,
    read: (work) => readOne(() => {
      begin.run()
      try {
        return work()
      } finally {
        if (db.isTransaction) commit.run()
      }
    }),
    close: () => { if (db.isOpen) db.close() }
  }
}

/** Rows as the statements of the record store give them. */
type FoundRow = [key: Bytes, version: number, type: number, updated: number, deleted: number, sealed: Bytes]
type CurrentRow = [...FoundRow, terms: Bytes, recno: number]
type TestRow = [key: Bytes, type: number, terms: Bytes]

/** Posting tables and the type index in one direction. */
export interface Direction {
  readonly current: PostingTable
  readonly superseded: PostingTable
  /** Numbers of the current records under a term, in order: a third of the time of their places. */
  recnos(term: Bytes, range: Range, limit: number): number[]
  /** Live records of a type. */
  ofType(type: number, range: Range, limit: number): Place[]
  /** The same with the terms to test. */
  scanType(type: number, range: Range, limit: number): [updated: number, recno: number, terms: Bytes][]
  versionsOfType(type: number, range: Range, limit: number): Place[]
}

export interface RecordReader extends Reader {
  readonly newest: Direction
  readonly oldest: Direction
  /** Number of a type, null where no record of it was ever stored. */
  typeId(name: string): number | null
  typeName(id: number): string
  recno(key: Key): number | null
  /** Where a current record stands. */
  positionOf(recno: number): Position
  byKey(key: Key): Stored | undefined
  byRecno(recno: number): Stored
  /** The current record with its terms. */
  current(recno: number): LoadedRecord | undefined
  readonly kept: KeptRecords
  /** What a current record is tested by. */
  test(recno: number): Tested | undefined
  /** Superseded versions (of a deleted record its current one too) below `before`, newest first. */
  versions(recno: number, before: number, limit: number): Stored[]
  supersededVersion(recno: number, version: number): TestedVersion | undefined
  scan(after: Key, limit: number): Stored[]
  document(name: Key, at: number): { readonly version: number; readonly sealed: Bytes } | undefined
  outbox(limit: number): OutboxEntry[]
  readonly sql: ReturnType<typeof readStatements>
}

/** A version and the terms by which it is found. */
export interface TestedVersion extends Carried { readonly stored: Stored }

/** What a record is tested by. */
export type Tested = Pick<KeptRecord, 'type' | 'terms' | 'words'>

type LoadedRecord = KeptRecord & { readonly stored: Stored }

const whole = (record: KeptRecord | undefined): LoadedRecord | undefined => (record === undefined || record.stored === null ? undefined : record as LoadedRecord)

export function makeRecordReader(path: string, keptBytesMax?: number): RecordReader {
  const reader = makeReader(path, 'records')
  const sql = readStatements(reader.db)
  const kept = keptRecords(reader.db, keptBytesMax)
  const ids = new Map<string, number>()
  const names = new Map<number, string>()
  const learnTypes = (): void => {
    for (const [id, name] of sql.types.all()) {
      ids.set(name, id)
      names.set(id, name)
    }
  }
  const typeName = (id: number): string => {
    if (!names.has(id)) learnTypes()
    return names.get(id) as string
  }
  const stored = (row: FoundRow): Stored =>
    ({ key: row[0], type: typeName(row[2]), version: row[1], updated: row[3], deleted: row[4] === 1, sealed: row[5] })
  const loaded = (row: CurrentRow | undefined): LoadedRecord | undefined => {
    if (row === undefined) return undefined
    const [key, version, type, updated, deleted, sealed, terms, recno] = row
    const record = { recno, key, type, stored: { key, type: typeName(type), version, updated, deleted: deleted === 1, sealed }, ...carried(terms) }
    kept.keep(record)
    return record
  }
  const current = (recno: number): LoadedRecord | undefined => whole(kept.get(recno)) ?? loaded(sql.current.get(recno))
  return {
    ...reader,
    read: (work) => reader.read(() => {
      kept.catchUp()
      return work()
    }),
    sql,
    kept,
    newest: direction(reader.db, 'newest'),
    oldest: direction(reader.db, 'oldest'),
    typeId: (name) => {
      if (!ids.has(name)) learnTypes()
      return ids.get(name) ?? null
    },
    typeName,
    recno: (key) => sql.recno.get(key)?.[0] ?? null,
    positionOf: (recno) => positionIn(sql, recno),
    byKey: (key) => (whole(kept.byKey(key)) ?? loaded(sql.byKey.get(key)))?.stored,
    byRecno: (recno) => (current(recno) as LoadedRecord).stored,
    current,
    test(recno) {
      const known = kept.peek(recno)
      if (known !== undefined) return known
      const row = sql.test.get(recno)
      if (row === undefined) return undefined
      const record = { recno, key: row[0], type: row[1], ...carried(row[2]), stored: null }
      kept.keep(record)
      return record
    },
    versions: (recno, before, limit) => sql.versions.all(recno, before, limit).map(stored),
    supersededVersion: (recno, version) => {
      const row = sql.supersededVersion.get(recno, version)
      return row && { stored: stored(row.slice(0, 6) as FoundRow), ...carried(row[6]) }
    },
    scan: (after, limit) => sql.scan.all(after, limit).map(stored),
    document: (name, at) => {
      const row = sql.document.get(name, at)
      return row && { version: row[0], sealed: row[1] }
    },
    outbox: (limit) => sql.outbox.all(limit).map(([id, sealed]) => ({ id, sealed }))
  }
}

function positionIn(sql: ReturnType<typeof readStatements>, recno: number): Position {
  const [key, updated] = sql.position.get(recno) as [Bytes, number]
  return { updated, key }
}

/** DISTINCT without an order stops at the limit. */
export const COUNT_SQL = {
  countType: 'select count(*) from (select 1 from record where type=? and deleted=0 and updated>=? and updated<? limit ?)',
  countTerms: `with recursive q(i) as (select 0 union all select i+1 from q where i+1<?)
    select count(*) from (select distinct p.recno
    from q cross join posting p on p.term=substr(?,1+16*i,16) and p.updated>=? and p.updated<? limit ?)`,
  countTermsOfType: `with recursive q(i) as (select 0 union all select i+1 from q where i+1<?)
    select count(*) from (select distinct p.recno from q cross join posting p on p.term=substr(?,1+16*i,16) and p.updated>=? and p.updated<?
    cross join record r on r.recno=p.recno and r.type=? limit ?)`
} as const

const CURRENT_COLUMNS = 'key,version,type,updated,deleted,sealed,terms,recno'
// The version row of a deleted record that is still current has no content of its own.
const VERSION_COLUMNS = 'r.key,v.version,v.type,v.updated,v.deleted,case when v.version=r.version then r.sealed else v.sealed end'

function readStatements(db: DatabaseSync) {
  return {
    types: prepare<[], [number, string]>(db, 'select id,name from type'),
    recno: prepare<[Bytes], [number]>(db, 'select recno from record where key=?'),
    position: prepare<[number], [Bytes, number]>(db, 'select key,updated from record where recno=?'),
    byKey: prepare<[Bytes], CurrentRow>(db, `select ${CURRENT_COLUMNS} from record where key=?`),
    current: prepare<[number], CurrentRow>(db, `select ${CURRENT_COLUMNS} from record where recno=?`),
    test: prepare<[number], TestRow>(db, 'select key,type,terms from record where recno=?'),
    scan: prepare<[Bytes, number], FoundRow>(db,
      'select key,version,type,updated,deleted,sealed from record where key>? order by key limit ?'),
    versions: prepare<[number, number, number], FoundRow>(db,
      `select ${VERSION_COLUMNS} from version v join record r on r.recno=v.recno
      where v.recno=? and v.version<? order by v.version desc limit ?`),
    supersededVersion: prepare<[number, number], [...FoundRow, Bytes]>(db,
      `select ${VERSION_COLUMNS},v.trail from version v join record r on r.recno=v.recno where v.recno=? and v.version=?`),
    document: prepare<[Bytes, number], [number, Bytes]>(db,
      'select version,sealed from document where name=? and (expires is null or expires>?)'),
    countType: prepare<[number, number, number, number], [number]>(db, COUNT_SQL.countType),
    countTerms: prepare<[number, Bytes, number, number, number], [number]>(db, COUNT_SQL.countTerms),
    countTermsOfType: prepare<[number, Bytes, number, number, number, number], [number]>(db, COUNT_SQL.countTermsOfType),
    outbox: prepare<[number], [Bytes, Bytes]>(db, 'select id,sealed from outbox order by n limit ?'),
    health: prepare<[], [number]>(db, 'select count(*) from (select 1 from type limit 1)')
  }
}

function direction(db: DatabaseSync, order: Order): Direction {
  const sql = typeSql(order)
  const recnos = prepare<[Bytes, ...number[]], [string]>(db, postingSql('posting', order).recnos)
  const versionsOfType = prepare<number[], number[]>(db, sql.versionsOfType)
  return {
    current: postingTable(db, 'posting', order),
    superseded: postingTable(db, 'version_posting', order),
    recnos: (term, { start, edge }, limit) => JSON.parse(recnos.get(term, ...start, edge, limit)![0]) as number[],
    ofType: inTwo<number[]>(db, sql.ofType),
    scanType: inTwo<[number, number, Bytes]>(db, sql.scanType),
    versionsOfType: (type, { start, edge }, limit) => versionsOfType.all(type, ...start, edge, limit)
  }
}

/** First the rest of the millisecond where the last read ended, then what comes after it. */
function inTwo<R>(db: DatabaseSync, sql: { moment: string; rest: string }): (type: number, range: Range, limit: number) => R[] {
  const moment = prepare<number[], R>(db, sql.moment)
  const rest = prepare<number[], R>(db, sql.rest)
  return (type, { start: [updated = 0, recno = 0], edge }, limit) => {
    const rows = moment.all(type, updated, recno, edge, limit)
    return rows.length === limit ? rows : rows.concat(rest.all(type, updated, edge, limit - rows.length))
  }
}

/** SQLite takes a row value no further than the last column before the rowid, in which this index ends: hence two statements. */
export function typeSql(order: Order) {
  const [behind, inside, way] = order === 'newest' ? ['<', '>=', 'desc'] : ['>', '<=', 'asc']
  const live = (columns: string) => ({
    moment: `select ${columns} from record where type=? and deleted=0 and updated=? and recno${behind}? and updated${inside}?
      order by recno ${way} limit ?`,
    rest: `select ${columns} from record where type=? and deleted=0 and updated${behind}? and updated${inside}?
      order by updated ${way},recno ${way} limit ?`
  })
  return {
    ofType: live('updated,recno'),
    scanType: live('updated,recno,terms'),
    versionsOfType: `select updated,recno,version from version
      where type=? and (updated,recno,version)${behind}(?,?,?) and updated${inside}?
      order by updated ${way},recno ${way},version ${way} limit ?`
  }
}

/** The range of a query in one direction, from the place behind which it goes on (null: from its start). */
export function rangeOf(order: Order, updated: TermQuery['updated'], after: Place | null, width: 2 | 3): Range {
  const from = updated?.from ?? -PLACE_MAX
  const before = updated?.before ?? PLACE_MAX
  const tail = (value: number): number[] => Array.from({ length: width - 1 }, () => value)
  const near = after?.[0]
  // Numbers of records and versions begin at 1, so (before, 0) is the end of everything earlier than `before`.
  if (order === 'newest') {
    return { start: after !== null && near !== undefined && near < before ? after : [before, ...tail(0)], edge: from }
  }
  return { start: after !== null && near !== undefined && near >= from ? after : [from, ...tail(0)], edge: before - 1 }
}
