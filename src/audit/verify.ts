/**
 * Replays every log and compares it with the records: bytes, links, gaps, cut ends, heads that logs name of each other, and for every
 * record the last written version and hash. Findings name logs, numbers and record keys, never what an entry says.
 */
import { KeysUnavailable } from '../crypto/errors.ts'
import type { KeyRing } from '../crypto/keys.ts'
import { type LedgerStore, type RecordStore, StoreUnavailable } from '../store/ports.ts'
import type { Bytes } from '../model/resource.ts'
import { type Chain, hmacChain } from './chain.ts'
import { EntryKeyGone, type EntryOpener, entryOpener, logOfEntry } from './entry.ts'
import { markedHead } from './head-mark.ts'
import { type AccessRecord, hex, type NamedHead } from './record.ts'
import { logOf, slotOf } from './slot.ts'
import { stampOf, unstamped } from './stamp.ts'
import { checkRecords } from './verify-records.ts'
import { type LastWrites, lastWrites } from './last-writes.ts'

export interface VerifyOptions {
  readonly store: LedgerStore
  readonly records: RecordStore
  readonly ring: KeyRing
  /** Also every superseded version: one more query per changed record. */
  readonly versions?: boolean
}

/** tampered: something was changed, cut, moved or put in. incomplete: something could not be looked at. */
export interface Problem { readonly kind: 'tampered' | 'incomplete'; readonly text: string }

export interface Verified {
  readonly ok: boolean
  /** 0 ok, 2 tampered, 3 incomplete. */
  readonly exitCode: 0 | 2 | 3
  /** Entries in the logs. */
  readonly entries: number
  /** Entries that wait to be numbered. */
  readonly waiting: number
  /** Records compared. */
  readonly records: number
  /** Records that an erasure named, and that are gone. */
  readonly erased: number
  readonly problems: readonly Problem[]
}

export const PROBLEMS_MAX = 1000

export async function verifyLedger(options: VerifyOptions): Promise<Verified> {
  const { store, records, ring } = options
  const findings = makeFindings()
  const replay = replayer({ store, ring, chain: hmacChain(ring.linkKey()), opener: entryOpener(ring), findings, writes: lastWrites(options.versions === true) })
  try {
    await replay.logs()
    for (const slot of await replay.slots()) await checkMark(options, replay, findings, slot)
    await replay.claims()
    await replay.waiting(await pagesOf((limit) => store.pending(limit)), 'ledger')
    await replay.waiting(await pagesOf((limit) => records.outbox(limit)), 'record store')
    const compared = await checkRecords({ records, writes: replay.writes, versions: options.versions === true, findings, catchUp: () => replay.catchUp(records) })
    return result(findings.problems, { entries: replay.entries(), waiting: replay.waited(), ...compared })
  } catch (error) {
    if (!isOutage(error)) throw error
    findings.incomplete('A store or the keys could not be read')
    return result(findings.problems, { entries: replay.entries(), waiting: replay.waited(), records: 0, erased: 0 })
  }
}

export interface Findings {
  readonly problems: readonly Problem[]
  tampered(text: string): void
  incomplete(text: string): void
}

function makeFindings(): Findings {
  const problems: Problem[] = []
  const add = (kind: Problem['kind'], text: string): void => {
    if (problems.length < PROBLEMS_MAX) problems.push({ kind, text })
  }
  return { problems, tampered: (text) => add('tampered', text), incomplete: (text) => add('incomplete', text) }
}

type Counts = Pick<Verified, 'entries' | 'waiting' | 'records' | 'erased'>

function result(problems: readonly Problem[], counts: Counts): Verified {
  const exitCode = problems.some((problem) => problem.kind === 'tampered') ? 2 : problems.length > 0 ? 3 : 0
  return { ok: exitCode === 0, exitCode, ...counts, problems }
}

/** Both stores give at most 1,000 waiting entries at once, and only the sequencer takes them away: the rest is next time's. */
const pagesOf = <T>(ask: (limit: number) => Promise<readonly T[]>): Promise<readonly T[]> => ask(1000)

const isOutage = (error: unknown): boolean => error instanceof StoreUnavailable || error instanceof KeysUnavailable

interface ReplayOptions {
  readonly store: LedgerStore
  readonly ring: KeyRing
  readonly chain: Chain
  readonly opener: EntryOpener
  readonly findings: Findings
  readonly writes: LastWrites
}

interface Replay {
  readonly writes: LastWrites
  logs(): Promise<void>
  slots(): Promise<readonly string[]>
  claims(): Promise<void>
  /** A head that somebody names must be in its log as named. */
  claim(head: NamedHead, by: string): void
  waiting(entries: readonly { readonly id: Bytes; readonly sealed: Bytes }[], where: string): Promise<void>
  /** Takes in what came since, when something does not agree: the store may be in use. */
  catchUp(records: RecordStore): Promise<void>
  entries(): number
  waited(): number
}

const BATCH = 500

function replayer({ store, chain, opener, findings, writes }: ReplayOptions): Replay {
  const reached = new Map<string, { seq: number; link: Bytes; stamp: number }>()
  const claims: { head: NamedHead; by: string }[] = []
  const seen = new Set<string>()
  let entries = 0
  let waited = 0

  const look = async (log: Bytes, id: Bytes, sealed: Uint8Array, where: string): Promise<AccessRecord | null> => {
    try {
      return await opener.open(log, id, sealed)
    } catch (error) {
      if (isOutage(error)) throw error
      if (error instanceof EntryKeyGone) findings.incomplete(`${where}: its key is gone`)
      else findings.tampered(`${where}: it does not open`)
      return null
    }
  }
  const replayLog = async (log: Bytes): Promise<void> => {
    const slot = slotOf(log)
    if (slot === null) return findings.tampered('A log has a name that is none of ours')
    const { seq: last, link: lastLink } = await store.head(log)
    const at = reached.get(slot) ?? { seq: 0, link: chain.empty, stamp: 0 }
    reached.set(slot, at)
    while (at.seq < last) {
      const batch = await store.entries(log, at.seq + 1, BATCH, 'oldest')
      for (const { seq, id, sealed, link } of batch) {
        if (seq !== at.seq + 1) findings.tampered(`${slot}: entries ${at.seq + 1} to ${seq - 1} are missing`)
        else if (!chain.holds(at.link, { log, seq, id, sealed }, link)) findings.tampered(`${slot} ${seq}: it does not follow from the entry before it`)
        if (seen.has(hex(id))) findings.tampered(`${slot} ${seq}: the same entry was numbered twice`)
        seen.add(hex(id))
        const stamp = stampOf(sealed)
        if (stamp < at.stamp) findings.tampered(`${slot} ${seq}: its time goes back`)
        const record = await look(log, id, unstamped(sealed), `${slot} ${seq}`)
        if (record !== null) take(record, stamp, `${slot} ${seq}`)
        Object.assign(at, { seq, link, stamp: Math.max(stamp, at.stamp) })
        entries += 1
      }
      if (batch.length === 0) break
    }
    if (at.seq < last) findings.tampered(`${slot}: the end is missing after entry ${at.seq}`)
    else if (at.seq > last || Buffer.compare(at.link, lastLink) !== 0) findings.tampered(`${slot}: its last entry is not the one that the ledger names`)
  }
  const take = (record: AccessRecord, stamp: number, where: string): void => {
    for (const head of record.heads) claims.push({ head, by: where })
    writes.take(record, stamp)
  }
  const waiting: Replay['waiting'] = async (list, where) => {
    for (const { id, sealed } of list) {
      if (seen.has(hex(id))) continue
      seen.add(hex(id))
      waited += 1
      const log = logOfEntry(sealed)
      const record = log === null ? null : await look(log, id, sealed, `An entry waiting in the ${where}`)
      if (log === null) findings.tampered(`An entry waiting in the ${where}: it is none of ours`)
      if (record !== null) take(record, Number.MAX_SAFE_INTEGER, `An entry waiting in the ${where}`)
    }
  }
  const logs = async (): Promise<void> => {
    for (const log of await store.logs()) await replayLog(log)
  }
  return {
    writes,
    logs,
    slots: async () => [...reached.keys()],
    claim: (head, by) => void claims.push({ head, by }),
    async claims() {
      for (const { head, by } of claims) {
        const [entry] = head.seq === 0 ? [] : await store.entries(logOf(head.log), head.seq, 1, 'oldest')
        if (entry?.seq !== head.seq || hex(entry.link) !== head.link) findings.tampered(`${head.log}: entry ${head.seq} is not as ${by} names it`)
      }
    },
    waiting,
    async catchUp(records) {
      await waiting(await records.outbox(1000), 'record store')
      await logs()
    },
    entries: () => entries,
    waited: () => waited
  }
}

async function checkMark({ records, ring }: VerifyOptions, replay: Replay, findings: Findings, slot: string): Promise<void> {
  const mark = await markedHead(records, ring, slot)
  if (mark === null) findings.tampered(`${slot}: the mark of its end in the record store was changed`)
  else if (mark !== undefined) replay.claim(mark, 'the mark in the record store')
}
