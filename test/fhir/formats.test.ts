import { gzipSync, brotliCompressSync, deflateSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, startHarness, SYSTEM } from '../harness.ts'
import { bundle, countOf, entry, patient, refusal } from './kit.ts'

let server: Harness
let system: string
let id: string

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
  id = (await server.put(patient('Format'))).id
})
afterAll(() => server.close())

const reads = (): readonly string[] => [`Patient/${id}`, `Patient/${id}/_history/1`, `Patient/${id}/_history`, 'Patient?family=Format', 'metadata']

describe('the form of answers', () => {
  test.each([
    [undefined, 'application/fhir+json'], ['*/*', 'application/fhir+json'], ['application/fhir+json', 'application/fhir+json'], ['application/json', 'application/json'],
    ['application/*', 'application/fhir+json'], ['text/html, application/json;q=0.5', 'application/json'], ['application/fhir+xml, application/fhir+json;q=0.1', 'application/fhir+xml'], ['application/fhir+xml', 'application/fhir+xml'], ['application/xml', 'application/xml'], ['text/xml;q=0.9, application/fhir+json;q=0.8', 'text/xml'],
    ['text/*', 'text/xml'], ['application/fhir+xml;q=0.5, application/fhir+json;q=0.5', 'application/fhir+json'], ['*/*;q=0.1, application/fhir+xml;q=0.2', 'application/fhir+xml'], ['application/*, application/fhir+json;q=0, application/json;q=0', 'application/fhir+xml'],
    ['application/fhir+xml; fhirVersion=4.0', 'application/fhir+xml'],
    ['application/fhir+json; fhirVersion=4.0', 'application/fhir+json']
  ])('Accept: %s is answered as %s', async (accept, type) => {
    for (const path of reads()) {
      const reply = await server.ask(system, 'GET', path, { headers: accept === undefined ? {} : { accept } })
      expect([path, reply.status, reply.headers.get('content-type')?.split(';')[0]]).toEqual([path, 200, type])
    }
  })

  test.each(['application/fhir+turtle', 'text/html', 'application/fhir+json;q=0', 'application/fhir+xml; fhirVersion=5.0', 'application/fhir+json; fhirVersion=3.0', 'image/*'])('Accept: %s is 406, with an outcome in JSON', async (accept) => {
    for (const path of reads()) {
      const reply = await server.ask(system, 'GET', path, { headers: { accept } })
      expect([path, refusal(reply)[0]]).toEqual([path, 406])
    }
    const before = await countOf(server, system, 'Patient')
    expect(refusal(await server.ask(system, 'POST', 'Patient', { body: patient('No'), headers: { accept } }))[0]).toBe(406)
    expect(await countOf(server, system, 'Patient')).toBe(before)
  })

  test.each([
    ['json', 200], ['application/json', 200], ['application/fhir%2Bjson', 200], ['application/fhir+json', 200], ['xml', 200], ['application/fhir%2Bxml', 200], ['application/fhir+xml', 200], ['text/xml', 200], ['application/xml', 200], ['text/html', 406], ['ttl', 406], ['', 406]
  ])('_format=%s is %i and wins over Accept', async (format, status) => {
    for (const path of reads()) {
      const accept = status === 200 ? 'text/html' : 'application/fhir+json'
      const reply = await server.ask(system, 'GET', `${path}${path.includes('?') ? '&' : '?'}_format=${format}`, { headers: { accept } })
      expect([path, reply.status]).toEqual([path, status])
    }
  })

  test('_pretty=true indents everything and changes no value', async () => {
    for (const path of reads()) {
      const mark = path.includes('?') ? '&' : '?'
      const [plain, pretty] = [await server.ask(system, 'GET', path), await server.ask(system, 'GET', `${path}${mark}_pretty=true`)]
      expect(pretty.text, path).toContain('\n  "resourceType": ')
      if (!path.includes('?')) expect(pretty.json, path).toEqual(plain.json)
      expect((await server.ask(system, 'GET', `${path}${mark}_pretty=false`)).text, path).not.toContain('\n')
    }
    const posted = await server.ask(system, 'POST', '?_pretty=true', { body: bundle('batch', [entry('GET', `Patient/${id}`)]) })
    expect(posted.text).toContain('\n  "type": "batch-response"')
  })

  test('_pretty=true of 700 kB takes no longer than its length is worth', async () => {
    const big = await server.put(patient('Big', { extension: Array.from({ length: 15_000 }, (_, n) => ({ url: 'http://x.example/e', valueString: `v${n}` })) }))
    const plain = await server.ask(system, 'GET', `Patient/${big.id}`)
    expect([plain.text.length > 500_000, plain.text.length < 1_000_000]).toEqual([true, true])
    const started = performance.now()
    const reply = await server.ask(system, 'GET', `Patient/${big.id}?_pretty=true`)
    expect([reply.status, performance.now() - started < 5_000, reply.text === JSON.stringify(plain.json, null, 2)]).toEqual([200, true, true])
  })

  test('HEAD is GET without a body, on every read', async () => {
    for (const path of reads()) {
      const [head, get] = [await server.ask(system, 'HEAD', path), await server.ask(system, 'GET', path)]
      expect([path, head.status, head.text]).toEqual([path, get.status, ''])
      for (const name of ['content-type', 'etag', 'last-modified', 'content-length']) expect([path, name, head.headers.get(name)]).toEqual([path, name, get.headers.get(name)])
    }
    expect((await server.ask(system, 'HEAD', 'Patient/absent')).status).toBe(404)
    expect((await server.ask(system, 'HEAD', 'Patient?shoe=4')).status).toBe(400)
  })
})

describe('the form of bodies', () => {
  test.each([['application/fhir+json', 201], ['application/json', 201], ['application/fhir+json; charset=utf-8', 201], ['application/fhir+json; fhirVersion=4.0', 201], ['Application/FHIR+JSON', 201],
    ['application/fhir+turtle', 415], ['text/plain', 415], ['application/fhir+json; charset=latin1', 415], ['application/fhir+json; fhirVersion=5.0', 415], ['application/x-www-form-urlencoded', 415], ['garbage', 415]
  ])('Content-Type: %s is %i', async (type, status) => {
    for (const [method, path, body] of [['POST', 'Patient', patient('Type')], ['PUT', `Patient/${id}`, patient('Type', { id })], ['POST', '', bundle('batch', [])]] as const) {
      const reply = await server.ask(system, method, path, { body, headers: { 'content-type': type } })
      expect([path, reply.status >= 400 ? reply.status : 201]).toEqual([path, status])
    }
  })

  test('gzip bodies are read; other codings and broken gzip are refused', async () => {
    const bytes = Buffer.from(JSON.stringify(patient('Zipped')))
    const ask = (body: Buffer, coding: string) => server.ask(system, 'POST', 'Patient', { body, headers: { 'content-encoding': coding } })
    const reply = await ask(gzipSync(bytes), 'gzip')
    expect([reply.status, reply.json.name[0].family]).toEqual([201, 'Zipped'])
    const before = await countOf(server, system, 'Patient')
    expect(refusal(await ask(brotliCompressSync(bytes), 'br'))[0]).toBe(415)
    expect(refusal(await ask(deflateSync(bytes), 'deflate'))[0]).toBe(415)
    expect(refusal(await ask(bytes, 'gzip'))[0]).toBe(400)
    expect(refusal(await ask(gzipSync(bytes).subarray(0, 20), 'gzip'))[0]).toBe(400)
    expect(await countOf(server, system, 'Patient')).toBe(before)
  })

  test('what a gzip body inflates to is bounded by BODY_BYTES_MAX: 413, and the server answers on', async () => {
    const desk = await server.token({ scope: 'user/Patient.cruds', roles: ['front-desk'], fhirUser: 'Practitioner/1' })
    const big = (megabytes: number) => gzipSync(Buffer.from(JSON.stringify(patient('A'.repeat(megabytes * 1024 * 1024)))))
    const ask = (body: Buffer) => server.ask(desk, 'POST', 'Patient', { body, headers: { 'content-encoding': 'gzip' } })
    expect(big(100).length).toBeLessThan(300_000)
    expect(refusal(await ask(big(100)))[0]).toBe(413)
    expect(refusal(await ask(big(6)))[0]).toBe(413)
    expect((await ask(gzipSync(Buffer.from(JSON.stringify(patient('Small')))))).status).toBe(201)
  })

  test('a body over BODY_BYTES_MAX is 413 for a caller without large bundles', async () => {
    const desk = await server.token({ scope: 'user/Patient.cruds', roles: ['front-desk'], fhirUser: 'Practitioner/1' })
    const reply = await server.ask(desk, 'POST', 'Patient', { body: JSON.stringify(patient('A'.repeat(5 * 1024 * 1024))) })
    expect(refusal(reply)[0]).toBe(413)
  })
})
