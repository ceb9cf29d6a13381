/** Terms made anew for records that stay as they are: by a reindex, and where a patient gets a key again. */
import { anyTypeTerm } from '../crypto/blind-index.ts'
import { open } from '../crypto/envelope.ts'
import type { DataKey } from '../crypto/keys.ts'
import { fault, FhirError } from '../model/errors.ts'
import type { Resource } from '../model/resource.ts'
import { BOUNDS } from './bounds.ts'
import { type Key, type Position, type Stored, TERM_BYTES, type Terms, type TermsPut } from './ports.ts'
import { recordTerms } from './record-terms.ts'
import type { SealedStoreOptions } from './sealed-options.ts'

type KeyOf = (patient: string) => DataKey | undefined | Promise<DataKey | undefined>

export interface StoredTerms {
  readonly puts: readonly TermsPut[]
  /** What a commit of them relies on: a patient who had no key may get one, and the records terms under it, while they are made. */
  readonly expectDocuments: readonly { readonly name: Key; readonly version: number }[]
  /** Types of records that hold more than the index takes. */
  readonly unfit: ReadonlySet<string>
}

/** The terms of live records. Deleted ones have none but their trail, and erased ones none at all. */
export async function storedTerms(options: SealedStoreOptions, page: readonly Stored[], keyOf: KeyOf): Promise<StoredTerms> {
  const puts: TermsPut[] = []
  const keyless = new Set<string>()
  const unfit = new Set<string>()
  for (const { key, type, version, sealed, deleted } of page) {
    if (deleted) continue
    const opened = await open({ sealed, recordKey: key, type, version, tenant: options.tenant, ring: options.ring })
    if (opened === undefined) continue
    const keys: DataKey[] = []
    // Of an erased patient there is no key, and none is made: what others' records still say of them is found by those others.
    for (const patient of opened.header.patients) {
      const patientKey = await keyOf(patient)
      if (patientKey !== undefined) keys.push(patientKey)
      else keyless.add(patient)
    }
    const resource = options.parse(opened.body) as Resource
    const terms = fitting(() => recordTerms(options, { resource, patients: opened.header.patients, keys, key, deleted }).terms)
    if (terms === null) unfit.add(type)
    else puts.push({ key, version, sealed, terms })
  }
  return { puts, unfit, expectDocuments: [...keyless].map((patient) => ({ name: options.ring.patientKeyName(patient), version: 0 })) }
}

const NOTHING: StoredTerms = { puts: [], unfit: new Set(), expectDocuments: [] }
const PATIENTS_AT_ONCE = 1_000
const RECORDS_MAX = 1_000

/**
 * An erasure leaves records that name other patients too. Once the erased one has a key again, searches ask for terms under it: those of what was left go
 * into the commit that brings the key. `but`: what that commit writes itself. FhirError 422 where more than 1,000 were left.
 */
export async function termsUnderNewKeys(options: SealedStoreOptions, fresh: ReadonlyMap<string, DataKey>, but: readonly Key[]): Promise<StoredTerms> {
  const { ring, records } = options
  // Nobody was erased from this store yet.
  if (fresh.size === 0 || ring.generation().version === 0) return NOTHING
  const written = new Set(but.map(textOf))
  const left = new Map<string, Stored>()
  const patients = [...fresh.keys()]
  for (let start = 0; start < patients.length; start += PATIENTS_AT_ONCE) {
    const terms = patients.slice(start, start + PATIENTS_AT_ONCE).map((patient) => anyTypeTerm(ring, patient))
    for (let after: Position | null = null, more = true; more;) {
      const page: Awaited<ReturnType<typeof records.find>> = await records.find({ type: null, allOf: [terms], noneOf: [], order: 'newest' }, { after, limit: 1_000, examine: 2_000 })
      for (const stored of page.records) if (!written.has(textOf(stored.key))) left.set(textOf(stored.key), stored)
      if (left.size > RECORDS_MAX) throw fault(422, 'too-costly', `More than ${RECORDS_MAX} records name a patient who was erased`)
      after = page.next
      more = after !== null
    }
  }
  const terms = await storedTerms(options, [...left.values()], (patient) => fresh.get(patient) ?? ring.patientKey(patient))
  if (terms.unfit.size > 0) throw fault(413, 'too-long', 'A record that names an erased patient has no room for the terms of a new one')
  return terms
}

const textOf = (key: Key): string => Buffer.from(key).toString('latin1')

/** Null: more than the index takes. */
function fitting(make: () => Terms): Terms | null {
  try {
    const terms = make()
    return terms.length > BOUNDS.recordTerms * TERM_BYTES ? null : terms
  } catch (error) {
    if (error instanceof FhirError) return null
    throw error
  }
}
