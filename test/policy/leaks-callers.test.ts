/** DESIGN.md I2 for other callers: app scopes of version 1 and 2, granular scopes, clinicians with a panel, roles of the whole tenant. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Claims, idsOf, type Json } from '../harness.ts'
import { hiddenRefs } from './mixed.ts'
import { batchOf, plain, queries, slices, urlOf } from './queries.ts'
import { makeRow, rowId } from './rows.ts'
import { A, type Ask, B, differences, openLeakWorld, PATIENT_A, rowsOf, type Twins } from './world.ts'

const PHYSICIAN: Claims = { scope: 'user/*.cruds', roles: ['physician'], fhirUser: 'Practitioner/gp-a' }
const hidden = [...rowsOf(B).map(({ resourceType, id }) => `${resourceType}/${id}`), ...hiddenRefs]

let twins: Twins
beforeAll(async () => { twins = await openLeakWorld() })
afterAll(() => twins.close())

describe('callers who reach A alone', () => {
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
    const urls = [...plain, ...queries.filter((query) => !query.plain && query.text.includes(':not='))].filter((_, index) => index % 2 === 0).map((query) => urlOf(query))
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
    // The record that joined them goes over to another user and another patient in one write.
    await twins.full.load([team])
    expect((await ask('Patient/b')).status).toBe(200)
    await twins.full.load([{ ...team, subject: { reference: 'Patient/linked' }, participant: [{ member: { reference: 'Practitioner/other' } }] }])
    expect((await ask('Patient/b')).status).toBe(404)
  })

  test('criteria need the right to search, in every conditional interaction', async () => {
    const body = { ...makeRow('Observation', A), id: undefined }
    const asks: readonly Ask[] = [{ method: 'POST', path: 'Observation', body, headers: { 'if-none-exist': '_id=zzz' } }, { method: 'PUT', path: 'Observation?_id=zzz', body }, { method: 'DELETE', path: 'Observation?_id=zzz' },
      { method: 'POST', path: '', body: { resourceType: 'Bundle', type: 'transaction', entry: [{ resource: { ...body, focus: [{ reference: 'Patient?_id=a' }] }, request: { method: 'POST', url: 'Observation' } }] } }]
    for (const ask of asks) {
      expect([ask.path, (await twins.full.ask({ scope: 'system/Observation.crud system/Patient.r' }, ask)).status]).toEqual([ask.path, 403])
      expect([ask.path, (await twins.full.ask({ scope: 'system/Observation.cruds system/Patient.rs' }, ask)).status < 300]).toEqual([ask.path, true])
    }
  })
})

describe('roles', () => {
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
      for (const door of doors) expect([type, door, (await twins.full.ask(role(name), door)).status]).toEqual([type, door, 403])
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
  })
})
