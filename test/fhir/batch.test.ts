import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { validateResource } from '../../src/fhir/validate/validate.ts'
import { type Harness, idsOf, type Json, startHarness, SYSTEM } from '../harness.ts'
import { bundle, countOf, entry, identified, observation, patient, refusal, statuses, SYSTEM_URL } from './kit.ts'

let server: Harness
let system: string

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
})
afterAll(() => server.close())

const batch = (entries: readonly object[], headers: Record<string, string> = {}, token = system) => server.ask(token, 'POST', '', { body: bundle('batch', entries), headers })

describe('batch', () => {
  test('runs good entries and refuses bad ones, each on its own, in order', async () => {
    const stored = await server.put(patient('Stored'))
    const gone = await server.put(patient('Gone'))
    await server.ask(system, 'DELETE', `Patient/${gone.id}`)
    const before = await countOf(server, system, 'Patient')
    const table: readonly (readonly [Json, number])[] = [
      [entry('POST', 'Patient', patient('Good')), 201],
      [entry('POST', 'Patient', patient('Bad', { birthDate: 'x' })), 400],
      [entry('POST', 'Patient', { resourceType: 'Observation', code: { text: 'x' }, status: 'final' }), 400],
      [entry('POST', 'Patient'), 400],
      [entry('GET', `Patient/${stored.id}`), 200],
      [entry('GET', 'Patient/absent'), 404],
      [entry('GET', `Patient/${gone.id}`), 410],
      [entry('GET', 'Patient?shoe=4'), 400],
      [entry('GET', 'Patient?family=stored'), 200],
      [entry('GET', `Patient/${stored.id}/_history`), 200],
      [entry('GET', `Patient/${stored.id}/_history/1`), 200],
      [entry('HEAD', `Patient/${stored.id}`), 200],
      [entry('GET', `Patient/${stored.id}`, undefined, { request: { ifNoneMatch: 'W/"1"' } }), 304],
      [entry('PUT', `Patient/${stored.id}`, patient('Changed', { id: stored.id }), { request: { ifMatch: 'W/"7"' } }), 412],
      [entry('PUT', `Patient/${stored.id}`, patient('Changed', { id: stored.id }), { request: { ifMatch: 'W/"1"' } }), 200],
      [entry('PUT', 'Patient/by-batch', patient('Put', { id: 'by-batch' })), 201],
      [entry('POST', 'Patient/_search?family=changed'), 200],
      [entry('DELETE', 'Patient/by-batch'), 204],
      [entry('PATCH', `Patient/${stored.id}`), 400],
      [entry('GET', 'Shoe/1'), 404],
      [entry('GET', `Patient/${stored.id}/$everything`), 200],
      [entry('GET', `Patient/${stored.id}/$nothing`), 404],
      [entry('GET', 'metadata'), 400],
      [entry('POST', '/', bundle('batch', [])), 400],
      [entry('POST', 'Observation', observation('Patient?identifier=http://clinic.example/mrn|1')), 422],
      [entry('GET', 'http://elsewhere.example/fhir/Patient/1'), 400],
      [entry('GET', `${server.base}/Patient/${stored.id}`), 200],
      [entry('GET', `Patient/../Patient/${stored.id}`), 404],
      [entry('GET', `Patient/${stored.id}`, patient('Unwanted')), 400],
      [entry('GET', 'Patient?_id=%zz'), 400]
    ]
    const reply = await batch(table.map(([one]) => one))
    expect(statuses(reply)).toEqual(table.map(([, status]) => status))
    expect(await countOf(server, system, 'Patient')).toBe(before + 1)
    expect(() => validateResource(reply.json, 'Bundle')).not.toThrow()
    reply.json.entry.forEach((one: Json, index: number) => {
      const status = table[index]![1]
      expect([index, one.response.outcome?.resourceType]).toEqual([index, status >= 400 ? 'OperationOutcome' : undefined])
    })
    expect(reply.json.entry[0].response).toMatchObject({ etag: 'W/"1"', location: expect.stringContaining('/_history/1'), lastModified: reply.json.entry[0].resource.meta.lastUpdated })
    expect([reply.json.entry[11].resource, reply.json.entry[12].resource]).toEqual([undefined, undefined])
    expect(idsOf(reply.json.entry[16].resource)).toEqual([`Patient/${stored.id}`])
  })

  test('of nothing is an empty response', async () => {
    const reply = await batch([])
    expect([reply.status, reply.json]).toEqual([200, { resourceType: 'Bundle', type: 'batch-response' }])
  })

  test('with an entry that the caller may not run is 403 there and runs the others', async () => {
    const token = await server.token({ scope: 'system/Patient.crs' })
    const reply = await batch([entry('POST', 'Patient', patient('Mine')), entry('POST', 'Observation', observation(null)), entry('DELETE', 'Patient/x'), entry('GET', 'Patient?family=mine')], {}, token)
    expect(statuses(reply)).toEqual([201, 403, 403, 200])
    expect(reply.json.entry[3].resource.total).toBe(1)
  })

  test('keeps conditional forms: If-None-Exist, conditional update and delete', async () => {
    const criteria = `identifier=${SYSTEM_URL}|batch`
    const create = () => entry('POST', 'Patient', identified('batch'), { request: { ifNoneExist: criteria } })
    const reply = await batch([create(), create(), entry('PUT', `Patient?${criteria}`, identified('batch', { active: true })), entry('DELETE', `Patient?${criteria}`), entry('DELETE', 'Patient?identifier=')])
    expect(statuses(reply)).toEqual([201, 200, 200, 204, 400])
    expect(reply.json.entry[1].resource.id).toBe(reply.json.entry[0].resource.id)
  })

  test.each([['return=minimal', undefined, undefined], ['return=representation', 'Patient', undefined], ['return=OperationOutcome', undefined, 'OperationOutcome']])(
    'with Prefer: %s has the resource %s and the outcome %s in its entries', async (prefer, resource, outcome) => {
      const { entry: [first] } = (await batch([entry('POST', 'Patient', patient('Prefer'))], { prefer })).json
      expect([first.resource?.resourceType, first.response.outcome?.resourceType, first.response.etag]).toEqual([resource, outcome, 'W/"1"'])
    })

  test('resolves nothing between its entries: a urn stays, a conditional reference is refused', async () => {
    const urn = 'urn:uuid:0c6f1f4e-3f5f-4f0e-9f3c-9b8f6a6f0a01'
    const reply = await batch([entry('POST', 'Patient', patient('Urn'), { fullUrl: urn }), entry('POST', 'Observation', observation(urn)), entry('POST', 'Observation', observation('Patient?family=urn'))])
    expect(statuses(reply)).toEqual([201, 201, 422])
    expect(reply.json.entry[1].resource.subject.reference).toBe(urn)
  })

  test('takes Prefer: handling=lenient for its searches', async () => {
    const ask = [entry('GET', 'Patient?shoe=4&_id=nobody')]
    expect(statuses(await batch(ask))).toEqual([400])
    expect(statuses(await batch(ask, { prefer: 'handling=lenient' }))).toEqual([200])
  })
})

describe('a Bundle that is neither', () => {
  test.each<readonly [string, unknown]>([
    ['a document', { resourceType: 'Bundle', type: 'document' }], ['a searchset', { resourceType: 'Bundle', type: 'searchset' }], ['without type', { resourceType: 'Bundle' }],
    ['another resource', patient('x')], ['an array', []], ['a number', 7], ['null', null], ['entries that are no array', { resourceType: 'Bundle', type: 'batch', entry: {} }],
    ['an entry that is null', { resourceType: 'Bundle', type: 'batch', entry: [null] }], ['an entry without request', { resourceType: 'Bundle', type: 'batch', entry: [{ resource: patient('x') }] }],
    ['an entry of an unknown form', { resourceType: 'Bundle', type: 'batch', entry: [{ ...entry('POST', 'Patient', patient('x')), requests: 1 }] }],
    ['an unknown element', { resourceType: 'Bundle', type: 'batch', shoes: 2, entry: [entry('POST', 'Patient', patient('x'))] }],
    ['a method that is none', { resourceType: 'Bundle', type: 'batch', entry: [entry('SHOUT', 'Patient', patient('x'))] }],
    ['an entry without url', { resourceType: 'Bundle', type: 'transaction', entry: [{ resource: patient('x'), request: { method: 'POST' } }] }],
    ['a total', { resourceType: 'Bundle', type: 'transaction', total: 1, entry: [entry('POST', 'Patient', patient('x'))] }]
  ])('or %s is refused and runs nothing', async (_what, body) => {
    const before = await countOf(server, system, 'Patient')
    expect([400, 422]).toContain(refusal(await server.ask(system, 'POST', '', { body }))[0])
    expect(await countOf(server, system, 'Patient')).toBe(before)
  })

  test('or too long is 413 for callers without large bundles, and fits below', async () => {
    const desk = await server.token({ scope: 'user/*.cruds', roles: ['front-desk'], fhirUser: 'Practitioner/1' })
    const entries = (count: number) => Array.from({ length: count }, () => entry('GET', 'Patient/x'))
    expect(refusal(await batch(entries(1001), {}, desk))[0]).toBe(413)
    expect((await batch(entries(1000), {}, desk)).json.entry).toHaveLength(1000)
  })
})
