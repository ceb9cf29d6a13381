/** What a clinic asks every day: of one patient, of everyone, by what rows are linked to, and for cohorts. */
import { coded, condition, doctor, female, hospital, list, noon, observed, pointsTo, type Query, rowsFor, someone, start, value } from './synthea.ts'
import type { Json } from '../harness.ts'

export const ONE_PATIENT: readonly Query[] = [
  ['all observations', (i) => `Observation?patient=${someone(i)}`, (row, i) => pointsTo(row.subject, someone(i))],
  ['by code', (i) => `Observation?patient=${someone(i)}&code=http://loinc.org|${observed(i)}`, (row, i) => pointsTo(row.subject, someone(i)) && coded(row.code, observed(i))],
  ['of two codes', (i) => `Observation?subject=${someone(i)}&code=${observed(i)},${observed(i, 1)}`, (row, i) => pointsTo(row.subject, someone(i)) && coded(row.code, observed(i), observed(i, 1))],
  ['vital signs', (i) => `Observation?patient=${someone(i)}&category=vital-signs`, (row, i) => pointsTo(row.subject, someone(i)) && coded(row.category, 'vital-signs')],
  ['laboratory, two years', (i) => `Observation?patient=${someone(i)}&category=laboratory&date=ge2024&date=lt2026`, (row, i) => pointsTo(row.subject, someone(i)) && coded(row.category, 'laboratory') && start(row) >= noon('2024-01-01') && start(row) < noon('2026-01-01')],
  ['since a day', (i) => `Observation?patient=${someone(i)}&date=ge2022-06-01`, (row, i) => pointsTo(row.subject, someone(i)) && start(row) >= noon('2022-06-01')],
  ['but not of a code', (i) => `Observation?patient=${someone(i)}&code:not=${observed(i)}`, (row, i) => pointsTo(row.subject, someone(i)) && !coded(row.code, observed(i))],
  ['values above a limit', (i) => `Observation?patient=${someone(i)}&value-quantity=gt100`, (row, i) => pointsTo(row.subject, someone(i)) && value(row) > 100],
  ['active conditions', (i) => `Condition?patient=${someone(i)}&clinical-status=active`, (row, i) => pointsTo(row.subject, someone(i)) && coded(row.clinicalStatus, 'active')],
  ['conditions since 2015', (i) => `Condition?patient=${someone(i)}&onset-date=ge2015`, (row, i) => pointsTo(row.subject, someone(i)) && start(row) >= noon('2015-01-01')],
  ['prescriptions', (i) => `MedicationRequest?patient=${someone(i)}`, (row, i) => pointsTo(row.subject, someone(i))],
  ['active prescriptions', (i) => `MedicationRequest?patient=${someone(i)}&status=active,completed`, (row, i) => pointsTo(row.subject, someone(i)) && ['active', 'completed'].includes(row.status)],
  ['procedures of a year', (i) => `Procedure?patient=${someone(i)}&date=2025`, (row, i) => pointsTo(row.subject, someone(i)) && row.performedPeriod?.start >= '2025' && row.performedPeriod?.end < '2026'],
  ['ambulatory encounters', (i) => `Encounter?patient=${someone(i)}&class=AMB`, (row, i) => pointsTo(row.subject, someone(i)) && row.class.code === 'AMB'],
  ['immunizations', (i) => `Immunization?patient=${someone(i)}&status=completed`, (row, i) => pointsTo(row.patient, someone(i)) && row.status === 'completed'],
  ['reports', (i) => `DiagnosticReport?patient=${someone(i)}&_sort=-date`, (row, i) => pointsTo(row.subject, someone(i))],
  ['claims', (i) => `Claim?patient=${someone(i)}&status=active`, (row, i) => pointsTo(row.patient, someone(i)) && row.status === 'active'],
  ['care plans', (i) => `CarePlan?patient=${someone(i)}`, (row, i) => pointsTo(row.subject, someone(i))]
]

export const EVERYONE: readonly Query[] = [
  ['women', () => 'Patient?gender=female', female],
  ['born in the sixties', () => 'Patient?birthdate=ge1960&birthdate=lt1970', ({ birthDate }) => birthDate >= '1960' && birthDate < '1970'],
  ['by family name', ({ of }) => `Patient?family=${encodeURIComponent(of('Patient')[0]!.name[0].family.slice(0, 5).toLowerCase())}`, (row, { of }) => row.name.some(({ family }: Json) => family.toLowerCase().startsWith(of('Patient')[0]!.name[0].family.slice(0, 5).toLowerCase()))],
  ['by city', ({ of }) => `Patient?address-city:exact=${encodeURIComponent(of('Patient')[0]!.address[0].city)}`, (row, { of }) => row.address.some(({ city }: Json) => city === of('Patient')[0]!.address[0].city)],
  ['deceased', () => 'Patient?deceased=true', ({ deceasedDateTime }) => deceasedDateTime !== undefined],
  ['any value over 140 mg/dL, in grams too', () => 'Observation?value-quantity=gt140|http://unitsofmeasure.org|mg/dL', (row) => (row.valueQuantity?.code === 'mg/dL' && value(row) > 140) || (row.valueQuantity?.code === 'g/dL' && value(row) > 0.14)],
  ['blood pressures with a systolic part over 120', () => 'Observation?component-code-value-quantity=8480-6$gt120', (row) => list(row.component).some((part) => coded(part.code, '8480-6') && part.valueQuantity?.value > 120)],
  ['encounters of a practitioner', (i) => `Encounter?practitioner=${doctor(i)}`, (row, i) => list(row.participant).some(({ individual }) => pointsTo(individual, doctor(i)))],
  ['encounters of an organization in 2022', (i) => `Encounter?service-provider=Organization/${hospital(i).id}&date=2022`, (row, i) => pointsTo(row.serviceProvider, `Organization/${hospital(i).id}`) && row.period.start >= '2022' && row.period.end < '2023'],
  ['locations of an organization\'s state', () => 'Location?address-state=MA&status=active', ({ address, status }) => address?.state?.toLowerCase().startsWith('ma') && status === 'active']
]

export const CHAINS: readonly Query[] = [
  ['observations of women', () => 'Observation?patient.gender=female', ({ subject }, { to }) => female(to(subject))],
  ['observations of a code, of those born before 1970', (i) => `Observation?patient.birthdate=lt1970&code=${observed(i)}`, (row, i) => i.to(row.subject)?.birthDate < '1970' && coded(row.code, observed(i))],
  ['conditions of patients by family name', ({ of }) => `Condition?subject:Patient.family:exact=${encodeURIComponent(of('Patient')[2]!.name[0].family)}`, (row, { of, to }) => to(row.subject)?.name.some(({ family }: Json) => family === of('Patient')[2]!.name[0].family)],
  ['by a patient\'s identifier', ({ of }) => `MedicationRequest?patient.identifier=${of('Patient')[3]!.identifier[0].system}|${of('Patient')[3]!.identifier[0].value}`, (row, { of }) => pointsTo(row.subject, `Patient/${of('Patient')[3]!.id}`)],
  ['observations made in emergencies', () => 'Observation?encounter.class=EMER', (row, { to }) => to(row.encounter)?.class.code === 'EMER'],
  ['procedures at an organization by name', (i) => `Procedure?encounter.service-provider.name:exact=${encodeURIComponent(hospital(i).name)}`, (row, i) => i.to(i.to(row.encounter)?.serviceProvider)?.name === hospital(i).name],
  ['encounters of a practitioner by number', (i) => `Encounter?participant:Practitioner.identifier=${i.to({ reference: doctor(i) })!.identifier[0].value}`, (row, i) => list(row.participant).some(({ individual }) => pointsTo(individual, doctor(i)))],
  ['conditions found in ambulatory encounters of women', () => 'Condition?encounter.class=AMB&subject:Patient.gender=female', (row, { to }) => to(row.encounter)?.class.code === 'AMB' && female(to(row.subject))],
  ['reports with a result of a code', () => 'DiagnosticReport?result.code=2339-0', (row, { to }) => list(row.result).some((one) => coded(to(one)?.code, '2339-0'))],
  ['prescriptions for a reason', () => 'MedicationRequest?encounter.reason-code:missing=false', (row, { to }) => list(to(row.encounter)?.reasonCode).length > 0],
  ['vital signs of women, by their encounters', () => 'Observation?encounter.patient.gender=female&category=vital-signs', (row, { to }) => female(to(to(row.encounter)?.subject)) && coded(row.category, 'vital-signs')],
  ['patients not male by chain', () => 'CarePlan?patient.gender:not=male', (row, { to }) => to(row.subject)?.gender !== 'male']
]

export const COHORTS: readonly Query[] = [
  ['with a condition', (i) => `Patient?_has:Condition:patient:code=${condition(i, 1)}`, (row, i) => rowsFor(i, 'Condition', row, (one) => coded(one.code, condition(i, 1)))],
  ['with two conditions', (i) => `Patient?_has:Condition:patient:code=${condition(i)}&_has:Condition:patient:code=${condition(i, 2)}`, (row, i) => [0, 2].every((rank) => rowsFor(i, 'Condition', row, (one) => coded(one.code, condition(i, rank))))],
  ['women with a value above a limit', () => 'Patient?gender=female&_has:Observation:patient:code-value-quantity=39156-5$gt28', (row, i) => female(row) && rowsFor(i, 'Observation', row, (one) => coded(one.code, '39156-5') && value(one) > 28)],
  ['seen by a practitioner', (i) => `Patient?_has:Encounter:patient:practitioner=${doctor(i)}`, (row, i) => rowsFor(i, 'Encounter', row, (one) => list(one.participant).some(({ individual }) => pointsTo(individual, doctor(i))))],
  ['with an emergency since 2010', () => 'Patient?_has:Encounter:patient:class=EMER', (row, i) => rowsFor(i, 'Encounter', row, (one) => one.class.code === 'EMER')],
  ['with an allergy', () => 'Patient?_has:AllergyIntolerance:patient:clinical-status=active', (row, i) => rowsFor(i, 'AllergyIntolerance', row, (one) => coded(one.clinicalStatus, 'active'))],
  ['practitioners who saw women', () => 'Practitioner?_has:Encounter:practitioner:patient.gender=female', (row, { of, to }) => of('Encounter').some((one) => list(one.participant).some(({ individual }) => pointsTo(individual, `Practitioner/${row.id}`)) && female(to(one.subject)))],
  ['encounters with a prescription', () => 'Encounter?_has:MedicationRequest:encounter:intent=order', (row, { of }) => of('MedicationRequest').some((one) => pointsTo(one.encounter, `Encounter/${row.id}`) && one.intent === 'order')],
  ['observations in a report, of one patient', (i) => `Observation?patient=${someone(i)}&_has:DiagnosticReport:result:status=final`, (row, i) => pointsTo(row.subject, someone(i)) && i.of('DiagnosticReport').some((one) => pointsTo(one.result, `Observation/${row.id}`))],
  ['patients of a named organization\'s encounters', (i) => `Patient?_has:Encounter:patient:service-provider.name:exact=${encodeURIComponent(hospital(i).name)}`, (row, i) => rowsFor(i, 'Encounter', row, (one) => i.to(one.serviceProvider)?.name === hospital(i).name)],
  ['by what their encounters were used for', () => 'Patient?_has:Encounter:patient:_has:Procedure:encounter:status=completed', (row, i) => i.of('Procedure').some((one) => one.status === 'completed' && pointsTo(i.to(one.encounter)?.subject, `Patient/${row.id}`))]
]
