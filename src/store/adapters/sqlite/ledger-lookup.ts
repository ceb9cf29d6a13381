/** "Which entries have any of these terms", the newest first, from the posting lists of the ledger. */
import type { DatabaseSync } from 'node:sqlite'
import type { Bytes } from '../../../model/resource.ts'
import { takingTurns, type Turn } from '../../../model/turns.ts'
import type { TermSet } from '../../candidates.ts'
import { TERM_BYTES } from '../../ports.ts'
import { prepare } from './database.ts'
import { blockOf, listSeqs } from './posting-lists.ts'

/** Terms whose newest rows are looked for in one statement. */
const TERMS_AT_ONCE = 256
/** Terms whose rows are read between two looks at the clock. */
const READ_AT_ONCE = 32
const ROWS_FIRST = 4
const ROWS_MAX = 256

/** `newest`: for each term the row that holds numbers on both sides of `before`, if any does, and the next below. */
export const LOOKUP_SQL = {
  newest: `with recursive q(i) as (select 0 union all select i+1 from q where i+1<?1) select i,
    (select top from posting where log=?3 and term=substr(?2,1+16*i,16) and top>=?4 order by top limit 1),
    (select top from posting where log=?3 and term=substr(?2,1+16*i,16) and top<?4 order by top desc limit 1) from q`,
  rows: 'select top,below from posting where log=? and term=? and top<=? order by top desc limit ?'
} as const

export type LedgerLookup = (log: number, set: TermSet, ask: Ask) => Promise<number[]>

interface Ask { readonly before: number; readonly limit: number }

/** What is unread of a term: rows from `from` down, which hold nothing above `edge`. */
interface Unread { readonly term: Bytes; from: number; edge: number; rows: number }

type Read = <T>(work: () => T) => T

/** In turns: each statement is a snapshot of its own. Below `before` nothing comes in meanwhile, since a log grows at its end. */
export function ledgerLookup(db: DatabaseSync, read: Read): LedgerLookup {
  const sql = {
    newest: prepare<[number, Bytes, number, number], [number, number | null, number | null]>(db, LOOKUP_SQL.newest),
    rows: prepare<[number, Bytes, number, number], [number, Bytes | null]>(db, LOOKUP_SQL.rows)
  }
  return async (log, set, ask) => {
    const turn = takingTurns()
    const newest = (terms: Bytes) => read(() => sql.newest.all(terms.length / TERM_BYTES, terms, log, ask.before))
    const rows = (list: Unread) => read(() => sql.rows.all(log, list.term, list.from, list.rows))
    return await newestOf(await unreadOf(set, newest, ask.before, turn), rows, ask, turn)
  }
}

async function unreadOf(set: TermSet, newest: (terms: Bytes) => readonly [number, number | null, number | null][], before: number, turn: Turn): Promise<Unread[]> {
  const lists: Unread[] = []
  for (let first = 0; first < set.size; first += TERMS_AT_ONCE) {
    const terms = set.blob.subarray(first * TERM_BYTES, (first + TERMS_AT_ONCE) * TERM_BYTES)
    for (const [i, above, below] of newest(terms)) {
      const across = above !== null && blockOf(above) === blockOf(before - 1)
      const from = across ? above : below
      if (from !== null) lists.push({ term: set.terms[first + i]!, from, edge: Math.min(from, before - 1), rows: ROWS_FIRST })
    }
    await turn()
  }
  return lists
}

/** Reads on where something newer may be than the oldest of what it has. */
async function newestOf(lists: Unread[], rows: (list: Unread) => readonly [number, Bytes | null][], { before, limit }: Ask, turn: Turn): Promise<number[]> {
  let newest: number[] = []
  for (let unread = lists; unread.length > 0;) {
    unread.sort((a, b) => b.edge - a.edge)
    const floor = newest.length < limit ? 0 : newest.at(-1)!
    if (unread[0]!.edge <= floor) break
    const found = new Set(newest)
    const rest = unread.slice(READ_AT_ONCE)
    for (const list of unread.slice(0, READ_AT_ONCE)) {
      const some = rows(list)
      const seqs = some.flatMap(([top, below]) => listSeqs(top, below)).filter((seq) => seq < before && seq > floor)
      for (const seq of seqs.slice(0, limit)) found.add(seq)
      if (some.length < list.rows) continue
      list.from = list.edge = some.at(-1)![0] - 1
      list.rows = Math.min(ROWS_MAX, list.rows * 4)
      rest.push(list)
    }
    newest = [...found].sort((a, b) => b - a).slice(0, limit)
    unread = rest
    await turn()
  }
  return newest
}
