import type { Bytes, Ref, Resource } from '../model/resource.ts'
import type { Turn } from '../model/turns.ts'
import type { Filter, Include, Plan, SortKey } from '../search/query.ts'
import type { SortPlace } from '../search/sort.ts'
import type { EntryPostings, LedgerEntry } from './ports/ledger.ts'
import type { Key, OutboxEntry, Position, Term } from './ports/records.ts'

export * from './ports/ledger.ts'
export * from './ports/records.ts'

/* ---------- LedgerStore: the audit log's own durable place, beside the records. ---------- */

export interface LedgerStore {
  /**
   * Adds entries to the end of the log; durable when it resolves (fsync; majority and journal). StoreUnavailable where `seq` does not
   * continue the log: another process has. An entry whose id is in a log already must not be passed. After an error the log may hold
   * the first entries of them: its head is to be read again.
   */
  append(log: Bytes /* 8 B */, entries: readonly LedgerEntry[]): Promise<void>
  /** Ids among these that are already in a log (a crash between append and outboxDone). */
  known(ids: readonly Bytes[]): Promise<readonly Bytes[]>
  /** Entries from `from` (inclusive) upward, or downward when `newest`. */
  entries(log: Bytes, from: number, limit: number, order: 'oldest' | 'newest'): Promise<readonly LedgerEntry[]>
  /** Last seq and link; seq 0 and 32 zero bytes for an empty log. */
  head(log: Bytes): Promise<{ readonly seq: number; readonly link: Bytes }>
  logs(): Promise<readonly Bytes[]>
  /** Adds postings (term 16 B → seq), in any order, of entries up to and including `through`; what is there already stays. After an error some of them may be there. */
  index(log: Bytes, through: number, postings: readonly EntryPostings[]): Promise<void>
  /** Entries above this seq are not indexed: a search opens them. */
  indexed(log: Bytes): Promise<number>
  /** Seqs under any of the terms, newest first, below `before` (exclusive), at most `limit`. */
  lookup(log: Bytes, anyOf: readonly Term[], before: number, limit: number): Promise<readonly number[]>
  /** Slot lease: true when this process now holds `log` until `until` (ms). Held by nobody, by us (`holder`), or expired. */
  lease(log: Bytes, holder: Bytes, until: number): Promise<boolean>
  health(): Promise<void>
  close(): Promise<void>
}

/** Errors of both ports; driver errors never pass. */
export class StoreUnavailable extends Error {}         // retryable; nothing written: busy > 10 s, no primary, disk full
export class StoreUnknown extends Error {}             // commit sent, answer lost after retries: ask again with the same id
export class StoreTooCostly extends Error {}           // a bound was passed
export class StoreBroken extends Error {}              // corrupt page, fsync failed: the process must stop

/* ---------- ResourceStore: resources, opened and confirmed. The guard stands on it. ---------- */

/** One version of a resource, opened and authenticated. `json` are the stored bytes; `resource()` parses them once. */
export interface Row {
  readonly type: string
  readonly id: string
  readonly version: number
  readonly updated: number
  readonly deleted: boolean
  /** Compartment patients (ids) from the sealed header, not from stored terms. */
  readonly patients: readonly string[]
  /** Security label codes (`system|code`) from the sealed header. */
  readonly labels: readonly string[]
  /** Of a deleted row: its last content. */
  readonly json: Uint8Array
  /** Room for what is worked out of it (model/memo.ts). */
  readonly memo: unknown[]
  resource(): Resource
}

/** Which rows the caller's reach allows at all; the part of a policy that the index must know. */
export type Reach =
  | { readonly kind: 'all' }
  /** `shared: false`: only rows that name no other patient (DESIGN.md §5 "Types"). */
  | { readonly kind: 'patients'; readonly patients: readonly string[]; readonly shared: boolean }

export interface FindAsk {
  readonly type: string
  readonly reach: Reach
  /** For planning only: the store confirms by `accept`, which sees policy and mask. */
  readonly filter: Filter
  /** null: hidden from the caller, so that it does not count against `scanRecordsMax` either. */
  readonly accept: (row: Row) => boolean | null
  readonly order: 'newest' | 'oldest'
  readonly after: Position | null
  readonly limit: number
  /** Rows that the caller sees and that do not match; past it: FhirError 422 too-costly. */
  readonly scanRecordsMax: number
  /** Told how the search was made, once it is over. */
  readonly report?: (report: FindReport) => void
  /** Of the request that asks. Absent: this search takes turns by itself. */
  readonly turn?: Turn
}

/** How a search of one type was made. Rows that its caller does not see are counted nowhere. */
export interface FindReport {
  readonly type: string
  readonly plan: Plan
  /** Rows that the caller sees and that were opened to be judged. */
  readonly opened: number
  /** Those of them that match. */
  readonly confirmed: number
}

/** Versions of all resources of a type. A version is given when `accept` takes it and the current version of its resource. */
export interface VersionsAsk {
  readonly type: string
  readonly reach: Reach
  /** Of a deleted row, the last content is judged. */
  readonly accept: (row: Row, current: Row) => boolean
  readonly order: 'newest' | 'oldest'
  readonly after: Position | null
  readonly limit: number
  /** Written at or after `from` and before `before`, ms since 1970. */
  readonly from: number
  readonly before: number
  /** Current at some time within, half-open. */
  readonly at: { readonly from: number; readonly before: number } | null
  /** Versions that `accept` takes and that were not current within `at`; past it: FhirError 422 too-costly. */
  readonly scanRecordsMax: number
  /** Of the request that asks. Absent: this search takes turns by itself. */
  readonly turn?: Turn
}

/** `more`: another version follows that would be given. */
export interface VersionsFound { readonly found: readonly { readonly row: Row; readonly position: Position }[]; readonly more: boolean }

/** `next`: position of the last row given, only when another row follows that `accept` confirms (a next link must not show hidden rows). */
export interface Found { readonly rows: readonly Row[]; readonly next: Position | null }

export interface ResourceWrite {
  readonly ref: Ref
  /** Version replaced, 0 = create. */
  readonly expect: number
  readonly deleted: boolean
  /** Its id was drawn for it: nothing that is stored can refer to it yet. Absent: somebody chose the id. */
  readonly fresh?: boolean
  /** New content with id and meta (versionId, lastUpdated) set; of a delete, the last content. */
  readonly resource: Resource
  /** `resource` as JSON text. */
  readonly json: Uint8Array
  readonly updated: number
}

/** All live records that name a patient, newest first. Those that `accept` refuses count against no bound: they are the patient's own. */
export interface PatientAsk {
  readonly patient: string
  readonly accept: (row: Row) => boolean
  readonly after: Position | null
  readonly limit: number
}

/** What a write became, for the ledger: the hash binds the sealed record (rollback of clinical data is found). */
export interface Written { readonly ref: Ref; readonly version: number; readonly deleted: boolean; readonly patients: readonly string[]; readonly key: Key; readonly hash: Bytes /* SHA-256 of sealed */ }

export interface ResourceCommit {
  readonly writes: readonly ResourceWrite[]
  /** Read and relied upon. */
  readonly expect: readonly { readonly ref: Ref; readonly version: number }[]
  /** Normalised criteria of conditional interactions (`type?criteria`): each is locked by a document. */
  readonly locks: readonly { readonly criteria: string; readonly version: number }[]
  /** Stored resources whose patients a write takes for its own, each with its `moves` from before those were read. */
  readonly follows: readonly { readonly ref: Ref; readonly moves: number }[]
  /** The caller may change patients of a resource. */
  readonly move: boolean
  /** Makes the sealed ledger entry of this commit. */
  readonly audit: (written: readonly Written[]) => Promise<OutboxEntry>
}

export interface ResourceStore {
  /** Rows in the order asked; deleted ones included; undefined where absent. */
  read(refs: readonly Ref[]): Promise<readonly (Row | undefined)[]>
  version(ref: Ref, version: number): Promise<Row | undefined>
  /** Newest first, current one included; `before` exclusive. */
  versions(ref: Ref, before: number | null, limit: number): Promise<readonly Row[]>
  find(ask: FindAsk): Promise<Found>
  /** Where a stored row stands in the order of `find`. */
  position(row: Row): Position
  findVersions(ask: VersionsAsk): Promise<VersionsFound>
  findOfPatient(ask: PatientAsk): Promise<Found>
  /** Current version of a criteria lock (0 = never taken). */
  lockVersion(criteria: string): Promise<number>
  /** How often the resource has got other patients without a new version, because what it hangs on moved. */
  moves(ref: Ref): Promise<number>
  /** Compartment patients that a resource would have, its targets looked up in `staged` first. */
  patientsOf(resource: Resource, staged: (ref: Ref) => readonly string[] | undefined): Promise<readonly string[]>
  commit(commit: ResourceCommit): Promise<{ readonly kind: 'done'; readonly written: readonly Written[] } | { readonly kind: 'conflict' }>
}

/* ---------- GuardedStore: the only store that interactions and operations receive. Its one constructor is policy/guard.ts. ---------- */

export declare const guarded: unique symbol

/** A row as its caller may see it. `json()` are the stored bytes where nothing is hidden. */
export interface Seen {
  readonly row: Row
  readonly masked: boolean
  json(): Uint8Array
  resource(): Resource
}

export type Right = 'c' | 'r' | 'u' | 'd' | 's'

export interface SearchAsk {
  readonly type: string
  readonly filter: Filter
  /** Codes that the filter reads: one that reads only hidden elements is refused by name. */
  readonly codes: readonly string[]
  readonly order: 'newest' | 'oldest'
  readonly after: Position | null
  /** The page that ends before `after`, in the same order, instead of the one that starts behind it. */
  readonly back?: boolean
  readonly limit: number
}
/** `next`, `previous`: where the pages beside this one start and end; null: there is none. */
export interface Seens<Place> { readonly rows: readonly Seen[]; readonly next: Place | null; readonly previous: Place | null }
export interface SortedAsk extends Omit<SearchAsk, 'order' | 'after'> { readonly keys: readonly SortKey[]; readonly after: SortPlace | null }

/** Fields as in VersionsAsk. */
export type HistoryAsk = Pick<VersionsAsk, 'order' | 'after' | 'limit' | 'from' | 'at'>

export interface GuardedStore {
  readonly [guarded]: true
  /** Identifies the caller's policy: page links are bound to it. */
  readonly fingerprint: string
  /** The caller may delete all that criteria match, and not only the one. */
  readonly deleteMany: boolean
  /** FhirError 403 where the caller's scopes or role refuse the right for the whole type. */
  require(type: string, right: Right): void
  /** Undefined for what is absent and for what the caller may not see; a deleted row is given with `row.deleted`. */
  read(ref: Ref): Promise<Seen | undefined>
  version(ref: Ref, version: number): Promise<Seen | undefined>
  /** Versions of one resource, of a type, or of all types that the caller may read. Undefined: no such resource for this caller. */
  history(of: Ref | string | null, ask: HistoryAsk): Promise<{ readonly rows: readonly Seen[]; readonly next: Position | null } | undefined>
  search(ask: SearchAsk): Promise<Seens<Position>>
  /** Several searches as one, merged by time: all of one order, place and limit, none of AuditEvents. */
  searchAll(asks: readonly SearchAsk[]): Promise<Seens<Position>>
  /** Ordered by search parameters as the caller sees them, equal ones newest first. `count`: all matches. FhirError 422 past SORT_RECORDS_MAX. */
  sorted(ask: SortedAsk): Promise<Seens<SortPlace> & { readonly count: number }>
  requireIncludes(type: string, includes: readonly Include[]): void      // FhirError 403 where one is refused by its type or parameter
  /** Rows beside a page of matches that the caller may read, each once and none of the page. FhirError 422 past INCLUDED_RECORDS_MAX. */
  included(page: readonly Seen[], includes: readonly Include[]): Promise<readonly Seen[]>
  /** Rows that match, up to `max` (then `more`); discloses none of them. */
  count(ask: SearchAsk, max: number): Promise<{ readonly count: number; readonly more: boolean }>
  /** The filter with its chains and `_has` replaced by clauses over the rows that the caller sees, for what is not stored yet. */
  resolve(type: string, filter: Filter): Promise<Filter>
  /** All of a patient that the caller may search and that `keep` takes, of every type, newest first. */
  ofPatient(ask: Omit<PatientAsk, 'accept'> & { readonly keep: (seen: Seen) => boolean }): Promise<{ readonly rows: readonly Seen[]; readonly next: Position | null }>
  /** The live rows among these that the caller may read and that `keep` takes. */
  readAll(refs: readonly Ref[], keep: (seen: Seen) => boolean): Promise<readonly Seen[]>
  /** Some of all rows that match; only those are disclosed. More than `scanRecordsMax` matches: FhirError 422 too-costly. */
  choose(ask: Omit<SearchAsk, 'after' | 'limit'>, among: (rows: readonly Seen[]) => readonly Seen[]): Promise<readonly Seen[]>
  /** Stages a new resource under a fresh id, or under `id` where a transaction has already given it one. */
  create(resource: Resource, id?: string): Promise<Seen>
  /** Stages a new version. FhirError 404 where there is no such row for this caller and it may not create one; `ifMatch` mismatches are 412. */
  update(resource: Resource & { readonly id: string }, ifMatch: number | null): Promise<{ readonly seen: Seen; readonly created: boolean }>
  /**
   * Stages what `change` makes of the row as its caller sees it; hidden parts stay. Needs the rights to read and to update. FhirError 404
   * where there is no such row for this caller, 410 where it is deleted, 412 where `ifMatch` is not its version.
   */
  patch(ref: Ref, ifMatch: number | null, change: (resource: Resource) => Resource): Promise<Seen>
  /** Stages a deletion; nothing happens to what is absent or hidden. */
  remove(ref: Ref, ifMatch: number | null): Promise<Row | undefined>
  /** The commit of this request takes this criteria's lock: two conditional writes of the same criteria cannot both go through. */
  lock(criteria: string): Promise<void>
  /** From now on each search is reported: the list grows. FhirError 403 for callers whose policy does not allow it. */
  explained(): readonly FindReport[]
  /** Rows that were given to the caller. */
  disclosed(from?: number): readonly Row[]
  /** How many were so far, some of them more than once: what comes is what `disclosed` has from there. */
  disclosures(): number
}
