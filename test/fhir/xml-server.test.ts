/** XML through the whole server: the same requests and answers as JSON, in the other syntax. */
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseXml } from '../../src/fhir/xml/read-xml.ts'
import { writeXml } from '../../src/fhir/xml/write-xml.ts'
import { type Harness, type Json, type Reply, startHarness, SYSTEM } from '../harness.ts'
import { bundle, countOf, entry, observation, patient } from './kit.ts'

const XML = 'application/fhir+xml'
let server: Harness
let system: string
beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
})
afterAll(() => server.close())

const asked = { accept: XML }
const sent = { 'content-type': XML, accept: XML }
const valueOf = (reply: Reply): Json => parseXml(Buffer.from(reply.text), { depthMax: 200 })
const whole = { ...sent, prefer: 'return=representation' }
const send = (method: string, path: string, body: object, headers: Record<string, string> = sent) => server.ask(system, method, path, { body: writeXml(body), headers })
const get = (path: string, headers: Record<string, string> = asked, token: string | null = system) => server.ask(token, 'GET', path, { headers })

/** Status and outcome; every refusal is XML that says what JSON would say. */
function refusedIn(reply: Reply, type = XML): readonly [number, string] {
  expect([reply.headers.get('content-type'), reply.text.startsWith('<?xml')]).toEqual([`${type}; charset=utf-8`, true])
  const outcome = valueOf(reply)
  expect(outcome.resourceType).toBe('OperationOutcome')
  return [reply.status, outcome.issue[0].code]
}

describe('XML', () => {
  test('creates, updates, reads, searches and lists what JSON does', async () => {
    const made = await send('POST', 'Observation', observation(null, { valueQuantity: { value: 7.5, unit: 'g' } }))
    const { id, meta } = valueOf(made)
    expect([made.status, made.headers.get('content-type'), made.headers.get('etag'), meta.versionId]).toEqual([201, `${XML}; charset=utf-8`, 'W/"1"', '1'])
    const put = await server.ask(system, 'PUT', `Observation/${id}`, { headers: { ...sent, 'if-match': 'W/"1"' }, body: writeXml(observation(null, { id, valueQuantity: { value: 1, unit: 'g' } })).replace('<value value="1"/>', '<value value="1.00"/>') })
    expect(put.status, put.text).toBe(200)
    expect((await server.ask(system, 'GET', `Observation/${id}`)).text).toContain('"value":1.00')
    for (const path of [`Observation/${id}`, `Observation/${id}/_history/1`, `Observation/${id}/_history`, 'Observation/_history', `Observation?_id=${id}&_summary=true`, `Observation?_id=${id}`, `Observation?_id=${id}&_elements=code`, '?_type=Patient,Observation', 'metadata', `Observation/${id}/$meta`]) {
      const [xml, json] = [await get(path), await server.ask(system, 'GET', path)]
      expect([path, xml.status, xml.headers.get('content-type'), xml.headers.get('etag'), xml.headers.get('last-modified')]).toEqual([path, 200, `${XML}; charset=utf-8`, json.headers.get('etag'), json.headers.get('last-modified')])
      const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value).replace(/_page=[\w.~-]+/g, ''))
      expect(plain(valueOf(xml)), path).toEqual(plain(json.json))
    }
    expect((await get(`Observation/${id}`)).text).toContain('<value value="1.00"/>')
  })

  test('searches by form, where the form may ask for it, and pages', async () => {
    for (const family of ['Pager', 'Pager', 'Pager']) await server.put(patient(family))
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    const reply = await server.ask(system, 'POST', 'Patient/_search', { body: 'family=Pager&_count=2&_format=xml', headers: form })
    const first = valueOf(reply)
    expect([reply.status, reply.headers.get('content-type'), first.entry.length]).toEqual([200, `${XML}; charset=utf-8`, 2])
    const next = first.link.find((link: Json) => link.relation === 'next').url.slice(server.base.length)
    expect(valueOf(await get(next)).entry).toHaveLength(1)
    expect(valueOf(await get(next, {})).entry).toHaveLength(1)
    expect((await server.ask(system, 'POST', 'Patient/_search', { body: '_format=ttl', headers: form })).status).toBe(406)
  })

  test('runs batches and transactions, whose entries it creates, patches and refuses', async () => {
    const urn = 'urn:uuid:6f1c2b1e-55e4-4e58-9cde-29c4e5bdf4aa'
    const done = await send('POST', '', bundle('transaction', [entry('POST', 'Patient', patient('Whole'), { fullUrl: urn }), entry('POST', 'Observation', observation(urn))]), whole)
    const made = valueOf(done)
    expect([done.status, made.type, made.entry.map((each: Json) => each.response.status)]).toEqual([200, 'transaction-response', ['201 Created', '201 Created']])
    const id = made.entry[0].resource.id
    expect(made.entry[1].resource.subject.reference).toBe(`Patient/${id}`)
    const parameters = { resourceType: 'Parameters', parameter: [{ name: 'operation', part: [{ name: 'type', valueCode: 'replace' }, { name: 'path', valueString: 'Patient.name[0].family' }, { name: 'value', valueString: 'Half' }] }] }
    const batch = valueOf(await send('POST', '', bundle('batch', [entry('PATCH', `Patient/${id}`, parameters), entry('GET', `Patient/${id}?_pretty=true`), entry('GET', 'Patient/absent'), entry('DELETE', `Patient/${id}`)]), whole))
    expect(batch.entry.map((each: Json) => each.response.status.slice(0, 3))).toEqual(['200', '200', '404', '204'])
    expect(batch.entry[1].resource.name[0].family).toBe('Half')
    expect(batch.entry[2].response.outcome.issue[0].code).toBe('not-found')
    const before = await countOf(server, system, 'Patient')
    expect(refusedIn(await send('POST', '', bundle('transaction', [entry('POST', 'Patient', patient('No')), entry('PUT', 'Patient/absent', observation(null, { id: 'absent' }))])))[0]).toBe(400)
    expect(await countOf(server, system, 'Patient')).toBe(before)
  })

  test('patches by FHIRPath Patch; XML Patch is 415', async () => {
    const { id } = await server.put(patient('Before'))
    const parameters = { resourceType: 'Parameters', parameter: [{ name: 'operation', part: [{ name: 'type', valueCode: 'add' }, { name: 'path', valueString: 'Patient' }, { name: 'name', valueString: 'birthDate' }, { name: 'value', valueDate: '1970-01-01' }] }] }
    const reply = await send('PATCH', `Patient/${id}`, parameters)
    expect([reply.status, valueOf(reply).birthDate]).toEqual([200, '1970-01-01'])
    expect(refusedIn(await server.ask(system, 'PATCH', `Patient/${id}`, { body: '<diff/>', headers: { ...asked, 'content-type': 'application/xml-patch+xml' } }))).toEqual([415, 'not-supported'])
    const jsonPatch = await server.ask(system, 'PATCH', `Patient/${id}`, { body: '[{"op":"remove","path":"/birthDate"}]', headers: { ...asked, 'content-type': 'application/json-patch+json' } })
    expect([jsonPatch.status, valueOf(jsonPatch).birthDate]).toEqual([200, undefined])
  })

  test('calls operations with Parameters and with a resource', async () => {
    const { id } = await server.put(patient('Operated'))
    const meta = await send('POST', `Patient/${id}/$meta-add`, { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta: { tag: [{ system: 'urn:x', code: 't' }] } }] })
    expect([meta.status, valueOf(meta).parameter[0].valueMeta.tag[0].code]).toEqual([200, 't'])
    const good = await send('POST', 'Patient/$validate', patient('Good'))
    expect([good.status, valueOf(good).issue[0].severity]).toEqual([200, 'information'])
    const bad = await send('POST', 'Patient/$validate', { resourceType: 'Parameters', parameter: [{ name: 'resource', resource: patient('Bad', { gender: 'blue' }) }] })
    expect([bad.status, valueOf(bad).issue[0].code]).toEqual([200, 'code-invalid'])
    expect(valueOf(await get(`Patient/${id}/$everything`)).entry[0].resource.id).toBe(id)
  })

  test('is the form of every refusal, before and after the token is known', async () => {
    expect(refusedIn(await get('Patient/absent'))).toEqual([404, 'not-found'])
    expect(refusedIn(await get('Shoe'))[0]).toBe(404)
    expect(refusedIn(await get('Patient/absent?_format=xml', {}))[0]).toBe(404)
    expect(refusedIn(await get('Patient?_format=text/xml', {}, null), 'text/xml')).toEqual([401, 'login'])
    expect(refusedIn(await get('Patient/a', asked, 'nobody'))[0]).toBe(401)
    expect(refusedIn(await get('Patient?shoe=4'))[0]).toBe(400)
    expect(refusedIn(await send('POST', 'Patient', patient('Bad', { gender: 'blue' })))).toEqual([422, 'code-invalid'])
    expect(refusedIn(await server.ask(system, 'POST', 'Patient', { body: '<Patient', headers: sent }))).toEqual([400, 'structure'])
    expect(refusedIn(await server.ask(system, 'POST', 'Patient', { body: 'x', headers: { ...asked, 'content-type': 'text/plain' } }))).toEqual([415, 'not-supported'])
    expect((await get('Patient', { accept: 'text/turtle' })).json.resourceType).toBe('OperationOutcome')
    const json = await send('POST', 'Patient', patient('Bad', { gender: 'blue' }), { 'content-type': XML })
    expect([json.status, json.headers.get('content-type')]).toEqual([422, 'application/fhir+json; charset=utf-8'])
  })

  test('by HEAD has the headers of GET; _pretty indents it; return=minimal has no body', async () => {
    const { id } = await server.put(patient('Head'))
    const [head, got] = [await server.ask(system, 'HEAD', `Patient/${id}`, { headers: asked }), await get(`Patient/${id}`)]
    for (const name of ['content-type', 'content-length', 'etag']) expect([name, head.headers.get(name)]).toEqual([name, got.headers.get(name)])
    expect(Number(got.headers.get('content-length'))).toBe(Buffer.byteLength(got.text))
    const pretty = await get(`Patient/${id}?_pretty=true`)
    expect(pretty.text).toContain('\n  <id value=')
    expect(valueOf(pretty)).toEqual(valueOf(got))
    const minimal = await send('POST', 'Patient', patient('Minimal'), { ...sent, prefer: 'return=minimal' })
    expect([minimal.status, minimal.text]).toEqual([201, ''])
    const said = await send('POST', 'Patient', patient('Said'), { ...sent, prefer: 'return=OperationOutcome' })
    expect([said.status, valueOf(said).resourceType]).toEqual([201, 'OperationOutcome'])
    expect((await get(`Patient/${id}`, { ...asked, 'if-none-match': 'W/"1"' })).status).toBe(304)
  })

  test('has the bounds of JSON: bytes, inflated bytes, entries, depth', async () => {
    const desk = await server.token({ scope: 'user/Patient.cruds', roles: ['front-desk'], fhirUser: 'Practitioner/1' })
    const long = writeXml(patient('A'.repeat(6_000_000)))
    expect(refusedIn(await server.ask(desk, 'POST', 'Patient', { body: long, headers: sent }))).toEqual([413, 'too-long'])
    expect(refusedIn(await server.ask(desk, 'POST', 'Patient', { body: gzipSync(long), headers: { ...sent, 'content-encoding': 'gzip' } }))).toEqual([413, 'too-long'])
    const many = bundle('batch', Array.from({ length: 1001 }, () => entry('GET', 'Patient/absent')))
    expect(refusedIn(await server.ask(desk, 'POST', '', { body: writeXml(many), headers: sent }))).toEqual([413, 'too-long'])
    let item: Json = { linkId: 'x', text: 'x', type: 'group' }
    for (let level = 0; level < 60; level++) item = { linkId: `x${level}`, type: 'group', item: [item] }
    expect(refusedIn(await send('POST', 'Questionnaire', { resourceType: 'Questionnaire', status: 'draft', item: [item] }))).toEqual([400, 'structure'])
  })

  test('in large bodies and replies goes through the worker thread, and comes out the same', async () => {
    const note = 'n'.repeat(3_000)
    const people = Array.from({ length: 500 }, (_, n) => patient(`Large${n}`, { identifier: [{ system: 'urn:large', value: note }] }))
    const reply = await send('POST', '', bundle('transaction', people.map((each) => entry('POST', 'Patient', each))), whole)
    const made = valueOf(reply)
    expect([reply.status, made.entry.length, made.entry[499].resource.name[0].family]).toEqual([200, 500, 'Large499'])
    const found = await get('Patient?family=Large&_count=1000&_pretty=true')
    expect([found.status, found.text.length > 1_500_000, valueOf(found).entry.length]).toEqual([200, true, 500])
    const json = await server.ask(system, 'GET', 'Patient?family=Large&_count=1000')
    expect(valueOf(found).entry).toEqual(json.json.entry)
  })
})
