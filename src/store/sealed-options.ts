import type { KeyRing } from '../crypto/keys.ts'
import type { RecordStore } from './ports.ts'

/** What the sealed store stands on. */
export interface SealedStoreOptions {
  readonly records: RecordStore
  readonly ring: KeyRing
  readonly tenant: string
  /** FHIR base URL: references to it are local. */
  readonly base: string
  readonly parse: (bytes: Uint8Array) => unknown
  readonly now: () => number
  readonly random: (bytes: number) => Uint8Array<ArrayBuffer>
  /** Terms in one any-of part of a query; above it the part is confirmed after opening instead. */
  readonly termsMax: number
}
