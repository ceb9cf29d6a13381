/**
 * The end of one log, where entries are numbered and chained. Those that come one after the other, or while others are being written, go
 * into the log as one group: one message, one fsync.
 */
import { byteText } from '../crypto/bytes.ts'
import type { Bytes } from '../model/resource.ts'
import { type EntryTerms, type LedgerEntry, type LedgerStore, type OutboxEntry, StoreUnavailable } from '../store/ports.ts'
import { allSettled } from './all-settled.ts'
import type { Chain } from './chain.ts'
import { stampOf, stamped } from './stamp.ts'

/** An entry, and its index terms where they are at hand. */
export interface Sealed { readonly entry: OutboxEntry; readonly terms: EntryTerms | undefined }

/**
 * What is to be added. It is sealed with the others of its group: one kind of work for all of them takes a third of what it takes in between
 * other work. `sealed`: what it became, for whoever has to keep it elsewhere.
 */
export interface Addition { sealed: Sealed | null; readonly seal: () => Sealed }

export interface LogEnd {
  /** In the log, and durable, when it resolves. LogContinued: the entry is not there. After another error it may be. */
  add(addition: Addition): Promise<void>
  /** The same of entries that may be in a log already; those are passed over. It is over when all are. `terms` of one, where they are at hand. */
  addNew(entries: readonly OutboxEntry[], terms: (entry: OutboxEntry) => EntryTerms | undefined): Promise<void>
  head(): Promise<Head>
  /** The log comes from other hands: where it stands is read again. */
  forget(): void
}

/** Where a log stands. `terms`: of entries that this process sealed and has not indexed yet, by their numbers. */
export interface Head { readonly seq: number; readonly link: Bytes; readonly stamp: number; readonly terms: Map<number, EntryTerms> }

/** Another process has gone on with the log since it was last looked at. */
export class LogContinued extends StoreUnavailable {}

export interface LogEndOptions {
  readonly store: Pick<LedgerStore, 'append' | 'known' | 'head' | 'entries'>
  readonly log: Bytes
  readonly chain: Chain
  /** ms since 1970. */
  readonly now: () => number
  /** ms after which a write counts as failed, though it may still succeed. */
  readonly appendMsMax: number
}

const GROUP_ENTRIES_MAX = 256
/** But for a single larger one. */
const GROUP_BYTES_MAX = 2 ** 20
const GATHER_MS_MAX = 2
const KNOWN_MAX = 1000
const TERMS_KEPT_MAX = 20_000

interface Waiting { readonly addition: Addition; resolve(): void; reject(error: unknown): void }

export function openLogEnd(options: LogEndOptions): LogEnd {
  const { store, log, appendMsMax } = options
  const queue: Waiting[] = []
  /** Null: to be read, also where it was forgotten while it was read or written. */
  let at: Promise<Head> | null = null
  let running = false
  /** A write that has not been answered in time: what follows it in the log is not known before it is. */
  let hanging: Promise<void> | null = null

  const head = (): Promise<Head> => (at ??= read())
  const read = (): Promise<Head> => {
    const reading = readHead(options)
    reading.catch(() => { if (at === reading) at = null })
    return reading
  }
  const write = async (group: readonly Waiting[]): Promise<void> => {
    let from = null as Head | null
    const work = async (): Promise<void> => {
      const begun = head()
      from = await begun
      const { entries, to } = chained(options, from, group)
      await store.append(log, entries)
      for (const [i, one] of group.entries()) {
        const { terms } = sealedOf(one)
        if (terms !== undefined && to.terms.size < TERMS_KEPT_MAX) to.terms.set(from.seq + 1 + i, terms)
      }
      if (at === begun) at = Promise.resolve(to)
    }
    const written = work()
    try {
      await within(written, appendMsMax)
    } catch (error) {
      at = null
      if (error instanceof Late) hanging = written.catch(() => undefined).then(() => { hanging = null })
      throw hanging === null && from !== null ? await continued(options, from, group).catch(() => undefined) ?? error : error
    }
  }
  const drain = async (): Promise<void> => {
    while (queue.length > 0) {
      await gathered(queue)
      const group = taken(queue)
      if (group.length === 0) continue
      try {
        if (hanging !== null) throw unanswered()
        await write(group)
        for (const one of group) one.resolve()
      } catch (error) {
        for (const one of group) one.reject(error)
      }
    }
    running = false
  }
  const add = (addition: Addition): Promise<void> => new Promise((resolve, reject) => {
    queue.push({ addition, resolve, reject })
    if (running) return
    running = true
    void drain()
  })
  return {
    add,
    async addNew(entries, terms) {
      // What is not there yet might be, once it is asked for.
      if (hanging !== null) throw unanswered()
      await addNew(store, add, entries, terms)
    },
    head,
    forget: () => { at = null }
  }
}

async function addNew(store: LogEndOptions['store'], add: LogEnd['add'], entries: readonly OutboxEntry[], terms: (entry: OutboxEntry) => EntryTerms | undefined): Promise<void> {
  const made = entries.map((entry): Sealed => ({ entry, terms: terms(entry) }))
  // What this process sealed and still has the terms of is met here for the first time, so it is in no log yet.
  const seen = new Set(await knownOf(store, made.filter((one) => one.terms === undefined).map(({ entry }) => entry.id)))
  await allSettled(made.map((one) => {
    const name = byteText(one.entry.id)
    if (seen.has(name)) return undefined
    seen.add(name)
    return add(ready(one))
  }))
}

/** Sealed already. */
export const ready = (sealed: Sealed): Addition => ({ sealed, seal: () => sealed })

const sealedOf = ({ addition }: Waiting): Sealed => (addition.sealed ??= addition.seal())

/** A write costs about the same for one entry as for fifty, so while each turn of the event loop brings more of them it waits a little. */
async function gathered(queue: readonly Waiting[]): Promise<void> {
  const until = performance.now() + GATHER_MS_MAX
  for (let held = 0; held < queue.length && performance.now() < until;) {
    held = queue.length
    await new Promise(setImmediate)
  }
}

async function readHead({ store, log }: LogEndOptions): Promise<Head> {
  const { seq, link } = await store.head(log)
  const [last] = seq === 0 ? [] : await store.entries(log, seq, 1, 'oldest')
  return { seq, link, stamp: last === undefined ? 0 : stampOf(last.sealed), terms: new Map() }
}

/** Times within a log never go back. */
function chained({ chain, log, now }: LogEndOptions, from: Head, group: readonly Waiting[]): { readonly entries: readonly LedgerEntry[]; readonly to: Head } {
  const stamp = Math.max(now(), from.stamp)
  let { seq, link } = from
  const entries = group.map((one): LedgerEntry => {
    const { id, sealed: waited } = sealedOf(one).entry
    seq += 1
    const sealed = stamped(stamp, waited)
    link = chain.next(link, { log, seq, id, sealed })
    return { seq, id, sealed, link }
  })
  return { entries, to: { seq, link, stamp, terms: from.terms } }
}

/** LogContinued where the log is longer than it was and holds nothing of the group; undefined: it is as long as it was, or that cannot be told. */
async function continued(options: LogEndOptions, from: Head, group: readonly Waiting[]): Promise<LogContinued | undefined> {
  const { seq } = await options.store.head(options.log)
  if (seq <= from.seq) return undefined
  const known = await knownOf(options.store, group.map((one) => sealedOf(one).entry.id))
  return known.length === 0 ? new LogContinued('Another process has continued the log') : undefined
}

async function knownOf(store: LogEndOptions['store'], ids: readonly Bytes[]): Promise<readonly string[]> {
  const known: string[] = []
  for (let from = 0; from < ids.length; from += KNOWN_MAX) known.push(...(await store.known(ids.slice(from, from + KNOWN_MAX))).map(byteText))
  return known
}

/** The next group off the front of the queue, sealed. What cannot be sealed is told, and keeps nobody else. */
function taken(queue: Waiting[]): readonly Waiting[] {
  const group: Waiting[] = []
  let [looked, bytes] = [0, 0]
  for (const one of queue) {
    if (looked >= GROUP_ENTRIES_MAX || bytes >= GROUP_BYTES_MAX) break
    looked += 1
    try {
      bytes += sealedOf(one).entry.sealed.length
      group.push(one)
    } catch (error) {
      one.reject(error)
    }
  }
  queue.splice(0, looked)
  return group
}

const unanswered = (): StoreUnavailable => new StoreUnavailable('The ledger does not answer')

class Late extends StoreUnavailable {}

function within(work: Promise<void>, msMax: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Late('The ledger does not answer')), msMax)
    work.then(() => {
      clearTimeout(timer)
      resolve()
    }, (error: unknown) => {
      clearTimeout(timer)
      reject(error as Error)
    })
  })
}
