import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, startHarness, SYSTEM } from '../harness.ts'
import { patient, refusal } from './kit.ts'

let server: Harness
let system: string

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
})
afterAll(() => server.close())

describe('update', () => {
  test('makes the next version, answers 200 with its ETag, and keeps the version before', async () => {
    const first = await server.put(patient('Before'))
    const reply = await server.ask(system, 'PUT', `Patient/${first.id}`, { body: patient('After', { id: first.id }) })
    expect([reply.status, reply.headers.get('etag'), reply.json.meta.versionId]).toEqual([200, 'W/"2"', '2'])
    expect((await server.ask(system, 'GET', `Patient/${first.id}`)).json.name[0].family).toBe('After')
    expect((await server.ask(system, 'GET', `Patient/${first.id}/_history/1`)).json).toEqual(first)
  })

  test.each([['another id', 'other'], ['no id', undefined]])('whose body has %s is 400 and changes nothing', async (_what, id) => {
    const first = await server.put(patient('Same'))
    const body = patient('Changed', id === undefined ? {} : { id })
    expect(refusal(await server.ask(system, 'PUT', `Patient/${first.id}`, { body }))).toEqual([400, 'invalid', 'Patient.id'])
    expect((await server.ask(system, 'GET', `Patient/${first.id}`)).json).toEqual(first)
    expect((await server.ask(system, 'PUT', `Patient/${first.id}`, { body: { ...body, id: first.id } })).status).toBe(200)
  })

  test('of an unknown id creates it: 201 with Location, version 1', async () => {
    const reply = await server.ask(system, 'PUT', 'Patient/put-as-create', { body: patient('Put', { id: 'put-as-create' }) })
    expect([reply.status, reply.headers.get('location')]).toEqual([201, `${server.base}/Patient/put-as-create/_history/1`])
    expect((await server.ask(system, 'GET', 'Patient/put-as-create')).json.meta.versionId).toBe('1')
  })

  test('of an unknown id is 404 for a caller whose filter is not the whole tenant, and of its own 200', async () => {
    const own = await server.put(patient('Filter', { active: true }))
    const token = await server.token({ scope: 'system/Patient.crus?active=true' })
    const ask = (id: string) => server.ask(token, 'PUT', `Patient/${id}`, { body: patient('Filter', { id, active: true }) })
    expect(refusal(await ask('nobody'))).toEqual([404, 'not-found', undefined])
    expect((await ask(own.id)).status).toBe(200)
  })

  test.each([['W/"1"', 412], ['"1"', 412], ['W/"3"', 412], ['W/"2"', 200], ['"2"', 200]])('with If-Match %s of version 2 is %i', async (ifMatch, status) => {
    const { id } = await server.put(patient('Match'))
    await server.ask(system, 'PUT', `Patient/${id}`, { body: patient('Two', { id }) })
    const reply = await server.ask(system, 'PUT', `Patient/${id}`, { body: patient('Three', { id }), headers: { 'if-match': ifMatch } })
    expect(reply.status).toBe(status)
    const { name, meta } = (await server.ask(system, 'GET', `Patient/${id}`)).json
    expect([name[0].family, meta.versionId]).toEqual(status === 200 ? ['Three', '3'] : ['Two', '2'])
  })

  test.each(['1', 'W/1', 'W/"x"', 'W/"0"', 'W/"-1"', 'W/"1", W/"2"', '', '*'])('with the malformed If-Match %j is 400', async (ifMatch) => {
    const { id } = await server.put(patient('Malformed'))
    const ask = (method: string) => server.ask(system, method, `Patient/${id}`, { ...(method === 'PUT' ? { body: patient('No', { id }) } : {}), headers: { 'if-match': ifMatch } })
    expect(refusal(await ask('PUT'))[0]).toBe(400)
    expect(refusal(await ask('DELETE'))[0]).toBe(400)
    expect((await server.ask(system, 'GET', `Patient/${id}`)).json.meta.versionId).toBe('1')
  })

  test('with If-Match on an unknown id is 412, like on a hidden one', async () => {
    const hidden = await server.put(patient('Hidden', { active: false }))
    const token = await server.token({ scope: 'system/Patient.crus?active=true' })
    for (const [bearer, id] of [[system, 'unknown-id'], [token, 'unknown-id'], [token, hidden.id]] as const) {
      const reply = await server.ask(bearer, 'PUT', `Patient/${id}`, { body: patient('No', { id, active: true }), headers: { 'if-match': 'W/"1"' } })
      expect(refusal(reply)).toEqual([412, 'conflict', undefined])
    }
    expect((await server.ask(system, 'PUT', `Patient/${hidden.id}`, { body: patient('Yes', { id: hidden.id }), headers: { 'if-match': 'W/"1"' } })).status).toBe(200)
  })

  test('with If-None-Match: * creates, also after a deletion, and is 412 where the resource exists', async () => {
    const ask = () => server.ask(system, 'PUT', 'Patient/none-match', { body: patient('Once', { id: 'none-match' }), headers: { 'if-none-match': '*' } })
    expect((await ask()).status).toBe(201)
    expect(refusal(await ask())).toEqual([412, 'conflict', undefined])
    expect((await server.ask(system, 'GET', 'Patient/none-match')).json.meta.versionId).toBe('1')
    await server.ask(system, 'DELETE', 'Patient/none-match')
    const again = await ask()
    expect([again.status, again.json.meta.versionId]).toEqual([201, '3'])
  })

  test('with another If-None-Match is 400, since it would not be kept', async () => {
    const { id } = await server.put(patient('Other'))
    expect(refusal(await server.ask(system, 'PUT', `Patient/${id}`, { body: patient('x', { id }), headers: { 'if-none-match': 'W/"1"' } }))[0]).toBe(400)
  })

  test('after a deletion revives the resource as the next version, 201', async () => {
    const { id } = await server.put(patient('Alive'))
    await server.ask(system, 'DELETE', `Patient/${id}`)
    const reply = await server.ask(system, 'PUT', `Patient/${id}`, { body: patient('Again', { id }) })
    expect([reply.status, reply.json.meta.versionId, reply.headers.get('location')]).toEqual([201, '3', `${server.base}/Patient/${id}/_history/3`])
    expect((await server.ask(system, 'GET', `Patient/${id}`)).status).toBe(200)
    expect((await server.ask(system, 'GET', `Patient/${id}/_history/2`)).status).toBe(410)
  })

  test('that drops a security label is 403 without the right to relabel, and one that adds a label is fine', async () => {
    const label = { system: 'urn:labels', code: 'VIP' }
    const { id } = await server.put(patient('Label', { meta: { security: [label] } }))
    const desk = await server.token({ scope: 'user/*.cruds', roles: ['front-desk'], fhirUser: 'Practitioner/1' })
    const ask = (token: string, security: readonly object[]) => server.ask(token, 'PUT', `Patient/${id}`, { body: patient('Label', { id, ...(security.length === 0 ? {} : { meta: { security } }) }) })
    expect(refusal(await ask(desk, []))).toEqual([403, 'forbidden', 'Patient.meta.security'])
    expect((await ask(desk, [label, { system: 'urn:labels', code: 'MORE' }])).status).toBe(200)
    expect((await ask(system, [])).status).toBe(200)
  })

  test('of the other type is 400, of an unknown type 404, with an unknown parameter 400', async () => {
    const { id } = await server.put(patient('Path'))
    expect(refusal(await server.ask(system, 'PUT', `Observation/${id}`, { body: patient('x', { id }) }))[0]).toBe(400)
    expect(refusal(await server.ask(system, 'PUT', `Patients/${id}`, { body: patient('x', { id }) }))[0]).toBe(404)
    expect(refusal(await server.ask(system, 'PUT', `Patient/${id}?_count=3`, { body: patient('x', { id }) }))[0]).toBe(400)
  })

  test('of 20 writers at once with If-Match lets one through per version', async () => {
    const { id } = await server.put(patient('Race'))
    const replies = await Promise.all(Array.from({ length: 20 }, (_, n) => server.ask(system, 'PUT', `Patient/${id}`, { body: patient(`Race${n}`, { id }), headers: { 'if-match': 'W/"1"' } })))
    expect(replies.map(({ status }) => status).sort()).toEqual([200, ...Array<number>(19).fill(412)])
    expect((await server.ask(system, 'GET', `Patient/${id}`)).json.meta.versionId).toBe('2')
  })

  test('of 20 writers at once without If-Match loses none of them', async () => {
    const { id } = await server.put(patient('Race'))
    const replies = await Promise.all(Array.from({ length: 20 }, (_, n) => server.ask(system, 'PUT', `Patient/${id}`, { body: patient(`Race${n}`, { id }) })))
    expect(replies.map(({ json }) => Number(json.meta.versionId)).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n + 2))
    const history = await server.ask(system, 'GET', `Patient/${id}/_history`)
    expect(new Set(history.json.entry.map((one: { resource: { name: { family: string }[] } }) => one.resource.name[0]!.family)).size).toBe(21)
  })
})
