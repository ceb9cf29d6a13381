import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, startHarness, SYSTEM } from '../harness.ts'
import { countOf, identified, observation, patient, refusal, SYSTEM_URL } from './kit.ts'

let server: Harness
let system: string
let serial = 0

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
})
afterAll(() => server.close())

const fresh = (): string => `v${++serial}`
const by = (value: string): string => `identifier=${SYSTEM_URL}|${value}`
const createIf = (value: string, criteria = by(value), token = system, body = identified(value)) => server.ask(token, 'POST', 'Patient', { body, headers: { 'if-none-exist': criteria } })
const updateIf = (value: string, more: object = {}, headers: Record<string, string> = {}) => server.ask(system, 'PUT', `Patient?${encodeURI(by(value))}`, { body: identified(value, more), headers })
const deleteIf = (value: string, headers: Record<string, string> = {}) => server.ask(system, 'DELETE', `Patient?${encodeURI(by(value))}`, { headers })

/** A value that so many patients have. */
async function held(by: number): Promise<string> {
  const value = fresh()
  for (let n = 0; n < by; n++) await server.put(identified(value))
  return value
}

describe('conditional create (If-None-Exist)', () => {
  test('of no match is 201', async () => {
    expect((await createIf(fresh())).status).toBe(201)
  })

  test('of one match is 200 with that match and its Location, and writes nothing', async () => {
    const value = fresh()
    const stored = await server.put(identified(value))
    const before = await countOf(server, system, 'Patient')
    const reply = await createIf(value)
    expect([reply.status, reply.json.id, reply.headers.get('location')]).toEqual([200, stored.id, `${server.base}/Patient/${stored.id}/_history/1`])
    expect(await countOf(server, system, 'Patient')).toBe(before)
  })

  test('of several matches is 412', async () => {
    const value = await held(2)
    expect(refusal(await createIf(value))).toEqual([412, 'multiple-matches', undefined])
    expect(await countOf(server, system, 'Patient')).toBeGreaterThan(1)
  })

  test.each([
    ['nothing', ''], ['an empty value', 'identifier='], ['one empty value among others', 'identifier=a,,b'], ['an unknown parameter', 'shoe=4'], ['a result parameter', '_count=1'],
    ['a malformed value', 'birthdate=x'], ['a malformed escape', 'identifier=%zz'], ['a modifier that is none', 'identifier:huh=x']
  ])('by criteria of %s is 400 and writes nothing', async (_what, criteria) => {
    const before = await countOf(server, system, 'Patient')
    expect(refusal(await createIf(fresh(), criteria))[0]).toBe(400)
    expect(await countOf(server, system, 'Patient')).toBe(before)
  })

  test('does not count a match that the caller may not see', async () => {
    const value = fresh()
    const hidden = await server.put(identified(value, { active: false }))
    const token = await server.token({ scope: 'system/Patient.crus?active=true' })
    const reply = await createIf(value, by(value), token, identified(value, { active: true }))
    expect([reply.status, reply.json.id === hidden.id]).toEqual([201, false])
    expect(refusal(await createIf(value))[0]).toBe(412)
  })

  test('needs the right to search', async () => {
    const token = await server.token({ scope: 'system/Patient.cr' })
    expect(refusal(await createIf(fresh(), undefined, token))[0]).toBe(403)
    expect((await server.ask(token, 'POST', 'Patient', { body: patient('Plain') })).status).toBe(201)
  })

  test('of 12 callers at once, in three ways of writing the criteria, creates one', async () => {
    for (let round = 0; round < 10; round++) {
      const value = fresh()
      const ways = [by(value), `Patient?${by(value)}`, `?${by(value).replace('|', '%7C')}`]
      const replies = await Promise.all(Array.from({ length: 12 }, (_, n) => createIf(value, ways[n % 3])))
      expect(replies.map(({ status }) => status).sort()).toEqual([...Array<number>(11).fill(200), 201])
      expect(new Set(replies.map(({ json }) => json.id)).size).toBe(1)
    }
  })
})

describe('conditional update', () => {
  test('of no match creates: 201 under an id of ours, or under the one that the body gives', async () => {
    const [value, other] = [fresh(), fresh()]
    const reply = await updateIf(value)
    expect([reply.status, reply.headers.get('location')]).toEqual([201, `${server.base}/Patient/${reply.json.id}/_history/1`])
    const named = await updateIf(other, { id: 'given-id' })
    expect([named.status, named.json.id]).toEqual([201, 'given-id'])
  })

  test('of one match updates it: 200, the next version', async () => {
    const value = fresh()
    const { id } = await server.put(identified(value))
    const reply = await updateIf(value, { active: true })
    expect([reply.status, reply.json.id, reply.json.meta.versionId, reply.json.active]).toEqual([200, id, '2', true])
    expect((await updateIf(value, { id })).status).toBe(200)
  })

  test('of several matches is 412, and changes none of them', async () => {
    const value = await held(2)
    expect(refusal(await updateIf(value, { active: true }))).toEqual([412, 'multiple-matches', undefined])
    expect((await server.ask(system, 'GET', `Patient?${by(value)}&active=true`)).json.total).toBe(0)
  })

  test('whose body has the id of another resource than the match is 400', async () => {
    const value = await held(1)
    expect(refusal(await updateIf(value, { id: 'another' }))).toEqual([400, 'invalid', 'Patient.id'])
  })

  test('of no match never overwrites the resource whose id the body gives', async () => {
    const bystander = await server.put(patient('Bystander'))
    expect(refusal(await updateIf(fresh(), { id: bystander.id }))).toEqual([412, 'conflict', undefined])
    expect((await server.ask(system, 'GET', `Patient/${bystander.id}`)).json).toEqual(bystander)
  })

  test('keeps If-Match: of the match, and of no match 412', async () => {
    const value = await held(1)
    expect((await updateIf(value, {}, { 'if-match': 'W/"9"' })).status).toBe(412)
    expect((await updateIf(value, {}, { 'if-match': 'W/"1"' })).status).toBe(200)
    expect((await updateIf(fresh(), {}, { 'if-match': 'W/"1"' })).status).toBe(412)
  })

  test.each(['', '?', '?identifier=', '?_count=1', '?shoe=4', '?identifier=a&family='])('of Patient%s is 400', async (query) => {
    const before = await countOf(server, system, 'Patient')
    expect(refusal(await server.ask(system, 'PUT', `Patient${query}`, { body: patient('No') }))[0]).toBe(400)
    expect(await countOf(server, system, 'Patient')).toBe(before)
  })

  test('takes _format and _pretty for what they are', async () => {
    const value = fresh()
    expect((await server.ask(system, 'PUT', `Patient?${by(value)}&_format=json&_pretty=true`, { body: identified(value) })).status).toBe(201)
  })

  test('of 10 callers at once creates one', async () => {
    const value = fresh()
    const replies = await Promise.all(Array.from({ length: 10 }, () => updateIf(value)))
    expect(replies.map(({ status }) => status).sort()).toEqual([...Array<number>(9).fill(200), 201])
  })
})

describe('conditional delete', () => {
  test('of no match and of one match is 204; of one it deletes', async () => {
    const value = fresh()
    const { id } = await server.put(identified(value))
    expect((await deleteIf(fresh())).status).toBe(204)
    expect((await server.ask(system, 'GET', `Patient/${id}`)).status).toBe(200)
    expect((await deleteIf(value)).status).toBe(204)
    expect((await server.ask(system, 'GET', `Patient/${id}`)).status).toBe(410)
  })

  test('of several matches is 412 and deletes none', async () => {
    const value = await held(3)
    expect(refusal(await deleteIf(value))).toEqual([412, 'multiple-matches', undefined])
    expect((await server.ask(system, 'GET', `Patient?${by(value)}`)).json.total).toBe(3)
  })

  test.each(['', '?', '?identifier=', '?_format=json', '?_sort=_lastUpdated', '?shoe=4'])('of Patient%s is 400 and deletes nothing', async (query) => {
    const before = await countOf(server, system, 'Patient')
    expect(refusal(await server.ask(system, 'DELETE', `Patient${query}`))[0]).toBe(400)
    expect(await countOf(server, system, 'Patient')).toBe(before)
  })

  test('does not reach what the caller may not see', async () => {
    const value = fresh()
    const hidden = await server.put(identified(value, { active: false }))
    const token = await server.token({ scope: 'system/Patient.rds?active=true' })
    expect((await server.ask(token, 'DELETE', `Patient?${by(value)}`)).status).toBe(204)
    expect((await server.ask(system, 'GET', `Patient/${hidden.id}`)).status).toBe(200)
  })

  test('keeps If-Match, also where nothing matches', async () => {
    const value = await held(1)
    expect((await deleteIf(value, { 'if-match': 'W/"4"' })).status).toBe(412)
    expect((await deleteIf(fresh(), { 'if-match': 'W/"1"' })).status).toBe(412)
    expect((await deleteIf(value, { 'if-match': 'W/"1"' })).status).toBe(204)
  })
})

describe('conditional read', () => {
  test.each([
    ['if-none-match', 'W/"1"', 304], ['if-none-match', '"1"', 304], ['if-none-match', 'W/"7", W/"1"', 304], ['if-none-match', '*', 304], ['if-none-match', 'W/"2"', 200],
    ['if-none-match', 'garbage', 200], ['if-modified-since', 'Fri, 01 Jan 2100 00:00:00 GMT', 304], ['if-modified-since', 'Sat, 01 Jan 2000 00:00:00 GMT', 200],
    ['if-modified-since', 'garbage', 200]
  ])('with %s: %s is %i, on read, vread and HEAD', async (name, value, status) => {
    const { id } = await server.put(observation(null))
    for (const [method, path] of [['GET', `Observation/${id}`], ['HEAD', `Observation/${id}`], ['GET', `Observation/${id}/_history/1`]] as const) {
      const reply = await server.ask(system, method, path, { headers: { [name]: value } })
      expect([reply.status, reply.headers.get('etag')]).toEqual([status, 'W/"1"'])
      expect(reply.text === '').toBe(status === 304 || method === 'HEAD')
    }
  })

  test('If-None-Match wins over If-Modified-Since', async () => {
    const { id } = await server.put(observation(null))
    const headers = { 'if-none-match': 'W/"2"', 'if-modified-since': 'Fri, 01 Jan 2100 00:00:00 GMT' }
    expect((await server.ask(system, 'GET', `Observation/${id}`, { headers })).status).toBe(200)
  })

  test('of a hidden resource is 404 all the same', async () => {
    const { id } = await server.put(patient('Hidden', { active: false }))
    const token = await server.token({ scope: 'system/Patient.rs?active=true' })
    expect(refusal(await server.ask(token, 'GET', `Patient/${id}`, { headers: { 'if-none-match': 'W/"1"' } }))[0]).toBe(404)
    expect((await server.ask(system, 'GET', `Patient/${id}`, { headers: { 'if-none-match': 'W/"1"' } })).status).toBe(304)
  })
})
