import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Harness, type Json, startHarness, SYSTEM } from '../harness.ts'
import { identified, linkOf, observation, organization, pages, patient, refusal } from './kit.ts'

let server: Harness
let system: string
const clock = vi.spyOn(Date, 'now')

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
  for (let n = 0; n < 11; n++) await server.put(organization(`Org${n}`, { id: `org-${n}` }))
})
afterAll(() => {
  clock.mockRestore()
  return server.close()
})

const newest = Array.from({ length: 11 }, (_, n) => `Organization/org-${10 - n}`)

describe('pages', () => {
  test.each([1, 2, 3, 5, 10, 11, 12])('of %i show every row once, newest first, and the last has no next', async (count) => {
    const found = await pages(server, system, `Organization?_count=${count}`)
    expect(found.flat()).toEqual(newest)
    expect(found.map((page) => page.length)).toEqual([...Array<number>(Math.ceil(11 / count) - 1).fill(count), 11 - count * (Math.ceil(11 / count) - 1)])
  })

  test('oldest first by _sort=_lastUpdated, and by a filter, likewise', async () => {
    expect((await pages(server, system, 'Organization?_count=4&_sort=_lastUpdated')).flat()).toEqual([...newest].reverse())
    expect((await pages(server, system, 'Organization?_count=2&_id=org-1,org-2,org-3,org-4,org-5')).map((page) => page.length)).toEqual([2, 2, 1])
    expect((await pages(server, system, 'Organization?_count=2&name=org1')).flat()).toEqual(['Organization/org-10', 'Organization/org-1'])
  })

  test.each(['', '&_sort=_lastUpdated'])('show a row that is not written meanwhile exactly once, whatever else is%s', async (order) => {
    const still = []
    const busy = []
    for (let n = 0; n < 12; n++) {
      still.push((await server.put(identified(`still${order}`))).id)
      busy.push((await server.put(identified(`busy${order}`))).id)
    }
    const seen: string[] = []
    for (let path: string | undefined = `Patient?_count=3${order}`; path !== undefined && seen.length < 200;) {
      const reply = await server.ask(system, 'GET', path)
      seen.push(...(reply.json.entry ?? []).map((one: Json) => one.resource.id))
      path = linkOf(server, reply.json, 'next')
      const id = busy.pop()
      if (id !== undefined && busy.length % 2 === 0) await server.put(identified(`busy${order}`, { id, active: true }))
      else if (id !== undefined) await server.ask(system, 'DELETE', `Patient/${id}`)
      if (busy.length % 3 === 0 && id !== undefined) await server.put(identified(`new${order}`))
    }
    for (const id of still) expect(seen.filter((each) => each === id)).toHaveLength(1)
  })

  test('of several POST entries in one commit, which share a time, show each once', async () => {
    const entry = Array.from({ length: 9 }, () => ({ resource: observation(null, { category: [{ text: 'burst' }] }), request: { method: 'POST', url: 'Observation' } }))
    expect((await server.ask(system, 'POST', '', { body: { resourceType: 'Bundle', type: 'transaction', entry } })).status).toBe(200)
    const found = (await pages(server, system, 'Observation?_count=2')).flat()
    expect([found.length, new Set(found).size]).toEqual([9, 9])
    expect((await pages(server, system, 'Observation?_count=2&_sort=_lastUpdated')).flat()).toEqual([...found].reverse())
  })

  test('never link to a page on which the caller would see nothing', async () => {
    const [own, other] = [await server.put(patient('Own')), await server.put(patient('Other'))]
    for (let n = 0; n < 2; n++) await server.put(observation(`Patient/${own.id}`))
    for (let n = 0; n < 4; n++) await server.put(observation(`Patient/${other.id}`))
    const token = await server.token({ scope: 'patient/Observation.rs', patient: own.id })
    const reply = await server.ask(token, 'GET', 'Observation?_count=2')
    expect([reply.json.total, linkOf(server, reply.json, 'next')]).toEqual([2, undefined])
  })
})

describe('a page link', () => {
  const first = async (): Promise<string> => linkOf(server, (await server.ask(system, 'GET', 'Organization?_count=4&name=org')).json, 'next')!

  test('carries its query sealed: nothing of it can be read, and only the form of the answer may stand beside it', async () => {
    const next = await first()
    expect(next).toMatch(/^Organization\?_page=[\w-]+$/)
    expect(Buffer.from(next.split('=')[1]!, 'base64url').toString('latin1')).not.toContain('org')
    const plain = await server.ask(system, 'GET', next)
    expect([plain.status, linkOf(server, plain.json, 'self'), linkOf(server, plain.json, 'first')]).toEqual([200, next, 'Organization?_count=4&name=org'])
    const pretty = (await server.ask(system, 'GET', `${next}&_pretty=true&_format=json`)).json
    expect(pretty.entry).toEqual(plain.json.entry)
    // Links ask for the representation that they stand in.
    for (const { url } of pretty.link) expect(url).toMatch(/[?&]_pretty=true&_format=json$/)
    for (const more of ['_count=1', 'name=x', '_page=x', '_sort=_lastUpdated']) expect([more, refusal(await server.ask(system, 'GET', `${next}&${more}`))[0]]).toEqual([more, 400])
  })

  test('is 404 where a letter of it is changed, cut or added', async () => {
    const next = await first()
    const [path, token] = next.split('=') as [string, string]
    const spoilt = [0, 1, 20, token.length >> 1, token.length - 2].map((at) => token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1))
    for (const bad of [...spoilt, token.slice(0, -4), `${token}AAAA`, '', 'x', '..', token.toUpperCase()]) {
      expect([bad, refusal(await server.ask(system, 'GET', `${path}=${encodeURIComponent(bad)}`))[0]]).toEqual([bad, 404])
    }
    expect((await server.ask(system, 'GET', next)).status).toBe(200)
  })

  test('is 404 for another user, another client, other scopes and another type, and opens again for its own caller', async () => {
    const next = await first()
    for (const other of [{ subject: 'somebody' }, { client: 'another-app' }, { scope: 'system/*.rs' }, { scope: 'system/*.cruds?name=x' }]) {
      expect(refusal(await server.ask(await server.token({ ...SYSTEM, ...other }), 'GET', next))[0]).toBe(404)
    }
    expect(refusal(await server.ask(system, 'GET', next.replace('Organization', 'Patient')))[0]).toBe(404)
    expect((await server.ask(await server.token(SYSTEM), 'GET', next)).status).toBe(200)
  })

  test('lives for an hour', async () => {
    const next = await first()
    const issued = Date.now()
    const opened = async (after: number) => {
      clock.mockImplementation(() => issued + after)
      return (await server.ask(await server.token(SYSTEM), 'GET', next)).status
    }
    try {
      expect([await opened(3_590_000), await opened(3_610_000)]).toEqual([200, 404])
    } finally {
      clock.mockRestore()
    }
  })
})
