import type { Bytes } from '../../model/resource.ts'
import type { LedgerEntry } from './ledger.ts'
import type { Key, Term, Terms } from './records.ts'

/* ---------- Transfer: the whole content of a store, row by row, for `wardkeep move`. No server may write meanwhile. ---------- */

/** A current record. `c` null: this store keeps none. `terms` of a deleted one are empty: it is found by its trail. */
export interface RecordCopy {
  readonly key: Key
  readonly c: Bytes | null
  readonly type: string
  readonly version: number
  readonly updated: number
  readonly deleted: boolean
  readonly terms: Terms
  readonly trail: Terms
  readonly sealed: Bytes
}

/** A superseded version. */
export type VersionCopy = Omit<RecordCopy, 'c' | 'terms'>

export interface DocumentCopy { readonly name: Key; readonly version: number; readonly expires: number | null; readonly sealed: Bytes }

export interface PostingCopy { readonly term: Term; readonly seq: number }

/** The id of a commit, kept for a day against its repetition, and when it was done (ms since 1970). */
export interface DoneCopy { readonly id: Key; readonly at: number }

export interface VersionPlace { readonly key: Key; readonly version: number }

export interface Transfer {
  /** Logs whose slot a process holds at this time (ms). */
  held(at: number): Promise<readonly Bytes[]>
  /** By key. */
  records(after: Key | null, limit: number): Promise<readonly RecordCopy[]>
  /** By key, the newest version first. */
  versions(after: VersionPlace | null, limit: number): Promise<readonly VersionCopy[]>
  /** By name, expired ones included. */
  documents(after: Key | null, limit: number): Promise<readonly DocumentCopy[]>
  /** By id, those that are kept no longer included. */
  done(after: Key | null, limit: number): Promise<readonly DoneCopy[]>
  /** Of one log of the ledger, by term and seq. */
  postings(log: Bytes, after: PostingCopy | null, limit: number): Promise<readonly PostingCopy[]>
  /** Rows go in in the order in which they come out, so that after an interruption the last one there says how far it went. `c` is needed where the store keeps it. */
  putRecords(records: readonly RecordCopy[]): Promise<void>
  putVersions(versions: readonly VersionCopy[]): Promise<void>
  putDocuments(documents: readonly DocumentCopy[]): Promise<void>
  putDone(done: readonly DoneCopy[]): Promise<void>
  /** Entries that follow the head of the log, which moves on to the last of them. Unlike `sequence` of the ledger no transaction: one that dies with its process would stand in the way for a minute. */
  putEntries(log: Bytes, entries: readonly LedgerEntry[]): Promise<void>
  putPostings(log: Bytes, postings: readonly PostingCopy[]): Promise<void>
  lastRecord(): Promise<Key | null>
  lastVersion(): Promise<VersionPlace | null>
  counts(): Promise<{ readonly records: number; readonly versions: number }>
  close(): Promise<void>
}
