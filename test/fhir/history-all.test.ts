import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { validateResource } from '../../src/fhir/validate/validate.ts'
import { type Harness, type Json, type Reply, startHarness, SYSTEM } from '../harness.ts'
import { bundle, entry, linkOf, observation, organization, patient, refusal } from './kit.ts'

let server: Harness
let system: string
/** When each step of the story below was over, as instants. */
const times: string[] = []

const tick = async (): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, 4))
  times.push(new Date().toISOString())
  await new Promise((resolve) => setTimeout(resolve, 4))
}
const rowsIn = (json: Json): readonly string[] => (json.entry ?? []).map((one: Json) => `${one.request.method} ${one.request.url} ${one.response.etag}`)
async function all(token: string, first: string): Promise<readonly string[]> {
  const found: string[] = []
  for (let path: string | undefined = first; path !== undefined;) {
    const reply: Reply = await server.ask(token, 'GET', path)
    expect(reply.status, reply.text).toBe(200)
    found.push(...rowsIn(reply.json))
    path = linkOf(server, reply.json, 'next')
  }
  return found
}

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
  await server.put(patient('A1', { id: 'a' }))
  await server.put(patient('B1', { id: 'b' }))
  await server.put(observation('Patient/a', { id: 'moved' }))
  await tick()
  await server.put(patient('A2', { id: 'a', active: true }))
  await server.put(observation('Patient/b', { id: 'moved' }))
  await tick()
  // One millisecond for all of these.
  await server.ask(system, 'POST', '', {
    body: bundle('transaction', [...['c', 'd', 'e'].map((id) => entry('PUT', `Patient/${id}`, patient('Same', { id }))), ...['x', 'y'].map((id) => entry('PUT', `Organization/${id}`, organization('Same', { id })))])
  })
  await tick()
  await server.ask(system, 'DELETE', 'Patient/c')
  await server.put(patient('A3', { id: 'a' }))
})
afterAll(() => server.close())

const PATIENTS = ['DELETE Patient/c W/"2"', 'PUT Patient/a W/"1"', 'PUT Patient/a W/"2"', 'PUT Patient/a W/"3"', 'PUT Patient/b W/"1"', 'PUT Patient/c W/"1"', 'PUT Patient/d W/"1"', 'PUT Patient/e W/"1"']
const CLINICAL = '_count=1000'

describe('history of a type', () => {
  test('lists every version, deletions too, newest first, as a valid Bundle', async () => {
    const { status, json } = await server.ask(system, 'GET', 'Patient/_history')
    expect([status, json.type, [...rowsIn(json)].sort()]).toEqual([200, 'history', PATIENTS])
    const dates = json.entry.map((one: Json) => one.response.lastModified)
    expect(dates).toEqual([...dates].sort().reverse())
    expect(rowsIn(json).slice(0, 2).sort()).toEqual(['DELETE Patient/c W/"2"', 'PUT Patient/a W/"3"'])
    expect(() => validateResource(json, 'Bundle')).not.toThrow()
  })

  test.each([1, 2, 3, 7, 8, 9])('pages of %d hold each version once, in both orders', async (count) => {
    const newest = await all(system, `Patient/_history?_count=${count}`)
    const oldest = await all(system, `Patient/_history?_count=${count}&_sort=_lastUpdated`)
    expect([...newest].sort()).toEqual(PATIENTS)
    expect([...oldest].reverse()).toEqual(newest)
    expect(newest).toEqual(await all(system, 'Patient/_history?_sort=-_lastUpdated'))
  })

  test('_since and _at leave out what was not written or not current then', async () => {
    expect([...await all(system, `Patient/_history?_since=${times[2]}`)].sort()).toEqual(['DELETE Patient/c W/"2"', 'PUT Patient/a W/"3"'])
    for (const count of [1, 50]) {
      expect([...await all(system, `Patient/_history?_at=${times[0]}&_count=${count}`)].sort()).toEqual(['PUT Patient/a W/"1"', 'PUT Patient/b W/"1"'])
      expect([...await all(system, `Patient/_history?_at=${times[1]}&_count=${count}&_sort=_lastUpdated`)].sort()).toEqual(['PUT Patient/a W/"2"', 'PUT Patient/b W/"1"'])
    }
    expect([...await all(system, `Patient/_history?_at=${times[0]!.slice(0, 10)}`)].sort()).toEqual(PATIENTS)
    expect(await all(system, 'Patient/_history?_at=2000')).toEqual([])
    expect(await all(system, 'Patient/_history?_since=2999-01-01T00:00:00Z')).toEqual([])
  })

  test('of one resource takes the same parameters', async () => {
    expect(await all(system, 'Patient/a/_history?_sort=_lastUpdated&_count=2')).toEqual(['PUT Patient/a W/"1"', 'PUT Patient/a W/"2"', 'PUT Patient/a W/"3"'])
    expect(await all(system, `Patient/a/_history?_at=${times[1]}`)).toEqual(['PUT Patient/a W/"2"'])
    expect(await all(system, `Patient/a/_history?_at=${times[1]}&_sort=_lastUpdated`)).toEqual(['PUT Patient/a W/"2"'])
  })

  test.each(['_count=0', '_since=yesterday', '_at=never', '_at=2020-13', '_sort=name', '_list=1', 'name=x', '_at=2020&_at=2021'])('with ?%s is refused by name', async (query) => {
    for (const path of ['Patient/_history', '_history']) {
      const reply = await server.ask(system, 'GET', `${path}?${query}`)
      expect(refusal(reply)[0]).toBe(400)
      expect(reply.json.issue[0].diagnostics).toContain(query.split('=')[0])
    }
  })
})

describe('history of the system', () => {
  test.each([1, 2, 3, 1000])('in pages of %d holds each version of every type once, in both orders', async (count) => {
    const token = await server.token({ scope: 'system/Patient.s system/Observation.s system/Organization.s' })
    const whole = [...PATIENTS, 'PUT Observation/moved W/"1"', 'PUT Observation/moved W/"2"', 'PUT Organization/x W/"1"', 'PUT Organization/y W/"1"'].sort()
    const newest = await all(token, `_history?_count=${count}`)
    expect([...newest].sort()).toEqual(whole)
    const oldest = await all(token, `_history?_count=${count}&_sort=_lastUpdated`)
    expect([...oldest].sort()).toEqual(whole)
    const timesOf = (await server.ask(token, 'GET', `_history?${CLINICAL}`)).json.entry.map((one: Json) => one.response.lastModified)
    expect(timesOf).toEqual([...timesOf].sort().reverse())
  })

  test('holds AuditEvents for who may read them', async () => {
    const auditor = await server.token({ scope: 'system/AuditEvent.s' })
    const { json } = await server.ask(auditor, 'GET', '_history?_count=5')
    expect(json.entry.map((one: Json) => one.resource.resourceType)).toEqual(Array(5).fill('AuditEvent'))
    const next = await server.ask(auditor, 'GET', linkOf(server, json, 'next')!)
    expect(rowsIn(next.json).filter((row) => rowsIn(json).includes(row))).toEqual([])
    // Each page is an event of its own for every patient in it, so what is oldest first has no end while it is read.
    const first = (await server.ask(auditor, 'GET', `AuditEvent/_history?_since=${times[2]}&_count=3&_sort=_lastUpdated`)).json
    const second = (await server.ask(auditor, 'GET', linkOf(server, first, 'next')!)).json
    expect(new Set([...rowsIn(first), ...rowsIn(second)]).size).toBe(6)
    expect([...first.entry, ...second.entry].every((one: Json) => one.resource.meta.lastUpdated >= times[2]!)).toBe(true)
  })

  test('is refused to who may read nothing, and its links open for their caller only', async () => {
    // SMART: type and system history are `s`, as search is. What may be read by id alone is not listed.
    const reader = await server.token({ scope: 'system/Patient.r' })
    for (const path of ['_history', 'Patient/_history']) expect([path, refusal(await server.ask(reader, 'GET', path))[0]]).toEqual([path, 403])
    expect((await server.ask(reader, 'GET', 'Patient/a/_history')).status).toBe(200)
    expect(refusal(await server.ask(await server.token({ scope: 'system/Patient.s' }), 'GET', 'Patient/a/_history'))[0]).toBe(403)
    expect(refusal(await server.ask(await server.token({ scope: 'system/Observation.rs' }), 'GET', 'Patient/_history'))[0]).toBe(403)
    const next = linkOf(server, (await server.ask(system, 'GET', '_history?_count=1')).json, 'next')!
    const stranger = await server.token({ ...SYSTEM, subject: 'stranger' })
    expect((await server.ask(system, 'GET', next)).status).toBe(200)
    expect(refusal(await server.ask(stranger, 'GET', next))[0]).toBe(404)
    expect(refusal(await server.ask(system, 'GET', next.replace('_history', 'Patient/_history')))[0]).toBe(404)
  })

  test('runs in a batch', async () => {
    const reply = await server.ask(system, 'POST', '', { body: bundle('batch', [entry('GET', 'Patient/_history?_count=2'), entry('GET', '_history?_count=1')]) })
    expect(reply.json.entry.map((one: Json) => one.resource.entry.length)).toEqual([2, 1])
  })
})

describe('a version is listed iff the caller may see the current one and that one', () => {
  test('after a move, neither the old nor the new patient sees the other version', async () => {
    const of = async (who: string) => all(await server.token({ scope: 'patient/*.rs', patient: who }), 'Observation/_history')
    expect([await of('a'), await of('b')]).toEqual([[], ['PUT Observation/moved W/"2"']])
    expect(await all(await server.token({ scope: 'patient/Observation.s patient/Patient.s', patient: 'a' }), '_history?_count=1')).toEqual(['PUT Patient/a W/"3"', 'PUT Patient/a W/"2"', 'PUT Patient/a W/"1"'])
    expect((await all(system, 'Observation/_history')).length).toBe(2)
  })

  test('after a change that hides it, no version is listed; a version that the scope excludes is left out', async () => {
    const active = await server.token({ scope: 'system/Patient.rs?active=true' })
    expect(await all(active, 'Patient/_history')).toEqual([])
    await server.put(patient('A4', { id: 'a', active: true }))
    expect(await all(active, 'Patient/_history?_count=1')).toEqual(['PUT Patient/a W/"4"', 'PUT Patient/a W/"2"'])
    expect(await all(active, '_history?_count=1')).toEqual(['PUT Patient/a W/"4"', 'PUT Patient/a W/"2"'])
  })

  test('what a patient reaches by id only, such as places and medications, is in no list', async () => {
    for (const resource of [{ resourceType: 'Location', id: 'place', status: 'active' }, { resourceType: 'Medication', id: 'pill' }, { resourceType: 'Device', id: 'thing' }]) await server.put(resource)
    const token = await server.token({ scope: 'patient/*.rs', patient: 'b' })
    for (const type of ['Location', 'Medication', 'Device']) {
      expect([type, refusal(await server.ask(token, 'GET', type))[0], refusal(await server.ask(token, 'GET', `${type}/_history`))[0]]).toEqual([type, 403, 403])
    }
    expect((await all(token, '_history?_count=2')).filter((row) => /Location|Medication|Device/.test(row))).toEqual([])
    expect((await all(system, 'Location/_history')).length).toBe(1)
    expect((await server.ask(token, 'GET', 'Medication/pill/_history')).status).toBe(200)
  })

  test('masks apply to every version', async () => {
    const desk = await server.token({ scope: 'user/*.rs', roles: ['billing'], fhirUser: 'Practitioner/1' })
    const { json } = await server.ask(desk, 'GET', 'Patient/_history')
    expect(json.entry.some((one: Json) => one.resource?.active !== undefined)).toBe(false)
    expect(json.entry.filter((one: Json) => one.resource !== undefined).every((one: Json) => one.resource.meta.tag[0].code === 'SUBSETTED')).toBe(true)
    expect(rowsIn(json).length).toBe(PATIENTS.length + 1)
  })
})
