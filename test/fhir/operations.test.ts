import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, type Json, startHarness, SYSTEM } from '../harness.ts'
import { bundle, entry, observation, patient, refusal, statuses } from './kit.ts'

let server: Harness
let system: string

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
})
afterAll(() => server.close())

const ids = (json: Json): readonly string[] => (json.entry ?? []).map((one: Json) => one.resource.id)
const parameters = (...parameter: object[]): Json => ({ resourceType: 'Parameters', ...(parameter.length === 0 ? {} : { parameter }) })

describe('operations', () => {
  test('that change something are POST only; none is where it is not declared', async () => {
    const { id } = await server.put(patient('Routes'))
    const reply = await server.ask(system, 'GET', `Patient/${id}/$meta-add`)
    expect([refusal(reply)[0], reply.headers.get('allow')]).toEqual([405, 'POST'])
    const both = await server.ask(system, 'DELETE', `Patient/${id}/$meta`)
    expect([refusal(both)[0], both.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST'])
    for (const path of ['$meta', 'Patient/$meta', `Patient/${id}/$lastn`, 'Patient/$lastn', 'Observation/x/$lastn', `Patient/${id}/$none`, '$', `Patient/${id}/_history/1/$meta`, `Patient/${id}/$meta/x`]) {
      expect([path, refusal(await server.ask(system, 'GET', path))[0]]).toEqual([path, 404])
    }
  })

  test('refuse unknown, repeated, missing and malformed parameters by name, in a query and in a body', async () => {
    const { id } = await server.put(patient('Parameters'))
    const ask = async (body: unknown, path = `Patient/${id}/$meta-add`): Promise<string> => {
      const reply = await server.ask(system, 'POST', path, { body })
      expect(refusal(reply)[0]).toBe(400)
      return reply.json.issue[0].diagnostics
    }
    const tag = { name: 'meta', valueMeta: { tag: [{ code: 'a' }] } }
    expect(await ask(parameters())).toContain('meta is missing')
    expect(await ask(parameters(tag, tag))).toContain('meta is given more than once')
    expect(await ask(parameters(tag, { name: 'other', valueString: 'x' }))).toContain('other is unknown')
    expect(await ask(parameters({ name: 'meta', valueString: 'x' }))).toContain('meta is malformed')
    expect(await ask(parameters({ name: 'meta', part: [{ name: 'x', valueString: 'x' }] }))).toContain('meta is malformed')
    expect(await ask(parameters(tag), `Patient/${id}/$meta-add?other=1`)).toContain('other is unknown')
    expect(await ask(parameters(tag), `Patient/${id}/$meta-add?meta=x`)).toContain('meta is malformed')
    expect(await ask(patient('Not parameters'))).toContain('Parameters')
    expect(await ask('[]')).toContain('Parameters')
    expect((await server.ask(system, 'GET', `Patient/${id}/$meta?x=1`)).json.issue[0].diagnostics).toContain('$meta knows none')
    expect(refusal(await server.ask(system, 'POST', `Patient/${id}/$meta-add`, { body: parameters({ name: 'meta', valueMeta: { tag: 'x' } }) }))[0]).toBe(400)
    expect((await server.ask(system, 'GET', `Patient/${id}`)).json.meta.versionId).toBe('1')
  })

  test('run in a batch and a transaction; one that changes a resource is its only writer', async () => {
    const { id } = await server.put(patient('Bundled'))
    const tag = (code: string) => parameters({ name: 'meta', valueMeta: { tag: [{ system: 'urn:t', code }] } })
    for (const [type, code] of [['batch', 'one'], ['transaction', 'two']] as const) {
      const reply = await server.ask(system, 'POST', '', { body: bundle(type, [entry('GET', `Patient/${id}/$meta`), entry('POST', `Patient/${id}/$meta-add`, tag(code))]) })
      expect(statuses(reply)).toEqual([200, 200])
      expect(reply.json.entry[type === 'batch' ? 1 : 0].resource.parameter[0].valueMeta.tag.at(-1).code).toBe(code)
    }
    const twice = bundle('transaction', [entry('PUT', `Patient/${id}`, patient('Put', { id })), entry('POST', `Patient/${id}/$meta-add`, tag('three'))])
    expect(refusal(await server.ask(system, 'POST', '', { body: twice })).slice(0, 2)).toEqual([400, 'duplicate'])
    const withBody = await server.ask(system, 'POST', '', { body: bundle('batch', [entry('GET', `Patient/${id}/$meta`, tag('x')), entry('GET', `Patient/${id}/$meta-add`)]) })
    expect(statuses(withBody)).toEqual([400, 405])
  })

  test('are in the CapabilityStatement where they are offered', async () => {
    const { json } = await server.ask(null, 'GET', 'metadata')
    const named = (type: string) => json.rest[0].resource.find((one: Json) => one.type === type).operation.map((one: Json) => one.name)
    expect([named('Patient'), named('Observation'), named('Basic')]).toEqual([
      ['everything', 'validate', 'meta', 'meta-add', 'meta-delete'], ['lastn', 'validate', 'meta', 'meta-add', 'meta-delete'], ['validate', 'meta', 'meta-add', 'meta-delete']
    ])
    expect(['ValueSet', 'CodeSystem', 'DocumentReference'].map((type) => named(type).slice(0, -4))).toEqual([['expand', 'validate-code'], ['validate-code', 'lookup', 'subsumes'], ['docref']])
    expect(json.rest[0].resource.flatMap((one: Json) => one.operation).every((one: Json) => /^http:\/\/hl7\.org\/fhir\/(us\/core\/)?OperationDefinition\//.test(one.definition))).toBe(true)
  })
})

describe('$meta, $meta-add, $meta-delete', () => {
  const meta = (valueMeta: object) => ({ body: parameters({ name: 'meta', valueMeta }) })
  const [a, b] = ['a', 'b'].map((code) => ({ system: 'urn:l', code })) as [object, object]

  test('read, add once and take away; each change is a version, and no change is none', async () => {
    const { id } = await server.put(patient('Meta', { meta: { tag: [a], source: 'urn:source' } }))
    const added = await server.ask(system, 'POST', `Patient/${id}/$meta-add`, meta({ tag: [a, b], profile: ['http://example.org/p'], security: [a] }))
    expect(added.json.parameter[0].valueMeta).toMatchObject({ versionId: '2', tag: [a, b], profile: ['http://example.org/p'], security: [a], source: 'urn:source' })
    expect((await server.ask(system, 'POST', `Patient/${id}/$meta-add`, meta({ tag: [b] }))).json.parameter[0].valueMeta.versionId).toBe('2')
    const less = await server.ask(system, 'POST', `Patient/${id}/$meta-delete`, meta({ tag: [a, b], security: [b] }))
    expect(less.json.parameter[0].valueMeta).toEqual({ versionId: '3', lastUpdated: expect.any(String), profile: ['http://example.org/p'], security: [a], source: 'urn:source' })
    expect((await server.ask(system, 'GET', `Patient/${id}/$meta`)).json).toEqual(less.json)
    expect((await server.ask(system, 'GET', `Patient/${id}`)).json).toMatchObject({ name: [{ family: 'Meta' }] })
    expect(refusal(await server.ask(system, 'POST', `Patient/${id}/$meta-add`, { ...meta({ tag: [a] }), headers: { 'if-match': 'W/"1"' } }))[0]).toBe(412)
  })

  test('a label is removed only by who may relabel, and added by any writer', async () => {
    const { id } = await server.put({ resourceType: 'Appointment', status: 'proposed', participant: [{ type: [{ text: 'x' }], status: 'accepted' }], meta: { security: [a] } })
    const desk = await server.token({ scope: 'user/*.cruds', roles: ['front-desk'], fhirUser: 'Practitioner/1' })
    expect(refusal(await server.ask(desk, 'POST', `Appointment/${id}/$meta-delete`, meta({ security: [a] })))[0]).toBe(403)
    expect((await server.ask(desk, 'POST', `Appointment/${id}/$meta-add`, meta({ security: [b] }))).status).toBe(200)
    expect((await server.ask(system, 'POST', `Appointment/${id}/$meta-delete`, meta({ security: [a] }))).json.parameter[0].valueMeta.security).toEqual([b])
  })

  test('of hidden and unknown ids answer alike, and without the right are 403', async () => {
    const hidden = await server.put(patient('Hidden', { active: false }))
    const seen = await server.put(patient('Seen', { active: true }))
    const token = await server.token({ scope: 'system/Patient.rus?active=true' })
    for (const [method, operation] of [['GET', '$meta'], ['POST', '$meta-add'], ['POST', '$meta-delete']] as const) {
      const options = method === 'GET' ? {} : meta({ tag: [a] })
      const replies = await Promise.all([hidden.id, 'unknown'].map((id) => server.ask(token, method, `Patient/${id}/${operation}`, options)))
      expect([refusal(replies[0]!)[0], replies[0]!.text]).toEqual([404, replies[1]!.text])
      expect((await server.ask(token, method, `Patient/${seen.id}/${operation}`, options)).status).toBe(200)
    }
    expect((await server.ask(system, 'GET', `Patient/${hidden.id}`)).json.meta.versionId).toBe('1')
    const reader = await server.token({ scope: 'system/Patient.rs' })
    expect(refusal(await server.ask(reader, 'POST', `Patient/${seen.id}/$meta-add`, meta({ tag: [a] })))[0]).toBe(403)
    expect(refusal(await server.ask(await server.token({ scope: 'system/Patient.s' }), 'GET', `Patient/${seen.id}/$meta`))[0]).toBe(403)
    const self = await server.token({ scope: 'patient/Patient.rus', patient: seen.id })
    expect(refusal(await server.ask(self, 'POST', `Patient/${seen.id}/$meta-add`, meta({ tag: [b] })))[0]).toBe(403)
    expect(refusal(await server.ask(system, 'POST', 'AuditEvent/x/$meta-add', meta({ tag: [a] })))[0]).toBe(405)
  })

  test('keep what a mask hides', async () => {
    const { id } = await server.put(patient('Masked', { maritalStatus: { text: 'secret' }, meta: { source: 'urn:source' } }))
    const desk = await server.token({ scope: 'user/*.cruds', roles: ['front-desk'], fhirUser: 'Practitioner/1' })
    const reply = await server.ask(desk, 'POST', `Patient/${id}/$meta-add`, meta({ tag: [a] }))
    expect(reply.json.parameter[0].valueMeta.source).toBeUndefined()
    expect((await server.ask(system, 'GET', `Patient/${id}`)).json).toMatchObject({ maritalStatus: { text: 'secret' }, meta: { source: 'urn:source', tag: [a] } })
  })
})

describe('$validate', () => {
  const validate = async (body: unknown, path = 'Patient/$validate'): Promise<readonly string[]> => {
    const { status, json } = await server.ask(system, 'POST', path, { body })
    expect([status, json?.resourceType]).toEqual([200, 'OperationOutcome'])
    return json.issue.map((one: Json) => `${one.severity} ${one.expression?.[0] ?? ''}`)
  }
  const FINE = ['information ']

  test('says what is wrong with a resource, sent by itself or in Parameters', async () => {
    expect(await validate(patient('Good'))).toEqual(FINE)
    const bad = patient('Bad', { gender: 'unknowable', birthDate: 'x' })
    expect(await validate(bad)).toEqual(['error Patient.gender', 'error Patient.birthDate'])
    expect(await validate(parameters({ name: 'resource', resource: bad }))).toEqual(['error Patient.gender', 'error Patient.birthDate'])
    expect(await validate(observation(null))).toEqual(['error resourceType'])
    expect(await validate({ resourceType: 'Shoe' })).toEqual(['error resourceType'])
    expect((await server.ask(system, 'GET', 'Patient?family=Good')).json.total).toBe(0)
  })

  test('mode and profile', async () => {
    const base = 'http://hl7.org/fhir/StructureDefinition/Patient'
    const of = (resource: object, ...more: object[]) => parameters({ name: 'resource', resource }, ...more)
    expect(await validate(of(patient('x'), { name: 'profile', valueUri: base }))).toEqual(FINE)
    expect(await validate(of(patient('x'), { name: 'profile', valueUri: 'http://example.org/p' }))).toEqual(['error '])
    expect(await validate(of(patient('x', { meta: { profile: ['http://example.org/p'] } })))).toEqual([...FINE, 'information Patient.meta.profile'])
    expect(await validate(of(patient('x'), { name: 'mode', valueCode: 'create' }))).toEqual(FINE)
    const { id } = await server.put(patient('Stored'))
    expect(await validate(of(patient('x', { id: 'other' }), { name: 'mode', valueCode: 'update' }), `Patient/${id}/$validate`)).toEqual(['error Patient.id'])
    expect(await validate(parameters({ name: 'mode', valueCode: 'delete' }), `Patient/${id}/$validate`)).toEqual(FINE)
    expect((await server.ask(system, 'GET', `Patient/${id}/$validate`)).json.issue[0].severity).toBe('information')
    expect((await server.ask(system, 'GET', `Patient/${id}`)).json.meta.versionId).toBe('1')
    for (const [path, body] of [['Patient/$validate', parameters()], ['Patient/$validate', of(patient('x'), { name: 'mode', valueCode: 'guess' })], ['Patient/$validate', of(patient('x'), { name: 'mode', valueCode: 'delete' })]] as const) {
      expect(refusal(await server.ask(system, 'POST', path, { body }))[0]).toBe(400)
    }
  })

  test('tells nothing of what the caller may not see or do', async () => {
    const hidden = await server.put(patient('Hidden', { active: false }))
    const token = await server.token({ scope: 'system/Patient.rs?active=true' })
    const replies = await Promise.all([hidden.id, 'unknown'].map((id) => server.ask(token, 'GET', `Patient/${id}/$validate`)))
    expect([refusal(replies[0]!)[0], replies[0]!.text]).toEqual([404, replies[1]!.text])
    expect(refusal(await server.ask(token, 'POST', 'Patient/$validate', { body: parameters({ name: 'mode', valueCode: 'create' }, { name: 'resource', resource: patient('x') }) }))[0]).toBe(403)
    expect(refusal(await server.ask(token, 'GET', 'Observation/x/$validate'))[0]).toBe(403)
  })
})

describe('$lastn', () => {
  const made: Record<string, string> = {}
  const code = (...codes: string[]) => ({ code: { coding: codes.map((each) => ({ system: 'http://loinc.org', code: each })) } })
  beforeAll(async () => {
    for (const id of ['lastn-a', 'lastn-b']) await server.put(patient(id, { id }))
    const rows: readonly [string, object][] = [
      ['h1', { ...code('8867-4'), effectiveDateTime: '2020-01-01' }], ['h3', { ...code('8867-4'), effectiveDateTime: '2020-03-01' }], ['h2', { ...code('8867-4'), effectivePeriod: { start: '2020-02-01' } }],
      ['w1', { ...code('29463-7'), effectiveDateTime: '2020-01-05' }], ['w2', { ...code('29463-7', '3141-9'), effectiveDateTime: '2020-01-06' }], ['w3', { ...code('3141-9'), effectiveDateTime: '2020-01-07' }],
      ['t1', { code: { text: 'Mood' } }]
    ]
    for (const [name, more] of rows) made[name] = (await server.put(observation('Patient/lastn-a', more))).id
    made.b = (await server.put(observation('Patient/lastn-b', { ...code('8867-4'), effectiveDateTime: '2021-01-01' }))).id
  })
  const lastn = async (token: string, query: string): Promise<readonly string[]> => {
    const { status, text, json } = await server.ask(token, 'GET', `Observation/$lastn?${query}`)
    expect(status, text).toBe(200)
    return ids(json).map((id) => Object.keys(made).find((name) => made[name] === id)!)
  }

  test('gives the newest of each group of codes, max of each', async () => {
    expect(await lastn(system, 'patient=lastn-a')).toEqual(['h3', 'w3', 't1'])
    expect(await lastn(system, 'subject=Patient/lastn-a&max=2')).toEqual(['h3', 'h2', 'w3', 'w2', 't1'])
    expect(await lastn(system, 'patient=lastn-a&max=9&code=8867-4')).toEqual(['h3', 'h2', 'h1'])
    expect(await lastn(system, 'patient=lastn-a&date=lt2020-02-15&code=8867-4')).toEqual(['h2'])
    const { json } = await server.ask(system, 'POST', 'Observation/$lastn', { body: parameters({ name: 'patient', valueString: 'lastn-a' }, { name: 'max', valuePositiveInt: 1 }) })
    expect([json.type, json.total]).toEqual(['searchset', 3])
  })

  test.each(['', 'max=1', 'patient=lastn-a&max=0', 'patient=lastn-a&shoe=1', 'patient=lastn-a&_count=1', 'patient=lastn-a&_sort=date'])('?%s is refused', async (query) => {
    expect(refusal(await server.ask(system, 'GET', `Observation/$lastn?${query}`))[0]).toBe(400)
  })

  test('is of what the caller sees, and only that is disclosed', async () => {
    const self = await server.token({ scope: 'patient/Observation.rs', patient: 'lastn-a' })
    expect(await lastn(self, 'patient=lastn-a')).toEqual(['h3', 'w3', 't1'])
    expect(await lastn(self, 'patient=lastn-b')).toEqual([])
    expect(await lastn(system, 'patient=lastn-b')).toEqual(['b'])
    const early = await server.token({ scope: 'system/Observation.rs?date=lt2020-02-15', subject: 'early' })
    expect(await lastn(early, 'patient=lastn-a&code=8867-4')).toEqual(['h2'])
    expect(refusal(await server.ask(await server.token({ scope: 'system/Patient.rs' }), 'GET', 'Observation/$lastn?patient=lastn-a'))[0]).toBe(403)
    const auditor = await server.token({ scope: 'system/AuditEvent.rs' })
    const events = (await server.ask(auditor, 'GET', 'AuditEvent?patient=lastn-a&_count=20')).json.entry.map((one: Json) => one.resource).filter((one: Json) => one.subtype?.[0]?.display === 'lastn')
    const named = events.find((one: Json) => JSON.stringify(one.agent).includes('early')).entity.map((one: Json) => one.what?.reference).filter((text: string | undefined) => text?.startsWith('Observation/'))
    expect(named.map((text: string) => text.split('/')[1])).toEqual([made.h2])
  })
})
