import type { MessagePort } from 'node:worker_threads'
import type { Bytes } from '../../../model/resource.ts'
import type { CommitMessage } from './commit-message.ts'
import type { ErrorMessage } from './errors.ts'
import type { StoreKind } from './schema.ts'

/** What passes between a store and its writer thread. A unit is done wholly or not at all; the units of a group share one fsync. */

export type RecordUnit =
  | { readonly kind: 'commit'; readonly commit: CommitMessage }
  | { readonly kind: 'take'; readonly name: Bytes }
  | { readonly kind: 'outbox-done'; readonly ids: readonly Bytes[] }
  | { readonly kind: 'ping' }

export interface IndexUnit {
  readonly kind: 'index'
  readonly log: Bytes
  readonly through: number | null
  /** Some of the blocks may have lists of these terms already. */
  readonly merge: boolean
  /** Lists in order of term and number: their terms of 16 B, and as a JSON array one `ListText` each. */
  readonly terms: Bytes
  readonly lists: string
}

/**
 * Entries of a log, numbered from `first` on, one after the other in few buffers, since each buffer costs a message about as much as an
 * entry: ids of 16 B, links of 32 B, `ends` = where in `sealed` each ends.
 */
export interface AppendUnit {
  readonly kind: 'append'
  readonly log: Bytes
  readonly first: number
  readonly ids: Bytes
  readonly links: Bytes
  readonly sealed: Bytes
  readonly ends: Uint32Array<ArrayBuffer>
}

export type LedgerUnit =
  | AppendUnit
  | IndexUnit
  | { readonly kind: 'lease'; readonly log: Bytes; readonly holder: Bytes; readonly until: number }
  | { readonly kind: 'ping' }

export type Unit = RecordUnit | LedgerUnit

/** `at`: the store's clock, ms since 1970; the writer has none of its own. */
export type ToWriter =
  | { readonly kind: 'group'; readonly at: number; readonly units: readonly Unit[] }
  | { readonly kind: 'connect'; readonly port: MessagePort }
  | { readonly kind: 'end' }

export type Outcome = { readonly value: unknown } | { readonly error: ErrorMessage }

export type FromWriter =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly error: ErrorMessage }
  /** One outcome per unit, in order. */
  | { readonly kind: 'outcomes'; readonly outcomes: readonly Outcome[] }

export interface WriterStart { readonly path: string; readonly store: StoreKind; readonly port: MessagePort }

/**
 * The same bytes with a buffer of exactly their length. A view of a pooled Buffer would be cloned with its whole pool,
 * other requests' plaintext included.
 */
export function exact(bytes: Uint8Array): Bytes {
  const own = bytes.constructor === Uint8Array && bytes.buffer instanceof ArrayBuffer && bytes.buffer.byteLength === bytes.byteLength
  return own ? bytes as Bytes : new Uint8Array(bytes)
}
