import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, startHarness, SYSTEM } from '../harness.ts'
import { patient } from './kit.ts'

let server: Harness
let system: string
let masked: string
let subject: string
const dir = mkdtempSync(join(tmpdir(), 'wardkeep-policy-'))

/** A role that sees of an Observation its value, and may write what it sees. */
const POLICY = {
  version: 1,
  roles: {
    system: { patients: 'all', labelMax: 'V', largeBundles: true, relabel: true, move: true, rules: [{ types: ['*'], do: 'cruds' }] },
    clerk: {
      patients: 'all', labelMax: 'V',
      rules: [{ types: ['Observation'], do: 'rus', elements: ['Observation.status', 'Observation.code', 'Observation.subject', 'Observation.value', 'Observation.component'] }]
    }
  }
}

beforeAll(async () => {
  const file = join(dir, 'policy.json')
  writeFileSync(file, JSON.stringify(POLICY))
  server = await startHarness({ POLICY_FILE: file })
  system = await server.token(SYSTEM)
  masked = await server.token({ scope: 'user/*.cruds', roles: ['clerk'], fhirUser: 'Practitioner/1' })
  subject = (await server.put(patient('Numbers'))).id
})
afterAll(async () => {
  await server.close()
  rmSync(dir, { recursive: true, force: true })
})

const NUMBERS = ['1.10', '1e2', '100000000000000000000', '0.30000000000000004', '0.1', '-0', '-0.00', '1E-7', '5.000000000000000000001', '12345678901234567890.5', '9007199254740993', '0']

const text = (value: string, more = ''): string => `{"resourceType":"Observation",${more}"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/${subject}"},"note":[{"text":"hidden"}],`
  + `"valueQuantity":{"value":${value},"unit":"mg"},"component":[{"code":{"text":"y"},"valueQuantity":{"value":${value}}}]}`

/** The number texts of a reply, in order, whether it is indented or not. */
const numbersIn = (reply: string): readonly string[] => [...reply.matchAll(/"value": ?([-+0-9.eE]+)/g)].map((found) => found[1]!)

const read = async (path: string, token = system, method = 'GET', body?: unknown): Promise<readonly string[]> => {
  const reply = await server.ask(token, method, path, body === undefined ? {} : { body })
  expect([path, reply.status < 300], reply.text).toEqual([path, true])
  return numbersIn(reply.text)
}

describe('a number keeps its text', () => {
  test.each(NUMBERS)('%s, from create to update, search, history, transaction, batch and masked copies', async (number) => {
    const created = await server.ask(system, 'POST', 'Observation', { body: text(number) })
    expect([created.status, numbersIn(created.text)]).toEqual([201, [number, number]])
    const { id } = created.json
    const path = `Observation/${id}`
    const both = [number, number]
    expect(await read(path)).toEqual(both)
    expect(await read(`${path}?_pretty=true`)).toEqual(both)
    expect(await read(`${path}/_history/1`)).toEqual(both)
    expect(await read(`Observation?_id=${id}`)).toEqual(both)
    expect(await read(`Observation?_id=${id}&_pretty=true`)).toEqual(both)
    expect(await read(path, masked)).toEqual(both)
    expect(await read(`Observation?_id=${id}`, masked)).toEqual(both)
    expect(await read(`${path}/_history`, masked)).toEqual(both)
    expect(await read(path, system, 'PUT', text(number, `"id":"${id}",`))).toEqual(both)
    expect(await read(`${path}/_history`)).toEqual([...both, ...both])
    const masking = await server.ask(masked, 'GET', path)
    expect([masking.json.note, masking.json.meta.tag[0].code]).toEqual([undefined, 'SUBSETTED'])
    const own = text(number, `"id":"${id}",`).replace('"note":[{"text":"hidden"}],', '')
    expect(await read(path, masked, 'PUT', own)).toEqual(both)
    expect([(await server.ask(system, 'GET', path)).json.note, await read(path)]).toEqual([[{ text: 'hidden' }], both])
    const entry = (method: string, url: string, resource?: string): string => `{"request":{"method":"${method}","url":"${url}"}${resource === undefined ? '' : `,"resource":${resource}`}}`
    for (const type of ['transaction', 'batch']) {
      const body = `{"resourceType":"Bundle","type":"${type}","entry":[${entry('PUT', path, text(number, `"id":"${id}",`))},${entry('GET', path)},${entry('GET', `Observation?_id=${id}`)}]}`
      const found = await read('', system, 'POST', body)
      expect([type, new Set(found), found.length >= 4]).toEqual([type, new Set([number]), true])
      expect(await read(path)).toEqual(both)
    }
  })

  test('through a body that is large enough for the worker thread', async () => {
    const entries = NUMBERS.map((number) => `{"fullUrl":"urn:uuid:00000000-0000-4000-8000-0000000000${String(NUMBERS.indexOf(number)).padStart(2, '0')}","resource":${text(number)},"request":{"method":"POST","url":"Observation"}}`)
    const filler = `{"resource":{"resourceType":"Binary","contentType":"text/plain","data":"${'A'.repeat(1_200_000)}"},"request":{"method":"POST","url":"Binary"}}`
    const reply = await server.ask(system, 'POST', '', { body: `{"resourceType":"Bundle","type":"transaction","entry":[${[...entries, filler].join(',')}]}` })
    expect(reply.status, reply.text.slice(0, 500)).toBe(200)
    for (const [index, number] of NUMBERS.entries()) {
      const path = reply.json.entry[index].response.location.split('/').slice(-4, -2).join('/')
      expect(await read(path)).toEqual([number, number])
    }
  })

  test('and a masked copy written back changes only what was changed', async () => {
    const { id } = (await server.ask(system, 'POST', 'Observation', { body: text('1.10') })).json
    const own = (value: string) => text(value, `"id":"${id}",`).replace('"note":[{"text":"hidden"}],', '')
    expect(await read(`Observation/${id}`, masked, 'PUT', own('2.50'))).toEqual(['2.50', '2.50'])
    expect((await server.ask(system, 'GET', `Observation/${id}`)).json.note).toEqual([{ text: 'hidden' }])
    const hidden = await server.ask(masked, 'PUT', `Observation/${id}`, { body: text('3', `"id":"${id}",`) })
    expect([hidden.status, hidden.json.issue[0].expression]).toEqual([422, ['Observation.note']])
  })

  test('and is compared as the number that it is', async () => {
    for (const [query, finds] of [['1.1', true], ['eq1.10', true], ['1.2', false], ['gt1.0', true], ['lt1.10', false]] as const) {
      const { id } = (await server.ask(system, 'POST', 'Observation', { body: text('1.10') })).json
      const reply = await server.ask(system, 'GET', `Observation?value-quantity=${query}&_id=${id}`)
      expect([query, reply.json.total]).toEqual([query, finds ? 1 : 0])
    }
  })
})
