/** `:above` and `:below` of references over hierarchies of rows, and of canonical URLs and versions (https://hl7.org/fhir/R4/search.html#reference). */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allTypes } from '../../src/search/classification.ts'
import { partOf } from '../../src/search/hierarchy.ts'
import { type Harness, idsOf, type Reply, startHarness, SYSTEM } from '../harness.ts'
import { bundle, entry, organization, patient, refusal, statuses } from './kit.ts'

let server: Harness
let system: string

const ref = (reference: string) => ({ reference })
const place = (id: string, above: string | null, more: object = {}) => ({ resourceType: 'Location', id, name: id, status: 'active', ...(above === null ? {} : { partOf: ref(above) }), ...more })
const visit = (id: string, location: string | null, more: object = {}) => ({
  resourceType: 'Encounter', id, status: 'finished', class: { code: 'AMB' }, subject: ref('Patient/p'), ...(location === null ? {} : { location: [{ location: ref(location) }] }), ...more
})
const answers = (id: string, questionnaire: string) => ({ resourceType: 'QuestionnaireResponse', id, status: 'completed', subject: ref('Patient/p'), questionnaire })

beforeAll(async () => {
  server = await startHarness({ CHAIN_MATCHES_MAX: '12', CHAIN_SEARCHES_MAX: '8', OR_VALUES_MAX: '5' })
  system = await server.token(SYSTEM)
  const rows = [
    patient('P', { id: 'p' }), patient('Q', { id: 'q' }),
    place('house', null), place('wing', 'Location/house'), place('ward', `${server.base}/Location/wing`, { status: 'suspended' }), place('room', 'Location/ward/_history/1'), place('annex', 'Location/house'), place('other', null),
    // Two that are part of each other, and one of a place that is nowhere.
    place('egg', 'Location/hen'), place('hen', 'Location/egg'), place('lost', 'Location/nowhere'),
    ...['house', 'wing', 'ward', 'room', 'annex', 'other', 'egg', 'hen', 'nowhere', 'lost'].map((id) => visit(`at-${id}`, `Location/${id}`)),
    visit('at-none', null), visit('foreign', 'http://elsewhere.example/fhir/Location/room'),
    visit('stay', null, { subject: ref('Patient/q') }), visit('visit', null, { partOf: ref('Encounter/stay') }), visit('check', null, { partOf: ref('Encounter/visit') }),
    visit('night', null, { subject: ref('Patient/q'), partOf: ref('Encounter/check') }), visit('dose', null, { partOf: ref('Encounter/night') }),
    organization('Trust', { id: 'trust' }), organization('Clinic', { id: 'clinic', partOf: ref('Organization/trust') }), organization('Team', { id: 'team', partOf: ref('Organization/clinic') }),
    { resourceType: 'PractitionerRole', id: 'in-team', organization: ref('Organization/team') }, { resourceType: 'PractitionerRole', id: 'in-trust', organization: ref('Organization/trust') },
    ...Array.from({ length: 10 }, (_, at) => place(`deep-${at}`, at === 0 ? null : `Location/deep-${at - 1}`)), visit('at-deep', 'Location/deep-7'),
    place('wide', null), ...Array.from({ length: 13 }, (_, at) => place(`wide-${at}`, 'Location/wide')),
    answers('plain', 'http://x.example/q'), answers('v1', 'http://x.example/q|1'), answers('v1.2', 'http://x.example/q|1.2'), answers('v1.2.3', 'http://x.example/q|1.2.3'), answers('v1.20', 'http://x.example/q|1.20'), answers('part', 'http://x.example/q/part|1.2')
  ]
  expect(statuses(await server.ask(system, 'POST', '', { body: bundle('transaction', rows.map((row) => entry('PUT', `${row.resourceType}/${row.id}`, row))) })).every((status) => status === 201)).toBe(true)
})
afterAll(() => server.close())

const ask = (path: string, token = system): Promise<Reply> => server.ask(token, 'GET', path)
const found = async (path: string, token = system): Promise<readonly string[]> => {
  const reply = await ask(path, token)
  expect(reply.status, `${path} ${reply.text}`).toBe(200)
  return idsOf(reply.json).map((each) => each.split('/')[1]!)
}

describe('rows', () => {
  test.each([
    ['Encounter?location=Location/wing', ['at-wing']],
    ['Encounter?location:below=Location/wing', ['at-room', 'at-ward', 'at-wing']],
    ['Encounter?location:below=house', ['at-annex', 'at-house', 'at-room', 'at-ward', 'at-wing']],
    ['Encounter?location:below=room', ['at-room']],
    ['Encounter?location:below=Location/ward,Location/other', ['at-other', 'at-room', 'at-ward']],
    ['Encounter?location:below=never', []],
    ['Encounter?location:above=Location/ward', ['at-house', 'at-ward', 'at-wing']],
    ['Encounter?location:above=house', ['at-house']],
    ['Encounter?location:above=ward&location:below=wing', ['at-ward', 'at-wing']],
    // A circle ends, and a place that is nowhere is still one that references name.
    ['Encounter?location:below=egg', ['at-egg', 'at-hen']], ['Encounter?location:above=egg', ['at-egg', 'at-hen']],
    ['Encounter?location:above=lost', ['at-lost', 'at-nowhere']], ['Encounter?location:below=nowhere', ['at-lost', 'at-nowhere']],
    // Another server's places are not known here.
    ['Encounter?location:below=http://elsewhere.example/fhir/Location/room', ['foreign']], ['Encounter?location:below=http://elsewhere.example/fhir', []],
    ['Location?partof:below=Location/wing', ['room', 'ward']], ['Location?partof:above=Location/ward', ['annex', 'room', 'ward', 'wing']],
    ['PractitionerRole?organization:below=Organization/trust', ['in-team', 'in-trust']], ['PractitionerRole?organization:above=team', ['in-team', 'in-trust']],
    ['Encounter?part-of:below=Encounter/stay', ['check', 'dose', 'night', 'visit']],
    // Within chains and _has.
    ['Patient?_has:Encounter:patient:location:below=Location/wing', ['p']], ['Patient?_has:Encounter:patient:location:below=Location/never', []],
    ['Encounter?location.partof:below=Location/wing', ['at-room', 'at-ward']]
  ] as const)('%s', async (path, ids) => expect(await found(path)).toEqual(ids))

  test('on later pages, by POST, counted, sorted and in a compartment', async () => {
    const first = await ask('Encounter?location:below=house&_count=2&_sort=_id')
    const next = first.json.link.find((link: { relation: string }) => link.relation === 'next').url
    expect([...idsOf(first.json), ...idsOf((await ask(next.slice(server.base.length))).json)]).toEqual(['annex', 'house', 'room', 'ward'].map((id) => `Encounter/at-${id}`))
    const posted = await server.ask(system, 'POST', 'Encounter/_search', { body: 'location%3Abelow=wing', headers: { 'content-type': 'application/x-www-form-urlencoded' } })
    expect(idsOf(posted.json)).toHaveLength(3)
    expect((await ask('Encounter?location:below=house&_summary=count')).json.total).toBe(5)
    expect(await found('Patient/p/Encounter?location:below=wing')).toEqual(['at-room', 'at-ward', 'at-wing'])
    expect(await found('Patient/q/Encounter?location:below=wing')).toEqual([])
  })

  test('what is staged in a transaction counts, and criteria may name a hierarchy', async () => {
    const reply = await server.ask(system, 'POST', '', { body: bundle('transaction', [entry('PUT', 'Location/desk', place('desk', 'Location/annex')), entry('PUT', 'Encounter/at-desk', visit('at-desk', 'Location/desk')), entry('GET', 'Encounter?location:below=annex')]) })
    expect(reply.status, reply.text).toBe(200)
    expect(idsOf(reply.json.entry[2].resource)).toEqual(['Encounter/at-annex', 'Encounter/at-desk'])
    expect((await server.ask(system, 'DELETE', 'Encounter?location:below=desk')).status).toBe(204)
    expect(await found('Encounter?location:below=annex')).toEqual(['at-annex'])
    expect((await server.ask(system, 'DELETE', 'Location/desk')).status).toBe(204)
  })

  test('past a bound: 422 with its name, and not before it', async () => {
    expect(await found('Encounter?location:below=Location/deep-2')).toEqual(['at-deep'])
    expect(await found('Encounter?location:above=deep-7')).toEqual(['at-deep'])
    for (const [query, bound] of [['location:below=deep-0', 'CHAIN_SEARCHES_MAX'], ['location:above=deep-9', 'CHAIN_SEARCHES_MAX'], ['location:below=deep-5&location:below=deep-5,egg', 'CHAIN_SEARCHES_MAX'], ['location:below=wide', 'CHAIN_MATCHES_MAX']] as const) {
      const reply = await ask(`Encounter?${query}`)
      expect([query, reply.status, reply.json.issue[0].code, reply.json.issue[0].diagnostics]).toEqual([query, 422, 'too-costly', expect.stringContaining(bound)])
    }
  })

  test('is refused where there is no hierarchy, and where no links are followed', async () => {
    for (const query of ['patient:below=p', 'subject:below=Patient/p', 'location:below=Location/wing/_history/1', 'location:below=Patient/p/x', 'location:sideways=wing']) {
      expect([query, refusal(await ask(`Encounter?${query}`))[0]]).toEqual([query, 400])
    }
    // An id alone may be a practitioner's.
    expect(refusal(await ask('Observation?performer:below=team'))).toEqual([400, 'value', undefined])
    expect(await found('Observation?performer:below=Organization/team')).toEqual([])
  })
})

describe('what the caller may not see', () => {
  test('a hidden row is as one that is not there: what lies behind it is not reached', async () => {
    const [all, active, none] = await Promise.all(['system/Location.rs', 'system/Location.rs?status=active', ''].map((scope) => server.token({ scope: `system/Encounter.rs ${scope}` })))
    expect(await found('Encounter?location:below=wing', all)).toEqual(['at-room', 'at-ward', 'at-wing'])
    expect(await found('Encounter?location:below=wing', active)).toEqual(['at-wing'])
    // The ward is asked for by name, as any search may; the room is seen to lie in it.
    expect(await found('Encounter?location:below=ward', active)).toEqual(['at-room', 'at-ward'])
    // The room that is seen names the ward that is hidden.
    expect(await found('Encounter?location:above=room', active)).toEqual(['at-room', 'at-ward'])
    expect(await found('Encounter?location:above=room', all)).toEqual(['at-house', 'at-room', 'at-ward', 'at-wing'])
    const refused = await ask('Encounter?location:below=wing', none)
    expect([refused.status, refused.text]).toEqual([403, (await ask('Encounter?location:below=never', none)).text])
    expect(refused.json.issue[0].diagnostics).toContain('Location')
  })

  test('of another patient\'s encounters none is a step', async () => {
    const token = await server.token({ scope: 'patient/*.rs', patient: 'p' })
    expect(await found('Encounter?part-of:below=Encounter/stay', token)).toEqual(['check', 'visit'])
    expect(await found('Encounter?part-of:above=Encounter/check', token)).toEqual(['check', 'visit'])
    expect(await found('Encounter?part-of:above=Encounter/dose', token)).toEqual(['dose'])
    expect(await found('Encounter?part-of:above=Encounter/dose')).toEqual(['check', 'dose', 'night', 'visit'])
    const other = await server.token({ scope: 'patient/*.rs', patient: 'q' })
    expect(await found('Encounter?part-of:below=Encounter/stay', other)).toEqual([])
    expect(await found('Encounter?part-of:below=Encounter/check', other)).toEqual(['night'])
  })

  test('a scope may not hold a hierarchy', async () => {
    const token = await server.token({ scope: 'system/Encounter.rs?location:below=Location/wing system/Location.rs' })
    expect((await ask('Encounter', token)).status).toBe(403)
    const plain = await server.token({ scope: 'system/Encounter.rs?location=Location/wing system/Location.rs' })
    expect(await found('Encounter', plain)).toEqual(['at-wing'])
  })
})

test('the documentation names the types that have a hierarchy', () => {
  const types = allTypes.filter((type) => partOf(type) !== undefined)
  expect(readFileSync('docs/CONFORMANCE.md', 'utf8').replace(/\s+/g, ' ')).toContain(`(${types.join(', ')})`)
  expect(types).toHaveLength(11)
})

describe('canonical references', () => {
  test.each([
    ['http://x.example/q|1.2', ['v1.2', 'v1.2.3'], ['v1', 'v1.2']],
    ['http://x.example/q|1', ['v1', 'v1.2', 'v1.2.3', 'v1.20'], ['v1']],
    ['http://x.example/q|1.2.3.4', [], ['v1', 'v1.2', 'v1.2.3']],
    ['http://x.example/q', ['part', 'plain', 'v1', 'v1.2', 'v1.2.3', 'v1.20'], ['plain', 'v1', 'v1.2', 'v1.2.3', 'v1.20']],
    ['http://x.example', ['part', 'plain', 'v1', 'v1.2', 'v1.2.3', 'v1.20'], []],
    ['http://x.example/q/part/of', [], ['part', 'plain', 'v1', 'v1.2', 'v1.2.3', 'v1.20']]
  ] as const)('%s', async (url, below, above) => {
    expect(await found(`QuestionnaireResponse?questionnaire:below=${url}`)).toEqual(below)
    expect(await found(`QuestionnaireResponse?questionnaire:above=${url}`)).toEqual(above)
  })
})
