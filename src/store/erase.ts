/** Erasure of a patient (DESIGN.md §5): the wrapped key, the records and their terms go in one commit, and every process hears of it. */
import { anyTypeTerm } from '../crypto/blind-index.ts'
import { isSealedUnder, open } from '../crypto/envelope.ts'
import type { DataKey, KeyRing } from '../crypto/keys.ts'
import type { Bytes } from '../model/resource.ts'
import type { Key, OutboxEntry, Position, RecordStore, Stored } from './ports.ts'

export interface EraseOptions {
  readonly records: RecordStore
  readonly ring: KeyRing
  readonly tenant: string
  readonly random: (bytes: number) => Bytes
  /** Makes the sealed ledger entry that names the erased record keys. */
  readonly audit: (keys: readonly Key[]) => Promise<OutboxEntry>
}

/** Removes every record of this patient alone; records that name other patients too stay. Returns how many went; null: no such patient. */
export async function erasePatient(options: EraseOptions, patient: string): Promise<{ readonly erased: number; readonly kept: number } | null> {
  const { records, ring, random } = options
  for (;;) {
    await ring.refresh()
    const known = await ring.patientKey(patient)
    // Another process may have erased the patient a moment ago, and made it anew.
    const key = known === undefined ? undefined : await ring.renewed(known)
    if (key === undefined) {
      const left = await eraseLate(options, patient, null)
      return left === 0 ? null : { erased: left, kept: 0 }
    }
    const alone: Stored[] = []
    let kept = 0
    for (const stored of await recordsOf(options, patient)) {
      const opened = await open({ ...placeOf(stored), tenant: options.tenant, ring })
      if (opened === undefined || opened.header.patients.every((each) => each === patient)) alone.push(stored)
      else kept += 1
    }
    const keys = alone.map((stored) => stored.key)
    const result = await records.commit({
      id: random(16), expect: alone.map(({ key, version }) => ({ key, version })), puts: [], rewrites: [], erase: keys,
      documents: [{ name: ring.patientKeyName(patient), expect: null, expires: null, sealed: null }, { ...(await ring.generationBump()), expires: null }],
      outbox: [await options.audit(keys)]
    })
    if (result.kind === 'done') {
      ring.forget(patient)
      return { erased: keys.length + (await eraseLate(options, patient, key)), kept }
    }
  }
}

/**
 * Records that were committed under the key between the look and the erasure. None can come after it: every commit relies on the
 * generation that it sealed under. The patient may be written anew meanwhile, under another key.
 * `dead` null: an erasure that was interrupted here, whose key is not known any more.
 */
async function eraseLate(options: EraseOptions, patient: string, dead: DataKey | null): Promise<number> {
  const { records, random, tenant, ring } = options
  const late: Stored[] = []
  for (const stored of await recordsOf(options, patient)) {
    const gone = dead === null ? (await open({ ...placeOf(stored), tenant, ring })) === undefined : isSealedUnder(stored.sealed, dead)
    if (gone) late.push(stored)
  }
  if (late.length === 0) return 0
  const keys = late.map((stored) => stored.key)
  const expect = late.map(({ key, version }) => ({ key, version }))
  const result = await records.commit({ id: random(16), expect, puts: [], rewrites: [], erase: keys, documents: [], outbox: [await options.audit(keys)] })
  return result.kind === 'done' ? keys.length : eraseLate(options, patient, dead)
}

const placeOf = ({ sealed, key, type, version }: Stored) => ({ sealed, recordKey: key, type, version })

/** Current records under the patient's any-type term, deleted ones (found by their trail) included. */
async function recordsOf({ records, ring }: EraseOptions, patient: string): Promise<readonly Stored[]> {
  const query = { type: null, allOf: [[anyTypeTerm(ring, patient)]], noneOf: [], order: 'newest' as const }
  const keys = new Map<string, Key>()
  for (const search of [records.find.bind(records), records.findVersions.bind(records)]) {
    let after: Position | null = null
    do {
      const page: Awaited<ReturnType<RecordStore['find']>> = await search(query, { after, limit: 1000, examine: 2000 })
      for (const { key } of page.records) keys.set(Buffer.from(key).toString('hex'), key)
      after = page.next
    } while (after !== null)
  }
  const all = [...keys.values()]
  const found: Stored[] = []
  for (let start = 0; start < all.length; start += 1000) {
    for (const stored of await records.get(all.slice(start, start + 1000))) if (stored !== undefined) found.push(stored)
  }
  return found
}
