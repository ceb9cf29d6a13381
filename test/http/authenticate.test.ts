import request from 'supertest'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { FhirError } from '../../src/model/errors.ts'
import { BEARER, FHIR, openWorld, raw, type World } from './harness.ts'

let world: World
beforeAll(async () => { world = await openWorld() })
beforeEach(() => { world.seen.length = world.refusals.length = 0 })
afterAll(() => world.close())

const get = (path: string, authorization?: string) => {
  const asked = request(world.url).get(path)
  return authorization === undefined ? asked : asked.set('Authorization', authorization)
}

describe('credentials', () => {
  it('are one bearer token in one header; the scheme is written in any case', async () => {
    for (const header of [BEARER, 'bearer good', 'BEARER  good', 'Bearer good-1']) await get(`${FHIR}/Patient/1`, header).expect(200)
    expect(world.seen).toHaveLength(4)
  })

  const refused: readonly [what: string, header: string | undefined, challenge: string][] = [
    ['none', undefined, 'Bearer realm="wardkeep"'], ['a bad token', 'Bearer evil', 'Bearer realm="wardkeep", error="invalid_token"'], ['another scheme', 'Basic Z29vZDpnb29k', 'Bearer realm="wardkeep", error="invalid_request"'],
    ['a scheme alone', 'Bearer', 'Bearer realm="wardkeep", error="invalid_request"'], ['a list', 'Bearer good, Bearer evil', 'Bearer realm="wardkeep", error="invalid_request"'], ['two words', 'Bearer good evil', 'Bearer realm="wardkeep", error="invalid_request"']
  ]
  it.each(refused)('are refused with a challenge, and the refusal is reported: %s', async (_, header, challenge) => {
    const { status, headers, body } = await get(`${FHIR}/Patient/1`, header)
    expect([status, headers['www-authenticate'], body.issue[0].code]).toEqual([401, challenge, 'login'])
    expect(world.refusals).toEqual([{ address: '127.0.0.1', status: 401 }])
    expect(world.seen).toHaveLength(0)
  })

  it('must not come twice', async () => {
    for (const order of [['good', 'evil'], ['evil', 'good'], ['good', 'good']])
      expect(await raw(world.port, `GET ${FHIR}/Patient/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${order.map((token) => `Authorization: Bearer ${token}\r\n`).join('')}\r\n`)).toMatch(/^HTTP\/1.1 401/)
    expect(world.seen).toHaveLength(0)
  })

  it('must not be in a URL or a form, even beside a good header (threat 15)', async () => {
    for (const query of ['access_token=good', 'name=a&access_token=x', 'ACCESS_TOKEN=x', 'access%5ftoken=x'])
      for (const header of [undefined, BEARER]) expect((await get(`${FHIR}/Patient?${query}`, header)).status, query).toBe(401)
    const posted = await request(world.url).post(`${FHIR}/Patient/_search`).set('Authorization', BEARER).type('form').send('name=a&access_token=good')
    expect([posted.status, world.seen.length]).toEqual([401, 0])
    expect(world.logged.join('')).not.toMatch(/access|name=/)
    await get(`${FHIR}/Patient?access_tokens=x`, BEARER).expect(200)
  })

  it('that the owner refuses after authentication are reported with their client; what `handle` refuses is not', async () => {
    const strict = await openWorld({ bodyLimit: () => { throw new FhirError(403, [{ severity: 'error', code: 'forbidden', diagnostics: 'no' }]) } })
    await request(strict.url).post(`${FHIR}/Patient`).set({ Authorization: BEARER, 'Content-Type': 'application/fhir+json' }).send('{}').expect(403)
    expect(strict.refusals).toEqual([{ address: '127.0.0.1', client: 'app', status: 403 }])
    strict.answer = () => { throw new FhirError(403, [{ severity: 'error', code: 'forbidden', diagnostics: 'no' }]) }
    await request(strict.url).get(`${FHIR}/Patient/1`).set('Authorization', BEARER).expect(403)
    expect(strict.refusals).toHaveLength(1)
    await strict.close()
  })

  it('stay refused when the report of the refusal fails', async () => {
    const broken = await openWorld({ refused: async () => { throw new Error('ledger CANARY') } })
    await request(broken.url).get(`${FHIR}/Patient/1`).expect(401)
    expect(broken.logged.join('')).toMatch(/"error":\["Error"\]/)
    expect(broken.logged.join('')).not.toContain('CANARY')
    await broken.close()
  })

  it('are an outage (503 with Retry-After) when keys cannot be read, never a pass', async () => {
    const out = await openWorld({ verify: () => Promise.reject(new FhirError(503, [{ severity: 'error', code: 'transient', diagnostics: 'x' }], { headers: { 'Retry-After': '5' } })) })
    const { status, headers } = await request(out.url).get(`${FHIR}/Patient/1`).set('Authorization', BEARER)
    expect([status, headers['retry-after'], out.seen.length]).toEqual([503, '5', 0])
    await out.close()
  })

  it('are not needed for metadata, discovery, health and readiness', async () => {
    expect((await get(`${FHIR}/metadata`)).body).toEqual({ resourceType: 'CapabilityStatement', status: 'active' })
    expect((await get(`${FHIR}/.well-known/smart-configuration`).set('Accept', 'text/html')).body).toEqual({ capabilities: ['permission-v2'] })
    expect((await get('/.well-known/smart-configuration')).headers['content-type']).toBe('application/json')
    expect((await get('/.well-known/other')).status).toBe(404)
    expect((await get('/health')).body).toEqual({ status: 'alive' })
    expect((await get('/ready')).body).toEqual({ status: 'ready' })
    expect((await request(world.url).post('/health')).status).toBe(405)
    expect((await request(world.url).head(`${FHIR}/metadata`)).text).toBeUndefined()
    expect(world.refusals).toHaveLength(0)
  })

  it('repeated headers that would change the answer are 400', async () => {
    for (const name of ['If-None-Exist', 'If-Match', 'Content-Type', 'If-None-Match'])
      expect(await raw(world.port, `GET ${FHIR}/Patient/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${BEARER}\r\n${name}: a=1\r\n${name}: b=2\r\n\r\n`), name).toMatch(/^HTTP\/1.1 400/)
    expect(await raw(world.port, `GET ${FHIR}/Patient/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${BEARER}\r\nPrefer: a\r\nPrefer: b\r\n\r\n`)).toMatch(/^HTTP\/1.1 200/)
  })
})
