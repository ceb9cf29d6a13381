import type { DatabaseSync } from 'node:sqlite'
import type { TermSet } from '../../candidates.ts'
import type { Bytes } from '../../../model/resource.ts'
import { prepare, type Statement } from './database.ts'

/** A place in the order of a table: [updated, recno] for current records, [updated, recno, version] for superseded versions. */
export type Place = readonly number[]

/** What lies behind `start` (exclusive) up to the millisecond `edge` (inclusive), in the direction of reading. */
export interface Range { readonly start: Place; readonly edge: number }

/** Reads places in order, at most `limit`. */
export type Lister = (list: number, range: Range, limit: number) => Place[]

export type Order = 'newest' | 'oldest'

/** One table of postings read in one direction. */
export interface PostingTable {
  readonly order: Order
  /** Number of postings under the terms, counted up to `cap`. */
  count(set: TermSet, range: Range, cap: number): number
  /** Postings under the terms in no order, one per term that carries a place: all of them where there are fewer than `cap`. */
  some(set: TermSet, range: Range, cap: number): Place[]
  /** All postings under the terms, in order; one per term that carries a place. */
  sorted(set: TermSet, range: Range): Place[]
  list(term: Bytes, range: Range, limit: number): Place[]
  /** The terms whose first posting comes first: number of the term and its millisecond. */
  heads(set: TermSet, range: Range, limit: number): [i: number, updated: number | null][]
  /** Postings of one millisecond under all the terms. */
  moment(set: TermSet, updated: number, rest: Place, limit: number): Place[]
}

export const PLACE_MAX = Number.MAX_SAFE_INTEGER

// A list of terms goes in as one blob, so each statement is prepared once, whatever the length of the list.
const TERMS = 'with recursive q(i) as (select 0 union all select i+1 from q where i+1<?)'
const NTH = 'substr(?,1+16*i,16)'
/** Up to so many terms (the homophones of two values) are parameters of their own, in a statement for their number: half the time of a list in a blob. */
const LISTED_TERMS_MAX = 32

/** SQL of a table of postings; `places` are the columns of its order. CROSS JOIN and row values force the plan. */
export function postingSql(table: 'posting' | 'version_posting', order: Order) {
  const places = table === 'posting' ? ['updated', 'recno'] : ['updated', 'recno', 'version']
  const rest = places.slice(1)
  const marks = (columns: readonly string[]): string => `(${columns.map(() => '?').join(',')})`
  const [behind, inside, way] = order === 'newest' ? ['<', '>=', 'desc'] : ['>', '<=', 'asc']
  const sort = (columns: readonly string[]): string => columns.map((column) => `${column} ${way}`).join(',')
  const of = (prefix: string, columns: readonly string[]): string => columns.map((column) => prefix + column).join(',')
  const range = `(${of('', places)})${behind}${marks(places)} and updated${inside}?`
  const joined = `q cross join ${table} p on p.term=${NTH}`
  const ranged = `(${of('p.', places)})${behind}${marks(places)} and p.updated${inside}?`
  return {
    count: `${TERMS} select count(*) from (select 1 from ${joined} and p.updated>=? and p.updated<=? limit ?)`,
    some: `${TERMS} select ${of('p.', places)} from ${joined} and ${ranged} limit ?`,
    someOf: (terms: number) => `select ${of('', places)} from ${table} where term in ${marks(Array.from({ length: terms }, String))} and ${range} limit ?`,
    sorted: `${TERMS} select ${of('p.', places)} from ${joined} and ${ranged} order by ${sort(places)}`,
    list: `select ${of('', places)} from ${table} where term=? and ${range} order by ${sort(places)} limit ?`,
    recnos: `select json_group_array(recno) from (select recno from ${table} where term=? and ${range} order by ${sort(places)} limit ?)`,
    heads: `${TERMS} select i,(select updated from ${table} where term=${NTH} and ${range} order by ${sort(places)} limit 1) m
      from q order by m ${way} nulls last limit ?`,
    moment: `${TERMS} select ${of('p.', places)} from ${joined} and p.updated=? and (${of('p.', rest)})${behind}${marks(rest)}
      order by ${sort(rest)} limit ?`
  }
}

export function postingTable(db: DatabaseSync, table: 'posting' | 'version_posting', order: Order): PostingTable {
  const sql = postingSql(table, order)
  const count = prepare<[number, Bytes, number, number, number], [number]>(db, sql.count)
  const some = prepare<[number, Bytes, ...number[]], number[]>(db, sql.some)
  const someOf: Statement<(Bytes | number)[], number[]>[] = []
  const sorted = prepare<[number, Bytes, ...number[]], number[]>(db, sql.sorted)
  const list = prepare<[Bytes, ...number[]], number[]>(db, sql.list)
  const heads = prepare<[number, Bytes, ...number[]], [number, number | null]>(db, sql.heads)
  const moment = prepare<[number, Bytes, ...number[]], number[]>(db, sql.moment)
  return {
    order,
    count(set, { start, edge }, cap) {
      const near = start[0] as number
      return count.get(set.size, set.blob, Math.min(near, edge), Math.max(near, edge), cap)?.[0] ?? 0
    },
    some(set, { start, edge }, cap) {
      if (set.size > LISTED_TERMS_MAX) return some.all(set.size, set.blob, ...start, edge, cap)
      const listed = (someOf[set.size] ??= prepare<(Bytes | number)[], number[]>(db, sql.someOf(set.size)))
      return listed.all(...set.terms, ...start, edge, cap)
    },
    sorted: (set, { start, edge }) => sorted.all(set.size, set.blob, ...start, edge),
    list: (term, { start, edge }, limit) => list.all(term, ...start, edge, limit),
    heads: (set, { start, edge }, limit) => heads.all(set.size, set.blob, ...start, edge, limit),
    moment: (set, updated, rest, limit) => moment.all(set.size, set.blob, updated, ...rest, limit)
  }
}

/** Does `left` come before `right` in this order? */
export const ahead = (order: Order, left: Place, right: Place): boolean => (order === 'newest' ? compare(left, right) > 0 : compare(left, right) < 0)

/** Puts places in order, in place. */
export const inOrder = (order: Order, found: Place[]): Place[] => found.sort(order === 'newest' ? (left, right) => compare(right, left) : compare)

/** Negative where `left` is the older one. As far as `left` goes: it may be the beginning of a place. */
function compare(left: Place, right: Place): number {
  for (let i = 0; i < left.length; i++) {
    const difference = (left[i] as number) - (right[i] as number)
    if (difference !== 0) return difference
  }
  return 0
}

/** A lister over the lists of some of the terms of a set. */
export function termLister(table: PostingTable, set: TermSet, numbers: readonly number[] | null): Lister {
  const terms = numbers === null ? set.terms : numbers.map((number) => set.terms[number] as Bytes)
  return (list, range, limit) => table.list(terms[list] as Bytes, range, limit)
}
