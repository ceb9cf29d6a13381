import type { Bytes } from '../../../model/resource.ts'
import { type Committed, OUTBOX_MAX, type RecordStore } from '../../ports.ts'
import { atMost, BOUNDS, checkAsk, checkCommit, checkKey, checkLimit, checkQuery } from '../../bounds.ts'
import { packed } from './commit-message.ts'
import { countRecords, findPage } from './find.ts'
import { findVersionsPage, versionOf, versionsOf } from './history.ts'
import { exact, type RecordUnit } from './messages.ts'
import { openPair, type Connectable, type SqliteOptions } from './open-pair.ts'
import { makeRecordReader, type RecordReader } from './reader.ts'
import type { Pack, WriterLink } from './writer-link.ts'

/**
 * The record store in one SQLite file. Reads run on the calling thread, writes on a writer thread with group commit.
 * The store that started the thread must be closed last.
 */
export async function openSqliteStore(options: SqliteOptions): Promise<RecordStore & Connectable> {
  // A second connection is for another thread's large bodies, which read little twice.
  const keptBytesMax = options.writer === undefined ? undefined : 2 ** 20
  const { link, reader } = await openPair(options, 'records', packRecords, (path) => makeRecordReader(path, keptBytesMax))
  return { ...reads(reader, options), ...writes(link, reader), connect: () => link.connect(), ...ends(link, reader) }
}

interface Item { readonly unit: RecordUnit; readonly puts: number; readonly bytes: number }

type Reads = 'get' | 'find' | 'count' | 'versions' | 'version' | 'findVersions' | 'scan' | 'document' | 'outbox'

function reads(reader: RecordReader, options: SqliteOptions): Pick<RecordStore, Reads> {
  return {
    async get(keys) {
      atMost(keys.length, BOUNDS.getKeys, 'keys of a read')
      const [only] = keys
      if (keys.length === 1 && only !== undefined) return [reader.readOne(() => {
        reader.kept.catchUp()
        return reader.byKey(only)
      })]
      return reader.read(() => keys.map((key) => reader.byKey(key)))
    },
    async find(query, ask) {
      checkQuery(query)
      checkAsk(ask)
      return reader.read(() => findPage(reader, query, ask))
    },
    async count(query, max) {
      checkQuery(query)
      atMost(max, BOUNDS.countMax, 'records of a count')
      return countRecords(reader, query, max)
    },
    async versions(key, before, limit) {
      checkLimit(limit)
      return reader.read(() => versionsOf(reader, key, before, limit))
    },
    version: async (key, version) => reader.read(() => versionOf(reader, key, version)),
    async findVersions(query, ask) {
      checkQuery(query)
      checkAsk(ask)
      return reader.read(() => findVersionsPage(reader, query, ask))
    },
    async scan(after, limit) {
      checkLimit(limit)
      return reader.read(() => reader.scan(after ?? new Uint8Array(), limit))
    },
    document: async (name) => reader.readOne(() => reader.document(name, options.now())),
    async outbox(limit) {
      checkLimit(limit, OUTBOX_MAX)
      return reader.readOne(() => reader.outbox(limit))
    }
  }
}

function writes(link: WriterLink<Item>, { kept }: RecordReader): Pick<RecordStore, 'commit' | 'take' | 'outboxDone'> {
  const send = (item: Item): Promise<unknown> => link.send(item).finally(kept.writing())
  return {
    async commit(commit) {
      const size = checkCommit(commit)
      kept.sent(commit.id, [...commit.puts, ...commit.rewrites, ...commit.terms ?? []].map(({ key }) => key).concat(commit.erase))
      return await send({ unit: { kind: 'commit', commit: packed(commit) }, ...size }) as Committed
    },
    async take(name) {
      checkKey(name)
      return await send({ unit: { kind: 'take', name: exact(name) }, puts: 1, bytes: 0 }) as Bytes | null ?? undefined
    },
    async outboxDone(ids) {
      if (ids.length > 0) await send({ unit: { kind: 'outbox-done', ids: ids.map(exact) }, puts: 1, bytes: 0 })
    }
  }
}

function ends(link: WriterLink<Item>, reader: RecordReader): Pick<RecordStore, 'health' | 'close'> {
  return {
    async health() {
      reader.readOne(() => { reader.sql.health.get() })
      await link.send({ unit: { kind: 'ping' }, puts: 0, bytes: 0 })
    },
    close: () => link.close(() => { reader.close() })
  }
}

const GROUP_COMMITS_MAX = 256
const GROUP_PUTS_MAX = 1_000
const GROUP_BYTES_MAX = 8 * 2 ** 20

/** Takes units up to the bounds of a group; a unit past them goes alone. */
export const packRecords: Pack<Item> = (queue) => {
  let taken = 0
  let puts = 0
  let bytes = 0
  for (const { item } of queue) {
    puts += item.puts
    bytes += item.bytes
    if (taken > 0 && (taken >= GROUP_COMMITS_MAX || puts > GROUP_PUTS_MAX || bytes > GROUP_BYTES_MAX)) break
    taken++
  }
  const group = queue.splice(0, taken)
  return { units: group.map(({ item }) => item.unit), waiting: group.map((one) => [one]) }
}
