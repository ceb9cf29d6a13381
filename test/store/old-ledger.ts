/** A ledger's file as version 2 of its schema made it: a row for each posting. Version 1 had a table more. */
import { DatabaseSync } from 'node:sqlite'

const VERSION_2 = `
create table log(
  no integer primary key, name blob not null unique, seq integer not null, link blob not null, indexed integer not null,
  holder blob, until integer not null) strict;
create table entry(pos integer primary key, id blob not null unique, sealed blob not null, link blob not null) strict;
create table posting(
  log integer not null, term blob not null, seq integer not null,
  primary key(log, term, seq)) strict, without rowid;
pragma application_id=${0x576c6564}; pragma user_version=2`
const VERSION_1 = 'create table pending(n integer primary key, id blob not null unique, sealed blob not null) strict; pragma user_version=1'

export interface OldLedger {
  readonly log: Uint8Array
  readonly entries: number
  readonly indexed: number
  readonly postings: readonly { readonly term: Uint8Array; readonly seq: number }[]
}

export function makeOldLedger(path: string, version: 1 | 2, { log, entries, indexed, postings }: OldLedger): void {
  const db = new DatabaseSync(path)
  db.exec(`pragma journal_mode=wal; begin; ${VERSION_2}; ${version === 1 ? VERSION_1 : ''}`)
  db.prepare('insert into log values (1,?,?,?,?,null,0)').run(log, entries, new Uint8Array(32), indexed)
  const [entry, posting] = [db.prepare('insert into entry values (?,?,?,?)'), db.prepare('insert into posting values (1,?,?)')]
  for (let seq = 1; seq <= entries; seq++) entry.run(2 ** 40 + seq, Buffer.from(String(seq).padStart(16)), new Uint8Array(4), new Uint8Array(32))
  for (const { term, seq } of postings) posting.run(term, seq)
  db.exec('commit')
  db.close()
}
