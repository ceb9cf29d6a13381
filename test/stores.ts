/**
 * The store on which the tests' servers run: SQLite, or with TEST_STORE=mongodb the MongoDB of TEST_MONGODB_URL, a database for each place. Settings
 * of the server have other names: one with the server's prefix would stop it.
 */
import { randomBytes } from 'node:crypto'
import { Binary, BSON, MongoClient } from 'mongodb'

const { serialize } = BSON

/** What only files of the embedded store can show is tested there only. */
export const isOnMongo = process.env.TEST_STORE === 'mongodb'

/** STORE_URL of an empty store, as an entry of the environment; nothing for SQLite, which lies in DATA_DIR. */
export function newStore(): Readonly<Record<string, string>> {
  const url = isOnMongo ? process.env.TEST_MONGODB_URL : undefined
  return url === undefined ? {} : { STORE_URL: withDatabase(url, `wardkeep_${randomBytes(6).toString('hex')}`) }
}

export const withDatabase = (url: string, database: string): string => url.replace(/^(mongodb(?:\+srv)?:\/\/[^/?]+)\/?[^?]*/, `$1/${database}`)

const databaseOf = (url: string): string => /^mongodb(?:\+srv)?:\/\/[^/?]+\/([^?]+)/.exec(url)![1]!

/** Removes what `newStore` named. */
export async function dropStore({ STORE_URL }: Readonly<Record<string, string>>): Promise<void> {
  if (STORE_URL !== undefined) await withClient(STORE_URL, async (client) => { await client.db(databaseOf(STORE_URL)).dropDatabase() })
}

/** Fills an empty store with all that is in another, byte by byte. Of SQLite nothing: its files are copied with DATA_DIR. */
export async function copyStore(from: Readonly<Record<string, string>>, to: Readonly<Record<string, string>>): Promise<void> {
  if (from.STORE_URL === undefined || to.STORE_URL === undefined) return
  await withClient(from.STORE_URL, async (client) => {
    const [source, target] = [client.db(databaseOf(from.STORE_URL!)), client.db(databaseOf(to.STORE_URL!))]
    for (const { name } of await source.listCollections({}, { nameOnly: true }).toArray()) {
      const documents = await source.collection(name).find().toArray()
      for (let at = 0; at < documents.length; at += 500) await target.collection(name).insertMany(documents.slice(at, at + 500))
    }
  })
}

const idText = (id: unknown): string => (id instanceof Binary ? Buffer.from(id.value()).toString('hex') : String(id))

/** Every document of the store, as BSON. */
export const storedDocuments = ({ STORE_URL }: Readonly<Record<string, string>>): Promise<readonly { readonly collection: string; readonly id: string; readonly bytes: Buffer; readonly sealed: Uint8Array | null }[]> =>
  withClient(STORE_URL!, async (client) => {
    const db = client.db(databaseOf(STORE_URL!))
    const found = []
    for (const { name } of await db.listCollections({}, { nameOnly: true }).toArray()) {
      for (const document of await db.collection(name).find().toArray()) {
        const sealed = document.sealed instanceof Binary ? document.sealed.value() : null
        found.push({ collection: name, id: idText(document._id), bytes: Buffer.from(serialize(document)), sealed })
      }
    }
    return found
  })

export async function withClient<T>(url: string, work: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(url, { promoteBuffers: false })
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}
