/** Searches that a clinic makes, over synthetic patients: every answer is the one computed from the input files by plain loops. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dataDir } from '../data.ts'
import { type Harness, type Json, startHarness, SYSTEM } from '../harness.ts'
import { pages } from './kit.ts'
import { coded, female, type Input, list, loadSynthea, pointsTo, type Query, readSynthea, someone, time, value, withRows } from './synthea.ts'
import { CHAINS, COHORTS, EVERYONE, ONE_PATIENT } from './synthea-clinic.ts'
import { CHAINED, COMPARTMENTS, LINKED, made, OF_A_PATIENT } from './synthea-links.ts'
import { CODES, COMPOSITES, EXPRESSIONS, PEOPLE, QUANTITIES, TIMES } from './synthea-values.ts'

const dir = dataDir()
let server: Harness
let system: string
let input: Input

beforeAll(async () => {
  if (dir === null) return
  server = await startHarness({ SCAN_RECORDS_MAX: '100000', CHAIN_MATCHES_MAX: '4000', SORT_RECORDS_MAX: '20000', INCLUDED_RECORDS_MAX: '20000' })
  system = await server.token(SYSTEM)
  input = withRows(readSynthea(join(dir, 'synthea'), 700_000), made)
  await loadSynthea(server, system, input.rows)
})
afterAll(() => server?.close())

const QUERIES: Readonly<Record<string, readonly Query[]>> = {
  'of one patient': [...ONE_PATIENT, ...OF_A_PATIENT], 'of everyone': EVERYONE, 'by quantities': QUANTITIES, 'by composites': COMPOSITES, 'by codes': CODES, 'of people and places': PEOPLE, 'by times': TIMES,
  'by expressions and words': EXPRESSIONS, 'in compartments': COMPARTMENTS, 'by chains': [...CHAINS, ...CHAINED], 'for cohorts': [...COHORTS, ...LINKED]
}

const by = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
/** Those that have not ended come last, whatever the order. */
const ended = ({ abatementDateTime }: Json): number => (abatementDateTime === undefined ? Number.MIN_SAFE_INTEGER : time(abatementDateTime))

async function check([what, pathOf, keep]: Query): Promise<void> {
  const path = pathOf(input)
  const type = path.split('?')[0]!.split('/').at(-1)!
  const owed = input.of(type).filter((row) => keep(row, input)).map(({ id }) => `${type}/${id}`).sort()
  const found = (await pages(server, system, `${path}&_count=1000`)).flat()
  expect([path, [...found].sort()]).toEqual([path, owed])
  expect([path, owed.length > 0]).toEqual([path, !what.endsWith('(none)')])
}

describe.skipIf(dir === null)('over synthetic patients', () => {
  for (const [name, queries] of Object.entries(QUERIES)) test.each(queries)(`${name}: %s`, async (...query) => check(query))

  test('there are 200, each asked once', () => {
    const all = Object.values(QUERIES).flat()
    expect(all.length).toBeGreaterThanOrEqual(200)
    expect(new Set(all.map(([, path]) => path(input))).size).toBe(all.length)
    expect(all.filter(([what]) => what.endsWith('(none)')).length).toBeLessThan(16)
  })

  test.each([
    ['Patient?_sort=-birthdate,_id', (a: Json, b: Json) => (a.birthDate < b.birthDate ? 1 : a.birthDate > b.birthDate ? -1 : a.id < b.id ? -1 : 1), 'Patient', () => true],
    ['Patient?_sort=birthdate,_id&gender=female', (a: Json, b: Json) => (a.birthDate < b.birthDate ? -1 : a.birthDate > b.birthDate ? 1 : a.id < b.id ? -1 : 1), 'Patient', female],
    ['Encounter?_sort=date,_id', (a: Json, b: Json) => time(a.period.start) - time(b.period.start) || (a.id < b.id ? -1 : 1), 'Encounter', () => true],
    ['Observation?code=39156-5&_sort=-value-quantity,_id', (a: Json, b: Json) => value(b) - value(a) || (a.id < b.id ? -1 : 1), 'Observation', (row: Json) => coded(row.code, '39156-5')],
    ['Patient?_sort=gender,-birthdate', (a: Json, b: Json) => by(a.gender, b.gender) || by(b.birthDate, a.birthDate), 'Patient', () => true],
    ['Condition?_sort=clinical-status,-onset-date,_id', (a: Json, b: Json) => by(a.clinicalStatus.coding[0].code, b.clinicalStatus.coding[0].code) || time(b.onsetDateTime) - time(a.onsetDateTime) || by(a.id, b.id), 'Condition', () => true],
    ['MedicationRequest?_sort=status,authoredon,-_id', (a: Json, b: Json) => by(a.status, b.status) || time(a.authoredOn) - time(b.authoredOn) || by(b.id, a.id), 'MedicationRequest', () => true],
    ['Condition?_sort=-abatement-date,_id&category=encounter-diagnosis', (a: Json, b: Json) => ended(b) - ended(a) || by(a.id, b.id), 'Condition', () => true],
    ['Practitioner?_sort=-family,_id&gender=female', (a: Json, b: Json) => by(b.name[0].family.toLowerCase(), a.name[0].family.toLowerCase()) || by(a.id, b.id), 'Practitioner', female]
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

  const ofSomeone = (type: string, keep: (row: Json) => boolean = () => true) => (i: Input): readonly Json[] => i.of(type).filter((row) => pointsTo(row.subject ?? row.patient, someone(i)) && keep(row))
  const named = (...references: readonly Json[]): readonly string[] => references.flatMap(list).map(({ reference }) => reference)
  test.each<readonly [string, (i: Input) => string, (i: Input) => readonly Json[], (i: Input, matches: readonly Json[]) => readonly string[]]>([
    ['drugs that are resources, and who prescribed', () => 'MedicationRequest?intent=order&_include=MedicationRequest:medication&_include=MedicationRequest:requester', ({ of }) => of('MedicationRequest'), (_, rows) => rows.flatMap(({ medicationReference, requester }) => named(medicationReference, requester))],
    ['encounters, and their places from there', (i) => `Observation?patient=${someone(i)}&code=8867-4&_include=Observation:encounter&_include:iterate=Encounter:location&_include:iterate=Encounter:service-provider`, ofSomeone('Observation', (row) => coded(row.code, '8867-4')),
      ({ to }, rows) => rows.flatMap(({ encounter }) => [...named(encounter), ...list(to(encounter)!.location).map(({ location }) => location.reference), ...named(to(encounter)!.serviceProvider)])],
    ['values of reports', () => 'DiagnosticReport?category=LAB&_include=DiagnosticReport:result', ({ of }) => of('DiagnosticReport').filter(({ category }) => coded(category, 'LAB')), (_, rows) => rows.flatMap(({ result }) => named(result))],
    ['reports of values', (i) => `Observation?patient=${someone(i)}&code=2339-0&_revinclude=DiagnosticReport:result`, ofSomeone('Observation', (row) => coded(row.code, '2339-0')), ({ of }, rows) => of('DiagnosticReport').filter(({ result }) => rows.some(({ id }) => pointsTo(result, `Observation/${id}`))).map(({ id }) => `DiagnosticReport/${id}`)],
    ['all that a care plan names', () => 'CarePlan?status=active&_include=*', ({ of }) => of('CarePlan').filter(({ status }) => status === 'active'), (_, rows) => rows.flatMap(({ subject, encounter, careTeam, addresses }) => named(subject, encounter, careTeam, addresses))],
    ['benefits of claims', (i) => `Claim?patient=${someone(i)}&_revinclude=ExplanationOfBenefit:claim`, ofSomeone('Claim'), (i) => ofSomeone('ExplanationOfBenefit')(i).map(({ id }) => `ExplanationOfBenefit/${id}`)]
  ])('what is included: %s', async (_, pathOf, matches, includes) => {
    const { json } = await server.ask(system, 'GET', `${pathOf(input)}&_count=1000`)
    const of = (mode: string): readonly string[] => json.entry.filter(({ search }: Json) => search.mode === mode).map(({ resource }: Json) => `${resource.resourceType}/${resource.id}`).sort()
    const rows = matches(input)
    expect(of('match')).toEqual(rows.map(({ resourceType, id }) => `${resourceType}/${id}`).sort())
    expect(of('include')).toEqual([...new Set(includes(input, rows))].sort())
    expect([rows.length > 0, of('include').length > 0]).toEqual([true, true])
  })

  test.each<readonly [string, string, (row: Json) => boolean]>([
    ['Observation', 'code=8867-4', (row) => coded(row.code, '8867-4')], ['Condition', 'clinical-status=active', (row) => coded(row.clinicalStatus, 'active')], ['Encounter', 'date=ge2025', ({ period }) => period.end >= '2025'],
    ['Patient', '_has:Observation:patient:code=39156-5', ({ id }) => input.of('Observation').some((row) => coded(row.code, '39156-5') && pointsTo(row.subject, `Patient/${id}`))], ['Claim', '_filter=created%20ge%202025-01-01', ({ created }) => time(created) >= time('2025-01-01T00:00:00Z')]
  ])('totals of %s?%s, with rows and without', async (type, query, keep) => {
    const total = input.of(type).filter(keep).length
    const ask = async (rest: string): Promise<Json> => (await server.ask(system, 'GET', `${type}?${query}${rest}`)).json
    expect(total).toBeGreaterThan(3)
    expect([(await ask('&_summary=count')).total, (await ask('&_count=0')).total, (await ask('&_count=2&_total=accurate')).total, (await ask('&_count=2&_total=estimate')).total]).toEqual([total, total, total, total])
    expect((await ask('&_count=2')).entry).toHaveLength(2)
  })

  test('the elements that are asked for, and those that R4 requires', async () => {
    const { json } = await server.ask(system, 'GET', 'Observation?code=8867-4&_elements=value,subject&_count=1000')
    const rows = new Map(input.of('Observation').map((row) => [row.id, row]))
    expect(json.entry).toHaveLength(input.of('Observation').filter((row) => coded(row.code, '8867-4')).length)
    for (const { resource } of json.entry) {
      const { valueQuantity, subject, status, code } = rows.get(resource.id)!
      expect(resource).toEqual({ resourceType: 'Observation', id: resource.id, meta: expect.anything(), valueQuantity, subject, status, code })
    }
  })
})
