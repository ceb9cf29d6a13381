/** DESIGN.md I2 for other callers: app scopes of version 1 and 2, granular scopes, clinicians with a panel, roles of the whole tenant, and labels. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Resource } from '../../src/model/resource.ts'
import { type Claims, idsOf, type Json, SYSTEM } from '../harness.ts'
import { hiddenRefs } from './mixed.ts'
import { batchOf, plain, queries, queriesOf, slices, urlOf } from './queries.ts'
import { makeRow, rowId } from './rows.ts'
import { A, type Ask, at, B, clock, differences, openLeakWorld, openTwins, PATIENT_A, rowsOf, rowsOfNobody, type Twins } from './world.ts'

const PHYSICIAN: Claims = { scope: 'user/*.cruds', roles: ['physician'], fhirUser: 'Practitioner/gp-a' }
const hidden = [...rowsOf(B).map(({ resourceType, id }) => `${resourceType}/${id}`), ...hiddenRefs]

describe('callers who reach A alone', () => {
  let twins: Twins
  beforeAll(async () => { twins = await openLeakWorld() })
  afterAll(() => twins.close())

  const callers: readonly (readonly [string, Claims])[] = [
    ['an app of A with scopes of version 1', { ...PATIENT_A, scope: 'patient/*.read patient/*.write' }],
    ['an app of A with a granular scope', { ...PATIENT_A, scope: 'patient/Observation.rs?code=urn:codes|shared patient/Condition.rs?category=urn:codes|shared patient/Patient.r' }],
    ['a physician of A', PHYSICIAN],
    ['a nurse of A', { ...PHYSICIAN, roles: ['nurse'] }],
    ['a physician of A and B who launched with A', { scope: 'patient/*.rs', roles: ['physician'], fhirUser: 'Practitioner/gp-a', patient: 'a' }],
    ['a physician of A who is also patient A', { scope: 'user/*.rs patient/*.rs', roles: ['physician'], fhirUser: 'Practitioner/gp-a', patient: 'a' }]
  ]
  test.each(callers)('%s: what B has is as if it were not there, at searches and at single rows', async (_who, claims) => {
    const seen = await twins.full.ask(claims, { path: 'Observation?_summary=count' })
    expect(seen.json.total).toBeGreaterThan(1)
    expect(idsOf((await twins.full.ask(claims, { path: 'Observation?code=urn:codes|code-a' })).json)).toContain('Observation/a-Observation-0')
    const urls = [...plain, ...queries.filter((query) => !query.plain && query.text.includes(':not='))].map((query) => urlOf(query))
    const refs = hidden.flatMap((ref) => [ref, `${ref}/_history`, `${ref}/_history/1`])
    expect(await differences(twins, claims, [...slices(urls, 60), ...slices(refs, 60)].map(batchOf))).toEqual([])
  })

  test('a physician who launches with a patient out of care sees neither', async () => {
    const claims = { scope: 'patient/*.rs', roles: ['physician'], fhirUser: 'Practitioner/gp-a', patient: 'b' }
    for (const type of ['Patient', 'Observation', 'Coverage']) expect([type, (await twins.full.ask(claims, { path: type })).json.total]).toEqual([type, 0])
    expect((await twins.full.ask({ ...claims, fhirUser: 'Practitioner/gp-b' }, { path: 'Patient' })).json.total).toBe(1)
  })

  test('a physician learns nothing of B by writing records that point there', async () => {
    const bodies = [...hidden.filter((ref) => !/-1$/.test(ref)), 'Observation/never-was'].map((reference): Json => ({
      resourceType: 'Task', status: 'requested', intent: 'order', for: { reference: 'Patient/a' }, focus: { reference } }))
    const asks = bodies.map((body): Ask => ({ method: 'POST', path: 'Task', body }))
    expect(await differences(twins, PHYSICIAN, asks)).toEqual([])
    for (const ask of asks) expect((await twins.full.ask(PHYSICIAN, ask)).status).toBe(403)
    const own = { method: 'POST', path: 'Task', body: { ...bodies[0], focus: { reference: 'Observation/a-Observation-0' } } }
    expect((await twins.full.ask(PHYSICIAN, own)).status).toBe(201)
  })

  test('a change of the panel counts from the next request on', async () => {
    const ask = (path: string) => twins.full.ask(PHYSICIAN, { path })
    expect((await ask('Patient/b')).status).toBe(404)
    const team = { resourceType: 'CareTeam', id: 'joined', status: 'active', subject: { reference: 'Patient/b' }, participant: [{ member: { reference: 'Practitioner/gp-a' } }] }
    await twins.full.load([team])
    expect([(await ask('Patient/b')).status, (await ask('Patient?_id=b')).json.total]).toEqual([200, 1])
    const page = (await ask('Observation?_count=1')).json.link[1].url.split('/fhir/R4/')[1]
    await twins.full.load([{ ...team, status: 'inactive' }])
    expect([(await ask('Patient/b')).status, (await ask('Patient?_id=b')).json.total]).toEqual([404, 0])
    expect(idsOf((await ask(page)).json).filter((ref) => hidden.includes(ref))).toEqual([])
  })
})

const category = (code: string): Json => [{ coding: [{ system: 'urn:c', code }] }]
const label = (code: string): Json => ({ security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code }] })
const observation = (id: string, content: Json): Resource => ({ ...makeRow('Observation', A), id, ...content }) as Resource
const many = (count: number, make: (n: number) => Resource): readonly Resource[] => Array.from({ length: count }, (_, n) => make(n))

describe('rows of the same patient that a scope or a label hides, more of them than a search may open', () => {
  let twins: Twins
  beforeAll(async () => {
    twins = await openTwins(async (side) => {
      await side.load([...rowsOfNobody(), makeRow('Patient', A), makeRow('Device', A), makeRow('Slot', A), makeRow('Schedule', A), ...many(3, (n) => observation(`lab-${n}`, { category: category('lab') }))])
    }, async (side) => {
      await at(-1, () => side.load([
        ...many(12, (n) => observation(`vital-${n}`, { category: category('vital') })),
        ...many(12, (n) => observation(`secret-${n}`, { category: category('lab'), meta: label('V') })),
        makeRow('Patient', B), makeRow('Schedule', B), ...many(12, (n) => ({ ...makeRow('Slot', B), id: `slot-${n}` })), ...many(12, (n) => ({ ...makeRow('Device', B), id: `device-${n}` })),
        ...many(12, (n) => ({ ...makeRow('Coverage', A), id: `coverage-${n}`, meta: label('R') }))
      ]))
    }, { SCAN_RECORDS_MAX: '5' })
  })
  afterAll(() => twins.close())

  const LAB: Claims = { ...PATIENT_A, scope: 'patient/Observation.rs?category=urn:c|lab&_security:not=http://terminology.hl7.org/CodeSystem/v3-Confidentiality|V patient/Slot.rs' }
  const LAB_STAFF: Claims = { scope: 'user/Observation.rs?category=urn:c|lab user/Device.rs user/Slot.rs', roles: ['physician'], fhirUser: 'Practitioner/gp-a' }
  const DESK: Claims = { scope: 'user/*.cruds', roles: ['front-desk'], fhirUser: 'Practitioner/desk' }
  const rows = [observation('vital-0', { category: category('vital') }), observation('secret-0', { category: category('lab'), meta: label('V') })]

  test.each([['an app with a granular scope', LAB, 'Observation', rows, 'lab-0'], ['a physician with one, cleared for R', LAB_STAFF, 'Observation', rows, 'lab-0'],
    ['a physician', LAB_STAFF, 'Device', [makeRow('Device', B)], rowId('Device', 'a')], ['an app', LAB, 'Slot', [makeRow('Slot', B)], rowId('Slot', 'a')],
    ['the front desk, cleared for N', DESK, 'Coverage', [{ ...makeRow('Coverage', A), meta: label('R') }], null]] as const
  )('%s: they change no answer, not even whether a search costs too much', async (_who, claims, type, hiddenOnes, own) => {
    const urls = queriesOf(type, hiddenOnes as readonly Resource[]).flatMap((query) => [urlOf(query), urlOf(query, '&_summary=count'), urlOf(query, '&_count=1&_total=accurate&_sort=_lastUpdated')])
    const ids = ['vital-0', 'secret-0', 'slot-0', 'device-0', 'coverage-0'].flatMap((id) => ['', '/_history', '/_history/1'].map((rest) => `${type}/${id}${rest}`))
    expect(await differences(twins, claims, [type, `${type}?_total=accurate&_count=1`, ...urls, ...ids].map((path) => ({ path })))).toEqual([])
    const found = await twins.full.ask(claims, { path: type })
    expect(found.status).toBe(200)
    if (own !== null) expect(idsOf(found.json)).toContain(`${type}/${own}`)
    // The system is refused for its cost, or finds them: they are there.
    const asSystem = await twins.full.ask(SYSTEM, { path: `${type}?_count=1000` })
    expect(asSystem.json.total).toBeGreaterThan(12)
    expect((await twins.full.ask(SYSTEM, { path: `${type}?_profile=urn:none` })).status).toBe(422)
  })

  test('writes on them answer as on absent rows, and no label is lowered', async () => {
    const asks = ['vital-0', 'secret-0', 'zzzzz-0'].flatMap((id): Ask[] => [
      { method: 'PUT', path: `Observation/${id}`, body: observation(id, { category: category('lab') }) },
      { method: 'PUT', path: `Observation/${id}`, body: observation(id, { category: category('lab') }), headers: { 'if-match': 'W/"1"' } },
      { method: 'PUT', path: `Observation?_id=${id}`, body: { ...observation(id, { category: category('lab') }) } }])
    const claims = { ...LAB_STAFF, scope: 'user/Observation.ru?category=urn:c|lab user/Observation.s?category=urn:c|lab' }
    expect(await differences(twins, claims, asks)).toEqual([])
    expect((await twins.full.ask(SYSTEM, { path: 'Observation/vital-0' })).json.meta.versionId).toBe('1')
    const lab = { method: 'PUT', path: 'Observation/lab-0', body: observation('lab-0', { category: category('lab'), meta: label('R') }) }
    expect((await twins.full.ask(claims, lab)).status).toBe(200)
    expect((await twins.full.ask(claims, { ...lab, body: observation('lab-0', { category: category('lab') }) })).status).toBe(403)
    expect((await twins.full.ask(claims, { ...lab, body: observation('lab-0', { category: category('vital'), meta: label('R') }) })).status).toBe(403)
    expect((await twins.full.ask(SYSTEM, { path: 'Observation/lab-0' })).json.meta.versionId).toBe('2')
  })
})

describe('roles', () => {
  let twins: Twins
  beforeAll(async () => { twins = await openLeakWorld() })
  afterAll(() => twins.close())

  const role = (name: string): Claims => ({ scope: 'user/*.cruds', roles: [name], fhirUser: 'Practitioner/x' })
  const clinical = ['Observation', 'MedicationRequest', 'DiagnosticReport', 'Binary', 'DocumentReference', 'Subscription', 'Provenance']

  test.each([['front-desk', [...clinical, 'Condition', 'Procedure', 'AuditEvent', 'Claim'], ['Patient', 'Appointment', 'Coverage', 'Encounter']],
    ['billing', [...clinical, 'AuditEvent', 'Appointment'], ['Patient', 'Condition', 'Claim', 'Encounter', 'Procedure']],
    ['auditor', [...clinical, 'Patient', 'Encounter'], ['AuditEvent']],
    ['nobody-knows', [...clinical, 'Patient', 'AuditEvent', 'Practitioner'], []],
    ['system', [...clinical, 'Patient'], []]] as const
  )('%s: types of others are refused at every door, its own answer', async (name, refused, allowed) => {
    for (const type of refused) {
      const id = rowId(type, 'a')
      const doors: Ask[] = [{ path: type }, { path: `${type}?_summary=count` }, { path: `${type}/${id}` }, { path: `${type}/${id}/_history` }, { path: `${type}/${id}/_history/1` },
        { method: 'POST', path: `${type}/_search`, body: '', headers: { 'content-type': 'application/x-www-form-urlencoded' } }, { method: 'POST', path: type, body: makeRow(type, A) },
        { method: 'PUT', path: `${type}/${id}`, body: makeRow(type, A) }, { method: 'DELETE', path: `${type}/${id}` }, { method: 'DELETE', path: `${type}?_id=${id}` }]
      for (const door of doors) expect([type, door, (await twins.full.ask(role(name), door)).status].map(String)).toEqual([type, door, type === 'AuditEvent' && door.method === 'DELETE' ? 403 : 403].map(String))
      const { json } = await twins.full.ask(role(name), batchOf([type, `${type}/${id}`]))
      expect(json.entry.map(({ response }: Json) => response.status)).toEqual(['403 Forbidden', '403 Forbidden'])
    }
    for (const type of allowed) expect([type, (await twins.full.ask(role(name), { path: type })).json.entry?.length > 0]).toEqual([type, true])
  })

  test('two of them are OR, row by row: what the desk sees of everyone is not joined to what a physician may do with some', async () => {
    const both: Claims = { scope: 'user/*.cruds', roles: ['front-desk', 'physician'], fhirUser: 'Practitioner/gp-a' }
    const [own, other] = [(await twins.full.ask(both, { path: 'Patient/a' })).json, (await twins.full.ask(both, { path: 'Patient/b' })).json]
    expect(own.identifier.map(({ value }: Json) => value)).toEqual(['mr-a', 'ssn-a'])
    expect(other.identifier.map(({ value }: Json) => value)).toEqual(['mr-b'])
    const ids = async (path: string) => idsOf((await twins.full.ask(both, { path })).json)
    expect([await ids('Patient?identifier=urn:ssn|ssn-a'), await ids('Patient?identifier=urn:ssn|ssn-b'), await ids('Patient?identifier=urn:mrn|mr-b')]).toEqual([['Patient/a'], [], ['Patient/b']])
    expect((await twins.full.ask(both, { path: 'Observation/b-Observation-0' })).status).toBe(404)
    clock.now += 1
  })
})
