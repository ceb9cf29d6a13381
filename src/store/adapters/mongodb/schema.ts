import type { Binary, Collection, CreateIndexesOptions, Db } from 'mongodb'
import { DONE_KEPT_MS, StoreBroken, type Put } from '../../ports.ts'
import { binary, termList } from './bytes.ts'

/** Collections of the database. Every field is listed with its meaning in docs/DATA-AT-REST.md. `_id` is the record key unless said. */

export interface RecordDocument {
  readonly _id: Binary
  /** Patient prefix: the shard key. */
  readonly c: Binary
  readonly type: string
  readonly version: number
  readonly updated: number
  readonly deleted: boolean
  /** What the record is found by; of a deleted one its trail, so that history finds the deletion. */
  readonly terms: readonly Binary[]
  /** Packed. */
  readonly trail: Binary
  readonly sealed: Binary
}

export function recordDocumentOf(record: Omit<Put, 'expect'> & { readonly version: number }): RecordDocument {
  const { key, c, type, version, updated, deleted, terms, trail, sealed } = record
  return {
    _id: binary(key), c: binary(c), type, version, updated, deleted, terms: termList(deleted ? trail : terms), trail: binary(trail), sealed: binary(sealed)
  }
}

/** A superseded version: `_id` = `versionId`, `terms` = its trail. */
export interface VersionDocument extends Omit<RecordDocument, 'trail'> {}

/** Where a record lies, and its version: the one place that keeps keys unique in a sharded cluster, and the lock of the key. */
export interface DirectoryDocument {
  readonly _id: Binary
  /** 0: there is no such record, and a commit relied upon that. */
  readonly version: number
  readonly c?: Binary
  /** The last commit that wrote this version or relied upon it. */
  readonly by: Binary
  /** Of version 0: when it may be forgotten. */
  readonly expires?: Date
}

export interface DocumentDocument {
  readonly _id: Binary
  /** 0: absent. */
  readonly version: number
  readonly expires?: Date
  readonly sealed: Binary
  /** Commits rely upon it: who writes it must take all of its locks. */
  readonly relied?: boolean
}

/** `_id` = document name and one byte. A commit that relies upon the document takes one of them, a commit that writes it all. */
export interface LockDocument { readonly _id: Binary; readonly by: Binary }

/** `n`: time of the call in µs, rising within a process: commit order. */
export interface QueueDocument { readonly _id: Binary; readonly n: number; readonly sealed: Binary }

export interface DoneDocument { readonly _id: Binary; readonly at: Date }

export interface LogDocument {
  readonly _id: Binary
  readonly seq: number
  readonly link: Binary
  readonly indexed: number
  readonly holder: Binary | null
  readonly until: number
}

/** `_id` = log and seq. */
export interface EntryDocument { readonly _id: Binary; readonly id: Binary; readonly sealed: Binary; readonly link: Binary }

/** `_id` = log, term and seq. */
export interface PostingDocument { readonly _id: Binary; readonly log: Binary; readonly term: Binary; readonly seq: number }

interface SchemaDocument { readonly _id: number; readonly version: number }

export type Collections = ReturnType<typeof collectionsOf>

export function collectionsOf(db: Db) {
  return {
    record: db.collection<RecordDocument>('record'),
    version: db.collection<VersionDocument>('version'),
    directory: db.collection<DirectoryDocument>('directory'),
    document: db.collection<DocumentDocument>('document'),
    lock: db.collection<LockDocument>('lock'),
    outbox: db.collection<QueueDocument>('outbox'),
    done: db.collection<DoneDocument>('done'),
    log: db.collection<LogDocument>('log'),
    entry: db.collection<EntryDocument>('entry'),
    posting: db.collection<PostingDocument>('posting'),
    schema: db.collection<SchemaDocument>('schema')
  }
}

/** Raised with every change of what is stored; a database of another version is refused. */
const SCHEMA_VERSION = 3

interface Index { readonly key: Readonly<Record<string, 1 | -1>>; readonly options: CreateIndexesOptions & { readonly name: string } }

const index = (name: string, key: Index['key'], options: CreateIndexesOptions = {}): Index => ({ key, options: { name, ...options } })

/** `expiryDelayS`: how much later than its time the database drops what has expired; reads test the time themselves. */
export function indexesOf(expiryDelayS: number): Readonly<Record<keyof Collections, readonly Index[]>> {
  const expires = index('expires', { expires: 1 }, { expireAfterSeconds: expiryDelayS })
  const byTerm = index('by_term', { terms: 1, updated: -1, _id: 1 })
  const byType = index('by_type', { type: 1, updated: -1, _id: 1 })
  const inOrder = index('in_order', { n: 1, _id: 1 })
  return {
    record: [byTerm, byType], version: [byTerm, byType], directory: [expires], document: [expires], lock: [],
    outbox: [inOrder], done: [index('at', { at: 1 }, { expireAfterSeconds: Math.max(DONE_KEPT_MS / 1000, expiryDelayS) })],
    log: [], entry: [index('by_id', { id: 1 }, { unique: true })],
    posting: [index('by_term', { log: 1, term: 1, seq: -1 })], schema: []
  }
}

/** Makes what is absent: a transaction cannot. Then compares: StoreBroken where an index is not as it must be. */
export async function makeSchema(db: Db, expiryDelayS: number): Promise<void> {
  const collections = collectionsOf(db)
  const present = new Set((await db.listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name))
  await Promise.all(Object.entries(indexesOf(expiryDelayS)).map(async ([name, indexes]) => {
    if (!present.has(name)) await db.createCollection(name).catch(ignoring(NAMESPACE_EXISTS))
    await makeIndexes(db.collection(name), indexes)
  }))
  if (present.has('pending')) await dropPending(db)
  await collections.schema.updateOne({ _id: 1 }, { $setOnInsert: { version: SCHEMA_VERSION } }, { upsert: true })
  if ((await collections.schema.findOne({ _id: 1 }))?.version !== SCHEMA_VERSION) throw new StoreBroken('The database was made by another version of this server')
}

/** Version 2 kept entries of the ledger that it had not numbered in a collection of their own; a clean stop left it empty. */
async function dropPending(db: Db): Promise<void> {
  if (await db.collection('pending').findOne({}) !== null) {
    throw new StoreBroken('The ledger holds entries that an earlier version has not numbered: start that version and stop it, then start this one')
  }
  await db.dropCollection('pending')
  await collectionsOf(db).schema.updateOne({ _id: 1, version: 2 }, { $set: { version: 3 } })
}

async function makeIndexes(collection: Collection, indexes: readonly Index[]): Promise<void> {
  const absent = async (): Promise<readonly Index[]> => {
    const found = await collection.listIndexes().toArray()
    return indexes.filter((wanted) => !found.some((one) => isSame(one, wanted)))
  }
  for (const { key, options } of await absent()) await collection.createIndex(key, options).catch(ignoring(...INDEX_CONFLICTS))
  for (const { options } of await absent()) throw new StoreBroken(`The index ${options.name} of the collection ${collection.collectionName} is not as it must be`)
}

function isSame(found: Readonly<Record<string, unknown>>, { key, options }: Index): boolean {
  return found.name === options.name && JSON.stringify(found.key) === JSON.stringify(key)
    && found.expireAfterSeconds === options.expireAfterSeconds && (found.unique ?? false) === (options.unique ?? false)
    && found.sparse === undefined && found.partialFilterExpression === undefined && found.collation === undefined
}

const NAMESPACE_EXISTS = 48
const INDEX_CONFLICTS = [85, 86]

/** Another process may have made it first, or it is there in another form: the comparison tells. */
function ignoring(...codes: readonly number[]) {
  return (error: { readonly code?: unknown }): void => {
    if (!codes.includes(error.code as number)) throw error
  }
}
