import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { validateResource } from '../../src/fhir/validate/validate.ts'
import { type Harness, type Json, startHarness, SYSTEM } from '../harness.ts'
import { linkOf, observation, patient, refusal } from './kit.ts'

let server: Harness
let system: string

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
})
afterAll(() => server.close())

/** A patient of so many versions. */
async function versions(count: number): Promise<Json> {
  const made = await server.put(patient('V1'))
  for (let n = 2; n <= count; n++) await server.put(patient(`V${n}`, { id: made.id }))
  return made
}

const etags = (bundle: Json): readonly string[] => (bundle.entry ?? []).map((one: Json) => one.response.etag)

describe('instance history', () => {
  test('lists every version, newest first, with request and response, as a valid Bundle', async () => {
    const { id } = await versions(3)
    const { status, json } = await server.ask(system, 'GET', `Patient/${id}/_history`)
    expect([status, json.type, etags(json)]).toEqual([200, 'history', ['W/"3"', 'W/"2"', 'W/"1"']])
    expect(json.entry.map((one: Json) => one.resource.name[0].family)).toEqual(['V3', 'V2', 'V1'])
    expect(json.entry.map((one: Json) => [one.fullUrl, one.request, one.response.status])).toEqual(
      [['200', 3], ['200', 2], ['201', 1]].map(([code]) => [`${server.base}/Patient/${id}`, { method: 'PUT', url: `Patient/${id}` }, code]))
    expect(() => validateResource(json, 'Bundle')).not.toThrow()
  })

  test('of a deleted resource ends in a DELETE without content; after a PUT it goes on', async () => {
    const { id } = await versions(1)
    await server.ask(system, 'DELETE', `Patient/${id}`)
    const gone = (await server.ask(system, 'GET', `Patient/${id}/_history`)).json
    expect(gone.entry.map((one: Json) => [one.request.method, one.response.status, one.resource?.id])).toEqual([['DELETE', '204', undefined], ['PUT', '201', id]])
    expect(() => validateResource(gone, 'Bundle')).not.toThrow()
    await server.put(patient('Back', { id }))
    expect(etags((await server.ask(system, 'GET', `Patient/${id}/_history`)).json)).toEqual(['W/"3"', 'W/"2"', 'W/"1"'])
  })

  test('of an unknown and of a hidden resource is one 404', async () => {
    const hidden = await server.put(patient('Hidden', { active: false }))
    const token = await server.token({ scope: 'system/Patient.rs?active=true' })
    const replies = await Promise.all(['unknown', hidden.id].map((id) => server.ask(token, 'GET', `Patient/${id}/_history`)))
    expect(replies.map((reply) => refusal(reply)[0])).toEqual([404, 404])
    expect(replies[0]!.text).toBe(replies[1]!.text)
    expect((await server.ask(system, 'GET', `Patient/${hidden.id}/_history`)).status).toBe(200)
  })

  test('leaves out versions that the caller may not see', async () => {
    const [a, b] = [await server.put(patient('A')), await server.put(patient('B'))]
    const { id } = await server.put(observation(`Patient/${a.id}`))
    await server.put(observation(`Patient/${b.id}`, { id }))
    const history = async (who: string) => server.ask(await server.token({ scope: 'patient/Observation.rs', patient: who }), 'GET', `Observation/${id}/_history`)
    expect(etags((await history(b.id)).json)).toEqual(['W/"2"'])
    expect((await history(a.id)).status).toBe(404)
    expect(etags((await server.ask(system, 'GET', `Observation/${id}/_history`)).json)).toEqual(['W/"2"', 'W/"1"'])
  })

  test('_count pages through all versions once, also while new ones are written', async () => {
    const { id } = await versions(5)
    const seen: string[] = []
    for (let path: string | undefined = `Patient/${id}/_history?_count=2`; path !== undefined;) {
      const reply = await server.ask(system, 'GET', path)
      expect(reply.status).toBe(200)
      expect(etags(reply.json).length).toBeLessThanOrEqual(2)
      seen.push(...etags(reply.json))
      await server.put(patient('Later', { id }))
      path = linkOf(server, reply.json, 'next')
    }
    expect(seen).toEqual(['W/"5"', 'W/"4"', 'W/"3"', 'W/"2"', 'W/"1"'])
  })

  test('a page that ends with the last version has no next; the self link shows what was asked', async () => {
    const { id } = await versions(2)
    const { json } = await server.ask(system, 'GET', `Patient/${id}/_history?_count=2&_since=2000-01-01T00:00:00Z`)
    expect([etags(json), linkOf(server, json, 'next')]).toEqual([['W/"2"', 'W/"1"'], undefined])
    expect(linkOf(server, json, 'self')).toBe(`Patient/${id}/_history?_count=2&_since=2000-01-01T00%3A00%3A00Z`)
  })

  test('_since leaves out what is older, on every page', async () => {
    const { id } = await versions(2)
    await new Promise((resolve) => setTimeout(resolve, 5))
    const third = await server.put(patient('V3', { id }))
    await server.put(patient('V4', { id }))
    const since = third.meta.lastUpdated
    expect(etags((await server.ask(system, 'GET', `Patient/${id}/_history?_since=${since}`)).json)).toEqual(['W/"4"', 'W/"3"'])
    const first = (await server.ask(system, 'GET', `Patient/${id}/_history?_since=${since}&_count=1`)).json
    const second = (await server.ask(system, 'GET', linkOf(server, first, 'next')!)).json
    expect([etags(first), etags(second), linkOf(server, second, 'next')]).toEqual([['W/"4"'], ['W/"3"'], undefined])
    expect(etags((await server.ask(system, 'GET', `Patient/${id}/_history?_since=2999-01-01T00:00:00Z`)).json)).toEqual([])
  })

  test.each([
    '_count=0', '_count=-1', '_count=x', '_since=yesterday', '_since=2020-01-01', '_since=2020-01-01T00:00:00', '_at=x', '_list=1', 'name=x', '_count=1&_count=2',
    '_page=x', '_sort=name'
  ])('with ?%s is refused by name', async (query) => {
    const { id } = await versions(1)
    const reply = await server.ask(system, 'GET', `Patient/${id}/_history?${query}`)
    const [status] = refusal(reply)
    expect(status).toBe(query === '_page=x' ? 404 : 400)
    if (status === 400) expect(reply.json.issue[0].diagnostics).toContain(query.split('=')[0])
  })

  test('a page link opens for its caller and its resource only', async () => {
    const [one, two] = [await versions(3), await versions(3)]
    const next = linkOf(server, (await server.ask(system, 'GET', `Patient/${one.id}/_history?_count=1`)).json, 'next')!
    const stranger = await server.token({ ...SYSTEM, subject: 'stranger' })
    expect((await server.ask(system, 'GET', next)).status).toBe(200)
    expect(refusal(await server.ask(stranger, 'GET', next))[0]).toBe(404)
    expect(refusal(await server.ask(system, 'GET', next.replace(one.id, two.id)))[0]).toBe(404)
    expect(refusal(await server.ask(system, 'GET', `${next}&_count=3`))[0]).toBe(400)
  })
})

describe('vread', () => {
  test('answers each version as it was, and 404 for one that never was', async () => {
    const { id } = await versions(2)
    for (const version of [1, 2]) {
      const reply = await server.ask(system, 'GET', `Patient/${id}/_history/${version}`)
      expect([reply.status, reply.json.name[0].family, reply.headers.get('etag')]).toEqual([200, `V${version}`, `W/"${version}"`])
    }
    for (const version of ['0', '3', '01', 'x', '1.5', '99999999999999999999', '-1']) {
      expect(refusal(await server.ask(system, 'GET', `Patient/${id}/_history/${version}`)), version).toEqual([404, 'not-found', undefined])
    }
  })
})
