/** Replays every log and compares it with the records: `wardkeep audit verify`. The store may be in use meanwhile. */
import { KeysUnavailable } from '../crypto/errors.ts'
import type { KeyRing } from '../crypto/keys.ts'
import { type LedgerStore, type RecordStore, type Stored, StoreUnavailable } from '../store/ports.ts'
import { hmacChain } from './chain.ts'
import { entryOpener } from './entry.ts'
import { type Findings, makeFindings, type Problem } from './findings.ts'
import { markedHead } from './head-mark.ts'
import { lastWrites } from './last-writes.ts'
import { type Replay, replayer } from './replay.ts'
import { slotsFor } from './slot.ts'
import { checkRecords } from './verify-records.ts'

export type { Problem } from './findings.ts'

export interface VerifyOptions {
  readonly store: LedgerStore
  readonly records: RecordStore
  readonly ring: KeyRing
  /** Also every superseded version: one more query per changed record. */
  readonly versions?: boolean
  /** What is wrong with a record apart from the ledger, such as a key that is gone; null = nothing. */
  readonly openFault?: (stored: Stored) => Promise<string | null>
}

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

export async function verifyLedger(options: VerifyOptions): Promise<Verified> {
  const { store, records, ring, versions = false, openFault = async () => null } = options
  const findings = makeFindings()
  const writes = lastWrites(versions)
  const replay = replayer({ store, records, chain: hmacChain(ring.linkKey()), opener: entryOpener(ring), findings, writes })
  let compared = { records: 0, erased: 0 }
  try {
    await replay.logs()
    await claimMarks(options, replay, findings)
    await replay.checkClaims()
    if (await replay.waiting()) compared = await checkRecords({ records, writes, versions, findings, openFault, catchUp: replay.catchUp })
    else findings.incomplete('More than 10,000 entries wait to be numbered: records were not compared; start the server, then verify again')
  } catch (error) {
    if (!(error instanceof StoreUnavailable || error instanceof KeysUnavailable)) throw error
    findings.incomplete('A store or the keys could not be read')
  }
  const { problems } = findings
  const exitCode = problems.some((problem) => problem.kind === 'tampered') ? 2 : problems.length > 0 ? 3 : 0
  return { ok: exitCode === 0, exitCode, ...replay.counts(), ...compared, problems }
}

/** A log that was removed as a whole leaves its mark: so marks are looked for under every name that a slot may have. */
async function claimMarks({ records, ring }: VerifyOptions, replay: Replay, findings: Findings): Promise<void> {
  for (const slot of new Set([...replay.slots(), ...slotsFor('server'), ...slotsFor('cli')])) {
    const mark = await markedHead(records, ring, slot)
    if (mark === null) findings.tampered(`${slot}: the mark of its end in the record store was changed`)
    else if (mark !== undefined) replay.claim(mark, 'the mark in the record store')
    else if (replay.slots().includes(slot)) findings.incomplete(`${slot}: the record store has no mark of its end; a server that starts makes one`)
  }
}
