import request from 'supertest'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { BEARER, FHIR, openWorld, raw, type World } from './harness.ts'

let world: World
beforeAll(async () => { world = await openWorld() })
beforeEach(() => { world.seen.length = 0 })
afterAll(() => world.close())

/** Sends the target exactly as written, which no client library does. */
async function send(method: string, target: string, more: { readonly headers?: string; readonly body?: string; readonly token?: string | null } = {}): Promise<{ status: number; head: string; body: string }> {
  const { headers = '', body = '', token = BEARER } = more
  const length = body === '' ? '' : `Content-Length: ${Buffer.byteLength(body)}\r\n`
  const got = await raw(world.port, `${method} ${target} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n${token === null ? '' : `Authorization: ${token}\r\n`}${headers}${length}\r\n${body}`)
  const end = got.indexOf('\r\n\r\n')
  return { status: Number(got.slice(9, 12)), head: got.slice(0, end), body: got.slice(end + 4) }
}

const json = 'Content-Type: application/fhir+json\r\n'
const form = 'Content-Type: application/x-www-form-urlencoded\r\n'

describe('routes', () => {
  const known: readonly [method: string, path: string, more: object, expected: Record<string, unknown>][] = [
    ['GET', '/Patient/1', {}, { interaction: 'read', type: 'Patient', id: '1', version: null }],
    ['HEAD', '/Patient/1', {}, { interaction: 'read', type: 'Patient', id: '1' }],
    ['GET', '/Patient/a-b.C', {}, { interaction: 'read', id: 'a-b.C' }],
    ['GET', '/%50atient/%31', {}, { interaction: 'read', type: 'Patient', id: '1' }],
    ['GET', '/Patient/1/_history', {}, { interaction: 'history-instance', id: '1', version: null }],
    ['GET', '/Patient/1/_history/3', {}, { interaction: 'vread', id: '1', version: '3' }],
    ['PUT', '/Patient/1', { headers: json, body: '{}' }, { interaction: 'update', id: '1' }],
    ['DELETE', '/Patient/1', {}, { interaction: 'delete', id: '1' }],
    ['POST', '/Patient', { headers: json, body: '{}' }, { interaction: 'create', id: null }],
    ['PUT', '/Patient?identifier=a', { headers: json, body: '{}' }, { interaction: 'update', id: null, params: [['identifier', 'a']] }],
    ['DELETE', '/Patient?identifier=a', {}, { interaction: 'delete', id: null, params: [['identifier', 'a']] }],
    ['GET', '/Patient', {}, { interaction: 'search-type', params: [] }],
    ['GET', '/Patient?name=a&name=b', {}, { interaction: 'search-type', params: [['name', 'a'], ['name', 'b']] }],
    ['POST', '/Patient/_search?name=a', { headers: form, body: 'name=b+c&birthdate=%3E2000' }, { interaction: 'search-type', params: [['name', 'a'], ['name', 'b c'], ['birthdate', '>2000']], body: null }],
    ['GET', '?_type=Patient', {}, { interaction: 'search-system', type: null, params: [['_type', 'Patient']] }],
    ['POST', '/_search', { headers: form, body: '_type=Patient' }, { interaction: 'search-system', type: null, params: [['_type', 'Patient']], body: null }],
    ['GET', '/Patient/1/Observation?code=x', {}, { interaction: 'search-type', type: 'Observation', id: null, compartment: { type: 'Patient', id: '1' } }],
    ['POST', '/Patient/1/Observation/_search', { headers: form, body: 'code=x' }, { interaction: 'search-type', type: 'Observation', id: null, compartment: { type: 'Patient', id: '1' }, params: [['code', 'x']] }],
    ['GET', '/Patient/1/*', {}, { interaction: 'search-system', type: null, id: null, compartment: { type: 'Patient', id: '1' } }],
    ['POST', '', { headers: json, body: '{}' }, { interaction: 'batch', type: null, id: null }],
    ['POST', '/', { headers: json, body: '{}' }, { interaction: 'batch', type: null }]
  ]
  it.each(known)('%s %s %j', async (method, path, more, expected) => {
    expect((await send(method, FHIR + path, more)).status).toBe(200)
    expect(world.seen).toHaveLength(1)
    expect(world.seen[0]).toMatchObject(expected)
  })

  const unknown: readonly [method: string, path: string, status: number][] = [
    ['GET', '/Nonsense/1', 404], ['GET', '/patient/1', 404], ['GET', '/Patient/', 404], ['GET', '/Patient//1', 404], ['GET', '//Patient/1', 404], ['GET', '/Patient/1/', 404], ['GET', '/Patient/a_b', 404],
    ['GET', `/Patient/${'a'.repeat(65)}`, 404], ['GET', '/Patient/..', 404], ['GET', '/Patient/.', 404], ['GET', '/../health', 404], ['GET', '/Patient/%2e%2e', 404], ['GET', '/Patient/1%2F_history', 404], ['GET', '/Patient/1/_history/', 404],
    ['GET', '/Patient/1/_history/1/2', 404], ['GET', '/Patient/1/Nonsense', 404], ['GET', '/Organization/1/Observation', 404], ['GET', '/Patient/1/Observation/x', 404], ['GET', '/Patient/1/*/_search', 405], ['GET', '/Patient/1/_search', 405], ['GET', '/Organization/1/_search', 404], ['GET', '/Patient/1/*/_search/x', 404], ['GET', '/Patient/1/_search/x', 404], ['GET', '/Patient/$everything', 404],
    ['GET', '/Patient/1/$everything', 404], ['GET', '/Patient/_history/1', 404], ['GET', '/Patient/1/$everything/1', 404], ['GET', '/$', 404],
    ['GET', '/Patient/_search/x', 404], ['GET', '/__proto__', 404], ['GET', '/constructor/1', 404], ['GET', '/Patient/__proto__', 404], ['GET', '/Patient/%', 400], ['GET', '/Patient/%zz', 400], ['GET', '/Patient/%ff', 400], ['GET', '/Patient?a=%', 400],
    ['GET', '/Patient?a=%c3%28', 400], ['GET', '/Patient?a=%00', 400], ['GET', '/Patient?a=\u00e9', 400], ['GET', `/Patient?${'a=1&'.repeat(65)}`, 422], ['GET', `/Patient?a=${'x'.repeat(8_192)}`, 414],
    ['PUT', '', 405], ['POST', '/Patient/1/Observation', 405], ['GET', '/Patient/1/Observation/_search', 405], ['POST', '/Patient/1', 405], ['GET', '/Patient/_search', 405], ['POST', '/metadata', 405], ['DELETE', '', 405], ['OPTIONS', '/Patient', 405], ['TRACE', '/Patient', 405],
    ['PUT', '/Patient/1/_history/1', 405], ['DELETE', '/Patient/1/_history', 405]
  ]
  it.each(unknown)('%s %s is %i with an OperationOutcome, and goes no further', async (method, path, status) => {
    const got = await send(method, FHIR + path)
    expect({ status: got.status, seen: world.seen.length }).toEqual({ status, seen: 0 })
    expect(JSON.parse(got.body)).toMatchObject({ resourceType: 'OperationOutcome', issue: [{ severity: 'error' }] })
    expect(got.head).toMatch(/^Content-Type: application\/fhir\+json; charset=utf-8$/m)
  })

  it('names the methods that a place has', async () => {
    expect((await send('POST', `${FHIR}/Patient/1`)).head).toMatch(/^Allow: GET, HEAD, PUT, DELETE, PATCH$/m)
    expect((await send('PUT', `${FHIR}/Patient/_search`)).head).toMatch(/^Allow: POST$/m)
  })

  it('may be given more interactions by the owner', async () => {
    const wide = await openWorld({ interactions: new Set(['read', 'history-type', 'patch', 'search-system']) })
    const get = (path: string) => request(wide.url).get(FHIR + path).set('Authorization', BEARER)
    expect((await get('/Patient/_history')).status).toBe(200)
    expect((await get('?_type=Patient')).status).toBe(200)
    expect((await get('/Patient')).status).toBe(405)
    expect((await get('/Patient/1/_history')).status).toBe(404)
    expect(wide.seen.map(({ interaction }) => interaction)).toEqual(['history-type', 'search-system'])
    await wide.close()
  })

  it('is 401 for a stranger everywhere under the base, before anything is said about the place', async () => {
    for (const [method, path] of [...unknown.filter(([, path, status]) => status !== 414 && !path.includes('\u00e9')), ...known])
      expect((await send(method, FHIR + path, { token: null })).status, `${method} ${path}`).toBe(401)
    expect(world.seen).toHaveLength(0)
  })

  it('is 404 outside the base', async () => {
    for (const path of ['/', '/fhir', '/fhir/R5/Patient', '/fhir/R4x', '/admin', '/fhir/r4/Patient/1', '//fhir/R4/Patient/1', '/.git/config', '*']) expect((await send('GET', path)).status, path).toBe(404)
  })

  it('takes the absolute form and ignores its host, like the Host header', async () => {
    expect((await send('GET', `http://other.example${FHIR}/Patient/1`)).status).toBe(200)
  })

  it('lies under the path of BASE_URL', async () => {
    const under = await openWorld({ config: { fhirBase: 'https://ehr.example/clinic/fhir/R4' } })
    expect((await request(under.url).get('/clinic/fhir/R4/Patient/1').set('Authorization', BEARER)).status).toBe(200)
    expect((await request(under.url).get('/fhir/R4/Patient/1').set('Authorization', BEARER)).status).toBe(404)
    await under.close()
  })
})

describe('parameters', () => {
  it('are strings in order; brackets, dots, dollars and prototype names are just names (threats 20, 40)', async () => {
    await send('GET', `${FHIR}/Patient?code[$ne]=x&__proto__=1&constructor=2&a.b=3&$where=4&patient=A&patient=B&flag&=v&a=b=c&n=%e2%82%ac+%2B`)
    expect(world.seen[0]?.params).toEqual([['code[$ne]', 'x'], ['__proto__', '1'], ['constructor', '2'], ['a.b', '3'], ['$where', '4'], ['patient', 'A'], ['patient', 'B'], ['flag', ''], ['', 'v'], ['a', 'b=c'], ['n', '\u20ac +']])
  })

  it('of a form count together with those of the query', async () => {
    const many = 'a=1&'.repeat(40)
    expect((await send('POST', `${FHIR}/Patient/_search?${many}`, { headers: form, body: many })).status).toBe(422)
    expect((await send('POST', `${FHIR}/Patient/_search?${many}`, { headers: form, body: 'a=1' })).status).toBe(200)
  })

  it('of a form need the form type', async () => {
    expect((await send('POST', `${FHIR}/Patient/_search`, { headers: json, body: '{}' })).status).toBe(415)
    expect((await send('POST', `${FHIR}/Patient/_search?a=1`)).status).toBe(200)
  })

  it('hand request headers on, trimmed', async () => {
    await send('GET', `${FHIR}/Patient/1`, { headers: 'If-None-Match:  W/"1" \r\nIf-Match: W/"2"\r\nIf-Modified-Since: Mon\r\nIf-None-Exist: a=b\r\nPrefer: return=minimal\r\nX-Other: 1\r\n' })
    expect(world.seen[0]?.headers).toEqual({ ifNoneMatch: 'W/"1"', ifMatch: 'W/"2"', ifModifiedSince: 'Mon', ifNoneExist: 'a=b', prefer: 'return=minimal' })
  })
})
