/** _sort by search parameters (https://hl7.org/fhir/R4/search.html#sort), and the links of its pages. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, type Json, startHarness, SYSTEM } from '../harness.ts'
import { bundle, entry, linkOf, organization, pages, patient, refusal, statuses } from './kit.ts'

let server: Harness
let system: string

const name = (family: string, ...given: readonly string[]) => ({ family, ...(given.length === 0 ? {} : { given }) })
const people: readonly Json[] = [
  patient('', { id: 'p1', name: [name('Zorn')], birthDate: '1980-05-01', gender: 'male', identifier: [{ system: 'urn:test', value: 'b' }] }),
  patient('', { id: 'p2', name: [name('Ábel'), name('Ziegler')], birthDate: '1980-05', gender: 'female', identifier: [{ system: 'urn:test', value: 'a' }, { system: 'urn:test', value: 'z' }] }),
  patient('', { id: 'p3', name: [name('abel', 'Ann')], birthDate: '1979', gender: 'female' }),
  patient('', { id: 'p4', name: [{ text: 'Only text' }], gender: 'other', managingOrganization: { reference: 'Organization/o2' } }),
  patient('', { id: 'p5', name: [name('Mayer')], birthDate: '2001-01-01', managingOrganization: { reference: 'Organization/o1' } })
]
const reading = (id: string, value: object, more: object = {}): Json => ({ resourceType: 'Observation', id, status: 'final', code: { coding: [{ system: 'http://loinc.org', code: `c-${id}` }] }, ...value, ...more })
const readings: readonly Json[] = [
  reading('r1', { valueQuantity: { value: 10.5 } }, { effectivePeriod: { start: '2024-01-01', end: '2024-12-31' } }),
  reading('r2', { valueQuantity: { value: 9 } }, { effectiveDateTime: '2024-06-01' }),
  reading('r3', { valueQuantity: { value: -1 } }, { effectivePeriod: { start: '2023-06-01' } }),
  reading('r4', { valueString: 'none' }, { effectiveDateTime: '2024-01-01T08:00:00+02:00' }),
  reading('r5', { valueQuantity: { value: 100, comparator: '<' } })
]

beforeAll(async () => {
  server = await startHarness({ SORT_RECORDS_MAX: '20' })
  system = await server.token(SYSTEM)
  const rows = [organization('One', { id: 'o1' }), organization('Two', { id: 'o2' }), ...people, ...readings]
  expect(statuses(await server.ask(system, 'POST', '', { body: bundle('transaction', rows.map((one) => entry('PUT', `${one.resourceType}/${one.id}`, one))) })).every((status) => status === 201)).toBe(true)
})
afterAll(() => server.close())

const order = async (path: string, token = system): Promise<readonly string[]> => (await pages(server, token, path)).flat().map((each) => each.split('/')[1]!)

/** Later pages by their own links, each also by `previous` from the page behind it. */
const cases: readonly (readonly [string, readonly string[]])[] = [
  ['Patient?_sort=_id', ['p1', 'p2', 'p3', 'p4', 'p5']],
  ['Patient?_sort=-_id', ['p5', 'p4', 'p3', 'p2', 'p1']],
  ['Patient?_sort=family,_id', ['p2', 'p3', 'p5', 'p1', 'p4']],
  ['Patient?_sort=-family,_id', ['p1', 'p2', 'p5', 'p3', 'p4']],
  ['Patient?_sort=name,_id', ['p2', 'p3', 'p5', 'p4', 'p1']],
  ['Patient?_sort=birthdate,_id', ['p3', 'p1', 'p2', 'p5', 'p4']],
  ['Patient?_sort=-birthdate,_id', ['p5', 'p2', 'p1', 'p3', 'p4']],
  ['Patient?_sort=gender,-_id', ['p3', 'p2', 'p1', 'p4', 'p5']],
  ['Patient?_sort=-gender,_id', ['p4', 'p1', 'p2', 'p3', 'p5']],
  ['Patient?_sort=identifier,_id', ['p2', 'p1', 'p3', 'p4', 'p5']],
  ['Patient?_sort=-identifier,_id', ['p2', 'p1', 'p3', 'p4', 'p5']],
  ['Patient?_sort=organization,_id', ['p5', 'p4', 'p1', 'p2', 'p3']],
  ['Patient?_sort=gender,birthdate,_id&birthdate:missing=false', ['p3', 'p2', 'p1', 'p5']],
  ['Observation?_sort=value-quantity', ['r3', 'r2', 'r1', 'r5', 'r4']],
  ['Observation?_sort=-value-quantity', ['r5', 'r1', 'r2', 'r3', 'r4']],
  ['Observation?_sort=date,_id', ['r3', 'r1', 'r4', 'r2', 'r5']],
  ['Observation?_sort=-date,_id', ['r3', 'r1', 'r2', 'r4', 'r5']],
  ['Observation?_sort=-code', ['r5', 'r4', 'r3', 'r2', 'r1']],
  ['Observation?_sort=-code&code=c-r2,c-r4', ['r4', 'r2']]
]

test.each(cases)('%s, at once and in pages of one and two', async (path, ids) => {
  expect(await order(path)).toEqual(ids)
  for (const count of [1, 2]) expect(await order(`${path}&_count=${count}`)).toEqual(ids)
})

test.each(['Patient?_sort=-birthdate,_id&_count=2', 'Patient?_count=2', 'Patient?_sort=_lastUpdated&_count=2'])('previous and first lead back: %s', async (path) => {
  const seen: string[][] = []
  const links: (string | undefined)[] = []
  let last: Json = null
  for (let at: string | undefined = path; at !== undefined;) {
    const { json } = await server.ask(system, 'GET', at)
    seen.push(json.entry.map((one: Json) => one.resource.id))
    links.push(linkOf(server, json, 'previous'))
    last = json
    at = linkOf(server, json, 'next')
  }
  expect(links[0]).toBeUndefined()
  const back: string[][] = []
  for (let at = linkOf(server, last, 'previous'); at !== undefined;) {
    const { json } = await server.ask(system, 'GET', at)
    back.unshift(json.entry.map((one: Json) => one.resource.id))
    expect((await server.ask(system, 'GET', linkOf(server, json, 'next')!)).json.entry.map((one: Json) => one.resource.id)).toEqual(seen[back.length === 1 ? seen.length - 1 : seen.length - back.length])
    expect(at).toMatch(/^Patient\?_page=[\w-]+$/)
    at = linkOf(server, json, 'previous')
  }
  expect(back).toEqual(seen.slice(0, -1))
  expect((await server.ask(system, 'GET', linkOf(server, last, 'first')!)).json.entry.map((one: Json) => one.resource.id)).toEqual(seen[0])
})

test('the total is that of all matches, by request or when they fit', async () => {
  expect((await server.ask(system, 'GET', 'Patient?_sort=name')).json.total).toBe(5)
  expect((await server.ask(system, 'GET', 'Patient?_sort=name&_count=2')).json.total).toBeUndefined()
  for (const total of ['accurate', 'estimate']) {
    const { json } = await server.ask(system, 'GET', `Patient?_sort=name&_count=2&_total=${total}`)
    expect([json.total, (await server.ask(system, 'GET', linkOf(server, json, 'next')!)).json.total]).toEqual([5, 5])
  }
})

test('a row that is not written meanwhile is shown exactly once, whatever else is', async () => {
  const code = { coding: [{ system: 'urn:test', code: 'paging' }] }
  const put = (id: string, at: number) => server.put(reading(id, { valueQuantity: { value: at } }, { code }))
  for (let n = 0; n < 12; n++) await put(`${n % 2 === 0 ? 'still' : 'busy'}-${n}`, n)
  const seen: string[] = []
  let round = 0
  for (let path: string | undefined = 'Observation?code=urn:test|paging&_sort=-value-quantity&_count=2'; path !== undefined && round < 20;) {
    const { json } = await server.ask(system, 'GET', path)
    seen.push(...json.entry.map((one: Json) => one.resource.id))
    path = linkOf(server, json, 'next')
    if (round === 0) await server.ask(system, 'DELETE', 'Observation/busy-9')
    if (round === 1) await put('busy-11', 0.5)
    if (round === 2) await put('busy-1', 50)
    await put(`new-${round}`, round * 3)
    round += 1
  }
  for (const n of [0, 2, 4, 6, 8, 10]) expect(seen.filter((each) => each === `still-${n}`)).toHaveLength(1)
  expect(round).toBeGreaterThan(4)
})

describe('refused', () => {
  test.each(['nosuch', '_text', '_content', '_score', 'name:exact', '-', '', ',', 'name,,family', '--name', 'name,-name', 'code-value-quantity', '$$$'].map((text) => [text]))('_sort=%s with 400, or without effect when empty', async (text) => {
    const reply = await server.ask(system, 'GET', `Observation?_sort=${encodeURIComponent(text)}`)
    expect(reply.status).toBe(text === '' ? 200 : 400)
  })

  test('past SORT_RECORDS_MAX: 422 by its name; rows that the caller does not see do not count', async () => {
    const body = bundle('transaction', Array.from({ length: 21 }, (_, n) => entry('PUT', `Flag/f-${n}`, { resourceType: 'Flag', id: `f-${n}`, status: 'active', code: { text: `${n % 7}` }, subject: { reference: `Patient/p${1 + n % 5}` } })))
    expect(statuses(await server.ask(system, 'POST', '', { body })).every((status) => status === 201)).toBe(true)
    const reply = await server.ask(system, 'GET', 'Flag?_sort=date&_count=1')
    expect([...refusal(reply).slice(0, 2), reply.text.includes('SORT_RECORDS_MAX')]).toEqual([422, 'too-costly', true])
    expect(await order('Flag?_sort=-_id', await server.token({ scope: 'patient/*.rs', patient: 'p2' }))).toEqual(['f-6', 'f-16', 'f-11', 'f-1'])
  })

  test('a parameter that reads only what a role hides: 403 by name', async () => {
    const billing = await server.token({ scope: 'user/*.rs', roles: ['billing'], fhirUser: 'Practitioner/x' })
    const reply = await server.ask(billing, 'GET', 'Patient?_sort=-general-practitioner')
    expect([reply.status, reply.text.includes('general-practitioner')]).toEqual([403, true])
    expect((await server.ask(billing, 'GET', 'Patient?_sort=family')).status).toBe(200)
  })
})
