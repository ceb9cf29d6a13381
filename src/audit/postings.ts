/** The ledger's own blind index: keyed terms of what an entry is about, so that "who saw this patient" opens few entries. */
import type { KeyObject } from 'node:crypto'
import { hmac256 } from '../crypto/mac.ts'
import { LIST_MIN, memoized, memoizedList } from '../model/memo.ts'
import type { EntryTerms, Term } from '../store/ports.ts'
import { type AccessRecord, outcomeOf, type Touched } from './record.ts'

/** Kinds of terms. `agent`: `Practitioner/12`, `issuer|subject` or `|client`; `entity`: `Type/id`; `day`: UTC, `2026-03-01`. */
export type TermKind = 'patient' | 'agent' | 'kind' | 'entity' | 'outcome' | 'day'

export interface Blinder {
  term(kind: TermKind, value: string): Term
  /** All terms of a record, some of them twice. `at`: the time of sealing, where the record does not hold it yet. */
  terms(record: AccessRecord, at?: number): EntryTerms
}

/** Of each kind. */
const TERMS_CACHED_MAX = 20_000

export function blinder(index: KeyObject): Blinder {
  const cached = new Map<TermKind, Map<string, Term>>()
  const term = (kind: TermKind, value: string): Term => {
    let ofKind = cached.get(kind)
    if (ofKind === undefined) cached.set(kind, (ofKind = new Map()))
    const known = ofKind.get(value)
    if (known !== undefined) return known
    const made = Uint8Array.from(hmac256(index, `ledger ${kind}\n${value}`).subarray(0, 16))
    if (ofKind.size >= TERMS_CACHED_MAX) ofKind.clear()
    ofKind.set(value, made)
    return made
  }
  const ofRow = memoized(({ type, id }: Touched) => term('entity', `${type}/${id}`))
  const ofRows = memoizedList((rows: readonly Touched[]) => [...new Set(rows.map(ofRow))])
  return {
    term,
    terms(record, at) {
      const terms = termsOf(record, at).map(([kind, value]) => term(kind, value))
      // Another record may be of the very same ones.
      if (record.resources.length >= LIST_MIN) return [terms, ofRows(record.resources)]
      for (const row of record.resources) terms.push(ofRow(row))
      return [terms]
    }
  }
}

/** Distinct terms of a record but for the resources that it lists, as kind and value. `at`: the time of sealing, where the record does not hold it yet. */
export function termsOf(record: AccessRecord, at: number = record.at): readonly (readonly [TermKind, string])[] {
  const terms: [TermKind, string][] = []
  const patients = new Set(record.patients)
  // The search parameter `patient` also finds what a patient did.
  if (record.fhirUser?.startsWith('Patient/') === true) patients.add(record.fhirUser.slice('Patient/'.length))
  for (const patient of patients) terms.push(['patient', patient])
  for (const agent of agentsOf(record)) terms.push(['agent', agent])
  const kinds = new Set([record.interaction, ...record.entries.map((entry) => entry.interaction)])
  for (const kind of kinds) terms.push(['kind', kind])
  for (const entity of entitiesOf(record)) terms.push(['entity', entity])
  for (const outcome of outcomesOf(record)) terms.push(['outcome', String(outcome)])
  terms.push(['day', dayOf(at)])
  return terms
}

/** Almost every record is of the day of the one before. */
let lastDay = { day: Number.NaN, text: '' }

export function dayOf(at: number): string {
  const day = Math.floor(at / DAY_MS)
  if (day !== lastDay.day) lastDay = { day, text: new Date(at).toISOString().slice(0, 10) }
  return lastDay.text
}

const DAY_MS = 86_400_000

export function agentsOf(record: AccessRecord): readonly string[] {
  const agents: string[] = []
  if (record.fhirUser !== null) agents.push(record.fhirUser)
  if (record.subject !== null) agents.push(`${record.issuer ?? ''}|${record.subject}`)
  if (record.client !== null) agents.push(`|${record.client}`)
  return agents
}

/** But success: almost every entry has it, and no search asks for it (ledger-plan.ts). */
function outcomesOf({ outcome, entries }: AccessRecord): ReadonlySet<number> {
  const outcomes = new Set<number>()
  if (outcome !== 0) outcomes.add(outcome)
  for (const { status } of entries) if (outcomeOf(status) !== 0) outcomes.add(outcomeOf(status))
  return outcomes
}

function entitiesOf(record: AccessRecord): ReadonlySet<string> {
  const entities = new Set<string>()
  if (record.type !== null && record.id !== null) entities.add(`${record.type}/${record.id}`)
  for (const { type, id } of record.written) entities.add(`${type}/${id}`)
  for (const entry of record.entries) {
    if (entry.type !== null && entry.id !== null) entities.add(`${entry.type}/${entry.id}`)
    for (const { type, id } of entry.resources) entities.add(`${type}/${id}`)
  }
  return entities
}
