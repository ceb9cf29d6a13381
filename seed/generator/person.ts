import type { Resource } from '../../src/model/resource.ts'
import { address, type Facility, placeOf } from './facilities.ts'
import { type Code, coding, concept, DAY, dateTime, day, hl7, profile, SYNTHEA, US_CORE } from './parts.ts'
import { decimalOf, type Random } from './random.ts'
import { CITIES, FAMILY, GIVEN_FEMALE, GIVEN_MALE, LANGUAGES, PAYERS, RACES } from './words.ts'

export interface Person {
  readonly id: string
  readonly given: string
  readonly family: string
  readonly gender: 'female' | 'male'
  /** ms since 1970. */
  readonly born: number
  /** ms since 1970, or null while alive. */
  readonly died: number | null
  readonly payer: string
  readonly home: Facility
}

const YEAR = 365.25 * DAY

export const ageAt = (person: Person, at: number): number => Math.floor((at - person.born) / YEAR)
export const displayName = ({ given, family }: Person): string => `${given} ${family}`

/** `now`: ms since 1970. Few die, and only in the last week before `now`. */
export function makePerson(random: Random, home: Facility, now: number): Person {
  const gender = random.chance(0.5) ? 'female' : 'male'
  const born = now - Math.floor((4 + random.next() * 88) * YEAR)
  return {
    id: random.uuid(), gender, born: Math.floor(born / 1000) * 1000, home, payer: random.pick(PAYERS),
    given: `${random.pick(gender === 'female' ? GIVEN_FEMALE : GIVEN_MALE)}${random.whole(1, 999)}`,
    family: `${random.pick(FAMILY)}${random.whole(1, 999)}`,
    died: random.chance(0.03) ? now - random.whole(3_600, 86_000) * 1000 : null
  }
}

export function patientResource(random: Random, person: Person, now: number): Resource & { readonly id: string } {
  const adult = ageAt(person, now) >= 18
  const married = adult && random.chance(0.5)
  return {
    resourceType: 'Patient', id: person.id, meta: profile('us-core-patient'),
    text: { status: 'generated',
      div: NARRATIVE },
    extension: extensions(random, person), identifier: identifiers(random, person, adult),
    name: [
      { use: 'official', family: person.family, given: [person.given],
        ...(adult ? { prefix: [person.gender === 'male' ? 'Mr.' : 'Ms.'] } : {}) },
      ...(married && person.gender === 'female' ? [{ use: 'maiden', family: `${random.pick(FAMILY)}${random.whole(1, 999)}`,
        given: [person.given] }] : [])
    ],
    telecom: [{ system: 'phone', value: `555-${random.digits(3)}-${random.digits(4)}`, use: 'home' }],
    gender: person.gender, birthDate: day(person.born), ...(person.died === null ? {} : { deceasedDateTime: dateTime(person.died) }),
    address: [homeAddress(random)],
    maritalStatus: concept(married ? hl7('v3-MaritalStatus', 'M', 'Married') : hl7('v3-MaritalStatus', 'S', 'Never Married')),
    multipleBirthBoolean: false, communication: [{ language: concept(['urn:ietf:bcp:47', ...random.pick(LANGUAGES)]) }]
  }
}

const NARRATIVE = '<div xmlns="http://www.w3.org/1999/xhtml">Made up, in the form of <a href="https://github.com/synthetichealth/synthea">Synthea</a>.</div>'
const OMB = 'urn:oid:2.16.840.1.113883.6.238'

function extensions(random: Random, person: Person): readonly object[] {
  const race = random.pick(RACES)
  const ethnicity = random.chance(0.15) ? ['2135-2', 'Hispanic or Latino'] as const : ['2186-5', 'Not Hispanic or Latino'] as const
  const [city] = random.pick(CITIES)
  return [
    category('us-core-race', [OMB, ...race]), category('us-core-ethnicity', [OMB, ...ethnicity]),
    { url: 'http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName',
      valueString: `${random.pick(GIVEN_FEMALE)}${random.whole(1, 999)} ${random.pick(FAMILY)}${random.whole(1, 999)}` },
    { url: `${US_CORE}/us-core-birthsex`, valueCode: person.gender === 'male' ? 'M' : 'F' },
    { url: 'http://hl7.org/fhir/StructureDefinition/patient-birthPlace', valueAddress: { city, state: 'Massachusetts', country: 'US' } },
    { url: 'http://synthetichealth.github.io/synthea/disability-adjusted-life-years', valueDecimal: random.decimal(0, 9, 1) },
    { url: 'http://synthetichealth.github.io/synthea/quality-adjusted-life-years', valueDecimal: random.decimal(1, 60, 1) }
  ]
}

const category = (name: string, code: Code): object =>
  ({ url: `${US_CORE}/${name}`, extension: [{ url: 'ombCategory', valueCoding: coding(code) }, { url: 'text', valueString: code[2] }] })

function identifiers(random: Random, person: Person, adult: boolean): readonly object[] {
  const typed = (code: string, display: string, system: string,
    value: string): object => ({ type: concept(hl7('v2-0203', code, display)), system, value })
  return [
    { system: SYNTHEA, value: person.id },
    typed('MR', 'Medical Record Number', 'http://hospital.smarthealthit.org', person.id),
    typed('SS', 'Social Security Number', 'http://hl7.org/fhir/sid/us-ssn', `999-${random.whole(10, 99)}-${random.digits(4)}`),
    ...(adult ? [typed('DL', "Driver's license number", 'urn:oid:2.16.840.1.113883.4.3.25', `S999${random.digits(5)}`)] : []),
    ...(adult && random.chance(0.6) ? [typed('PPN', 'Passport Number', 'http://hl7.org/fhir/sid/passport-USA',
      `X${random.digits(8)}X`)] : [])
  ]
}

function homeAddress(random: Random): object {
  const place = placeOf(random)
  const position = [{ url: 'latitude', valueDecimal: decimalOf(place.latitude, 6) },
    { url: 'longitude', valueDecimal: decimalOf(place.longitude, 6) }]
  return { extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/geolocation', extension: position }], ...address(place) }
}
