import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, type Reply, startHarness, SYSTEM } from '../harness.ts'
import { countOf, observation, patient, refusal } from './kit.ts'

let server: Harness
let system: string

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
})
afterAll(() => server.close())

/** All of an answer but what differs between any two. */
const shape = (reply: Reply) => {
  const headers = [...reply.headers].filter(([name]) => !['date', 'x-request-id'].includes(name) && !name.startsWith('ratelimit'))
  return { status: reply.status, text: reply.text, headers }
}

describe('delete', () => {
  test('is 204; the row is gone from reads and searches and stays in its history', async () => {
    const { id } = await server.put(patient('Deleted'))
    const before = await countOf(server, system, 'Patient')
    expect((await server.ask(system, 'DELETE', `Patient/${id}`)).status).toBe(204)
    expect(await countOf(server, system, 'Patient')).toBe(before - 1)
    expect(refusal(await server.ask(system, 'GET', `Patient/${id}`))).toEqual([410, 'deleted', undefined])
    expect((await server.ask(system, 'GET', `Patient?_id=${id}`)).json.total).toBe(0)
    expect((await server.ask(system, 'GET', `Patient/${id}/_history/1`)).status).toBe(200)
  })

  test('of an unknown, a deleted, a hidden and an existing id is one answer, and the hidden row stays', async () => {
    const [own, other] = [await server.put(patient('Own', { active: true })), await server.put(patient('Other', { active: false }))]
    const token = await server.token({ scope: 'system/Patient.rds?active=true' })
    const existing = await server.ask(token, 'DELETE', `Patient/${own.id}`)
    const deleted = await server.ask(token, 'DELETE', `Patient/${own.id}`)
    const unknown = await server.ask(token, 'DELETE', 'Patient/unknown')
    const hidden = await server.ask(token, 'DELETE', `Patient/${other.id}`)
    expect(existing.status).toBe(204)
    for (const reply of [deleted, unknown, hidden]) expect(shape(reply)).toEqual(shape(existing))
    expect((await server.ask(system, 'GET', `Patient/${other.id}`)).status).toBe(200)
    expect((await server.ask(system, 'GET', `Patient/${own.id}`)).status).toBe(410)
  })

  test('of what is deleted already makes no version', async () => {
    const { id } = await server.put(patient('Twice'))
    for (let n = 0; n < 3; n++) await server.ask(system, 'DELETE', `Patient/${id}`)
    expect((await server.ask(system, 'GET', `Patient/${id}/_history`)).json.entry).toHaveLength(2)
  })

  test('never looks at referrers', async () => {
    const { id } = await server.put(patient('Referred'))
    const { id: referrer } = await server.put(observation(`Patient/${id}`))
    expect((await server.ask(system, 'DELETE', `Patient/${id}`)).status).toBe(204)
    expect((await server.ask(system, 'GET', `Observation/${referrer}`)).status).toBe(200)
  })

  test.each([['W/"1"', 412], ['W/"2"', 204]])('with If-Match %s of version 2 is %i', async (ifMatch, status) => {
    const { id } = await server.put(patient('Match'))
    await server.ask(system, 'PUT', `Patient/${id}`, { body: patient('Two', { id }) })
    expect((await server.ask(system, 'DELETE', `Patient/${id}`, { headers: { 'if-match': ifMatch } })).status).toBe(status)
    expect((await server.ask(system, 'GET', `Patient/${id}`)).status).toBe(status === 204 ? 410 : 200)
  })

  test('with If-Match of an unknown and of a hidden id is one 412', async () => {
    const hidden = await server.put(patient('Hidden', { active: false }))
    const token = await server.token({ scope: 'system/Patient.rds?active=true' })
    const replies = await Promise.all(['unknown', hidden.id].map((id) => server.ask(token, 'DELETE', `Patient/${id}`, { headers: { 'if-match': 'W/"1"' } })))
    expect(replies.map(({ status }) => status)).toEqual([412, 412])
    expect(replies[0]!.text).toBe(replies[1]!.text)
  })

  test('without the right is 403 and deletes nothing', async () => {
    const { id } = await server.put(patient('Kept'))
    const token = await server.token({ scope: 'system/Patient.crus' })
    expect(refusal(await server.ask(token, 'DELETE', `Patient/${id}`))[0]).toBe(403)
    expect((await server.ask(token, 'GET', `Patient/${id}`)).status).toBe(200)
  })

  test('of an AuditEvent is 405, whoever asks', async () => {
    const { id } = await server.put({
      resourceType: 'AuditEvent', type: { system: 'http://dicom.nema.org/resources/ontology/DCM', code: '110100' }, recorded: '2026-01-01T00:00:00Z',
      agent: [{ requestor: true }], source: { observer: { display: 'elsewhere' } }
    })
    expect(refusal(await server.ask(system, 'DELETE', `AuditEvent/${id}`))[0]).toBe(405)
    const stored = (await server.ask(system, 'GET', `AuditEvent/${id}`)).json
    expect(refusal(await server.ask(system, 'PUT', `AuditEvent/${id}`, { body: { ...stored, recorded: '2027-01-01T00:00:00Z' } }))[0]).toBe(405)
    expect((await server.ask(system, 'GET', `AuditEvent/${id}`)).json).toEqual(stored)
  })

  test('with a parameter is 400 and deletes nothing', async () => {
    const { id } = await server.put(patient('Param'))
    expect(refusal(await server.ask(system, 'DELETE', `Patient/${id}?_cascade=delete`))[0]).toBe(400)
    expect((await server.ask(system, 'GET', `Patient/${id}`)).status).toBe(200)
  })
})
