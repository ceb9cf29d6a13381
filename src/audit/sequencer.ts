/**
 * Takes the entries that wait in the ledger's store (reads) and in the record store's outbox (writes), numbers and chains them, and
 * indexes them. A crash at any point leaves entries that the next pass takes again; ids already in a log are dropped.
 */
import type { Bytes } from '../model/resource.ts'
import { takingTurns } from '../model/turns.ts'
import { byteText } from '../crypto/bytes.ts'
import type { KeyRing } from '../crypto/keys.ts'
import type { LedgerEntry, LedgerStore, OutboxEntry, RecordStore, Term } from '../store/ports.ts'
import type { Chain } from './chain.ts'
import { entryOpener, logOfEntry } from './entry.ts'
import { markHead, markHolds } from './head-mark.ts'
import type { OwnTerms } from './own-terms.ts'
import type { Blinder } from './postings.ts'
import { hex, type NamedHead } from './record.ts'
import { slotOf } from './slot.ts'
import { stampOf, stamped, unstamped } from './stamp.ts'

const BATCH = 1000
export const SEGMENT_ENTRIES = 1000
const TERMS_KEPT_MAX = 20_000

export interface SequencerOptions {
  readonly store: LedgerStore
  readonly records: Pick<RecordStore, 'outbox' | 'outboxDone' | 'commit' | 'document'>
  readonly ring: KeyRing
  readonly chain: Chain
  readonly blinder: Blinder
  readonly own: OwnTerms
  readonly now: () => number
  /** A part of a pass failed; the next pass does it again. */
  readonly failed: (error: unknown) => void
}

export interface Sequencer {
  /** Numbers what waits for `log`, after `first` if given. Returns the logs of other slots that entries wait for. */
  pass(log: Bytes, first: OutboxEntry | null): Promise<readonly Bytes[]>
  heads(): Promise<readonly NamedHead[]>
  /** The log comes from other hands: where it stands is read again. */
  taken(log: Bytes): void
}

/**
 * `marked`: the sequence number that the record store's mark names. `cut`: the log is not what it said; null = not looked at.
 * `terms`: of entries that this process sealed and has not indexed yet.
 */
interface Head { seq: number; link: Bytes; stamp: number; marked: number; cut: boolean | null; readonly terms: Map<number, readonly Term[]> }

export function sequencer(options: SequencerOptions): Sequencer {
  const { store, records, ring, failed } = options
  const heads = new Map<string, Head>()

  const headOf = async (log: Bytes): Promise<Head> => {
    const known = heads.get(hex(log))
    if (known !== undefined) return known
    const { seq, link } = await store.head(log)
    const [last] = seq === 0 ? [] : await store.entries(log, seq, 1, 'oldest')
    const head = { seq, link, stamp: last === undefined ? 0 : stampOf(last.sealed), marked: -1, cut: null, terms: new Map() }
    heads.set(hex(log), head)
    return head
  }

  const number = async (log: Bytes, waiting: readonly OutboxEntry[]): Promise<void> => {
    const head = await headOf(log)
    try {
      await chainEntries(options, log, head, waiting)
    } catch (error) {
      heads.delete(hex(log))
      throw error
    }
  }

  const mark = async (head: Head, slot: string): Promise<void> => {
    if (head.cut === null) {
      head.cut = !(await markHolds(store, records, ring, slot))
      if (head.cut) failed(new Error('A log does not hold what its mark names'))
    }
    if (head.cut) return
    await markHead(records, ring, slot, head)
    head.marked = head.seq
  }

  return {
    async pass(log, first) {
      const others = new Map<string, Bytes>()
      for (let extra = first === null ? [] : [first]; ; extra = []) {
        const pending = await store.pending(BATCH)
        const outbox = await records.outbox(BATCH).catch((error: unknown): readonly OutboxEntry[] => {
          failed(error)
          return []
        })
        const own = (entry: OutboxEntry): boolean => isOf(log, entry, others)
        const [reads, writes] = [pending.filter(own), outbox.filter(own)]
        for (const waiting of [[...extra, ...reads], writes]) if (waiting.length > 0) await number(log, waiting)
        if (writes.length > 0) await records.outboxDone(writes.map((entry) => entry.id))
        // A page full of other slots' entries hides ours behind it until they are done with them, or their log is adopted.
        if (reads.length < BATCH && writes.length < BATCH) break
      }
      const head = await headOf(log)
      if (head.seq !== head.marked) await mark(head, slotOf(log) ?? '').catch(failed)
      await indexSegments(options, log, head).catch(failed)
      return [...others.values()]
    },
    taken: (log) => void heads.delete(hex(log)),
    async heads() {
      const named: NamedHead[] = []
      for (const log of await store.logs()) {
        const slot = slotOf(log)
        const head = await store.head(log)
        if (slot !== null && head.seq > 0) named.push({ log: slot, seq: head.seq, link: hex(head.link) })
      }
      return named
    }
  }
}

function isOf(log: Bytes, entry: OutboxEntry, others: Map<string, Bytes>): boolean {
  const own = logOfEntry(entry.sealed)
  if (own === null) return false
  if (Buffer.compare(own, log) === 0) return true
  others.set(hex(own), own)
  return false
}

async function chainEntries({ store, chain, now, own }: SequencerOptions, log: Bytes, head: Head, waiting: readonly OutboxEntry[]): Promise<void> {
  const terms = new Map(waiting.map(({ id }) => [byteText(id), own.take(id)]))
  // What this process sealed is met here for the first time, so it is in no log yet.
  const strange = waiting.filter(({ id }) => terms.get(byteText(id)) === undefined)
  const known = new Set<string>()
  for (let at = 0; at < strange.length; at += BATCH) {
    for (const id of await store.known(strange.slice(at, at + BATCH).map((entry) => entry.id))) known.add(byteText(id))
  }
  const stamp = Math.max(now(), head.stamp)
  const entries: LedgerEntry[] = []
  let { seq, link } = head
  for (const { id, sealed: waited } of waiting) {
    const name = byteText(id)
    if (known.has(name)) continue
    known.add(name)
    seq += 1
    const sealed = stamped(stamp, waited)
    link = chain.next(link, { log, seq, id, sealed })
    entries.push({ seq, id, sealed, link })
  }
  if (entries.length === 0) return
  await store.sequence(log, entries)
  for (const { seq: number, id } of entries) {
    const found = terms.get(byteText(id))
    if (found !== undefined && head.terms.size < TERMS_KEPT_MAX) head.terms.set(number, found)
  }
  Object.assign(head, { seq, link, stamp })
}

/** Indexes whole segments; what is left over is the tail that searches open. */
async function indexSegments(options: SequencerOptions, log: Bytes, head: Head): Promise<void> {
  const { store } = options
  let through = await store.indexed(log)
  while (head.seq - through >= SEGMENT_ENTRIES) {
    const terms = await segmentTerms(options, log, head, through + 1)
    if (terms === null) return
    const postings = terms.flatMap((some, i) => some.map((term) => ({ term, seq: through + 1 + i })))
    await store.index(log, through + SEGMENT_ENTRIES, postings)
    through += SEGMENT_ENTRIES
    for (const seq of head.terms.keys()) if (seq <= through) head.terms.delete(seq)
  }
}

/** Terms of each entry of the segment that begins at `first`; those that are not at hand are made from the opened entries. */
async function segmentTerms({ store, ring, blinder }: SequencerOptions, log: Bytes, head: Head, first: number): Promise<readonly (readonly Term[])[] | null> {
  const terms = Array.from({ length: SEGMENT_ENTRIES }, (_, i) => head.terms.get(first + i))
  if (terms.every((some) => some !== undefined)) return terms
  const opener = entryOpener(ring)
  const entries = await store.entries(log, first, SEGMENT_ENTRIES, 'oldest')
  if (entries.length < SEGMENT_ENTRIES) return null
  const breath = takingTurns()
  for (const [i, { id, sealed }] of entries.entries()) {
    terms[i] ??= blinder.terms(await opener.open(log, id, unstamped(sealed)))
    const pause = breath()
    if (pause !== undefined) await pause
  }
  return terms as readonly (readonly Term[])[]
}
