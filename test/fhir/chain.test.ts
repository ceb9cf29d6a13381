/** Chained parameters and _has (https://hl7.org/fhir/R4/search.html#chaining): exact, bounded, and refused where the linked type is. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, idsOf, startHarness, SYSTEM } from '../harness.ts'
import { bundle, countOf, entry, identified, observation, organization, patient, refusal, statuses } from './kit.ts'

let server: Harness
let system: string

const ref = (reference: string) => ({ reference })
const encounter = (id: string, subject: string, more: object = {}) => ({
  resourceType: 'Encounter', id, status: 'finished', class: { code: 'AMB' }, subject: ref(subject), ...more
})

beforeAll(async () => {
  server = await startHarness({ CHAIN_MATCHES_MAX: '6', SCAN_RECORDS_MAX: '40' })
  system = await server.token(SYSTEM)
  const rows = [
    organization('Trust', { id: 'top' }), organization('Hospital', { id: 'mid', partOf: ref('Organization/top') }), organization('Ward', { id: 'low', partOf: ref('Organization/mid') }),
    { resourceType: 'Practitioner', id: 'joe', name: [{ family: 'Welby' }] }, { resourceType: 'Location', id: 'adams-room', name: 'Adams' },
    patient('Adams', { id: 'adams', gender: 'male', birthDate: '1950-03-01', managingOrganization: ref('Organization/low'), generalPractitioner: [ref('Practitioner/joe')] }),
    patient('Baker', { id: 'baker', gender: 'female', birthDate: '1990-03-01', managingOrganization: ref('Organization/mid'), active: true }),
    patient('Carter', { id: 'carter', gender: 'female', identifier: [{ system: 'urn:test', value: 'c-1' }] }),
    encounter('e-adams', 'Patient/adams', { participant: [{ individual: ref('Practitioner/joe') }] }), encounter('e-baker', 'Patient/baker', { class: { code: 'IMP' } }),
    observation('Patient/adams', { id: 'o-adams', encounter: ref('Encounter/e-adams'), valueQuantity: { value: 120 } }),
    observation(`${server.base}/Patient/baker`, { id: 'o-baker', encounter: ref('Encounter/e-baker/_history/1'), valueQuantity: { value: 80 } }),
    observation('Patient/carter', { id: 'o-carter', status: 'preliminary', code: { text: 'other' } }),
    observation('Location/adams-room', { id: 'o-room', code: { text: 'air' } }), observation(null, { id: 'o-none', code: { text: 'none' } }),
    { resourceType: 'Provenance', id: 'p-1', target: [ref('Observation/o-adams')], recorded: '2024-01-01T00:00:00Z', agent: [{ who: ref('Practitioner/joe') }] }
  ]
  expect(statuses(await server.ask(system, 'POST', '', { body: bundle('transaction', rows.map((row) => entry('PUT', `${row.resourceType}/${row.id}`, row))) })).every((status) => status === 201)).toBe(true)
})
afterAll(() => server.close())

const found = async (path: string, token = system): Promise<readonly string[]> => {
  const reply = await server.ask(token, 'GET', path)
  expect(reply.status, `${path} ${reply.text}`).toBe(200)
  expect(reply.json.total).toBe(idsOf(reply.json).length)
  return idsOf(reply.json).map((each) => each.split('/')[1]!)
}

describe('a chain', () => {
  test.each([
    ['Observation?subject:Patient.name=adams', ['o-adams']],
    ['Observation?subject.name=adams', ['o-adams', 'o-room']],
    ['Observation?patient.name=adams,baker', ['o-adams', 'o-baker']],
    ['Observation?patient.name=adams&patient.name=baker', []],
    ['Observation?patient.identifier=urn:test|c-1', ['o-carter']],
    ['Observation?subject:Location.name=adams', ['o-room']],
    ['Observation?patient.gender:not=male', ['o-baker', 'o-carter']],
    ['Observation?patient.birthdate=lt1960', ['o-adams']],
    ['Observation?patient.birthdate:missing=true', ['o-carter']],
    ['Observation?patient.name:exact=Adams', ['o-adams']],
    ['Observation?patient.name:exact=adams', []],
    ['Observation?patient.name:contains=art', ['o-carter']],
    ['Observation?encounter.class=IMP', ['o-baker']],
    ['Observation?encounter.participant:Practitioner.family=welby', ['o-adams']],
    ['Observation?patient.organization.name=ward', ['o-adams']],
    ['Observation?patient.organization.partof.name=trust', ['o-baker']],
    ['Observation?patient.organization.partof.partof.name=trust', ['o-adams']],
    ['Observation?patient.general-practitioner:Practitioner.name=welby&value-quantity=gt100', ['o-adams']],
    ['Observation?patient.general-practitioner:Practitioner.name=welby&value-quantity=lt100', []],
    ['Provenance?target:Observation.patient.name=adams', ['p-1']],
    ['Encounter?patient._has:Observation:patient:status=final', ['e-adams', 'e-baker']]
  ] as const)('%s', async (path, ids) => { expect(await found(path)).toEqual(ids) })

  test('by POST, counted, and on the second page, as by GET', async () => {
    const posted = await server.ask(system, 'POST', 'Observation/_search', { body: 'patient.name=adams%2Cbaker', headers: { 'content-type': 'application/x-www-form-urlencoded' } })
    expect(idsOf(posted.json)).toEqual(['Observation/o-adams', 'Observation/o-baker'])
    expect((await server.ask(system, 'GET', 'Observation?patient.name=adams,baker&_summary=count')).json.total).toBe(2)
    const first = await server.ask(system, 'GET', 'Observation?patient.name=adams,baker&_count=1')
    const next = first.json.link.find((link: { relation: string }) => link.relation === 'next').url.slice(server.base.length)
    const ids = [...idsOf(first.json), ...idsOf((await server.ask(system, 'GET', next)).json)]
    expect(ids.sort()).toEqual(['Observation/o-adams', 'Observation/o-baker'])
  })

  test('is refused where it is malformed: 400, and by no answer without it', async () => {
    for (const text of ['subject.nosuch=1', 'subject:Patient.=1', 'code.name=x', 'subject:Nosuch.name=x', 'subject:Organization.name=x', 'patient.name:nosuch=x', 'patient.birthdate=never', '.name=x', 'subject:Patient:Group.name=x',
      'focus.status=final', 'focus:Nosuch.status=final', '_has:Observation:subject=x', '_has:Nosuch:subject:code=x']) {
      expect([text, refusal(await server.ask(system, 'GET', `Observation?${text}`))[0]]).toEqual([text, 400])
    }
    for (const text of ['_has:Observation:code:status=x', '_has:Observation:encounter:status=final', '_has:Observation:patient=x', '_has:Observation:patient:nosuch=x', '_has::patient:code=x', '_has=x']) {
      expect([text, refusal(await server.ask(system, 'GET', `Patient?${text}`))[0]]).toEqual([text, 400])
    }
  })
})

describe('_has', () => {
  test.each([
    ['Patient?_has:Observation:patient:code=8867-4', ['adams', 'baker']],
    ['Patient?_has:Observation:subject:value-quantity=gt100', ['adams']],
    ['Patient?_has:Observation:patient:code=8867-4&gender=female', ['baker']],
    ['Patient?_has:Observation:patient:status=final&_has:Encounter:patient:class=IMP', ['baker']],
    ['Patient?_has:Observation:patient:encounter.class=AMB', ['adams']],
    ['Patient?_has:Observation:patient:_has:Provenance:target:agent=Practitioner/joe', ['adams']],
    ['Patient?_has:Observation:patient:status:not=final', ['carter']],
    ['Patient?_id=adams,carter&_has:Observation:patient:status=final', ['adams']],
    ['Organization?_has:Patient:organization:active=true', ['mid']],
    ['Practitioner?_has:Encounter:participant:patient.name=adams', ['joe']],
    ['Practitioner?_has:Encounter:participant:patient.name=baker', []]
  ] as const)('%s', async (path, ids) => { expect(await found(path)).toEqual(ids) })
})

describe('bounds', () => {
  test('CHAIN_DEPTH_MAX: four references are followed, five are 422 by its name', async () => {
    expect(await found('Observation?encounter.patient.organization.partof.name=hospital')).toEqual(['o-adams'])
    for (const path of ['Observation?encounter.patient.organization.partof.partof.name=trust', 'Patient?_has:Observation:patient:encounter.patient.organization.partof.name=trust']) {
      const reply = await server.ask(system, 'GET', path)
      expect(refusal(reply).slice(0, 2)).toEqual([422, 'too-costly'])
      expect(reply.text).toContain('CHAIN_DEPTH_MAX')
    }
  })

  test('CHAIN_MATCHES_MAX: linked rows past it are 422 by its name, and rows that the caller does not see do not count', async () => {
    const many = Array.from({ length: 7 }, (_, n) => entry('PUT', `Patient/many-${n}`, patient('Many', { id: `many-${n}` })))
    expect(statuses(await server.ask(system, 'POST', '', { body: bundle('transaction', many) })).every((status) => status === 201)).toBe(true)
    const reply = await server.ask(system, 'GET', 'Observation?patient.name=many')
    expect([...refusal(reply).slice(0, 2), reply.text.includes('CHAIN_MATCHES_MAX')]).toEqual([422, 'too-costly', true])
    expect(await found('Observation?patient.name=many', await server.token({ scope: 'patient/*.rs', patient: 'many-1' }))).toEqual([])
  })

  test('searches that untyped chains multiply are refused', async () => {
    const reply = await server.ask(system, 'GET', `Observation?${Array.from({ length: 40 }, () => 'patient.name=a').join('&')}`)
    expect(refusal(reply).slice(0, 2)).toEqual([422, 'too-costly'])
  })
})

describe('rights', () => {
  test('the linked type is searched by the caller: without the right it is 403, with it the same search answers', async () => {
    const without = await server.token({ scope: 'system/Observation.rs' })
    for (const path of ['Observation?patient.name=adams', 'Observation?subject:Patient._id=adams']) expect(refusal(await server.ask(without, 'GET', path)).slice(0, 2)).toEqual([403, 'forbidden'])
    expect(refusal(await server.ask(await server.token({ scope: 'system/Patient.rs' }), 'GET', 'Patient?_has:Observation:patient:code=x')).slice(0, 2)).toEqual([403, 'forbidden'])
    expect(refusal(await server.ask(await server.token({ scope: 'system/Patient.r system/Observation.rs' }), 'GET', 'Observation?patient.name=adams'))[0]).toBe(403)
    const having = await server.token({ scope: 'system/Observation.rs system/Patient.s' })
    expect(await found('Observation?patient.name=adams', having)).toEqual(['o-adams'])
  })

  test('of several possible types, those that the caller may not search are left out', async () => {
    expect(await found('Observation?subject.name=adams', await server.token({ scope: 'system/Observation.rs system/Location.rs' }))).toEqual(['o-room'])
  })

  test('a scope\'s constraint holds for the linked rows', async () => {
    const token = await server.token({ scope: 'system/Observation.rs system/Patient.rs?gender=female' })
    expect(await found('Observation?patient.name=adams,baker', token)).toEqual(['o-baker'])
  })

  test('an element that a role hides cannot be asked for through a link: 403 by name', async () => {
    const scope = { scope: 'user/*.rs', fhirUser: 'Practitioner/joe' }
    const billing = await server.token({ ...scope, roles: ['billing'] })
    const direct = await server.ask(billing, 'GET', 'Patient?general-practitioner=Practitioner/joe')
    const chained = await server.ask(billing, 'GET', 'Encounter?patient.general-practitioner=Practitioner/joe')
    expect([direct.status, chained.status]).toEqual([403, 403])
    expect(chained.text).toContain('general-practitioner')
    expect((await server.ask(billing, 'GET', 'Encounter?patient.name=adams')).status).toBe(200)
  })

  test('scopes with a chain grant nothing', async () => {
    for (const constraint of ['patient.name=adams', '_has:Provenance:target:agent=Practitioner/joe', 'subject:Patient.name=adams']) {
      expect((await server.ask(await server.token({ scope: `system/Observation.rs?${constraint}` }), 'GET', 'Observation')).status).toBe(403)
    }
    expect(await countOf(server, await server.token({ scope: 'system/Observation.rs?status=preliminary' }), 'Observation')).toBe(1)
  })
})

describe('conditional interactions follow links', () => {
  test('a create whose criteria match through a chain writes nothing', async () => {
    const fresh = observation('Patient/carter', { code: { text: 'fresh' } })
    const create = (criteria: string) => server.ask(system, 'POST', 'Observation', { body: fresh, headers: { 'if-none-exist': criteria } })
    expect((await create('patient.identifier=urn:test|c-1')).status).toBe(200)
    expect((await create('patient.identifier=urn:test|c-2')).status).toBe(201)
  })

  test('in a transaction too, and a conditional reference by _has finds its one target', async () => {
    const entries = [
      entry('POST', 'Observation', observation('Patient?_has:Encounter:patient:class=IMP', { code: { text: 'linked' } }), { request: { ifNoneExist: 'patient.name=nobody' } }),
      entry('POST', 'Patient', identified('c-1'), { request: { ifNoneExist: '_has:Observation:patient:status=preliminary' } })
    ]
    const reply = await server.ask(system, 'POST', '', { body: bundle('transaction', entries) })
    expect(statuses(reply)).toEqual([201, 200])
    expect(await found('Observation?patient=baker')).toHaveLength(2)
  })
})
