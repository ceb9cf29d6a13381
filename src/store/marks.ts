/** Documents that keep servers and commands off a store while `wardkeep move` works on it. Their names are not keyed: they are looked for before any key is known. */
import { createHash } from 'node:crypto'
import type { Key, RecordStore } from './ports.ts'

const nameOf = (what: string): Key => Uint8Array.from(createHash('sha256').update(`wardkeep-move ${what}`).digest().subarray(0, 16))

export const SOURCE_MARK = nameOf('source')
export const TARGET_MARK = nameOf('target')

/** Throws one line where the store is the source or the unfinished target of a move. */
export async function refuseMoved(records: Pick<RecordStore, 'document'>): Promise<void> {
  if (await records.document(TARGET_MARK) !== undefined) throw new Error('A move into this store is not finished: run it again')
  if (await records.document(SOURCE_MARK) !== undefined)
    throw new Error('This store was moved, or is being moved: use the other one, or give up the move (wardkeep move --from URL --abandon)')
}
