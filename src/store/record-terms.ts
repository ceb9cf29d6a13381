/** The keyed terms of one record: what it is found by. */
import { anyTypeTerm, packTerms, patientLevelTerm, patientTerm, populationTerm } from '../crypto/blind-index.ts'
import type { DataKey, KeyRing } from '../crypto/keys.ts'
import type { Resource } from '../model/resource.ts'
import { termAsks } from '../search/extract.ts'
import type { Key, Term, Terms } from './ports.ts'

export interface TermedRecord {
  readonly resource: Resource
  /** Compartment patients. */
  readonly patients: readonly string[]
  /** Keys of those of them that have one. */
  readonly keys: Iterable<DataKey>
  readonly key: Key
  readonly deleted: boolean
}

/** `terms` of the current version and `trail` of a superseded one. FhirError 422 where the resource holds more than the index takes. */
export function recordTerms({ ring, base }: { readonly ring: KeyRing; readonly base: string }, record: TermedRecord): { readonly terms: Terms; readonly trail: Terms } {
  const { resource, patients, key } = record
  const type = resource.resourceType
  const visibility = patients.flatMap((patient) => [patientTerm(ring, type, patient), anyTypeTerm(ring, patient)])
  const terms: Term[] = [...visibility]
  if (!record.deleted) {
    const keys = [...record.keys]
    for (const ask of termAsks(resource, { base, patients })) {
      if (ask.level === 'population') terms.push(populationTerm(ring, type, ask))
      else for (const patientKey of keys) terms.push(patientLevelTerm(ring, patientKey, type, ask, key))
    }
  }
  return { terms: packTerms(terms), trail: packTerms(visibility) }
}
