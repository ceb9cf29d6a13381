/** The resources that reads and searches ask for: 100 of each patient, 20 of them heart rates, with ids known beforehand. */
import type { Resource } from '../src/model/resource.ts'

export interface Entry { readonly fullUrl?: string; readonly resource: Resource; readonly request: { readonly method: string; readonly url: string } }

export const PER_PATIENT = 100
export const HITS = 20

export const CODES: readonly (readonly [code: string, display: string, unit: string])[] = [
  ['8867-4', 'Heart rate', '/min'], ['9279-1', 'Respiratory rate', '/min'], ['29463-7', 'Body weight', 'kg'], ['8302-2', 'Body height', 'cm'], ['8310-5', 'Body temperature', 'Cel']
]

export const HEART_RATE = CODES[0]![0]
export const WEIGHT = CODES[2]![0]

/** The transaction that puts patient number `n` and everything of theirs. */
export function patientBundle(n: number): string {
  const entry = [patient(n), ...Array.from({ length: PER_PATIENT - 1 }, (_, i) => observation(n, i))]
    .map((resource): Entry => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } }))
  return transaction(entry)
}

export const transaction = (entry: readonly Entry[]): string => JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry })

export const patientId = (n: number): string => `bench-${n}`
export const observationId = (n: number, i: number): string => `bench-${n}-${i}`

/** A new heart rate, as a monitor would send it. */
export const newObservation = (n: number, i: number): string => {
  const { id: _id, ...resource } = observation(n, i)
  return JSON.stringify(resource)
}

export function patient(n: number) {
  return {
    resourceType: 'Patient', id: patientId(n),
    identifier: [{ system: 'https://clinic.example.org/mrn', value: `MRN-${100_000 + n}` }],
    name: [{ use: 'official', family: `Family${n % 977}`, given: [`Given${n % 353}`] }],
    telecom: [{ system: 'phone', value: `555-${1_000_000 + n}`, use: 'home' }],
    gender: n % 2 === 0 ? 'female' : 'male', birthDate: `19${30 + (n % 60)}-0${1 + (n % 9)}-1${n % 10}`,
    address: [{ line: [`${n} Main Street`], city: 'Springfield', state: 'MA', postalCode: `0${1_000 + (n % 8_999)}`, country: 'US' }]
  }
}

/** The first 20 of a patient are heart rates. */
const observation = (n: number, i: number) => ({
  ...newVitalSign({ n, i, code: CODES[Math.floor(i / HITS) % CODES.length]![0], at: new Date(Date.UTC(2024, 0, 1 + ((i * 17 + n) % 700), 9, i % 60)) }),
  id: observationId(n, i)
})

interface VitalSign { readonly n: number; readonly i: number; readonly code: string; readonly at: Date }

/** About as large as a vital sign of Synthea. */
export function newVitalSign({ n, i, code, at }: VitalSign) {
  const [, display, unit] = CODES.find(([each]) => each === code)!
  const day = at.toISOString().replace('Z', '+00:00')
  return {
    resourceType: 'Observation',
    meta: { profile: ['http://hl7.org/fhir/StructureDefinition/vitalsigns'] },
    status: 'final',
    category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'vital-signs', display: 'Vital signs' }] }],
    code: { coding: [{ system: 'http://loinc.org', code, display }], text: display },
    subject: { reference: `Patient/${patientId(n)}` },
    performer: [{ reference: `Practitioner/bench-${n % 20}`, display: `Dr. Number ${n % 20}` }],
    effectiveDateTime: day, issued: day,
    valueQuantity: { value: 60 + (i % 40), unit, system: 'http://unitsofmeasure.org', code: unit }
  }
}
