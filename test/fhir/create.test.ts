import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, startHarness, SYSTEM } from '../harness.ts'
import { countOf, observation, patient, refusal } from './kit.ts'

let server: Harness
let system: string

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
})
afterAll(() => server.close())

describe('create', () => {
  test('answers 201 with Location, ETag and Last-Modified of version 1, and what is stored', async () => {
    const reply = await server.ask(system, 'POST', 'Patient', { body: patient('New') })
    const { id } = reply.json
    expect([reply.status, reply.headers.get('etag')]).toEqual([201, 'W/"1"'])
    expect(reply.headers.get('location')).toBe(`${server.base}/Patient/${id}/_history/1`)
    expect(Date.parse(reply.headers.get('last-modified')!)).toBeGreaterThan(Date.now() - 10_000)
    expect(reply.json).toEqual({ ...patient('New'), id, meta: { versionId: '1', lastUpdated: expect.stringMatching(/^\d{4}-.*Z$/) } })
    expect((await server.ask(system, 'GET', `Patient/${id}`)).json).toEqual(reply.json)
  })

  test('gives an id of 122 random bits, also where the body brings one', async () => {
    const reply = await server.ask(system, 'POST', 'Patient', { body: patient('Own', { id: 'my-own-id' }) })
    expect(reply.status).toBe(201)
    expect(reply.json.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect((await server.ask(system, 'GET', 'Patient/my-own-id')).status).toBe(404)
  })

  test.each(['not an id', 'x'.repeat(65), 'a/b', '', 7, ['a'], null])('refuses a body whose id is %j', async (id) => {
    const before = await countOf(server, system, 'Patient')
    const [status] = refusal(await server.ask(system, 'POST', 'Patient', { body: patient('BadId', { id }) }))
    expect(status).toBe(400)
    expect(await countOf(server, system, 'Patient')).toBe(before)
  })

  test('keeps profile, tag, security and source of meta, and never versionId or lastUpdated', async () => {
    const kept = {
      profile: ['http://example.org/StructureDefinition/p'], source: 'urn:source#1', tag: [{ system: 'urn:tags', code: 't' }],
      security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }]
    }
    const reply = await server.ask(system, 'POST', 'Patient', { body: patient('Meta', { meta: { ...kept, versionId: '99', lastUpdated: '1999-01-01T00:00:00Z' } }) })
    expect(reply.status).toBe(201)
    const { versionId, lastUpdated, ...rest } = reply.json.meta
    expect([versionId, rest, lastUpdated > '2020']).toEqual(['1', kept, true])
  })

  test('refuses the tag SUBSETTED and takes any other', async () => {
    const tagged = (code: string) => patient('Tag', { meta: { tag: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code }] } })
    expect(refusal(await server.ask(system, 'POST', 'Patient', { body: tagged('SUBSETTED') }))).toEqual([422, 'business-rule', 'Patient.meta.tag'])
    expect((await server.ask(system, 'POST', 'Patient', { body: tagged('OTHER') })).status).toBe(201)
  })

  test.each([
    ['another type than the URL', patient('Type'), 'Observation', 400],
    ['no resourceType', { name: [{ family: 'x' }] }, 'Patient', 400],
    ['an unknown element', patient('Odd', { shoeSize: 4 }), 'Patient', 400],
    ['an array where one is due', patient('Odd', { birthDate: ['1990-01-01'] }), 'Patient', 400],
    ['a date that is none', patient('Odd', { birthDate: '1990-13-01' }), 'Patient', 400],
    ['a code outside a required binding', patient('Odd', { gender: 'x' }), 'Patient', 422],
    ['a required element missing', { resourceType: 'Observation', code: { text: 'x' } }, 'Observation', 422],
    ['a conditional reference outside a transaction', observation('Patient?identifier=x'), 'Observation', 422],
    ['a conditional reference by system outside a transaction', observation('Patient?identifier=http://clinic.example/mrn|1'), 'Observation', 422],
    ['no body', undefined, 'Patient', 400]
  ])('refuses a body with %s', async (_what, body, type, status) => {
    const before = await countOf(server, system, type)
    const reply = await server.ask(system, 'POST', type, body === undefined ? { headers: { 'content-type': 'application/fhir+json' } } : { body })
    expect([400, 422]).toContain(refusal(reply)[0])
    if (status === 400) expect(reply.status).toBe(400)
    expect(await countOf(server, system, type)).toBe(before)
  })

  test('refuses parameters by name and takes _format and _pretty', async () => {
    const reply = await server.ask(system, 'POST', 'Patient?family=x', { body: patient('Param') })
    expect(refusal(reply)[0]).toBe(400)
    expect(reply.json.issue[0].diagnostics).toContain('family')
    expect((await server.ask(system, 'POST', 'Patient?_format=json&_pretty=true', { body: patient('Param') })).status).toBe(201)
  })

  test.each([
    [undefined, 'Patient'], ['return=representation', 'Patient'], ['return=minimal', null], ['return=OperationOutcome', 'OperationOutcome'],
    ['handling=strict; return=minimal', null], ['return=nonsense', 'Patient']
  ])('with Prefer: %s answers a body of type %s', async (prefer, type) => {
    const reply = await server.ask(system, 'POST', 'Patient', { body: patient('Prefer'), headers: prefer === undefined ? {} : { prefer } })
    expect([reply.status, reply.json?.resourceType ?? null, reply.headers.get('etag')]).toEqual([201, type, 'W/"1"'])
    expect(reply.headers.get('location')).toContain('/_history/1')
    if (type === null) expect(reply.text).toBe('')
  })

  test('of a resource that names another patient is 403 for a patient caller, of its own 201', async () => {
    const [own, other] = [await server.put(patient('Own')), await server.put(patient('Other'))]
    const token = await server.token({ scope: 'patient/Observation.crs', patient: own.id })
    const before = await countOf(server, system, 'Observation')
    expect(refusal(await server.ask(token, 'POST', 'Observation', { body: observation(`Patient/${other.id}`) }))[0]).toBe(403)
    expect(await countOf(server, system, 'Observation')).toBe(before)
    expect((await server.ask(token, 'POST', 'Observation', { body: observation(`Patient/${own.id}`) })).status).toBe(201)
  })

  test('of a type outside the scope is 403 before the body is looked at', async () => {
    const token = await server.token({ scope: 'system/Patient.c' })
    expect(refusal(await server.ask(token, 'POST', 'Organization', { body: '{' }))[0]).toBe(403)
    expect((await server.ask(token, 'POST', 'Patient', { body: patient('Scope') })).status).toBe(201)
  })
})
