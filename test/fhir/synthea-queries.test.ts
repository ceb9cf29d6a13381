/** Searches that a clinic makes, over synthetic patients: every answer is the one computed from the input files by plain loops. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dataDir } from '../data.ts'
import { type Harness, type Json, startHarness, SYSTEM } from '../harness.ts'
import { pages } from './kit.ts'
import { coded, commonest, type Input, list, loadSynthea, pointsTo, readSynthea, time } from './synthea.ts'

const dir = dataDir()
let server: Harness
let system: string
let input: Input

beforeAll(async () => {
  if (dir === null) return
  server = await startHarness({ SCAN_RECORDS_MAX: '100000', CHAIN_MATCHES_MAX: '4000', SORT_RECORDS_MAX: '20000', INCLUDED_RECORDS_MAX: '20000' })
  system = await server.token(SYSTEM)
  input = readSynthea(join(dir, 'synthea'), 700_000)
  await loadSynthea(server, system, input.rows)
})
afterAll(() => server?.close())

type Query = readonly [what: string, path: (input: Input) => string, keep: (row: Json, input: Input) => boolean]

const someone = ({ of }: Input): string => `Patient/${of('Patient').map(({ id }) => id).sort()[1]}`
const observed = ({ of }: Input, rank = 0): string => commonest(of('Observation'), ({ code }) => code, rank)
const condition = ({ of }: Input, rank = 0): string => commonest(of('Condition'), ({ code }) => code, rank)
const doctor = ({ of }: Input): string => list(of('Encounter')[3]!.participant)[0].individual.reference
const hospital = ({ of }: Input): Json => of('Organization').find(({ id }) => of('Encounter').some(({ serviceProvider }) => serviceProvider?.reference === `Organization/${id}`))!
const start = (row: Json): number => time(row.effectiveDateTime ?? row.onsetDateTime ?? row.authoredOn ?? row.period?.start ?? row.performedPeriod?.start)
const value = (row: Json): number => row.valueQuantity?.value ?? Number.NaN
const female = (row: Json | undefined): boolean => row?.gender === 'female'
const noon = (text: string): number => time(`${text}T00:00:00Z`)
const rowsFor = (input: Input, type: string, patient: Json, keep: (row: Json) => boolean): boolean => input.of(type).some((row) => pointsTo(row.subject ?? row.patient, `Patient/${patient.id}`) && keep(row))

const ONE_PATIENT: readonly Query[] = [
  ['all observations', (i) => `Observation?patient=${someone(i)}`, (row, i) => pointsTo(row.subject, someone(i))],
  ['by code', (i) => `Observation?patient=${someone(i)}&code=http://loinc.org|${observed(i)}`, (row, i) => pointsTo(row.subject, someone(i)) && coded(row.code, observed(i))],
  ['of two codes', (i) => `Observation?subject=${someone(i)}&code=${observed(i)},${observed(i, 1)}`, (row, i) => pointsTo(row.subject, someone(i)) && coded(row.code, observed(i), observed(i, 1))],
  ['vital signs', (i) => `Observation?patient=${someone(i)}&category=vital-signs`, (row, i) => pointsTo(row.subject, someone(i)) && coded(row.category, 'vital-signs')],
  ['laboratory, two years', (i) => `Observation?patient=${someone(i)}&category=laboratory&date=ge2021&date=lt2023`, (row, i) => pointsTo(row.subject, someone(i)) && coded(row.category, 'laboratory') && start(row) >= noon('2021-01-01') && start(row) < noon('2023-01-01')],
  ['since a day', (i) => `Observation?patient=${someone(i)}&date=ge2022-06-01`, (row, i) => pointsTo(row.subject, someone(i)) && start(row) >= noon('2022-06-01')],
  ['but not of a code', (i) => `Observation?patient=${someone(i)}&code:not=${observed(i)}`, (row, i) => pointsTo(row.subject, someone(i)) && !coded(row.code, observed(i))],
  ['values above a limit', (i) => `Observation?patient=${someone(i)}&value-quantity=gt100`, (row, i) => pointsTo(row.subject, someone(i)) && value(row) > 100],
  ['active conditions', (i) => `Condition?patient=${someone(i)}&clinical-status=active`, (row, i) => pointsTo(row.subject, someone(i)) && coded(row.clinicalStatus, 'active')],
  ['conditions since 2015', (i) => `Condition?patient=${someone(i)}&onset-date=ge2015`, (row, i) => pointsTo(row.subject, someone(i)) && start(row) >= noon('2015-01-01')],
  ['prescriptions', (i) => `MedicationRequest?patient=${someone(i)}`, (row, i) => pointsTo(row.subject, someone(i))],
  ['active prescriptions', (i) => `MedicationRequest?patient=${someone(i)}&status=active,completed`, (row, i) => pointsTo(row.subject, someone(i)) && ['active', 'completed'].includes(row.status)],
  ['procedures of a year', (i) => `Procedure?patient=${someone(i)}&date=2023`, (row, i) => pointsTo(row.subject, someone(i)) && row.performedPeriod?.start >= '2023' && row.performedPeriod?.end < '2024'],
  ['ambulatory encounters', (i) => `Encounter?patient=${someone(i)}&class=AMB`, (row, i) => pointsTo(row.subject, someone(i)) && row.class.code === 'AMB'],
  ['immunizations', (i) => `Immunization?patient=${someone(i)}&status=completed`, (row, i) => pointsTo(row.patient, someone(i)) && row.status === 'completed'],
  ['reports', (i) => `DiagnosticReport?patient=${someone(i)}&_sort=-date`, (row, i) => pointsTo(row.subject, someone(i))],
  ['claims', (i) => `Claim?patient=${someone(i)}&status=active`, (row, i) => pointsTo(row.patient, someone(i)) && row.status === 'active'],
  ['care plans', (i) => `CarePlan?patient=${someone(i)}`, (row, i) => pointsTo(row.subject, someone(i))]
]

const EVERYONE: readonly Query[] = [
  ['women', () => 'Patient?gender=female', female],
  ['born in the fifties', () => 'Patient?birthdate=ge1950&birthdate=lt1960', ({ birthDate }) => birthDate >= '1950' && birthDate < '1960'],
  ['by family name', ({ of }) => `Patient?family=${encodeURIComponent(of('Patient')[0]!.name[0].family.slice(0, 5).toLowerCase())}`, (row, { of }) => row.name.some(({ family }: Json) => family.toLowerCase().startsWith(of('Patient')[0]!.name[0].family.slice(0, 5).toLowerCase()))],
  ['by city', ({ of }) => `Patient?address-city:exact=${encodeURIComponent(of('Patient')[0]!.address[0].city)}`, (row, { of }) => row.address.some(({ city }: Json) => city === of('Patient')[0]!.address[0].city)],
  ['deceased', () => 'Patient?deceased=true', ({ deceasedDateTime }) => deceasedDateTime !== undefined],
  ['high systolic or any value over 140 mm[Hg]', () => 'Observation?value-quantity=gt140|http://unitsofmeasure.org|mm[Hg]', (row) => value(row) > 140 && row.valueQuantity.code === 'mm[Hg]'],
  ['blood pressures with a systolic part over 120', () => 'Observation?component-code-value-quantity=8480-6$gt120', (row) => list(row.component).some((part) => coded(part.code, '8480-6') && part.valueQuantity?.value > 120)],
  ['encounters of a practitioner', (i) => `Encounter?practitioner=${doctor(i)}`, (row, i) => list(row.participant).some(({ individual }) => pointsTo(individual, doctor(i)))],
  ['encounters of an organization in 2022', (i) => `Encounter?service-provider=Organization/${hospital(i).id}&date=2022`, (row, i) => pointsTo(row.serviceProvider, `Organization/${hospital(i).id}`) && row.period.start >= '2022' && row.period.end < '2023'],
  ['locations of an organization\'s state', () => 'Location?address-state=MA&status=active', ({ address, status }) => address?.state?.toLowerCase().startsWith('ma') && status === 'active']
]

const CHAINS: readonly Query[] = [
  ['observations of women', () => 'Observation?patient.gender=female', ({ subject }, { to }) => female(to(subject))],
  ['observations of a code, of those born before 1970', (i) => `Observation?patient.birthdate=lt1970&code=${observed(i)}`, (row, i) => i.to(row.subject)?.birthDate < '1970' && coded(row.code, observed(i))],
  ['conditions of patients by family name', ({ of }) => `Condition?subject:Patient.family:exact=${encodeURIComponent(of('Patient')[2]!.name[0].family)}`, (row, { of, to }) => to(row.subject)?.name.some(({ family }: Json) => family === of('Patient')[2]!.name[0].family)],
  ['by a patient\'s identifier', ({ of }) => `MedicationRequest?patient.identifier=${of('Patient')[3]!.identifier[0].system}|${of('Patient')[3]!.identifier[0].value}`, (row, { of }) => pointsTo(row.subject, `Patient/${of('Patient')[3]!.id}`)],
  ['observations made in emergencies', () => 'Observation?encounter.class=EMER', (row, { to }) => to(row.encounter)?.class.code === 'EMER'],
  ['procedures at an organization by name', (i) => `Procedure?encounter.service-provider.name:exact=${encodeURIComponent(hospital(i).name)}`, (row, i) => i.to(i.to(row.encounter)?.serviceProvider)?.name === hospital(i).name],
  ['encounters of a practitioner by number', (i) => `Encounter?participant:Practitioner.identifier=${i.to({ reference: doctor(i) })!.identifier[0].value}`, (row, i) => list(row.participant).some(({ individual }) => pointsTo(individual, doctor(i)))],
  ['conditions found in ambulatory encounters of women', () => 'Condition?encounter.class=AMB&subject:Patient.gender=female', (row, { to }) => to(row.encounter)?.class.code === 'AMB' && female(to(row.subject))],
  ['reports with a result of a code', (i) => `DiagnosticReport?result.code=${observed(i)}`, (row, i) => list(row.result).some((one) => coded(i.to(one)?.code, observed(i)))],
  ['prescriptions for a reason', () => 'MedicationRequest?encounter.reason-code:missing=false', (row, { to }) => list(to(row.encounter)?.reasonCode).length > 0],
  ['vital signs of women, by their encounters', () => 'Observation?encounter.patient.gender=female&category=vital-signs', (row, { to }) => female(to(to(row.encounter)?.subject)) && coded(row.category, 'vital-signs')],
  ['patients not male by chain', () => 'CarePlan?patient.gender:not=male', (row, { to }) => to(row.subject)?.gender !== 'male']
]

const COHORTS: readonly Query[] = [
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

async function check([, pathOf, keep]: Query): Promise<void> {
  const path = pathOf(input)
  const type = path.split('?')[0]!
  const owed = input.of(type).filter((row) => keep(row, input)).map(({ id }) => `${type}/${id}`).sort()
  const found = (await pages(server, system, `${path}&_count=1000`)).flat()
  expect([path, [...found].sort()]).toEqual([path, owed])
  nonEmpty += owed.length > 0 ? 1 : 0
}
let nonEmpty = 0

describe.skipIf(dir === null)('over synthetic patients', () => {
  test.each(ONE_PATIENT)('of one patient: %s', async (...query) => check(query))
  test.each(EVERYONE)('of everyone: %s', async (...query) => check(query))
  test.each(CHAINS)('chains: %s', async (...query) => check(query))
  test.each(COHORTS)('cohorts: %s', async (...query) => check(query))

  test('there are over 40, and most of them find something', () => {
    const all = [ONE_PATIENT, EVERYONE, CHAINS, COHORTS].flat().length
    expect(all).toBeGreaterThan(50)
    expect(nonEmpty).toBeGreaterThan(all - 12)
  })

  test.each([
    ['Patient?_sort=-birthdate,_id', (a: Json, b: Json) => (a.birthDate < b.birthDate ? 1 : a.birthDate > b.birthDate ? -1 : a.id < b.id ? -1 : 1), 'Patient', () => true],
    ['Patient?_sort=birthdate,_id&gender=female', (a: Json, b: Json) => (a.birthDate < b.birthDate ? -1 : a.birthDate > b.birthDate ? 1 : a.id < b.id ? -1 : 1), 'Patient', female],
    ['Encounter?_sort=date,_id', (a: Json, b: Json) => time(a.period.start) - time(b.period.start) || (a.id < b.id ? -1 : 1), 'Encounter', () => true],
    ['Observation?code=39156-5&_sort=-value-quantity,_id', (a: Json, b: Json) => value(b) - value(a) || (a.id < b.id ? -1 : 1), 'Observation', (row: Json) => coded(row.code, '39156-5')]
  ] as const)('in order, in pages of 25: %s', async (path, order, type, keep) => {
    const owed = input.of(type).filter(keep).sort(order).map(({ id }) => `${type}/${id}`)
    expect((await pages(server, system, `${path}&_count=25`)).flat()).toEqual(owed)
    expect(owed.length).toBeGreaterThan(3)
  })

  test('a patient\'s encounters with what they include and what refers to them', async () => {
    const patient = someone(input)
    const { json } = await server.ask(system, 'GET', `Encounter?patient=${patient}&_count=1000&_include=Encounter:practitioner&_include=Encounter:service-provider&_revinclude=Procedure:encounter&_revinclude=Condition:encounter`)
    const encounters = input.of('Encounter').filter(({ subject }) => pointsTo(subject, patient))
    const places = new Set(encounters.map(({ id }) => `Encounter/${id}`))
    const owed = new Set([
      ...encounters.flatMap(({ participant, serviceProvider }) => [...list(participant).map(({ individual }) => individual.reference), serviceProvider.reference]),
      ...['Procedure', 'Condition'].flatMap((type) => input.of(type).filter(({ encounter }) => places.has(encounter?.reference)).map(({ id }) => `${type}/${id}`))
    ])
    const of = (mode: string): readonly string[] => json.entry.filter(({ search }: Json) => search.mode === mode).map(({ resource }: Json) => `${resource.resourceType}/${resource.id}`).sort()
    expect(of('match')).toEqual([...places].sort())
    expect(of('include')).toEqual([...owed].sort())
    expect(owed.size).toBeGreaterThan(10)
  })
})
