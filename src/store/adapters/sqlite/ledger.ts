import type { DatabaseSync } from 'node:sqlite'
import { termAt, termSet } from '../../candidates.ts'
import type { Bytes } from '../../../model/resource.ts'
import { StoreBroken, TERM_BYTES, type LedgerEntry, type LedgerStore, type OutboxEntry, type Term } from '../../ports.ts'
import { atMost, BOUNDS, checkKey, checkLimit } from '../../bounds.ts'
import { prepare } from './database.ts'
import { LISTS_MAX, merged } from './merge.ts'
import { exact, type LedgerUnit, type PackedEntries, type SequenceUnit } from './messages.ts'
import { openPair, type Connectable, type SqliteOptions } from './open-pair.ts'
import { makeReader } from './reader.ts'
import { LOG_ROOM } from './schema.ts'
import type { Pack, Waiting } from './writer-link.ts'

type Item = { readonly append: OutboxEntry } | { readonly unit: Exclude<LedgerUnit, { kind: 'append' }> }

const INDEX_POSTINGS_MAX = 4_000
const LINK_BYTES = 32

/** The ledger in a file of its own, with a writer thread of its own: no clinical write delays an audit record. */
export async function openSqliteLedger(options: SqliteOptions): Promise<LedgerStore & Connectable> {
  const { link, reader } = await openPair(options, 'ledger', packLedger, (path) => {
    const opened = makeReader(path, 'ledger')
    return { ...opened, sql: ledgerReads(opened.db) }
  })
  const send = async (unit: Exclude<LedgerUnit, { kind: 'append' }>): Promise<unknown> => link.send({ unit })
  return {
    append(entry) {
      if (entry.id.length !== ID_BYTES) return Promise.reject(new TypeError('An id has 16 bytes'))
      return link.send({ append: entry }) as Promise<void>
    },
    async pending(limit) {
      checkLimit(limit)
      return reader.readOne(() => reader.sql.pending.all(limit)).map(([id, sealed]) => ({ id, sealed }))
    },
    async sequence(log, entries) {
      for (const { id } of entries) checkKey(id)
      if (entries.length > 0) await send(sequenceUnit(log, entries))
    },
    async known(ids) {
      return reader.read(() => ids.filter((id) => reader.sql.known.get(id) !== undefined))
    },
    async entries(log, from, limit, order) {
      checkLimit(limit)
      return reader.read(() => entriesOf(reader.sql, log, { from, limit, order }))
    },
    async head(log) {
      const row = reader.readOne(() => reader.sql.log.get(log))
      return { seq: row?.[1] ?? 0, link: row?.[2] ?? new Uint8Array(LINK_BYTES) }
    },
    logs: async () => reader.readOne(() => reader.sql.logs.all()).map(([name]) => name),
    async index(log, through, postings) {
      await Promise.all(segments(exact(log), through, postings).map(send))
    },
    indexed: async (log) => reader.readOne(() => reader.sql.log.get(log))?.[3] ?? 0,
    async lookup(log, anyOf, before, limit) {
      checkLimit(limit)
      atMost(anyOf.length, BOUNDS.setTerms, 'terms of a set')
      return reader.read(() => lookup(reader.sql, log, anyOf, { before, limit }))
    },
    lease: async (log, holder, until) => await send({ kind: 'lease', log: exact(log), holder: exact(holder), until }) as boolean,
    async health() {
      reader.readOne(() => { reader.sql.logs.all() })
      await send({ kind: 'ping' })
    },
    connect: () => link.connect(),
    close: () => link.close(() => { reader.close() })
  }
}

type LedgerReads = ReturnType<typeof ledgerReads>

function ledgerReads(db: DatabaseSync) {
  const entry = 'select pos,id,sealed,link from entry where pos'
  return {
    pending: prepare<[number], [Bytes, Bytes]>(db,
      'select id,sealed from pending p where not exists (select 1 from entry e where e.id=p.id) order by n limit ?'),
    known: prepare<[Bytes], [number]>(db, 'select 1 from entry where id=?'),
    log: prepare<[Bytes], [no: number, seq: number, link: Bytes, indexed: number]>(db, 'select no,seq,link,indexed from log where name=?'),
    logs: prepare<[], [Bytes]>(db, 'select name from log where seq>0 order by name'),
    oldest: prepare<[number, number, number], EntryRow>(db, `${entry}>=? and pos<? order by pos limit ?`),
    newest: prepare<[number, number, number], EntryRow>(db, `${entry}<=? and pos>? order by pos desc limit ?`),
    list: prepare<[number, Bytes, number, number], number[]>(db,
      'select seq from posting where log=? and term=? and seq<? order by seq desc limit ?'),
    many: prepare<[number, Bytes, number, number, number], [number]>(db,
      `with recursive q(i) as (select 0 union all select i+1 from q where i+1<?)
      select distinct p.seq from q cross join posting p on p.term=substr(?,1+16*i,16) and p.log=? and p.seq<? order by p.seq desc limit ?`)
  }
}

type EntryRow = [pos: number, id: Bytes, sealed: Bytes, link: Bytes]

function entriesOf(sql: LedgerReads, log: Bytes, ask: { from: number; limit: number; order: 'oldest' | 'newest' }): LedgerEntry[] {
  const row = sql.log.get(log)
  if (row === undefined) return []
  const base = row[0] * LOG_ROOM
  const from = base + Math.min(Math.max(ask.from, 0), LOG_ROOM - 1)
  const rows = ask.order === 'oldest' ? sql.oldest.all(from, base + LOG_ROOM, ask.limit) : sql.newest.all(from, base, ask.limit)
  return rows.map(([pos, id, sealed, link]) => ({ seq: pos - base, id, sealed, link }))
}

function lookup(sql: LedgerReads, log: Bytes, anyOf: readonly Term[], ask: { before: number; limit: number }): number[] {
  const set = termSet(anyOf)
  const no = sql.log.get(log)?.[0]
  if (no === undefined || set.size === 0) return []
  if (set.size > LISTS_MAX) return sql.many.all(set.size, set.blob, no, ask.before, ask.limit).map(([seq]) => seq)
  const lists = (list: number, range: { start: readonly number[] }, limit: number): number[][] =>
    sql.list.all(no, termAt(set, list), range.start[0] as number, limit)
  const found = merged('newest', lists, set.size, { start: [ask.before], edge: 0 }, ask.limit)
  return found.take(ask.limit).map(([seq]) => seq as number).toArray()
}

type IndexUnit = Extract<LedgerUnit, { kind: 'index' }>

/** Sorted by term and seq, so that the postings of a term go to one place; in pieces, so that appends get in between. */
function segments(log: Bytes, through: number, postings: readonly Posting[]): IndexUnit[] {
  const sorted = byTerm(postings)
  const units: IndexUnit[] = []
  for (let at = 0; at === 0 || at < sorted.length; at += INDEX_POSTINGS_MAX) {
    const piece = sorted.slice(at, at + INDEX_POSTINGS_MAX)
    const terms = new Uint8Array(piece.length * TERM_BYTES)
    piece.forEach(({ term }, i) => { terms.set(term, i * TERM_BYTES) })
    // Only the last piece says that the segment is indexed.
    const last = at + INDEX_POSTINGS_MAX >= sorted.length
    units.push({ kind: 'index', log, through: last ? through : null, terms, seqs: Float64Array.from(piece, ({ seq }) => seq) })
  }
  return units
}

type Posting = { readonly term: Term; readonly seq: number }

/** Postings come in order of seq, and the same term often as the same object: only the distinct ones are compared. */
function byTerm(postings: readonly Posting[]): readonly Posting[] {
  const groups = new Map<Term, Posting[]>()
  for (const posting of postings) {
    const group = groups.get(posting.term)
    if (group === undefined) groups.set(posting.term, [posting])
    else group.push(posting)
  }
  return [...groups].sort(([a], [b]) => Buffer.compare(a, b)).flatMap(([, group]) => group)
}

const GROUP_APPENDS_MAX = 1_000
const GROUP_BYTES_MAX = 8 * 2 ** 20
const ID_BYTES = 16

/** All appends that wait become one unit in one buffer; at most one other unit goes with them, so a long one delays few. */
export const packLedger: Pack<Item> = (queue) => {
  const appends: Waiting<Item>[] = []
  const others: Waiting<Item>[] = []
  let bytes = 0
  let taken = 0
  for (const one of queue) {
    const full = appends.length >= GROUP_APPENDS_MAX || bytes >= GROUP_BYTES_MAX || others.length > 0
    if (taken > 0 && full) break
    if ('append' in one.item) {
      appends.push(one)
      bytes += one.item.append.sealed.length
    } else {
      others.push(one)
    }
    taken++
  }
  queue.splice(0, taken)
  const units: LedgerUnit[] = others.map(({ item }) => (item as { unit: LedgerUnit }).unit)
  const waiting = others.map((one) => [one])
  if (appends.length === 0) return { units, waiting }
  return { units: [packAppends(appends, bytes), ...units], waiting: [appends, ...waiting] }
}

function packAppends(appends: readonly Waiting<Item>[], bytes: number): LedgerUnit {
  return { kind: 'append', ...packEntries(appends.map(({ item }) => (item as { append: OutboxEntry }).append), bytes) }
}

function packEntries(entries: readonly OutboxEntry[], bytes: number): PackedEntries {
  const ids = new Uint8Array(entries.length * ID_BYTES)
  const sealed = new Uint8Array(bytes)
  const ends = new Uint32Array(entries.length)
  let at = 0
  entries.forEach((entry, i) => {
    ids.set(entry.id, i * ID_BYTES)
    sealed.set(entry.sealed, at)
    at += entry.sealed.length
    ends[i] = at
  })
  return { ids, sealed, ends }
}

/** Entries as the writer takes them. */
export function sequenceUnit(log: Bytes, entries: readonly LedgerEntry[]): SequenceUnit {
  const first = entries[0]?.seq ?? 0
  const links = new Uint8Array(entries.length * LINK_BYTES)
  entries.forEach(({ seq, link }, i) => {
    if (seq !== first + i) throw new StoreBroken('The entries do not continue the log')
    links.set(link, i * LINK_BYTES)
  })
  const bytes = entries.reduce((sum, { sealed }) => sum + sealed.length, 0)
  return { kind: 'sequence', log: exact(log), first, links, ...packEntries(entries, bytes) }
}
