/**
 * DESIGN.md I2 for rows that a scope or a label hides within one patient's record, and for those of others where the index cannot tell them apart:
 * there are more of them than one search may open, and still they change no answer.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Resource } from '../../src/model/resource.ts'
import { type Claims, idsOf, type Json, SYSTEM } from '../harness.ts'
import { batchOf, queriesOf, slices, urlOf } from './queries.ts'
import { makeRow, rowId } from './rows.ts'
import { A, type Ask, at, B, differences, openTwins, PATIENT_A, rowsOfNobody, type Twins } from './world.ts'

const category = (code: string): Json => [{ coding: [{ system: 'urn:c', code }] }]
const label = (code: string): Json => ({ security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code }] })
const observation = (id: string, content: Json): Resource => ({ ...makeRow('Observation', A), id, ...content }) as Resource
const many = (count: number, make: (n: number) => Resource): readonly Resource[] => Array.from({ length: count }, (_, n) => make(n))

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
  expect(await differences(twins, claims, [...[type, `${type}?_total=accurate&_count=1`, ...ids].map((path) => ({ path })), ...slices(urls, 60).map(batchOf)])).toEqual([])
  const found = await twins.full.ask(claims, { path: type })
  expect(found.status).toBe(200)
  if (own !== null) expect(idsOf(found.json)).toContain(`${type}/${own}`)
  // The system is refused for its cost, or finds them: they are there.
  const asSystem = await twins.full.ask(SYSTEM, { path: `${type}?_count=1000` })
  expect(asSystem.json.total).toBeGreaterThan(11)
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
