import type { TermSet } from '../../candidates.ts'
import { ahead, PLACE_MAX, termLister, type Lister, type Order, type Place, type PostingTable, type Range } from './postings.ts'

/** Up to so many lists are opened at once; of more terms the lists are found by their heads first. */
export const LISTS_MAX = 64
const HEADS_MAX = 256
const HEADS_MIN = 32
const FIRST_READ_MIN = 8
const READ_MAX = 512
const MOMENT_MAX = 512

/**
 * The distinct places under any term of the set, in order, read as far as they are asked for. All inside one read
 * transaction of the caller. `wanted` only sizes the reads.
 */
export function* places(table: PostingTable, set: TermSet, range: Range, wanted: number): Generator<Place> {
  if (set.size <= LISTS_MAX) yield* merged(table.order, termLister(table, set, null), set.size, range, wanted)
  else yield* manyLists(table, set, range, wanted)
}

/** The distinct places of `count` lists, merged in order. */
export function* merged(order: Order, lister: Lister, count: number, range: Range, wanted: number): Generator<Place> {
  const first = Math.min(READ_MAX, Math.max(FIRST_READ_MIN, Math.ceil(2 * wanted / count)))
  const heap = new Heap(order)
  for (let i = 0; i < count; i++) {
    const list = new List(lister, i, range, first)
    if (list.head !== undefined) heap.add(list)
  }
  let last: Place | undefined
  for (let list = heap.top; list !== undefined; list = heap.top) {
    const head = list.head as Place
    if (last === undefined || ahead(order, last, head)) {
      last = head
      yield head
    }
    list.advance()
    heap.topChanged()
  }
}

/** Two ordered generators as one; where they meet, `left` goes first. */
export function* zipped(order: Order, left: Generator<Place>, right: Generator<Place>): Generator<Place> {
  let a = left.next()
  let b = right.next()
  while (!a.done || !b.done) {
    if (b.done || (!a.done && !ahead(order, b.value, a.value))) {
      yield a.value as Place
      a = left.next()
    } else {
      yield b.value
      b = right.next()
    }
  }
}

/**
 * Opens the lists whose heads come first. What is merged from them is exact down to the head of the first list left
 * out; the millisecond of that head is read from all lists, because its ties may lie in any of them.
 */
function* manyLists(table: PostingTable, set: TermSet, range: Range, wanted: number): Generator<Place> {
  const { order } = table
  const lists = Math.min(HEADS_MAX, Math.max(HEADS_MIN, wanted))
  let rest = range
  for (;;) {
    const heads = table.heads(set, rest, lists + 1)
    const edge = heads.length > lists ? heads[lists]?.[1] ?? null : null
    const open = heads.filter(([, head]) => head !== null && (edge === null || ahead(order, [head], [edge]))).map(([i]) => i)
    for (const place of merged(order, termLister(table, set, open), open.length, rest, wanted)) {
      if (edge !== null && !ahead(order, place, [edge])) break
      yield place
    }
    if (edge === null) return
    yield* moment(table, set, edge, rest)
    const behind = order === 'newest' ? 0 : PLACE_MAX
    rest = { start: [edge, ...rest.start.slice(1).map(() => behind)], edge: range.edge }
  }
}

function* moment(table: PostingTable, set: TermSet, updated: number, range: Range): Generator<Place> {
  const [from, ...tail] = range.start
  let rest: Place = from === updated ? tail : tail.map(() => table.order === 'newest' ? PLACE_MAX : 0)
  for (;;) {
    const found = table.moment(set, updated, rest, MOMENT_MAX)
    for (const place of found) {
      if (!ahead(table.order, [updated, ...rest], place)) continue
      yield place
      rest = place.slice(1)
    }
    if (found.length < MOMENT_MAX) return
  }
}

/** One list, read in growing pieces. */
class List {
  head: Place | undefined
  readonly #lister: Lister
  readonly #number: number
  readonly #edge: number
  #rows: readonly Place[]
  #at = 0
  #size: number

  constructor(lister: Lister, number: number, range: Range, size: number) {
    this.#lister = lister
    this.#number = number
    this.#edge = range.edge
    this.#size = size
    this.#rows = lister(number, range, size)
    this.head = this.#rows[0]
  }

  advance(): void {
    this.#at++
    if (this.#at === this.#rows.length && this.#rows.length === this.#size) {
      const start = this.#rows.at(-1) as Place
      this.#size = Math.min(READ_MAX, this.#size * 2)
      this.#rows = this.#lister(this.#number, { start, edge: this.#edge }, this.#size)
      this.#at = 0
    }
    this.head = this.#rows[this.#at]
  }
}

/** Lists by their heads, the first on top. */
class Heap {
  readonly #order: Order
  readonly #lists: List[] = []

  constructor(order: Order) {
    this.#order = order
  }

  get top(): List | undefined {
    return this.#lists[0]
  }

  add(list: List): void {
    let i = this.#lists.length
    this.#lists.push(list)
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!this.#ahead(i, parent)) return
      this.#swap(i, parent)
      i = parent
    }
  }

  /** The list on top has advanced: puts it where it belongs, or drops it at its end. */
  topChanged(): void {
    if (this.#lists[0]?.head === undefined) {
      const last = this.#lists.pop() as List
      if (this.#lists.length === 0) return
      this.#lists[0] = last
    }
    for (let i = 0; ;) {
      const left = 2 * i + 1
      if (left >= this.#lists.length) return
      const child = left + 1 < this.#lists.length && this.#ahead(left + 1, left) ? left + 1 : left
      if (!this.#ahead(child, i)) return
      this.#swap(child, i)
      i = child
    }
  }

  #ahead(i: number, j: number): boolean {
    return ahead(this.#order, (this.#lists[i] as List).head as Place, (this.#lists[j] as List).head as Place)
  }

  #swap(i: number, j: number): void {
    const list = this.#lists[i] as List
    this.#lists[i] = this.#lists[j] as List
    this.#lists[j] = list
  }
}
