import type { ClientSession } from 'mongodb'
import { StoreUnknown, type Commit, type Committed, type Key } from '../../ports.ts'
import { binary, hexOf, pieces } from './bytes.ts'
import type { Database } from './database.ts'
import { documentsOf, liveVersion, putDocuments, register, rely, takeLocks } from './documents.ts'
import { eraseRecords, notAsRead, putRecords, putTerms, relyOnRecords, rewriteRecords } from './records.ts'
import { WRITES_AT_ONCE, type Run } from './run.ts'
import type { DirectoryDocument } from './schema.ts'
import { transact, type Outcome } from './transaction.ts'

const KEYS_AT_ONCE = 1_000

/** `n`: place in commit order. Nothing is written on a conflict. What is unknown is asked again by the commit's id, once. */
export async function applyCommit(base: Database, commit: Commit, n: number): Promise<Committed> {
  try {
    return await tryCommit(base, commit, n)
  } catch (error) {
    if (!(error instanceof StoreUnknown)) throw error
    return await tryCommit(base, commit, n).catch(() => { throw error })
  }
}

async function tryCommit(base: Database, commit: Commit, n: number): Promise<Committed> {
  noneTwice(commit)
  for (;;) {
    const outcome = await transact(base, (session) => attempt(base, session, commit, n))
    if (outcome === 'done') return { kind: 'done' }
    if (outcome === 'again') {
      await settle(base, commit)
      return { kind: 'done' }
    }
    if ('keys' in outcome) return { kind: 'conflict', keys: outcome.keys }
    await register(base, outcome.unregistered)
  }
}

type Attempt = 'done' | 'again' | { readonly keys: readonly Key[] } | { readonly unregistered: readonly Key[] }

async function attempt(base: Database, session: ClientSession, commit: Commit, n: number): Promise<Outcome<Attempt>> {
  if (await base.in.done.findOne({ _id: binary(commit.id) }, { session, projection: { _id: 1 } }) !== null) return { value: 'again', keep: false }
  const at = base.now()
  const documents = await documentsOf(base, session, [...commit.documents, ...commit.expectDocuments ?? []].map(({ name }) => name))
  // First of all, so that what others commit meanwhile is least likely to be in the way: they are many, an erasure is one.
  await takeLocks({ base, session, id: commit.id, documents }, commit.documents)
  const terms = commit.terms ?? []
  const heads = await headsOf(base, session, [...commit.puts, ...commit.rewrites, ...terms, ...commit.expect].map(({ key }) => key).concat(commit.erase))
  const run: Run = { base, session, id: commit.id, at, heads, documents }
  const keys = [...conflicts(run, commit), ...terms.length === 0 ? [] : await notAsRead(run, terms)]
  if (keys.length > 0) return { value: { keys }, keep: false }
  const unregistered = (commit.expectDocuments ?? []).map(({ name }) => name).filter((name) => documents.get(hexOf(name))?.relied !== true)
  if (unregistered.length > 0) return { value: { unregistered }, keep: false }
  await rely(run, (commit.expectDocuments ?? []).map(({ name }) => name))
  const written = new Set([...commit.puts, ...commit.rewrites, ...terms].map(({ key }) => key).concat(commit.erase).map(hexOf))
  await relyOnRecords(run, commit.expect.filter(({ key }) => !written.has(hexOf(key))))
  await putRecords(run, commit.puts)
  await rewriteRecords(run, commit.rewrites)
  if (terms.length > 0) await putTerms(run, terms)
  await eraseRecords(run, commit.erase)
  await putDocuments(run, commit.documents)
  for (const piece of pieces(commit.outbox, WRITES_AT_ONCE)) {
    await base.in.outbox.insertMany(piece.map(({ id, sealed }) => ({ _id: binary(id), n, sealed: binary(sealed) })), { session })
  }
  await base.in.done.insertOne({ _id: binary(commit.id), at: new Date(at) }, { session })
  return { value: 'done', keep: true }
}

// The id was seen before most members had it, perhaps: a write after it is acknowledged only when they have both.
async function settle(base: Database, commit: Commit): Promise<void> {
  await base.in.done.updateOne({ _id: binary(commit.id) }, { $set: { at: new Date(base.now()) } })
}

async function headsOf(base: Database, session: ClientSession, keys: readonly Key[]): Promise<Map<string, DirectoryDocument>> {
  const heads = new Map<string, DirectoryDocument>()
  for (const piece of pieces(keys, KEYS_AT_ONCE)) {
    const found = await base.in.directory.find({ _id: { $in: piece.map(binary) } }, { session, batchSize: KEYS_AT_ONCE }).toArray()
    for (const head of found) heads.set(hexOf(head._id), head)
  }
  return heads
}

function conflicts({ heads, documents, at }: Run, commit: Commit): Key[] {
  const keys: Key[] = []
  const isRecord = (key: Key, version: number): boolean => (heads.get(hexOf(key))?.version ?? 0) === version
  const isDocument = (name: Key, version: number): boolean => liveVersion(documents.get(hexOf(name)), at) === version
  for (const { key, version } of commit.expect) if (!isRecord(key, version)) keys.push(key)
  for (const { name, version } of commit.expectDocuments ?? []) if (!isDocument(name, version)) keys.push(name)
  for (const { key, expect } of [...commit.puts, ...commit.rewrites]) if (!isRecord(key, expect)) keys.push(key)
  for (const { name, expect } of commit.documents) if (expect !== null && !isDocument(name, expect)) keys.push(name)
  return keys
}

function noneTwice(commit: Commit): void {
  const keys = [...commit.puts, ...commit.rewrites, ...commit.terms ?? []].map(({ key }) => hexOf(key))
  if (new Set(keys).size !== keys.length) throw new TypeError('A key occurs twice in a commit')
}

/** What a commit touches, for the order of commits within the process. */
export function namesOf(commit: Commit): { readonly exclusive: readonly string[]; readonly shared: readonly string[] } {
  const keys = [...commit.puts, ...commit.rewrites, ...commit.terms ?? [], ...commit.expect].map(({ key }) => key).concat(commit.erase)
  const exclusive = new Set([...keys, ...commit.documents.map(({ name }) => name), commit.id].map(hexOf))
  const shared = new Set((commit.expectDocuments ?? []).map(({ name }) => hexOf(name)).filter((name) => !exclusive.has(name)))
  return { exclusive: [...exclusive], shared: [...shared] }
}

