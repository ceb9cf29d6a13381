import type { Binary, Filter } from 'mongodb'
import type { Key, Stored } from '../../ports.ts'
import { binary, hexOf, pieces } from './bytes.ts'
import { COMMAND_MS, type At, type Database } from './database.ts'
import type { RecordDocument } from './schema.ts'
import { storedOf } from './stored.ts'

const KEYS_AT_ONCE = 1_000

/** Current records in the order of their keys. In a sharded cluster the directory says on which shards they lie, unless `places` do. */
export async function readRecords(base: Database, keys: readonly Key[], at: At, places?: readonly Binary[]): Promise<(Stored | undefined)[]> {
  const found = new Map<string, Stored>()
  for (const piece of pieces(keys, KEYS_AT_ONCE)) {
    const filter: Filter<RecordDocument> = { _id: { $in: piece.map(binary) }, ...places === undefined ? await placesOf(base, piece, at) : shardsOf(base, places) }
    const options = { projection: { terms: 0, trail: 0 }, batchSize: KEYS_AT_ONCE, maxTimeMS: COMMAND_MS, ...at }
    for (const document of await base.in.record.find(filter, options).toArray()) found.set(hexOf(document._id), base.again(storedOf(document)))
  }
  return keys.map((key) => found.get(hexOf(key)))
}

/** The part of a filter that names the shards of these records; nothing where there is but one. */
export async function placesOf(base: Database, keys: readonly Key[], at: At): Promise<{ c?: { $in: Binary[] } }> {
  if (!base.sharded) return {}
  const rows = await base.in.directory.find({ _id: { $in: keys.map(binary) } }, { projection: { c: 1 }, batchSize: keys.length, maxTimeMS: COMMAND_MS, ...at }).toArray()
  return shardsOf(base, rows.flatMap(({ c }) => (c === undefined ? [] : [c])))
}

export const shardsOf = ({ sharded }: Database, places: readonly Binary[]): { c?: { $in: Binary[] } } =>
  (sharded ? { c: { $in: [...new Map(places.map((c) => [hexOf(c), c])).values()] } } : {})

