/**
 * Takes the entries of writes that wait in the record store's outbox to the end of their log, where those of reads went at once, and
 * indexes both. A crash at any point leaves entries that the next pass takes again; ids already in a log are dropped.
 */
import type { Bytes } from '../model/resource.ts'
import { takingShortTurns } from '../model/turns.ts'
import type { KeyRing } from '../crypto/keys.ts'
import { type EntryTerms, type LedgerStore, OUTBOX_MAX, type OutboxEntry, type RecordStore } from '../store/ports.ts'
import type { Chain } from './chain.ts'
import { entryOpener, logOfEntry } from './entry.ts'
import { markedHead, markHead, markHolds } from './head-mark.ts'
import { type Head, type LogEnd, openLogEnd, ready } from './log-end.ts'
import type { OwnTerms } from './own-terms.ts'
import type { Blinder } from './postings.ts'
import { hex, type NamedHead } from './record.ts'
import { slotOf } from './slot.ts'
import { unstamped } from './stamp.ts'

const BATCH = 1000
export const SEGMENT_ENTRIES = 1000
/** So much is indexed at once, and the rest of the segment that passes the second. */
const INDEXED_AT_ONCE = { segments: 20, postings: 400_000 } as const

export interface SequencerOptions {
  readonly store: LedgerStore
  readonly records: Pick<RecordStore, 'outbox' | 'outboxDone' | 'commit' | 'document'>
  readonly ring: KeyRing
  readonly chain: Chain
  readonly blinder: Blinder
  readonly own: OwnTerms
  readonly now: () => number
  readonly appendMsMax: number
  /** A part of a pass failed; the next pass does it again. */
  readonly failed: (error: unknown) => void
}

export interface Sequencer {
  /** Where entries of `log` are numbered. */
  end(log: Bytes): LogEnd
  /** Numbers the entries of writes that wait for `log`, after `first` if given. Returns the logs of other slots that entries wait for. */
  pass(log: Bytes, first: OutboxEntry | null): Promise<readonly Bytes[]>
  heads(): Promise<readonly NamedHead[]>
  /** The log comes from other hands: where it stands is read again. */
  taken(log: Bytes): void
}

/** `marked`: the sequence number that the record store's mark names. `cut`: the log is not what it said; null = not looked at. */
interface Kept { readonly end: LogEnd; marked: number; cut: boolean | null }

export function sequencer(options: SequencerOptions): Sequencer {
  const { store, records, ring, own, failed } = options
  const logs = new Map<string, Kept>()
  const kept = (log: Bytes): Kept => {
    const name = hex(log)
    const known = logs.get(name)
    if (known !== undefined) return known
    const made = { end: openLogEnd({ ...options, log }), marked: -1, cut: null }
    logs.set(name, made)
    return made
  }
  const mark = async (log: Kept, slot: string, head: Head): Promise<void> => {
    if (log.cut === null) {
      log.cut = !(await markHolds(store, records, ring, slot))
      if (log.cut) failed(new Error('A log does not hold what its mark names'))
    }
    if (log.cut) return
    await markHead(records, ring, slot, head)
    log.marked = head.seq
  }

  /** A log has a mark before it has its first entry: a process may end at any moment, and a log without one looks as if it was taken away. */
  const begin = async ({ end, marked, cut }: Kept, slot: string): Promise<void> => {
    if (marked >= 0 || cut !== null || (await markedHead(records, ring, slot)) !== undefined) return
    await markHead(records, ring, slot, await end.head())
  }

  return {
    end: (log) => kept(log).end,
    async pass(log, first) {
      const known = kept(log)
      const { end } = known
      const others = new Map<string, Bytes>()
      await begin(known, slotOf(log) ?? '')
      if (first !== null) await end.add(ready({ entry: first, terms: undefined }))
      for (let wanted = BATCH; ;) {
        const outbox = await records.outbox(wanted).catch((error: unknown): readonly OutboxEntry[] => {
          failed(error)
          return []
        })
        const writes = outbox.filter((entry) => isOf(log, entry, others))
        await end.addNew(writes, ({ id }) => own.take(id))
        if (writes.length > 0) await records.outboxDone(writes.map((entry) => entry.id))
        if (outbox.length < wanted) break
        // A page full of other slots' entries hides ours behind it: theirs stay until they are done with them, or their log is adopted.
        if (writes.length === 0 && wanted === OUTBOX_MAX) break
        if (writes.length === 0) wanted = Math.min(OUTBOX_MAX, wanted * 4)
      }
      const head = await end.head()
      if (head.seq !== known.marked) await mark(known, slotOf(log) ?? '', head).catch(failed)
      await indexSegments(options, log, head).catch(failed)
      return [...others.values()]
    },
    taken(log) {
      const known = kept(log)
      known.end.forget()
      own.clear()
      Object.assign(known, { marked: -1, cut: null })
    },
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

/**
 * Indexes whole segments; what is left over is the tail that searches open. Many at once cost the store less than one by one: the more postings
 * are sorted together, the nearer to each other are the places that they go to.
 */
async function indexSegments(options: SequencerOptions, log: Bytes, head: Head): Promise<void> {
  let through = await options.store.indexed(log)
  for (;;) {
    const terms = await waitingTerms(options, log, head, through)
    if (terms.length === 0) return
    const last = through + terms.length
    // What comes meanwhile finds room for its terms.
    for (const seq of head.terms.keys()) if (seq <= last) head.terms.delete(seq)
    try {
      await options.store.index(log, last, terms.map((some, i) => ({ seq: through + 1 + i, terms: some })))
    } catch (error) {
      for (const [i, some] of terms.entries()) head.terms.set(through + 1 + i, some)
      throw error
    }
    through = last
  }
}

/** Terms of each entry of the next whole segments. */
async function waitingTerms(options: SequencerOptions, log: Bytes, head: Head, through: number): Promise<readonly EntryTerms[]> {
  const waiting: EntryTerms[] = []
  for (let segments = 0, postings = 0; segments < INDEXED_AT_ONCE.segments && postings < INDEXED_AT_ONCE.postings; segments++) {
    if (head.seq - through - waiting.length < SEGMENT_ENTRIES) break
    const terms = await segmentTerms(options, log, head, through + waiting.length + 1)
    if (terms === null) break
    waiting.push(...terms)
    for (const lists of terms) for (const list of lists) postings += list.length
  }
  return waiting
}

/** Terms of each entry of the segment that begins at `first`; those that are not at hand are made from the opened entries. */
async function segmentTerms({ store, ring, blinder }: SequencerOptions, log: Bytes, head: Head, first: number): Promise<readonly EntryTerms[] | null> {
  const terms = Array.from({ length: SEGMENT_ENTRIES }, (_, i) => head.terms.get(first + i))
  if (terms.every((some) => some !== undefined)) return terms
  const opener = entryOpener(ring)
  const entries = await store.entries(log, first, SEGMENT_ENTRIES, 'oldest')
  if (entries.length < SEGMENT_ENTRIES) return null
  const breath = takingShortTurns()
  for (const [i, { id, sealed }] of entries.entries()) {
    terms[i] ??= blinder.terms(await opener.open(log, id, unstamped(sealed)))
    const pause = breath()
    if (pause !== undefined) await pause
  }
  return terms as readonly EntryTerms[]
}
