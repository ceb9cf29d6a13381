/**
 * The same synthetic patients in both stores: as many of each type, and every resource reads back the same, and as it was given. Then each store is
 * moved into the other kind, and every resource reads back unchanged.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { moveStore } from '../../src/moving.ts'
import { dataDir } from '../data.ts'
import { loadSynthea, readSynthea } from '../fhir/synthea.ts'
import { type Harness, type Json, type Reply, startHarness, SYSTEM } from '../harness.ts'
import { dropStore, withDatabase } from '../stores.ts'
import { freshDatabase, mongoServer } from './mongo-place.ts'

const dir = dataDir()
const server = await mongoServer()
const places: Settings[] = []
afterAll(async () => {
  for (const { STORE_URL, DATA_DIR } of places) {
    if (STORE_URL.startsWith('mongodb')) await dropStore({ STORE_URL })
    rmSync(DATA_DIR, { recursive: true, force: true })
  }
  await server.end()
})
const missing = dir === null ? 'no data' : server.missing

/** Files up to so many bytes; all of them as a long run: TEST_SYNTHEA_BYTES=1e9. */
const BYTES_MAX = Number(process.env.TEST_SYNTHEA_BYTES ?? 240_000)
const BOUNDS = { SCAN_RECORDS_MAX: '1000000', ENTRIES_MAX: '20000', BODY_BYTES_MAX: '50000000' }

type Settings = Readonly<Record<'DATA_DIR' | 'KEY_URL' | 'STORE_URL', string>>
type Contents = ReadonlyMap<string, Json>

/** A store of that kind that is not there yet; on keys of its own, or on those of the store that is moved into it. */
function newSettings(kind: 'sqlite' | 'mongodb', keys?: Settings): Settings {
  const place = mkdtempSync(join(tmpdir(), 'wardkeep-synthea-'))
  const url = kind === 'sqlite' ? `sqlite:${join(place, 'wardkeep.db')}` : withDatabase(server.url, freshDatabase())
  const settings = { DATA_DIR: place, KEY_URL: keys?.KEY_URL ?? `file:${join(place, 'keys')}`, STORE_URL: url }
  places.push(settings)
  return settings
}

describe.skipIf(missing !== null)(`Synthea in both stores${missing === null ? '' : `: skipped, ${missing}`}`, () => {
  const stores = { sqlite: newSettings('sqlite'), mongodb: newSettings('mongodb') }
  const contents = new Map<string, Contents>()

  test('has equal counts and equal contents, of every type', { timeout: 3_600_000 }, async () => {
    const { rows } = readSynthea(join(dir!, 'synthea'), BYTES_MAX)
    const types = [...new Set(rows.map(({ resourceType }) => resourceType as string))].sort()
    expect(types.length).toBeGreaterThan(2)
    for (const [kind, settings] of Object.entries(stores)) {
      contents.set(kind, await served(settings, async (harness, token) => {
        const began = performance.now()
        await loadSynthea(harness, token, rows)
        told(`${kind}: ${rows.length} resources loaded`, began)
        for (const type of types) {
          const { total } = (await harness.ask(token, 'GET', `${type}?_summary=count`)).json
          expect([type, total]).toEqual([type, rows.filter((row) => row.resourceType === type).length])
        }
        return await contentOf(harness, token, types)
      }))
    }
    expect(contents.get('sqlite')!.size).toBe(rows.length)
    expect(timeless(contents.get('mongodb')!)).toEqual(timeless(contents.get('sqlite')!))
    for (const { meta: _meta, ...row } of rows) expect(contents.get('mongodb')!.get(`${row.resourceType}/${row.id}`)).toMatchObject(row)
  })

  test.each([['sqlite', 'mongodb'], ['mongodb', 'sqlite']] as const)('moved from %s to %s reads back unchanged, and verifies', { timeout: 3_600_000 }, async (from, to) => {
    const before = contents.get(from)!
    const target = newSettings(to, stores[from])
    // The ledger of an embedded store lies beside its file.
    const config = loadConfig({ ...(from === 'sqlite' ? stores[from] : target), KEY_URL: target.KEY_URL })
    const began = performance.now()
    const { rows, verified } = await moveStore({ config, from: stores[from].STORE_URL, to: target.STORE_URL })
    told(`${from} to ${to}: ${rows} rows moved`, began)
    expect([verified.exitCode, verified.problems]).toEqual([0, []])
    const types = [...new Set([...before.keys()].map((name) => name.split('/')[0]!))]
    expect(await served(target, (harness, token) => contentOf(harness, token, types))).toEqual(before)
  })
})

/** What a long run shows. */
function told(what: string, began: number): void {
  if (BYTES_MAX > 1e6) console.log(`${what} in ${((performance.now() - began) / 1000).toFixed(1)} s`)
}

async function served<T>(settings: Settings, work: (harness: Harness, token: string) => Promise<T>): Promise<T> {
  const harness = await startHarness({ ...settings, ...BOUNDS })
  try {
    return await work(harness, await harness.token(SYSTEM))
  } finally {
    await harness.close()
  }
}

/** Every resource by its name. */
async function contentOf(harness: Harness, token: string, types: readonly string[]): Promise<Contents> {
  const found = new Map<string, Json>()
  for (const type of types) {
    for (let path: string | undefined = `${type}?_count=1000`; path !== undefined;) {
      const { json }: Reply = await harness.ask(token, 'GET', path)
      for (const { resource } of json.entry ?? []) found.set(`${type}/${resource.id}`, resource)
      path = json.link.find(({ relation }: Json) => relation === 'next')?.url.slice(harness.base.length + 1)
    }
  }
  return found
}

/** But for what says when it was written. */
const timeless = (all: Contents): Contents => new Map([...all].map(([name, resource]) => [name, { ...resource, meta: { ...resource.meta, lastUpdated: null } }]))
