/** `_filter`, `_list`, `_text`, `_explain` and what goes with them, by the whole server: who may ask, what shows, and what does not. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, idsOf, type Json, startHarness, SYSTEM } from '../harness.ts'
import { bundle, entry, observation, patient, refusal, statuses } from './kit.ts'

let server: Harness
let system: string
let ann: string
let billing: string

const ref = (reference: string) => ({ reference })

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
  ann = await server.token({ scope: 'patient/*.rs', patient: 'ann', fhirUser: 'Patient/ann' })
  billing = await server.token({ scope: 'user/*.rs', fhirUser: 'Practitioner/x', roles: ['billing'] })
  const weight = (id: string, subject: string, value: number, code: string, more: object = {}) =>
    observation(subject, { id, valueQuantity: { value, system: 'http://unitsofmeasure.org', code }, ...more })
  const rows = [
    patient('Adams', { id: 'ann', contact: [{ name: { family: 'Hush' } }], gender: 'female', birthDate: '1950-03-01' }), patient('Baker', { id: 'bob', gender: 'male', birthDate: '1990-03-01' }),
    weight('o-1', 'Patient/ann', 70, 'kg'), weight('o-2', 'Patient/ann', 68_000, 'g', { note: [{ text: 'weighed with shoes' }] }), weight('o-3', 'Patient/bob', 90, 'kg', { status: 'preliminary', note: [{ text: 'weighed with boots' }] }),
    { resourceType: 'List', id: 'l-1', status: 'current', mode: 'working', subject: ref('Patient/ann'), entry: [{ item: ref('Observation/o-1') }, { item: ref('Observation/o-3') }] },
    { resourceType: 'List', id: 'l-2', status: 'current', mode: 'working', subject: ref('Patient/bob'), entry: [{ item: ref('Observation/o-2') }] },
    { resourceType: 'Coverage', id: 'both', status: 'active', beneficiary: ref('Patient/bob'), policyHolder: ref('Patient/ann'), payor: [ref('Organization/x')] },
    { resourceType: 'Coverage', id: 'bobs', status: 'active', beneficiary: ref('Patient/bob'), payor: [ref('Organization/x')] },
    { resourceType: 'Coverage', id: 'anns', status: 'active', beneficiary: ref('Patient/ann'), payor: [ref('Organization/x')] },
    { resourceType: 'Location', id: 'vienna', status: 'active', position: { latitude: 48.2082, longitude: 16.3738 } }
  ]
  expect(statuses(await server.ask(system, 'POST', '', { body: bundle('transaction', rows.map((row) => entry('PUT', `${row.resourceType}/${row.id}`, row))) })).every((status) => status === 201)).toBe(true)
})
afterAll(() => server.close())

const q = (path: string): string => path.replace(/=([^&]*)/g, (_, value: string) => `=${encodeURIComponent(value)}`)
const found = async (path: string, token = system): Promise<readonly string[]> => {
  const reply = await server.ask(token, 'GET', q(path))
  expect(reply.status, `${path} ${reply.text}`).toBe(200)
  return idsOf(reply.json).map((each) => each.split('/')[1]!)
}

describe('searches', () => {
  test.each<readonly [string, readonly string[], readonly string[]]>([
    ['Observation?_filter=subject:Patient.name co "dam" and value-quantity gt 69|ucum|kg', ['o-1'], ['o-1']],
    ['Observation?_filter=subject:Patient[gender eq male].birthdate lt 2000', ['o-3'], []],
    ['Observation?_filter=not (subject:Patient.name pr true)', [], []],
    ['Observation?_filter=subject:Patient.gender ne female', ['o-3'], []],
    ['Observation?_filter=subject re Patient/bob or value-quantity lt 69|ucum|kg', ['o-2', 'o-3'], ['o-2']],
    ['Observation?value-quantity=lt70|http://unitsofmeasure.org|kg', ['o-2'], ['o-2']],
    ['Observation?_content=weighed', ['o-2', 'o-3'], ['o-2']],
    ['Observation?_content=boots', ['o-3'], []],
    ['Observation?_list=l-1', ['o-1', 'o-3'], ['o-1']],
    ['Observation?_list=l-1,l-2', ['o-1', 'o-2', 'o-3'], ['o-1']],
    ['Patient?_has:Observation:patient:_list=l-2', ['ann'], []],
    ['Patient?_filter=gender in http://hl7.org/fhir/ValueSet/administrative-gender', ['ann', 'bob'], ['ann']],
    ['Patient?_filter=gender ni http://hl7.org/fhir/ValueSet/administrative-gender', [], []],
    ['Patient?_contained=false&_containedType=container', ['ann', 'bob'], ['ann']]
  ])('%s', async (path, all, own) => {
    expect([await found(path), await found(path, ann)]).toEqual([all, own])
  })

  test('what names two patients is found by either, by one who may see it for the other', async () => {
    expect([await found('Coverage?beneficiary=Patient/bob'), await found('Coverage?beneficiary=Patient/bob', ann)]).toEqual([['bobs', 'both'], ['both']])
    expect(await found('Coverage?beneficiary=Patient/bob,Patient/ann&payor=Organization/x', ann)).toEqual(['anns', 'both'])
    expect(await found('Coverage?beneficiary=Patient/bob&status=active&_sort=status', ann)).toEqual(['both'])
    expect(await found('Observation?patient=Patient/bob', ann)).toEqual([])
  })

  test('a place is found by where it is', async () => {
    expect([await found('Location?near=48.21|16.37|1|km'), await found('Location?near=48.21|16.37|100|m')]).toEqual([['vienna'], []])
  })

  test.each(['Observation?patient._filter=gender eq male', 'Patient?_list=$current-problems', 'Patient?_contained=true', 'Patient?_contained=both', 'Patient?_containedType=contained', 'Patient?_query=x', 'Patient?_filter=gender in http://nowhere.example/vs'])('%s is refused', async (path) => {
    expect(refusal(await server.ask(system, 'GET', q(path)))[0]).toBe(400)
  })

  test('what a mask hides is refused by name, however deep it stands in a filter', async () => {
    for (const path of ['Patient?active=true', 'Patient?_filter=active eq true', 'Patient?_filter=gender eq male or not (active pr true)', 'Patient?_filter=not (gender eq male and (family eq a or deceased ne true))', 'Patient?_text=a']) {
      const refused = await server.ask(billing, 'GET', q(path))
      expect([path, ...refusal(refused).slice(0, 2)]).toEqual([path, 403, 'forbidden'])
      expect((await server.ask(system, 'GET', q(path))).status).toBe(200)
    }
    expect(await found('Patient?_filter=gender eq male or not (birthdate pr true)', billing)).toEqual(['bob'])
    // Contact persons are hidden, names are not.
    expect([await found('Patient?_content=adams', billing), await found('Patient?_content=hush', billing), await found('Patient?_content=hush')]).toEqual([['ann'], [], ['ann']])
  })
})

describe('_explain', () => {
  const outcome = (json: Json): readonly string[] => json.entry.filter(({ search }: Json) => search.mode === 'outcome').flatMap(({ resource }: Json) => resource.issue.map(({ diagnostics }: Json) => diagnostics))

  test('tells of the plan, of terms by their names, and of rows by their number', async () => {
    const { json } = await server.ask(system, 'GET', q('Observation?patient=ann&code=8867-4,1234&status=final&_explain=true'))
    expect(outcome(json)).toEqual([expect.stringMatching(/^Observation: within 1 patients and any of 2 terms of code \(patient level\); only confirmed: status; \d+ opened, \d+ confirmed$/)])
    expect(JSON.stringify(outcome(json))).not.toMatch(/8867|1234|ann/)
    expect(json.total).toBe(json.entry.length - 1)
    const chained = await server.ask(system, 'GET', q('Observation?patient.name=adams&_explain=true&_sort=date'))
    expect(outcome(chained.json).map((line: string) => line.split(':')[0])).toEqual(['Patient', 'Observation'])
    expect(outcome((await server.ask(system, 'GET', 'Patient?_count=0&_explain=true')).json)).toEqual([expect.stringMatching(/all rows in reach; 2 opened, 2 confirmed/)])
    expect((await server.ask(system, 'GET', 'Patient?_explain=false')).json.entry).toHaveLength(2)
    expect(outcome((await server.ask(system, 'GET', '?_type=Patient,Location&_explain=true')).json)).toHaveLength(2)
  })

  test('is refused to others, whatever they see', async () => {
    for (const token of [ann, billing]) expect(refusal(await server.ask(token, 'GET', 'Patient?_explain=true'))[0]).toBe(403)
    expect((await server.ask(ann, 'GET', 'Patient?_explain=false')).status).toBe(200)
    expect(refusal(await server.ask(system, 'GET', 'AuditEvent?_explain=true'))[0]).toBe(400)
    const narrow = await server.token({ scope: 'system/Observation.rs?status=final' })
    const lines = outcome((await server.ask(narrow, 'GET', 'Observation?_explain=true&_count=50')).json)
    expect(lines).toEqual([expect.stringMatching(/2 opened, 2 confirmed$/)])
  })
})
