/** Searches in compartments and over several types (https://hl7.org/fhir/R4/search.html#compartment). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compartment } from '../../src/search/compartment-search.ts'
import { dataDir } from '../data.ts'
import { type Harness, idsOf, type Json, startHarness, SYSTEM } from '../harness.ts'
import { bundle, entry, linkOf, observation, organization, pages, patient, refusal, statuses } from './kit.ts'

let server: Harness
let system: string

const ref = (reference: string) => ({ reference })
const row = (resourceType: string, id: string, more: object) => ({ resourceType, id, ...more })
const rows = [
  organization('Ward', { id: 'ward' }), row('Practitioner', 'joe', { name: [{ family: 'Welby' }] }), row('Device', 'pump', { status: 'active' }),
  patient('Adams', { id: 'adams', generalPractitioner: [ref('Practitioner/joe')] }), patient('Baker', { id: 'baker', link: [{ other: ref('Patient/adams'), type: 'seealso' }] }),
  row('RelatedPerson', 'mother', { patient: ref('Patient/adams') }),
  row('Encounter', 'e-1', { status: 'finished', class: { code: 'AMB' }, subject: ref('Patient/adams'), participant: [{ individual: ref('Practitioner/joe') }] }),
  row('Encounter', 'e-2', { status: 'finished', class: { code: 'IMP' }, subject: ref('Patient/baker') }),
  observation('Patient/adams', { id: 'o-1', encounter: ref('Encounter/e-1'), performer: [ref('RelatedPerson/mother')] }),
  observation('Patient/adams/_history/1', { id: 'o-2', status: 'preliminary', device: ref('Device/pump') }),
  observation('Patient/baker', { id: 'o-3', performer: [ref('Patient/adams'), ref('Practitioner/joe')], encounter: ref('Encounter/e-2') }),
  row('Condition', 'c-1', { subject: ref('Patient/adams'), asserter: ref('RelatedPerson/mother'), clinicalStatus: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'active' }] } })
]

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
  for (const one of rows) expect(statuses(await server.ask(system, 'POST', '', { body: bundle('transaction', [entry('PUT', `${one.resourceType}/${one.id}`, one)]) }))).toEqual([201])
})
afterAll(() => server.close())

const found = async (path: string, token = system): Promise<readonly string[]> => {
  const reply = await server.ask(token, 'GET', path)
  expect(reply.status, `${path} ${reply.text}`).toBe(200)
  expect(reply.json.total).toBe(idsOf(reply.json).length)
  return idsOf(reply.json)
}

test.each([
  ['Patient/adams/Observation', ['Observation/o-1', 'Observation/o-2', 'Observation/o-3']],
  ['Patient/adams/Observation?status=final', ['Observation/o-1', 'Observation/o-3']],
  ['Patient/adams/Observation?patient.family=baker', ['Observation/o-3']],
  ['Patient/adams/Patient', ['Patient/adams', 'Patient/baker']],
  ['Patient/nobody/Observation', []],
  ['Patient/adams/*', ['Condition/c-1', 'Encounter/e-1', 'Observation/o-1', 'Observation/o-2', 'Observation/o-3', 'Patient/adams', 'Patient/baker', 'RelatedPerson/mother']],
  ['Patient/adams/*?_type=Condition,Encounter', ['Condition/c-1', 'Encounter/e-1']],
  ['Encounter/e-1/Observation', ['Observation/o-1']],
  ['Encounter/e-1/*', ['Encounter/e-1', 'Observation/o-1']],
  ['Practitioner/joe/Observation', ['Observation/o-3']],
  ['Practitioner/joe/*', ['Encounter/e-1', 'Observation/o-3', 'Patient/adams', 'Practitioner/joe']],
  ['RelatedPerson/mother/*', ['Condition/c-1', 'Observation/o-1', 'RelatedPerson/mother']],
  ['Device/pump/Observation', ['Observation/o-2']],
  ['?_type=Patient,Organization', ['Organization/ward', 'Patient/adams', 'Patient/baker']],
  ['?_type=Encounter,Observation&_id=e-2,o-2', ['Encounter/e-2', 'Observation/o-2']],
  ['?_type=Encounter,Observation&patient.family=baker', ['Encounter/e-2', 'Observation/o-3']],
  ['?_type=Organization', ['Organization/ward']],
  ['?_id=e-2,o-2,ward,nowhere', ['Encounter/e-2', 'Observation/o-2', 'Organization/ward']],
  ['?_id=ward&_lastUpdated=gt2000', ['Organization/ward']],
  ['?_lastUpdated=lt2000', []]
] as const)('%s', async (path, refs) => { expect(await found(path)).toEqual(refs) })

test('by POST, too', async () => {
  const form = { headers: { 'content-type': 'application/x-www-form-urlencoded' } }
  expect(idsOf((await server.ask(system, 'POST', 'Patient/adams/Observation/_search', { ...form, body: 'status=preliminary' })).json)).toEqual(['Observation/o-2'])
  expect(idsOf((await server.ask(system, 'POST', '_search', { ...form, body: '_type=Organization,Device' })).json)).toEqual(['Device/pump', 'Organization/ward'])
})

test('all types at once are those that the caller may search, in pages as in one', async () => {
  const everything = await found('?_lastUpdated=gt2000&_count=1000')
  expect(everything).toContain('Device/pump')
  expect((await pages(server, system, '?_lastUpdated=gt2000&_count=4')).flat().sort()).toEqual(everything)
  const token = await server.token({ scope: 'patient/Observation.rs patient/Patient.rs patient/Device.rs', patient: 'adams' })
  expect(idsOf((await server.ask(token, 'GET', '?_lastUpdated=gt2000')).json).toSorted()).toEqual(['Observation/o-1', 'Observation/o-2', 'Patient/adams'])
  expect((await server.ask(token, 'GET', '?_id=ward,o-3,e-2')).json.total).toBe(0)
  expect(refusal(await server.ask(token, 'GET', '?_id=o-1&status=final'))[0]).toBe(400)
})

test('pages of several types: each row once, newest or oldest first, back and forth, with links of their own', async () => {
  const all = ['Encounter/e-1', 'Encounter/e-2', 'Observation/o-1', 'Observation/o-2', 'Observation/o-3', 'Condition/c-1']
  for (const count of [1, 2, 4]) {
    expect((await pages(server, system, `?_type=Observation,Encounter,Condition&_count=${count}`)).flat()).toEqual([...all].reverse())
    expect((await pages(server, system, `?_type=Observation,Encounter,Condition&_count=${count}&_sort=_lastUpdated`)).flat()).toEqual(all)
  }
  expect((await pages(server, system, 'Patient/adams/*?_count=3')).flat().sort()).toEqual(await found('Patient/adams/*'))
  const first = await server.ask(system, 'GET', '?_type=Observation,Encounter&_count=2&_total=accurate')
  const second = await server.ask(system, 'GET', linkOf(server, first.json, 'next')!)
  expect([first.json.total, second.json.total]).toEqual([5, 5])
  expect(idsOf((await server.ask(system, 'GET', linkOf(server, second.json, 'previous')!)).json)).toEqual(idsOf(first.json))
  const stolen = linkOf(server, first.json, 'next')!.split('?')[1]!
  expect((await server.ask(system, 'GET', `Patient/adams/*?${stolen}`)).status).toBe(404)
  expect((await server.ask(system, 'GET', '?_type=Observation,Encounter&_summary=count')).json.total).toBe(5)
})

test('includes, subsets and entries of a batch', async () => {
  const { json } = await server.ask(system, 'GET', 'Patient/adams/Encounter?_include=Encounter:practitioner&_elements=status')
  expect([json.entry.map(({ search }: Json) => search.mode), json.entry[0].resource.subject]).toEqual([['match', 'include'], undefined])
  const batch = await server.ask(system, 'POST', '', { body: bundle('batch', [entry('GET', 'Patient/adams/Observation?status=final'), entry('GET', '?_type=Organization'), entry('GET', 'Patient/adams/*?_type=Condition')]) })
  expect(batch.json.entry.map(({ resource }: Json) => idsOf(resource))).toEqual([['Observation/o-1', 'Observation/o-3'], ['Organization/ward'], ['Condition/c-1']])
})

test('all of a compartment by form, at either of its places', async () => {
  const asked = (path: string, form: string) => server.ask(system, 'POST', path, { body: form, headers: { 'content-type': 'application/x-www-form-urlencoded' } })
  const all = idsOf((await server.ask(system, 'GET', 'Patient/adams/*')).json)
  expect(all.length).toBeGreaterThan(2)
  for (const place of ['Patient/adams/*/_search', 'Patient/adams/_search']) {
    expect([place, idsOf((await asked(place, '')).json)]).toEqual([place, all])
    expect([place, idsOf((await asked(place, '_type=Condition')).json)]).toEqual([place, ['Condition/c-1']])
    expect([place, refusal(await asked(place, '_type=Nosuch'))[0]]).toEqual([place, 400])
  }
})

describe('refused', () => {
  test.each([
    ['Organization/ward/Observation', 404], ['Patient/adams/Nosuch', 404], ['Patient/adams/Organization', 404], ['Patient/adams/Observation/x', 404], ['Patient/adams/*/_search', 405], ['Patient/adams/_search', 405], ['Organization/ward/_search', 404], ['Patient//Observation', 404],
    ['', 400], ['?name=x', 400], ['?_type=Nosuch', 400], ['?_type=Patient&_type=Observation', 400], ['?_type=Patient,Observation&name=x', 400], ['?_type=Patient,Observation&_sort=_id', 400],
    ['?_type=Patient,AuditEvent', 400], ['Patient/adams/*?_type=Organization', 404], ['Patient/adams/Observation?nosuch=1', 400]
  ] as const)('%s with %i', async (path, status) => { expect(refusal(await server.ask(system, 'GET', path))[0]).toBe(status) })

  test('types that the caller may not search: 403 by name, left out of all', async () => {
    const token = await server.token({ scope: 'system/Observation.rs system/Patient.rs' })
    for (const path of ['?_type=Patient,Encounter', 'Patient/adams/Encounter', 'Patient/adams/*?_type=Encounter']) expect([path, refusal(await server.ask(token, 'GET', path))[0]]).toEqual([path, 403])
    expect(await found('Patient/adams/*', token)).toEqual(['Observation/o-1', 'Observation/o-2', 'Observation/o-3', 'Patient/adams', 'Patient/baker'])
    expect(refusal(await server.ask(await server.token({ scope: 'system/Organization.rs' }), 'GET', 'Patient/adams/*'))[0]).toBe(403)
  })

  test('another patient\'s compartment is as empty as nobody\'s', async () => {
    const baker = await server.token({ scope: 'patient/*.rs', patient: 'baker' })
    expect(await found('Patient/baker/*', baker)).toEqual(['Encounter/e-2', 'Patient/baker'])
    const [others, nobodys] = [await server.ask(baker, 'GET', 'Patient/adams/Condition'), await server.ask(baker, 'GET', 'Patient/absent/Condition')]
    expect(others.text.replaceAll('adams', 'absent')).toBe(nobodys.text)
    expect(await found('Patient/adams/*', await server.token({ scope: 'patient/*.rs', patient: 'adams' }))).toContain('Condition/c-1')
  })
})

test('the ledger names the compartment in the query', async () => {
  await found('Patient/adams/Condition?clinical-status=active')
  const { json } = await server.ask(await server.token({ scope: 'system/*.rs', roles: ['system'] }), 'GET', 'AuditEvent?entity=Condition/c-1&_count=1')
  expect(json.entry[0].resource.entity.some(({ what }: Json) => what?.reference?.startsWith('Condition/c-1'))).toBe(true)
})

test.skipIf(dataDir() === null)('the tables are R4\'s own CompartmentDefinitions', () => {
  for (const name of ['Patient', 'Encounter', 'Practitioner', 'RelatedPerson', 'Device']) {
    const file = join(dataDir()!, 'r4-core', `CompartmentDefinition-${name[0]!.toLowerCase()}${name.slice(1)}.json`)
    const { resource } = JSON.parse(readFileSync(file, 'utf8'))
    const owed = resource.filter(({ param }: Json) => param !== undefined).map(({ code, param }: Json) => [code, param.filter((each: string) => each !== '{def}').sort()])
    const own = [...compartment(name)].map(([type, codes]) => [type, [...codes].sort()])
    expect(own.sort()).toEqual(owed.sort())
  }
})
