/** Tables of the two files. `updated` is ms since 1970; `recno` is the record's number in this file and its tie in the order. */

export const RECORD_SCHEMA = `
create table type(id integer primary key, name text not null unique) strict;
create table record(
  recno integer primary key, key blob not null unique, type integer not null, version integer not null, updated integer not null,
  deleted integer not null, terms blob not null, trail blob not null, sealed blob not null) strict;
create index record_type on record(type, updated, recno) where deleted = 0;
create table posting(
  term blob not null, updated integer not null, recno integer not null,
  primary key(term, updated, recno)) strict, without rowid;
create table version(
  recno integer not null, version integer not null, type integer not null, updated integer not null, deleted integer not null,
  trail blob not null, sealed blob not null,
  primary key(recno, version)) strict;
create index version_type on version(type, updated, recno, version);
create table version_posting(
  term blob not null, updated integer not null, recno integer not null, version integer not null,
  primary key(term, updated, recno, version)) strict, without rowid;
create table document(
  name blob not null primary key, version integer not null, expires integer, sealed blob not null) strict;
create index document_expires on document(expires) where expires is not null;
create table outbox(n integer primary key, id blob not null unique, sealed blob not null) strict;
create table done(n integer primary key, id blob not null unique, at integer not null) strict;
`

/** `entry.pos` = log number × 2^40 + seq, so one tree holds all logs in order and a log has room for 2^40 entries. A posting is a list of entries: posting-lists.ts. */
export const LEDGER_SCHEMA = `
create table log(
  no integer primary key, name blob not null unique, seq integer not null, link blob not null, indexed integer not null,
  holder blob, until integer not null) strict;
create table entry(pos integer primary key, id blob not null unique, sealed blob not null, link blob not null) strict;
create table posting(
  log integer not null, term blob not null, top integer not null, below blob,
  primary key(log, term, top)) strict, without rowid;
`

/** Room for the sequence numbers of one log in `entry.pos`. */
export const LOG_ROOM = 2 ** 40

/** Raised with every change of a schema; a file of another version is refused, but for those that database.ts brings up to date. */
export const SCHEMA_VERSIONS = { records: 1, ledger: 3 } as const
/** `pragma application_id`: "Ward" and "Wled", so that neither file is taken for the other. */
export const APPLICATION_IDS = { records: 0x57617264, ledger: 0x576c6564 } as const
export type StoreKind = keyof typeof APPLICATION_IDS
