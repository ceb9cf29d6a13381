import type { ClientSession } from 'mongodb'
import type { Commit } from '../../ports.ts'
import type { Database } from './database.ts'
import type { DirectoryDocument, DocumentDocument } from './schema.ts'

/** A commit as it runs in its transaction: its id, its time, and what was there before it. */
export interface Run {
  readonly base: Database
  readonly session: ClientSession
  readonly id: Commit['id']
  readonly at: number
  /** Rows of the directory by key (hexadecimal). */
  readonly heads: ReadonlyMap<string, DirectoryDocument>
  readonly documents: Documents
}

/** Stored documents by name (hexadecimal), expired ones and those of version 0 included. */
export type Documents = ReadonlyMap<string, DocumentDocument>

/** An `insertMany` or `bulkWrite` takes so many at most. */
export const WRITES_AT_ONCE = 1_000
