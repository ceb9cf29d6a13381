/**
 * The ledger of one process: it seals records, makes reads' entries durable before they are answered, and sequences its log.
 * Entries of writes are committed with the write (`seal` gives the outbox entry).
 */
import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import type { KeyRing } from '../crypto/keys.ts'
import type { Bytes } from '../model/resource.ts'
import { type LedgerStore, type OutboxEntry, type RecordStore, StoreUnavailable } from '../store/ports.ts'
import { allSettled } from './all-settled.ts'
import { hmacChain } from './chain.ts'
import { chunked } from './chunks.ts'
import { entrySealer } from './entry.ts'
import { type Addition, LogContinued, type LogEnd } from './log-end.ts'
import { blinder, type Blinder } from './postings.ts'
import { ownTerms } from './own-terms.ts'
import { type AccessRecord, headsRecord, hex } from './record.ts'
import { type Sequencer, sequencer } from './sequencer.ts'
import { logOf, slotOf, slotsFor } from './slot.ts'
import { openSpool, slotOfSpool, type Spool } from './spool.ts'

export interface LedgerOptions {
  readonly store: LedgerStore
  readonly records: Pick<RecordStore, 'outbox' | 'outboxDone' | 'commit' | 'document'>
  readonly ring: KeyRing
  /** `server` or `cli` takes the first free slot; `server-3` takes that one or waits for its lease to end. */
  readonly slot: string
  /** Called when the slot is held and nothing is written yet; rejects where this store must be left alone. */
  readonly admitted?: () => Promise<void>
  /** 16 bytes that say who holds the slot; random unless a process goes on where another that is gone has stopped. */
  readonly holder?: Bytes
  /** ms since 1970. */
  readonly now: () => number
  /** Folder of the spool file (`ledger-SLOT.spool`); null = no spool, a store that is down refuses. */
  readonly spoolDir?: string | null
  /** ms between passes of the sequencer; 0 = only when `sequence` is called. */
  readonly intervalMs?: number
  /** ms after which an append that hangs goes to the spool. */
  readonly appendMsMax?: number
  /** Told of background failures (they are tried again): for the process log, by class name only. */
  readonly failed?: (error: unknown) => void
}

export interface Ledger {
  /** Name of the slot held. */
  readonly slot: string
  /** For a write: the entry that its commit carries. The record's time becomes that of sealing, here and in `append`. */
  seal(record: AccessRecord): Promise<OutboxEntry>
  /** For a read: durable when it resolves. Rejects with StoreUnavailable when neither store nor spool took it: answer 503. */
  append(record: AccessRecord): Promise<void>
  /** One pass of the sequencer, also run once a second. */
  sequence(): Promise<void>
  /** Waits for what is being appended. */
  close(): Promise<void>
}

const LEASE_MS = 15_000
const HEADS_EVERY_MS = 3_600_000
const RETRY_MS = 1000

export async function openLedger(options: LedgerOptions): Promise<Ledger> {
  const { store, records, ring, now, spoolDir = null, intervalMs = 1000, appendMsMax = 2000, failed = () => undefined } = options
  const holder = options.holder ?? new Uint8Array(randomBytes(16))
  const key = await ring.classKey('ledger')
  const chain = hmacChain(ring.linkKey())
  const blind = blinder(key.index)
  const own = ownTerms()
  const sequence = sequencer({ store, records, ring, chain, blinder: blind, own, now, appendMsMax, failed })
  const lease = (slot: string, until = now() + LEASE_MS): Promise<boolean> => store.lease(logOf(slot), holder, until)
  const take = async (): Promise<Held> => {
    const slot = await takeSlot(options.slot, lease)
    const log = logOf(slot)
    sequence.taken(log)
    return { slot, log, end: sequence.end(log), sealer: entrySealer(key, log), spool: spoolDir === null ? null : openSpool(spoolDir, slot), headsAt: null, leasedAt: now() }
  }
  let held = await take()
  await options.admitted?.().catch(async (error: unknown) => {
    await lease(held.slot, 0)
    throw error
  })

  const pass = async (): Promise<void> => {
    const asked = now()
    const lapsed = asked > held.leasedAt + LEASE_MS
    if (!(await lease(held.slot))) {
      await held.spool?.close()
      held = await take()
    } else if (lapsed) sequence.taken(held.log)
    held.leasedAt = asked
    const mine = held
    const spooling = await spooledSlots(spoolDir)
    if (spooling.has(mine.slot)) await mine.spool?.replay((entries) => mine.end.addNew(entries, nothingKept)).catch(failed)
    const due = mine.headsAt === null || now() - mine.headsAt >= HEADS_EVERY_MS
    const at = now()
    const mark = due ? mine.sealer.seal(headsRecord(at, mine.headsAt === null ? 'ledger-start' : 'ledger-heads', await sequence.heads()), at) : null
    const others = await sequence.pass(mine.log, mark)
    if (due) mine.headsAt = at
    for (const log of orphans(others, spooling, mine.slot)) await adopt(log, { sequence, lease, spoolDir }).catch(failed)
  }
  const turns = oneAtATime(pass)
  const timer = intervalMs > 0 ? setInterval(() => void turns().catch(failed), intervalMs) : null
  timer?.unref()
  const addition = (record: AccessRecord): Addition => additionTo(held, blind, record, now())
  const reads = appends(putter({ held: () => held, addition, now, retake: () => turns().catch(failed) }))
  await turns().catch(async (error: unknown) => {
    // Nobody closes what was never open: its timer would hold the slot for ever.
    if (timer !== null) clearInterval(timer)
    await held.spool?.close()
    await lease(held.slot, 0).catch(failed)
    throw error
  })
  return {
    get slot() { return held.slot },
    async seal(record) {
      const { entry, terms } = addition(record).seal()
      if (terms !== undefined) own.add(entry.id, terms)
      return entry
    },
    append: reads.append,
    sequence: turns,
    async close() {
      if (timer !== null) clearInterval(timer)
      await reads.idle()
      await turns().catch(failed)
      await lease(held.slot, 0)
      await held.spool?.close()
    }
  }
}

/** `at`: when the access was, whenever its record is sealed. */
const additionTo = ({ sealer }: Held, blind: Blinder, record: AccessRecord, at: number): Addition =>
  ({ sealed: null, seal: () => ({ entry: sealer.seal(record, at), terms: blind.terms(record, at) }) })

/** Records of reads, part by part. `idle`: resolves when those are over that are under way. */
function appends(put: (part: AccessRecord) => Promise<void>) {
  const running = new Set<Promise<void>>()
  // Side by side, so that all parts become durable with one another.
  const all = async (record: AccessRecord): Promise<void> => {
    const parts = chunked(record)
    await (parts.length === 1 ? put(parts[0]!) : allSettled(parts.map(put)))
  }
  return {
    append(record: AccessRecord): Promise<void> {
      const work = all(record).finally(() => running.delete(work))
      running.add(work)
      return work
    },
    idle: async (): Promise<void> => void await Promise.allSettled(running)
  }
}

interface Putting {
  readonly held: () => Held
  readonly addition: (record: AccessRecord) => Addition
  readonly now: () => number
  /** Holds a slot anew where it was lost. */
  readonly retake: () => Promise<void>
}

/** Takes the records of reads: to the end of the log, or where that does not answer to the spool. */
function putter({ held, addition, now, retake }: Putting): (record: AccessRecord) => Promise<void> {
  let downUntil = 0
  /** A clock that was put back does not make an outage longer. */
  const isDown = (): boolean => {
    const left = downUntil - now()
    return left > 0 && left <= RETRY_MS
  }
  return async (record) => {
    for (let again = false; ; again = true) {
      const { spool, end } = held()
      const made = addition(record)
      if (spool !== null && isDown()) return spooled(spool, made.seal().entry)
      try {
        return await end.add(made)
      } catch (cause) {
        // The slot was lost while this process slept: the record is sealed again for the log of the one that it gets.
        if (cause instanceof LogContinued && !again) {
          await retake()
          continue
        }
        if (spool === null) throw new StoreUnavailable('The ledger takes no entries', { cause })
        downUntil = now() + RETRY_MS
        return spooled(spool, (made.sealed ?? made.seal()).entry)
      }
    }
  }
}

interface Adoption {
  readonly sequence: Sequencer
  readonly lease: (slot: string, until?: number) => Promise<boolean>
  readonly spoolDir: string | null
}

/** Entries of a slot whose process is gone: its log is continued here, and let go again. */
async function adopt(log: Bytes, { sequence, lease, spoolDir }: Adoption): Promise<void> {
  const slot = slotOf(log)
  if (slot === null || !(await lease(slot))) return
  sequence.taken(log)
  try {
    if (spoolDir !== null) {
      const spool = openSpool(spoolDir, slot)
      await spool.replay((entries) => sequence.end(log).addNew(entries, nothingKept)).finally(() => spool.close())
    }
    await sequence.pass(log, null)
  } finally {
    await lease(slot, 0)
  }
}

/** What was spooled may be in the log all the same. */
const nothingKept = (): undefined => undefined

interface Held {
  readonly slot: string
  readonly log: Bytes
  readonly end: LogEnd
  readonly sealer: ReturnType<typeof entrySealer>
  readonly spool: Spool | null
  /** When this process last named the heads of all logs in its log. */
  headsAt: number | null
  /** After LEASE_MS without another pass somebody else may have held the slot in between. */
  leasedAt: number
}

async function takeSlot(name: string, lease: (slot: string) => Promise<boolean>): Promise<string> {
  for (let waited = 0; ; waited += 250) {
    for (const slot of slotsFor(name)) if (await lease(slot)) return slot
    if (waited > LEASE_MS) throw new StoreUnavailable('Every ledger slot of this name is held by another process')
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}

/** Runs `work` once at a time; a call during a run gets the run after it. */
function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null
  let next: Promise<void> | null = null
  const start = (): Promise<void> => {
    next = null
    running = work().finally(() => {
      running = null
    })
    return running
  }
  return () => {
    if (running === null) return start()
    next ??= running.then(start, start)
    return next
  }
}

async function spooled(spool: Spool, entry: OutboxEntry): Promise<void> {
  try {
    await spool.append(entry)
  } catch (cause) {
    throw new StoreUnavailable('Neither the ledger nor its spool takes entries', { cause })
  }
}

async function spooledSlots(dir: string | null): Promise<ReadonlySet<string>> {
  const names = dir === null ? [] : await readdir(dir)
  return new Set(names.map(slotOfSpool).filter((slot) => slot !== null))
}

/** Logs of other slots for which entries or a spool file are waiting. */
function orphans(waiting: readonly Bytes[], spooling: ReadonlySet<string>, own: string): readonly Bytes[] {
  const logs = new Map([...waiting, ...[...spooling].filter((slot) => slot !== own).map(logOf)].map((log) => [hex(log), log]))
  return [...logs.values()]
}
