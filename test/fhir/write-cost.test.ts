/** No transaction or batch that the main thread works on itself keeps it from others for long: validation, linking, extraction and sealing take turns. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { randomUUID } from 'node:crypto'
import { type Harness, startHarness, SYSTEM } from '../harness.ts'
import { longestTurn, TURN_MS, usualTurn } from './turn-cost.ts'
import { openStore, requestOf, SYSTEM_CALLER } from './property/world.ts'

/** Near half as large as a body may be before a thread of its own works on it (BODY_BYTES_INLINE); with COST_ROWS nearly as large. */
const BYTES = process.env.COST_ROWS === undefined ? 400_000 : 1_000_000

let store: Awaited<ReturnType<typeof openStore>>
beforeAll(async () => { store = await openStore() })
afterAll(() => store.close())

const observation = (at: number, subject: string, size: number): object => ({
  resourceType: 'Observation', status: 'final', category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'vital-signs' }] }], code: { coding: [{ system: 'http://loinc.org', code: `8867-${at % 9}`, display: 'Heart rate' }] },
  subject: { reference: subject }, effectiveDateTime: '2024-01-01', component: Array.from({ length: size }, (_, n) => ({ code: { coding: [{ system: 'http://loinc.org', code: `${n}-1` }], text: 'a part' }, valueQuantity: { value: n, unit: 'mg', system: 'http://unitsofmeasure.org', code: 'mg' } }))
})

/** A bundle of nearly BYTES bytes: `size` parts to each resource. */
function bundle(type: 'transaction' | 'batch', size: number, more: (at: number) => object = () => ({})): Buffer {
  const patient = `urn:uuid:${randomUUID()}`
  const entry: object[] = type === 'batch' ? [] : [{ fullUrl: patient, resource: { resourceType: 'Patient', name: [{ family: 'X' }] }, request: { method: 'POST', url: 'Patient' } }]
  const one = JSON.stringify({ fullUrl: patient, resource: observation(0, patient, size), request: { method: 'POST', url: 'Observation' }, ...more(0) }).length
  for (let at = 0; at < Math.min(990, BYTES / (one + 20)); at++) {
    entry.push({ fullUrl: `urn:uuid:${randomUUID()}`, resource: observation(at, type === 'batch' ? 'Patient/p' : patient, size), request: { method: 'POST', url: 'Observation' }, ...more(at) })
  }
  return Buffer.from(JSON.stringify({ resourceType: 'Bundle', type, entry }))
}

/** A bundle of 200 entries without resources. */
const reading = (type: 'transaction' | 'batch', request: (at: number) => object): Buffer =>
  Buffer.from(JSON.stringify({ resourceType: 'Bundle', type, entry: Array.from({ length: 200 }, (_, at) => ({ request: request(at) })) }))

/** Each time a bundle of its own, made before it is measured. */
function send(type: 'transaction' | 'batch', make: () => Buffer, headers: object = {}): () => Promise<unknown> {
  const bodies = Array.from({ length: 4 }, make)
  return () => store.system.handle({ ...requestOf(type, '', []), type: null, headers, body: { bytes: bodies.pop()!, contentType: 'application/fhir+json' } }, SYSTEM_CALLER)
}

describe('no turn is long', () => {
  test.each<readonly [string, () => Promise<unknown>]>([
    ['a transaction of many small resources', send('transaction', () => bundle('transaction', 2))],
    ['a transaction of fewer, larger ones', send('transaction', () => bundle('transaction', 100))],
    ['a transaction with full answers', send('transaction', () => bundle('transaction', 5), { prefer: 'return=representation' })],
    ['a transaction of updates', send('transaction', () => bundle('transaction', 5, (at) => ({ resource: { ...observation(at, 'Patient/p', 5), id: `u${at}` }, request: { method: 'PUT', url: `Observation/u${at}` } })))],
    ['a transaction of deletions', send('transaction', () => reading('transaction', (at) => ({ method: 'DELETE', url: `Observation/gone${at}` })))],
    ['a transaction of searches', send('transaction', () => reading('transaction', (at) => ({ method: 'GET', url: `Observation?code=8867-${at % 9}&_count=20` })))],
    ['a batch of reads', send('batch', () => reading('batch', (at) => ({ method: 'GET', url: `Observation/u${at}` })))],
    ['a batch of searches', send('batch', () => reading('batch', (at) => ({ method: 'GET', url: `Observation?code=8867-${at % 9}&_count=20` })))],
    ['a batch of creations', send('batch', () => bundle('batch', 5))],
    ['a batch of updates', send('batch', () => bundle('batch', 5, (at) => ({ resource: { ...observation(at, 'Patient/p', 5), id: `u${at}` }, request: { method: 'PUT', url: `Observation/u${at}` } })))]
  ])('%s', async (name, work) => {
    const best = await usualTurn(name, work)
    expect(best.why).toBe('done')
    expect(best.ms).toBeLessThan(TURN_MS)
  })
})

describe('one resource', () => {
  let server: Harness
  beforeAll(async () => { server = await startHarness() })
  afterAll(() => server.close())

  test.each<readonly [string, string, object]>([
    ['with a narrative of many tags', 'Composition', { status: 'final', type: { text: 'x' }, date: '2024-01-01', author: [{ display: 'x' }], title: 'x', text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${'<p>some <b>text</b></p>'.repeat(40_000)}</div>` } }],
    ['with many references', 'List', { status: 'current', mode: 'working', entry: Array.from({ length: 22_000 }, (_, at) => ({ item: { reference: `Observation/o${at}` } })) }],
    ['with many parts', 'Questionnaire', { status: 'active', item: Array.from({ length: 4_000 }, (_, at) => ({ linkId: String(at), type: 'string', text: 'x'.repeat(180), code: [{ code: `c${at}` }] })) }]
  ])('%s', async (name, resourceType, content) => {
    const token = await server.token(SYSTEM)
    const body = JSON.stringify({ resourceType, id: 'large', ...content })
    expect([body.length > 900_000, body.length < 1_048_576]).toEqual([true, true])
    const best = await usualTurn(name, async () => {
      const { status, text } = await server.ask(token, 'PUT', `${resourceType}/large`, { body, headers: { prefer: 'return=minimal' } })
      if (status > 201) throw new Error(text)
    })
    expect(best.why).toBe('done')
    expect(best.ms).toBeLessThan(TURN_MS)
  })
})

test('a bundle with a fault is refused with its place', async () => {
  const { why } = await longestTurn(send('transaction', () => bundle('transaction', 2, (at) => (at === 300 ? { resource: { resourceType: 'Observation' } } : {}))))
  expect(why).toMatch(/^4\d\d/)
})
