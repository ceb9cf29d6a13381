import type { DatabaseSync } from 'node:sqlite'
import { byteText } from '../../../crypto/bytes.ts'
import { termSet } from '../../candidates.ts'
import type { Bytes } from '../../../model/resource.ts'
import { type EntryPostings, StoreBroken, type LedgerEntry, type LedgerStore } from '../../ports.ts'
import { atMost, BOUNDS, checkKey, checkLimit } from '../../bounds.ts'
import { prepare } from './database.ts'
import { indexUnits } from './index-units.ts'
import { ledgerLookup } from './ledger-lookup.ts'
import { type AppendUnit, exact, type LedgerUnit } from './messages.ts'
import { openPair, type Connectable, type SqliteOptions } from './open-pair.ts'
import { makeReader } from './reader.ts'
import { LOG_ROOM } from './schema.ts'
import type { Pack } from './writer-link.ts'

const LINK_BYTES = 32

/** The ledger in a file of its own, with a writer thread of its own: no clinical write delays an audit record. */
export async function openSqliteLedger(options: SqliteOptions): Promise<LedgerStore & Connectable> {
  const { link, reader } = await openPair(options, 'ledger', packLedger, (path) => {
    const opened = makeReader(path, 'ledger')
    return { ...opened, sql: ledgerReads(opened.db), lookup: ledgerLookup(opened.db, opened.readOne) }
  })
  const send = async (unit: LedgerUnit): Promise<unknown> => link.send(unit)
  const indexed = (log: Bytes): number => reader.readOne(() => reader.sql.log.get(log))?.[3] ?? 0
  const index = indexer(send)
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
    index: async (log, through, postings) => await index(log, through, postings, indexed(log)),
    indexed: async (log) => indexed(log),
    async lookup(log, anyOf, before, limit) {
      checkLimit(limit)
      atMost(anyOf.length, BOUNDS.setTerms, 'terms of a set')
      const no = reader.readOne(() => reader.sql.log.get(log))?.[0]
      return no === undefined ? [] : await reader.lookup(no, termSet(anyOf), { before, limit })
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
    newest: prepare<[number, number, number], EntryRow>(db, `${entry}<=? and pos>? order by pos desc limit ?`)
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

/**
 * What comes behind all that this process has indexed finds no rows in its blocks, and need not look for them. It is not so at first, nor after
 * a failure: a call that was cut off left some.
 */
function indexer(send: (unit: LedgerUnit) => Promise<unknown>) {
  const clean = new Map<string, number>()
  return async (log: Bytes, through: number, postings: readonly EntryPostings[], indexed: number): Promise<void> => {
    const name = byteText(log)
    const merge = clean.get(name) !== indexed || postings.some(({ seq }) => seq <= indexed)
    clean.delete(name)
    // One after the other: the last says that all are there.
    for await (const unit of indexUnits({ log: exact(log), through, merge }, postings)) await send(unit)
    clean.set(name, through)
  }
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
