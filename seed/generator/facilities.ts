import { coded, coding, concept, hl7, makeDraft, NPI, profile, type SeedBundle, SYNTHEA } from './parts.ts'
import { makeRandom, type Random } from './random.ts'
import { CITIES, CLINIC_KINDS, FAMILY, GIVEN_FEMALE, GIVEN_MALE, STREET_KINDS, STREETS } from './words.ts'

export interface Clinician {
  readonly id: string
  readonly roleId: string
  readonly npi: string
  readonly given: string
  readonly family: string
  readonly gender: 'female' | 'male'
}

/** One organization, its one location and the people who work there. */
export interface Facility {
  readonly organization: string
  readonly location: string
  readonly name: string
  readonly phone: string
  readonly place: Place
  readonly clinicians: readonly Clinician[]
}

export interface Place {
  readonly line: string
  readonly city: string
  readonly postalCode: string
  readonly latitude: number
  readonly longitude: number
}

const CLINICIANS_EACH = 2
const FACILITIES_MIN = 4
const PATIENTS_EACH = 100

/** Grows with the patients, so that a clinician's list stays of a human size. */
export const facilityCount = (patients: number): number => FACILITIES_MIN + Math.floor(patients / PATIENTS_EACH)

/** The facility of a number, the same whatever else is generated. */
export function facility(seed: number, number: number): Facility {
  const random = makeRandom(`${seed}/facility/${number}`)
  const place = placeOf(random)
  const name = `${place.city} ${random.pick(STREETS)} ${random.pick(CLINIC_KINDS)}`.toUpperCase()
  return {
    organization: random.uuid(), location: random.uuid(), name, phone: `555-${random.digits(3)}-${random.digits(4)}`, place,
    clinicians: Array.from({ length: CLINICIANS_EACH }, () => clinician(random))
  }
}

export function placeOf(random: Random): Place {
  const [city, postalCode, latitude, longitude] = random.pick(CITIES)
  const near = (degrees: number): number => Number((degrees + (random.next() - 0.5) / 10).toFixed(6))
  return {
    line: `${random.whole(1, 999)} ${random.pick(STREETS)} ${random.pick(STREET_KINDS)}`, city, postalCode, latitude: near(latitude),
    longitude: near(longitude)
  }
}

export const address = (place: Place): object => ({ line: [place.line], city: place.city, state: 'MA', postalCode: place.postalCode,
  country: 'US' })

function clinician(random: Random): Clinician {
  const gender = random.chance(0.5) ? 'female' : 'male'
  return {
    id: random.uuid(), roleId: random.uuid(), npi: `9${random.digits(9)}`, gender,
    given: `${random.pick(gender === 'female' ? GIVEN_FEMALE : GIVEN_MALE)}${random.whole(1, 999)}`,
    family: `${random.pick(FAMILY)}${random.whole(1, 999)}`
  }
}

export const doctorName = ({ given, family }: Clinician): string => `Dr. ${given} ${family}`

/** Conditional references, as a patient's bundle names what the batches before it brought. */
export const toClinician = (who: Clinician): object => ({ reference: `Practitioner?identifier=${NPI}|${who.npi}`,
  display: doctorName(who) })
export const toOrganization = ({ organization,
  name }: Facility): object => ({ reference: `Organization?identifier=${SYNTHEA}|${organization}`, display: name })
export const toLocation = ({ location, name }: Facility): object => ({ reference: `Location?identifier=${SYNTHEA}|${location}`,
  display: name })

const HOME = 'a0ee1e2e-77e9-4f1d-8f55-0d9a8c0f1b5e'

export function hospitalBundle(facilities: readonly Facility[]): SeedBundle {
  const draft = makeDraft()
  for (const each of facilities) {
    draft.post(organization(each), `identifier=${SYNTHEA}|${each.organization}`)
    draft.post(location(each), `identifier=${SYNTHEA}|${each.location}`)
  }
  draft.post({
    resourceType: 'Location', id: HOME, identifier: [{ system: SYNTHEA, value: HOME }], status: 'active', description: "Patient's Home",
    mode: 'kind',
    physicalType: coded(hl7('location-physical-type', 'ho', 'House'))
  }, `identifier=${SYNTHEA}|${HOME}`)
  return { resourceType: 'Bundle', type: 'batch', entry: draft.entries }
}

export function practitionerBundle(facilities: readonly Facility[]): SeedBundle {
  const draft = makeDraft()
  for (const each of facilities) {
    for (const who of each.clinicians) {
      draft.post(practitioner(who, each), `identifier=${NPI}|${who.npi}`)
      draft.post(role(who, each))
    }
  }
  return { resourceType: 'Bundle', type: 'batch', entry: draft.entries }
}

const organization = (of: Facility) => ({
  resourceType: 'Organization', id: of.organization, meta: profile('us-core-organization'),
  extension: ['encounters', 'procedures', 'labs', 'prescriptions']
    .map((kind) => ({ url: `http://synthetichealth.github.io/synthea/utilization-${kind}-extension`, valueInteger: 0 })),
  identifier: [{ system: SYNTHEA, value: of.organization }], active: true,
  type: [concept(hl7('organization-type', 'prov', 'Healthcare Provider'))],
  name: of.name, telecom: [{ system: 'phone', value: of.phone }], address: [address(of.place)]
})

const location = (of: Facility) => ({
  resourceType: 'Location', id: of.location, meta: profile('us-core-location'), identifier: [{ system: SYNTHEA, value: of.location }],
  status: 'active',
  name: of.name, telecom: [{ system: 'phone', value: of.phone }], address: address(of.place),
  position: { longitude: of.place.longitude, latitude: of.place.latitude },
  managingOrganization: { identifier: { system: SYNTHEA, value: of.organization }, display: of.name }
})

const mail = (who: Clinician): object => ({
  extension: [{ url: 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-direct', valueBoolean: true }],
  system: 'email', value: `${who.npi}@example.com`, use: 'work'
})

const practitioner = (who: Clinician, at: Facility) => ({
  resourceType: 'Practitioner', id: who.id, meta: profile('us-core-practitioner'),
  extension: [{ url: 'http://synthetichealth.github.io/synthea/utilization-encounters-extension', valueInteger: 0 }],
  identifier: [{ system: NPI, value: who.npi }], active: true, name: [{ family: who.family, given: [who.given], prefix: ['Dr.'] }],
  telecom: [mail(who)], address: [address(at.place)], gender: who.gender
})

const GENERAL = ['http://nucc.org/provider-taxonomy', '208D00000X', 'General Practice Physician'] as const

const role = (who: Clinician, at: Facility) => ({
  resourceType: 'PractitionerRole', id: who.roleId, meta: profile('us-core-practitionerrole'),
  practitioner: { identifier: { system: NPI, value: who.npi }, display: doctorName(who) },
  organization: { identifier: { system: SYNTHEA, value: at.organization }, display: at.name },
  code: [{ coding: [coding(GENERAL)], text: GENERAL[2] }], specialty: [{ coding: [coding(GENERAL)], text: GENERAL[2] }],
  location: [{ identifier: { system: SYNTHEA, value: at.location }, display: at.name }],
  telecom: [{ system: 'phone', value: at.phone }, mail(who)]
})
