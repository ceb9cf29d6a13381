import type { DatabaseSync } from 'node:sqlite'
import type { Bytes } from '../../../model/resource.ts'
import { StoreBroken, TERM_BYTES, type Commit, type Committed, type DocumentPut, type Key, type Put, type TermsPut } from '../../ports.ts'
import { unpacked } from './commit-message.ts'
import { prepare } from './database.ts'
import type { Writer } from './group.ts'
import { makeHousekeeping } from './housekeeping.ts'
import { exact, type RecordUnit } from './messages.ts'
import { writeStatements, type Head, type WriteStatements } from './write-statements.ts'

type Rewrite = Commit['rewrites'][number]

/** Applies units of the record store inside the transaction that the group runner holds open. */
export function makeRecordWriter(db: DatabaseSync): Writer<RecordUnit> {
  const sql = writeStatements(db)
  const types = new Map<string, number>()
  const house = makeHousekeeping(db)
  const outboxDone = prepare<[Bytes]>(db, 'delete from outbox where id=?')

  const typeId = (name: string): number => {
    let id = types.get(name)
    if (id === undefined) {
      sql.addType.run(name)
      id = (sql.type.get(name) as [number])[0]
      types.set(name, id)
    }
    return id
  }

  const apply = (unit: RecordUnit, at: number): unknown => {
    switch (unit.kind) {
      case 'commit': {
        const commit = unpacked(unit.commit)
        if (erases(commit)) house.erased()
        return applyCommit(sql, typeId, commit, at)
      }
      case 'take': return take(sql, unit.name, at)
      case 'outbox-done': {
        for (const id of unit.ids) outboxDone.run(id)
        return null
      }
      case 'ping': return null
    }
  }
  return { apply, undone: () => { types.clear() }, settled: (at) => { house.settled(at) } }
}

function applyCommit(sql: WriteStatements, typeId: (name: string) => number, commit: Commit, at: number): Committed {
  if (sql.done.get(commit.id) !== undefined) return { kind: 'done' }
  const heads = [...commit.puts, ...commit.rewrites].map((put) => sql.head.get(put.key))
  const keys = conflicts(sql, commit, heads, at)
  // What goes back is a view of all that came.
  if (keys.length > 0) return { kind: 'conflict', keys: keys.map(exact) }
  commit.puts.forEach((put, i) => { applyPut(sql, typeId(put.type), put, heads[i]) })
  commit.rewrites.forEach((rewrite, i) => { applyRewrite(sql, typeId(rewrite.type), rewrite, heads[commit.puts.length + i]) })
  for (const put of commit.terms ?? []) applyTerms(sql, put)
  for (const key of commit.erase) erase(sql, key)
  for (const put of commit.documents) putDocument(sql, put, at)
  for (const entry of commit.outbox) sql.addOutbox.run(entry.id, entry.sealed)
  sql.addDone.run(commit.id, at)
  return { kind: 'done' }
}

// All preconditions come before the first write, so a conflict leaves nothing to undo.
function conflicts(sql: WriteStatements, commit: Commit, heads: readonly (Head | undefined)[], at: number): Key[] {
  const keys: Key[] = []
  for (const { key, version } of commit.expect) {
    if ((sql.head.get(key)?.[1] ?? 0) !== version) keys.push(key)
  }
  for (const { name, version } of commit.expectDocuments ?? []) {
    if (documentVersion(sql, name, at) !== version) keys.push(name)
  }
  const written = [...commit.puts, ...commit.rewrites]
  written.forEach((put, i) => {
    if ((heads[i]?.[1] ?? 0) !== put.expect) keys.push(put.key)
  })
  for (const put of commit.terms ?? []) {
    if (sql.asRead.get(put.key, put.version, put.sealed) === undefined) keys.push(put.key)
  }
  for (const put of commit.documents) {
    if (put.expect !== null && documentVersion(sql, put.name, at) !== put.expect) keys.push(put.name)
  }
  return keys
}

function applyPut(sql: WriteStatements, type: number, put: Put, head: Head | undefined): void {
  const deleted = put.deleted ? 1 : 0
  const version = put.expect + 1
  let recno: number
  if (head === undefined) {
    recno = sql.addRecord.insert(put.key, type, version, put.updated, deleted, put.terms, put.trail, put.sealed)
  } else {
    recno = head[0]
    sameType(head, type)
    supersede(sql, head)
    if (sql.changeRecord.run(version, put.updated, deleted, put.terms, put.trail, put.sealed, recno, put.expect) !== 1) throw twice()
  }
  if (put.deleted) addDeletedVersion(sql, recno, version, put.updated, put.trail)
  else eachTerm(put.terms, (term) => { sql.addPosting.run(term, put.updated, recno) })
}

/** Moves the current version to the superseded ones; its postings go, and those of its trail take their place. */
function supersede(sql: WriteStatements, [recno, version, updated, deleted, , terms, trail]: Head): void {
  if (deleted === 1) {
    sql.fillVersion.run(recno, version)
    return
  }
  sql.addVersion.run(recno)
  eachTerm(terms, (term) => { sql.removePosting.run(term, updated, recno) })
  eachTerm(trail, (term) => { sql.addVersionPosting.run(term, updated, recno, version) })
}

// A deleted record has no postings, but history must find its deletion: a version row without content stands for it.
function addDeletedVersion(sql: WriteStatements, recno: number, version: number, updated: number, trail: Bytes): void {
  sql.addEmptyVersion.run(recno)
  eachTerm(trail, (term) => { sql.addVersionPosting.run(term, updated, recno, version) })
}

function applyRewrite(sql: WriteStatements, type: number, rewrite: Rewrite, head: Head | undefined): void {
  if (head === undefined) throw new TypeError('A rewrite needs a record')
  sameType(head, type)
  const [recno, version, updated, deleted, , terms, trail] = head
  if (sql.rewriteRecord.run(rewrite.terms, rewrite.trail, rewrite.sealed, recno, version) !== 1) throw twice()
  if (deleted === 1) {
    eachTerm(trail, (term) => { sql.removeVersionPosting.run(term, updated, recno, version) })
    sql.changeTrail.run(rewrite.trail, recno, version)
    eachTerm(rewrite.trail, (term) => { sql.addVersionPosting.run(term, updated, recno, version) })
    return
  }
  eachTerm(terms, (term) => { sql.removePosting.run(term, updated, recno) })
  eachTerm(rewrite.terms, (term) => { sql.addPosting.run(term, updated, recno) })
}

/** Only postings that come or go are touched: a record whose terms are right already costs no write. */
function applyTerms(sql: WriteStatements, put: TermsPut): void {
  const [recno, version, updated, , , terms] = sql.head.get(put.key) as Head
  if (version !== put.version) throw twice()
  const [before, after] = [termsOf(terms), termsOf(put.terms)]
  if (Buffer.compare(terms, put.terms) === 0) return
  sql.changeTerms.run(put.terms, recno)
  for (const [text, term] of before) if (!after.has(text)) sql.removePosting.run(term, updated, recno)
  for (const [text, term] of after) if (!before.has(text)) sql.addPosting.run(term, updated, recno)
}

function termsOf(packed: Bytes): ReadonlyMap<string, Bytes> {
  const found = new Map<string, Bytes>()
  eachTerm(packed, (term) => { found.set(Buffer.from(term).toString('latin1'), term) })
  return found
}

function erase(sql: WriteStatements, key: Key): void {
  const head = sql.head.get(key)
  if (head === undefined) return
  const [recno, , updated, deleted, , terms] = head
  if (deleted === 0) eachTerm(terms, (term) => { sql.removePosting.run(term, updated, recno) })
  for (const [version, changed, trail] of sql.trails.all(recno)) {
    eachTerm(trail, (term) => { sql.removeVersionPosting.run(term, changed, recno, version) })
  }
  sql.removeVersions.run(recno)
  sql.removeRecord.run(recno)
}

function putDocument(sql: WriteStatements, put: DocumentPut, at: number): void {
  if (put.sealed === null) sql.removeDocument.run(put.name)
  else sql.putDocument.run(put.name, documentVersion(sql, put.name, at) + 1, put.expires, put.sealed)
}

/** Version of a live document; 0 where it is absent or expired. */
function documentVersion(sql: WriteStatements, name: Key, at: number): number {
  return sql.document.get(name, at)?.[0] ?? 0
}

function take(sql: WriteStatements, name: Key, at: number): Bytes | null {
  const found = sql.document.get(name, at)
  if (found === undefined) return null
  sql.removeDocument.run(name)
  return found[1]
}

function sameType(head: Head, type: number): void {
  if (head[4] !== type) throw new StoreBroken('A record changed its type')
}

// A removed document may be a patient's key: it must not stay readable in the log either.
function erases(commit: Commit): boolean {
  return commit.erase.length > 0 || commit.documents.some((put) => put.sealed === null)
}

const twice = (): TypeError => new TypeError('A key occurs twice in a commit')

function eachTerm(terms: Bytes, visit: (term: Bytes) => void): void {
  for (let at = 0; at < terms.length; at += TERM_BYTES) visit(terms.subarray(at, at + TERM_BYTES))
}
