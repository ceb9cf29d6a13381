/**
 * Copies a store row by row into another kind of store, and compares the two. Rows go over in the order of their keys, so that a move that was cut
 * off goes on behind the last row there. Sealed bytes stay as they are.
 */
import { createHash, type Hash } from 'node:crypto'
import { placeOf } from '../crypto/blind-index.ts'
import { open } from '../crypto/envelope.ts'
import type { KeyRing } from '../crypto/keys.ts'
import type { Bytes } from '../model/resource.ts'
import { DONE_KEPT_MS, type Key, type LedgerEntry, type LedgerStore } from './ports.ts'
import type { DocumentCopy, DoneCopy, PostingCopy, RecordCopy, Transfer, VersionCopy } from './ports/transfer.ts'

export interface MoveSide { readonly transfer: Transfer; readonly ledger: LedgerStore }

export interface Move {
  readonly from: MoveSide
  readonly to: MoveSide
  /** Of the source: a target that shards by patient needs to know whose a record is. */
  readonly ring: KeyRing
  readonly tenant: string
  /** Documents that say that a move is under way. */
  readonly marks: readonly Key[]
  /** ms since 1970. */
  readonly now: () => number
  /** So many rows more were copied or compared. */
  readonly progress: (rows: number) => void
}

const ROWS = 200
const POSTINGS = 2_000
/** What expires before this while the two sides are compared may be gone from one of them. */
const EXPIRY_MS = 600_000

/** Rows of the source: each is copied once and then compared. */
export async function rowsOf({ transfer, ledger }: MoveSide): Promise<number> {
  const { records, versions } = await transfer.counts()
  let entries = 0
  for (const log of await ledger.logs()) entries += (await ledger.head(log)).seq
  return records + versions + entries
}

export async function copyAll(move: Move): Promise<void> {
  for (const log of await move.from.ledger.logs()) await copyLog(move, log)
  await copyRecords(move)
  await copyVersions(move)
  for await (const page of documentPages(move, move.from)) await move.to.transfer.putDocuments(page)
  for await (const page of donePages(move, move.from)) await move.to.transfer.putDone(page)
}

async function copyLog({ from, to, progress }: Move, log: Bytes): Promise<void> {
  for (;;) {
    const { seq } = await to.ledger.head(log)
    const entries = await from.ledger.entries(log, seq + 1, ROWS, 'oldest')
    if (entries.length === 0) break
    await to.transfer.putEntries(log, entries)
    progress(entries.length)
  }
  for await (const page of postingPages(from, log)) await to.transfer.putPostings(log, page)
  await to.ledger.index(log, await from.ledger.indexed(log), [])
}

async function copyRecords(move: Move): Promise<void> {
  const { from, to, progress } = move
  for (let after = await to.transfer.lastRecord(); ;) {
    const page = await from.transfer.records(after, ROWS)
    const last = page.at(-1)
    if (last === undefined) return
    await to.transfer.putRecords(await Promise.all(page.map(async (copy) => ({ ...copy, c: copy.c ?? await placeOfCopy(move, copy) }))))
    progress(page.length)
    after = last.key
  }
}

/** As store/sealed-commit.ts places a record: with its patient, where it names one alone. */
async function placeOfCopy({ ring, tenant }: Move, { sealed, key, type, version }: RecordCopy): Promise<Bytes> {
  const opened = await open({ sealed, recordKey: key, type, version, tenant, ring })
  const patients = opened?.header.patients ?? []
  return placeOf(ring, patients, key)
}

async function copyVersions({ from, to, progress }: Move): Promise<void> {
  for (let after = await to.transfer.lastVersion(); ;) {
    const page = await from.transfer.versions(after, ROWS)
    const last = page.at(-1)
    if (last === undefined) return
    await to.transfer.putVersions(page)
    progress(page.length)
    after = last
  }
}

/** What differs between the two, in words; empty where they are equal. */
export async function differences(move: Move): Promise<readonly string[]> {
  const found: string[] = []
  const compare = async (what: string, digestOf: (side: MoveSide, counted: boolean) => Promise<Digest>): Promise<void> => {
    const [one, other] = [await digestOf(move.from, true), await digestOf(move.to, false)]
    if (one.rows !== other.rows || one.sha256 !== other.sha256) found.push(`${what}: ${one.rows} in the source, ${other.rows} in the target${one.rows === other.rows ? ', not the same' : ''}`)
  }
  // First, since the nearest expiries are left out by the time of this call.
  const until = move.now() + EXPIRY_MS
  await compare('documents', (side) => digest(documentPages(move, side, until), hashDocument))
  await compare('ids of commits', (side) => digest(donePages(move, side, until), hashDone))
  const logs = await move.from.ledger.logs()
  const names = (side: readonly Bytes[]): string => side.map((log) => Buffer.from(log).toString('hex')).sort().join()
  if (names(logs) !== names(await move.to.ledger.logs())) found.push('the logs of the ledger are not the same')
  for (const log of logs) {
    const slot = Buffer.from(log).toString('latin1').replace(/[^a-z]/g, '')
    await compare(`entries of a log ${slot}`, (side, counted) => digest(entryPages(side, log), hashEntry, counted ? move.progress : undefined))
    await compare(`index of a log ${slot}`, (side) => digest(postingPages(side, log), hashPosting))
    if (await move.from.ledger.indexed(log) !== await move.to.ledger.indexed(log)) found.push(`the index of a log ${slot} ends elsewhere`)
  }
  await compare('records', (side, counted) => digest(recordPages(side), hashRecord, counted ? move.progress : undefined))
  await compare('versions', (side, counted) => digest(versionPages(side), hashVersion, counted ? move.progress : undefined))
  return found
}

/* ---------- Pages of one side, in the order that both sides share. ---------- */

async function* pagesOf<T>(ask: (last: T | null) => Promise<readonly T[]>): AsyncGenerator<readonly T[]> {
  for (let last: T | null = null; ;) {
    const page: readonly T[] = await ask(last)
    if (page.length === 0) return
    yield page
    last = page.at(-1)!
  }
}

const recordPages = ({ transfer }: MoveSide) => pagesOf<RecordCopy>((last) => transfer.records(last?.key ?? null, ROWS))
const versionPages = ({ transfer }: MoveSide) => pagesOf<VersionCopy>((last) => transfer.versions(last, ROWS))
const postingPages = ({ transfer }: MoveSide, log: Bytes) => pagesOf<PostingCopy>((last) => transfer.postings(log, last, POSTINGS))
const entryPages = ({ ledger }: MoveSide, log: Bytes) => pagesOf<LedgerEntry>((last) => ledger.entries(log, (last?.seq ?? 0) + 1, ROWS, 'oldest'))

/** `from`: only those that live at least as long. */
async function* documentPages({ marks, now }: Move, { transfer }: MoveSide, from = now()): AsyncGenerator<readonly DocumentCopy[]> {
  const isMark = (name: Key): boolean => marks.some((mark) => Buffer.compare(mark, name) === 0)
  for await (const page of pagesOf<DocumentCopy>((last) => transfer.documents(last?.name ?? null, ROWS)))
    yield page.filter(({ name, expires }) => !isMark(name) && (expires === null || expires > from))
}

/** `from`: only those that are kept as long. */
async function* donePages({ now }: Move, { transfer }: MoveSide, from = now()): AsyncGenerator<readonly DoneCopy[]> {
  for await (const page of pagesOf<DoneCopy>((last) => transfer.done(last?.id ?? null, POSTINGS))) yield page.filter(({ at }) => at + DONE_KEPT_MS > from)
}

/* ---------- Digests: count and SHA-256 over all rows. ---------- */

interface Digest { readonly rows: number; readonly sha256: string }

async function digest<T>(pages: AsyncIterable<readonly T[]>, add: (hash: Hash, row: T) => void, progress: (rows: number) => void = () => undefined): Promise<Digest> {
  const hash = createHash('sha256')
  let rows = 0
  for await (const page of pages) {
    for (const row of page) add(hash, row)
    rows += page.length
    progress(page.length)
  }
  return { rows, sha256: hash.digest('hex') }
}

/** Each part after its length, so that no two rows give the same bytes. */
function parts(hash: Hash, ...all: readonly (Uint8Array | string | number | boolean | null)[]): void {
  for (const part of all) {
    const bytes = part instanceof Uint8Array ? part : Buffer.from(String(part))
    hash.update(`${bytes.length}:`).update(bytes)
  }
}

const hashRecord = (hash: Hash, { key, type, version, updated, deleted, terms, trail, sealed }: RecordCopy): void => parts(hash, key, type, version, updated, deleted, terms, trail, sealed)
const hashVersion = (hash: Hash, { key, type, version, updated, deleted, trail, sealed }: VersionCopy): void => parts(hash, key, type, version, updated, deleted, trail, sealed)
const hashDocument = (hash: Hash, { name, version, expires, sealed }: DocumentCopy): void => parts(hash, name, version, expires, sealed)
const hashDone = (hash: Hash, { id, at }: DoneCopy): void => parts(hash, id, at)
const hashEntry = (hash: Hash, { seq, id, sealed, link }: LedgerEntry): void => parts(hash, seq, id, sealed, link)
const hashPosting = (hash: Hash, { term, seq }: PostingCopy): void => parts(hash, term, seq)
