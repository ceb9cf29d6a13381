/** Patients with visits: 100 vital signs each, of three years, that name the encounter and who measured. Ids are known beforehand. */
import { HEART_RATE, HITS, newVitalSign, patient, transaction, WEIGHT } from './resources.ts'

const PRACTITIONERS = 20
const ENCOUNTERS = 4
/** 20 of each year. */
const HEART_RATES = 3 * HITS
const VITAL_SIGNS = 100

export const VISIT_RESOURCES = 1 + ENCOUNTERS + VITAL_SIGNS

/** The people first, then the patients. */
export function* visitBundles(patients: number): Generator<string> {
  yield put(Array.from({ length: PRACTITIONERS }, (_, n) => ({ resourceType: 'Practitioner', id: practitionerId(n), name: [{ family: `Measure${n}`, given: ['Ada'] }] })))
  for (let n = 0; n < patients; n++) {
    yield put([patient(n), ...Array.from({ length: ENCOUNTERS }, (_, i) => encounter(n, i)), ...Array.from({ length: VITAL_SIGNS }, (_, i) => vitalSign(n, i))])
  }
}

/** The heart rates of one of three years. */
export const datePaths = (patients: number): readonly string[] => Array.from({ length: patients }, (_, n) => {
  const year = 2023 + (n % 3)
  return `${vitalSigns(n, HEART_RATE)}&date=ge${year}-01-01&date=lt${year + 1}-01-01&_count=${HITS}`
})

export const INCLUDED: readonly string[] = ['Patient', 'Encounter', 'Practitioner']

/** Weights with the patient, the encounters and those who measured. */
export const includePaths = (patients: number): readonly string[] => Array.from({ length: patients }, (_, n) =>
  `${vitalSigns(n, WEIGHT)}&_include=Observation:subject&_include=Observation:encounter&_include=Observation:performer&_count=${HITS}`)

const vitalSigns = (n: number, code: string): string => `/fhir/R4/Observation?patient=Patient/${patient(n).id}&code=http://loinc.org%7C${code}`

const put = (resources: readonly { readonly resourceType: string; readonly id: string }[]): string =>
  transaction(resources.map((resource) => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } })))

const practitionerId = (n: number): string => `bench-practitioner-${n}`
const encounterId = (n: number, i: number): string => `bench-encounter-${n}-${i}`

const encounter = (n: number, i: number) => ({
  resourceType: 'Encounter', id: encounterId(n, i), status: 'finished',
  class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' },
  subject: { reference: `Patient/${patient(n).id}` },
  participant: [{ individual: { reference: `Practitioner/${practitionerId((n + i) % PRACTITIONERS)}` } }],
  period: { start: `2024-0${i + 1}-10T09:00:00+00:00`, end: `2024-0${i + 1}-10T10:00:00+00:00` }
})

/** Heart rates go round the years; a patient was measured by five people. */
function vitalSign(n: number, i: number) {
  const isHeartRate = i < HEART_RATES
  const code = isHeartRate ? HEART_RATE : i < HEART_RATES + HITS ? WEIGHT : '8310-5'
  const year = 2023 + (i % 3)
  const at = new Date(Date.UTC(year, (i * 5) % 12, 1 + ((i * 7 + n) % 28), 9, i % 60))
  return {
    ...newVitalSign({ n, i, code, at }), id: `bench-vital-sign-${n}-${i}`,
    encounter: { reference: `Encounter/${encounterId(n, i % ENCOUNTERS)}` },
    performer: [{ reference: `Practitioner/${practitionerId((n + i % 5) % PRACTITIONERS)}` }]
  }
}
