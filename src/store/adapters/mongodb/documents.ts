import { randomBytes } from 'node:crypto'
import type { AnyBulkWriteOperation, ClientSession } from 'mongodb'
import type { Bytes } from '../../../model/resource.ts'
import type { DocumentPut, Key } from '../../ports.ts'
import { binary, bytesOf, hexOf, pieces } from './bytes.ts'
import type { Database } from './database.ts'
import type { Documents, Run } from './run.ts'
import type { DocumentDocument } from './schema.ts'
import { transact } from './transaction.ts'

/*
 * A commit that relies upon a document without writing it must not go through beside one that writes it, but beside
 * any number that also rely upon it: every clinical commit relies upon the one document of erasures. The
 * database only knows locks that exclude, so the document has many: who relies takes one, who writes takes all. The document says
 * whether it has them (`relied`); since that is written into the document itself, no writer can miss it.
 */

const LOCKS = 64
const NAMES_AT_ONCE = 1_024
const NOTHING: Bytes = new Uint8Array()

export async function documentsOf(base: Database, session: ClientSession, names: readonly Key[]): Promise<Documents> {
  const found = new Map<string, DocumentDocument>()
  for (const piece of pieces(names, NAMES_AT_ONCE)) {
    const documents = await base.in.document.find({ _id: { $in: piece.map(binary) } }, { session, batchSize: NAMES_AT_ONCE }).toArray()
    for (const document of documents) found.set(hexOf(document._id), document)
  }
  return found
}

/** 0 where it is absent or expired. */
export function liveVersion(document: DocumentDocument | null | undefined, at: number): number {
  if (document === null || document === undefined) return 0
  return document.expires !== undefined && document.expires.getTime() <= at ? 0 : document.version
}

/** Reads one document by itself. */
export async function readDocument(base: Database, name: Key): Promise<{ readonly version: number; readonly sealed: Bytes } | undefined> {
  const found = await base.in.document.findOne({ _id: binary(name) })
  const version = liveVersion(found, base.now())
  return found === null || version === 0 ? undefined : { version, sealed: bytesOf(found.sealed) }
}

/** Writes documents whose locks are taken. */
export async function putDocuments(run: Run, puts: readonly DocumentPut[]): Promise<void> {
  const writes: AnyBulkWriteOperation<DocumentDocument>[] = []
  for (const put of puts) {
    writes.push(...written(put, run.documents.get(hexOf(put.name)), run.at))
  }
  for (const piece of pieces(writes, NAMES_AT_ONCE)) await run.base.in.document.bulkWrite([...piece], { session: run.session, ordered: true })
}

function written(put: DocumentPut, found: DocumentDocument | undefined, at: number): AnyBulkWriteOperation<DocumentDocument>[] {
  const _id = binary(put.name)
  const relied = found?.relied === true ? { relied: true } : {}
  if (put.sealed === null) {
    if (found === undefined) return []
    if (found.relied !== true) return [{ deleteOne: { filter: { _id } } }]
    return [{ replaceOne: { filter: { _id }, replacement: { version: 0, sealed: binary(NOTHING), ...relied } } }]
  }
  const expires = put.expires === null ? {} : { expires: new Date(put.expires) }
  const document = { version: liveVersion(found, at) + 1, ...expires, sealed: binary(put.sealed), ...relied }
  return [found === undefined ? { insertOne: { document: { _id, ...document } } } : { replaceOne: { filter: { _id }, replacement: document } }]
}

/** Gives documents their locks, in a transaction of its own; an absent one gets a row of version 0. A Provenance relies upon hundreds at once. */
export async function register(base: Database, names: readonly Key[]): Promise<void> {
  await transact(base, async (session) => {
    const found = await documentsOf(base, session, names)
    const fresh = [...new Map(names.map((name) => [hexOf(name), name])).values()].filter((name) => found.get(hexOf(name))?.relied !== true)
    const writes = fresh.map((name): AnyBulkWriteOperation<DocumentDocument> => {
      const _id = binary(name)
      return found.has(hexOf(name)) ? { updateOne: { filter: { _id }, update: { $set: { relied: true } } } } : { insertOne: { document: { _id, version: 0, sealed: binary(NOTHING), relied: true } } }
    })
    for (const piece of pieces(writes, NAMES_AT_ONCE)) await base.in.document.bulkWrite([...piece], { session, ordered: true })
    for (const piece of pieces(fresh, NAMES_AT_ONCE / LOCKS)) {
      const ids = piece.flatMap((name) => Array.from({ length: LOCKS }, (_, i) => lockId(name, i)))
      // An expired document that the database dropped has left its own behind.
      await base.in.lock.deleteMany({ _id: { $in: ids } }, { session })
      await base.in.lock.insertMany(ids.map((_id) => ({ _id, by: binary(NOTHING) })), { session })
    }
    return { value: undefined, keep: true }
  })
}

// From a random start, so that processes seldom meet, and in turn, so that the commits of one do not.
let turn = Math.floor(Math.random() * LOCKS)

/** Takes one lock of each document. */
export async function rely(run: Run, names: readonly Key[]): Promise<void> {
  turn = (turn + 1) % LOCKS
  for (const piece of pieces(names, NAMES_AT_ONCE)) {
    const writes = piece.map((name) => ({ updateOne: { filter: { _id: lockId(name, turn) }, update: { $set: { by: binary(run.id) } } } }))
    const { matchedCount } = await run.base.in.lock.bulkWrite(writes, { session: run.session, ordered: true })
    if (matchedCount !== piece.length) throw new TypeError('A document has lost its locks')
  }
}

/** Takes all locks of the documents that are to be written and have them. */
export async function takeLocks({ base, session, id, documents }: Pick<Run, 'base' | 'session' | 'id' | 'documents'>, puts: readonly Pick<DocumentPut, 'name'>[]): Promise<void> {
  for (const { name } of puts) {
    if (documents.get(hexOf(name))?.relied !== true) continue
    await base.in.lock.updateMany({ _id: { $gte: lockId(name, 0), $lte: lockId(name, LOCKS - 1) } }, { $set: { by: binary(id) } }, { session })
  }
}

function lockId(name: Key, number: number) {
  return binary(Uint8Array.from([...name, number]))
}

/** Reads and removes: of all who ask, one gets it. */
export async function takeDocument(base: Database, name: Key): Promise<Bytes | undefined> {
  return await transact(base, async (session) => {
    const documents = await documentsOf(base, session, [name])
    const found = documents.get(hexOf(name))
    if (found === undefined || liveVersion(found, base.now()) === 0) return { value: undefined, keep: false }
    const run = { base, session, id: Uint8Array.from(randomBytes(16)), at: base.now(), heads: new Map(), documents }
    await takeLocks(run, [{ name }])
    await putDocuments(run, [{ name, expect: null, expires: null, sealed: null }])
    return { value: bytesOf(found.sealed), keep: true }
  })
}
