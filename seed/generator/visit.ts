/** One encounter and everything that hangs on it. */
import { billPrescription, billVisit, type Billed } from './billing.ts'
import { carePlan } from './care.ts'
import { DEVICES, FLU, type Illness, IMAGING, NOTE, SCREENINGS, SUPPLIES, VACCINES } from './codes.ts'
import { toClinician, toLocation, toOrganization } from './facilities.ts'
import { observePanel, observeVitals } from './observations.ts'
import {
  type Code, coded, coding, concept, DAY, dateTime, day, hl7, instant, MINUTE, period, profile, SYNTHEA, toEntry, urn
} from './parts.ts'
import { ageAt, displayName } from './person.ts'
import { HBA1C, PANELS } from './measures.ts'
import type { Course, Visit } from './story.ts'
import { COMPLAINTS } from './words.ts'

export function addVisit(visit: Visit, illness: Illness | null, course: Course): void {
  const { random, brief } = visit
  addEncounter(visit, illness)
  const conditions: Billed[] = []
  if (illness !== null && !course.active.has(illness)) conditions.push(diagnose(visit, illness, course))
  const condition = illness === null ? undefined : course.active.get(illness) ?? conditions[0]?.id
  const well = brief || !visit.type.ill
  if (well || random.chance(0.25)) observeVitals(visit, well)
  const panels = !visit.type.ill || random.chance(0.15) ? random.some(PANELS, brief ? 1 : random.whole(1, 3)) : []
  for (const panel of panels) observePanel(visit, panel)
  if (illness?.drugs.some(([, code]) => code === '860975') === true) observePanel(visit, { ...PANELS[0]!, measures: [HBA1C] })
  const procedures = [...(illness?.procedure == null ? [] : [illness.procedure]),
    ...random.some(SCREENINGS, brief ? 0 : random.whole(0, visit.type.ill ? 3 : 5))]
    .map((code) => ({ id: addProcedure(visit, code, condition), code }))
  const immunizations = visit.type.ill ? [] : vaccines(visit).map((code) => ({ id: addImmunization(visit, code), code }))
  for (const drug of illness?.drugs ?? []) if (!brief || random.chance(0.5)) prescribe(visit, drug, condition)
  if (!brief) addThings(visit, illness)
  addNote(visit, illness)
  billVisit(visit, { conditions, procedures, immunizations })
}

const DISCHARGED: Code = ['http://www.nubc.org/patient-discharge', '01', 'Discharged to home care or self care (routine discharge)']
const FORMAT: Code = ['http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode', 'urn:ihe:iti:xds:2017:mimeTypeSufficient',
  'mimeType Sufficient']
const DICOM = 'http://dicom.nema.org/medical/dicom/current/output/chtml/part16/sect_CID_29.html'

function addEncounter(visit: Visit, illness: Illness | null): void {
  const { type, start, end } = visit
  visit.draft.post({
    resourceType: 'Encounter', id: visit.encounter, meta: profile('us-core-encounter'),
    identifier: [{ use: 'official', system: SYNTHEA, value: visit.encounter }],
    status: 'finished', class: coding(hl7('v3-ActCode', type.kind, '')), type: [concept(type.code)],
    subject: { ...toEntry(visit.person.id), display: displayName(visit.person) },
    participant: [{ type: [concept(hl7('v3-ParticipationType', 'PPRF', 'primary performer'))], period: period(start, end),
      individual: toClinician(visit.clinician) }],
    period: period(start, end), ...(illness === null ? {} : { reasonCode: [coded(illness.code)] }),
    ...(type.kind === 'AMB' ? {} : { hospitalization: { dischargeDisposition: concept(DISCHARGED) } }),
    location: [{ location: toLocation(visit.facility) }], serviceProvider: toOrganization(visit.facility)
  })
}

function diagnose(visit: Visit, illness: Illness, course: Course): Billed {
  const { random, draft, start } = visit
  const open = illness.chronic || visit.latest
  const id = draft.post({
    resourceType: 'Condition', id: random.uuid(), meta: profile('us-core-condition-encounter-diagnosis'),
    clinicalStatus: coded(hl7('condition-clinical', open ? 'active' : 'resolved', '')),
    verificationStatus: coded(hl7('condition-ver-status', 'confirmed', '')),
    category: [coded(hl7('condition-category', 'encounter-diagnosis', 'Encounter Diagnosis'))], code: concept(illness.code),
    subject: toEntry(visit.person.id), encounter: toEntry(visit.encounter), onsetDateTime: dateTime(start),
    ...(open ? {} : { abatementDateTime: dateTime(start + random.whole(1, 2) * DAY) }), recordedDate: dateTime(start)
  })
  if (illness.chronic) {
    course.active.set(illness, id)
    if (illness.plan !== null) carePlan(visit, { plan: illness.plan, activities: illness.activities, reason: illness.code, condition: id })
  }
  return { id, code: illness.code }
}

function addProcedure(visit: Visit, code: Code, condition: string | undefined): string {
  const { random, draft, start } = visit
  return draft.post({
    resourceType: 'Procedure', id: random.uuid(), meta: profile('us-core-procedure'), status: 'completed', code: concept(code),
    subject: toEntry(visit.person.id), encounter: toEntry(visit.encounter),
    performedPeriod: period(start, start + random.whole(5, 15) * MINUTE),
    location: toLocation(visit.facility),
    ...(condition === undefined ? {} : { reasonReference: [toEntry(condition)] })
  })
}

function vaccines(visit: Visit): readonly Code[] {
  const child = ageAt(visit.person, visit.start) < 18
  return [...(visit.random.chance(0.6) ? [FLU] : []),
    ...(child ? visit.random.some(VACCINES, 2) : visit.random.chance(0.1) ? visit.random.some(VACCINES, 1) : [])]
}

function addImmunization(visit: Visit, code: Code): string {
  return visit.draft.post({
    resourceType: 'Immunization', id: visit.random.uuid(), meta: profile('us-core-immunization'), status: 'completed',
    vaccineCode: concept(code),
    patient: toEntry(visit.person.id), encounter: toEntry(visit.encounter), occurrenceDateTime: dateTime(visit.start),
    primarySource: true, location: toLocation(visit.facility)
  })
}

/** Given in the house (a Medication and its MedicationAdministration) or written down for the pharmacy. */
function prescribe(visit: Visit, drug: Code, condition: string | undefined): void {
  const { random, draft, person, start } = visit
  const reason = condition === undefined ? {} : { reasonReference: [toEntry(condition)] }
  const given = random.chance(0.13)
  const medication = given ? addMedication(visit, drug) : null
  const id = draft.post({
    resourceType: 'MedicationRequest', id: random.uuid(), meta: profile('us-core-medicationrequest'),
    status: visit.latest ? 'active' : 'stopped', intent: 'order',
    category: [concept(hl7('medicationrequest-category', given ? 'outpatient' : 'community', given ? 'Outpatient' : 'Community'))],
    ...(medication === null ? { medicationCodeableConcept: concept(drug) } : { medicationReference: toEntry(medication) }),
    subject: toEntry(person.id), encounter: toEntry(visit.encounter), authoredOn: dateTime(start),
    requester: toClinician(visit.clinician), ...reason,
    ...(given ? {} : {
      dosageInstruction: [{
        sequence: 1, text: 'Once a day.', asNeededBoolean: false,
        timing: { repeat: { frequency: 1, period: random.decimal(1, 1, 1), periodUnit: 'd' } },
        doseAndRate: [{ type: coded(hl7('dose-rate-type', 'ordered', 'Ordered')), doseQuantity: { value: random.decimal(1, 2, 1) } }]
      }]
    })
  })
  if (given) {
    draft.post({
      resourceType: 'MedicationAdministration', id: random.uuid(), status: 'completed', medicationCodeableConcept: concept(drug),
      subject: toEntry(person.id),
      context: toEntry(visit.encounter), effectiveDateTime: dateTime(start), ...reason
    })
  }
  billPrescription(visit, { id, code: drug })
}

const addMedication = ({ draft, random }: Visit, drug: Code): string =>
  draft.post({ resourceType: 'Medication', id: random.uuid(), meta: profile('us-core-medication'), code: concept(drug), status: 'active' })

/** Images, devices and supplies. */
function addThings(visit: Visit, illness: Illness | null): void {
  const { random, draft, person, start } = visit
  if (illness?.imaging === true && random.chance(0.5)) addImages(visit)
  if (random.chance(0.12)) addDevice(visit)
  for (const item of random.chance(0.3) ? random.some(SUPPLIES, random.whole(1, 3)) : []) {
    draft.post({
      resourceType: 'SupplyDelivery', id: random.uuid(), status: 'completed', patient: toEntry(person.id),
      type: coded(hl7('supply-item-type', 'device', 'Device')),
      suppliedItem: { quantity: { value: random.whole(1, 3) }, itemCodeableConcept: concept(item) }, occurrenceDateTime: dateTime(start)
    })
  }
}

function addImages(visit: Visit): void {
  const { random, draft, start } = visit
  const image = random.pick(IMAGING)
  const uid = (): string => `1.2.840.99999999.1.${random.whole(10_000_000, 99_999_999)}.${start}`
  draft.post({
    resourceType: 'ImagingStudy', id: random.uuid(),
    identifier: [{ use: 'official', system: 'urn:ietf:rfc:3986', value: `urn:oid:${uid()}` }], status: 'available',
    subject: toEntry(visit.person.id), encounter: toEntry(visit.encounter), started: dateTime(start), numberOfSeries: 1,
    numberOfInstances: 1,
    procedureCode: [concept(image.procedure)], location: toLocation(visit.facility),
    series: [{
      uid: uid(), number: 1, modality: coding([DICOM, ...image.modality]), numberOfInstances: 1,
      bodySite: coding(image.site), started: dateTime(start),
      instance: [{ uid: uid(), sopClass: { system: 'urn:ietf:rfc:3986', code: `urn:oid:${image.sop}` }, number: 1, title: image.title }]
    }]
  })
}

function addDevice(visit: Visit): void {
  const { random, draft, start } = visit
  const [code, identifier, lot, serial] = [random.pick(DEVICES), random.digits(14), random.digits(10), random.digits(7)]
  const [made, expires] = [start - 21 * DAY, start + 25 * 365 * DAY]
  const short = (ms: number): string => day(ms).slice(2).replaceAll('-', '')
  draft.post({
    resourceType: 'Device', id: random.uuid(), meta: profile('us-core-implantable-device'),
    udiCarrier: [{ deviceIdentifier: identifier,
      carrierHRF: `(01)${identifier}(11)${short(made)}(17)${short(expires)}(10)${lot}(21)${serial}` }],
    status: 'active', distinctIdentifier: identifier, manufactureDate: dateTime(made), expirationDate: dateTime(expires), lotNumber: lot,
    serialNumber: serial,
    deviceName: [{ name: code[2], type: 'user-friendly-name' }], type: concept(code), patient: toEntry(visit.person.id)
  })
}

/** The visit's note, twice as in Synthea: a DiagnosticReport and a DocumentReference with the same text. */
function addNote(visit: Visit, illness: Illness | null): void {
  const { random, draft, person, start, end } = visit
  const data = Buffer.from(noteText(visit, illness)).toString('base64')
  const attachment = { contentType: 'text/plain; charset=utf-8', data }
  const report = draft.post({
    resourceType: 'DiagnosticReport', id: random.uuid(), meta: profile('us-core-diagnosticreport-note'), status: 'final',
    category: [coded(...NOTE)], code: coded(...NOTE),
    subject: toEntry(person.id), encounter: toEntry(visit.encounter), effectiveDateTime: dateTime(start), issued: instant(start),
    performer: [toClinician(visit.clinician)],
    presentedForm: [attachment]
  })
  draft.post({
    resourceType: 'DocumentReference', id: random.uuid(), meta: profile('us-core-documentreference'),
    identifier: [{ system: 'urn:ietf:rfc:3986', value: urn(report) }],
    status: visit.latest ? 'current' : 'superseded', type: coded(...NOTE),
    category: [coded(['http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category', 'clinical-note', 'Clinical Note'])],
    subject: toEntry(person.id), date: instant(start),
    author: [toClinician(visit.clinician)], custodian: toOrganization(visit.facility),
    content: [{ attachment, format: coding(FORMAT) }],
    context: { encounter: [toEntry(visit.encounter)], period: period(start, end) }
  })
}

function noteText({ random, person, start, type }: Visit, illness: Illness | null): string {
  const drugs = illness?.drugs.map(([, , name]) => `- ${name}`) ?? []
  return [
    '', day(start), '', '# Chief Complaint', type.ill ? `- ${random.pick(COMPLAINTS)}` : 'No complaints.', '',
    '# History of Present Illness',
    `${displayName(person)} is a ${ageAt(person, start)} year-old ${person.gender}.`,
    ...(illness === null ? [] : [`Patient presents with ${illness.code[2].toLowerCase()}.`]), '',
    '# Social History', `Patient currently has ${person.payer}.`, '',
    '# Medications', ...(drugs.length === 0 ? ['No Active Medications.'] : drugs), '',
    '# Assessment and Plan', 'Vital signs were reviewed. Return when needed.', ''
  ].join('\n')
}
