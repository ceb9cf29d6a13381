import request from 'supertest'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { FhirError, notFound } from '../../src/model/errors.ts'
import { BEARER, FHIR, openWorld, type World } from './harness.ts'

const ORIGIN = 'https://app.example'
let world: World
beforeAll(async () => { world = await openWorld({ config: { corsOrigins: [ORIGIN] }, unavailable: (error) => error instanceof RangeError }) })
const plain = () => ({ status: 200, headers: { 'Content-Type': 'application/fhir+json', ETag: 'W/"1"' }, body: '{"resourceType":"Patient","id":"1","a":[],"b":{},"n":1.50,"s":"{\\"[,:\\\\"}' })
beforeEach(() => {
  world.seen.length = 0
  world.answer = plain
})
afterAll(() => world.close())

const read = (path = '/Patient/1') => request(world.url).get(FHIR + path).set('Authorization', BEARER)

describe('answers', () => {
  it('carry exactly these headers (threats 18, 33)', async () => {
    const { headers } = await read()
    expect({ ...headers, 'x-request-id': 'ID', date: 'DATE', ratelimit: headers['ratelimit']?.replace(/\d+/g, 'N') }).toEqual({
      'content-security-policy': "default-src 'none';frame-ancestors 'none';base-uri 'none';form-action 'none';sandbox", 'cross-origin-opener-policy': 'same-origin', 'cross-origin-resource-policy': 'same-origin',
      'origin-agent-cluster': '?1', 'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff', 'x-dns-prefetch-control': 'off', 'x-download-options': 'noopen', 'x-frame-options': 'DENY',
      'x-permitted-cross-domain-policies': 'none', 'x-xss-protection': '0', 'cache-control': 'no-store', vary: 'Authorization, Accept, Origin', 'ratelimit-policy': '60000;w=60', ratelimit: 'limit=N, remaining=N, reset=N',
      'content-type': 'application/fhir+json; charset=utf-8', etag: 'W/"1"', 'x-request-id': 'ID', 'content-length': String(plain().body.length), date: 'DATE', connection: 'close'
    })
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('carry the fixed headers on every refusal too', async () => {
    for (const [path, status] of [[`${FHIR}/Patient/1`, 401], ['/nowhere', 404], [`${FHIR}/metadata`, 200], ['/health', 200]] as const) {
      const got = await request(world.url).get(path)
      expect([got.status, got.headers['cache-control'], got.headers['x-content-type-options'], got.headers['content-security-policy']?.includes('sandbox')]).toEqual([status, 'no-store', 'nosniff', true])
      expect(got.headers['x-powered-by']).toBeUndefined()
    }
  })

  it('promise HTTPS only where the base is HTTPS', async () => {
    const secure = await openWorld({ config: { fhirBase: 'https://ehr.example/fhir/R4' } })
    expect((await request(secure.url).get('/health')).headers['strict-transport-security']).toBe('max-age=31536000')
    await secure.close()
  })

  it('name the request by our id, and answer a well-formed id of the client beside it', async () => {
    const named = await read().set('X-Request-Id', 'client-7')
    expect([named.headers['x-correlation-id'], named.headers['x-request-id'] === 'client-7']).toEqual(['client-7', false])
    expect(world.seen[0]).toMatchObject({ clientRequestId: 'client-7', requestId: named.headers['x-request-id'], address: '127.0.0.1' })
    for (const bad of ['a b', 'x'.repeat(65), '<script>', '']) {
      const got = await read().set('X-Request-Id', bad)
      expect(got.headers['x-correlation-id'], bad).toBeUndefined()
    }
    expect(world.seen.at(-1)?.clientRequestId).toBeNull()
  })

  it('to HEAD are those to GET without the body', async () => {
    const [head, get] = [await request(world.url).head(`${FHIR}/Patient/1`).set('Authorization', BEARER), await read()]
    expect([head.status, head.headers['content-length'], head.headers['etag'], head.text]).toEqual([200, get.headers['content-length'], 'W/"1"', undefined])
  })

  it('are laid out when _pretty asks for it, with decimals as they were', async () => {
    const got = await read('/Patient/1?_pretty=true')
    expect(got.text).toBe('{\n  "resourceType": "Patient",\n  "id": "1",\n  "a": [],\n  "b": {},\n  "n": 1.50,\n  "s": "{\\"[,:\\\\"\n}')
    expect(JSON.parse(got.text)).toEqual(JSON.parse(plain().body))
    expect(got.headers['content-length']).toBe(String(got.text.length))
    expect(world.seen[0]?.params).toEqual([])
    expect((await read('/Patient/1?_pretty=false')).text).toBe(plain().body)
  })

  it('of status 204 and 304 have neither body nor length', async () => {
    for (const status of [204, 304]) {
      world.answer = () => ({ status, headers: { ETag: 'W/"1"' }, body: null })
      const got = await read()
      expect([got.status, got.headers['content-length'], got.text]).toEqual([status, undefined, ''])
    }
  })

  it('of Binary that are not FHIR are attachments (threat 19)', async () => {
    world.answer = () => ({ status: 200, headers: { 'Content-Type': 'text/html' }, body: new TextEncoder().encode('<script>') })
    const got = await read('/Binary/1').set('Accept', 'text/html')
    expect([got.status, got.headers['content-type'], got.headers['content-disposition'], got.headers['x-content-type-options'], got.headers['set-cookie']]).toEqual([200, 'text/html', 'attachment', 'nosniff', undefined])
    expect(world.seen[0]?.headers.accept).toBe('text/html')
    world.answer = plain
    expect((await read('/Binary/1').set('Accept', 'application/fhir+json')).headers['content-disposition']).toBeUndefined()
    await read('/Binary/1?_format=json').set('Accept', 'text/html').expect(200)
    expect(world.seen.at(-1)?.headers.accept).toBe('application/fhir+json')
  })
})

describe('content negotiation', () => {
  const met: readonly [accept: string | null, query: string, type: string][] = [
    [null, '', 'application/fhir+json'], ['*/*', '', 'application/fhir+json'], ['application/fhir+json', '', 'application/fhir+json'], ['application/json', '', 'application/json'], ['application/*', '', 'application/fhir+json'],
    ['text/html, application/fhir+json;q=0.1', '', 'application/fhir+json'], ['application/fhir+json;q=0.2, application/json;q=0.9', '', 'application/json'], ['application/fhir+json; fhirVersion=4.0', '', 'application/fhir+json'],
    ['text/html', '?_format=json', 'application/fhir+json'], ['text/html', '?_format=application/fhir%2Bjson', 'application/fhir+json'], ['text/html', '?_format=application/fhir+json', 'application/fhir+json'], [null, '?_format=application/json', 'application/json'],
    ['text/html,application/xhtml+xml,*/*;q=0.8', '', 'application/fhir+json'], ['application/fhir+turtle;q=0.9, */*;q=0.1', '', 'application/fhir+json']
  ]
  it.each(met)('Accept %s with %s is answered as %s', async (accept, query, type) => {
    const asked = read(`/Patient/1${query}`)
    const got = await (accept === null ? asked : asked.set('Accept', accept))
    expect([got.status, got.headers['content-type']]).toEqual([200, `${type}; charset=utf-8`])
  })

  const unmet: readonly [accept: string, query: string, status: number][] = [
    ['text/html', '', 406], ['application/fhir+turtle', '', 406], ['application/fhir+json;q=0', '', 406], ['*/*;q=0', '', 406], ['application/fhir+json; fhirVersion=3.0', '', 406], ['x', '', 406], ['*/*', '?_format=ttl', 406], ['*/*', '?_format=text/html', 406],
    ['*/*', '?_format=', 406], ['*/*', '?_format=json&_format=json', 400]
  ]
  it.each(unmet)('Accept %s with %s is %i', async (accept, query, status) => {
    const got = await read(`/Patient/1${query}`).set('Accept', accept)
    expect([got.status, world.seen.length, got.headers['content-type']]).toEqual([status, 0, 'application/fhir+json; charset=utf-8'])
  })

  it('leaves errors in application/fhir+json', async () => {
    world.answer = () => { throw notFound() }
    expect((await read().set('Accept', 'application/json')).headers['content-type']).toBe('application/fhir+json; charset=utf-8')
  })
})

describe('errors', () => {
  it('of the FHIR side are their issues and headers', async () => {
    world.answer = () => { throw new FhirError(412, [{ severity: 'error', code: 'conflict', diagnostics: 'Version differs', expression: ['Patient'] }], { headers: { ETag: 'W/"2"' }, cause: new Error('CANARY') }) }
    const got = await read()
    expect([got.status, got.headers['etag'], got.body]).toEqual([412, 'W/"2"', { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'conflict', diagnostics: 'Version differs', expression: ['Patient'] }] }])
  })

  it('that nobody foresaw are 500 with our request id and nothing of their own (threat 35)', async () => {
    const thrown: unknown[] = [new Error('SELECT * FROM CANARY at /srv/app.ts:1:2'), new TypeError('CANARY'), 'CANARY', undefined, { message: 'CANARY' }, Object.assign(new Error('x'), { status: 404, name: 'CANARY' })]
    for (const error of thrown) {
      world.answer = () => { throw error }
      const got = await read()
      expect([got.status, got.body.issue]).toEqual([500, [{ severity: 'fatal', code: 'exception', diagnostics: `The server failed; quote request ${got.headers['x-request-id']} to its operator` }]])
      expect(got.text + JSON.stringify(got.headers)).not.toMatch(/CANARY|SELECT|\.ts/)
    }
    expect(world.logged.join('')).not.toMatch(/CANARY|SELECT/)
  })

  it('of the store that may be tried again are 503 with Retry-After', async () => {
    world.answer = () => { throw new RangeError('CANARY') }
    const got = await read()
    expect([got.status, got.headers['retry-after'], got.body.issue[0].code]).toEqual([503, '5', 'transient'])
    expect(got.text).not.toContain('CANARY')
  })

  it('cannot be made into headers by a line break', async () => {
    world.answer = () => ({ status: 200, headers: { 'Content-Type': 'application/fhir+json', Location: 'a\r\nSet-Cookie: x' }, body: '{}' })
    await expect(read()).rejects.toThrow()
    world.answer = plain
    await read().expect(200)
  })
})

describe('CORS (threat 34)', () => {
  it('lets listed origins read, without credentials mode', async () => {
    const got = await read().set('Origin', ORIGIN)
    expect([got.headers['access-control-allow-origin'], got.headers['access-control-allow-credentials'], got.headers['access-control-expose-headers']?.includes('ETag')]).toEqual([ORIGIN, undefined, true])
  })

  it('lets no other origin read', async () => {
    for (const origin of ['https://evil.example', 'null', 'https://app.example.evil', 'http://app.example', 'https://APP.example', `${ORIGIN}/`, ''])
      expect((await read().set('Origin', origin)).headers['access-control-allow-origin'], origin).toBeUndefined()
  })

  it('answers a preflight without a token, with permission for listed origins only', async () => {
    const ask = (origin: string) => request(world.url).options(`${FHIR}/Patient`).set({ Origin: origin, 'Access-Control-Request-Method': 'PUT' })
    const [good, evil] = [await ask(ORIGIN), await ask('https://evil.example')]
    expect([good.status, good.headers['access-control-allow-origin'], good.headers['access-control-allow-methods']?.includes('PUT'), good.headers['access-control-allow-headers']?.includes('Authorization')]).toEqual([204, ORIGIN, true, true])
    expect([evil.status, evil.headers['access-control-allow-origin'], evil.headers['access-control-allow-methods']]).toEqual([204, undefined, undefined])
    expect((await request(world.url).options(FHIR)).status).toBe(401)
  })

  it('lets any origin read metadata and discovery, and nothing else', async () => {
    for (const path of [`${FHIR}/metadata`, `${FHIR}/.well-known/smart-configuration`, '/.well-known/smart-configuration'])
      expect((await request(world.url).get(path).set('Origin', 'https://evil.example')).headers['access-control-allow-origin'], path).toBe('*')
    expect((await request(world.url).get('/health').set('Origin', 'https://evil.example')).headers['access-control-allow-origin']).toBeUndefined()
  })

  it('lets refusals be read by listed origins, so that an app sees why', async () => {
    expect((await request(world.url).get(`${FHIR}/Patient/1`).set('Origin', ORIGIN)).headers['access-control-allow-origin']).toBe(ORIGIN)
  })
})
