import { chmodSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { StoreBroken } from '../../ports.ts'
import { APPLICATION_IDS, LEDGER_SCHEMA, RECORD_SCHEMA, SCHEMA_VERSIONS, type StoreKind } from './schema.ts'

const BUSY_TIMEOUT_MS = 10_000
const CHECKPOINT_PAGES = 4_000
const WAL_BYTES_KEPT = 64 * 2 ** 20
const CACHE_KIB = { records: { writer: 128 * 1024, reader: 256 * 1024 }, ledger: { writer: 32 * 1024, reader: 32 * 1024 } } as const
const SCHEMAS = { records: RECORD_SCHEMA, ledger: LEDGER_SCHEMA } as const

/** A prepared statement with typed parameters and rows as arrays. */
export interface Statement<P extends readonly SQLInputValue[], R> {
  all(...params: P): R[]
  get(...params: P): R | undefined
  /** Number of rows changed. */
  run(...params: P): number
  /** Number of the row inserted. */
  insert(...params: P): number
}

/** SQLite plans a statement anew at each execution where LIMIT is a bare parameter, whose value may matter to the plan: 8 µs. An expression is not looked at. */
const planned = (sql: string): string => sql.replace(/\blimit \?/g, 'limit ?+0')

export function prepare<P extends readonly SQLInputValue[], R = never>(db: DatabaseSync, sql: string): Statement<P, R> {
  const statement = db.prepare(planned(sql))
  statement.setReturnArrays(true)
  return {
    all: (...params) => statement.all(...params) as unknown as R[],
    get: (...params) => statement.get(...params) as unknown as R | undefined,
    run: (...params) => statement.run(...params).changes as number,
    insert: (...params) => statement.run(...params).lastInsertRowid as number
  }
}

/** Opens the one writing connection, making the file (mode 0600: WAL and shm take their mode from it) and its tables where absent. */
export function openWriter(path: string, kind: StoreKind): DatabaseSync {
  makeFile(path)
  const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: false })
  try {
    db.exec(`pragma journal_mode=wal; pragma synchronous=full; pragma secure_delete=on; pragma temp_store=memory;
      pragma wal_autocheckpoint=${CHECKPOINT_PAGES}; pragma journal_size_limit=${WAL_BYTES_KEPT};
      pragma cache_size=-${CACHE_KIB[kind].writer}`)
    makeTables(db, kind)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** Opens a connection that can only read; the file must exist. No mmap: an I/O error under it would be a signal. */
export function openReader(path: string, kind: StoreKind): DatabaseSync {
  const db = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: false })
  try {
    db.exec(`pragma temp_store=memory; pragma mmap_size=0; pragma cache_size=-${CACHE_KIB[kind].reader}`)
    checkVersion(db, kind)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

function makeFile(path: string): void {
  const folder = dirname(path)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (existsSync(path)) return
  closeSync(openSync(path, 'a', 0o600))
  chmodSync(path, 0o600)
  if (process.platform === 'win32') return
  // The file's name must be as durable as what is acknowledged in it.
  const handle = openSync(folder, 'r')
  fsyncSync(handle)
  closeSync(handle)
}

function makeTables(db: DatabaseSync, kind: StoreKind): void {
  db.exec('begin immediate')
  try {
    if (pragmaOf(db, 'user_version') === 0) {
      db.exec(SCHEMAS[kind])
      db.exec(`pragma user_version=${SCHEMA_VERSIONS[kind]}; pragma application_id=${APPLICATION_IDS[kind]}`)
    }
    if (kind === 'ledger' && pragmaOf(db, 'user_version') === 1) dropPending(db)
    if (kind === 'ledger' && pragmaOf(db, 'user_version') === 2) makeLists(db)
    checkVersion(db, kind)
    db.exec('commit')
  } catch (error) {
    if (db.isTransaction) db.exec('rollback')
    throw error
  }
}

/** Version 1 kept entries that it had not numbered in a table of their own; a clean stop left it empty. */
function dropPending(db: DatabaseSync): void {
  if (db.prepare('select 1 from pending limit 1').get() !== undefined) {
    throw new StoreBroken('The ledger holds entries that an earlier version has not numbered: start that version and stop it, then start this one')
  }
  db.exec('drop table pending; pragma user_version=2')
}

/** Version 2 had a row for each posting: a list of one. */
function makeLists(db: DatabaseSync): void {
  db.exec('alter table posting rename column seq to top; alter table posting add column below blob; pragma user_version=3')
}

function checkVersion(db: DatabaseSync, kind: StoreKind): void {
  if (pragmaOf(db, 'application_id') !== APPLICATION_IDS[kind]) throw new StoreBroken(`The file is not a ${kind} file of this server`)
  if (pragmaOf(db, 'user_version') !== SCHEMA_VERSIONS[kind]) throw new StoreBroken('The file was made by another version of this server')
}

function pragmaOf(db: DatabaseSync, name: 'user_version' | 'application_id'): unknown {
  return Object.values(db.prepare(`pragma ${name}`).get() ?? {})[0]
}
