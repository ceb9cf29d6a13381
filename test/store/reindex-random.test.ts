/** Random writes, moves, deletions and erasures, by servers that know a package and one that does not, while it is indexed: no search by it misses a row. TEST_REINDEXES runs more. */
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import { type Harness, type Json, startHarness, SYSTEM } from '../harness.ts'
import { as, found, guide, openBeside, putBy, watched } from './reindexing.ts'

const RUNS = Number(process.env.TEST_REINDEXES ?? 2)
const ROUNDS = 5
const PATIENTS = ['p', 'q', 'r']

let server: Harness
let token: string
/** Searches that the index served, of all runs. */
let served = 0
beforeEach(async () => {
  server = await startHarness()
  token = await server.token(SYSTEM)
})
afterEach(async () => {
  await as([], async () => undefined)
  await server.close()
})
afterAll(() => expect(served).toBeGreaterThan(10 * RUNS))

const known = (): Promise<void> => as([guide()], async () => undefined)
const row = (id: string, subject: string, isWanted: boolean, other: string | null): Json => ({
  resourceType: 'Observation', id, status: 'final', code: { text: 'x' }, subject: { reference: `Patient/${subject}` }, bodySite: { text: isWanted ? 'Armpit' : 'Leg' },
  method: { coding: [{ system: 'urn:m', code: isWanted ? 'scan' : 'other' }] }, issued: isWanted ? '2025-03-04T00:00:00Z' : '2024-01-01T00:00:00Z',
  performer: [{ reference: isWanted ? 'Practitioner/a' : 'Practitioner/b' }, ...(other === null ? [] : [{ reference: `Patient/${other}` }])]
})

type Search = readonly [path: string, holds: (row: Json) => boolean]
const SEARCHES: readonly Search[] = [
  ...PATIENTS.flatMap((id): readonly Search[] => ['bodypartwords=armp', 'way=urn:m|scan', 'issued-at=2025-03'].map((query) =>
    [`Observation?patient=${id}&${query}`, ({ subject, bodySite }) => subject.reference === `Patient/${id}` && bodySite.text === 'Armpit'])),
  ['Observation?assayer=Practitioner/a', ({ performer }) => performer[0].reference === 'Practitioner/a']
]

/** Compares each search with a plain reading of all rows. */
async function check(trace: readonly string[]): Promise<void> {
  const all: readonly Json[] = ((await server.ask(token, 'GET', 'Observation?_count=200')).json.entry ?? []).map(({ resource }: Json) => resource)
  for (const [path, holds] of SEARCHES) {
    const { status, ids, text } = await found(server, token, `${path}&_count=200`)
    expect([path, status, [...ids].sort()], trace.join('\n')).toEqual([path, 200, all.filter(holds).map(({ id }) => id).sort()])
    if (!text.includes('only confirmed')) served += 1
  }
}

/** Draws what happens next. */
function drawing(seed: number) {
  let state = seed * 7919 + 1
  const next = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647
  const patient = (from = PATIENTS): string => from[Math.floor(next() * from.length)]!
  return { next, patient, row: (id: string) => row(id, patient(), next() < 0.5, next() < 0.3 ? patient() : null) }
}

test.each(Array.from({ length: RUNS }, (_, i) => i + 1))('run %i', async (seed) => {
  const draw = drawing(seed)
  const trace: string[] = []
  await as([], async () => {
    for (const id of PATIENTS) await server.put({ resourceType: 'Patient', id })
    for (const id of ['a', 'b']) await server.put({ resourceType: 'Practitioner', id })
    for (let i = 0; i < 12; i++) await server.put(draw.row(`o${i}`))
  })
  const old = await openBeside(server.running.system.config, [])
  await known()
  const step = async (): Promise<void> => {
    const kind = draw.next()
    const id = `o${Math.floor(draw.next() * 18)}`
    const some = draw.patient(['q', 'r'])
    trace.push(`${kind.toFixed(2)} ${id} ${some}`)
    if (kind < 0.08) {
      await as([], () => putBy(old, draw.row(id)))
      await known()
    } else if (kind < 0.65) await server.ask(token, 'PUT', `Observation/${id}`, { body: draw.row(id) })
    else if (kind < 0.8) await server.ask(token, 'DELETE', `Observation/${id}`)
    else if (kind < 0.9) await server.running.system.erase(some)
    else await server.ask(token, 'PUT', `Patient/${some}`, { body: { resourceType: 'Patient', id: some } })
  }
  for (let round = 0; round < ROUNDS; round++) {
    const undo = watched(server.running.system, async () => {
      if (draw.next() < 0.6) await step()
      if (draw.next() < 0.3) await check(trace)
    })
    trace.push('reindex')
    // Ended by the server that does not know the package, if by anything.
    await server.running.system.reindex(() => undefined).catch((error: Error) => expect(error.message).toMatch(/^A server wrote that knows other packages/)).finally(undo)
    await known()
    for (let i = 0; i < 4; i++) {
      await check(trace)
      await step()
    }
  }
  await old.close()
})
