import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, type Json, startHarness, SYSTEM } from '../harness.ts'
import { countOf, patient, refusal } from './kit.ts'

let server: Harness
let system: string
const PNG = Buffer.from('89504e470d0a1a0a00ff', 'hex')

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
})
afterAll(() => server.close())

const raw = async (path: string, accept?: string): Promise<{ status: number; headers: Headers; bytes: Buffer }> => {
  const reply = await fetch(`${server.base}/${path}`, { headers: { authorization: `Bearer ${system}`, ...(accept === undefined ? {} : { accept }) } })
  return { status: reply.status, headers: reply.headers, bytes: Buffer.from(await reply.arrayBuffer()) }
}
const post = (body: Buffer | string, headers: Record<string, string>, token = system) => server.ask(token, 'POST', 'Binary', { body, headers })
const png = (): Promise<Json> => server.put({ resourceType: 'Binary', contentType: 'image/png', data: PNG.toString('base64') })

describe('Binary', () => {
  test('of more than 12 MiB is 413, on either store, and nothing of it is kept; one below is', async () => {
    const before = await countOf(server, system, 'Binary')
    const sized = (mib: number): Json => ({ resourceType: 'Binary', contentType: 'application/octet-stream', data: Buffer.alloc(mib * 2 ** 20, 7).toString('base64') })
    const reply = await server.ask(system, 'POST', 'Binary', { body: sized(10) })
    expect(refusal(reply).slice(0, 2)).toEqual([413, 'too-long'])
    expect(await countOf(server, system, 'Binary')).toBe(before)
    expect((await server.ask(system, 'POST', 'Binary', { body: sized(8) })).status).toBe(201)
  })

  test('as FHIR JSON comes back as FHIR JSON and in its native form', async () => {
    const { id } = await png()
    for (const accept of ['application/fhir+json', 'application/json', '*/*', undefined, 'image/png, application/fhir+json']) {
      const reply = await raw(`Binary/${id}`, accept)
      expect([accept, reply.headers.get('content-type')?.includes('json'), JSON.parse(reply.bytes.toString()).data]).toEqual([accept, true, PNG.toString('base64')])
    }
    for (const accept of ['image/png', 'image/*', 'application/octet-stream', 'text/html, image/png', 'image/webp,image/*;q=0.8,*/*;q=0.5']) {
      const reply = await raw(`Binary/${id}`, accept)
      expect([accept, reply.status, reply.headers.get('content-type'), reply.bytes.equals(PNG)]).toEqual([accept, 200, 'image/png', true])
      expect([reply.headers.get('etag'), reply.headers.get('content-disposition'), reply.headers.get('x-content-type-options')]).toEqual(['W/"1"', 'attachment', 'nosniff'])
    }
    expect((await raw(`Binary/${id}/_history/1`, 'image/png')).bytes.equals(PNG)).toBe(true)
    expect(JSON.parse((await raw(`Binary/${id}?_format=json`, 'image/png')).bytes.toString()).contentType).toBe('image/png')
  })

  test.each(['application/fhir+turtle', 'application/xml', 'text/html', 'image/jpeg', 'image/png;q=0'])('is 406 where Accept is %s and the content is something else', async (accept) => {
    const { id } = await png()
    expect((await raw(`Binary/${id}`, accept)).status).toBe(406)
    expect((await raw('Binary/absent', accept)).status).toBe(404)
  })

  test('sent in its native form is stored with its type, by POST and by PUT', async () => {
    const made = await post(PNG, { 'content-type': 'image/png' })
    expect([made.status, made.json.contentType, made.json.data]).toEqual([201, 'image/png', PNG.toString('base64')])
    const { id } = made.json
    const put = await server.ask(system, 'PUT', `Binary/${id}`, { body: 'text', headers: { 'content-type': 'text/plain; charset=utf-8', 'if-match': 'W/"1"' } })
    expect([put.status, put.json.meta.versionId, put.json.contentType]).toEqual([200, '2', 'text/plain; charset=utf-8'])
    const reply = await raw(`Binary/${id}`, 'text/plain')
    expect([reply.headers.get('content-type'), reply.bytes.toString()]).toEqual(['text/plain; charset=utf-8', 'text'])
    expect((await server.ask(system, 'PUT', 'Binary/fresh', { body: 'x', headers: { 'content-type': 'text/plain' } })).status).toBe(201)
  })

  test('as FHIR XML is a resource; as any other XML it is content', async () => {
    const sent = '<Binary xmlns="http://hl7.org/fhir"><contentType value="text/plain"/><data value="eA=="/></Binary>'
    const made = await post(sent, { 'content-type': 'application/fhir+xml' })
    expect([made.status, made.json.contentType, made.json.data]).toEqual([201, 'text/plain', 'eA=='])
    const shown = await raw(`Binary/${made.json.id}`, 'application/fhir+xml')
    expect([shown.status, shown.headers.get('content-type'), shown.headers.get('content-disposition'), shown.bytes.includes('<data value="eA=="/>')]).toEqual([200, 'application/fhir+xml; charset=utf-8', null, true])
    const document = await post(sent, { 'content-type': 'text/xml' })
    expect([document.status, document.json.contentType, Buffer.from(document.json.data, 'base64').toString()]).toEqual([201, 'text/xml', sent])
    for (const accept of ['text/xml', 'text/xml, application/xml;q=0.5', '*/*;q=0.1, text/*']) {
      const reply = await raw(`Binary/${document.json.id}`, accept)
      expect([accept, reply.status, reply.headers.get('content-type'), reply.headers.get('content-disposition'), reply.bytes.toString()]).toEqual([accept, 200, 'text/xml', 'attachment', sent])
    }
    const odd = await server.put({ resourceType: 'Binary', contentType: 'application/fhir+json', data: 'eA==' })
    const reply = await raw(`Binary/${odd.id}`, 'application/octet-stream, application/xml;q=0.5')
    expect([reply.status, reply.headers.get('content-type'), reply.bytes.toString()]).toEqual([200, 'application/octet-stream', 'x'])
  })

  test('as JSON of another type than FHIR is FHIR JSON, and refused where it is none', async () => {
    const before = await countOf(server, system, 'Binary')
    expect(refusal(await post('{"a":1}', { 'content-type': 'application/json' }))[0]).toBe(400)
    expect(refusal(await post('<Binary/>', { 'content-type': 'nonsense' }))[0]).toBe(415)
    expect(refusal(await post('', { 'content-type': 'image/png' }))[0]).toBe(400)
    expect(refusal(await post(JSON.stringify({ resourceType: 'Binary', contentType: 'image/png', data: '%%%' }), {}))[0]).toBe(400)
    expect(await countOf(server, system, 'Binary')).toBe(before)
    expect((await post('{"a":1}', { 'content-type': 'application/vnd.x+json' })).status).toBe(201)
  })

  test('that is HTML is an attachment that nothing may run', async () => {
    const made = await post('<script>steal()</script>', { 'content-type': 'text/html' })
    for (const accept of ['text/html', 'application/fhir+json']) {
      const reply = await raw(`Binary/${made.json.id}`, accept)
      expect([reply.status, reply.headers.get('x-content-type-options'), reply.headers.get('set-cookie')]).toEqual([200, 'nosniff', null])
      expect(reply.headers.get('content-security-policy')).toContain('sandbox')
      if (accept === 'text/html') expect(reply.headers.get('content-disposition')).toBe('attachment')
    }
  })

  test.each(['text/plain; x="€"', 'text/plain; x="\u0001"', 'texthtml', 'text/plain;\tx=1'])('with the odd content type %j is answered, as what it is or as bytes', async (contentType) => {
    const made = await server.ask(system, 'POST', 'Binary', { body: { resourceType: 'Binary', contentType, data: 'eA==' } })
    if (made.status !== 201) return expect([400, 422]).toContain(refusal(made)[0])
    const reply = await raw(`Binary/${made.json.id}`, 'application/octet-stream')
    expect([reply.status, reply.bytes.toString()]).toEqual([200, 'x'])
  })

  test('with X-Security-Context belongs to the patient of that context', async () => {
    const [own, other] = [await server.put(patient('Own')), await server.put(patient('Other'))]
    const made = await post(PNG, { 'content-type': 'image/png', 'x-security-context': `Patient/${own.id}` })
    expect([made.status, made.json.securityContext]).toEqual([201, { reference: `Patient/${own.id}` }])
    const read = async (who: string) => server.ask(await server.token({ scope: 'patient/Binary.rs', patient: who }), 'GET', `Binary/${made.json.id}`, { headers: { accept: 'application/fhir+json' } })
    expect((await read(own.id)).status).toBe(200)
    expect(refusal(await read(other.id))[0]).toBe(404)
    expect(refusal(await post(PNG, { 'content-type': 'image/png', 'x-security-context': 'not a reference' }))[0]).toBe(400)
  })

  test('of no context is nobody’s but those who see everything', async () => {
    const own = await server.put(patient('Own'))
    const { id } = await png()
    const token = await server.token({ scope: 'patient/Binary.rs', patient: own.id })
    expect(refusal(await server.ask(token, 'GET', `Binary/${id}`))[0]).toBe(404)
    expect((await server.ask(token, 'GET', 'Binary')).json.total).toBe(0)
    expect((await server.ask(system, 'GET', `Binary/${id}`, { headers: { accept: 'image/png' } })).status).toBe(200)
  })

  test('answers 304, 410 and HEAD like any other type', async () => {
    const { id } = await png()
    expect((await server.ask(system, 'GET', `Binary/${id}`, { headers: { accept: 'image/png', 'if-none-match': 'W/"1"' } })).status).toBe(304)
    const head = await server.ask(system, 'HEAD', `Binary/${id}`, { headers: { accept: 'image/png' } })
    expect([head.status, head.headers.get('content-length'), head.headers.get('content-type')]).toEqual([200, String(PNG.length), 'image/png'])
    await server.ask(system, 'DELETE', `Binary/${id}`)
    expect(refusal(await server.ask(system, 'GET', `Binary/${id}`, { headers: { accept: 'image/png' } }))[0]).toBe(410)
  })
})
