import { describe, expect, test } from 'vitest'
import { beside, newPlace } from '../child.ts'
import { startHarness, SYSTEM } from '../harness.ts'
import { createFaults, fateFaults, sharedFaults, transactionFaults, unrecorded } from './kill-checks.ts'
import { type Client, newNotes, observation, patient, SYSTEM_URI } from './kill-load.ts'
import { killRuns } from './kill-run.ts'

/** 200 as a long run: TEST_KILLS=200. What is asked for is told round by round. */
const KILLS = Number(process.env.TEST_KILLS ?? 6)
const ASKED = process.env.TEST_KILLS !== undefined
/** A round and its share of the checks at the end, on the slower store. */
const ROUND_MS = 60_000

describe('a server that is killed under load', () => {
  test('loses no acknowledged write, leaves no half transaction, disclosed nothing without a record, and its ledger verifies', { timeout: KILLS * ROUND_MS }, async () => {
    const report = await killRuns(KILLS, Date.now() % 1_000_000, ASKED ? (line) => console.log(line) : undefined)
    if (ASKED) console.log(JSON.stringify(report))
    expect(report.faults).toEqual([])
    expect([report.kills, report.verify.startsWith('0 ok')]).toEqual([KILLS, true])
    expect(Math.min(report.answered, report.acknowledgedWrites)).toBeGreaterThan(2 * KILLS)
    expect(report.inFlight).toBeGreaterThan(0)
    // As quick as a first start, on whatever machine.
    expect(report.startMsMax).toBeLessThan(4 * report.startMsFirst + 3000)
  })

  test('is judged by checks that each find what they are for', async () => {
    const server = await startHarness()
    const client: Client = { base: server.base, token: await server.token(SYSTEM), notes: newNotes(), random: Math.random, name: 'control' }
    await server.put(observation('there', 'Patient/p', 'o1'))
    expect(await fateFaults(client, [{ ref: 'Observation/o1', acknowledged: [{ version: 1, mark: 'there' }], inFlight: { mark: 'sent' } }])).toEqual([])
    const lost = [
      { ref: 'Observation/o1', acknowledged: [{ version: 1, mark: 'there' }, { version: 2, mark: 'lost' }], inFlight: null },
      { ref: 'Observation/o1', acknowledged: [{ version: 1, mark: 'other bytes' }], inFlight: null },
      { ref: 'Observation/o1', acknowledged: [{ version: 1, mark: 'there' }, { version: 2, mark: null }], inFlight: null },
      { ref: 'Observation/o1', acknowledged: [], inFlight: { mark: 'half' } }
    ]
    expect((await fateFaults(client, lost)).length).toBe(lost.length)
    expect(await sharedFaults(client, [['Observation/o1 1', 'there']])).toEqual([])
    expect((await sharedFaults(client, [['Observation/o1 2', 'there']])).length).toBe(1)
    const { id } = await server.put(patient('half'))
    await server.put(observation('half', `Patient/${id}`))
    expect((await transactionFaults(client, [['half', false], ['nothing', true]])).length).toBe(2)
    expect(await transactionFaults(client, [['nothing', false]])).toEqual([])
    for (let copy = 0; copy < 2; copy++) await server.put(observation('twice', 'Patient/p'))
    expect((await createFaults(client, new Map([['twice', { conditional: false, ref: null }], ['gone', { conditional: false, ref: 'Observation/x' }]]))).length).toBe(2)
    const reply = await server.ask(client.token, 'GET', `Observation?identifier=${SYSTEM_URI}|there`)
    const ids = [reply.headers.get('x-request-id')!, 'never-recorded']
    expect(await unrecorded(server.running.system, ids)).toEqual(['never-recorded'])
    await server.close()
  })

  test('and started again beside a command on an empty place makes one store and one set of keys', async () => {
    const place = await newPlace()
    const names = await Promise.all([0, 1, 2].map(() => beside(place, async ({ ring }) => Buffer.from(ring.recordKey('Patient', 'x')).toString('hex'))))
    expect(new Set(names).size).toBe(1)
  })
})
