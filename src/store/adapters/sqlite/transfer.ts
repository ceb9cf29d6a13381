import type { DatabaseSync } from 'node:sqlite'
import type { Bytes } from '../../../model/resource.ts'
import type { DocumentCopy, DoneCopy, PostingCopy, RecordCopy, Transfer, VersionCopy } from '../../ports/transfer.ts'
import { TERM_BYTES } from '../../ports.ts'
import { openReader, openWriter, prepare } from './database.ts'
import { toStoreError } from './errors.ts'
import { indexUnits } from './index-units.ts'
import { makeLedgerWriter } from './ledger-writer.ts'
import { appendUnit } from './ledger.ts'
import { listSeqs } from './posting-lists.ts'
import { writeStatements } from './write-statements.ts'

export interface SqliteFiles { readonly records: string; readonly ledger: string }

/** Both files of a store, row by row. For a target they are made where absent; of a source nothing is written. */
export function openSqliteTransfer(files: SqliteFiles, use: 'source' | 'target'): Transfer {
  const open = use === 'source' ? openReader : openWriter
  const records = open(files.records, 'records')
  let ledger: DatabaseSync
  try {
    ledger = open(files.ledger, 'ledger')
  } catch (error) {
    records.close()
    throw toStoreError(error)
  }
  return {
    ...reads(records, ledger),
    ...(use === 'target' ? writes(records, ledger) : NO_WRITES),
    async close() {
      records.close()
      ledger.close()
    }
  }
}

/** Whether a process holds a slot of this ledger at this time (ms). */
export function isHeld(ledger: string, at: number): boolean {
  const db = openReader(ledger, 'ledger')
  try {
    return prepare<[number], [number]>(db, HELD).get(at) !== undefined
  } finally {
    db.close()
  }
}

const HELD = 'select name from log where holder is not null and until>?'

type Writes = Pick<Transfer, 'putRecords' | 'putVersions' | 'putDocuments' | 'putDone' | 'putEntries' | 'putPostings'>

const refused = async (): Promise<never> => { throw new TypeError('This store was opened as a source') }
const NO_WRITES: Writes = { putRecords: refused, putVersions: refused, putDocuments: refused, putDone: refused, putEntries: refused, putPostings: refused }

type RecordRow = [key: Bytes, type: string, version: number, updated: number, deleted: number, terms: Bytes, trail: Bytes, sealed: Bytes]
type VersionRow = [key: Bytes, type: string, version: number, updated: number, deleted: number, trail: Bytes, sealed: Bytes]

const NOTHING: Bytes = new Uint8Array()
const VERSION_MAX = 2 ** 40
const LISTS_AT_ONCE = 200

function reads(records: DatabaseSync, ledger: DatabaseSync): Omit<Transfer, keyof Writes | 'close'> {
  // The version row of a deleted record that is still current is no superseded one.
  const versions = 'from record r cross join version v on v.recno=r.recno cross join type t on t.id=v.type where v.version<>r.version'
  const sql = {
    held: prepare<[number], [Bytes]>(ledger, HELD),
    records: prepare<[Bytes, number], RecordRow>(records,
      'select r.key,t.name,r.version,r.updated,r.deleted,r.terms,r.trail,r.sealed from record r join type t on t.id=r.type where r.key>? order by r.key limit ?'),
    versions: prepare<[Bytes, Bytes, number, number], VersionRow>(records,
      `select r.key,t.name,v.version,v.updated,v.deleted,v.trail,v.sealed ${versions} and r.key>=? and (r.key>? or v.version<?) order by r.key, v.version desc limit ?`),
    documents: prepare<[Bytes, number], [Bytes, number, number | null, Bytes]>(records, 'select name,version,expires,sealed from document where name>? order by name limit ?'),
    done: prepare<[Bytes, number], [Bytes, number]>(records, 'select id,at from done where id>? order by id limit ?'),
    postings: prepare<[Bytes, Bytes, number, number], [Bytes, number, Bytes | null]>(ledger, POSTINGS_SQL),
    lastRecord: prepare<[], [Bytes | null]>(records, 'select max(key) from record'),
    lastVersion: prepare<[], [Bytes, number]>(records, `select r.key,v.version ${versions} order by r.key desc, v.version limit 1`),
    recordCount: prepare<[], [number]>(records, 'select count(*) from record'),
    versionCount: prepare<[], [number]>(records, `select count(*) ${versions}`)
  }
  return {
    held: async (at) => sql.held.all(at).map(([name]) => name),
    records: async (after, limit) => sql.records.all(after ?? NOTHING, limit).map(([key, type, version, updated, deleted, terms, trail, sealed]): RecordCopy =>
      ({ key, c: null, type, version, updated, deleted: deleted === 1, terms: deleted === 1 ? NOTHING : terms, trail, sealed })),
    versions: async (after, limit) => sql.versions.all(after?.key ?? NOTHING, after?.key ?? NOTHING, after?.version ?? VERSION_MAX, limit)
      .map(([key, type, version, updated, deleted, trail, sealed]): VersionCopy => ({ key, type, version, updated, deleted: deleted === 1, trail, sealed })),
    documents: async (after, limit) => sql.documents.all(after ?? NOTHING, limit).map(([name, version, expires, sealed]): DocumentCopy => ({ name, version, expires, sealed })),
    done: async (after, limit) => sql.done.all(after ?? NOTHING, limit).map(([id, at]): DoneCopy => ({ id, at })),
    postings: async (log, after, limit) => pageOfPostings(({ term, seq }) => sql.postings.all(log, term, seq, LISTS_AT_ONCE), after, limit),
    lastRecord: async () => sql.lastRecord.get()?.[0] ?? null,
    async lastVersion() {
      const last = sql.lastVersion.get()
      return last === undefined ? null : { key: last[0], version: last[1] }
    },
    counts: async () => ({ records: sql.recordCount.get()![0], versions: sql.versionCount.get()![0] })
  }
}

export const POSTINGS_SQL = 'select term,top,below from posting where log=(select no from log where name=?) and (term,top)>(?,?) order by term,top limit ?'

/** A page may end, and the next begin, inside a list. */
function pageOfPostings(listsAfter: (last: PostingCopy) => readonly [Bytes, number, Bytes | null][], after: PostingCopy | null, limit: number): PostingCopy[] {
  const page: PostingCopy[] = []
  let last = after ?? { term: NOTHING, seq: -1 }
  for (let more = true; more && page.length < limit;) {
    const lists = listsAfter(last)
    for (const [term, top, below] of lists) {
      const passed = Buffer.compare(term, last.term) === 0 ? last.seq : -1
      page.push(...listSeqs(top, below).reverse().filter((seq) => seq > passed).map((seq) => ({ term, seq })))
      last = { term, seq: top }
    }
    more = lists.length === LISTS_AT_ONCE
  }
  return page.slice(0, limit)
}

function writes(records: DatabaseSync, ledger: DatabaseSync): Writes {
  const sql = writeStatements(records)
  const more = {
    recno: prepare<[Bytes], [number]>(records, 'select recno from record where key=?'),
    addVersion: prepare<[number, number, number, number, number, Bytes, Bytes]>(records, 'insert into version(recno,version,type,updated,deleted,trail,sealed) values (?,?,?,?,?,?,?)'),
    putDocument: prepare<[Bytes, number, number | null, Bytes]>(records, 'insert or replace into document(name,version,expires,sealed) values (?,?,?,?)'),
    putDone: prepare<[Bytes, number]>(records, 'insert or replace into done(id,at) values (?,?)')
  }
  const entries = makeLedgerWriter(ledger)
  const typeId = (name: string): number => {
    sql.addType.run(name)
    return sql.type.get(name)![0]
  }
  const addVersionTerms = (recno: number, { trail, updated, version }: Pick<VersionCopy, 'trail' | 'updated' | 'version'>): void =>
    eachTerm(trail, (term) => { sql.addVersionPosting.run(term, updated, recno, version) })
  return {
    putRecords: async (copies) => together(records, copies, (copy) => {
      const recno = sql.addRecord.insert(copy.key, typeId(copy.type), copy.version, copy.updated, copy.deleted ? 1 : 0, copy.terms, copy.trail, copy.sealed)
      if (copy.deleted) {
        sql.addEmptyVersion.run(recno)
        addVersionTerms(recno, copy)
      } else eachTerm(copy.terms, (term) => { sql.addPosting.run(term, copy.updated, recno) })
    }),
    putVersions: async (copies) => together(records, copies, (copy) => {
      const [recno] = more.recno.get(copy.key)!
      more.addVersion.run(recno, copy.version, typeId(copy.type), copy.updated, copy.deleted ? 1 : 0, copy.trail, copy.sealed)
      addVersionTerms(recno, copy)
    }),
    putDocuments: async (copies) => together(records, copies, ({ name, version, expires, sealed }) => { more.putDocument.run(name, version, expires, sealed) }),
    putDone: async (copies) => together(records, copies, ({ id, at }) => { more.putDone.run(id, at) }),
    putEntries: async (log, copies) => together(ledger, [appendUnit(log, copies)], (unit) => { entries.apply(unit, 0) }),
    async putPostings(log, copies) {
      for await (const unit of indexUnits({ log, through: null, merge: true }, copies.map(({ seq, term }) => ({ seq, terms: [[term]] })))) together(ledger, [unit], () => { entries.apply(unit, 0) })
    }
  }
}

function together<T>(db: DatabaseSync, rows: readonly T[], put: (row: T) => void): void {
  try {
    db.exec('begin immediate')
    for (const row of rows) put(row)
    db.exec('commit')
  } catch (error) {
    if (db.isTransaction) db.exec('rollback')
    throw toStoreError(error)
  }
}

function eachTerm(terms: Bytes, visit: (term: Bytes) => void): void {
  for (let at = 0; at < terms.length; at += TERM_BYTES) visit(terms.subarray(at, at + TERM_BYTES))
}
