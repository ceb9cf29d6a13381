import { byteText } from '../crypto/bytes.ts'
import type { EntryTerms } from '../store/ports.ts'

/** Index terms of the entries that this process sealed a moment ago, so that its sequencer need not open them again. Only a saving of work. */
export interface OwnTerms {
  add(id: Uint8Array, terms: EntryTerms): void
  /** The terms of an entry, once. Undefined for what others sealed, or what was long ago. */
  take(id: Uint8Array): EntryTerms | undefined
  /** Others may have numbered any of the entries meanwhile. */
  clear(): void
}

/** Some seconds of a busy server; past that the oldest are forgotten, and their entries opened when their turn comes. */
const KEPT_MAX = 10_000

export function ownTerms(keptMax = KEPT_MAX): OwnTerms {
  const kept = new Map<string, EntryTerms>()
  return {
    add(id, terms) {
      if (kept.size >= keptMax) kept.delete(kept.keys().next().value!)
      kept.set(byteText(id), terms)
    },
    take(id) {
      const name = byteText(id)
      const found = kept.get(name)
      if (found !== undefined) kept.delete(name)
      return found
    },
    clear: () => kept.clear()
  }
}
