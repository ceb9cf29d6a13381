/**
 * A copy of a whole store is on record: where it is taken as an export, where it is put as an import. The record of the beginning is durable before
 * the first byte is copied, so that a copy that was cut off is on record too; that of the end before the command says that it is done.
 */
import { userInfo } from 'node:os'
import { entrySealer } from './audit/entry.ts'
import { copyRecord, type StoreCopy } from './audit/record.ts'
import { logOf } from './audit/slot.ts'
import type { Config } from './config.ts'
import type { KeyRing } from './crypto/keys.ts'
import type { DocumentPut, RecordStore } from './store/ports.ts'
import { refuseMoved } from './store/marks.ts'
import { openStores } from './stores.ts'
import { openRing, randomBytesOf } from './system.ts'

export interface CopyEvent {
  readonly event: 'export' | 'import'
  readonly copy: StoreCopy
  /** Joins the records of one command. */
  readonly requestId: string
}

interface Place { readonly records: RecordStore; readonly ring: KeyRing; readonly now: () => number }

/**
 * Durable when it resolves, in one commit with `documents`. The entry waits in the outbox of log `cli`: whoever has that slot next numbers it, as does a
 * server that finds the slot free, so a copy neither waits for the slot nor is made with it held.
 */
export async function recordCopy({ records, ring, now }: Place, { event, copy, requestId }: CopyEvent, documents: readonly DocumentPut[] = []): Promise<void> {
  const at = now()
  const sealer = entrySealer(await ring.classKey('ledger'), logOf('cli'))
  const entry = sealer.seal(copyRecord({ at, requestId, event, account: accountName(), copy }), at)
  const done = await records.commit({ id: randomBytesOf(16), expect: [], puts: [], rewrites: [], erase: [], documents, outbox: [entry] })
  if (done.kind !== 'done') throw new Error('The copy was not put on record')
}

/** As `recordCopy`, into the store of the settings, which is opened for it and must not be out of use. */
export async function recordCopyAt(config: Config, event: CopyEvent, now: () => number): Promise<void> {
  const { records, ledgerStore } = await openStores(config, now, null)
  try {
    await refuseMoved(records)
    await recordCopy({ records, ring: await openRing(config, records, now), now }, event)
  } finally {
    await Promise.all([records.close(), ledgerStore.close()])
  }
}

/** A store as records name it: without user, password and options. */
export function placeOfStore({ store }: Pick<Config, 'store'>): string {
  if (store.kind === 'sqlite') return `sqlite:${store.path}`
  // What stands before the last @ may be a password, wherever that is.
  return `mongodb://${store.url.slice(store.url.lastIndexOf('@') + 1).replace(/^mongodb(\+srv)?:\/\//, '').split('?')[0]}`
}

/** The account that runs this process; its number where it has no name. */
function accountName(): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}
