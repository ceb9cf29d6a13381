/**
 * Terms that a search asks of one patient. Who looks at a chart asks the same again and again, and the months of a year are 208 terms of 52
 * digests: what was made a moment ago is given again, only while the key that made it is held.
 */
import { LRUCache } from 'lru-cache'
import { patientLevelTerms } from '../crypto/blind-index.ts'
import { byteText, lengthPrefixed } from '../crypto/bytes.ts'
import type { DataKey, KeyRing } from '../crypto/keys.ts'
import type { TermAsk } from '../search/query.ts'
import type { Term } from './ports.ts'

type TermsRing = Pick<KeyRing, 'terms' | 'epoch' | 'drops'>

interface Kept { readonly key: DataKey; readonly terms: readonly Term[] }

interface Made { readonly byName: LRUCache<string, Kept>; drops: number }

/** Terms kept, of some 150 bytes each. */
const TERMS_MAX = 100_000

const rings = new WeakMap<TermsRing, Made>()

/** The terms of all asks under the patient's key; the same array again, so that what an adapter keeps of a set holds too. */
export function patientTerms(ring: TermsRing, key: DataKey, type: string, asks: readonly TermAsk[]): readonly Term[] {
  const { byName } = madeOf(ring)
  const name = lengthPrefixed([byteText(key.id), String(ring.epoch), type, ...asks.flatMap(({ code, value }) => [code, value])])
  const kept = byName.get(name)
  if (kept?.key === key) return kept.terms
  const terms = asks.flatMap((ask) => patientLevelTerms(ring, key, type, ask))
  byName.set(name, { key, terms })
  return terms
}

function madeOf(ring: TermsRing): Made {
  let made = rings.get(ring)
  if (made === undefined) rings.set(ring, (made = { byName: new LRUCache<string, Kept>({ maxSize: TERMS_MAX, sizeCalculation: ({ terms }) => terms.length }), drops: ring.drops }))
  // A key was dropped, perhaps because its patient was erased: nothing that it made stays in memory.
  if (made.drops !== ring.drops) {
    made.byName.clear()
    made.drops = ring.drops
  }
  return made
}
