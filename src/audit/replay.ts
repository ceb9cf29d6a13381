/** Reads logs from their first entry on: bytes, links, gaps, cut ends, times, and what logs say of each other. */
import { KeysUnavailable } from '../crypto/errors.ts'
import type { Bytes } from '../model/resource.ts'
import { type LedgerEntry, type LedgerStore, OUTBOX_MAX, type OutboxEntry, type RecordStore, StoreUnavailable } from '../store/ports.ts'
import type { Chain } from './chain.ts'
import { EntryKeyGone, type EntryOpener, logOfEntry } from './entry.ts'
import type { Findings } from './findings.ts'
import { headHolds } from './head-mark.ts'
import type { LastWrites } from './last-writes.ts'
import { type AccessRecord, hex, type NamedHead } from './record.ts'
import { slotOf } from './slot.ts'
import { stampOf, unstamped } from './stamp.ts'

export interface ReplayOptions {
  readonly store: LedgerStore
  readonly records: Pick<RecordStore, 'outbox'>
  readonly chain: Chain
  readonly opener: EntryOpener
  readonly findings: Findings
  readonly writes: LastWrites
}

export interface Replay {
  /** Reads all logs, from where they were left. */
  logs(): Promise<void>
  slots(): readonly string[]
  /** A head that somebody names must be in its log as named. */
  claim(head: NamedHead, by: string): void
  checkClaims(): Promise<void>
  /** Takes in the entries that wait in the record store; false when there are more than can be read. */
  waiting(): Promise<boolean>
  /** Takes in what came since. */
  catchUp(): Promise<void>
  counts(): { readonly entries: number; readonly waiting: number }
}

const BATCH = 500

/** Where the replay of a log stands. */
interface At { seq: number; link: Bytes; stamp: number }

export function replayer(options: ReplayOptions): Replay {
  const { store, records, chain, findings, writes } = options
  const reached = new Map<string, At>()
  const claims: { head: NamedHead; by: string }[] = []
  const numbered = new Set<string>()
  const waited = new Set<string>()

  const take = (record: AccessRecord, log: string, seq: number, where: string): void => {
    for (const head of record.heads) claims.push({ head, by: where })
    writes.take(record, { log, seq })
  }
  const replayEntry = async (slot: string, log: Bytes, at: At, entry: LedgerEntry): Promise<void> => {
    const { seq, id, sealed, link } = entry
    const where = `${slot} ${seq}`
    if (seq !== at.seq + 1) findings.tampered(`${slot}: entries ${at.seq + 1} to ${seq - 1} are missing`)
    else if (!chain.holds(at.link, { log, seq, id, sealed }, link)) findings.tampered(`${where}: it does not follow from the entry before it`)
    if (numbered.has(hex(id))) findings.tampered(`${where}: the same entry was numbered twice`)
    numbered.add(hex(id))
    const stamp = stampOf(sealed)
    if (stamp < at.stamp) findings.tampered(`${where}: its time goes back`)
    Object.assign(at, { seq, link, stamp: Math.max(stamp, at.stamp) })
    const record = await look(options, log, id, unstamped(sealed), where)
    if (record !== null) take(record, slot, seq, where)
  }
  const lookAt = async (entries: readonly OutboxEntry[], where: string): Promise<void> => {
    for (const [index, { id, sealed }] of entries.entries()) {
      if (numbered.has(hex(id)) || waited.has(hex(id))) continue
      waited.add(hex(id))
      const log = logOfEntry(sealed)
      const slot = log === null ? null : slotOf(log)
      if (log === null || slot === null) {
        findings.tampered(`${where}: it is none of ours`)
        continue
      }
      const record = await look(options, log, id, sealed, where)
      if (record !== null) take(record, slot, (reached.get(slot)?.seq ?? 0) + 1 + index, where)
    }
  }
  const waiting = async (): Promise<boolean> => {
    const written = await records.outbox(OUTBOX_MAX)
    await lookAt(written, 'An entry waiting in the record store')
    return written.length < OUTBOX_MAX
  }
  const logs = async (): Promise<void> => {
    for (const log of await store.logs()) await replayLog(options, reached, log, replayEntry)
  }
  return {
    logs,
    slots: () => [...reached.keys()],
    claim: (head, by) => void claims.push({ head, by }),
    checkClaims: () => checkClaims(store, claims, findings),
    waiting,
    async catchUp() {
      // Waiting entries first: what is numbered in between is then found in the log.
      await waiting()
      await logs()
    },
    counts: () => ({ entries: numbered.size, waiting: [...waited].filter((id) => !numbered.has(id)).length })
  }
}

type ReplayEntry = (slot: string, log: Bytes, at: At, entry: LedgerEntry) => Promise<void>

async function replayLog(options: ReplayOptions, reached: Map<string, At>, log: Bytes, replayEntry: ReplayEntry): Promise<void> {
  const { store, chain, findings } = options
  const slot = slotOf(log)
  if (slot === null) return findings.tampered('A log has a name that is none of ours')
  const head = await store.head(log)
  const at = reached.get(slot) ?? { seq: 0, link: chain.empty, stamp: 0 }
  reached.set(slot, at)
  while (at.seq < head.seq) {
    const batch = await store.entries(log, at.seq + 1, Math.min(BATCH, head.seq - at.seq), 'oldest')
    for (const entry of batch) await replayEntry(slot, log, at, entry)
    if (batch.length === 0) break
  }
  await checkEnd(options, slot, log, at, head)
}

async function look({ opener, findings }: ReplayOptions, log: Bytes, id: Bytes, sealed: Uint8Array, where: string): Promise<AccessRecord | null> {
  try {
    return await opener.open(log, id, sealed)
  } catch (error) {
    if (error instanceof StoreUnavailable || error instanceof KeysUnavailable) throw error
    if (error instanceof EntryKeyGone) findings.incomplete(`${where}: its key is gone`)
    else findings.tampered(`${where}: it does not open`)
    return null
  }
}

async function checkEnd({ store, findings }: ReplayOptions, slot: string, log: Bytes, at: At, head: { readonly seq: number; readonly link: Bytes }): Promise<void> {
  if (at.seq < head.seq) return findings.tampered(`${slot}: the end is missing after entry ${at.seq}`)
  if (at.seq > head.seq || Buffer.compare(at.link, head.link) !== 0) return findings.tampered(`${slot}: its last entry is not the one that the ledger names`)
  const behind = await store.entries(log, head.seq + 1, 1, 'oldest')
  // In a store that is in use the head has moved too.
  if (behind.length > 0 && (await store.head(log)).seq === head.seq) findings.tampered(`${slot}: entries lie behind its end`)
}

async function checkClaims(store: LedgerStore, claims: readonly { readonly head: NamedHead; readonly by: string }[], findings: Findings): Promise<void> {
  for (const { head, by } of claims) {
    if (!(await headHolds(store, head))) findings.tampered(`${head.log}: entry ${head.seq} is not as ${by} names it`)
  }
}
