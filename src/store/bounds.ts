import { StoreTooCostly, TERM_BYTES, type Commit, type Key, type PageAsk, type Put, type TermQuery, type TermsPut } from './ports.ts'

/** Bounds of the port, the same on every adapter. A caller that stays below them holds the event loop for some 10 ms at most. */
export const BOUNDS = {
  limit: 1_000,
  sets: 16,
  setTerms: 4_096,
  queryTerms: 8_192,
  noneOfTerms: 256,
  countMax: 10_000,
  /** R4's own 1,024 (search/extract.ts), and a mark for each parameter of packages. */
  recordTerms: 1_088,
  sealedBytes: 12 * 2 ** 20,
  /** A transaction of ENTRIES_LARGE_MAX entries, and the records that follow from it. */
  commitPuts: 21_000,
  commitBytes: 192 * 2 ** 20,
  getKeys: 1_000
} as const

/** Records that the sealed store asks for at once: the embedded database gives them in one turn of the thread, whatever their size. */
export const ROWS_AT_ONCE = 256

const KEY_BYTES = 16

/** Past a bound: StoreTooCostly. Against the port's contract: TypeError. */
export function checkQuery(query: TermQuery): void {
  if (query.type === null && query.allOf.length === 0) throw new TypeError('A query without a type needs terms')
  atMost(query.allOf.length, BOUNDS.sets, 'sets of a query')
  let terms = 0
  for (const set of query.allOf) {
    atMost(set.length, BOUNDS.setTerms, 'terms of a set')
    terms += set.length
  }
  atMost(terms, BOUNDS.queryTerms, 'terms of a query')
  atMost(query.noneOf.length, BOUNDS.noneOfTerms, 'excluded terms')
}

export function checkAsk(ask: PageAsk): void {
  checkLimit(ask.limit)
  if (!(ask.examine >= 1)) throw new TypeError('A page needs room to examine')
}

export function checkLimit(limit: number, max: number = BOUNDS.limit): void {
  if (!Number.isInteger(limit) || limit < 1) throw new TypeError('A limit is a positive integer')
  atMost(limit, max, 'records of a page')
}

export function checkKey(key: Key): void {
  if (key.length !== KEY_BYTES) throw new TypeError('A key has 16 bytes')
}

export function atMost(size: number, bound: number, what: string): void {
  if (!(size <= bound)) throw new StoreTooCostly(`More than ${bound} ${what}`)
}

/** Checks a commit and answers its size: records written and bytes. */
export function checkCommit(commit: Commit): { readonly puts: number; readonly bytes: number } {
  checkKey(commit.id)
  const terms = commit.terms ?? []
  const puts = commit.puts.length + commit.rewrites.length + commit.erase.length + terms.length
  atMost(puts, BOUNDS.commitPuts, 'records of a commit')
  let bytes = 0
  for (const put of commit.puts) bytes += checkPut(put)
  for (const put of commit.rewrites) bytes += checkPut(put)
  for (const put of terms) bytes += checkTermsPut(put)
  for (const { key } of commit.expect) checkKey(key)
  for (const { name } of commit.expectDocuments ?? []) checkKey(name)
  for (const key of commit.erase) checkKey(key)
  for (const { name, sealed } of commit.documents) {
    checkKey(name)
    bytes += sealed?.length ?? 0
  }
  for (const { id, sealed } of commit.outbox) {
    checkKey(id)
    bytes += sealed.length
  }
  atMost(bytes, BOUNDS.commitBytes, 'bytes of a commit')
  return { puts, bytes }
}

function checkPut(put: Pick<Put, 'key' | 'terms' | 'trail' | 'sealed' | 'expect'>): number {
  checkKey(put.key)
  if (!Number.isSafeInteger(put.expect) || put.expect < 0) throw new TypeError('A version is a whole number')
  checkTerms(put.terms)
  checkTerms(put.trail)
  atMost(put.sealed.length, BOUNDS.sealedBytes, 'bytes of a record')
  return put.sealed.length + put.terms.length + put.trail.length
}

function checkTermsPut({ key, version, sealed, terms }: TermsPut): number {
  checkKey(key)
  if (!Number.isSafeInteger(version) || version < 1) throw new TypeError('A version is a whole number from 1')
  checkTerms(terms)
  atMost(sealed.length, BOUNDS.sealedBytes, 'bytes of a record')
  return sealed.length + terms.length
}

function checkTerms(terms: Uint8Array): void {
  if (terms.length % TERM_BYTES !== 0) throw new TypeError('Terms have 16 bytes each')
  atMost(terms.length / TERM_BYTES, BOUNDS.recordTerms, 'terms of a record')
  for (let at = TERM_BYTES; at < terms.length; at += TERM_BYTES) {
    if (compareAt(terms, at - TERM_BYTES, at) >= 0) throw new TypeError('Terms must be sorted and distinct')
  }
}

function compareAt(bytes: Uint8Array, left: number, right: number): number {
  for (let i = 0; i < TERM_BYTES; i++) {
    const difference = (bytes[left + i] as number) - (bytes[right + i] as number)
    if (difference !== 0) return difference
  }
  return 0
}
