/**
 * DESIGN.md I2 by searches: every search parameter of every type of patients' rows, with the values of rows that patient A may not see, under
 * every modifier, is answered as in a world without those rows. The same query by the system finds them: it would show a leak.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { idsOf, type Json, SYSTEM } from '../harness.ts'
import { seenByA } from './mixed.ts'
import { batchOf, hiddenRows, plain, queries, slices, types, urlOf } from './queries.ts'
import { BASE, rowId } from './rows.ts'
import { A, type Ask, differences, inTurns, minute, openLeakWorld, pagesOf, PATIENT_A, PATIENT_B, rowsOf, type Twins } from './world.ts'

let twins: Twins
beforeAll(async () => { twins = await openLeakWorld() })
afterAll(() => twins.close())

const hidden = new Set(hiddenRows.map(({ resourceType, id }) => `${resourceType}/${id}`))
const mayA = new Set([...[...rowsOf(A), ...seenByA].map(({ resourceType, id }) => `${resourceType}/${id}`), 'Observation/gained'])

describe('what B has, A cannot find', () => {
  test('the requests are made from the registry: every type of patients\' rows and over 1000 values of hidden rows', () => {
    expect(new Set(queries.map(({ type }) => type))).toEqual(new Set(types))
    expect(queries.length).toBeGreaterThan(5000)
    expect(new Set(plain.map(({ type, code }) => `${type}.${code}`)).size).toBeGreaterThan(700)
  })

  test('every one of these values leads the system to a hidden row (positive control)', async () => {
    const blind: string[] = []
    await inTurns(slices(plain.map((query) => urlOf(query, '&_count=1000')), 60), 4, async (some) => {
      const { json } = await twins.full.ask(SYSTEM, batchOf(some))
      some.forEach((url, index) => {
        if (!idsOf(json.entry[index].resource ?? {}).some((ref) => hidden.has(ref))) blind.push(url)
      })
    })
    expect(blind).toEqual([])
  })

  test('by its values: one request each', async () => {
    expect(await differences(twins, PATIENT_A, plain.map((query) => ({ path: urlOf(query) })))).toEqual([])
  })

  test('by parameters of all types, and by POST', async () => {
    const asks = types.flatMap((type): Ask[] => {
      const refs = hiddenRows.filter(({ resourceType }) => resourceType === type).map(({ id }) => id)
      const texts = ['', '_total=accurate', '_summary=count', '_sort=_lastUpdated', '_sort=-_lastUpdated&_count=1&_total=accurate', `_id=${refs.join(',')}`,
        `_id:not=${refs[0]}`, `_id=${refs[0]},${rowId(type, 'a')}`, `_lastUpdated=ge${minute(-11)}&_lastUpdated=lt${minute(-2)}`, '_lastUpdated:missing=true', '_tag:missing=true', '_security:not=x', '_profile:missing=false']
      return [...texts.map((text) => ({ path: `${type}?${text}` })), {
        method: 'POST', path: `${type}/_search?_total=accurate`, body: `_id=${refs.join('%2C')}`, headers: { 'content-type': 'application/x-www-form-urlencoded' }
      }]
    })
    expect(await differences(twins, PATIENT_A, asks)).toEqual([])
  })

  test('by what is written wrongly: refused alike, and never answered unfiltered', async () => {
    const wrong = ['patient=Patient/b&nosuch=1', 'Patient=Patient/b', 'patient:Nosuch=b', 'subject.name=Familyb', '_has:Observation:patient:code=x', '_filter=id eq b', '_include=*',
      '_debug=true', '_explain=1', 'patient[$ne]=a', '__proto__=b', '_sort=$$$', '_page=x', 'patient=Patient/a&patient=Patient/b', 'patient=Patient/a,Patient/b', 'patient=', '_id=']
    const asks = wrong.flatMap((text) => ['Observation', 'Condition', 'Coverage'].flatMap((type): Ask[] => [
      { path: `${type}?${text.replaceAll(' ', '%20')}` }, { path: `${type}?${text.replaceAll(' ', '%20')}`, headers: { prefer: 'handling=lenient' } }]))
    expect(await differences(twins, PATIENT_A, asks)).toEqual([])
    for (const ask of asks) {
      const { status, json } = await twins.full.ask(PATIENT_A, ask)
      expect([200, 400, 404]).toContain(status)
      const foreign = (json.entry ?? []).filter(({ resource }: Json) => !mayA.has(`${resource.resourceType}/${resource.id}`))
      expect([ask.path, foreign.map(({ resource }: Json) => resource.id)]).toEqual([ask.path, []])
    }
  })
})

describe('what A has, A finds', () => {
  test('exactly: each type by all its rows, in pages of one and at once', async () => {
    for (const type of types) {
      const owed = [...mayA].filter((ref) => ref.startsWith(`${type}/`)).sort()
      const whole = await twins.full.ask(PATIENT_A, { path: `${type}?_count=1000&_total=accurate` })
      if (type === 'Device') {
        expect([type, whole.status]).toEqual([type, 403])
        continue
      }
      expect([type, whole.json.total, idsOf(whole.json)]).toEqual([type, owed.length, owed])
      for (const order of ['', '&_sort=_lastUpdated']) {
        const pages = await pagesOf(twins.full, PATIENT_A, `${type}?_count=1${order}`)
        expect([type, pages.length, pages.flatMap(({ json }) => idsOf(json)).sort()]).toEqual([type, Math.max(1, owed.length), owed])
      }
    }
  })

  test('B finds what A may not: the rows are there and are some patient\'s', async () => {
    for (const type of types.filter((each) => each !== 'Device' && each !== 'Patient')) {
      const found = idsOf((await twins.full.ask(PATIENT_B, { path: `${type}?_count=1000` })).json)
      for (const variant of [0, 1]) expect(found).toContain(`${type}/${rowId(type, 'b', variant)}`)
      expect(found.filter((ref) => mayA.has(ref)).every((ref) => /coverage|allergy|message/.test(ref))).toBe(true)
    }
    expect(idsOf((await twins.full.ask(PATIENT_B, { path: 'Patient' })).json)).toEqual(['Patient/b'])
  })

  test('types outside every patient\'s reach are refused by name, alike', async () => {
    const asks = ['Bundle', 'Linkage', 'MessageHeader', 'Parameters', 'PaymentReconciliation', 'Subscription', 'TestReport', 'VerificationResult', 'Medication', 'Location', 'Device'].map((type) => ({ path: type }))
    for (const ask of asks) expect([ask.path, (await twins.full.ask(PATIENT_A, ask)).status]).toEqual([ask.path, 403])
    expect(await differences(twins, PATIENT_A, asks)).toEqual([])
    expect((await twins.full.ask(SYSTEM, { path: 'Subscription' })).json.total).toBe(1)
  })
})

test('a link of the reply leads nowhere else', async () => {
  const { json } = await twins.full.ask(PATIENT_A, { path: 'Observation?_count=1' })
  expect(json.link.every(({ url }: Json) => url.startsWith(`${BASE}/Observation?`))).toBe(true)
})
