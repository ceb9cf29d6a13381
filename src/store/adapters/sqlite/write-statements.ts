import type { DatabaseSync } from 'node:sqlite'
import type { Bytes } from '../../../model/resource.ts'
import { prepare } from './database.ts'

/** The current version of a record, without its content. */
export type Head = [recno: number, version: number, updated: number, deleted: number, type: number, terms: Bytes, trail: Bytes]

export type WriteStatements = ReturnType<typeof writeStatements>

/** Every statement of the record writer, prepared once. */
export function writeStatements(db: DatabaseSync) {
  return {
    type: prepare<[string], [number]>(db, 'select id from type where name=?'),
    addType: prepare<[string]>(db, 'insert or ignore into type(name) values (?)'),
    head: prepare<[Bytes], Head>(db, 'select recno,version,updated,deleted,type,terms,trail from record where key=?'),
    addRecord: prepare<[Bytes, number, number, number, number, Bytes, Bytes, Bytes]>(db,
      'insert into record(key,type,version,updated,deleted,terms,trail,sealed) values (?,?,?,?,?,?,?,?)'),
    changeRecord: prepare<[number, number, number, Bytes, Bytes, Bytes, number, number]>(db,
      'update record set version=?,updated=?,deleted=?,terms=?,trail=?,sealed=? where recno=? and version=?'),
    rewriteRecord: prepare<[Bytes, Bytes, Bytes, number, number]>(db,
      'update record set terms=?,trail=?,sealed=? where recno=? and version=?'),
    asRead: prepare<[Bytes, number, Bytes], [number]>(db, 'select 1 from record where key=? and version=? and deleted=0 and sealed=?'),
    changeTerms: prepare<[Bytes, number]>(db, 'update record set terms=? where recno=?'),
    removeRecord: prepare<[number]>(db, 'delete from record where recno=?'),
    addPosting: prepare<[Bytes, number, number]>(db, 'insert into posting(term,updated,recno) values (?,?,?)'),
    removePosting: prepare<[Bytes, number, number]>(db, 'delete from posting where term=? and updated=? and recno=?'),
    addVersion: prepare<[number]>(db,
      'insert into version select recno,version,type,updated,deleted,trail,sealed from record where recno=?'),
    addEmptyVersion: prepare<[number]>(db,
      `insert into version select recno,version,type,updated,deleted,trail,x'' from record where recno=?`),
    fillVersion: prepare<[number, number]>(db,
      'update version set sealed=(select sealed from record r where r.recno=version.recno) where recno=? and version=?'),
    changeTrail: prepare<[Bytes, number, number]>(db, 'update version set trail=? where recno=? and version=?'),
    trails: prepare<[number], [number, number, Bytes]>(db, 'select version,updated,trail from version where recno=?'),
    removeVersions: prepare<[number]>(db, 'delete from version where recno=?'),
    addVersionPosting: prepare<[Bytes, number, number, number]>(db,
      'insert into version_posting(term,updated,recno,version) values (?,?,?,?)'),
    removeVersionPosting: prepare<[Bytes, number, number, number]>(db,
      'delete from version_posting where term=? and updated=? and recno=? and version=?'),
    document: prepare<[Bytes, number], [number, Bytes]>(db,
      'select version,sealed from document where name=? and (expires is null or expires>?)'),
    putDocument: prepare<[Bytes, number, number | null, Bytes]>(db,
      'insert or replace into document(name,version,expires,sealed) values (?,?,?,?)'),
    removeDocument: prepare<[Bytes]>(db, 'delete from document where name=?'),
    addOutbox: prepare<[Bytes, Bytes]>(db, 'insert into outbox(id,sealed) values (?,?)'),
    done: prepare<[Bytes], [number]>(db, 'select 1 from done where id=?'),
    addDone: prepare<[Bytes, number]>(db, 'insert into done(id,at) values (?,?)')
  }
}
