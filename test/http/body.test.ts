import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import request from 'supertest'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { BEARER, FHIR, openWorld, raw, type World } from './harness.ts'

const MAX = 50_000
let world: World
beforeAll(async () => { world = await openWorld({ bounds: { bodyBytesMax: MAX, formBytesMax: 1_000 } }) })
beforeEach(() => { world.seen.length = 0 })
afterAll(() => world.close())

const post = (path: string) => request(world.url).post(FHIR + path).set('Authorization', BEARER)
const bodyOf = (index = 0): { text: string; contentType: string } => {
  const body = world.seen[index]?.body
  if (body === null || body === undefined || !('bytes' in body)) throw new Error('no bytes')
  return { text: Buffer.from(body.bytes).toString(), contentType: body.contentType }
}
const head = (path: string, more: string): string => `POST ${FHIR}${path} HTTP/1.1\r\nHost: x\r\nAuthorization: ${BEARER}\r\nContent-Type: application/fhir+json\r\n${more}\r\n`
const chunked = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`

describe('bodies', () => {
  it('arrive as the bytes that were sent', async () => {
    await post('/Patient').set('Content-Type', 'application/fhir+json; charset=UTF-8; fhirVersion=4.0').send('{"a":1.50}').expect(200)
    expect(bodyOf()).toEqual({ text: '{"a":1.50}', contentType: 'application/fhir+json' })
    await post('/Patient').set('Content-Type', 'application/json').send('{}').expect(200)
    expect(bodyOf(1).contentType).toBe('application/json')
  })

  it('arrive inflated from gzip', async () => {
    await post('/Patient').set({ 'Content-Type': 'application/fhir+json', 'Content-Encoding': 'gzip' }).serialize((body: unknown) => body as string).send(gzipSync('{"a":1}')).expect(200)
    expect(bodyOf().text).toBe('{"a":1}')
  })

  it('may have exactly the bytes that the caller may send, and not one more (threat 23)', async () => {
    await post('/Patient').set('Content-Type', 'application/fhir+json').send('x'.repeat(MAX)).expect(200)
    const refused = await post('/Patient').set('Content-Type', 'application/fhir+json').send('x'.repeat(MAX + 1))
    expect([refused.status, refused.body.issue[0].code, world.seen.length]).toEqual([413, 'too-long', 1])
  })

  it('are counted as they stream when no length is given', async () => {
    const few = `${chunked('{"a":')}${chunked('1}')}0\r\n\r\n`
    expect(await raw(world.port, head('/Patient', 'Transfer-Encoding: chunked\r\nConnection: close\r\n') + few)).toMatch(/^HTTP\/1.1 200/)
    expect(bodyOf().text).toBe('{"a":1}')
    const many = chunked('x'.repeat(10_000)).repeat(6)
    expect(await raw(world.port, head('/Patient', 'Transfer-Encoding: chunked\r\n') + many, /too-long/)).toMatch(/^HTTP\/1.1 413/)
    expect(world.seen).toHaveLength(1)
  })

  it('are refused by their announced length before a byte is read', async () => {
    expect(await raw(world.port, head('/Patient', `Content-Length: ${10 * MAX}\r\n`), /too-long/)).toMatch(/^HTTP\/1.1 413/)
  })

  it('are bounded after inflation, and only gzip is inflated (threat 24)', async () => {
    const bomb = gzipSync(Buffer.alloc(20 * 1024 * 1024))
    expect(bomb.length).toBeLessThan(MAX)
    const send = (bytes: Buffer, encoding: string) => post('/Patient').set({ 'Content-Type': 'application/fhir+json', 'Content-Encoding': encoding }).serialize((body: unknown) => body as string).send(bytes)
    expect((await send(bomb, 'gzip')).status).toBe(413)
    expect((await send(gzipSync('x'.repeat(MAX + 1)), 'gzip')).status).toBe(413)
    expect((await send(gzipSync('x'.repeat(MAX)), 'gzip')).status).toBe(200)
    for (const [encoding, bytes] of [['br', brotliCompressSync('{}')], ['deflate', deflateSync('{}')], ['gzip, gzip', gzipSync(gzipSync('{}'))], ['zstd', Buffer.from('{}')]] as const) {
      const refused = await send(bytes, encoding)
      expect([refused.status, refused.headers['accept-encoding']], encoding).toEqual([415, 'gzip'])
    }
    expect((await send(Buffer.from('{"no":"gzip"}'), 'gzip')).status).toBe(400)
    expect((await send(gzipSync('x'.repeat(9_000)).subarray(0, 20), 'gzip')).status).toBe(400)
    expect(world.seen).toHaveLength(1)
  })

  it('are bounded per caller, also by a bound that has to be looked up', async () => {
    const wide = await openWorld({ bounds: { bodyBytesMax: 10 }, bodyLimit: async ({ client }) => client === 'good-1' ? 100 : 10 })
    const send = (token: string) => request(wide.url).post(`${FHIR}/Patient`).set({ Authorization: `Bearer ${token}`, 'Content-Type': 'application/fhir+json' }).send('x'.repeat(50))
    expect([(await send('good-1')).status, (await send('good')).status]).toEqual([200, 413])
    await wide.close()
  })

  it('are read only after authentication', async () => {
    const answer = await raw(world.port, `POST ${FHIR}/Patient HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n`, /required"/)
    expect(answer).toMatch(/^HTTP\/1.1 401/)
    expect(answer).toMatch(/^Connection: close\r$/m)
  })

  it('are asked for with 100 Continue once they are wanted', async () => {
    expect(await raw(world.port, head('/Patient', 'Content-Length: 2\r\nExpect: 100-continue\r\n'), /100 Continue\r\n\r\n/)).toMatch(/^HTTP\/1.1 100 Continue/)
    expect(await raw(world.port, head('/Patient', `Content-Length: ${MAX * 2}\r\nExpect: 100-continue\r\n`), /too-long/)).toMatch(/^HTTP\/1.1 413/)
  })

  it('of a kind that is not FHIR are 415 (threat 17)', async () => {
    for (const type of ['application/fhir+turtle', 'application/xml-patch+xml', 'application/fhir+xml; charset=utf-16', 'text/html', 'text/plain', 'application/x-www-form-urlencoded', 'application/json-patch+json', 'application/fhir+json; charset=utf-16', 'application/fhir+json; fhirVersion=3.0', 'nonsense'])
      expect((await post('/Patient').set('Content-Type', type).send('{}')).status, type).toBe(415)
    expect(await raw(world.port, `POST ${FHIR}/Patient HTTP/1.1\r\nHost: x\r\nAuthorization: ${BEARER}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}`)).toMatch(/^HTTP\/1.1 415/)
    expect(world.seen).toHaveLength(0)
  })

  it('of Binary may be of any kind and pass as they are, but for FHIR in a format that is not read', async () => {
    await post('/Binary').set('Content-Type', 'application/fhir+turtle').send('<Binary/>').expect(415)
    await post('/Binary').set('Content-Type', 'text/html; charset=latin1').send('<script>').expect(200)
    expect(bodyOf()).toEqual({ text: '<script>', contentType: 'text/html; charset=latin1' })
    await post('/Binary').set('Content-Type', 'application/fhir+json').send('{}').expect(200)
    expect(bodyOf(1).contentType).toBe('application/fhir+json')
    expect((await post('/Binary').set('Content-Type', 'a b/c').send('x')).status).toBe(415)
  })

  it('of a form are bounded and strict', async () => {
    const send = (body: string) => post('/Patient/_search').set('Content-Type', 'application/x-www-form-urlencoded').send(body)
    expect((await send(`a=${'x'.repeat(998)}`)).status).toBe(200)
    expect((await send(`a=${'x'.repeat(999)}`)).status).toBe(413)
    expect((await send('a=%')).status).toBe(400)
    expect((await send('a=\u20ac')).status).toBe(400)
  })

  it('smuggle no second request (threat 40)', async () => {
    const inner = `GET ${FHIR}/Patient/smuggled HTTP/1.1\r\nHost: x\r\nAuthorization: ${BEARER}\r\n\r\n`
    for (const both of ['Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', 'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', 'Content-Length: 5\r\nContent-Length: 6\r\n', 'Transfer-Encoding: xchunked\r\n', 'Content-Length: +5\r\n', 'Content-Length : 5\r\n'])
      expect(await raw(world.port, `${head('/Patient', both)}0\r\n\r\n${inner}`), both).toMatch(/^HTTP\/1.1 400/)
    expect(world.seen).toHaveLength(0)
    expect(await raw(world.port, head('/Patient', 'Content-Length: 2\r\nConnection: close\r\n') + '{}')).toMatch(/^HTTP\/1.1 200/)
  })
})
