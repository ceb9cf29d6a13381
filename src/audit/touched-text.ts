/**
 * Resources of a record as text, since a large disclosure names a thousand: words with a space between, in order. `/Type` stands before the
 * first of each run of one type. A resource is its id (a UUID: `~` and its bytes in base64url; what is no FHIR id: `=` and its percent-encoding),
 * then `;version` unless it is 1, then `,n` for each of its patients by number unless that is the first alone; `,` where there are none.
 */
import { LIST_MIN, memoized, memoizedList } from '../model/memo.ts'
import type { Touched } from './record.ts'

export function touchedText(resources: readonly Touched[], number: (patient: string) => number): string {
  const words: string[] = []
  let type: string | null = null
  /** Rows of a patient come one after the other, and name the very same list. */
  let patients: readonly string[] | null = null
  let ofThese = ''
  for (const one of resources) {
    if (one.type !== type) words.push(`/${encodeURIComponent((type = one.type))}`)
    if (one.patients !== patients) {
      patients = one.patients
      ofThese = patients.length === 1 && number(patients[0]!) === 0 ? '' : `,${patients.map(number).join()}`
    }
    words.push(ofThese === '' ? wordOf(one) : wordOf(one) + ofThese)
  }
  return words.join(' ')
}

/** The same for the list of a record, which is mostly of a page, and whose patients come first in the record's own. */
export function disclosedText(resources: readonly Touched[], number: (patient: string) => number): string {
  if (resources.length < LIST_MIN) return touchedText(resources, number)
  const { patients, text } = inOwnOrder(resources)
  return patients.every((patient, i) => number(patient) === i) ? text : touchedText(resources, number)
}

const inOwnOrder = memoizedList((resources: readonly Touched[]) => {
  const patients: string[] = []
  const numbers = numbering(patients)
  return { patients, text: touchedText(resources, numbers) }
})

/** Looks up a patient's number; one that is not listed yet is added to the list. */
export function numbering(patients: string[]): (patient: string) => number {
  const known = new Map(patients.map((patient, index) => [patient, index]))
  return (patient) => {
    const number = known.get(patient)
    if (number !== undefined) return number
    known.set(patient, patients.length)
    return patients.push(patient) - 1
  }
}

export function touchedIn(text: string, patients: readonly string[]): Touched[] {
  const resources: Touched[] = []
  let type = ''
  for (const word of text === '' ? [] : text.split(' ')) {
    if (word.startsWith('/')) type = decodeURIComponent(word.slice(1))
    else resources.push(resourceOf(type, word, patients))
  }
  return resources
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const FHIR_ID = /^[A-Za-z0-9.-]+$/

/** All but the patients. */
const wordOf = memoized(({ id, version }: Touched) => {
  const name = UUID.test(id) ? `~${Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url')}` : FHIR_ID.test(id) ? id : `=${encodeURIComponent(id)}`
  return version === 1 ? name : `${name};${version}`
})

function resourceOf(type: string, word: string, patients: readonly string[]): Touched {
  const [whole, ...numbers] = word.split(',') as [string, ...string[]]
  const [name, version = '1'] = whole.split(';') as [string, string?]
  const of = numbers.length === 0 ? [0] : numbers.filter((number) => number !== '').map(Number)
  return { type, id: idOf(name), version: Number(version), patients: patientsOf(of, patients) }
}

/** Patients by their numbers. */
export const patientsOf = (numbers: readonly number[], patients: readonly string[]): readonly string[] =>
  numbers.map((number) => patients[number]).filter((patient) => patient !== undefined)

function idOf(name: string): string {
  if (name.startsWith('=')) return decodeURIComponent(name.slice(1))
  if (!name.startsWith('~')) return name
  const hex = Buffer.from(name.slice(1), 'base64url').toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
