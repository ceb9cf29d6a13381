/** `wardkeep move`: one store into another kind of store. The composition of store/move.ts with what keeps servers away meanwhile. */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { slotOf } from './audit/slot.ts'
import type { Verified } from './audit/verify.ts'
import { type Config, withStore } from './config.ts'
import { type CopyEvent, placeOfStore, recordCopy } from './copy-record.ts'
import type { KeyRing } from './crypto/keys.ts'
import type { Bytes } from './model/resource.ts'
import { copyAll, differences, rowsOf } from './store/move.ts'
import type { DocumentPut, Key, RecordStore } from './store/ports.ts'
import type { Transfer } from './store/ports/transfer.ts'
import { openStores, openTransfer, type Stores } from './stores.ts'
import { openRing, openSystem, randomBytesOf, TENANT } from './system.ts'
import { holdsKeys } from './crypto/root-keys.ts'
import { refuseMoved, SOURCE_MARK, TARGET_MARK } from './store/marks.ts'

export interface MoveOptions {
  readonly config: Config
  readonly from: string
  readonly to: string
  readonly now?: () => number
  /** `rows` of `all` are done; each row is copied and then compared. */
  readonly progress?: (rows: number, all: number) => void
}

export interface Moved {
  readonly rows: number
  readonly verified: Verified
}

const MARK_LABEL = 'move'

/** Throws an Error of one line where source or target are not fit for it, or where the two differ afterwards. */
export async function moveStore(options: MoveOptions): Promise<Moved> {
  const { config, now = Date.now, progress = () => undefined } = options
  const [fromConfig, toConfig] = [withStore(config, options.from), withStore(config, options.to)]
  if (fromConfig.store.kind === toConfig.store.kind) throw new Error('move copies between an embedded store and MongoDB: --from and --to are of one kind')
  refuseAbsent(fromConfig)
  const from = await openSide(fromConfig, now, 'source')
  try {
    const ring = await quietSource(fromConfig, placeOfStore(toConfig), from, now)
    const to = await openSide(toConfig, now, 'target')
    try {
      await claimTarget(to, ring, now)
      const all = 2 * await rowsOf(from)
      let rows = 0
      const marks = [SOURCE_MARK, TARGET_MARK]
      const move = { from, to, ring, tenant: TENANT, marks, now, progress: (more: number) => progress(rows += more, all) }
      await copyAll(move)
      // What a move before this one had copied counts as done.
      rows = all / 2
      const different = await differences(move)
      if (different.length > 0) throw new Error(`The target is not equal to the source (${different.join('; ')}): drop the target and move again`)
      // With the mark that kept it out of use the target's own record comes, or neither.
      await recordCopy({ records: to.records, ring, now }, moveEvent('import', placeOfStore(fromConfig)), [markPut(TARGET_MARK, null)])
      return { rows: all / 2, verified: await verified(toConfig, now) }
    } finally {
      await to.close()
    }
  } finally {
    await from.close()
  }
}

/** Lets servers use a source again: the copy, if there is one, must not be used then. */
export async function abandonMove(config: Config, from: string): Promise<boolean> {
  const fromConfig = withStore(config, from)
  refuseAbsent(fromConfig)
  const { records, ledgerStore } = await openStores(fromConfig, Date.now, null)
  try {
    const marked = await records.document(SOURCE_MARK) !== undefined
    if (marked) await setMark(records, SOURCE_MARK, null)
    return marked
  } finally {
    await Promise.all([records.close(), ledgerStore.close()])
  }
}

/** At the source it is on record from its beginning on, at the target once it is whole. */
const moveEvent = (event: CopyEvent['event'], place: string): CopyEvent =>
  ({ event, requestId: randomUUID(), copy: { command: 'move', begun: event === 'export', place, manifest: null } })

async function verified(config: Config, now: () => number): Promise<Verified> {
  const system = await openSystem({ config, slot: 'cli', now })
  try {
    return await system.verify({ versions: true })
  } finally {
    await system.close()
  }
}

interface Side { readonly records: RecordStore; readonly ledger: Stores['ledgerStore']; readonly transfer: Transfer; close(): Promise<void> }

async function openSide(config: Config, now: () => number, use: 'source' | 'target'): Promise<Side> {
  const { records, ledgerStore } = await openStores(config, now, null)
  const close = (): Promise<unknown> => Promise.all([records.close(), ledgerStore.close()])
  const transfer = await openTransfer(config, now, use).catch(async (error: unknown) => {
    await close()
    throw error
  })
  return {
    records, ledger: ledgerStore, transfer,
    async close() {
      await transfer.close()
      await close()
    }
  }
}

/** Opening would make it. */
function refuseAbsent({ store, dataDir }: Config): void {
  if (store.kind === 'sqlite' && !(existsSync(store.path) && existsSync(join(dataDir, 'ledger.db')))) throw new Error('The source holds no store: STORE_URL\'s file or DATA_DIR/ledger.db is missing')
}

/**
 * Nobody writes to the source: no process holds a ledger slot of it, all entries that waited are numbered, the export's own among them, and a
 * mark keeps servers and commands from opening it from now on. It names the target, so that the record of the export stays true.
 */
async function quietSource(config: Config, target: string, { records, transfer }: Side, now: () => number): Promise<KeyRing> {
  if (!await holdsKeys(records, TENANT)) throw new Error('The source holds no store')
  await refuseUsed(transfer, 'source', now())
  const mark = await records.document(SOURCE_MARK)
  if (mark === undefined) {
    await refuseMoved(records)
    const system = await openSystem({ config, slot: 'cli', now })
    try {
      await recordCopy({ records, ring: system.ring, now }, moveEvent('export', target))
      await system.ledger.sequence()
      await setMark(records, SOURCE_MARK, system.ring.sealSmall(MARK_LABEL, Buffer.from(target)))
    } finally {
      await system.close()
    }
  }
  await refuseUsed(transfer, 'source', now())
  if ((await records.outbox(1)).length > 0) {
    await setMark(records, SOURCE_MARK, null)
    throw new Error('Entries of the ledger wait in the source: start a server on it and stop it again, then move')
  }
  const ring = await openRing(config, records, now)
  if (mark !== undefined && Buffer.from(ring.openSmall(MARK_LABEL, mark.sealed) ?? []).toString() !== target)
    throw new Error('A move of this store to another target was begun: go on with that one, or give it up (wardkeep move --from URL --abandon)')
  return ring
}

async function refuseUsed(transfer: Transfer, what: string, at: number): Promise<void> {
  const [log] = await transfer.held(at)
  if (log !== undefined) throw new Error(`The ${what} is in use: a process holds its ledger slot ${slotOf(log) ?? ''}. Stop it first; after a crash, wait 15 s`)
}

/** An empty store, or one that a move from the same source has begun to fill. */
async function claimTarget({ records, ledger, transfer }: Side, ring: KeyRing, now: () => number): Promise<void> {
  const mark = await records.document(TARGET_MARK)
  const own = ring.documentName(MARK_LABEL, '')
  if (mark !== undefined) {
    const named = ring.openSmall(MARK_LABEL, mark.sealed)
    if (named === undefined || Buffer.compare(named, own) !== 0) throw new Error('The target holds the beginning of a move from another store')
    return
  }
  await refuseUsed(transfer, 'target', now())
  const holds = (await transfer.records(null, 1)).length + (await transfer.documents(null, 1)).length + (await ledger.logs()).length
  if (holds > 0) throw new Error('The target holds data already: move into an empty store')
  // Not by a commit: its id would be one that the source does not have.
  await transfer.putDocuments([{ name: TARGET_MARK, version: 1, expires: null, sealed: ring.sealSmall(MARK_LABEL, own) }])
}

const markPut = (name: Key, sealed: Bytes | null): DocumentPut => ({ name, expect: null, expires: null, sealed })

async function setMark(records: RecordStore, name: Key, sealed: Bytes | null): Promise<void> {
  const done = await records.commit({ id: randomBytesOf(16), expect: [], puts: [], rewrites: [], erase: [], documents: [markPut(name, sealed)], outbox: [] })
  if (done.kind !== 'done') throw new Error('The mark of the move was not set')
}
