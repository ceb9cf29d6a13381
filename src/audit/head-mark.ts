/**
 * Where a log stood is also kept, sealed, in a document of the record store: who cuts the end off the ledger's own file has to change
 * the other store as well.
 */
import { randomBytes } from 'node:crypto'
import type { KeyRing } from '../crypto/keys.ts'
import type { LedgerStore, RecordStore } from '../store/ports.ts'
import { hex, type NamedHead } from './record.ts'
import { logOf } from './slot.ts'

const LABEL = 'ledger-head'

export async function markHead(records: Pick<RecordStore, 'commit'>, ring: KeyRing, slot: string, head: { seq: number; link: Uint8Array }): Promise<void> {
  const named: NamedHead = { log: slot, seq: head.seq, link: hex(head.link) }
  const sealed = ring.sealSmall(LABEL, new TextEncoder().encode(JSON.stringify(named)))
  const documents = [{ name: ring.documentName(LABEL, slot), expect: null, expires: null, sealed }]
  await records.commit({ id: new Uint8Array(randomBytes(16)), expect: [], puts: [], rewrites: [], erase: [], documents, outbox: [] })
}

/** undefined: there is no mark. null: there is one, and it is not ours. */
export async function markedHead(records: Pick<RecordStore, 'document'>, ring: KeyRing, slot: string): Promise<NamedHead | null | undefined> {
  const document = await records.document(ring.documentName(LABEL, slot))
  if (document === undefined) return undefined
  const plain = ring.openSmall(LABEL, document.sealed)
  if (plain === undefined) return null
  const named = JSON.parse(new TextDecoder().decode(plain)) as NamedHead
  return named.log === slot ? named : null
}

/** Whether the log still is what its mark says, or has none yet. Where it is not, the mark must stay as it is: `verify` finds the cut by it. */
export async function markHolds(store: Pick<LedgerStore, 'entries'>, records: Pick<RecordStore, 'document'>, ring: KeyRing, slot: string): Promise<boolean> {
  const mark = await markedHead(records, ring, slot)
  if (mark === undefined || mark === null) return mark === undefined
  return headHolds(store, mark)
}

/** Whether a log has the entry that a head names. Nothing is named by that of a log that was about to begin. */
export async function headHolds(store: Pick<LedgerStore, 'entries'>, { log, seq, link }: NamedHead): Promise<boolean> {
  if (seq === 0) return true
  const [entry] = await store.entries(logOf(log), seq, 1, 'oldest')
  return entry?.seq === seq && hex(entry.link) === link
}
