import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { validateResource } from '../../src/fhir/validate/validate.ts'
import { type Harness, type Json, type Reply, startHarness, SYSTEM } from '../harness.ts'
import { bundle, entry, linkOf, observation, organization, pages, patient, refusal } from './kit.ts'

let server: Harness
let system: string
const times: string[] = []

const of = (id: string) => ({ subject: { reference: `Patient/${id}` } })
const tick = async (): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, 4))
  times.push(new Date().toISOString())
}

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
  await server.put(organization('Clinic', { id: 'clinic' }))
  await server.put({ resourceType: 'Practitioner', id: 'doctor' })
  await server.put({ resourceType: 'Practitioner', id: 'stranger' })
  await server.put({ resourceType: 'Medication', id: 'pill' })
  for (const id of ['a', 'b']) {
    await server.put(patient(id, { id, managingOrganization: { reference: 'Organization/clinic' } }))
    await server.put({ resourceType: 'Encounter', id: `visit-${id}`, status: 'finished', class: { code: 'AMB' }, ...of(id), period: { start: '2020-05-01', end: '2020-05-02' } })
    await server.put(observation(`Patient/${id}`, { id: `old-${id}`, effectiveDateTime: '2019-01-01', performer: [{ reference: 'Practitioner/doctor' }] }))
    await server.put(observation(`Patient/${id}`, { id: `new-${id}`, effectiveDateTime: '2020-05-01', encounter: { reference: `Encounter/visit-${id}` }, note: [{ text: '"reference":"Practitioner/stranger"' }] }))
    await server.put(observation(`Patient/${id}`, { id: `undated-${id}` }))
  }
  await tick()
  await server.put({ resourceType: 'MedicationRequest', id: 'order-a', status: 'active', intent: 'order', medicationReference: { reference: 'Medication/pill' }, authoredOn: '2020-05-02', encounter: { reference: 'Encounter/visit-a' }, ...of('a'), priorPrescription: { reference: 'MedicationRequest/none' } })
  await server.put({ resourceType: 'Provenance', id: 'prov-a', recorded: '2020-05-03T00:00:00Z', target: [{ reference: 'Observation/new-a' }], agent: [{ who: { reference: 'Patient/b' } }] })
  await server.put(observation('Patient/a', { id: 'gone-a' }))
  await server.ask(system, 'DELETE', 'Observation/gone-a')
})
afterAll(() => server.close())

const CLINICAL = ['Encounter/visit-a', 'MedicationRequest/order-a', 'Observation/new-a', 'Observation/old-a', 'Observation/undated-a', 'Patient/a', 'Provenance/prov-a']
const OTHERS = ['Medication/pill', 'Organization/clinic', 'Practitioner/doctor']
const rows = (json: Json, mode: string): readonly string[] => (json.entry ?? []).filter((one: Json) => one.search.mode === mode).map((one: Json) => `${one.resource.resourceType}/${one.resource.id}`).sort()
const everything = async (token: string, query = '', center = 'Patient/a'): Promise<Json> => {
  const reply = await server.ask(token, 'GET', `${center}/$everything${query}`)
  expect(reply.status, reply.text).toBe(200)
  return reply.json
}

describe('Patient $everything', () => {
  test('is the compartment, the patient first, and what of no patient it refers to', async () => {
    const json = await everything(system)
    expect([rows(json, 'match'), rows(json, 'include'), json.total, linkOf(server, json, 'next')]).toEqual([CLINICAL, OTHERS, CLINICAL.length, undefined])
    expect(json.entry[0].resource.id).toBe('a')
    expect([json.id, json.meta]).toEqual([undefined, undefined])
    expect(() => validateResource(json, 'Bundle')).not.toThrow()
    expect((await server.ask(system, 'HEAD', 'Patient/a/$everything')).status).toBe(200)
  })

  test('is the same by POST, with and without Parameters', async () => {
    const got = (await server.ask(system, 'GET', 'Patient/a/$everything?_type=Observation,Patient')).text
    const parameters = { resourceType: 'Parameters', parameter: [{ name: '_type', valueCode: 'Observation,Patient' }] }
    expect((await server.ask(system, 'POST', 'Patient/a/$everything', { body: parameters })).text).toBe(got)
    expect(rows((await server.ask(system, 'POST', 'Patient/a/$everything')).json, 'match')).toEqual(CLINICAL)
  })

  test.each([1, 2, 3, 6, 7, 8])('pages of %d hold each row once', async (count) => {
    const found = await pages(server, system, `Patient/a/$everything?_count=${count}`)
    const matched = found.flat().filter((ref) => !OTHERS.includes(ref))
    expect([...matched].sort()).toEqual(CLINICAL)
    expect(new Set(found.flat())).toEqual(new Set([...CLINICAL, ...OTHERS]))
  })

  test('_type, _since, start and end', async () => {
    const matched = async (query: string) => rows(await everything(system, query), 'match')
    expect(await matched('?_type=Observation')).toEqual(CLINICAL.filter((ref) => ref.startsWith('Observation')))
    expect(await matched('?_type=Patient&_type=Provenance')).toEqual(['Patient/a', 'Provenance/prov-a'])
    expect(rows(await everything(system, '?_type=Observation'), 'include')).toEqual([])
    expect(await matched(`?_since=${times[0]}`)).toEqual(['MedicationRequest/order-a', 'Provenance/prov-a'])
    expect(await matched('?start=2020-01-01')).toEqual(CLINICAL.filter((ref) => ref !== 'Observation/old-a'))
    expect(await matched('?end=2019-12-31')).toEqual(['Observation/old-a', 'Observation/undated-a', 'Patient/a'])
    expect(await matched('?start=2020-05-02&end=2020-05')).toEqual(['Encounter/visit-a', 'MedicationRequest/order-a', 'Observation/undated-a', 'Patient/a', 'Provenance/prov-a'])
    expect((await pages(server, system, 'Patient/a/$everything?start=2020-05-02&_count=1')).flat().filter((ref) => !OTHERS.includes(ref))).toHaveLength(5)
  })

  test.each(['name=x', '_count=0', '_count=x', '_type=Shoe', '_since=2020', 'start=x', 'end=2020-01-01T00:00:00Z', 'start=2021&end=2020', '_count=1&_count=2', '_sort=date'])('with ?%s is refused by name', async (query) => {
    const reply = await server.ask(system, 'GET', `Patient/a/$everything?${query}`)
    expect(refusal(reply)[0]).toBe(400)
    expect(reply.json.issue[0].diagnostics).toContain(query.split('=')[0])
  })

  test('of a hidden and an unknown patient is one 404, of a deleted one 410, and without the right 403', async () => {
    const self = await server.token({ scope: 'patient/*.rs', patient: 'a' })
    const replies = await Promise.all(['b', 'z'].map((id) => server.ask(self, 'GET', `Patient/${id}/$everything`)))
    expect([refusal(replies[0]!)[0], replies[0]!.text]).toEqual([404, replies[1]!.text])
    const { id } = await server.put(patient('Gone'))
    await server.ask(system, 'DELETE', `Patient/${id}`)
    expect(refusal(await server.ask(system, 'GET', `Patient/${id}/$everything`))[0]).toBe(410)
    expect(refusal(await server.ask(await server.token({ scope: 'system/Observation.rs' }), 'GET', 'Patient/a/$everything'))[0]).toBe(403)
  })

  test('holds for each caller what it may search: exact sets', async () => {
    const self = await everything(await server.token({ scope: 'patient/*.rs', patient: 'a' }))
    expect([rows(self, 'match'), rows(self, 'include')]).toEqual([CLINICAL, OTHERS])
    const narrow = await everything(await server.token({ scope: 'system/Patient.r system/Observation.s?_id=new-a system/Practitioner.r' }))
    expect([rows(narrow, 'match'), rows(narrow, 'include')]).toEqual([['Observation/new-a', 'Patient/a'], []])
    const some = await everything(await server.token({ scope: 'system/Patient.r system/Observation.s system/Practitioner.r?active=true' }), '?_count=2')
    expect([rows(some, 'match').length, rows(some, 'include')]).toEqual([2, []])
  })

  test('shows what a mask lets stay', async () => {
    const billing = await everything(await server.token({ scope: 'user/*.rs', roles: ['billing'], fhirUser: 'Practitioner/doctor' }))
    expect([rows(billing, 'match'), rows(billing, 'include')]).toEqual([['Encounter/visit-a', 'Patient/a'], []])
    expect(billing.entry.every((one: Json) => one.resource.meta.tag[0].code === 'SUBSETTED')).toBe(true)
    expect(billing.entry[0].resource.managingOrganization).toBeUndefined()
  })

  test('a page opens for its caller, its patient and alone', async () => {
    const next = linkOf(server, await everything(system, '?_count=2'), 'next')!
    expect((await server.ask(system, 'GET', next)).status).toBe(200)
    expect(refusal(await server.ask(await server.token({ ...SYSTEM, subject: 'stranger' }), 'GET', next))[0]).toBe(404)
    expect(refusal(await server.ask(system, 'GET', next.replace('Patient/a', 'Patient/b')))[0]).toBe(404)
    expect(refusal(await server.ask(system, 'GET', `${next}&_count=5`))[0]).toBe(400)
  })

  test('a row that leaves the patient between two pages is not on the second', async () => {
    const { id } = await server.put(patient('Pages'))
    const [first] = [await server.put(observation(`Patient/${id}`)), await server.put(observation(`Patient/${id}`))]
    const page = await everything(system, '?_count=2', `Patient/${id}`)
    await server.ask(system, 'DELETE', `Observation/${first.id}`)
    expect(rows((await server.ask(system, 'GET', linkOf(server, page, 'next')!)).json, 'match')).toEqual([])
  })

  test('shows several rows that were staged before it, the newest first', async () => {
    const id = (await server.put(patient('several'))).id
    const staged = Array.from({ length: 4 }, (_, i) => entry('PUT', `Observation/several-${i}`, observation(`Patient/${id}`, { id: `several-${i}` })))
    const reply = await server.ask(system, 'POST', '', { body: bundle('transaction', [...staged, entry('GET', `Patient/${id}/$everything`)]) })
    expect(reply.status, reply.text).toBe(200)
    const shown = reply.json.entry.at(-1).resource.entry.map(({ resource }: Json) => `${resource.resourceType}/${resource.id}`)
    expect([shown[0], ...shown.slice(1).sort()]).toEqual([`Patient/${id}`, 'Observation/several-0', 'Observation/several-1', 'Observation/several-2', 'Observation/several-3'])
  })

  test('runs in a batch and, on what was staged, in a transaction', async () => {
    const of = async (type: 'batch' | 'transaction', ...entries: object[]): Promise<Reply> => server.ask(system, 'POST', '', { body: bundle(type, entries) })
    const inBatch = await of('batch', entry('GET', 'Patient/a/$everything?_type=Patient'), entry('POST', 'Patient/a/$everything', { resourceType: 'Parameters', parameter: [{ name: '_type', valueCode: 'Patient' }] }), entry('GET', 'Patient/a/$everything?x=1'))
    expect(inBatch.json.entry.map((one: Json) => [one.response.status.slice(0, 3), one.resource === undefined ? [] : rows(one.resource, 'match')])).toEqual([['200', ['Patient/a']], ['200', ['Patient/a']], ['400', []]])
    const { id } = await server.put(patient('Staged'))
    const staged = await of('transaction', entry('PUT', 'Observation/staged', observation(`Patient/${id}`, { id: 'staged' })), entry('GET', `Patient/${id}/$everything`))
    expect(rows(staged.json.entry[1].resource, 'match')).toEqual(['Observation/staged', `Patient/${id}`].sort())
  })
})

describe('Encounter $everything', () => {
  test('is the encounter, what names it, and what it refers to', async () => {
    const json = await everything(system, '', 'Encounter/visit-a')
    expect([rows(json, 'match'), rows(json, 'include')]).toEqual([['Encounter/visit-a', 'MedicationRequest/order-a', 'Observation/new-a'], ['Medication/pill', 'Patient/a']])
    expect((await pages(server, system, 'Encounter/visit-a/$everything?_count=1')).flat().filter((ref) => /^(E|MedicationR|O)/.test(ref))).toHaveLength(3)
    expect(refusal(await server.ask(system, 'GET', 'Encounter/visit-a/$everything?start=2020'))[0]).toBe(400)
  })

  test('hides what its caller may not see', async () => {
    const self = await server.token({ scope: 'patient/*.rs', patient: 'a' })
    expect(rows(await everything(self, '', 'Encounter/visit-a'), 'match')).toEqual(['Encounter/visit-a', 'MedicationRequest/order-a', 'Observation/new-a'])
    expect(refusal(await server.ask(self, 'GET', 'Encounter/visit-b/$everything'))[0]).toBe(404)
    const narrow = await everything(await server.token({ scope: 'system/Encounter.r system/Observation.s' }), '', 'Encounter/visit-a')
    expect([rows(narrow, 'match'), rows(narrow, 'include')]).toEqual([['Encounter/visit-a', 'Observation/new-a'], []])
  })

  test('of an encounter of nobody is itself alone', async () => {
    const { id } = await server.put({ resourceType: 'Encounter', status: 'planned', class: { code: 'AMB' } })
    expect(rows(await everything(system, '', `Encounter/${id}`), 'match')).toEqual([`Encounter/${id}`])
  })
})

describe('a page that is asked for again', () => {
  const staff: Readonly<Record<string, Parameters<Harness['token']>[0]>> = {
    system: SYSTEM, vitals: { scope: 'system/Patient.rs system/Practitioner.rs system/Observation.rs?status=final' }, billing: { scope: 'user/*.rs', roles: ['billing'], fhirUser: 'Practitioner/doctor' }
  }
  const performers = (json: Json): readonly string[] => rows(json, 'include').filter((ref) => ref.startsWith('Practitioner/'))

  test('is what each caller sees, and follows what is written', async () => {
    const { id } = await server.put(patient('again'))
    const name = (i: number): string => `again-${i}`
    await server.ask(system, 'POST', '', { body: bundle('batch', Array.from({ length: 60 }, (_, i) => entry('PUT', `Observation/${name(i)}`, observation(`Patient/${id}`, {
      id: name(i), status: i % 2 === 0 ? 'final' : 'preliminary', performer: [{ reference: i === 1 ? `${server.base}/Practitioner/stranger` : 'Practitioner/doctor/_history/1' }], hasMember: [{ reference: `Observation/${name(3)}/_history/1` }]
    })))) })
    const tokens = Object.fromEntries(await Promise.all(Object.entries(staff).map(async ([who, caller]) => [who, await server.token(caller)])))
    const all = Array.from({ length: 60 }, (_, i) => `Observation/${name(i)}`)
    for (let round = 0; round < 3; round++) {
      const seen = await Promise.all(Object.keys(staff).map(async (who) => {
        const json = await everything(tokens[who], '', `Patient/${id}`)
        return [rows(json, 'match'), performers(json)]
      }))
      expect(seen).toEqual([
        [[...all, `Patient/${id}`].sort(), ['Practitioner/doctor', 'Practitioner/stranger']],
        [[...all.filter((_, i) => i % 2 === 0), `Patient/${id}`].sort(), ['Practitioner/doctor']],
        [[`Patient/${id}`], []]
      ])
    }
    const before = (await everything(system, '', `Patient/${id}`)).entry.length
    await server.ask(system, 'PUT', `Observation/${name(1)}`, { body: observation(`Patient/${id}`, { id: name(1) }) })
    const after = await everything(system, '', `Patient/${id}`)
    expect([performers(after), after.entry.length]).toEqual([['Practitioner/doctor'], before - 1])
    const { json } = await server.ask(await server.token({ scope: 'system/AuditEvent.rs' }), 'GET', `AuditEvent?entity=Observation/${name(1)}&_sort=-date&_count=1`)
    expect(json.entry[0].resource.entity.map((one: Json) => one.what?.reference)).toContain(`Observation/${name(1)}/_history/2`)
  })
})

test('a page of masked rows that is asked for between others of the same rows leads nowhere that the mask hides', async () => {
  const { id } = await server.put(patient('masked'))
  await server.put(organization('Origin', { id: 'origin' }))
  await server.ask(system, 'POST', '', { body: bundle('batch', Array.from({ length: 40 }, (_, i) => entry('PUT', `Encounter/masked-${i}`, {
    resourceType: 'Encounter', id: `masked-${i}`, status: 'finished', class: { code: 'AMB' }, ...of(id), participant: [{ individual: { reference: 'Practitioner/doctor' } }], hospitalization: { origin: { reference: 'Organization/origin' } }
  }))) })
  const billing = await server.token({ scope: 'user/*.rs', roles: ['billing'], fhirUser: 'Practitioner/doctor' })
  for (const [token, beside] of [[billing, ['Practitioner/doctor']], [system, ['Organization/origin', 'Practitioner/doctor']], [billing, ['Practitioner/doctor']], [system, ['Organization/origin', 'Practitioner/doctor']]] as const) {
    const json = await everything(token, '', `Patient/${id}`)
    expect([rows(json, 'match').length, rows(json, 'include')]).toEqual([41, beside])
  }
})

test('what was given is in the ledger, by name of the operation, and what was not is not', async () => {
  const token = await server.token({ scope: 'patient/Patient.rs patient/Observation.rs', patient: 'a', subject: 'audited' })
  await everything(token, '?_type=Observation')
  const auditor = await server.token({ scope: 'system/AuditEvent.rs' })
  const { json } = await server.ask(auditor, 'GET', 'AuditEvent?patient=a&_count=200')
  const event = json.entry.map((one: Json) => one.resource).find((one: Json) => one.subtype?.[0]?.code === 'operation')
  expect(event.subtype[0].display).toBe('everything')
  const named = event.entity.map((one: Json) => one.what?.reference).filter((text: string | undefined) => text?.startsWith('Observation/')).map((text: string) => text.split('/')[1]).sort()
  expect(named).toEqual(['new-a', 'old-a', 'undated-a'])
})
