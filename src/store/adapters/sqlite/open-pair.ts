import type { MessagePort } from 'node:worker_threads'
import { toStoreError } from './errors.ts'
import type { StoreKind } from './schema.ts'
import { openLink, startWriter, type Pack, type WriterLink } from './writer-link.ts'

/** Opens writer and reader of a file; a failure of either leaves no thread behind. */
export async function openPair<I, R extends { close(): void }>(
  options: SqliteOptions, kind: StoreKind, pack: Pack<I>, makeReader: (path: string) => R
): Promise<{ link: WriterLink<I>; reader: R }> {
  const started = options.writer === undefined ? startWriter(options.path, kind) : undefined
  const port = options.writer ?? started?.port as MessagePort
  try {
    const link = await openLink(port, { now: options.now, pack }, started?.ended)
    try {
      return { link, reader: makeReader(options.path) }
    } catch (error) {
      await link.close()
      throw toStoreError(error)
    }
  } catch (error) {
    port.close()
    await started?.ended
    throw error
  }
}

export interface SqliteOptions {
  readonly path: string
  /** ms since 1970; times of expiry and of commit ids are compared with it. */
  readonly now: () => number
  /** A port from another store's `connect()`: writes go through that store's writer thread. */
  readonly writer?: MessagePort
}

/** What a store with a writer thread can do beside its port. */
export interface Connectable {
  /** A port to this store's writer thread, for `openSqliteStore({ writer })` on another thread of the process. */
  connect(): MessagePort
}
