import type { DatabaseSync } from 'node:sqlite'
import { termAt, termSet } from '../../candidates.ts'
import type { Bytes } from '../../../model/resource.ts'
import { sortInTurns } from '../../../model/turns.ts'
import { StoreBroken, TERM_BYTES, type LedgerEntry, type LedgerStore, type Term } from '../../ports.ts'
import { atMost, BOUNDS, checkKey, checkLimit } from '../../bounds.ts'
import { prepare } from './database.ts'
import { LISTS_MAX, merged } from './merge.ts'
import { type AppendUnit, exact, type LedgerUnit } from './messages.ts'
import { openPair, type Connectable, type SqliteOptions } from './open-pair.ts'
import { makeReader } from './reader.ts'
import { LOG_ROOM } from './schema.ts'
import type { Pack } from './writer-link.ts'

const INDEX_POSTINGS_MAX = 4_000
const LINK_BYTES = 32

/** The ledger in a file of its own, with a writer thread of its own: no clinical write delays an audit record. */
export async function openSqliteLedger(options: SqliteOptions): Promise<LedgerStore & Connectable> {
  const { link, reader } = await openPair(options, 'ledger', packLedger, (path) => {
    const opened = makeReader(path, 'ledger')
    return { ...opened, sql: ledgerReads(opened.db) }
  })
  const send = async (unit: LedgerUnit): Promise<unknown> => link.send(unit)
  return {
    async append(log, entries) {
      for (const { id } of entries) checkKey(id)
      if (entries.length > 0) await send(appendUnit(log, entries))
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
      // One after the other: the last says that all are there.
      for await (const unit of segments(exact(log), through, postings)) await send(unit)
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
async function* segments(log: Bytes, through: number, postings: readonly Posting[]): AsyncGenerator<IndexUnit> {
  const sorted = await byTerm(postings)
  for (let at = 0; at === 0 || at < sorted.length; at += INDEX_POSTINGS_MAX) {
    const piece = sorted.slice(at, at + INDEX_POSTINGS_MAX)
    const terms = new Uint8Array(piece.length * TERM_BYTES)
    for (const [i, { term }] of piece.entries()) terms.set(term, i * TERM_BYTES)
    // Only the last piece says that the segment is indexed.
    const last = at + INDEX_POSTINGS_MAX >= sorted.length
    yield { kind: 'index', log, through: last ? through : null, terms, seqs: JSON.stringify(piece.map(({ seq }) => seq)) }
  }
}

type Posting = { readonly term: Term; readonly seq: number }

/** Postings come in order of seq, and the same term often as the same object: only the distinct ones are compared. Entries of large bundles have thousands. */
async function byTerm(postings: readonly Posting[]): Promise<readonly Posting[]> {
  const groups = new Map<Term, Posting[]>()
  for (const posting of postings) {
    const group = groups.get(posting.term)
    if (group === undefined) groups.set(posting.term, [posting])
    else group.push(posting)
  }
  return (await sortInTurns([...groups], ([a], [b]) => Buffer.compare(a, b))).flatMap(([, group]) => group)
}

const ID_BYTES = 16

/** What waits goes as one group, up to the first unit that adds no entries, so that a long one delays few. */
export const packLedger: Pack<LedgerUnit> = (queue) => {
  const other = queue.findIndex(({ item }) => item.kind !== 'append')
  const group = queue.splice(0, other < 0 ? queue.length : other + 1)
  return { units: group.map(({ item }) => item), waiting: group.map((one) => [one]) }
}

/** Entries as the writer takes them. */
export function appendUnit(log: Bytes, entries: readonly LedgerEntry[]): AppendUnit {
  const first = entries[0]?.seq ?? 0
  const ids = new Uint8Array(entries.length * ID_BYTES)
  const links = new Uint8Array(entries.length * LINK_BYTES)
  const sealed = new Uint8Array(entries.reduce((sum, each) => sum + each.sealed.length, 0))
  const ends = new Uint32Array(entries.length)
  let at = 0
  for (const [i, entry] of entries.entries()) {
    if (entry.seq !== first + i) throw new StoreBroken('The entries do not continue the log')
    ids.set(entry.id, i * ID_BYTES)
    links.set(entry.link, i * LINK_BYTES)
    sealed.set(entry.sealed, at)
    at += entry.sealed.length
    ends[i] = at
  }
  return { kind: 'append', log: exact(log), first, links, ids, sealed, ends }
}
