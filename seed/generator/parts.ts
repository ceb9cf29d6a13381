/** The shapes that every resource is put together from. */
import type { RawJson } from '../../src/model/decimal.ts'
import type { Coding, Meta, Resource } from '../../src/model/resource.ts'

export interface BundleEntry {
  readonly fullUrl: string
  readonly resource: Resource & { readonly id: string }
  readonly request: { readonly method: 'POST'; readonly url: string; readonly ifNoneExist?: string }
}

export interface SeedBundle {
  readonly resourceType: 'Bundle'
  readonly type: 'batch' | 'transaction'
  readonly entry: readonly BundleEntry[]
}

/** System, code and display. */
export type Code = readonly [system: string, code: string, display: string]

export const SYNTHEA = 'https://github.com/synthetichealth/synthea'
export const NPI = 'http://hl7.org/fhir/sid/us-npi'
export const US_CORE = 'http://hl7.org/fhir/us/core/StructureDefinition'
const TERMINOLOGY = 'http://terminology.hl7.org/CodeSystem'

export const snomed = (code: string, display: string): Code => ['http://snomed.info/sct', code, display]
export const loinc = (code: string, display: string): Code => ['http://loinc.org', code, display]
export const rxnorm = (code: string, display: string): Code => ['http://www.nlm.nih.gov/research/umls/rxnorm', code, display]
export const cvx = (code: string, display: string): Code => ['http://hl7.org/fhir/sid/cvx', code, display]
export const hl7 = (system: string, code: string, display: string): Code => [`${TERMINOLOGY}/${system}`, code, display]

export const coding = ([system, code, display]: Code): Coding => ({ system, code, ...(display === '' ? {} : { display }) })
export const concept = (code: Code): object => ({ coding: [coding(code)], text: code[2] })
/** A concept without text, as for statuses. */
export const coded = (...codes: readonly Code[]): object => ({ coding: codes.map(coding) })

export const quantity = (value: number | RawJson,
  unit: string): object => ({ value, unit, system: 'http://unitsofmeasure.org', code: unit })
export const money = (value: number | RawJson): object => ({ value, currency: 'USD' })
export const profile = (...names: readonly string[]): Meta => ({ profile: names.map((name) => `${US_CORE}/${name}`) })
export const urn = (id: string): string => `urn:uuid:${id}`
export const toEntry = (id: string): object => ({ reference: urn(id) })

export const MINUTE = 60_000
export const DAY = 86_400_000

/** `2026-05-30T09:15:31+00:00`: Synthea's form of an instant, given in ms since 1970. */
export const dateTime = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}+00:00`
export const instant = (ms: number): string => new Date(ms).toISOString().replace('Z', '+00:00')
export const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
export const period = (start: number, end: number): object => ({ start: dateTime(start), end: dateTime(end) })

/** The entries of one bundle, in the order of creation. */
export interface Draft {
  readonly entries: BundleEntry[]
  /** Adds a POST entry. */
  post(resource: Resource & { readonly id: string }, ifNoneExist?: string): string
}

export function makeDraft(): Draft {
  const entries: BundleEntry[] = []
  return {
    entries,
    post(resource, ifNoneExist) {
      const request = { method: 'POST' as const, url: resource.resourceType, ...(ifNoneExist === undefined ? {} : { ifNoneExist }) }
      entries.push({ fullUrl: urn(resource.id), resource, request })
      return resource.id
    }
  }
}
