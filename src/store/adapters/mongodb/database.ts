import { MongoClient, type ClientSession, type Db, type MongoClientOptions, type MongoOptions } from 'mongodb'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Stored, StoreUnavailable } from '../../ports.ts'
import { sameRecords } from '../../same-records.ts'
import { codeOf, toStoreError } from './errors.ts'
import { collectionsOf, makeSchema, type Collections } from './schema.ts'

export interface MongoStoreOptions {
  /** `mongodb://` or `mongodb+srv://`, with the database's name as its path unless `database` gives it. */
  readonly url: string
  readonly database?: string
  /** ms since 1970; times of expiry and of commit ids are compared with it. */
  readonly now: () => number
  /** Any-of sets of more terms are asked in pieces: the server sorts more than 200 lists in memory (internalQueryMaxScansToExplode). */
  readonly splitTerms?: number
  /** Records are read through the directory: as the server says, unless given. */
  readonly sharded?: boolean
  /** Seconds after its expiry at which the database drops a document; for tests with a clock of their own. */
  readonly expiryDelayS?: number
  /** How long a call waits for a server before it fails as StoreUnavailable. */
  readonly selectionMs?: number
}

/** One client of the database and what every part of the adapter needs. */
export interface Database {
  readonly client: MongoClient
  readonly db: Db
  readonly in: Collections
  readonly sharded: boolean
  readonly splitTerms: number
  readonly now: () => number
  /** The same object for a current record that has not changed. */
  readonly again: (read: Stored) => Stored
}

const SPLIT_TERMS = 200
const SELECTION_MS = 5_000
const POOL_MAX = 32
const SOCKET_MS = 60_000
const OLDEST_WIRE = 17                                  // MongoDB 6.0
/** Time for one command; the server gives up by itself. */
export const COMMAND_MS = 10_000
/** Everything that is written is on the disks of most members before it is acknowledged, and only such data is read. */
export const DURABLE = { readConcern: { level: 'majority' }, writeConcern: { w: 'majority', journal: true }, readPreference: 'primary' } as const
const DATABASE = 'wardkeep'

/** Opens a client, checks the deployment, makes collections and indexes where absent. StoreUnavailable where no server answers. */
export async function openDatabase(options: MongoStoreOptions): Promise<Database> {
  const { client, db, sharded } = await connect(options)
  try {
    await makeSchema(db, options.expiryDelayS ?? 0)
  } catch (error) {
    await client.close()
    throw toStoreError(error)
  }
  return { client, db, in: collectionsOf(db), sharded: options.sharded ?? sharded, splitTerms: options.splitTerms ?? SPLIT_TERMS, now: options.now, again: sameRecords() }
}

/** A client whose options are as they must be, of a deployment that has transactions. Makes nothing. */
export async function connect(options: MongoStoreOptions): Promise<{ readonly client: MongoClient; readonly db: Db; readonly sharded: boolean }> {
  const selectionMs = options.selectionMs ?? SELECTION_MS
  let client: MongoClient | null = null
  try {
    client = clientOf(options.url, {
      ...DURABLE, retryWrites: true, retryReads: true, promoteBuffers: false, ignoreUndefined: false, appName: 'wardkeep',
      maxPoolSize: POOL_MAX, serverSelectionTimeoutMS: selectionMs, waitQueueTimeoutMS: selectionMs, connectTimeoutMS: selectionMs, socketTimeoutMS: SOCKET_MS
    })
    const weak = weakness(client.options)
    if (weak !== null) throw new StoreUnavailable(`STORE_URL must not set ${weak}`)
    await client.connect()
    const sharded = await checkDeployment(client)
    return { client, sharded, db: client.db(options.database ?? (client.options.dbName === 'test' ? DATABASE : client.options.dbName)) }
  } catch (error) {
    await client?.close()
    throw toStoreError(error)
  }
}

// The driver names what it found wrong, which may be a part of a password.
function clientOf(url: string, options: MongoClientOptions): MongoClient {
  try {
    return new MongoClient(url, options)
  } catch {
    throw new StoreUnavailable('STORE_URL is not a URL that the MongoDB driver takes')
  }
}

/** The option by which a URL would weaken what is acknowledged or read, or null. */
export function weakness(options: Pick<MongoOptions, 'writeConcern' | 'readConcern' | 'readPreference' | 'retryWrites'>): string | null {
  const { writeConcern, readConcern, readPreference } = options
  if (writeConcern?.w !== 'majority') return 'w'
  if (writeConcern.journal !== true) return 'journal'
  if ((writeConcern.wtimeoutMS ?? 0) !== 0) return 'wtimeoutMS'
  if (readConcern?.level !== 'majority') return 'readConcernLevel'
  if (readPreference?.mode !== 'primary') return 'readPreference'
  return options.retryWrites ? null : 'retryWrites'
}

/** A single server without a log of operations has no transactions. Answers whether it is a sharded cluster. */
async function checkDeployment(client: MongoClient): Promise<boolean> {
  const hello = await client.db('admin').command({ hello: 1 })
  const sharded = hello.msg === 'isdbgrid'
  if (!sharded && typeof hello.setName !== 'string') throw new StoreUnavailable('The MongoDB of STORE_URL is neither a replica set nor a sharded cluster')
  if (!((hello.maxWireVersion as number) >= OLDEST_WIRE)) throw new StoreUnavailable('The MongoDB of STORE_URL is older than 6.0')
  return sharded
}

const SNAPSHOT_UNAVAILABLE = 246
const SNAPSHOT_TRIES = 5
const SNAPSHOT_PAUSE_MS = 50

/** Options of a read that sees one state with others. The level is named each time: the driver would put that of the client, and refuse it. */
export interface At { readonly session: ClientSession; readonly readConcern: { readonly level: 'snapshot' } }

/** All reads of the work see one state, which most members have. The first one must be answered before others start. */
export async function snapshot<T>(base: Database, work: (at: At) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    const session = base.client.startSession({ snapshot: true })
    try {
      return await work({ session, readConcern: { level: 'snapshot' } })
    } catch (error) {
      // Right after a change of the catalog the server cannot read an earlier state.
      if (codeOf(error) !== SNAPSHOT_UNAVAILABLE || tries === SNAPSHOT_TRIES) throw error
    } finally {
      await session.endSession()
    }
    await sleep(SNAPSHOT_PAUSE_MS)
  }
}
