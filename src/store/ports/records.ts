import type { Bytes } from '../../model/resource.ts'

/* ---------- RecordStore: what an adapter implements. It knows no FHIR and no crypto. ---------- */

export type Key = Bytes                                // 16 B  HMAC(type/id)
export type Term = Bytes                               // 16 B  keyed digest, the type inside
export type Terms = Bytes                              // n×16 B concatenated, sorted, distinct
export const TERM_BYTES = 16

/**
 * One current record. `version` starts at 1 and grows by 1. `updated`: ms since 1970, chosen by the caller, never decreasing for one key.
 * A store may give the very same object again for a record that has not changed in any part, and never for one that has.
 */
export interface Stored {
  readonly key: Key
  readonly type: string
  readonly version: number
  readonly updated: number
  readonly deleted: boolean
  readonly sealed: Bytes
}

/** Where a page stopped. A value, not a handle: valid for ever, on every process. */
export interface Position { readonly updated: number; readonly key: Key }

/**
 * All of (any of) and none of. `allOf: []` = every live record of the type. An empty any-of matches nothing (never everything).
 * `type: null` only with a non-empty allOf. Sets are compared by identity for caching: reuse the same array for the same panel.
 */
export interface TermQuery {
  readonly type: string | null
  readonly allOf: readonly (readonly Term[])[]
  readonly noneOf: readonly Term[]
  readonly updated?: { readonly from?: number; readonly before?: number }
  /** `c` of every record that can match is one of these: a store of several shards asks only theirs. Absent: they may lie anywhere. */
  readonly places?: readonly Bytes[]
  readonly order: 'newest' | 'oldest'
}

/** `limit` bounds matches, `examine` bounds work. */
export interface PageAsk { readonly after: Position | null; readonly limit: number; readonly examine: number }

/** `next === null`: nothing more. Otherwise ask again, even if `records` is empty. Never a deleted record. Never a record twice in one page. */
export interface Page { readonly records: readonly Stored[]; readonly next: Position | null; readonly examined: number }

export interface Put {
  readonly key: Key
  readonly type: string
  /** Version replaced; 0 = must not exist. The record's new version is `expect + 1`. */
  readonly expect: number
  readonly updated: number
  readonly deleted: boolean
  /** Where the record lies, 4 bytes: the shard key (`placeOf`). */
  readonly c: Bytes
  /** Ignored for find when deleted. */
  readonly terms: Terms
  /** Terms under which THIS version is found once superseded (visibility only). */
  readonly trail: Terms
  readonly sealed: Bytes
}

/** Other terms under the same version and the same bytes. Of a live record only; where its version or its bytes are others meanwhile: a conflict. */
export interface TermsPut {
  readonly key: Key
  readonly version: number
  /** As they were read. */
  readonly sealed: Bytes
  readonly terms: Terms
}

export interface DocumentPut {
  readonly name: Key
  /** Version replaced; 0 = must be absent; null = any. */
  readonly expect: number | null
  /** ms since 1970; null = never. */
  readonly expires: number | null
  /** null = remove. */
  readonly sealed: Bytes | null
}

export interface OutboxEntry { readonly id: Bytes /* 16 B random */; readonly sealed: Bytes }

export const DONE_KEPT_MS = 24 * 3_600_000
/** Outbox entries that are read at once: those of dead processes wait as long as their slots are held. */
export const OUTBOX_MAX = 10_000

/** Everything or nothing, durable when the promise resolves. */
export interface Commit {
  /** 16 B random; the same id again is `done` and changes nothing (kept at least DONE_KEPT_MS). */
  readonly id: Bytes
  /** Read, relied upon, not written (0 = still absent). */
  readonly expect: readonly { readonly key: Key; readonly version: number }[]
  /** Documents relied upon, not written (0 = still absent): a commit must not outlive the keys that sealed it. */
  readonly expectDocuments?: readonly { readonly name: Key; readonly version: number }[]
  /** A key at most once. */
  readonly puts: readonly Put[]
  /** Same version, new sealed bytes, terms and trail: what is derived from a moved resource. */
  readonly rewrites: readonly (Omit<Put, 'updated' | 'deleted'>)[]
  /** What `reindex` writes, and what gets terms under a key that this commit brings. */
  readonly terms?: readonly TermsPut[]
  /** Physically: record, versions, postings. */
  readonly erase: readonly Key[]
  readonly documents: readonly DocumentPut[]
  /** Ledger entries of this write, unsequenced: the sequencer numbers them. */
  readonly outbox: readonly OutboxEntry[]
}

/** conflict: nothing was written; `keys` are the record keys and document names that were not as expected. */
export type Committed = { readonly kind: 'done' } | { readonly kind: 'conflict'; readonly keys: readonly Key[] }

export interface RecordStore {
  /** In the order asked, undefined where absent. One consistent read. ≤ 1,000 keys. Deleted records are returned (410 needs them). */
  get(keys: readonly Key[]): Promise<readonly (Stored | undefined)[]>
  find(query: TermQuery, ask: PageAsk): Promise<Page>
  /** Distinct live records; stops at `max` and says so. */
  count(query: TermQuery, max: number): Promise<{ readonly count: number; readonly more: boolean }>
  /** Versions of one record, newest first, the current one included; `before` exclusive. */
  versions(key: Key, before: number | null, limit: number): Promise<readonly Stored[]>
  version(key: Key, version: number): Promise<Stored | undefined>
  /** As find, over current AND superseded versions by terms/trail (type and system history). */
  findVersions(query: TermQuery, ask: PageAsk): Promise<Page>
  /** Every record, deleted ones included, in stable key order, for reindex, verify and move. */
  scan(after: Key | null, limit: number): Promise<readonly Stored[]>
  commit(commit: Commit): Promise<Committed>
  /** Expired = absent, at the ms. */
  document(name: Key): Promise<{ readonly version: number; readonly sealed: Bytes } | undefined>
  /** Read and remove, exactly once (authorization codes, jti). */
  take(name: Key): Promise<Bytes | undefined>
  /** Outbox entries in commit order, for the sequencer; `limit` ≤ OUTBOX_MAX. */
  outbox(limit: number): Promise<readonly OutboxEntry[]>
  outboxDone(ids: readonly Bytes[]): Promise<void>
  health(): Promise<void>
  /** Waits for commits in flight. */
  close(): Promise<void>
}
