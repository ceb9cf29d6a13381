import { carried, passes, termSet, type TermSet } from '../../candidates.ts'
import type { Key, Page, PageAsk, Position, Stored, Term, TermQuery } from '../../ports.ts'
import { merged, places } from './merge.ts'
import { inOrder, PLACE_MAX, type Place, type Range } from './postings.ts'
import { rangeOf, type Direction, type RecordReader, type Tested } from './reader.ts'

/** A set with fewer postings than this is read at once, which also counts it: first a page of them is looked for, then a heap. */
const FEW = [64, 256] as const
/** Up to here the postings of the others are counted. */
const COUNT_MAX = 8_192
/** A set with fewer postings is read whole and sorted. */
const SMALL = 1024
/** For a larger set the newest of the type are looked through first: cheaper than its lists when the set is common. */
const SCAN_TERMS_MIN = 256
const SCAN_ROWS = 256
const COUNT_PAGE = 2_000
/** Places of a list that are read at once. */
const LIST_MAX = 1_024
/** A count that tests candidates gives up after so many, and says that there may be more. */
const COUNT_EXAMINE_MAX = 200_000

/** One page. Runs inside one read transaction. */
export function findPage(reader: RecordReader, query: TermQuery, ask: PageAsk): Page {
  const plan = makePlan(reader, query, ask.after, ask.limit)
  if (plan === null) return { records: [], next: null, examined: 0 }
  const page = new PageBuilder(reader, plan, ask)
  for (const recno of plan.first) if (!page.offer(recno, plan.given.tested)) return page.end()
  for (const [, recno] of plan.rest()) if (!page.offer(recno as number, plan.given.tested)) break
  return page.end()
}

/** Distinct live records. Each page of candidates is a read transaction of its own, with a turn of the event loop between. */
export async function countRecords(reader: RecordReader, query: TermQuery, max: number): Promise<{ count: number; more: boolean }> {
  const cheap = reader.read(() => countWhole(reader, query, max))
  if (cheap !== null) return { count: Math.min(cheap, max), more: cheap > max }
  let count = 0
  let examined = 0
  let after: Place | null = null
  for (;;) {
    const page = reader.read(() => countPage(reader, query, after, max + 1 - count))
    count += page.count
    examined += page.examined
    if (count > max) return { count: max, more: true }
    if (page.last === null) return { count, more: false }
    if (examined >= COUNT_EXAMINE_MAX) return { count, more: true }
    after = page.last
    await new Promise((resolve) => { setImmediate(resolve) })
  }
}

interface Plan extends Candidates {
  /** Whether the candidate that was given last has passed all tests already. */
  readonly given: Given
  readonly type: number | null
  /** What a candidate that is not yet tested must carry, beside the terms it was found by. */
  readonly others: readonly TermSet[]
  readonly none: TermSet | null
}

/** Numbers of those that are read at once, and the places of those behind them: an iterator makes an object for each. */
interface Candidates { readonly first: readonly number[]; readonly rest: () => Iterable<Place> }

const noMore = (): readonly Place[] => []
const atOnce = (sorted: readonly Place[]): Candidates => ({ first: distinct(sorted), rest: noMore })
const oneByOne = (rest: Iterable<Place>): Candidates => ({ first: [], rest: () => rest })

interface Given { tested: boolean }

interface ScanPlan { readonly type: number; readonly sets: readonly TermSet[]; readonly none: TermSet | null; readonly driver: TermSet }

function makePlan(reader: RecordReader, query: TermQuery, after: Position | Place | null, wanted: number): Plan | null {
  const sets = query.allOf.map(termSet).sort((a, b) => a.size - b.size)
  const type = query.type === null ? null : reader.typeId(query.type)
  if (sets[0]?.size === 0 || (query.type !== null && type === null)) return null
  const none = query.noneOf.length === 0 ? null : termSet(query.noneOf)
  const direction = query.order === 'newest' ? reader.newest : reader.oldest
  const range = rangeOf(query.order, query.updated, placeOf(reader, query.order, after), 2)
  const given: Given = { tested: false }
  if (sets.length === 0) {
    const ofType = merged(query.order, (_, rest, limit) => direction.ofType(type as number, rest, limit), 1, range, wanted)
    return { ...oneByOne(ofType), given, type: null, others: [], none }
  }
  const { driver, size, found } = chooseDriver(direction, sets, range)
  if (size === 0) return null
  const others = sets.filter((set) => set !== driver)
  const candidates = found !== null ? atOnce(inOrder(query.order, found))
    : size < SMALL && driver.size > 1 ? atOnce(direction.current.sorted(driver, range))
    : driver.size > SCAN_TERMS_MIN && type !== null ? oneByOne(scanned(direction, { type, sets, none, driver }, { range, wanted, given }))
    : driver.size === 1 ? listed(reader, direction, { driver, range, wanted })
    : oneByOne(places(direction.current, driver, range, wanted))
  return { ...candidates, given, type, others, none }
}

/** One list: what a page takes of it at once. */
function listed(reader: RecordReader, direction: Direction, { driver, range, wanted }: { readonly driver: TermSet; readonly range: Range; readonly wanted: number }): Candidates {
  const size = Math.min(LIST_MAX, wanted + 1)
  const first = direction.recnos(driver.terms[0] as Term, range, size)
  const rest = (): Iterable<Place> => places(direction.current, driver, { start: placeAt(reader, first.at(-1) as number), edge: range.edge }, wanted)
  return { first, rest: first.length < size ? noMore : rest }
}

/**
 * The set whose lists are read: the one with the fewest postings, as far as finding that is cheap; `found` are all of them where they
 * are few. A set with more terms than the best has postings, or than a round looks for, is not looked at: a seek costs about as much as a
 * record tested.
 */
function chooseDriver(direction: Direction, sets: readonly TermSet[], range: Range): Choice {
  let best: Choice = { driver: sets[0] as TermSet, size: Infinity, found: null }
  if (sets.length === 1 && best.driver.size === 1) return best
  for (const few of FEW) {
    for (const set of sets) {
      if (set.size >= best.size || (set !== sets[0] && set.size >= few)) break
      const cap = Math.min(few, best.size)
      const found = direction.current.some(set, range, cap)
      if (found.length < cap) best = { driver: set, size: found.length, found }
    }
    if (best.found !== null) return best
  }
  if (sets.length === 1) return best
  for (const set of sets) {
    if (set.size >= best.size) break
    const cap = Math.min(COUNT_MAX, best.size)
    const size = direction.current.count(set, range, cap)
    if (size < cap) best = { driver: set, size, found: null }
  }
  return best
}

interface Choice { readonly driver: TermSet; readonly size: number; readonly found: Place[] | null }

/** Looks through the newest of the type with all tests, as far as half the terms; then goes on by the lists of the set. */
function* scanned(direction: Direction, plan: ScanPlan, { range, wanted, given }: { readonly range: Range; readonly wanted: number; readonly given: Given }): Generator<Place> {
  given.tested = true
  let start = range.start
  for (let left = plan.driver.size >> 1; left > 0; left -= SCAN_ROWS) {
    const size = Math.min(left, SCAN_ROWS)
    const rows = direction.scanType(plan.type, { start, edge: range.edge }, size)
    for (const [updated, recno, terms] of rows) {
      start = [updated, recno]
      if (passes(carried(terms), plan.sets, plan.none)) yield start
    }
    if (rows.length < size) return
  }
  given.tested = false
  yield* places(direction.current, plan.driver, { start, edge: range.edge }, wanted)
}

const distinct = (sorted: readonly Place[]): readonly number[] => sorted.map(([, recno]) => recno as number).filter((recno, i, all) => recno !== all[i - 1])

function isMatch(reader: RecordReader, plan: Plan, recno: number): boolean {
  if (plan.type === null && isBare(plan)) return true
  const record = reader.test(recno)
  return record !== undefined && isMatching(plan, record)
}

const isMatching = (plan: Plan, record: Tested): boolean =>
  (plan.type === null || record.type === plan.type) && (isBare(plan) || passes(record, plan.others, plan.none))

/** No terms are left to test. */
const isBare = ({ others, none }: Plan): boolean => others.length === 0 && none === null

/** The record, where it passes what is left to test. `likely`: it is read with its terms at once, rather than after them. */
function matched(reader: RecordReader, plan: Plan, recno: number, tested: boolean, likely: boolean): Stored | null {
  if (tested) return reader.byRecno(recno)
  if (!likely && !isBare(plan) && !isMatch(reader, plan, recno)) return null
  const record = reader.current(recno)
  return record !== undefined && isMatching(plan, record) ? record.stored : null
}

/** Collects the matches of a page, and where it stopped. */
class PageBuilder {
  readonly #reader: RecordReader
  readonly #plan: Plan
  readonly #ask: PageAsk
  readonly #records: Stored[] = []
  #last: number | null = null
  #stopped = false
  #examined = 0
  #likely = true

  constructor(reader: RecordReader, plan: Plan, ask: PageAsk) {
    this.#reader = reader
    this.#plan = plan
    this.#ask = ask
  }

  /** False: the page is full, and this candidate is for the next one. */
  offer(recno: number, tested: boolean): boolean {
    if (this.#records.length >= this.#ask.limit || this.#examined >= this.#ask.examine) {
      this.#stopped = true
      return false
    }
    this.#examined++
    this.#last = recno
    const stored = matched(this.#reader, this.#plan, recno, tested, this.#likely)
    // Candidates of a query are much alike: as the last one was, so will the next be.
    this.#likely = stored !== null
    if (stored !== null) this.#records.push(stored)
    return true
  }

  end(): Page {
    const next = this.#stopped && this.#last !== null ? this.#reader.positionOf(this.#last) : null
    return { records: this.#records, next, examined: this.#examined }
  }
}

const placeAt = (reader: RecordReader, recno: number): Place => [reader.positionOf(recno).updated, recno]

/** The place of a position. The record may be gone: then all of its millisecond is read again rather than any of it lost. */
function placeOf(reader: RecordReader, order: 'newest' | 'oldest', after: Position | Place | null): Place | null {
  if (after === null || !('key' in after)) return after
  return [after.updated, reader.recno(after.key as Key) ?? (order === 'newest' ? PLACE_MAX : 0)]
}

/** Counts in SQL where no candidate needs a test of terms; null where one does. Up to `max + 1`. */
function countWhole(reader: RecordReader, query: TermQuery, max: number): number | null {
  const sets = query.allOf.map(termSet)
  const type = query.type === null ? null : reader.typeId(query.type)
  if (sets.some((set) => set.size === 0) || (query.type !== null && type === null)) return 0
  if (query.noneOf.length > 0 || sets.length > 1) return null
  const from = query.updated?.from ?? -PLACE_MAX
  const before = query.updated?.before ?? PLACE_MAX
  const [set] = sets
  if (set === undefined) return reader.sql.countType.get(type as number, from, before, max + 1)?.[0] ?? 0
  if (type === null) return reader.sql.countTerms.get(set.size, set.blob, from, before, max + 1)?.[0] ?? 0
  return reader.sql.countTermsOfType.get(set.size, set.blob, from, before, type, max + 1)?.[0] ?? 0
}

interface CountPage { readonly count: number; readonly examined: number; readonly last: Place | null }

function countPage(reader: RecordReader, query: TermQuery, after: Place | null, wanted: number): CountPage {
  const plan = makePlan(reader, query, after, COUNT_PAGE)
  let count = 0
  let examined = 0
  if (plan === null) return { count, examined, last: null }
  const isLast = (recno: number): boolean => {
    examined++
    if (plan.given.tested || isMatch(reader, plan, recno)) count++
    return count >= wanted || examined >= COUNT_PAGE
  }
  for (const recno of plan.first) if (isLast(recno)) return { count, examined, last: placeAt(reader, recno) }
  for (const place of plan.rest()) if (isLast(place[1] as number)) return { count, examined, last: place }
  return { count, examined, last: null }
}
