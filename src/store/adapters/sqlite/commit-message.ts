/** A commit as it passes to the writer thread: each buffer costs a message about as much as a record, so all bytes go in one, in a fixed order. */
import type { Bytes } from '../../../model/resource.ts'
import type { Commit, Put } from '../../ports.ts'

export interface CommitMessage {
  readonly bytes: Bytes
  /** Of each part of `bytes`, one after the other. */
  readonly lengths: readonly number[]
  readonly expect: readonly number[]
  readonly expectDocuments: readonly number[]
  readonly puts: readonly PutMessage[]
  readonly rewrites: readonly RewriteMessage[]
  readonly terms: readonly number[]
  readonly erase: number
  readonly documents: readonly { readonly expect: number | null; readonly expires: number | null; readonly isRemoved: boolean }[]
  readonly outbox: number
}

type Rewrite = Commit['rewrites'][number]
type PutMessage = Pick<Put, 'type' | 'expect' | 'updated' | 'deleted'>
type RewriteMessage = Pick<Rewrite, 'type' | 'expect'>

export function packed(commit: Commit): CommitMessage {
  const parts: Uint8Array[] = [commit.id]
  const record = ({ key, c, terms, trail, sealed }: Rewrite): void => void parts.push(key, c, terms, trail, sealed)
  const shape = {
    expect: commit.expect.map(({ key, version }) => (parts.push(key), version)),
    expectDocuments: (commit.expectDocuments ?? []).map(({ name, version }) => (parts.push(name), version)),
    puts: commit.puts.map((put): PutMessage => (record(put), { type: put.type, expect: put.expect, updated: put.updated, deleted: put.deleted })),
    rewrites: commit.rewrites.map((put): RewriteMessage => (record(put), { type: put.type, expect: put.expect })),
    terms: (commit.terms ?? []).map(({ key, version, sealed, terms }) => (parts.push(key, sealed, terms), version)),
    erase: commit.erase.map((key) => parts.push(key)).length,
    documents: commit.documents.map(({ name, expect, expires, sealed }) => {
      parts.push(name)
      if (sealed !== null) parts.push(sealed)
      return { expect, expires, isRemoved: sealed === null }
    }),
    outbox: commit.outbox.map(({ id, sealed }) => parts.push(id, sealed)).length
  }
  const lengths = parts.map(({ length }) => length)
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return { bytes, lengths, ...shape }
}

/** The same commit; its bytes are views. */
export function unpacked(message: CommitMessage): Commit {
  const { bytes, lengths } = message
  let [at, part] = [0, 0]
  const next = (): Bytes => bytes.subarray(at, (at += lengths[part++]!))
  const record = () => ({ key: next(), c: next(), terms: next(), trail: next(), sealed: next() })
  const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make)
  return {
    id: next(),
    expect: message.expect.map((version) => ({ key: next(), version })),
    expectDocuments: message.expectDocuments.map((version) => ({ name: next(), version })),
    puts: message.puts.map((shape) => ({ ...shape, ...record() })),
    rewrites: message.rewrites.map((shape) => ({ ...shape, ...record() })),
    terms: message.terms.map((version) => ({ key: next(), version, sealed: next(), terms: next() })),
    erase: times(message.erase, next),
    documents: message.documents.map(({ isRemoved, ...shape }) => ({ ...shape, name: next(), sealed: isRemoved ? null : next() })),
    outbox: times(message.outbox, () => ({ id: next(), sealed: next() }))
  }
}
