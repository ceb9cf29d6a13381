import { HOMOPHONES, patientTerm, placesOf, populationTerm } from '../crypto/blind-index.ts'
import type { DataKey, KeyRing } from '../crypto/keys.ts'
import type { Plan, TermAsk } from '../search/query.ts'
import { patientTerms } from './patient-terms.ts'
import type { FindAsk, Term, TermQuery } from './ports.ts'

interface BlindOptions {
  readonly ring: KeyRing
  readonly termsMax: number
}

/**
 * A plan as keyed terms. Null when nothing can match. Patient-level asks need patients to key them by: those of the query,
 * else those of the reach; without any they are left to confirmation.
 */
export async function blindQuery(options: BlindOptions, ask: FindAsk, planned: Plan): Promise<TermQuery | null> {
  const { ring, termsMax } = options
  const { patients, beside } = anchor(ask, planned)
  const allOf: (readonly Term[])[] = beside === null ? [] : [panelTerms(ring, ask.type, beside)]
  if (patients?.length === 0) return null
  // Terms made under the patients' own keys name those patients already.
  let named = patients === null
  for (const conjunct of planned.conjuncts) {
    const terms = await conjunctTerms(options, ask.type, conjunct, patients)
    if (terms === null || terms.length > termsMax) continue
    if (terms.length === 0) return null
    allOf.push(terms)
    named ||= conjunct.every(({ level }) => level === 'patient')
  }
  if (!named) allOf.unshift(panelTerms(ring, ask.type, patients!))
  // The adapter takes a bounded number of sets; the smallest say most, and whatever is left out is confirmed after opening.
  if (allOf.length > SETS_MAX) allOf.sort((a, b) => a.length - b.length).splice(SETS_MAX)
  const places = patients === null ? {} : { places: placesOf(ring, patients) }
  return { type: ask.type, allOf, noneOf: [], order: ask.order, ...(planned.updated === null ? {} : { updated: planned.updated }), ...places }
}

const SETS_MAX = 16

/** `patients`: one of them is named by every match, and keys its terms; `beside`: so is one of these. Null: not restricted. */
interface Anchor { readonly patients: readonly string[] | null; readonly beside: readonly string[] | null }

/** A record of several patients may be asked for by one of them and be within reach by another, where the reach takes such records. */
function anchor({ reach }: FindAsk, { patients }: Plan): Anchor {
  if (reach.kind === 'all') return { patients, beside: null }
  if (patients === null) return { patients: reach.patients, beside: null }
  const within = new Set(reach.patients)
  const both = patients.filter((patient) => within.has(patient))
  return reach.shared && both.length < patients.length ? { patients, beside: reach.patients } : { patients: both, beside: null }
}

async function conjunctTerms(options: BlindOptions, type: string, conjunct: readonly TermAsk[], patients: readonly string[] | null): Promise<readonly Term[] | null> {
  const { ring, termsMax } = options
  const shared = conjunct.filter(({ level }) => level !== 'patient').map((ask) => populationTerm(ring, type, ask))
  const own = conjunct.filter(({ level }) => level === 'patient')
  if (own.length === 0) return shared
  if (patients === null || patients.length * own.length * HOMOPHONES + shared.length > termsMax) return null
  const sets: (readonly Term[])[] = shared.length === 0 ? [] : [shared]
  for (const patient of patients) {
    const key: DataKey | undefined = await ring.patientKey(patient)
    // What an erasure left of several patients names the erased one still, under no key.
    sets.push(key === undefined ? [patientTerm(ring, type, patient)] : patientTerms(ring, key, type, own))
  }
  return sets.length === 1 ? sets[0]! : sets.flat()
}

/** Terms of a panel keep their array identity while the caller's array does, so that the adapter's set cache works. */
const panels = new WeakMap<readonly string[], Map<string, readonly Term[]>>()

export function panelTerms(ring: KeyRing, type: string, patients: readonly string[]): readonly Term[] {
  let byType = panels.get(patients)
  if (byType === undefined) panels.set(patients, (byType = new Map()))
  let terms = byType.get(type)
  if (terms === undefined) byType.set(type, (terms = patients.map((patient) => patientTerm(ring, type, patient))))
  return terms
}
