import type { AnyBulkWriteOperation, Binary } from 'mongodb'
import { StoreBroken, type Commit, type Key, type Put, type TermsPut } from '../../ports.ts'
import { binary, hexOf, pieces, same, termList, versionId } from './bytes.ts'
import { WRITES_AT_ONCE, type Run } from './run.ts'
import { recordDocumentOf, type DirectoryDocument, type RecordDocument, type VersionDocument } from './schema.ts'

type Rewrite = Commit['rewrites'][number]

/** Old versions are read to be moved: fewer at a time. */
const UPDATES_AT_ONCE = 200
/** The mark that a key was absent when it was relied upon is needed as long as the transaction lasts. */
const ABSENCE_MS = 3_600_000
const VERSION_MAX = 0xffffffff

/** Makes this commit meet any that writes these keys: each writes the directory's row of the key. */
export async function relyOnRecords({ base, session, id, at, heads }: Run, expect: Commit['expect']): Promise<void> {
  const by = binary(id)
  const expires = new Date(at + ABSENCE_MS)
  const writes = expect.map(({ key, version }): AnyBulkWriteOperation<DirectoryDocument> => {
    const _id = binary(key)
    if (version > 0) return { updateOne: { filter: { _id }, update: { $set: { by } } } }
    return heads.has(hexOf(key)) ? { updateOne: { filter: { _id }, update: { $set: { by, expires } } } } : { insertOne: { document: { _id, version: 0, by, expires } } }
  })
  for (const piece of pieces(distinctWrites(writes), WRITES_AT_ONCE)) await base.in.directory.bulkWrite([...piece], { session, ordered: true })
}

// A key that is relied upon twice would be inserted twice.
function distinctWrites(writes: readonly AnyBulkWriteOperation<DirectoryDocument>[]): AnyBulkWriteOperation<DirectoryDocument>[] {
  const seen = new Set<string>()
  return writes.filter((write) => {
    const id = hexOf(('insertOne' in write ? write.insertOne.document._id : 'updateOne' in write ? write.updateOne.filter._id : null) as Binary)
    return !seen.has(id) && seen.add(id)
  })
}

export async function putRecords(run: Run, puts: readonly Put[]): Promise<void> {
  const { base, session } = run
  const fresh = puts.filter(({ expect }) => expect === 0)
  for (const piece of pieces(fresh, WRITES_AT_ONCE)) {
    await base.in.directory.bulkWrite(piece.map((put) => entered(run, put, 1)), { session, ordered: true })
    await base.in.record.insertMany(piece.map((put) => recordOf(put)), { session })
  }
  for (const piece of pieces(puts.filter(({ expect }) => expect > 0), UPDATES_AT_ONCE)) await replaceRecords(run, piece)
}

/** The commit's id makes this a change even where version and place stay: a write that changes nothing excludes nobody. */
function entered({ heads, id }: Run, { key, c }: Pick<Put, 'key' | 'c'>, version: number): AnyBulkWriteOperation<DirectoryDocument> {
  const place = { version, c: binary(c), by: binary(id) }
  const _id = binary(key)
  return heads.has(hexOf(key)) ? { replaceOne: { filter: { _id }, replacement: place } } : { insertOne: { document: { _id, ...place } } }
}

const recordOf = (put: Put): RecordDocument => recordDocumentOf({ ...put, version: put.expect + 1 })

async function replaceRecords(run: Run, puts: readonly Put[]): Promise<void> {
  const { base, session } = run
  const old = await currentOf(run, puts)
  await base.in.version.insertMany(puts.map((put) => superseded(old.get(hexOf(put.key)) as RecordDocument, put)), { session })
  const writes = puts.flatMap((put) => replaced(old.get(hexOf(put.key)) as RecordDocument, recordOf(put)))
  await base.in.record.bulkWrite(writes, { session, ordered: true })
  await base.in.directory.bulkWrite(puts.map((put) => entered(run, put, put.expect + 1)), { session, ordered: true })
  await moveVersions(run, puts, old)
}

function replaced({ _id, c }: RecordDocument, document: RecordDocument): AnyBulkWriteOperation<RecordDocument>[] {
  // A document cannot be replaced across shards.
  if (!same(c, document.c)) return [{ deleteOne: { filter: { _id, c } } }, { insertOne: { document } }]
  const { _id: _, ...replacement } = document
  return [{ replaceOne: { filter: { _id, c }, replacement } }]
}

/** Current records as they are stored. StoreBroken where the directory is wrong about one, or its type would change. */
async function currentOf(run: Run, puts: readonly Pick<Put, 'key' | 'type'>[]): Promise<Map<string, RecordDocument>> {
  const found = await placed(run, puts)
  for (const { key, type } of puts) {
    const record = found.get(hexOf(key))
    if (record === undefined) throw new StoreBroken('The directory names a record that is not there')
    if (record.type !== type) throw new StoreBroken('A record changed its type')
  }
  return found
}

/** Records by key (hexadecimal), each looked for where the directory says. */
async function placed({ base, session, heads }: Pick<Run, 'base' | 'session' | 'heads'>, puts: readonly Pick<Put, 'key'>[]): Promise<Map<string, RecordDocument>> {
  const places = puts.map(({ key }) => (heads.get(hexOf(key)) as DirectoryDocument).c as Binary)
  const filter = { _id: { $in: puts.map(({ key }) => binary(key)) }, c: { $in: distinct(places) } }
  const found = new Map<string, RecordDocument>()
  for (const record of await base.in.record.find(filter, { session, batchSize: UPDATES_AT_ONCE }).toArray()) found.set(hexOf(record._id), record)
  return found
}

function superseded(old: RecordDocument, put: Put): VersionDocument {
  return {
    _id: versionId(put.key, old.version), c: binary(put.c), type: old.type, version: old.version, updated: old.updated, deleted: old.deleted,
    terms: termList(old.trail.value() as Put['trail']), sealed: old.sealed
  }
}

/** Older versions follow their record to another patient. */
async function moveVersions({ base, session }: Run, puts: readonly Pick<Put, 'key' | 'c'>[], old: ReadonlyMap<string, RecordDocument>): Promise<void> {
  for (const { key, c } of puts) {
    const before = (old.get(hexOf(key)) as RecordDocument).c
    if (same(before, binary(c))) continue
    const filter = { c: before, _id: versionsOf(key) }
    const versions = await base.in.version.find(filter, { session }).toArray()
    if (versions.length === 0) continue
    await base.in.version.deleteMany(filter, { session })
    for (const piece of pieces(versions, WRITES_AT_ONCE)) await base.in.version.insertMany(piece.map((version) => ({ ...version, c: binary(c) })), { session })
  }
}

const versionsOf = (key: Key): { $gte: Binary; $lte: Binary } => ({ $gte: versionId(key, VERSION_MAX), $lte: versionId(key, 0) })

export async function rewriteRecords(run: Run, rewrites: readonly Rewrite[]): Promise<void> {
  const { base, session } = run
  if (rewrites.some(({ expect }) => expect === 0)) throw new TypeError('A rewrite needs a record')
  for (const piece of pieces(rewrites, UPDATES_AT_ONCE)) {
    const old = await currentOf(run, piece)
    const writes = piece.flatMap((rewrite) => {
      const record = old.get(hexOf(rewrite.key)) as RecordDocument
      return replaced(record, recordOf({ ...rewrite, expect: record.version - 1, updated: record.updated, deleted: record.deleted }))
    })
    await base.in.record.bulkWrite(writes, { session, ordered: true })
    await base.in.directory.bulkWrite(piece.map((rewrite) => entered(run, rewrite, rewrite.expect)), { session, ordered: true })
    await moveVersions(run, piece, old)
  }
}

/** Keys whose record is not live under this version with these bytes. */
export async function notAsRead(run: Pick<Run, 'base' | 'session' | 'heads'>, puts: readonly TermsPut[]): Promise<readonly Key[]> {
  const known = puts.filter(({ key, version }) => run.heads.get(hexOf(key))?.version === version)
  const found = await placed(run, known)
  return puts.filter(({ key, sealed }) => {
    const record = found.get(hexOf(key))
    return record === undefined || record.deleted || hexOf(record.sealed) !== hexOf(sealed)
  }).map(({ key }) => key)
}

/** The directory's rows are written too, so that this meets any other commit that writes the records. */
export async function putTerms(run: Run, puts: readonly TermsPut[]): Promise<void> {
  const { base, session, heads } = run
  await relyOnRecords(run, puts)
  for (const piece of pieces(puts, UPDATES_AT_ONCE)) {
    await base.in.record.bulkWrite(piece.map(({ key, terms }) => {
      const { c } = heads.get(hexOf(key)) as DirectoryDocument
      return { updateOne: { filter: { _id: binary(key), c: c as Binary }, update: { $set: { terms: termList(terms) } } } }
    }), { session, ordered: true })
  }
}

/** Record, versions and the directory's row. */
export async function eraseRecords({ base, session, heads }: Run, keys: readonly Key[]): Promise<void> {
  for (const piece of pieces(keys, UPDATES_AT_ONCE)) {
    const present = piece.flatMap((key) => {
      const c = heads.get(hexOf(key))?.c
      return c === undefined ? [] : [{ key, c }]
    })
    if (present.length === 0) continue
    const $in = present.map(({ key }) => binary(key))
    await base.in.record.deleteMany({ _id: { $in }, c: { $in: distinct(present.map(({ c }) => c)) } }, { session })
    await base.in.version.bulkWrite(present.map(({ key, c }) => ({ deleteMany: { filter: { c, _id: versionsOf(key) } } })), { session, ordered: true })
    await base.in.directory.deleteMany({ _id: { $in } }, { session })
  }
}

const distinct = (binaries: readonly Binary[]): Binary[] => [...new Map(binaries.map((one) => [hexOf(one), one])).values()]
