import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, type Json, startHarness, SYSTEM } from '../harness.ts'

let server: Harness
let system: string
let patient: Json

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
  patient = await server.put({ resourceType: 'Patient', name: [{ family: 'Read' }] })
})
afterAll(() => server.close())

describe('read', () => {
  test('answers with the stored resource, its ETag and Last-Modified', async () => {
    const reply = await server.ask(system, 'GET', `Patient/${patient.id}`)
    expect(reply.status).toBe(200)
    expect(reply.json).toEqual(patient)
    expect(reply.headers.get('etag')).toBe('W/"1"')
    expect(reply.headers.get('content-type')).toContain('application/fhir+json')
    expect(Date.parse(reply.headers.get('last-modified')!)).toBe(Math.floor(Date.parse(patient.meta.lastUpdated) / 1000) * 1000)
  })

  test('an unknown id is 404, and so is one that is no id', async () => {
    expect((await server.ask(system, 'GET', 'Patient/absent')).status).toBe(404)
    expect((await server.ask(system, 'GET', 'Patient/not%20an%20id')).status).toBe(404)
  })

  test('If-None-Match of the current version is 304 without a body; of another it is 200', async () => {
    const same = await server.ask(system, 'GET', `Patient/${patient.id}`, { headers: { 'if-none-match': 'W/"1"' } })
    expect([same.status, same.text, same.headers.get('content-type')]).toEqual([304, '', 'application/fhir+json; charset=utf-8'])
    expect((await server.ask(system, 'GET', `Patient/${patient.id}`, { headers: { 'if-none-match': 'W/"2"' } })).status).toBe(200)
  })

  test('GET of a deleted resource is 410 with issue code deleted, and its versions stay', async () => {
    const gone = await server.put({ resourceType: 'Patient', name: [{ family: 'Gone' }] })
    expect((await server.ask(system, 'DELETE', `Patient/${gone.id}`)).status).toBe(204)
    const reply = await server.ask(system, 'GET', `Patient/${gone.id}`)
    expect([reply.status, reply.json.issue[0].code]).toEqual([410, 'deleted'])
    expect((await server.ask(system, 'GET', `Patient/${gone.id}/_history/1`)).json).toEqual(gone)
    expect((await server.ask(system, 'GET', `Patient/${gone.id}/_history/2`)).status).toBe(410)
  })

  test('numbers keep their text', async () => {
    const text = `{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.10,"unit":"mg"}}`
    const created = await server.ask(system, 'POST', 'Observation', { body: text })
    expect(created.status).toBe(201)
    expect((await server.ask(system, 'GET', `Observation/${created.json.id}`)).text).toContain('"value":1.10,')
    expect((await server.ask(system, 'GET', `Observation/${created.json.id}?_pretty=true`)).text).toContain('"value": 1.10,')
  })
})
