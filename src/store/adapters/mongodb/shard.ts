import { MongoServerError, type Db, type Document } from 'mongodb'
import { StoreUnavailable } from '../../ports.ts'
import { connect, type MongoStoreOptions } from './database.ts'
import { toStoreError } from './errors.ts'
import { makeSchema } from './schema.ts'

/** A collection and how it is spread: by places, so that a patient's data lies together, or evenly by key. */
interface Spread { readonly collection: 'record' | 'version' | 'directory'; readonly key: Readonly<Record<string, 1 | 'hashed'>>; readonly index: string }

const SPREADS: readonly Spread[] = [
  { collection: 'record', key: { c: 1, _id: 1 }, index: 'by_place' },
  { collection: 'version', key: { c: 1, _id: 1 }, index: 'by_place' },
  { collection: 'directory', key: { _id: 'hashed' }, index: 'by_hash' }
]

/** What of a database is needed here. */
export interface Spreadable {
  /** Runs a command on the admin database. */
  admin(command: Document): Promise<Document>
  createIndex(collection: string, key: Document, name: string): Promise<unknown>
  /** The shard key of a collection, or null where it is not sharded. */
  shardKey(collection: string): Promise<Document | null>
}

/**
 * Spreads the collections over the shards of a cluster; what is spread already stays. Needs the rights of a cluster administrator. Answers
 * what it changed. StoreUnavailable where STORE_URL names no router, or a collection is spread in another way.
 */
export async function spread(database: string, on: Spreadable): Promise<readonly string[]> {
  if ((await on.admin({ hello: 1 })).msg !== 'isdbgrid') throw new StoreUnavailable('STORE_URL does not name a router (mongos) of a sharded cluster')
  await on.admin({ enableSharding: database })
  const changed: string[] = []
  for (const { collection, key, index } of SPREADS) {
    const present = await on.shardKey(collection)
    if (present !== null) {
      if (JSON.stringify(present) !== JSON.stringify(key)) throw new StoreUnavailable(`The collection ${collection} is sharded by another key`)
      continue
    }
    await on.createIndex(collection, key, index)
    await on.admin({ shardCollection: `${database}.${collection}`, key })
    changed.push(collection)
  }
  return changed
}

/** `spread` on the database of a URL, made first where it is empty. */
export async function shardMongo(options: MongoStoreOptions): Promise<readonly string[]> {
  const { client, db } = await connect(options)
  try {
    await makeSchema(db, options.expiryDelayS ?? 0)
    return await spread(db.databaseName, spreadable(db))
  } catch (error) {
    throw error instanceof MongoServerError && error.code === UNAUTHORIZED ? new StoreUnavailable('The user of STORE_URL may not shard collections') : toStoreError(error)
  } finally {
    await client.close()
  }
}

const UNAUTHORIZED = 13

function spreadable(db: Db): Spreadable {
  const admin = db.client.db('admin')
  return {
    admin: (command) => admin.command(command),
    createIndex: (collection, key, name) => db.collection(collection).createIndex(key, { name }),
    async shardKey(collection) {
      const found = await db.client.db('config').collection<Document & { _id: string }>('collections').findOne({ _id: `${db.databaseName}.${collection}` })
      return (found?.key as Document | undefined) ?? null
    }
  }
}
