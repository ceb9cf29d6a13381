import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { validateResource } from '../../src/fhir/validate/validate.ts'
import { type Harness, idsOf, type Json, type Reply, startHarness, SYSTEM } from '../harness.ts'
import { countOf, linkOf, refusal } from './kit.ts'

let server: Harness
let system: string

const LOINC = 'http://loinc.org'
const UCUM = 'http://unitsofmeasure.org'
const LABELS = 'urn:labels'

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
  for (const resource of rows()) await server.put(resource)
})
afterAll(() => server.close())

function rows(): readonly Json[] {
  const seen = (id: string, who: string, code: string, value: number, unit: string, day: string, more: object = {}): Json => ({
    resourceType: 'Observation', id, status: 'final', code: { coding: [{ system: LOINC, code }] }, subject: { reference: `Patient/${who}` }, effectiveDateTime: day,
    valueQuantity: { value, unit, system: UCUM, code: unit }, ...more
  })
  return [
    {
      resourceType: 'Patient', id: 'ann', active: true, gender: 'female', birthDate: '1980-02-03', name: [{ family: 'Müller', given: ['Ann', 'Maria'] }],
      identifier: [{ system: 'urn:mr', value: '1' }], telecom: [{ system: 'phone', value: '555-1' }], generalPractitioner: [{ reference: 'Practitioner/doc' }],
      meta: { tag: [{ system: 'urn:tags', code: 'a' }], profile: ['http://example.org/p'], security: [{ system: LABELS, code: 'x' }] }
    },
    { resourceType: 'Patient', id: 'bob', gender: 'male', birthDate: '1980-02', name: [{ family: 'Mullen', given: ['Bob'] }], identifier: [{ system: 'urn:mr', value: '2' }] },
    { resourceType: 'Patient', id: 'cat', name: [{ text: 'Cat O\'Neil, Jr' }], identifier: [{ value: '1' }] },
    { resourceType: 'Practitioner', id: 'doc', name: [{ family: 'House' }] },
    seen('o1', 'ann', '8867-4', 72, '/min', '2026-01-10'),
    seen('o2', 'ann', '8867-4', 99.5, '/min', '2026-02-10T10:00:00Z', { status: 'amended', performer: [{ reference: 'Practitioner/doc' }] }),
    seen('o3', 'bob', '29463-7', 72, 'kg', '2026-01-10T23:30:00-05:00'),
    { resourceType: 'Observation', id: 'o4', status: 'final', code: { text: 'untyped' } }
  ]
}

const search = (path: string, headers: Record<string, string> = {}): Promise<Reply> => server.ask(system, 'GET', path, { headers })

/** What a search finds, as ids. */
async function found(path: string): Promise<readonly string[]> {
  const reply = await search(path)
  expect(reply.status, `${path}: ${reply.text}`).toBe(200)
  return idsOf(reply.json).map((each) => each.split('/')[1]!)
}

describe('search-type finds', () => {
  test.each<readonly [string, readonly string[]]>([
    ['Patient', ['ann', 'bob', 'cat']],
    // string
    ['Patient?family=mull', ['ann', 'bob']], ['Patient?family=MULLER', ['ann']], ['Patient?family:exact=Müller', ['ann']], ['Patient?family:exact=muller', []],
    ['Patient?family:contains=ulle', ['ann', 'bob']], ['Patient?name=maria', ['ann']], ['Patient?family=mullen,müller', ['ann', 'bob']], ['Patient?name=Cat%20O%27Neil%5C,%20Jr', ['cat']],
    ['Patient?family=mull&given=bob', ['bob']], ['Patient?family=', ['ann', 'bob', 'cat']], ['Patient?family:missing=true', ['cat']], ['Patient?family:missing=false', ['ann', 'bob']],
    // token
    ['Patient?identifier=1', ['ann', 'cat']], ['Patient?identifier=urn:mr|1', ['ann']], ['Patient?identifier=|1', ['cat']], ['Patient?identifier=urn:mr|', ['ann', 'bob']],
    ['Patient?gender=female', ['ann']], ['Patient?gender:not=female', ['bob', 'cat']], ['Patient?gender=male,female', ['ann', 'bob']], ['Patient?active=true', ['ann']], ['Patient?telecom=555-1', ['ann']],
    [`Observation?code=${LOINC}|8867-4`, ['o1', 'o2']], ['Observation?code=8867-4', ['o1', 'o2']], ['Observation?code:not=8867-4', ['o3', 'o4']], ['Observation?status=amended', ['o2']],
    // reference
    ['Observation?subject=Patient/ann', ['o1', 'o2']], ['Observation?patient=ann', ['o1', 'o2']], ['Observation?subject:Patient=bob', ['o3']], ['Observation?performer=Practitioner/doc', ['o2']],
    ['Observation?patient=ann,bob', ['o1', 'o2', 'o3']], ['Observation?patient=ann&patient=bob', []], ['Observation?subject:missing=true', ['o4']], ['Patient?general-practitioner=Practitioner/doc', ['ann']],
    // date
    ['Patient?birthdate=1980-02-03', ['ann']], ['Patient?birthdate=1980-02', ['ann', 'bob']], ['Patient?birthdate=ge1980', ['ann', 'bob']], ['Patient?birthdate=lt1980', []],
    ['Observation?date=2026-01-10', ['o1']], ['Observation?date=2026-01-11', ['o3']], ['Observation?date=gt2026-01-10&date=lt2026-02-01', ['o3']], ['Observation?date=sa2026-01-31', ['o2']],
    // quantity
    ['Observation?value-quantity=72', ['o1', 'o3']], [`Observation?value-quantity=72|${UCUM}|kg`, ['o3']], ['Observation?value-quantity=gt72', ['o2']], ['Observation?value-quantity=72||/min', ['o1']],
    ['Observation?value-quantity=le72', ['o1', 'o3']], ['Observation?value-quantity=100', ['o2']], ['Observation?value-quantity=99', []], ['Observation?value-quantity=1e2', ['o2']],
    // what every type has
    ['Patient?_id=ann', ['ann']], ['Patient?_id=ann,bob,nobody', ['ann', 'bob']], ['Patient?_id=o1', []], ['Patient?_tag=urn:tags|a', ['ann']], ['Patient?_profile=http://example.org/p', ['ann']],
    [`Patient?_security=${LABELS}|x`, ['ann']], ['Patient?_lastUpdated=gt2020-01-01', ['ann', 'bob', 'cat']], ['Patient?_lastUpdated=lt2020', []], ['Patient?_lastUpdated=gt2999', []]
  ])('%s: %j', async (path, ids) => expect(await found(path)).toEqual(ids))

  test('the same by POST _search, with parameters in the body, in the query or in both', async () => {
    const form = (path: string, body: string) => server.ask(system, 'POST', path, { body, headers: { 'content-type': 'application/x-www-form-urlencoded' } })
    for (const [path, body] of [['Patient/_search', 'family=mull&given=bob'], ['Patient/_search?family=mull', 'given=bob'], ['Patient/_search?family=mull&given=bob', '']] as const) {
      const reply = await form(path, body)
      expect([path, reply.status, idsOf(reply.json), linkOf(server, reply.json, 'self')]).toEqual([path, 200, ['Patient/bob'], 'Patient?family=mull&given=bob'])
    }
    expect(refusal(await form('Patient/_search', 'shoe=4'))[0]).toBe(400)
    expect(refusal(await server.ask(system, 'POST', 'Patient/_search', { body: {} }))[0]).toBe(415)
  })

  test('nothing by a value that looks like a command: it is text', async () => {
    for (const value of ['$gt', '{"$ne":null}', '\' OR 1=1 --', '*', '..', '%25']) {
      expect(await found(`Patient?_id=${encodeURIComponent(value)}`)).toEqual([])
      expect(await found(`Patient?identifier=${encodeURIComponent(value)}`)).toEqual([])
    }
    expect(await countOf(server, system, 'Patient')).toBe(3)
  })
})

describe('the searchset', () => {
  test('is a valid Bundle with fullUrl and mode, without id and timestamp', async () => {
    const { json } = await search('Observation?patient=ann')
    expect(() => validateResource(json, 'Bundle')).not.toThrow()
    expect([json.type, json.total, json.id, json.timestamp, json.meta]).toEqual(['searchset', 2, undefined, undefined, undefined])
    for (const entry of json.entry) expect([entry.fullUrl, entry.search]).toEqual([`${server.base}/Observation/${entry.resource.id}`, { mode: 'match' }])
  })

  test('shows newest first, and oldest first by _sort=_lastUpdated', async () => {
    const order = async (path: string) => (await search(path)).json.entry.map((entry: Json) => entry.resource.id)
    expect(await order('Observation')).toEqual(['o4', 'o3', 'o2', 'o1'])
    expect(await order('Observation?_sort=-_lastUpdated')).toEqual(['o4', 'o3', 'o2', 'o1'])
    expect(await order('Observation?_sort=_lastUpdated')).toEqual(['o1', 'o2', 'o3', 'o4'])
  })

  test.each<readonly [string, number | undefined, number]>([
    ['Patient', 3, 3], ['Patient?_count=3', 3, 3], ['Patient?_count=2', undefined, 2], ['Patient?_count=2&_total=accurate', 3, 2], ['Patient?_count=2&_total=estimate', 3, 2],
    ['Patient?_total=none', undefined, 3], ['Patient?_count=0', 3, 0], ['Patient?_summary=count', 3, 0], ['Patient?_summary=count&_count=1', 3, 0], ['Patient?_count=0&family=mull', 2, 0],
    ['Patient?_summary=false', 3, 3], ['Patient?_count=999999', 3, 3], ['Patient?family=nobody', 0, 0]
  ])('of %s has total %s and %i entries', async (path, total, entries) => {
    const { json } = await search(path)
    expect([json.total, (json.entry ?? []).length]).toEqual([total, entries])
    expect('entry' in json).toBe(entries > 0)
    expect(() => validateResource(json, 'Bundle')).not.toThrow()
  })

  test('has a self link with the parameters that were used', async () => {
    const self = async (path: string, headers = {}) => linkOf(server, (await search(path, headers)).json, 'self')
    expect(await self('Patient')).toBe('Patient')
    expect(await self('Patient?family=m%C3%BCll&_count=2&_sort=_lastUpdated')).toBe('Patient?family=m%C3%BCll&_count=2&_sort=_lastUpdated')
    expect(await self('Patient?family=&given=bob&_pretty=true')).toBe('Patient?given=bob')
    expect(await self('Patient?_sort=family&_sort=-birthdate')).toBe('Patient?_sort=family&_sort=-birthdate')
    expect(await self('Patient?shoe=4&given=bob&_hat=1', { prefer: 'handling=lenient' })).toBe('Patient?given=bob')
  })
})

describe('search refuses', () => {
  test.each([
    ['Patient?shoe=4', 'shoe'], ['Patient?_sort=family&_sort=family', '_sort'], ['Patient?_shoe=4', '_shoe'], ['Patient?family:huh=x', 'family'], ['Patient?family:not=x', 'family'], ['Patient?gender:exact=x', 'gender'], ['Patient?birthdate=x', 'birthdate'],
    ['Patient?birthdate=1980-13', 'birthdate'], ['Patient?birthdate=xx1980', 'birthdate'], ['Patient?_lastUpdated=now', '_lastUpdated'], ['Patient?active:missing=maybe', 'active:missing'],
    ['Patient?identifier=a|b|c', 'identifier'], ['Patient?identifier=|', 'identifier'], ['Observation?subject=not a ref', 'subject'], ['Observation?subject:Medication=1', 'subject'],
    ['Observation?subject:Patient=Group/1', 'subject:Patient'], ['Observation?value-quantity=x', 'value-quantity'], ['Observation?value-quantity=1|2', 'value-quantity'],
    ['Patient?_count=-1', '_count'], ['Patient?_count=x', '_count'], ['Patient?_count=1&_count=2', '_count'], ['Patient?_count=1.5', '_count'], ['Patient?_sort=nosuch', '_sort'], ['Patient?_sort=_lastUpdated,_lastUpdated', '_sort'],
    ['Patient?_total=some', '_total'], ['Patient?_summary=maybe', '_summary'], ['Patient?_elements=names', '_elements'], ['Patient?_include=Patient:name', '_include'],
    ['Patient?_include:nosuch=Patient:link', '_include:nosuch'], ['Patient?_revinclude=Observation:encounter', '_revinclude'],
    ['Patient?_has:Observation:patient:nosuch=x', '_has'], ['Observation?subject.nosuch=x', 'subject.nosuch'], ['Patient?_filter=x', '_filter'], ['Patient?_query=x', '_query'],
    ['Patient?_type=Patient', '_type'], ['Location?near=91|2|3', 'near'], ['Patient?name[$ne]=x', 'name[$ne]'], ['Patient?name[]=x', 'name[]'], ['Patient?name.family=x', 'name.family'],
    ['Patient?__proto__=x', '__proto__'], ['Patient?constructor=x', 'constructor'], ['Patient?toString:exact=x', 'toString'], ['Patient?family:constructor=x', 'family'], ['Patient?family:__proto__=x', 'family']
  ])('%s with 400, naming the parameter', async (path, name) => {
    const reply = await search(path)
    expect([refusal(reply)[0], reply.json.issue]).toEqual([400, [expect.objectContaining({ severity: 'error' })]])
    expect(reply.json.issue[0].diagnostics).toContain(name)
  })

  test('unknown parameters only, where handling is lenient: malformed ones and modifiers all the same', async () => {
    const lenient = { prefer: 'handling=lenient' }
    expect(idsOf((await search('Patient?shoe=4&family=mullen', lenient)).json)).toEqual(['Patient/bob'])
    expect((await search('Patient?shoe=4&family=mullen', { prefer: 'handling=strict' })).status).toBe(400)
    for (const path of ['Patient?birthdate=x', 'Patient?family:huh=x', 'Patient?_count=x', 'Patient?_query=x']) expect([path, (await search(path, lenient)).status]).toEqual([path, 400])
    expect((await server.ask(system, 'GET', 'Patient/ann?shoe=4', { headers: lenient })).status).toBe(200)
    expect(refusal(await server.ask(system, 'GET', 'Patient/ann?shoe=4'))[0]).toBe(400)
  })

  test('what passes a bound, by name: 201 values, 65 parameters, a value of 1,001 characters, a long URL', async () => {
    const values = (count: number) => Array.from({ length: count }, (_, n) => `v${n}`).join(',')
    expect((await search(`Patient?identifier=${values(200)}`)).status).toBe(200)
    expect(refusal(await search(`Patient?identifier=${values(201)}`))).toEqual([422, 'too-costly', undefined])
    const many = (count: number) => Array.from({ length: count }, () => 'given=a').join('&')
    expect((await search(`Patient?${many(64)}`)).status).toBe(200)
    expect(refusal(await search(`Patient?${many(65)}`))).toEqual([422, 'too-costly', undefined])
    expect((await search(`Patient?given=${'x'.repeat(1000)}`)).status).toBe(200)
    expect(refusal(await search(`Patient?given=${'x'.repeat(1001)}`))).toEqual([400, 'too-long', undefined])
    expect(refusal(await search(`Patient?given=${'x'.repeat(9000)}`))[0]).toBe(414)
  })

  test('without the right to search the type: 403, whatever the parameters', async () => {
    const token = await server.token({ scope: 'system/Observation.rs system/Patient.r' })
    for (const path of ['Patient', 'Patient?shoe=4', 'Patient?_id=ann', 'Patient?_summary=count']) expect([path, refusal(await server.ask(token, 'GET', path))[0]]).toEqual([path, 403])
    expect((await server.ask(token, 'GET', 'Observation?patient=ann')).json.total).toBe(2)
  })
})
