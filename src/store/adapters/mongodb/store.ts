import { OUTBOX_MAX, StoreUnavailable, type RecordStore } from '../../ports.ts'
import { atMost, BOUNDS, checkAsk, checkCommit, checkKey, checkLimit, checkQuery } from '../../bounds.ts'
import { binary, bytesOf, pieces } from './bytes.ts'
import { applyCommit, namesOf } from './commit.ts'
import { COMMAND_MS, openDatabase, snapshot, type Database, type MongoStoreOptions } from './database.ts'
import { readDocument, takeDocument } from './documents.ts'
import { guarded } from './errors.ts'
import { countRecords, findPage } from './find.ts'
import { findVersionsPage, versionOf, versionsOf } from './history.ts'
import { makeLanes, type Lanes } from './lanes.ts'
import { readRecords } from './read.ts'
import { commitOrder } from './order.ts'
import { WRITES_AT_ONCE } from './run.ts'
import { storedOf } from './stored.ts'

/** The record store in a MongoDB database (replica set or sharded cluster), with a client of its own. */
export async function openMongoStore(options: MongoStoreOptions): Promise<RecordStore> {
  const base = await openDatabase(options)
  const lanes = makeLanes()
  const closed = { now: false }
  const open = async <T>(work: () => Promise<T>): Promise<T> => {
    if (closed.now) throw new StoreUnavailable('The store is closed')
    return await guarded(work)
  }
  return {
    ...reads(base, open), ...histories(base, open), ...writes(base, lanes, open),
    async health() {
      await open(() => base.in.schema.findOne({ _id: 1 }, { maxTimeMS: COMMAND_MS }))
    },
    async close() {
      closed.now = true
      await lanes.idle()
      await base.client.close()
    }
  }
}

type Open = <T>(work: () => Promise<T>) => Promise<T>

function reads(base: Database, open: Open): Pick<RecordStore, 'get' | 'find' | 'count' | 'scan' | 'document' | 'outbox'> {
  return {
    get: (keys) => open(async () => {
      atMost(keys.length, BOUNDS.getKeys, 'keys of a read')
      return keys.length === 0 ? [] : await snapshot(base, (at) => readRecords(base, keys, at))
    }),
    find: (query, ask) => open(async () => {
      checkQuery(query)
      checkAsk(ask)
      return await findPage(base, query, ask)
    }),
    count: (query, max) => open(async () => {
      checkQuery(query)
      atMost(max, BOUNDS.countMax, 'records of a count')
      return await countRecords(base, query, max)
    }),
    scan: (after, limit) => open(async () => {
      checkLimit(limit)
      const filter = after === null ? {} : { _id: { $gt: binary(after) } }
      const options = { sort: { _id: 1 as const }, limit, batchSize: limit, projection: { terms: 0, trail: 0 }, maxTimeMS: COMMAND_MS }
      return (await base.in.record.find(filter, options).toArray()).map((document) => storedOf(document))
    }),
    document: (name) => open(() => readDocument(base, name)),
    outbox: (limit) => open(async () => {
      checkLimit(limit, OUTBOX_MAX)
      const found = await base.in.outbox.find({}, { sort: { n: 1, _id: 1 }, limit, batchSize: limit, hint: 'in_order', maxTimeMS: COMMAND_MS }).toArray()
      return found.map(({ _id, sealed }) => ({ id: bytesOf(_id), sealed: bytesOf(sealed) }))
    })
  }
}

function histories(base: Database, open: Open): Pick<RecordStore, 'versions' | 'version' | 'findVersions'> {
  return {
    versions: (key, before, limit) => open(async () => {
      checkLimit(limit)
      return await versionsOf(base, key, before, limit)
    }),
    version: (key, version) => open(() => versionOf(base, key, version)),
    findVersions: (query, ask) => open(async () => {
      checkQuery(query)
      checkAsk(ask)
      return await findVersionsPage(base, query, ask)
    })
  }
}

function writes(base: Database, lanes: Lanes, open: Open): Pick<RecordStore, 'commit' | 'take' | 'outboxDone'> {
  const next = commitOrder(base.now)
  return {
    commit: (commit) => open(async () => {
      checkCommit(commit)
      const n = next()
      return await lanes.run(namesOf(commit), () => applyCommit(base, commit, n))
    }),
    take: (name) => open(async () => {
      checkKey(name)
      return await lanes.run({ exclusive: [Buffer.from(name).toString('hex')], shared: [] }, () => takeDocument(base, name))
    }),
    outboxDone: (ids) => open(async () => {
      for (const piece of pieces(ids, WRITES_AT_ONCE)) await base.in.outbox.deleteMany({ _id: { $in: piece.map(binary) } })
    })
  }
}
