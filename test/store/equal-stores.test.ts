import { afterAll, describe, expect, test } from 'vitest'
import { equalStores } from './equal-stores.ts'
import { mongoServer } from './mongo-place.ts'

const server = await mongoServer()
afterAll(() => server.end())

/** 10,000 as a long run: TEST_EQUAL_QUERIES=10000. */
const QUERIES = Number(process.env.TEST_EQUAL_QUERIES ?? 60)

describe.skipIf(server.missing !== null)(`both stores${server.missing === null ? '' : `: skipped, ${server.missing}`}`, () => {
  test(`answer ${QUERIES} random queries like a loop over all that was written: rows, order, pages, counts`, { timeout: 3_600_000 }, async () => {
    const report = await equalStores({ url: server.url, queries: QUERIES, seed: 20_261_123 })
    expect(report.faults).toEqual([])
    expect(report.queries).toBe(QUERIES)
    // Queries that match nothing, or all of one page, would prove little.
    expect(report.matched).toBeGreaterThan(QUERIES)
    expect(report.pages).toBeGreaterThan(QUERIES / 20)
  })

  test('are judged by a comparison that finds one row too few', async () => {
    const report = await equalStores({ url: server.url, queries: 20, seed: 7, plant: true })
    expect(report.faults.length).toBeGreaterThan(5)
  })
})
