/**
 * DESIGN.md I2 by searches, continued: modifiers, prefixes, totals, order and page links, as entries of batches. Bodies are so large here that the
 * thread for large ones answers them: its guard is the same.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SYSTEM } from '../harness.ts'
import { batchOf, plain, queries, slices, urlOf } from './queries.ts'
import { differences, openLeakWorld, PATIENT_A, type Twins } from './world.ts'

let twins: Twins
beforeAll(async () => { twins = await openLeakWorld({ BODY_BYTES_INLINE: '3000' }) })
afterAll(() => twins.close())

test('the system\'s own answers differ between the worlds (positive control)', async () => {
  const urls = ['Observation?code:not=none', 'Condition?subject:missing=false&_summary=count', 'Encounter?_count=1&_total=accurate', 'Patient?birthdate=ge1900']
  expect(await differences(twins, SYSTEM, urls.map((path) => ({ path })))).toHaveLength(urls.length)
  expect(await differences(twins, SYSTEM, [batchOf(urls)])).toHaveLength(1)
})

test('modifiers, prefixes and :missing, with the values of hidden rows', async () => {
  expect(await differences(twins, PATIENT_A, slices(queries.filter((query) => !query.plain).map((query) => urlOf(query)), 60).map(batchOf))).toEqual([])
})

test('totals, order and the links of small pages', async () => {
  const rests = ['&_summary=count', '&_count=0', '&_count=1&_total=accurate', '&_count=2&_sort=_lastUpdated&_total=estimate']
  const urls = plain.map((query, index) => urlOf(query, rests[index % rests.length]))
  expect(await differences(twins, PATIENT_A, slices(urls, 60).map(batchOf))).toEqual([])
})
