import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, type Json, type Reply, startHarness, SYSTEM } from '../harness.ts'
import { bundle, entry, identified, observation, patient, refusal, statuses, SYSTEM_URL } from './kit.ts'

let server: Harness
let system: string

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
})
afterAll(() => server.close())

const JSON_PATCH = { 'content-type': 'application/json-patch+json' }
const send = (token: string, path: string, body: unknown, headers: Record<string, string> = JSON_PATCH): Promise<Reply> => server.ask(token, 'PATCH', path, { body: typeof body === 'string' ? body : JSON.stringify(body), headers })
const replace = (path: string, value: unknown): readonly object[] => [{ op: 'replace', path, value }]
const fhirPatch = (type: string, path: string, value?: object, name?: string): Json => ({
  resourceType: 'Parameters', parameter: [{
    name: 'operation', part: [{ name: 'type', valueCode: type }, { name: 'path', valueString: path },
      ...(name === undefined ? [] : [{ name: 'name', valueString: name }]), ...(value === undefined ? [] : [{ name: 'value', ...value }])]
  }]
})
const binary = (patch: unknown): Json => ({ resourceType: 'Binary', contentType: 'application/json-patch+json', data: Buffer.from(JSON.stringify(patch)).toString('base64') })
const familyOf = async (id: string): Promise<string> => (await server.ask(system, 'GET', `Patient/${id}`)).json.name[0].family

describe('patch', () => {
  test('by JSON Patch makes a version, keeps the text of numbers, and answers like an update', async () => {
    const { id } = await server.put(observation(null))
    const reply = await send(system, `Observation/${id}`, '[{"op":"add","path":"/valueQuantity","value":{"value":1.50}},{"op":"test","path":"/valueQuantity/value","value":1.5}]')
    expect([reply.status, reply.headers.get('etag'), reply.headers.get('location')]).toEqual([200, 'W/"2"', `${server.base}/Observation/${id}/_history/2`])
    expect(reply.text).toContain('"value":1.50')
    const again = await send(system, `Observation/${id}`, replace('/status', 'amended'), { ...JSON_PATCH, prefer: 'return=minimal' })
    expect([again.status, again.text]).toEqual([200, ''])
    expect((await server.ask(system, 'GET', `Observation/${id}`)).text).toContain('"value":1.50')
  })

  test('by FHIRPath Patch likewise', async () => {
    const { id } = await server.put(patient('Before'))
    const reply = await send(system, `Patient/${id}`, fhirPatch('replace', 'Patient.name[0].family', { valueString: 'After' }), {})
    expect([reply.status, reply.json.name, reply.json.meta.versionId]).toEqual([200, [{ family: 'After' }], '2'])
  })

  test('judges If-Match, and refuses what is no patch, what does not apply and what would not be valid', async () => {
    const { id } = await server.put(patient('Kept'))
    const good = replace('/name/0/family', 'X')
    expect(refusal(await send(system, `Patient/${id}`, good, { ...JSON_PATCH, 'if-match': 'W/"2"' }))[0]).toBe(412)
    expect(refusal(await send(system, `Patient/${id}`, { op: 'add' }))[0]).toBe(400)
    expect(refusal(await send(system, `Patient/${id}`, replace('/gender', 'male')))[0]).toBe(422)
    expect(refusal(await send(system, `Patient/${id}`, [{ op: 'add', path: '/gender', value: 'unknowable' }]))[0]).toBe(422)
    expect(refusal(await send(system, `Patient/${id}`, [{ op: 'add', path: '/surname', value: 'x' }]))[0]).toBe(400)
    expect(refusal(await send(system, `Patient/${id}`, replace('/id', 'other')))).toEqual([422, 'business-rule', undefined])
    expect(refusal(await send(system, `Patient/${id}`, replace('/resourceType', 'Group')))).toEqual([422, 'business-rule', undefined])
    expect(refusal(await send(system, `Patient/${id}`, [{ op: 'replace', path: '', value: [] }]))[0]).toBe(422)
    expect(refusal(await send(system, `Patient/${id}`, '', JSON_PATCH))[0]).toBe(400)
    expect(refusal(await send(system, `Patient/${id}`, '<diff/>', { 'content-type': 'application/xml-patch+xml' }))[0]).toBe(415)
    expect(refusal(await send(system, `Patient/${id}`, patient('X', { id }), {}))[0]).toBe(400)
    expect(refusal(await server.ask(system, 'PUT', `Patient/${id}`, { body: JSON.stringify(good), headers: JSON_PATCH }))[0]).toBe(415)
    expect(await familyOf(id)).toBe('Kept')
    expect((await send(system, `Patient/${id}`, good, { ...JSON_PATCH, 'if-match': 'W/"1"' })).status).toBe(200)
    expect(await familyOf(id)).toBe('X')
  })

  test('by FHIRPath puts in references to what the patched resource contains, and to nothing else', async () => {
    const { id } = await server.put(patient('Inside', { contained: [{ resourceType: 'Organization', id: 'org', name: 'x' }], managingOrganization: { reference: '#org' } }))
    const to = (reference: string) => send(system, `Patient/${id}`, fhirPatch('add', 'Patient', { valueReference: { reference } }, 'generalPractitioner'), {})
    const done = await to('#org')
    expect([done.status, done.json.generalPractitioner]).toEqual([200, [{ reference: '#org' }]])
    const refused = await to('#none')
    expect([refusal(refused)[0], refused.text.includes('ref-1')]).toEqual([422, true])
  })

  test('of version and time changes neither; a hidden, unknown and malformed id is one 404, a deleted one 410', async () => {
    const { id } = await server.put(patient('Stamp'))
    const reply = await send(system, `Patient/${id}`, [{ op: 'replace', path: '/meta/versionId', value: '9' }, { op: 'replace', path: '/meta/lastUpdated', value: '2000-01-01T00:00:00Z' }])
    expect([reply.json.meta.versionId, reply.json.meta.lastUpdated > '2001']).toEqual(['2', true])
    const hidden = await server.put(patient('Hidden', { active: false }))
    const seen = await server.put(patient('Seen', { active: true }))
    const token = await server.token({ scope: 'system/Patient.rus?active=true' })
    const replies = await Promise.all([hidden.id, 'unknown'].map((one) => send(token, `Patient/${one}`, replace('/name/0/family', 'X'), { ...JSON_PATCH, 'if-match': 'W/"7"' })))
    expect(refusal(replies[0]!)[0]).toBe(404)
    expect(replies[0]!.text).toBe(replies[1]!.text)
    expect(await familyOf(hidden.id)).toBe('Hidden')
    expect((await send(token, `Patient/${seen.id}`, replace('/name/0/family', 'Y'))).status).toBe(200)
    await server.ask(system, 'DELETE', `Patient/${id}`)
    expect(refusal(await send(system, `Patient/${id}`, replace('/name/0/family', 'X')))[0]).toBe(410)
  })

  test('by criteria changes the one match; none is 404, several and hidden ones are as for an update', async () => {
    const one = await server.put(identified('patch-one', { active: true }))
    const hidden = await server.put(identified('patch-one', { active: false }))
    const token = await server.token({ scope: 'system/Patient.rus?active=true' })
    const path = `Patient?identifier=${SYSTEM_URL}|patch-one`
    expect(refusal(await send(system, path, replace('/name/0/family', 'X')))).toEqual([412, 'multiple-matches', undefined])
    expect((await send(token, path, replace('/name/0/family', 'X'))).status).toBe(200)
    expect([await familyOf(one.id), await familyOf(hidden.id)]).toEqual(['X', 'Identified'])
    expect(refusal(await send(system, `Patient?identifier=${SYSTEM_URL}|patch-none`, replace('/name/0/family', 'X')))[0]).toBe(404)
    expect(refusal(await send(system, 'Patient', replace('/name/0/family', 'X')))[0]).toBe(400)
  })

  test('of an AuditEvent is refused', async () => {
    expect(refusal(await send(system, 'AuditEvent/x', replace('/type', {})))[0]).toBe(405)
  })
})

describe('a patch is an update through the guard', () => {
  test('the image after it must lie within the caller\'s reach, and a move needs its right', async () => {
    const [a, b] = [await server.put(patient('A')), await server.put(patient('B'))]
    const { id } = await server.put(observation(`Patient/${a.id}`, { performer: [{ reference: `Patient/${a.id}` }] }))
    const token = await server.token({ scope: 'patient/Observation.rus', patient: a.id })
    expect(refusal(await send(token, `Observation/${id}`, replace('/subject/reference', `Patient/${b.id}`)))[0]).toBe(403)
    expect((await send(token, `Observation/${id}`, replace('/status', 'amended'))).status).toBe(200)
    const other = await server.token({ scope: 'patient/Observation.rus', patient: b.id })
    expect(refusal(await send(other, `Observation/${id}`, replace('/status', 'final')))[0]).toBe(404)
    const user = await server.token({ scope: 'user/*.cruds', roles: ['front-desk'], fhirUser: 'Practitioner/1' })
    const appointment = await server.put({ resourceType: 'Appointment', status: 'proposed', participant: [{ actor: { reference: `Patient/${a.id}` }, status: 'accepted' }] })
    expect(refusal(await send(user, `Appointment/${appointment.id}`, replace('/participant/0/actor/reference', `Patient/${b.id}`)))[0]).toBe(403)
    expect((await send(user, `Appointment/${appointment.id}`, replace('/status', 'cancelled'))).status).toBe(200)
    expect((await send(system, `Appointment/${appointment.id}`, replace('/participant/0/actor/reference', `Patient/${b.id}`))).status).toBe(200)
  })

  test('hidden elements can be neither tested nor changed, and stay', async () => {
    const { id } = await server.put(patient('Masked', { gender: 'female', maritalStatus: { text: 'secret' }, identifier: [{ system: 'urn:ssn', value: '1' }] }))
    const desk = await server.token({ scope: 'user/*.cruds', roles: ['front-desk'], fhirUser: 'Practitioner/1' })
    const tests = await Promise.all([{ text: 'secret' }, { text: 'wrong' }].map((value) => send(desk, `Patient/${id}`, [{ op: 'test', path: '/maritalStatus', value }])))
    expect(refusal(tests[0]!)[0]).toBe(422)
    expect(tests[0]!.text).toBe(tests[1]!.text)
    expect(refusal(await send(desk, `Patient/${id}`, [{ op: 'add', path: '/maritalStatus', value: { text: 'x' } }]))[0]).toBe(422)
    expect((await send(desk, `Patient/${id}`, fhirPatch('delete', 'Patient.maritalStatus'), {})).status).toBe(200)
    expect((await send(desk, `Patient/${id}`, [{ op: 'test', path: '/gender', value: 'female' }, { op: 'replace', path: '/gender', value: 'male' }])).status).toBe(200)
    const { json } = await server.ask(system, 'GET', `Patient/${id}`)
    expect([json.gender, json.maritalStatus, json.identifier, json.meta.tag]).toEqual(['male', { text: 'secret' }, [{ system: 'urn:ssn', value: '1' }], undefined])
  })

  test('only writable elements change, labels may be added and not removed, and what is changed must be read', async () => {
    const { id } = await server.put(patient('Self', { meta: { security: [{ system: 'urn:l', code: 'a' }] } }))
    const self = await server.token({ scope: 'patient/Patient.rus', patient: id })
    expect(refusal(await send(self, `Patient/${id}`, replace('/name/0/family', 'X')))[0]).toBe(403)
    expect((await send(self, `Patient/${id}`, [{ op: 'add', path: '/telecom', value: [{ system: 'phone', value: '1' }] }])).status).toBe(200)
    const { id: seen } = await server.put(patient('Labelled', { meta: { security: [{ system: 'urn:l', code: 'a' }] } }))
    const appointment = await server.put({ resourceType: 'Appointment', status: 'proposed', meta: { security: [{ system: 'urn:l', code: 'a' }] }, participant: [{ actor: { reference: `Patient/${seen}` }, status: 'accepted' }] })
    const desk = await server.token({ scope: 'user/*.cruds', roles: ['front-desk'], fhirUser: 'Practitioner/1' })
    expect(refusal(await send(desk, `Appointment/${appointment.id}`, [{ op: 'remove', path: '/meta/security' }]))[0]).toBe(403)
    expect((await send(desk, `Appointment/${appointment.id}`, [{ op: 'add', path: '/meta/security/-', value: { system: 'urn:l', code: 'b' } }])).status).toBe(200)
    expect((await send(system, `Appointment/${appointment.id}`, [{ op: 'remove', path: '/meta/security' }])).status).toBe(200)
    const blind = await server.token({ scope: 'system/Patient.u' })
    expect(refusal(await send(blind, `Patient/${id}`, [{ op: 'test', path: '/name/0/family', value: 'Self' }]))[0]).toBe(403)
    const reader = await server.token({ scope: 'system/Patient.rs' })
    expect(refusal(await send(reader, `Patient/${id}`, []))[0]).toBe(403)
  })
})

describe('patch in a bundle', () => {
  test.each(['batch', 'transaction'] as const)('%s: by Binary and by Parameters, by id and by criteria', async (type) => {
    const [one, two] = [await server.put(patient('One')), await server.put(identified(`in-${type}`))]
    const reply = await server.ask(system, 'POST', '', {
      body: bundle(type, [
        entry('PATCH', `Patient/${one.id}`, binary(replace('/name/0/family', 'X'))),
        entry('PATCH', `Patient?identifier=${SYSTEM_URL}|in-${type}`, fhirPatch('add', 'Patient', { valueCode: 'male' }, 'gender')),
        entry('GET', `Patient/${one.id}`)
      ])
    })
    expect(statuses(reply)).toEqual([200, 200, 200])
    expect(reply.json.entry[2].resource.name[0].family).toBe('X')
    expect((await server.ask(system, 'GET', `Patient/${two.id}`)).json.gender).toBe('male')
  })

  test('a transaction with a patch that fails writes nothing; one resource is written once', async () => {
    const { id } = await server.put(patient('Whole'))
    const failing = await server.ask(system, 'POST', '', { body: bundle('transaction', [entry('POST', 'Patient', identified('never')), entry('PATCH', `Patient/${id}`, binary(replace('/gender', 'male')))]) })
    expect(refusal(failing)).toEqual([422, 'processing', 'Bundle.entry[1].resource[0]'])
    expect((await server.ask(system, 'GET', `Patient?identifier=${SYSTEM_URL}|never`)).json.total).toBe(0)
    const twice = await server.ask(system, 'POST', '', { body: bundle('transaction', [entry('PUT', `Patient/${id}`, patient('Put', { id })), entry('PATCH', `Patient/${id}`, binary([]))]) })
    expect(refusal(twice).slice(0, 2)).toEqual([400, 'duplicate'])
  })

  test('a patch links to what the bundle creates', async () => {
    const { id } = await server.put(observation(null))
    const full = 'urn:uuid:11111111-1111-4111-8111-111111111111'
    const reply = await server.ask(system, 'POST', '', {
      body: bundle('transaction', [
        entry('PATCH', `Observation/${id}`, fhirPatch('add', 'Observation', { valueReference: { reference: full } }, 'performer')),
        entry('POST', 'Practitioner', { resourceType: 'Practitioner' }, { fullUrl: full })
      ])
    })
    expect(statuses(reply)).toEqual([200, 201])
    const made = reply.json.entry[1].response.location.split('/').at(-3)
    expect((await server.ask(system, 'GET', `Observation/${id}`)).json.performer).toEqual([{ reference: `Practitioner/${made}` }])
  })
})
