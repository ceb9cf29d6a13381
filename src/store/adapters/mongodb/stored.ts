import type { Key, Stored } from '../../ports.ts'
import { bytesOf } from './bytes.ts'
import type { RecordDocument } from './schema.ts'

/** A document of either collection as the port gives it; of a version the key is given. */
export function storedOf(document: Omit<RecordDocument, 'terms' | 'trail'>, key: Key = bytesOf(document._id)): Stored {
  const { type, version, updated, deleted, sealed } = document
  return { key, type, version, updated, deleted, sealed: bytesOf(sealed) }
}
