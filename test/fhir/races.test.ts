import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, type Json, type Reply, startHarness, SYSTEM } from '../harness.ts'

const SYSTEM_URI = 'urn:races'

let server: Harness
let token: string
let counter = 0

beforeAll(async () => {
  server = await startHarness()
  token = await server.token(SYSTEM)
})
afterAll(() => server.close())

const fresh = (): string => `race-${++counter}`
const ask = (method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Reply> =>
  server.ask(token, method, path, { ...(body === undefined ? {} : { body }), headers })
const times = <T>(count: number, work: (index: number) => Promise<T>): Promise<readonly T[]> => Promise.all(Array.from({ length: count }, (_, index) => work(index)))
const tally = (replies: readonly Reply[]): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const { status } of replies) counts[status] = (counts[status] ?? 0) + 1
  return counts
}
const basic = (value: string, text: string, id?: string): Json => ({ resourceType: 'Basic', ...(id === undefined ? {} : { id }), code: { text }, identifier: [{ system: SYSTEM_URI, value }] })
const observation = (patient: string, text: string, id?: string): Json => ({ resourceType: 'Observation', ...(id === undefined ? {} : { id }), status: 'final', code: { text }, subject: { reference: `Patient/${patient}` } })
const found = async (path: string): Promise<readonly Json[]> => ((await ask('GET', path)).json.entry ?? []).map((entry: Json) => entry.resource)
const versionsOf = async (ref: string): Promise<readonly Json[]> => ((await ask('GET', `${ref}/_history?_count=1000`)).json.entry ?? [])

describe('concurrent conditional creates', () => {
  test('of one identifier make one resource, which all ten answers name', async () => {
    const value = fresh()
    const criteria = [`identifier=${SYSTEM_URI}|${value}`, `identifier=${encodeURIComponent(`${SYSTEM_URI}|${value}`)}`]
    const replies = await times(10, (index) => ask('POST', 'Basic', basic(value, `${index}`), { 'if-none-exist': criteria[index % 2]! }))
    expect(tally(replies)).toEqual({ 200: 9, 201: 1 })
    expect(new Set(replies.map((reply) => reply.json.id)).size).toBe(1)
    expect((await found(`Basic?identifier=${SYSTEM_URI}|${value}`)).length).toBe(1)
  })

  test('in transactions: one patient, and every bundle hangs its observation on it', async () => {
    const value = fresh()
    const replies = await times(8, (index) => ask('POST', '', {
      resourceType: 'Bundle', type: 'transaction', entry: [
        { fullUrl: 'urn:uuid:7d4a6cc1-8f4e-4c7b-a0f5-3a4f6f0b9e01', resource: { resourceType: 'Patient', identifier: [{ system: SYSTEM_URI, value }] }, request: { method: 'POST', url: 'Patient', ifNoneExist: `identifier=${SYSTEM_URI}|${value}` } },
        { resource: { ...observation('x', `${value} ${index}`), subject: { reference: 'urn:uuid:7d4a6cc1-8f4e-4c7b-a0f5-3a4f6f0b9e01' } }, request: { method: 'POST', url: 'Observation' } }
      ]
    }))
    expect(tally(replies)).toEqual({ 200: 8 })
    expect(replies.map((reply) => reply.json.entry[0].response.status.slice(0, 3)).sort()).toEqual(['200', '200', '200', '200', '200', '200', '200', '201'])
    const [patient, ...others] = await found(`Patient?identifier=${SYSTEM_URI}|${value}`)
    expect(others).toEqual([])
    expect((await found(`Observation?subject=Patient/${patient.id}`)).map((row) => row.code.text).sort()).toEqual(Array.from({ length: 8 }, (_, index) => `${value} ${index}`))
  })
})

describe('concurrent updates', () => {
  test('with one If-Match: one goes through, 63 are 412', async () => {
    const id = fresh()
    await server.put(basic(id, 'start', id))
    const replies = await times(64, (index) => ask('PUT', `Basic/${id}`, basic(id, `${index}`, id), { 'if-match': 'W/"1"' }))
    expect(tally(replies)).toEqual({ 200: 1, 412: 63 })
    const won = replies.find((reply) => reply.status === 200)!
    expect((await ask('GET', `Basic/${id}`)).json).toEqual(won.json)
  })

  test('of 64 clients that read and write three times each: none is lost, and each success is one version', async () => {
    const id = fresh()
    await server.put(basic(id, 'start', id))
    const successes: Json[] = []
    await times(64, async (client) => {
      for (let turn = 0; turn < 3; turn++) {
        const now = await ask('GET', `Basic/${id}`)
        const reply = await ask('PUT', `Basic/${id}`, basic(id, `${client} ${turn}`, id), { 'if-match': now.headers.get('etag')! })
        expect([200, 412]).toContain(reply.status)
        if (reply.status === 200) successes.push(reply.json)
      }
    })
    expect(successes.length).toBeGreaterThan(2)
    const history = (await versionsOf(`Basic/${id}`)).map((entry) => entry.resource)
    expect(history.length).toBe(successes.length + 1)
    expect(history.slice(0, -1)).toEqual(successes.sort((a, b) => b.meta.versionId - a.meta.versionId))
  })

  test('without If-Match: all go through, each as a version of its own that history keeps with its content', async () => {
    const id = fresh()
    await server.put(basic(id, 'start', id))
    const replies = await times(40, (index) => ask('PUT', `Basic/${id}`, basic(id, `${index}`, id)))
    expect(tally(replies)).toEqual({ 200: 40 })
    const history = await versionsOf(`Basic/${id}`)
    expect(history.map((entry) => entry.resource.meta.versionId)).toEqual(Array.from({ length: 41 }, (_, index) => String(41 - index)))
    for (const reply of replies) expect(history.find((entry) => entry.resource.meta.versionId === reply.json.meta.versionId)?.resource).toEqual(reply.json)
    const moments = history.map((entry) => Date.parse(entry.resource.meta.lastUpdated))
    expect(moments).toEqual([...moments].sort((a, b) => b - a))
  })

  test('that are conditional: one creates, nine update the same resource', async () => {
    const value = fresh()
    const replies = await times(10, (index) => ask('PUT', `Basic?identifier=${SYSTEM_URI}|${value}`, basic(value, `${index}`)))
    expect(tally(replies)).toEqual({ 200: 9, 201: 1 })
    expect(replies.map((reply) => Number(reply.json.meta.versionId)).sort((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, index) => index + 1))
    expect((await found(`Basic?identifier=${SYSTEM_URI}|${value}`)).length).toBe(1)
  })
})

describe('concurrent deletes', () => {
  test('plain and conditional: all 204, one deletion', async () => {
    const id = fresh()
    await server.put(basic(id, 'start', id))
    const replies = await times(12, (index) => ask('DELETE', index % 2 === 0 ? `Basic/${id}` : `Basic?identifier=${SYSTEM_URI}|${id}`))
    expect(tally(replies)).toEqual({ 204: 12 })
    expect((await ask('GET', `Basic/${id}`)).status).toBe(410)
    expect((await versionsOf(`Basic/${id}`)).map((entry) => entry.request.method)).toEqual(['DELETE', 'PUT'])
  })

  test('beside updates: every acknowledged version is in the history, in one line', async () => {
    const id = fresh()
    await server.put(basic(id, 'start', id))
    const replies = await times(30, (index) => (index % 3 === 0 ? ask('DELETE', `Basic/${id}`) : ask('PUT', `Basic/${id}`, basic(id, `${index}`, id))))
    expect(replies.every((reply) => [200, 201, 204].includes(reply.status))).toBe(true)
    const history = await versionsOf(`Basic/${id}`)
    const deleted = history.filter((entry) => entry.request.method === 'DELETE').length
    expect(history.length).toBe(1 + deleted + replies.filter((reply) => reply.status !== 204).length)
    for (const reply of replies) {
      if (reply.status !== 204) expect((await ask('GET', `Basic/${id}/_history/${reply.json.meta.versionId}`)).json).toEqual(reply.json)
    }
    for (let at = 1; at < history.length; at++) expect([history[at - 1].request.method, history[at].request.method]).not.toEqual(['DELETE', 'DELETE'])
  })
})

describe('a patient whom nobody has written before', () => {
  test('may be first written by twenty requests at once, each for a record of its own', async () => {
    const patient = fresh()
    const replies = await times(20, (index) => (index === 7 ? ask('PUT', `Patient/${patient}`, { resourceType: 'Patient', id: patient }) : ask('PUT', `Observation/${patient}-${index}`, observation(patient, `${index}`, `${patient}-${index}`))))
    expect(tally(replies)).toEqual({ 201: 20 })
    expect((await found(`Observation?subject=Patient/${patient}&_count=100`)).length).toBe(19)
    expect((await ask('GET', `Patient/${patient}`)).status).toBe(200)
  })

  test('may be first written by eight PUTs of the same id at once: one creates, seven update', async () => {
    const patient = fresh()
    const replies = await times(8, (index) => ask('PUT', `Patient/${patient}`, { resourceType: 'Patient', id: patient, name: [{ family: `${index}` }] }))
    expect(tally(replies)).toEqual({ 200: 7, 201: 1 })
    expect((await versionsOf(`Patient/${patient}`)).length).toBe(8)
  })

  test('may be written by eight transactions at once: each is whole', async () => {
    const patient = fresh()
    const replies = await times(8, (index) => ask('POST', '', {
      resourceType: 'Bundle', type: 'transaction', entry: [
        { resource: { resourceType: 'Patient', id: patient, name: [{ family: `${index}` }] }, request: { method: 'PUT', url: `Patient/${patient}` } },
        ...[0, 1, 2].map((number) => ({ resource: observation(patient, `${index} ${number}`), request: { method: 'POST', url: 'Observation' } }))
      ]
    }))
    expect(tally(replies)).toEqual({ 200: 8 })
    expect((await versionsOf(`Patient/${patient}`)).length).toBe(8)
    expect((await found(`Observation?subject=Patient/${patient}&_count=100`)).map((row) => row.code.text).sort()).toEqual(Array.from({ length: 24 }, (_, n) => `${Math.floor(n / 3)} ${n % 3}`))
  })

  test('and a transaction that fails beside others leaves nothing', async () => {
    const patient = fresh()
    const id = fresh()
    await server.put(basic(id, 'start', id))
    const replies = await times(6, (index) => ask('POST', '', {
      resourceType: 'Bundle', type: 'transaction', entry: [
        { resource: observation(patient, `${index}`), request: { method: 'POST', url: 'Observation' } },
        { resource: basic(id, `${index}`, id), request: { method: 'PUT', url: `Basic/${id}`, ifMatch: 'W/"1"' } }
      ]
    }))
    expect(tally(replies)).toEqual({ 200: 1, 412: 5 })
    expect((await found(`Observation?subject=Patient/${patient}`)).length).toBe(1)
  })
})

test('after all of it the ledger agrees with the records', async () => {
  await server.running.system.ledger.sequence()
  expect((await server.running.system.verify({ versions: true })).problems).toEqual([])
})
