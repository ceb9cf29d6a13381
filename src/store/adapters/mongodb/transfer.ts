import { randomBytes } from 'node:crypto'
import type { AnyBulkWriteOperation, Binary, Collection, Document, WithId } from 'mongodb'
import type { Bytes } from '../../../model/resource.ts'
import type { DocumentCopy, DoneCopy, PostingCopy, RecordCopy, Transfer, VersionCopy } from '../../ports/transfer.ts'
import { StoreBroken, type Terms } from '../../ports.ts'
import { binary, bytesOf, hexOf, numbered, pieces, termList, versionId } from './bytes.ts'
import { openDatabase, type Database, type MongoStoreOptions } from './database.ts'
import { guarded } from './errors.ts'
import { WRITES_AT_ONCE } from './run.ts'
import { recordDocumentOf, type RecordDocument, type VersionDocument } from './schema.ts'

const KEY_BYTES = 16
const LOG_BYTES = 8
const TERM_END = LOG_BYTES + 16

/** All collections of a store, row by row. */
export async function openMongoTransfer(options: MongoStoreOptions): Promise<Transfer> {
  const base = await openDatabase(options)
  return { ...reads(base), ...writes(base), close: () => base.client.close() }
}

type Writes = Pick<Transfer, 'putRecords' | 'putVersions' | 'putDocuments' | 'putDone' | 'putEntries' | 'putPostings'>

function reads({ in: { record, version, document, done, posting, log: logs } }: Database): Omit<Transfer, keyof Writes | 'close'> {
  const page = <T extends Document>(from: Collection<T>, filter: object, limit: number): Promise<WithId<T>[]> =>
    guarded(() => from.find(filter as never, { sort: { _id: 1 }, limit, batchSize: limit }).toArray())
  const above = (place: Binary | null): object => (place === null ? {} : { _id: { $gt: place } })
  const last = <T extends Document>(of: Collection<T>): Promise<WithId<T> | undefined> =>
    guarded(async () => (await of.find({}, { sort: { _id: -1 }, limit: 1 }).toArray())[0])
  return {
    held: (at) => guarded(async () => (await logs.find({ holder: { $ne: null }, until: { $gt: at } }).toArray()).map(({ _id }) => bytesOf(_id))),
    records: async (after, limit) => (await page(record, above(after && binary(after)), limit)).map(recordCopy),
    versions: async (after, limit) => (await page(version, above(after && versionId(after.key, after.version)), limit)).map(versionCopy),
    async documents(after, limit) {
      const found = await page(document, { ...above(after && binary(after)), version: { $gt: 0 } }, limit)
      return found.map(({ _id, version, expires, sealed }): DocumentCopy => ({ name: bytesOf(_id), version, expires: expires?.getTime() ?? null, sealed: bytesOf(sealed) }))
    },
    done: async (after, limit) => (await page(done, above(after && binary(after)), limit)).map(({ _id, at }): DoneCopy => ({ id: bytesOf(_id), at: at.getTime() })),
    async postings(log, after, limit) {
      const from = placeOf(log, after ?? { term: new Uint8Array(KEY_BYTES), seq: 0 })
      const found = await page(posting, { log: binary(log), _id: { $gt: from } }, limit)
      return found.map(({ _id, seq }): PostingCopy => ({ term: bytesOf(_id).slice(LOG_BYTES, TERM_END), seq }))
    },
    async lastRecord() {
      const found = await last(record)
      return found === undefined ? null : bytesOf(found._id)
    },
    async lastVersion() {
      const found = await last(version)
      return found === undefined ? null : { key: bytesOf(found._id).slice(0, KEY_BYTES), version: found.version }
    },
    counts: () => guarded(async () => ({ records: await record.countDocuments(), versions: await version.countDocuments() }))
  }
}

const placeOf = (log: Bytes, { term, seq }: PostingCopy): Binary => numbered(Uint8Array.from([...log, ...term]), seq)

function packed(terms: readonly Binary[]): Terms {
  return Uint8Array.from(Buffer.concat(terms.map((term) => term.value())))
}

function recordCopy({ _id, c, type, version, updated, deleted, terms, trail, sealed }: RecordDocument): RecordCopy {
  return { key: bytesOf(_id), c: bytesOf(c), type, version, updated, deleted, terms: deleted ? new Uint8Array() : packed(terms), trail: bytesOf(trail), sealed: bytesOf(sealed) }
}

function versionCopy({ _id, type, version, updated, deleted, terms, sealed }: VersionDocument): VersionCopy {
  return { key: bytesOf(_id).slice(0, KEY_BYTES), type, version, updated, deleted, trail: packed(terms), sealed: bytesOf(sealed) }
}

/** Replaced in order where there already: what an interruption cut off comes again. */
function writes(base: Database): Writes {
  const { record, version, directory, document, done, entry, posting, log: logs } = base.in
  const by = binary(randomBytes(KEY_BYTES))
  const put = async <T extends Document>(into: Collection<T>, rows: readonly (T & { readonly _id: Binary })[]): Promise<void> => {
    // In a sharded cluster a row is found by its shard key.
    const filter = ({ _id, c }: { readonly _id: Binary; readonly c?: Binary }): object => (c === undefined ? { _id } : { _id, c })
    for (const piece of pieces(rows, WRITES_AT_ONCE)) {
      const operations = piece.map((row) => {
        const { _id, ...replacement } = row
        return { replaceOne: { filter: filter(row), replacement, upsert: true } }
      })
      await guarded(() => into.bulkWrite(operations as unknown as AnyBulkWriteOperation<T>[], { ordered: true }))
    }
  }
  return {
    async putRecords(copies) {
      const rows = copies.map((copy) => recordDocumentOf({ ...copy, c: copy.c ?? missing() }))
      // The directory first: a record that is there has its row.
      await put(directory, rows.map(({ _id, version: number, c }) => ({ _id, version: number, c, by })))
      await put(record, rows)
    },
    async putVersions(copies) {
      const keys = [...new Map(copies.map(({ key }) => [hexOf(key), binary(key)])).values()]
      const places = await guarded(() => directory.find({ _id: { $in: keys } }).toArray())
      const byKey = new Map(places.map(({ _id, c }) => [hexOf(_id), c]))
      await put(version, copies.map(({ key, version: number, type, updated, deleted, trail, sealed }): VersionDocument => ({
        _id: versionId(key, number), c: byKey.get(hexOf(key)) ?? missing(), type, version: number, updated, deleted, terms: termList(trail), sealed: binary(sealed)
      })))
    },
    putDocuments: (copies) => put(document, copies.map(({ name, version: number, expires, sealed }) =>
      ({ _id: binary(name), version: number, ...(expires === null ? {} : { expires: new Date(expires) }), sealed: binary(sealed) }))),
    putDone: (copies) => put(done, copies.map(({ id, at }) => ({ _id: binary(id), at: new Date(at) }))),
    async putEntries(log, copies) {
      await put(entry, copies.map(({ seq, id, sealed, link }) => ({ _id: numbered(log, seq), id: binary(id), sealed: binary(sealed), link: binary(link) })))
      const last = copies.at(-1)
      if (last === undefined) return
      const head = { seq: last.seq, link: binary(last.link) }
      await guarded(() => logs.updateOne({ _id: binary(log) }, { $set: head, $setOnInsert: { indexed: 0, holder: null, until: 0 } }, { upsert: true }))
    },
    putPostings: (log, copies) => put(posting, copies.map((copy) => ({ _id: placeOf(log, copy), log: binary(log), term: binary(copy.term), seq: copy.seq })))
  }
}

function missing(): never {
  throw new StoreBroken('A record without a place')
}
