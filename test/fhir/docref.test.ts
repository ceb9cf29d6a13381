/** US Core's $docref: the documents of a patient by date of care and type, as the caller may see them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, idsOf, type Json, startHarness, SYSTEM } from '../harness.ts'

const LOINC = 'http://loinc.org'
const [CCD, NOTE] = ['34133-9', '28570-0']

let server: Harness
let system: string
const document = (id: string, patient: string, code: string, date: string, more: object = {}): Json => ({
  resourceType: 'DocumentReference', id, status: 'current', type: { coding: [{ system: LOINC, code }] }, subject: { reference: `Patient/${patient}` }, date, content: [{ attachment: { url: `Binary/${id}` } }], ...more
})
const care = (start: string, end: string): object => ({ context: { period: { start, end } } })

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
  for (const id of ['a', 'b']) await server.put({ resourceType: 'Patient', id, name: [{ family: id }] })
  for (const each of [
    document('ccd-new', 'a', CCD, '2024-05-01T00:00:00Z'), document('ccd-old', 'a', CCD, '2020-05-01T00:00:00Z'), document('wrong', 'a', CCD, '2025-01-01T00:00:00Z', { status: 'entered-in-error' }),
    // Written long after the care that it tells of.
    document('note', 'a', NOTE, '2026-02-01T00:00:00Z', care('2019-03-01', '2019-03-02')), document('of-b', 'b', CCD, '2024-06-01T00:00:00Z')
  ]) await server.put(each)
})
afterAll(() => server.close())

const found = async (query: string, token = system): Promise<readonly string[]> => {
  const { status, json } = await server.ask(token, 'GET', `DocumentReference/$docref?${query}`)
  expect([status, json.type]).toEqual([200, 'searchset'])
  expect(json.total).toBe((json.entry ?? []).length)
  return idsOf(json).map((ref) => ref.split('/')[1]!)
}

describe('$docref', () => {
  test('without more than a patient gives the newest CCD, and nothing for a patient that has none or is not there', async () => {
    expect([await found('patient=a'), await found('patient=b'), await found('patient=zz')]).toEqual([['ccd-new'], ['of-b'], []])
    expect(await found(`patient=a&type=${LOINC}|${NOTE}`)).toEqual(['note'])
  })

  test('takes the time of care, the document\'s own where that is not said, and types', async () => {
    expect(await found('patient=a&start=2018')).toEqual(['ccd-new', 'ccd-old', 'note'])
    expect(await found('patient=a&start=2019-03-02T00:00:00Z&end=2019-12-31')).toEqual(['note'])
    expect(await found('patient=a&start=2025')).toEqual([])
    expect(await found('patient=a&end=2020-12-31')).toEqual(['ccd-old', 'note'])
    expect(await found(`patient=a&end=2020-12-31&type=${LOINC}|${CCD}`)).toEqual(['ccd-old'])
    expect(await found(`patient=a&start=2018&type=${LOINC}|${CCD},${LOINC}|${NOTE}`)).toEqual(['ccd-new', 'ccd-old', 'note'])
    expect(await found(`patient=a&start=2018&type=${LOINC}|${CCD}&type=${LOINC}|${NOTE}`)).toEqual(['ccd-new', 'ccd-old', 'note'])
    expect([await found('patient=a&start=2018&on-demand=true'), await found('patient=a&on-demand=false')]).toEqual([[], ['ccd-new']])
  })

  test('takes the same in Parameters', async () => {
    const body = { resourceType: 'Parameters', parameter: [{ name: 'patient', valueId: 'a' }, { name: 'start', valueDateTime: '2018' }, { name: 'type', valueCoding: { system: LOINC, code: NOTE } }] }
    expect(idsOf((await server.ask(system, 'POST', 'DocumentReference/$docref', { body })).json)).toEqual(['DocumentReference/note'])
  })

  test('shows what the caller may see: another patient\'s documents are as if there were none', async () => {
    const a = await server.token({ scope: 'patient/*.rs', patient: 'a' })
    const half = await server.token({ scope: `system/DocumentReference.rs?type=${LOINC}|${NOTE}` })
    expect([await found('patient=a', a), await found('patient=b', a), await found('patient=b&start=2018', a)]).toEqual([['ccd-new'], [], []])
    expect([await found('patient=a&start=2018', half), await found('patient=a', half)]).toEqual([['note'], []])
    expect((await server.ask(await server.token({ scope: 'system/Patient.rs' }), 'GET', 'DocumentReference/$docref?patient=a')).status).toBe(403)
  })

  test('refuses what it does not know by name', async () => {
    for (const query of ['', 'patient=a/b', 'patient=a&patient=b', 'patient=a&start=x', 'patient=a&start=2021&end=2020', 'patient=a&profile=urn:x', 'patient=a&type=|', 'patient=a&on-demand=yes', 'patient=a&status=current']) {
      expect([query, (await server.ask(system, 'GET', `DocumentReference/$docref?${query}`)).status]).toEqual([query, 400])
    }
    expect((await server.ask(system, 'GET', 'DocumentReference/$docref?patient=a&profile=urn:x')).text).toContain('profile')
  })
})
