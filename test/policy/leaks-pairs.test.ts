/**
 * DESIGN.md I2 by everything at once: each parameter under each modifier, with values of hidden rows and of the caller's own, beside a chain, a
 * _has, an include, an order, a summary, a total. `LEAK_CASES` asks more than the spread that `npm test` takes.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Claims, type Json, SYSTEM } from '../harness.ts'
import { seenByA } from './mixed.ts'
import { chains, filters, includes, reverseIncludes, reverses, someOf, sorts } from './operators.ts'
import { batchOf, queries, queriesOf, type Query, slices, types } from './queries.ts'
import { A, differences, inTurns, openLeakWorld, PATIENT_A, rowsOf, type Twins } from './world.ts'

const CASES = Number(process.env.LEAK_CASES ?? 900)
const PHYSICIAN: Claims = { scope: 'user/*.cruds', roles: ['physician'], fhirUser: 'Practitioner/gp-a' }

let twins: Twins
beforeAll(async () => { twins = await openLeakWorld({ BODY_BYTES_INLINE: '3000' }) })
afterAll(() => twins.close())

const mine = [...rowsOf(A), ...seenByA]
const all: readonly Query[] = [...queries, ...types.flatMap((type) => queriesOf(type, mine.filter(({ resourceType }) => resourceType === type)))]
const parameters = (urls: readonly string[], type: string): readonly string[] => urls.filter((url) => url.startsWith(`${type}?`)).map((url) => url.slice(type.length + 1))
const results = ['_summary=count', '_summary=true', '_summary=data', '_elements=id,status', '_count=1&_total=accurate', '_count=2&_sort=_lastUpdated', '_total=estimate', '_sort=-_id&_count=1']

/** One request for each query and each kind of what stands beside it; which one of a kind turns with the query. */
const pairs: readonly string[] = types.flatMap((type) => {
  const kinds = [chains, reverses, includes, reverseIncludes, sorts].map((urls) => parameters(urls, type)).concat([results]).filter((each) => each.length > 0)
  const asked = all.filter((query) => query.type === type)
  return asked.flatMap(({ text }, at) => [
    ...kinds.map((kind, number) => `${type}?${text}&${kind[(at + number) % kind.length]}`),
    `${type}?${text}&${asked[(at * 7 + 3) % asked.length]!.text}`
  ])
})
const asked = someOf(pairs, CASES)
const LIMIT_MS = 600_000 + 200 * asked.length

test('there are over 10,000 requests, of every type, and the system sees the worlds apart by them', async () => {
  expect(new Set(pairs).size).toBeGreaterThan(10_000)
  expect(new Set(asked.map((url) => url.split('?')[0]))).toEqual(new Set(types))
  const some = someOf(pairs, 120)
  const apart = await differences(twins, SYSTEM, some.map((path) => ({ path })))
  expect(apart.length).toBeGreaterThan(some.length / 5)
})

describe('by _filter, _content and _list', () => {
  const some = someOf(filters, 240)

  test('the system sees the worlds apart, and a patient learns nothing', async () => {
    expect((await differences(twins, SYSTEM, some.map((path) => ({ path })))).length).toBeGreaterThan(some.length / 8)
    expect(await differences(twins, PATIENT_A, slices(some, 40).map(batchOf))).toEqual([])
  })
})

describe('whoever may not see B', () => {
  test.each([['patient A', PATIENT_A], ['a physician of A', PHYSICIAN]] as const)('%s learns nothing', { timeout: LIMIT_MS }, async (_who, claims) => {
    expect(await differences(twins, claims, slices(asked, 40).map(batchOf))).toEqual([])
  })

  test('and is answered, with rows: a world of refusals would be alike too', { timeout: LIMIT_MS }, async () => {
    const statuses: Record<string, number> = {}
    let rows = 0
    await inTurns(slices(someOf(asked, 400), 40), 4, async (some) => {
      const { json } = await twins.full.ask(PATIENT_A, batchOf(some))
      for (const { response, resource } of json.entry as Json[]) {
        statuses[response.status.slice(0, 3)] = (statuses[response.status.slice(0, 3)] ?? 0) + 1
        rows += (resource?.entry ?? []).length > 0 ? 1 : 0
      }
    })
    expect(statuses['200']).toBeGreaterThan(200)
    expect(rows).toBeGreaterThan(60)
    expect(Object.keys(statuses).filter((status) => !['200', '400', '403', '422'].includes(status))).toEqual([])
  })
})
