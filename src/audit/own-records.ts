import type { AccessRecord } from './record.ts'
import { hex } from './record.ts'

/** Records that this process sealed a moment ago, so that its sequencer indexes them without opening them again. Only a saving of work. */
export interface OwnRecords {
  add(id: Uint8Array, record: AccessRecord, at: number): void
  /** The record of an entry, once, and the time of its sealing. Undefined for what others sealed, or what was long ago. */
  take(id: Uint8Array): OwnRecord | undefined
}

export interface OwnRecord { readonly record: AccessRecord; readonly at: number }

/** Some seconds of a busy server; past that the oldest are forgotten, and opened when their turn comes. */
const KEPT_MAX = 10_000

export function ownRecords(keptMax = KEPT_MAX): OwnRecords {
  const kept = new Map<string, OwnRecord>()
  return {
    add(id, record, at) {
      if (kept.size >= keptMax) kept.delete(kept.keys().next().value!)
      kept.set(hex(id), { record, at })
    },
    take(id) {
      const name = hex(id)
      const found = kept.get(name)
      if (found !== undefined) kept.delete(name)
      return found
    }
  }
}
