/** What one caller may see: of which rows, and of a row which elements. */
import { fault } from '../model/errors.ts'
import { memoized } from '../model/memo.ts'
import type { Resource } from '../model/resource.ts'
import { takingTurns } from '../model/turns.ts'
import { matches } from '../search/match.ts'
import { searchParam, type TypedValue } from '../search/parameters.ts'
import { and, codesOf, type Filter, or, type SearchParam } from '../search/query.ts'
import type { FindAsk, FindReport, Right, Row, SearchAsk, Seen } from '../store/ports.ts'
import { type Grant, grantsFor, hiddenBy, maskOf, reachOf } from './grants.ts'
import type { Mask } from './mask.ts'
import type { Policy } from './policy.ts'

export interface GuardContext {
  readonly base: string
  readonly now: number
  readonly newId: () => string
  readonly scanRecordsMax: number
  /** Rows that one search of linked rows may match (CHAIN_MATCHES_MAX). */
  readonly chainMatchesMax: number
  /** Searches that one hierarchy of rows may take (CHAIN_SEARCHES_MAX). */
  readonly chainSearchesMax: number
  /** Values and characters that may be compared in one row (MATCH_WORK_MAX). */
  readonly matchWorkMax: number
  /** Rows that a search may sort by a parameter (SORT_RECORDS_MAX). */
  readonly sortRecordsMax: number
  /** Rows that one page may include (INCLUDED_RECORDS_MAX). */
  readonly includedRecordsMax: number
}

export type Lens = ReturnType<typeof lens>

/** Bytes of a row that are walked through in the time of one comparison, for each clause. */
const BYTES_WALKED = 64

type Found = Map<SearchParam, readonly TypedValue[]>

/** Of the whole row: what a caller's mask leaves of it is looked through each time. */
const foundIn = memoized((_: Row): Found => new Map())

/** A row of which nothing is hidden. */
class Whole implements Seen {
  readonly row: Row
  readonly masked = false

  constructor(row: Row) {
    this.row = row
  }

  json(): Uint8Array {
    return this.row.json
  }

  resource(): Resource {
    return this.row.resource()
  }
}

function masked(row: Row, mask: Mask): Seen {
  let shown: Resource | null = null
  const resource = (): Resource => (shown ??= mask.apply(row.resource()))
  let bytes: Uint8Array | null = null
  return { row, masked: true, json: () => (bytes ??= Buffer.from(JSON.stringify(resource()))), resource }
}

/** A search without what belongs to its answer; its filter leads to no other rows. */
export type FilterAsk = Pick<SearchAsk, 'type' | 'filter' | 'codes' | 'order' | 'after' | 'limit'>

/** What this caller may see of a row, and of which rows. */
export function lens(policy: Policy, context: GuardContext) {
  /** Null: nobody asked. */
  let reports: FindReport[] | null = null
  const turn = takingTurns()
  /** A hit of a search is judged when it is met and shown when it is given: its grants and its masked copy are the same. */
  const searched = new Map<Row, Seen>()
  const matchesRow = (filter: Filter, row: Row): boolean => matches(filter, row.resource(), { base: context.base, found: foundIn(row) })
  const grantsOf = (row: Row, right: Right): readonly Grant[] => grantsFor(policy.forType(row.type).rights[right], row, matchesRow)
  const seen = (row: Row, grants: readonly Grant[]): Seen => {
    const mask = grants.length === 0 ? policy.forType(row.type).mask : maskOf(row.type, grants)
    return mask === null ? new Whole(row) : masked(row, mask)
  }
  /** The row as a right shows it; undefined where no grant of the right has it. For a caller that keeps it itself. */
  const glance = (row: Row, right: Right): Seen | undefined => {
    const grants = grantsOf(row, right)
    return grants.length === 0 ? undefined : seen(row, grants)
  }
  /** The same, and for a search the same one again. */
  const look = (row: Row, right: Right): Seen | undefined => {
    const known = right === 's' ? searched.get(row) : undefined
    if (known !== undefined) return known
    const shown = glance(row, right)
    if (shown !== undefined && right === 's') searched.set(row, shown)
    return shown
  }
  const require = (type: string, right: Right): readonly Grant[] => {
    const grants = policy.forType(type).rights[right] ?? []
    if (grants.length === 0) throw fault(403, 'forbidden', `Neither scope nor role allows this interaction on ${type}`)
    return grants
  }
  /** Whether any grant gives the right on any row of the type. */
  const has = (type: string, right: Right): boolean => (policy.forType(type).rights[right] ?? []).length > 0
  /** The right to search by these parameters; one that reads only hidden elements is refused by name. */
  const searching = (type: string, codes: readonly string[]): readonly Grant[] => {
    const grants = require(type, 's')
    for (const code of codes) {
      const param = searchParam(type, code)
      if (param !== undefined && hiddenBy(grants, param)) throw fault(403, 'forbidden', `The search parameter '${code}' reads elements that are hidden from this role`)
    }
    return grants
  }
  const findAsk = (ask: FilterAsk): FindAsk => {
    const grants = searching(ask.type, ask.codes)
    const clauses = codesOf(ask.filter).length
    // One for all rows, which are looked at one after the other.
    const work = { left: 0, max: context.matchWorkMax }
    const rowContext: { base: string; updated: number; work: typeof work; found: Found | undefined } = { base: context.base, updated: 0, work, found: undefined }
    const accept = (row: Row): boolean | null => {
      const shown = look(row, 's')
      if (shown === undefined) return null
      rowContext.updated = row.updated
      rowContext.found = shown.masked ? undefined : foundIn(row)
      work.left = context.matchWorkMax - clauses * row.json.length / BYTES_WALKED
      return ask.filter.kind === 'all' || matches(ask.filter, shown.resource(), rowContext)
    }
    const filter = and([ask.filter, or(grants.map((grant) => grant.filter))])
    const { type, order, after, limit } = ask
    const found: FindAsk = { type, reach: reachOf(grants), filter, accept, order, after, limit, scanRecordsMax: context.scanRecordsMax, turn }
    return reports === null ? found : { ...found, report: (report) => void reports?.push(report) }
  }
  const explained = (): readonly FindReport[] => {
    if (!policy.explain) throw fault(403, 'forbidden', "The parameter '_explain' is refused to this role")
    return (reports ??= [])
  }
  return { explained, turn, glance, look, require, has, searching, findAsk, grantsOf, seen }
}
