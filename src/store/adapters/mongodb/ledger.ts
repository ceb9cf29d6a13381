import { termSet } from '../../candidates.ts'
import { StoreBroken, StoreUnavailable, type EntryPostings, type LedgerEntry, type LedgerStore, type Term } from '../../ports.ts'
import { atMost, BOUNDS, checkKey, checkLimit } from '../../bounds.ts'
import type { Bytes } from '../../../model/resource.ts'
import { eachInTurns, sortInTurns, takingShortTurns } from '../../../model/turns.ts'
import { binary, bytesOf, hexOf, numbered, pieces } from './bytes.ts'
import { COMMAND_MS, openDatabase, type Database, type MongoStoreOptions } from './database.ts'
import { guarded, isOnlyDuplicate } from './errors.ts'
import { makeLanes } from './lanes.ts'
import { WRITES_AT_ONCE } from './run.ts'
import type { EntryDocument, LogDocument } from './schema.ts'

const LINK_BYTES = 32
const LOG_BYTES = 8
const PIECES_AT_ONCE = 4

/** The ledger in the same database, with a client of its own: no clinical write waits for its connections. */
export async function openMongoLedger(options: MongoStoreOptions): Promise<LedgerStore> {
  const base = await openDatabase(options)
  const ends: Ends = new Map()
  const lanes = makeLanes()
  const running = new Set<Promise<unknown>>()
  let closed = false
  const open = async <T>(work: () => Promise<T>): Promise<T> => {
    if (closed) throw new StoreUnavailable('The store is closed')
    const result = guarded(work)
    running.add(result)
    try {
      return await result
    } finally {
      running.delete(result)
    }
  }
  return {
    append: (log, entries) => open(async () => {
      for (const { id } of entries) checkKey(id)
      if (entries.length === 0) return
      await append(base, ends, log, entries)
      // The end of the log is told by its last entry; this is for whoever cuts that off.
      void open(() => setEnd(base, log, entries.at(-1) as LedgerEntry)).catch(() => undefined)
    }),
    index: (log, through, postings) => open(() => index(base, log, through, postings)),
    lease: (log, holder, until) => open(() => lanes.run({ exclusive: [hexOf(log)], shared: [] }, () => lease(base, log, { holder, until }))),
    ...ledgerReads(base, open),
    async health() {
      await open(() => base.in.schema.findOne({ _id: 1 }, { maxTimeMS: COMMAND_MS }))
    },
    async close() {
      closed = true
      await Promise.allSettled(running)
      await base.client.close()
    }
  }
}

type Open = <T>(work: () => Promise<T>) => Promise<T>
type Reads = 'known' | 'entries' | 'head' | 'logs' | 'indexed' | 'lookup'

function ledgerReads(base: Database, open: Open): Pick<LedgerStore, Reads> {
  const logOf = (log: Bytes): Promise<LogDocument | null> => base.in.log.findOne({ _id: binary(log) }, { maxTimeMS: COMMAND_MS })
  return {
    known: (ids) => open(() => known(base, ids)),
    entries: (log, from, limit, order) => open(async () => {
      checkLimit(limit)
      return await entriesOf(base, log, { from, limit, order })
    }),
    head: (log) => open(() => headOf(base, log)),
    logs: () => open(async () => {
      const logs = (await base.in.log.find({}, { sort: { _id: 1 }, maxTimeMS: COMMAND_MS }).toArray()).map(({ _id, seq }) => ({ log: bytesOf(_id), seq }))
      const held = await Promise.all(logs.map(async ({ log, seq }) => seq > 0 || (await headOf(base, log)).seq > 0))
      return logs.filter((_, i) => held[i]).map(({ log }) => log)
    }),
    indexed: (log) => open(async () => (await logOf(log))?.indexed ?? 0),
    lookup: (log, anyOf, before, limit) => open(async () => {
      checkLimit(limit)
      atMost(anyOf.length, BOUNDS.setTerms, 'terms of a set')
      return await lookup(base, log, anyOf, { before, limit })
    })
  }
}

async function insertNew(insert: () => Promise<unknown>): Promise<void> {
  try {
    await insert()
  } catch (error) {
    if (!isOnlyDuplicate(error)) throw error
  }
}

async function known(base: Database, ids: readonly Bytes[]): Promise<Bytes[]> {
  const found: Bytes[] = []
  for (const piece of pieces(ids, WRITES_AT_ONCE)) {
    const entries = await base.in.entry.find({ id: { $in: piece.map(binary) } }, { projection: { _id: 0, id: 1 }, batchSize: WRITES_AT_ONCE, hint: 'by_id', maxTimeMS: COMMAND_MS }).toArray()
    found.push(...entries.map(({ id }) => bytesOf(id)))
  }
  return found
}

const emptyLog = { seq: 0, link: binary(new Uint8Array(LINK_BYTES)), indexed: 0, holder: null, until: 0 }

/** Last numbers of logs as this process wrote them. Entries are never taken away, so what stands here is at most behind. */
type Ends = Map<string, number>

/**
 * No transaction: numbers are unique in a log and go in one after the other, so that where another process has continued it the first one
 * is refused and none follows.
 */
async function append(base: Database, ends: Ends, log: Bytes, entries: readonly LedgerEntry[]): Promise<void> {
  const first = entries[0]!.seq
  if (!entries.every(({ seq }, i) => seq === first + i)) throw new StoreBroken('The entries do not continue the log')
  const name = hexOf(log)
  if (ends.get(name) !== first - 1) {
    if (first === 1) await insertNew(() => base.in.log.updateOne({ _id: binary(log) }, { $setOnInsert: emptyLog }, { upsert: true }))
    if ((await headOf(base, log)).seq !== first - 1) throw new StoreUnavailable('Another process has continued the log')
  }
  ends.delete(name)
  for (const piece of pieces(entries, WRITES_AT_ONCE)) {
    const documents = piece.map((entry): EntryDocument => ({ _id: numbered(log, entry.seq), id: binary(entry.id), sealed: binary(entry.sealed), link: binary(entry.link) }))
    try {
      await base.in.entry.insertMany(documents, { ordered: true })
    } catch (error) {
      throw isOnlyDuplicate(error) ? new StoreUnavailable('Another process has continued the log') : error
    }
  }
  ends.set(name, entries.at(-1)!.seq)
}

async function setEnd(base: Database, log: Bytes, { seq, link }: LedgerEntry): Promise<void> {
  await base.in.log.updateOne({ _id: binary(log), seq: { $lt: seq } }, { $set: { seq, link: binary(link) } })
}

/** The later of what the log's own document says, which is written behind, and the last entry. */
async function headOf(base: Database, log: Bytes): Promise<{ readonly seq: number; readonly link: Bytes }> {
  const [named, [last]] = await Promise.all([
    base.in.log.findOne({ _id: binary(log) }, { maxTimeMS: COMMAND_MS }),
    entriesOf(base, log, { from: Number.MAX_SAFE_INTEGER, limit: 1, order: 'newest' })
  ])
  if (last !== undefined && last.seq > (named?.seq ?? 0)) return { seq: last.seq, link: last.link }
  return named === null ? { seq: 0, link: new Uint8Array(LINK_BYTES) } : { seq: named.seq, link: bytesOf(named.link) }
}

async function entriesOf(base: Database, log: Bytes, ask: { from: number; limit: number; order: 'oldest' | 'newest' }): Promise<LedgerEntry[]> {
  const [first, last] = [numbered(log, 0), numbered(log, Number.MAX_SAFE_INTEGER)]
  const from = numbered(log, ask.from)
  const range = ask.order === 'oldest' ? { $gte: from, $lte: last } : { $gte: first, $lte: from }
  const options = { sort: { _id: ask.order === 'oldest' ? 1 as const : -1 as const }, limit: ask.limit, batchSize: ask.limit, maxTimeMS: COMMAND_MS }
  return (await base.in.entry.find({ _id: range }, options).toArray()).map(({ _id, id, sealed, link }) => ({
    seq: Number(Buffer.from(_id.value()).readBigUInt64BE(LOG_BYTES)), id: bytesOf(id), sealed: bytesOf(sealed), link: bytesOf(link)
  }))
}

/** Sorted, so that the postings of a term go to one place. Whatever is there of an earlier try stays; the mark comes last. */
async function index(base: Database, log: Bytes, through: number, postings: readonly EntryPostings[]): Promise<void> {
  if (through > (await headOf(base, log)).seq) throw new StoreBroken('The segment ends after the log')
  const single: { readonly term: Term; readonly seq: number }[] = []
  await eachInTurns(postings, takingShortTurns(), ({ seq, terms }) => {
    for (const list of terms) for (const term of list) single.push({ term, seq })
  })
  const sorted = await sortInTurns(single, (a, b) => Buffer.compare(a.term, b.term) || a.seq - b.seq)
  for (const piece of pieces(sorted, WRITES_AT_ONCE)) {
    const documents = piece.map(({ term, seq }) => ({ _id: numbered(Uint8Array.from([...log, ...term]), seq), log: binary(log), term: binary(term), seq }))
    await insertNew(() => base.in.posting.insertMany(documents, { ordered: false }))
  }
  await base.in.log.updateOne({ _id: binary(log) }, { $max: { indexed: through } })
}

/** Each piece of the terms gives its newest; the newest of all are among them. */
async function lookup(base: Database, log: Bytes, anyOf: readonly Term[], ask: { before: number; limit: number }): Promise<number[]> {
  const set = termSet(anyOf)
  const terms = set.terms.map(binary)
  const split = pieces(terms, base.splitTerms)
  const found = new Set<number>()
  for (const several of pieces(split, PIECES_AT_ONCE)) {
    const lists = await Promise.all(several.map((piece) => newestOf(base, log, piece, ask)))
    for (const seq of lists.flat()) found.add(seq)
  }
  return [...found].sort((a, b) => b - a).slice(0, ask.limit)
}

/** An entry under several of the terms comes several times: reads on until enough are distinct. */
async function newestOf(base: Database, log: Bytes, terms: readonly ReturnType<typeof binary>[], ask: { before: number; limit: number }): Promise<number[]> {
  const found = new Set<number>()
  for (let before = ask.before; ;) {
    const rows = await base.in.posting.find({ log: binary(log), term: { $in: [...terms] }, seq: { $lt: before } }, {
      sort: { seq: -1 }, limit: ask.limit, batchSize: ask.limit, projection: { _id: 0, seq: 1 }, hint: 'by_term', maxTimeMS: COMMAND_MS
    }).toArray()
    for (const { seq } of rows) found.add(seq)
    const last = rows.at(-1)?.seq
    if (found.size >= ask.limit || rows.length < ask.limit || last === undefined) return [...found]
    before = last
  }
}

async function lease(base: Database, log: Bytes, ask: { readonly holder: Bytes; readonly until: number }): Promise<boolean> {
  const _id = binary(log)
  await insertNew(() => base.in.log.updateOne({ _id }, { $setOnInsert: emptyLog }, { upsert: true }))
  const free = [{ holder: null }, { holder: binary(ask.holder) }, { until: { $lte: base.now() } }]
  const { matchedCount } = await base.in.log.updateOne({ _id, $or: free }, { $set: { holder: binary(ask.holder), until: ask.until } })
  return matchedCount === 1
}

