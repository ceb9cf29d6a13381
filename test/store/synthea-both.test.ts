/** The same synthetic patients in both stores: as many of each type, and every resource reads back the same, and as it was given. */
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { dataDir } from '../data.ts'
import { loadSynthea, readSynthea } from '../fhir/synthea.ts'
import { type Harness, type Json, type Reply, startHarness, SYSTEM } from '../harness.ts'
import { withDatabase } from '../stores.ts'
import { freshDatabase, mongoServer } from './mongo-place.ts'

const dir = dataDir()
const server = await mongoServer()
afterAll(() => server.end())
const missing = dir === null ? 'no data' : server.missing

/** Files up to so many bytes; all of them as a long run: TEST_SYNTHEA_BYTES=1e9. */
const BYTES_MAX = Number(process.env.TEST_SYNTHEA_BYTES ?? 240_000)

describe.skipIf(missing !== null)(`Synthea in both stores${missing === null ? '' : `: skipped, ${missing}`}`, () => {
  test('has equal counts and equal contents, of every type', { timeout: 3_600_000 }, async () => {
    const { rows } = readSynthea(join(dir!, 'synthea'), BYTES_MAX)
    const types = [...new Set(rows.map(({ resourceType }) => resourceType as string))].sort()
    expect(types.length).toBeGreaterThan(2)
    const contents: Map<string, Json>[] = []
    for (const settings of [{ STORE_URL: '' }, { STORE_URL: withDatabase(server.url, freshDatabase()) }]) {
      const harness = await startHarness({ ...settings, SCAN_RECORDS_MAX: '1000000', ENTRIES_MAX: '20000', BODY_BYTES_MAX: '50000000' })
      const token = await harness.token(SYSTEM)
      await loadSynthea(harness, token, rows)
      contents.push(await contentOf(harness, token, types))
      for (const type of types) {
        const { total } = (await harness.ask(token, 'GET', `${type}?_summary=count`)).json
        expect([type, total]).toEqual([type, rows.filter((row) => row.resourceType === type).length])
      }
      await harness.close()
    }
    expect(contents[0]!.size).toBe(rows.length)
    expect(contents[1]).toEqual(contents[0])
    for (const { meta: _meta, ...row } of rows) expect(contents[1]!.get(`${row.resourceType}/${row.id}`)).toMatchObject(row)
  })
})

/** Every resource but for what says when it was written. */
async function contentOf(harness: Harness, token: string, types: readonly string[]): Promise<Map<string, Json>> {
  const found = new Map<string, Json>()
  for (const type of types) {
    for (let path: string | undefined = `${type}?_count=1000`; path !== undefined;) {
      const { json }: Reply = await harness.ask(token, 'GET', path)
      for (const { resource } of json.entry ?? []) found.set(`${type}/${resource.id}`, { ...resource, meta: { ...resource.meta, lastUpdated: null } })
      path = json.link.find(({ relation }: Json) => relation === 'next')?.url.slice(harness.base.length + 1)
    }
  }
  return found
}
