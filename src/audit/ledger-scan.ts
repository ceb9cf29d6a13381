/** Sequenced entries of one log, in order, from the index where there is one and else one after the other. */
import type { Bytes } from '../model/resource.ts'
import type { LedgerEntry, LedgerStore, Position, Term } from '../store/ports.ts'
import { placeOfKey } from './slot.ts'
import { stampOf } from './stamp.ts'

export interface ScanAsk {
  readonly log: Bytes
  /** null: every entry. */
  readonly anyOf: readonly Term[] | null
  /** Bounds of the stamp, half-open ms. */
  readonly from: number
  readonly before: number
  readonly after: Position | null
  readonly order: 'newest' | 'oldest'
}

const BATCH = 100
/** Terms in one lookup: a panel has thousands. */
const TERMS_MAX = 4096

/**
 * May begin with entries at `after` itself, whose later parts may still be owed: the caller compares rows. `oldest` with terms collects the
 * sequence numbers of all hits first (8 bytes each).
 */
export async function* scanLog(store: LedgerStore, ask: ScanAsk): AsyncGenerator<LedgerEntry> {
  const { log, from, before } = ask
  const { seq: head } = await store.head(log)
  if (head === 0 || ask.anyOf?.length === 0) return
  const [low, high] = await window(store, ask, head)
  if (low > high) return
  const indexed = ask.anyOf === null ? 0 : await store.indexed(log)
  const inside = ({ sealed }: LedgerEntry): boolean => stampOf(sealed) >= from && stampOf(sealed) < before
  const steps = ask.order === 'newest'
    ? [tail(store, log, Math.max(low, indexed + 1), high, 'newest'), hits(store, ask, low, Math.min(high, indexed))]
    : [hits(store, ask, low, Math.min(high, indexed)), tail(store, log, Math.max(low, indexed + 1), high, 'oldest')]
  for (const step of steps) for await (const entry of step) if (inside(entry)) yield entry
}

/** First and last sequence number that the ask's times and its cursor leave. */
async function window(store: LedgerStore, { log, from, before, after, order }: ScanAsk, head: number): Promise<readonly [number, number]> {
  let low = from > 0 ? await firstAt(store, log, head, from) : 1
  let high = Number.isFinite(before) ? (await firstAt(store, log, head, before)) - 1 : head
  if (after !== null) {
    const place = placeOfKey(after.key)
    const own = place !== null && Buffer.compare(place.log, log) === 0
    if (order === 'newest') high = Math.min(high, own ? place.seq : (await firstAt(store, log, head, after.updated + 1)) - 1)
    else low = Math.max(low, own ? place.seq : await firstAt(store, log, head, after.updated))
  }
  return [low, high]
}

/** The first sequence number whose stamp is at least `time`; head + 1 when there is none. */
async function firstAt(store: LedgerStore, log: Bytes, head: number, time: number): Promise<number> {
  let low = 1
  let high = head + 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const [entry] = await store.entries(log, middle, 1, 'oldest')
    if (entry !== undefined && stampOf(entry.sealed) < time) low = middle + 1
    else high = middle
  }
  return low
}

async function* tail(store: LedgerStore, log: Bytes, low: number, high: number, order: 'newest' | 'oldest'): AsyncGenerator<LedgerEntry> {
  let next = order === 'newest' ? high : low
  while (next >= low && next <= high) {
    const entries = await store.entries(log, next, Math.min(BATCH, high - low + 1), order)
    for (const entry of entries) {
      if (entry.seq < low || entry.seq > high) return
      yield entry
      next = entry.seq + (order === 'newest' ? -1 : 1)
    }
    if (entries.length === 0) return
  }
}

async function* hits(store: LedgerStore, { log, anyOf, order }: ScanAsk, low: number, high: number): AsyncGenerator<LedgerEntry> {
  if (anyOf === null || low > high) return
  const upward: number[] = []
  for (let before = high + 1; ;) {
    const seqs = await lookup(store, log, anyOf, before)
    const inside = seqs.filter((seq) => seq >= low)
    if (order === 'newest') yield* each(store, log, inside)
    else upward.push(...inside)
    if (seqs.length < BATCH || inside.length < seqs.length) break
    before = seqs.at(-1)!
  }
  yield* each(store, log, upward.reverse())
}

async function* each(store: LedgerStore, log: Bytes, seqs: readonly number[]): AsyncGenerator<LedgerEntry> {
  for (const seq of seqs) {
    const [entry] = await store.entries(log, seq, 1, 'oldest')
    if (entry?.seq === seq) yield entry
  }
}

/** Newest first, distinct, at most BATCH. */
async function lookup(store: LedgerStore, log: Bytes, anyOf: readonly Term[], before: number): Promise<readonly number[]> {
  if (anyOf.length <= TERMS_MAX) return store.lookup(log, anyOf, before, BATCH)
  const found = new Set<number>()
  for (let at = 0; at < anyOf.length; at += TERMS_MAX) {
    for (const seq of await store.lookup(log, anyOf.slice(at, at + TERMS_MAX), before, BATCH)) found.add(seq)
  }
  return [...found].sort((a, b) => b - a).slice(0, BATCH)
}
