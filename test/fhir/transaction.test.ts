import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { validateResource } from '../../src/fhir/validate/validate.ts'
import { type Harness, idsOf, type Json, type Reply, startHarness, SYSTEM } from '../harness.ts'
import { bundle, countOf, entry, identified, observation, patient, refusal, statuses, SYSTEM_URL } from './kit.ts'

let server: Harness
let system: string
let serial = 0

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
})
afterAll(() => server.close())

const urn = (): string => `urn:uuid:00000000-0000-4000-8000-${String(++serial).padStart(12, '0')}`
const by = (value: string): string => `identifier=${SYSTEM_URL}|${value}`
const run = (entries: readonly object[], headers: Record<string, string> = {}, token = system): Promise<Reply> => server.ask(token, 'POST', '', { body: bundle('transaction', entries), headers })
const idOf = (reply: Reply, index: number): string => reply.json.entry[index].response.location.split('/').at(-3)
const get = async (path: string): Promise<Json> => (await server.ask(system, 'GET', path)).json

/** Rows of the types that these tests write. */
const counts = async (): Promise<readonly number[]> => Promise.all(['Patient', 'Observation', 'Organization'].map((type) => countOf(server, system, type)))

describe('transaction', () => {
  test('writes all entries in one commit and answers in their order, with Location and ETag', async () => {
    const old = await server.put(patient('Old'))
    const kept = await server.put(patient('Kept'))
    const reply = await run([
      entry('GET', `Patient/${kept.id}`), entry('PUT', `Patient/${kept.id}`, patient('Changed', { id: kept.id })), entry('POST', 'Patient', patient('New')),
      entry('DELETE', `Patient/${old.id}`), entry('PUT', 'Patient/by-transaction', patient('Put', { id: 'by-transaction' }))
    ])
    expect(statuses(reply)).toEqual([200, 200, 201, 204, 201])
    expect(() => validateResource(reply.json, 'Bundle')).not.toThrow()
    expect(reply.json.entry[0].resource.name[0].family).toBe('Changed')
    expect(reply.json.entry[2].response).toMatchObject({ location: `${server.base}/Patient/${idOf(reply, 2)}/_history/1`, etag: 'W/"1"' })
    expect(reply.json.entry[1].response).toMatchObject({ etag: 'W/"2"' })
    const [changed, made] = [await get(`Patient/${kept.id}`), await get(`Patient/${idOf(reply, 2)}`)]
    expect([changed.meta.versionId, made.meta.versionId, changed.meta.lastUpdated]).toEqual(['2', '1', made.meta.lastUpdated])
    expect((await server.ask(system, 'GET', `Patient/${old.id}`)).status).toBe(410)
  })

  test('runs DELETE, POST, PUT and GET in that order, wherever they stand', async () => {
    const { id } = await server.put(identified('order'))
    const reply = await run([
      entry('GET', `Patient?${by('order')}`), entry('HEAD', `Patient?${by('order')}`), entry('POST', 'Patient/_search?identifier=order'),
      entry('POST', 'Patient', identified('order'), { request: { ifNoneExist: by('order') } }), entry('DELETE', `Patient/${id}`)
    ])
    expect(statuses(reply)).toEqual([200, 200, 200, 201, 204])
    const made = `Patient/${idOf(reply, 3)}`
    expect([idsOf(reply.json.entry[0].resource), reply.json.entry[1].resource, idsOf(reply.json.entry[2].resource)]).toEqual([[made], undefined, [made]])
  })

  test.each([[{}, undefined, undefined], [{ prefer: 'return=representation' }, 'Patient', undefined], [{ prefer: 'return=minimal' }, undefined, undefined], [{ prefer: 'return=OperationOutcome' }, undefined, 'OperationOutcome']])(
    'with %j answers entries with the resource %s and the outcome %s', async (headers, resource, outcome) => {
      const reply = await run([entry('POST', 'Patient', patient('Prefer')), entry('PUT', 'Patient/prefer', patient('Prefer', { id: 'prefer' }))], headers)
      for (const one of reply.json.entry) expect([one.resource?.resourceType, one.response.outcome?.resourceType]).toEqual([resource, outcome])
    })

  test('GET entries and totals see what the bundle wrote, and only the caller’s own part of the store', async () => {
    const own = await server.put(patient('Seen'))
    await server.put(observation(`Patient/${own.id}`))
    const reply = await run([
      entry('POST', 'Observation', observation(`Patient/${own.id}`)), entry('GET', `Observation?patient=${own.id}`), entry('GET', `Observation?patient=${own.id}&_count=1&_total=accurate`),
      entry('GET', `Observation?patient=${own.id}&_summary=count`)
    ])
    const made = `Observation/${idOf(reply, 0)}`
    expect([reply.json.entry[1].resource.total, idsOf(reply.json.entry[1].resource)]).toEqual([2, expect.arrayContaining([made])])
    expect([reply.json.entry[2].resource.total, idsOf(reply.json.entry[2].resource), reply.json.entry[3].resource.total]).toEqual([2, [made], 2])
  })

  test('a page of a GET entry goes on after the commit without loss', async () => {
    const own = await server.put(patient('Paged'))
    for (let n = 0; n < 4; n++) await server.put(observation(`Patient/${own.id}`))
    const reply = await run([entry('POST', 'Observation', observation(`Patient/${own.id}`)), entry('GET', `Observation?patient=${own.id}&_count=2`)])
    const seen = [...idsOf(reply.json.entry[1].resource)]
    for (let page = reply.json.entry[1].resource; ;) {
      const next: string | undefined = page.link.find((link: Json) => link.relation === 'next')?.url
      if (next === undefined) break
      page = await get(next.slice(server.base.length + 1))
      seen.push(...idsOf(page))
    }
    expect([seen.length, new Set(seen).size]).toEqual([5, 5])
  })
})

describe('references within a transaction', () => {
  test('by urn:uuid become literal ones, also in a circle and forwards', async () => {
    const [a, b, o] = [urn(), urn(), urn()]
    const reply = await run([
      entry('POST', 'Observation', observation(a, { hasMember: [{ reference: o }] }), { fullUrl: o }),
      entry('POST', 'Patient', patient('A', { link: [{ other: { reference: b }, type: 'seealso' }] }), { fullUrl: a }),
      entry('POST', 'Patient', patient('B', { link: [{ other: { reference: a }, type: 'seealso' }] }), { fullUrl: b })
    ])
    const [own, first, second] = [0, 1, 2].map((index) => idOf(reply, index))
    expect((await get(`Observation/${own}`))).toMatchObject({ subject: { reference: `Patient/${first}` }, hasMember: [{ reference: `Observation/${own}` }] })
    expect((await get(`Patient/${first}`)).link[0].other.reference).toBe(`Patient/${second}`)
    expect((await get(`Patient/${second}`)).link[0].other.reference).toBe(`Patient/${first}`)
    expect((await get(`Observation?patient=${first}`)).total).toBe(1)
  })

  test('are replaced in uri values, extensions, contained resources and narrative links, and not in strings and canonicals', async () => {
    const a = urn()
    const reply = await run([
      entry('POST', 'Patient', patient('Target'), { fullUrl: a }),
      entry('POST', 'Observation', {
        ...observation(a, {
          text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml"><a href="${a}">${a}</a></div>` },
          contained: [{ resourceType: 'Provenance', id: 'p', target: [{ reference: '#' }, { reference: a }], recorded: '2026-01-01T00:00:00Z', agent: [{ who: { reference: a } }] }],
          extension: [{ url: 'http://example.org/e', valueUri: a }, { url: 'http://example.org/s', valueString: a }, { url: 'http://example.org/c', valueCanonical: a }],
          identifier: [{ system: 'urn:ietf:rfc:3986', value: a }], _status: { extension: [{ url: 'http://example.org/u', valueUrl: a }] }, note: [{ text: a }]
        })
      })
    ])
    const target = `Patient/${idOf(reply, 0)}`
    const stored = await get(`Observation/${idOf(reply, 1)}`)
    expect(stored.text.div).toContain(`<a href="${target}">${a}</a>`)
    expect([stored.contained[0].target[1].reference, stored.contained[0].agent[0].who.reference]).toEqual([target, target])
    expect(stored.extension).toMatchObject([{ valueUri: target }, { valueString: a }, { valueCanonical: a }])
    expect([stored.identifier[0].value, stored._status.extension[0].valueUrl, stored.note[0].text]).toEqual([a, target, a])
  })

  test('by the fullUrl of another server, absolute or relative to it, and to entries that are PUT', async () => {
    const old = 'http://old.example/fhir'
    const reply = await run([
      entry('POST', 'Patient', patient('Moved', { id: '23' }), { fullUrl: `${old}/Patient/23` }),
      entry('POST', 'Observation', observation('Patient/23'), { fullUrl: `${old}/Observation/1` }),
      entry('POST', 'Observation', observation(`${old}/Patient/23`), { fullUrl: urn() }),
      entry('PUT', 'Patient/kept-id', patient('Kept', { id: 'kept-id' }), { fullUrl: `${old}/Patient/kept-id` }),
      entry('POST', 'Observation', observation(`${old}/Patient/kept-id`)),
      entry('POST', 'Observation', observation('Patient/23'))
    ])
    const target = `Patient/${idOf(reply, 0)}`
    const subjects = await Promise.all([1, 2, 4, 5].map(async (index) => (await get(`Observation/${idOf(reply, index)}`)).subject.reference))
    expect(subjects).toEqual([target, target, 'Patient/kept-id', 'Patient/23'])
  })

  test('that are conditional resolve to the one match, stored or of the same bundle', async () => {
    const stored = await server.put(identified('cond-stored'))
    const reply = await run([
      entry('POST', 'Observation', observation(`Patient?${by('cond-stored')}`)), entry('POST', 'Observation', observation(`Patient?${by('cond-new')}`)), entry('POST', 'Patient', identified('cond-new'))
    ])
    expect((await get(`Observation/${idOf(reply, 0)}`)).subject.reference).toBe(`Patient/${stored.id}`)
    expect((await get(`Observation/${idOf(reply, 1)}`)).subject.reference).toBe(`Patient/${idOf(reply, 2)}`)
  })

  test.each([['none', 0, 'not-found'], ['several', 2, 'multiple-matches']])('that are conditional and match %s stop everything with 412', async (what, count, code) => {
    for (let n = 0; n < count; n++) await server.put(identified(`cond-${what}`))
    const before = await counts()
    expect(refusal(await run([entry('POST', 'Patient', patient('Beside')), entry('POST', 'Observation', observation(`Patient?${by(`cond-${what}`)}`))]))).toEqual([412, code, 'Bundle.entry[1]'])
    expect(await counts()).toEqual(before)
  })

  test('that are conditional do not find what the caller may not see, nor what the bundle deletes or changes away', async () => {
    const hidden = await server.put(identified('cond-hidden', { active: false }))
    const token = await server.token({ scope: 'system/Patient.crus?active=true system/Observation.crus' })
    const ask = (bearer: string, more: readonly object[] = []) => run([entry('POST', 'Observation', observation(`Patient?${by('cond-hidden')}`)), ...more], {}, bearer)
    expect(refusal(await ask(token))).toEqual([412, 'not-found', 'Bundle.entry[0]'])
    expect(refusal(await ask(system, [entry('DELETE', `Patient/${hidden.id}`)]))[0]).toBe(412)
    expect(refusal(await ask(system, [entry('PUT', `Patient/${hidden.id}`, patient('Away', { id: hidden.id }))]))[0]).toBe(412)
    expect(statuses(await ask(system))).toEqual([201])
  })

  test.each(['Patient?', 'Patient?identifier=', 'Patient?shoe=4', 'Patient?_count=1', 'Shoe?name=x'])('that are conditional by %s are refused', async (reference) => {
    const before = await counts()
    expect([400, 422]).toContain(refusal(await run([entry('POST', 'Observation', observation(reference))]))[0])
    expect(await counts()).toEqual(before)
  })
})

describe('conditional entries of a transaction', () => {
  test('If-None-Exist finds what is stored and what an entry before it writes, and references follow', async () => {
    const stored = await server.put(identified('ine-stored'))
    const [a, b] = [urn(), urn()]
    const reply = await run([
      entry('POST', 'Patient', identified('ine-stored'), { fullUrl: a, request: { ifNoneExist: by('ine-stored') } }), entry('POST', 'Patient', identified('ine-new'), { request: { ifNoneExist: by('ine-new') } }),
      entry('POST', 'Patient', identified('ine-new'), { fullUrl: b, request: { ifNoneExist: by('ine-new') } }), entry('POST', 'Observation', observation(a)), entry('POST', 'Observation', observation(b))
    ])
    expect(statuses(reply)).toEqual([200, 201, 200, 201, 201])
    expect([idOf(reply, 0), idOf(reply, 2)]).toEqual([stored.id, idOf(reply, 1)])
    expect((await get(`Observation/${idOf(reply, 3)}`)).subject.reference).toBe(`Patient/${stored.id}`)
    expect((await get(`Observation/${idOf(reply, 4)}`)).subject.reference).toBe(`Patient/${idOf(reply, 1)}`)
    expect((await get(`Patient?${by('ine-new')}`)).total).toBe(1)
  })

  test('conditional updates create, update or stop at 412; of no match they never overwrite the id in the body', async () => {
    const stored = await server.put(identified('cu'))
    const bystander = await server.put(patient('Bystander'))
    const reply = await run([entry('PUT', `Patient?${by('cu')}`, identified('cu', { active: true })), entry('PUT', `Patient?${by('cu-new')}`, identified('cu-new'))])
    expect(statuses(reply)).toEqual([200, 201])
    expect([idOf(reply, 0), (await get(`Patient/${stored.id}`)).active]).toEqual([stored.id, true])
    expect(refusal(await run([entry('PUT', `Patient?${by('cu-none')}`, identified('cu-none', { id: bystander.id }))]))[0]).toBe(412)
    expect(refusal(await run([entry('PUT', `Patient?${by('cu')}`, identified('cu', { id: bystander.id }))]))[0]).toBe(400)
    expect(await get(`Patient/${bystander.id}`)).toEqual(bystander)
  })

  test('a conditional update without a match creates for a caller who may not choose ids', async () => {
    const token = await server.token({ scope: 'system/Patient.crus?active=true' })
    const reply = await run([entry('PUT', `Patient?${by('cu-filter')}`, identified('cu-filter', { active: true }))], {}, token)
    expect(statuses(reply)).toEqual([201])
  })

  test.each<readonly [string, (id: string) => readonly object[]]>([
    ['PUT and PUT', (id) => [entry('PUT', `Patient/${id}`, identified('dup', { id })), entry('PUT', `Patient/${id}`, identified('dup', { id }))]],
    ['DELETE and PUT', (id) => [entry('DELETE', `Patient/${id}`), entry('PUT', `Patient/${id}`, identified('dup', { id }))]],
    ['DELETE and DELETE', (id) => [entry('DELETE', `Patient/${id}`), entry('DELETE', `Patient/${id}`)]],
    ['DELETE by criteria and PUT', (id) => [entry('DELETE', 'Patient?identifier=dup'), entry('PUT', `Patient/${id}`, identified('dup', { id }))]],
    ['DELETE by criteria and by id', (id) => [entry('DELETE', `Patient/${id}`), entry('DELETE', `Patient?_id=${id}`), entry('DELETE', `Patient/${id}`)]],
    ['PUT by criteria and by id', (id) => [entry('PUT', 'Patient?identifier=dup', identified('dup')), entry('PUT', `Patient/${id}`, identified('dup', { id }))]],
    ['two entries of one fullUrl', () => [entry('POST', 'Patient', patient('x'), { fullUrl: 'urn:uuid:1' }), entry('POST', 'Patient', patient('y'), { fullUrl: 'urn:uuid:1' })]]
  ])('%s of one resource are refused and change nothing', async (_what, entries) => {
    const { id } = (await get('Patient?identifier=dup')).entry?.[0]?.resource ?? (await server.put(identified('dup')))
    const [before, row] = [await counts(), await get(`Patient/${id}`)]
    expect([400, 422]).toContain(refusal(await run(entries(id)))[0])
    expect([await counts(), await get(`Patient/${id}`)]).toEqual([before, row])
  })
})

describe('a failing entry leaves nothing', () => {
  test.each<readonly [string, object, number]>([
    ['an invalid resource', entry('POST', 'Patient', patient('x', { birthDate: 'x' })), 400],
    ['a broken rule', entry('POST', 'Patient', patient('x', { gender: 'x' })), 422],
    ['a read of nothing', entry('GET', 'Patient/absent'), 404],
    ['a stale version', entry('PUT', 'Patient/stale', patient('x', { id: 'stale' }), { request: { ifMatch: 'W/"9"' } }), 412],
    ['a version that is none', entry('PUT', 'Patient/stale', patient('x', { id: 'stale' }), { request: { ifMatch: '9' } }), 400],
    ['another id than the URL', entry('PUT', 'Patient/one', patient('x', { id: 'two' })), 400],
    ['a search that is refused', entry('GET', 'Patient?shoe=4'), 400],
    ['an unknown type', entry('GET', 'Shoe/1'), 404],
    ['an operation', entry('POST', 'Patient/$match', patient('x')), 404],
    ['a path that climbs', entry('GET', 'Patient/../metadata'), 404],
    ['another server', entry('POST', 'https://elsewhere.example/fhir/R4/Patient', patient('x')), 400],
    ['a transaction inside', entry('POST', '/', bundle('transaction', [entry('POST', 'Patient', patient('x'))])), 400],
    ['a resource that a DELETE carries', entry('DELETE', 'Patient/x', patient('x')), 400],
    ['an update without a resource', entry('PUT', 'Patient/x'), 400]
  ])('where it is %s', async (_what, bad, status) => {
    const keep = await server.put(patient('Keep'))
    const before = await counts()
    const reply = await run([entry('POST', 'Patient', patient('Beside')), entry('DELETE', `Patient/${keep.id}`), bad, entry('POST', 'Organization', { resourceType: 'Organization', name: 'x' })])
    expect(refusal(reply).slice(0, 1)).toEqual([status])
    expect(reply.json.issue[0].expression[0]).toMatch(/^Bundle\.entry\[2\]/)
    expect(await counts()).toEqual(before)
    expect((await server.ask(system, 'GET', `Patient/${keep.id}`)).status).toBe(200)
  })

  test('where it is forbidden to the caller', async () => {
    const token = await server.token({ scope: 'system/Patient.cruds' })
    const before = await counts()
    expect(refusal(await run([entry('POST', 'Patient', patient('x')), entry('POST', 'Observation', observation(null))], {}, token))[0]).toBe(403)
    expect(await counts()).toEqual(before)
    expect(statuses(await run([entry('POST', 'Patient', patient('x'))], {}, token))).toEqual([201])
  })

  test('and an expression that says where in the bundle it lies', async () => {
    const reply = await run([entry('POST', 'Patient', patient('a')), entry('POST', 'Patient', patient('b', { contact: [{ gender: 'x' }] }))])
    expect(refusal(reply)[2]).toBe('Bundle.entry[1].resource.contact[0].gender')
  })

  test('and of 10 at once that want the same conditional create, one creates', async () => {
    for (let round = 0; round < 10; round++) {
      const race = `race-${round}`
      const replies = await Promise.all(Array.from({ length: 8 }, () => run([entry('POST', 'Patient', identified(race), { request: { ifNoneExist: by(race) } }), entry('POST', 'Observation', observation(`Patient?${by(race)}`))])))
      expect(replies.map((reply) => statuses(reply)[0]).sort()).toEqual([...Array<number>(7).fill(200), 201])
      expect((await get(`Patient?${by(race)}`)).total).toBe(1)
    }
  })

  test('and one that another writer overtakes between two of its reads runs again on what is there now', async () => {
    const records = server.running.system.records as { find: (...asked: unknown[]) => Promise<unknown> }
    const find = records.find
    let rival: Reply | null = null
    records.find = async function (...asked) {
      const page = await find.apply(records, asked)
      if (rival === null) {
        records.find = find
        rival = await server.ask(system, 'POST', 'Patient', { body: identified('rival'), headers: { 'if-none-exist': by('rival') } })
      }
      return page
    }
    const reply = await run([entry('POST', 'Patient', identified('rival'), { request: { ifNoneExist: by('rival') } }), entry('POST', 'Observation', observation(`Patient?${by('rival')}`))])
    expect([statuses(reply), rival!.status, idOf(reply, 0)]).toEqual([[200, 201], 201, rival!.json.id])
  })
})

describe('is on record', () => {
  const told = (token: string, entries: readonly object[]): Promise<Reply> => server.ask(token, 'POST', '', { body: bundle('transaction', entries) })
  const officer = () => server.token({ scope: 'user/AuditEvent.rs', roles: ['privacy-officer'], fhirUser: 'Practitioner/officer' })
  const events = async (subject: string): Promise<readonly Json[]> => {
    const { json } = await server.ask(await officer(), 'GET', 'AuditEvent?_count=200')
    return json.entry.map((one: Json) => one.resource).filter(({ agent, subtype }: Json) => subtype?.[0].code !== 'ITI-71' && agent.some(({ who }: Json) => who?.identifier?.value === subject))
  }
  const queries = (all: readonly Json[]): readonly string[] => all.flatMap(({ entity }) => entity).flatMap(({ query }: Json) => (query === undefined ? [] : [Buffer.from(query, 'base64').toString()])).sort()
  const named = (all: readonly Json[]): readonly string[] => [...new Set(all.flatMap(({ entity }) => entity).flatMap(({ what }: Json) => what?.reference ?? []))].sort()

  test('with each of its entries: what was read, what was searched for and not found, what was written and deleted', async () => {
    const token = await server.token({ ...SYSTEM, subject: 'teller' })
    const person = await server.put(patient('Told'))
    const [kept, gone] = [await server.put(observation(`Patient/${person.id}`)), await server.put(observation(`Patient/${person.id}`))]
    const reply = await told(token, [
      entry('GET', `Observation/${kept.id}`), entry('GET', `Observation?patient=${person.id}&code=8867-4&_summary=count`), entry('GET', `Condition?patient=${person.id}&code=hiv`),
      entry('DELETE', `Observation/${gone.id}`), entry('PUT', 'Patient/told-anew', patient('Anew', { id: 'told-anew' })), entry('POST', 'Observation', observation(`Patient/${person.id}`), { request: { ifNoneExist: 'identifier=urn:none|1' } })
    ])
    expect(statuses(reply)).toEqual([200, 200, 200, 204, 201, 201])
    const all = await events('teller')
    expect(queries(all)).toEqual([`GET /Condition?patient=${person.id}&code=hiv`, `GET /Observation?patient=${person.id}&code=8867-4&_summary=count`, 'POST /Observation?identifier=urn:none|1'])
    expect(named(all)).toEqual(expect.arrayContaining([`Observation/${kept.id}/_history/1`, `Observation/${gone.id}/_history/2`, 'Patient/told-anew/_history/1', `Patient/${person.id}`]))
    expect(new Set(all.map(({ subtype }) => subtype[0].code))).toEqual(new Set(['transaction', 'read', 'search-type', 'delete', 'create']))
  })

  test('also where it fails: what its entries asked for, and that nothing came of it', async () => {
    const token = await server.token({ ...SYSTEM, subject: 'prober' })
    const reply = await told(token, [entry('GET', 'Condition?code=hiv&_summary=count'), entry('DELETE', 'Observation?identifier=urn:probe|1'), entry('GET', 'Patient/not-there')])
    expect(reply.status).toBe(404)
    const all = await events('prober')
    expect(queries(all)).toEqual(['DELETE /Observation?identifier=urn%3Aprobe%7C1', 'GET /Condition?code=hiv&_summary=count'])
    expect(new Set(all.map(({ outcome }) => outcome))).toEqual(new Set(['4']))
    expect(named(all)).toContain('Patient/not-there')
  })
})
