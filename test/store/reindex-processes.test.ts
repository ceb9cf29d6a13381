/** Packages and reindex as an operator has them: commands and servers as processes of their own, one of them older than the package. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askAt, type Child, mint, newPlace, pause, type Place, startChild, wardkeep } from '../child.ts'
import { freePort } from '../free-port.ts'
import { type Json } from '../harness.ts'
import { guide } from './reindexing.ts'

const ROWS = Number(process.env.REINDEX_ROWS ?? 300)

let place: Place
let token: string
const servers: Child[] = []

beforeAll(async () => {
  place = await newPlace()
  ;[token] = (await mint(place, { scope: 'system/*.cruds' })) as [string]
})
afterAll(async () => {
  for (const server of servers) await server.kill()
  rmSync(place.dir, { recursive: true, force: true })
})

const start = async (): Promise<Child> => {
  const child = await startChild(place, servers.length === 0 ? {} : { PORT: String(await freePort()) })
  servers.push(child)
  return child
}
const observation = (id: string, way: string): Json => ({
  resourceType: 'Observation', id, status: 'final', code: { text: 'x' }, subject: { reference: 'Patient/p' }, method: { coding: [{ system: 'urn:m', code: way }] }
})
const put = async ({ base }: Child, resource: Json): Promise<void> => {
  const { status, text } = await askAt(base, token, 'PUT', `${resource.resourceType}/${resource.id}`, { body: resource })
  if (status !== 200 && status !== 201) throw new Error(text)
}
const scans = async ({ base }: Child): Promise<readonly [ids: readonly string[], served: boolean]> => {
  const { status, json, text } = await askAt(base, token, 'GET', 'Observation?patient=p&way=scan&_count=1000&_explain=true')
  expect(status, text).toBe(200)
  const rows: readonly Json[] = json.entry.map((entry: Json) => entry.resource)
  const ids = rows.filter(({ resourceType }) => resourceType === 'Observation').map(({ id }) => id as string).sort()
  return [ids, !rows.find(({ resourceType }) => resourceType === 'OperationOutcome').issue[0].diagnostics.includes('only confirmed')]
}

test('a server that is older than the package makes no answer wrong; after its restart a reindex beside writers is whole', async () => {
  const old = await start()
  await put(old, { resourceType: 'Patient', id: 'p' })
  const expected: string[] = []
  for (let at = 0; at < ROWS; at++) {
    await put(old, observation(`r${at}`, at % 50 === 0 ? 'scan' : 'other'))
    if (at % 50 === 0) expected.push(`r${at}`)
  }
  const file = join(place.dir, 'guide.tgz')
  writeFileSync(file, guide())
  expect((await wardkeep(place, 'package', 'add', file)).code).toBe(0)
  const fresh = await start()
  expect(await scans(fresh)).toEqual([expected.sort(), false])
  const elsewhere = await wardkeep({ ...place, env: { ...place.env, BASE_URL: 'http://127.0.0.1:1' } }, 'reindex')
  expect([elsewhere.code, elsewhere.out]).toEqual([78, 'wardkeep: BASE_URL is not that of the servers of this store: run reindex with their settings\n'])
  const first = await wardkeep(place, 'reindex')
  expect([first.code, first.out]).toEqual([0, expect.stringContaining(`reindexed: ${ROWS + 1} records; 6 search parameters of packages have an index`)])
  expect(await scans(fresh)).toEqual([expected, true])
  // Within the second in which it need not look again, and after it.
  for (const id of ['old-1', 'old-2']) {
    await put(old, observation(id, 'scan'))
    expected.push(id)
    expect(await scans(fresh)).toEqual([expected.sort(), false])
    await pause(1_100)
  }
  await old.stop()
  const other = await start()
  let writing = true
  const written: string[] = []
  const write = async (server: Child, name: string): Promise<void> => {
    for (let at = 0; writing || at < 5; at++) {
      const id = `${name}-${at}`
      await put(server, observation(id, at % 2 === 0 ? 'scan' : 'other'))
      await put(server, observation(`r${at % ROWS}`, (at % ROWS) % 50 === 0 ? 'scan' : 'other'))
      if (at % 2 === 0) written.push(id)
    }
  }
  const writers = [write(fresh, 'fresh'), write(other, 'other')]
  const second = await wardkeep(place, 'reindex')
  writing = false
  await Promise.all(writers)
  expect([second.code, second.out]).toEqual([0, expect.stringContaining('6 search parameters of packages have an index')])
  for (const server of [fresh, other]) expect(await scans(server)).toEqual([[...expected, ...written].sort(), true])
  expect(written.length).toBeGreaterThan(4)
  expect((await wardkeep(place, 'audit', 'verify')).code).toBe(0)
}, 240_000)
