/** By links: cohorts over two levels, chains, compartments, lists, hierarchies. */
import { coded, condition, doctor, female, hospital, type Input, list, noon, observed, pointsTo, type Query, rowsFor, someone, start, value } from './synthea.ts'
import type { Json } from '../harness.ts'

/** Rows that the input has none of: a list, and two wards of a place with a visit in each. */
export function made({ of }: Input): readonly Json[] {
  const [visit, other] = of('Encounter') as [Json, Json]
  const place = visit.location[0].location.reference
  const within = (id: string, row: Json, location: string): Json => ({ ...row, id, identifier: undefined, location: [{ location: { reference: location } }] })
  return [
    { resourceType: 'List', id: 'watched', status: 'current', mode: 'working', entry: [2, 4, 6, 8].map((at) => ({ item: { reference: `Condition/${of('Condition')[at]!.id}` } })) },
    { resourceType: 'Location', id: 'ward', status: 'active', name: 'Ward', partOf: { reference: place } }, { resourceType: 'Location', id: 'room', status: 'active', name: 'Room', partOf: { reference: 'Location/ward' } },
    within('in-ward', visit, 'Location/ward'), within('in-room', other, 'Location/room')
  ]
}

const ofPatient = (row: Json, patient: string): boolean => pointsTo(row.subject ?? row.patient, patient)
const visit = (i: Input): Json => i.of('Encounter').find(({ id, subject }) => pointsTo(subject, someone(i)) && i.of('Observation').some(({ encounter }) => pointsTo(encounter, `Encounter/${id}`)))!
const seen = (i: Input, encounter: Json, type: string, keep: (row: Json) => boolean): boolean => i.of(type).some((row) => pointsTo(row.encounter ?? row.context, `Encounter/${encounter.id}`) && keep(row))
const by = (encounter: Json | undefined, practitioner: string): boolean => list(encounter?.participant).some(({ individual }) => pointsTo(individual, practitioner))
const place = (i: Input): string => i.of('Encounter')[0]!.location[0].location.reference
const at = (row: Json, ...places: readonly string[]): boolean => list(row.location).some(({ location }) => places.includes(location.reference))

export const OF_A_PATIENT: readonly Query[] = [
  ['by id alone', (i) => `Observation?subject=${someone(i).split('/')[1]}&category=laboratory`, (row, i) => ofPatient(row, someone(i)) && coded(row.category, 'laboratory')],
  ['by the type as modifier', (i) => `Condition?subject:Patient=${someone(i).split('/')[1]}`, (row, i) => ofPatient(row, someone(i))],
  ['of two patients', (i) => `Observation?code=8867-4&patient=${[0, 3].map((at) => `Patient/${i.of('Patient')[at]!.id}`)}`, (row, i) => coded(row.code, '8867-4') && [0, 3].some((at) => ofPatient(row, `Patient/${i.of('Patient')[at]!.id}`))],
  ['of two patients at once (none)', (i) => `Observation?patient=Patient/${i.of('Patient')[0]!.id}&patient=Patient/${i.of('Patient')[3]!.id}`, () => false],
  ['of an encounter', (i) => `Observation?encounter=Encounter/${visit(i).id}`, (row, i) => pointsTo(row.encounter, `Encounter/${visit(i).id}`)],
  ['of an encounter, vital signs', (i) => `Observation?patient=${someone(i)}&encounter=${visit(i).id}&category=vital-signs`, (row, i) => pointsTo(row.encounter, `Encounter/${visit(i).id}`) && coded(row.category, 'vital-signs')],
  ['explanations of benefit', (i) => `ExplanationOfBenefit?patient=${someone(i)}&created=ge2024`, (row, i) => ofPatient(row, someone(i)) && row.created >= '2024'],
  ['notes by author', (i) => `DocumentReference?patient=${someone(i)}&author:missing=false&status=current`, (row, i) => ofPatient(row, someone(i)) && row.status === 'current'],
  ['procedures for a reason', (i) => `Procedure?patient=${someone(i)}&reason-code:missing=true&status=completed`, (row, i) => ofPatient(row, someone(i)) && row.reasonCode === undefined],
  ['provenance of what is a patient\'s', (i) => `Provenance?target=${someone(i)}`, (row, i) => pointsTo(row.target, someone(i))],
  ['devices', (i) => `Device?patient=Patient/${i.of('Device')[0]!.patient.reference.split('/')[1]}`, (row, i) => ofPatient(row, i.of('Device')[0]!.patient.reference)]
]

export const COMPARTMENTS: readonly Query[] = [
  ['observations', (i) => `${someone(i)}/Observation?code=${observed(i)}`, (row, i) => ofPatient(row, someone(i)) && coded(row.code, observed(i))],
  ['conditions', (i) => `${someone(i)}/Condition?clinical-status=active,resolved`, (row, i) => ofPatient(row, someone(i))],
  ['claims', (i) => `${someone(i)}/Claim?use=claim`, (row, i) => ofPatient(row, someone(i))],
  ['what provenance says', (i) => `${someone(i)}/Provenance?recorded=ge1970`, (row, i) => pointsTo(row.target, someone(i))],
  ['care teams', (i) => `Patient/${i.of('CareTeam')[0]!.subject.reference.split('/')[1]}/CareTeam?status=active,inactive`, (row, i) => ofPatient(row, i.of('CareTeam')[0]!.subject.reference)],
  ['of an encounter, values', (i) => `Encounter/${visit(i).id}/Observation?category=vital-signs`, (row, i) => pointsTo(row.encounter, `Encounter/${visit(i).id}`) && coded(row.category, 'vital-signs')],
  ['of an encounter, procedures', (i) => `Encounter/${i.of('Procedure')[0]!.encounter.reference.split('/')[1]}/Procedure?status=completed`, (row, i) => pointsTo(row.encounter, i.of('Procedure')[0]!.encounter.reference)],
  ['of an encounter, claims', (i) => `Encounter/${visit(i).id}/Claim?status=active`, (row, i) => list(row.item).some(({ encounter }) => pointsTo(encounter, `Encounter/${visit(i).id}`))],
  ['of a practitioner, encounters', (i) => `${doctor(i)}/Encounter?class=AMB`, (row, i) => by(row, doctor(i)) && row.class.code === 'AMB'],
  ['of a practitioner, reports', (i) => `${doctor(i)}/DiagnosticReport?status=final`, (row, i) => pointsTo(row.performer, doctor(i))],
  ['of a practitioner, benefits', (i) => `${doctor(i)}/ExplanationOfBenefit?status=active`, (row, i) => pointsTo(row.provider, doctor(i)) || list(row.careTeam).some(({ provider }) => pointsTo(provider, doctor(i)))]
]

export const CHAINED: readonly Query[] = [
  ['values seen by a practitioner', (i) => `Observation?encounter.practitioner=${doctor(i)}`, (row, i) => by(i.to(row.encounter), doctor(i))],
  ['values seen at a place', (i) => `Observation?encounter.location=${place(i)}&category=laboratory,vital-signs`, (row, i) => at(i.to(row.encounter) ?? {}, place(i)) && coded(row.category, 'laboratory', 'vital-signs')],
  ['values at a named place', (i) => `Observation?encounter.location.name:exact=${encodeURIComponent(i.to({ reference: place(i) })!.name)}`, (row, i) => list(i.to(row.encounter)?.location).some(({ location }) => i.to(location)?.name === i.to({ reference: place(i) })!.name)],
  ['conditions of Bostonians', () => 'Condition?subject:Patient.address-city=boston', (row, { to }) => to(row.subject)!.address.some(({ city }: Json) => city.toLowerCase().startsWith('boston'))],
  ['encounters with women who practise', () => 'Encounter?participant:Practitioner.gender=female&class=AMB', (row, { to }) => row.class.code === 'AMB' && list(row.participant).some(({ individual }) => female(to(individual)))],
  ['prescriptions by a named practitioner', (i) => `MedicationRequest?requester:Practitioner.family=${encodeURIComponent(i.to(i.of('MedicationRequest')[0]!.requester)!.name[0].family)}`, (row, i) => i.to(row.requester)?.name[0].family === i.to(i.of('MedicationRequest')[0]!.requester)!.name[0].family],
  ['prescriptions of a drug that is a resource', (i) => `MedicationRequest?medication.code=${i.of('Medication')[0]!.code.coding[0].code}`, (row, i) => coded(i.to(row.medicationReference)?.code, i.of('Medication')[0]!.code.coding[0].code)],
  ['prescriptions for a condition', () => 'MedicationRequest?encounter.reason-code=195662009,10509002,36971009', (row, i) => coded(i.to(row.encounter)?.reasonCode, '195662009', '10509002', '36971009')],
  ['procedures with a reason that is over', () => 'Procedure?reason-reference:Condition.clinical-status=resolved', (row, { to }) => list(row.reasonReference).some((one) => coded(to(one)?.clinicalStatus, 'resolved'))],
  ['procedures at places of a city', () => 'Procedure?location.address-city=boston', (row, { to }) => to(row.location)?.address?.city?.toLowerCase().startsWith('boston') === true],
  ['reports of values that are high', () => 'DiagnosticReport?result.code-value-quantity=2339-0$gt80', (row, { to }) => list(row.result).some((one) => coded(to(one)?.code, '2339-0') && value(to(one)) > 80)],
  ['reports of values of women', () => 'DiagnosticReport?result.patient.gender=female', (row, { to }) => list(row.result).some((one) => female(to(to(one)?.subject)))],
  ['benefits of claims of a type', () => 'ExplanationOfBenefit?claim.use=claim&patient.gender=female', (row, { to }) => to(row.claim)?.use === 'claim' && female(to(row.patient))],
  ['pictures of encounters of a year', () => 'ImagingStudy?encounter.date=2024', (row, { to }) => { const { period } = to(row.encounter)!; return period.start >= '2024' && period.end < '2025' }],
  ['care plans of teams that are active', () => 'CarePlan?care-team.status=active', (row, { to }) => list(row.careTeam).some((one) => to(one)?.status === 'active')],
  ['care teams of the old', () => 'CareTeam?patient.birthdate=lt1970', (row, { to }) => to(row.subject)!.birthDate < '1970'],
  ['drugs given in emergencies or not', () => 'MedicationAdministration?context:Encounter.class=AMB', (row, { to }) => to(row.context)?.class.code === 'AMB'],
  ['notes of encounters of a kind', () => 'DocumentReference?encounter:Encounter.type=410620009', (row, { to }) => list(row.context.encounter).some((one) => coded(to(one)?.type, '410620009'))],
  ['provenance of women', () => 'Provenance?target:Patient.gender=female', (row, { to }) => list(row.target).some((one) => one.reference.startsWith('Patient/') && female(to(one)))],
  ['allergies of those born before', () => 'AllergyIntolerance?patient.birthdate=lt1990', (row, { to }) => to(row.patient)!.birthDate < '1990'],
  ['over an organization that two steps name', (i) => `Observation?encounter.service-provider.address-city=${encodeURIComponent(hospital(i).address[0].city)}&code=8867-4`, (row, i) => coded(row.code, '8867-4') && i.to(i.to(row.encounter)?.serviceProvider)?.address[0].city.toLowerCase().startsWith(hospital(i).address[0].city.toLowerCase())]
]

export const LINKED: readonly Query[] = [
  ['with a value since', () => 'Patient?_has:Observation:patient:code-value-quantity=39156-5$gt25&_has:Observation:patient:date=ge2025', (row, i) => rowsFor(i, 'Observation', row, (one) => coded(one.code, '39156-5') && value(one) > 25) && rowsFor(i, 'Observation', row, (one) => start(one) >= noon('2025-01-01'))],
  ['with a drug or another', () => 'Patient?_has:MedicationRequest:patient:code=314076,310798', (row, i) => rowsFor(i, 'MedicationRequest', row, (one) => coded(one.medicationCodeableConcept, '314076', '310798'))],
  ['vaccinated', () => 'Patient?_has:Immunization:patient:vaccine-code=140&_has:Immunization:patient:vaccine-code=20', (row, i) => ['140', '20'].every((code) => rowsFor(i, 'Immunization', row, (one) => coded(one.vaccineCode, code)))],
  ['with a device', () => 'Patient?_has:Device:patient:type=337414009', (row, i) => rowsFor(i, 'Device', row, (one) => coded(one.type, '337414009'))],
  ['with pictures', () => 'Patient?_has:ImagingStudy:patient:modality=DX&gender=female', (row, i) => female(row) && rowsFor(i, 'ImagingStudy', row, () => true)],
  ['with food allergies', () => 'Patient?_has:AllergyIntolerance:patient:category=food', (row, i) => rowsFor(i, 'AllergyIntolerance', row, (one) => one.category.includes('food'))],
  ['with a plan that goes on', () => 'Patient?_has:CarePlan:patient:status=active', (row, i) => rowsFor(i, 'CarePlan', row, (one) => one.status === 'active')],
  ['with values of emergencies, two levels', () => 'Patient?_has:Observation:patient:encounter.class=EMER', (row, i) => rowsFor(i, 'Observation', row, (one) => i.to(one.encounter)?.class.code === 'EMER')],
  ['practitioners who saw a condition, two levels', (i) => `Practitioner?_has:Encounter:practitioner:_has:Condition:encounter:code=${condition(i, 1)}`, (row, i) => i.of('Encounter').some((one) => by(one, `Practitioner/${row.id}`) && seen(i, one, 'Condition', ({ code }) => coded(code, condition(i, 1))))],
  ['practitioners who prescribed a drug', () => 'Practitioner?_has:MedicationRequest:requester:code=314076', (row, { of }) => of('MedicationRequest').some((one) => pointsTo(one.requester, `Practitioner/${row.id}`) && coded(one.medicationCodeableConcept, '314076'))],
  ['practitioners of women who prescribed', () => 'Practitioner?_has:MedicationRequest:requester:patient.gender=female', (row, { of, to }) => of('MedicationRequest').some((one) => pointsTo(one.requester, `Practitioner/${row.id}`) && female(to(one.subject)))],
  ['organizations where weights were high, two levels', () => 'Organization?_has:Encounter:service-provider:_has:Observation:encounter:code-value-quantity=39156-5$gt30', (row, i) => i.of('Encounter').some((one) => pointsTo(one.serviceProvider, `Organization/${row.id}`) && seen(i, one, 'Observation', (each) => coded(each.code, '39156-5') && value(each) > 30))],
  ['places of emergencies', () => 'Location?_has:Encounter:location:class=EMER', (row, { of }) => of('Encounter').some((one) => at(one, `Location/${row.id}`) && one.class.code === 'EMER')],
  ['places where someone was seen', (i) => `Location?_has:Encounter:location:patient=${someone(i)}`, (row, i) => i.of('Encounter').some((one) => at(one, `Location/${row.id}`) && ofPatient(one, someone(i)))],
  ['encounters with a high value', () => 'Encounter?_has:Observation:encounter:code-value-quantity=8867-4$gt95', (row, i) => seen(i, row, 'Observation', (one) => coded(one.code, '8867-4') && value(one) > 95)],
  ['encounters with a vaccination and no reason', () => 'Encounter?reason-code:missing=true&_has:Procedure:encounter:status=completed', (row, i) => row.reasonCode === undefined && seen(i, row, 'Procedure', () => true)],
  ['encounters of a year with a condition', () => 'Encounter?date=ge2024&_has:Condition:encounter:clinical-status=active', (row, i) => row.period.end >= '2024' && seen(i, row, 'Condition', (one) => coded(one.clinicalStatus, 'active'))],
  ['conditions that procedures were done for', () => 'Condition?_has:Procedure:reason-reference:status=completed', (row, { of }) => of('Procedure').some((one) => pointsTo(one.reasonReference, `Condition/${row.id}`))],
  ['values in laboratory reports', () => 'Observation?_has:DiagnosticReport:result:category=LAB&value-quantity=gt100', (row, { of }) => value(row) > 100 && of('DiagnosticReport').some((one) => coded(one.category, 'LAB') && pointsTo(one.result, `Observation/${row.id}`))],
  ['drugs that someone was prescribed', () => 'Medication?_has:MedicationRequest:medication:intent=order', (row, { of }) => of('MedicationRequest').some((one) => pointsTo(one.medicationReference, `Medication/${row.id}`))],
  ['care teams of plans', () => 'CareTeam?_has:CarePlan:care-team:status=active', (row, { of }) => of('CarePlan').some((one) => one.status === 'active' && pointsTo(one.careTeam, `CareTeam/${row.id}`))],
  ['claims with a benefit', () => 'Claim?_has:ExplanationOfBenefit:claim:status=active&created=ge2025', (row, { of }) => row.created >= '2025' && of('ExplanationOfBenefit').some((one) => pointsTo(one.claim, `Claim/${row.id}`))],
  ['of a list', () => 'Condition?_list=watched', (row, { of }) => list(of('List')[0]!.entry).some(({ item }) => pointsTo(item, `Condition/${row.id}`))],
  ['of a list, those that last', () => 'Condition?_list=watched&clinical-status=active,resolved', (row, { of }) => list(of('List')[0]!.entry).some(({ item }) => pointsTo(item, `Condition/${row.id}`))],
  ['encounters at a place or within it', (i) => `Encounter?location:below=${place(i)}`, (row, i) => at(row, place(i), 'Location/ward', 'Location/room')],
  ['encounters in a ward or above it', () => 'Encounter?location:above=ward&class=AMB', (row, i) => at(row, place(i), 'Location/ward')],
  ['patients who were in a place or within it', () => 'Patient?_has:Encounter:patient:location:below=Location/ward', (row, i) => rowsFor(i, 'Encounter', row, (one) => at(one, 'Location/ward', 'Location/room'))]
]
