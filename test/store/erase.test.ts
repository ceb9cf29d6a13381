import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { erasureRecord } from '../../src/audit/record.ts'
import { erasePatient } from '../../src/store/erase.ts'
import type { RecordStore } from '../../src/store/ports.ts'
import { TENANT } from '../../src/system.ts'
import { type Harness, type Json, startHarness, SYSTEM } from '../harness.ts'

let server: Harness
let token: string

beforeAll(async () => {
  server = await startHarness()
  token = await server.token(SYSTEM)
})
afterAll(() => server.close())

const observation = (patient: string, id: string): Json => ({ resourceType: 'Observation', id, status: 'final', code: { text: 'x' }, subject: { reference: `Patient/${patient}` } })
const statusOf = async (path: string): Promise<number> => (await server.ask(token, 'GET', path)).status

/** Erases with something happening just before the erasing commit. */
async function eraseAfter(patient: string, before: () => Promise<unknown>): ReturnType<typeof erasePatient> {
  const { records, ring, ledger } = server.running.system
  let first = true
  const commit: RecordStore['commit'] = async (each) => {
    if (first) await before()
    first = false
    return records.commit(each)
  }
  const watched = new Proxy(records, { get: (target, name) => (name === 'commit' ? commit : Reflect.get(target, name)) })
  return erasePatient({
    records: watched, ring, tenant: TENANT, random: (bytes) => Uint8Array.from(randomBytes(bytes)),
    audit: (keys) => ledger.seal(erasureRecord({ at: Date.now(), requestId: randomUUID(), address: '', caller: null, patient, keys }))
  }, patient)
}

describe('erasure of a patient', () => {
  test('takes what was written between its look and its commit, so that every id can be written again', async () => {
    await server.put({ resourceType: 'Patient', id: 'late' })
    const result = await eraseAfter('late', () => server.put(observation('late', 'late-1')))
    expect(result).toEqual({ erased: 2, kept: 0 })
    for (const ref of ['Patient/late', 'Observation/late-1']) expect(await statusOf(ref)).toBe(404)
    await server.put({ resourceType: 'Patient', id: 'late' })
    expect((await server.put(observation('late', 'late-1'))).meta.versionId).toBe('1')
    expect((await server.ask(token, 'GET', 'Observation?patient=late')).json.entry.length).toBe(1)
  })

  test('begins again when a record that it found was changed meanwhile', async () => {
    await server.put({ resourceType: 'Patient', id: 'changed' })
    await server.put(observation('changed', 'changed-1'))
    expect(await eraseAfter('changed', () => server.put({ ...observation('changed', 'changed-1'), status: 'amended' }))).toEqual({ erased: 2, kept: 0 })
    expect(await statusOf('Observation/changed-1')).toBe(404)
  })

  test('leaves records that name others too, and a record that was moved away, with all that can be read of them, also when the patient is written anew', async () => {
    await server.put({ resourceType: 'Patient', id: 'from' })
    await server.put({ resourceType: 'Patient', id: 'to' })
    await server.put(observation('from', 'moved'))
    await server.put(observation('to', 'moved'))
    await server.put({ resourceType: 'Appointment', id: 'both', status: 'proposed', participant: ['from', 'to'].map((id) => ({ status: 'accepted', actor: { reference: `Patient/${id}` } })) })
    expect(await server.running.system.erase('from')).toEqual({ erased: 1, kept: 2 })
    for (const again of [false, true]) {
      if (again) await server.put({ resourceType: 'Patient', id: 'from' })
      expect([again, await statusOf('Observation/moved'), await statusOf('Appointment/both'), await statusOf('Observation/moved/_history/1')]).toEqual([again, 200, 200, 404])
      expect((await server.ask(token, 'GET', 'Observation/moved/_history')).json.entry.map((entry: Json) => entry.resource.meta.versionId)).toEqual(['2'])
    }
  })

  test('and the ledger agrees with what is left', async () => {
    await server.running.system.ledger.sequence()
    expect((await server.running.system.verify({ versions: true })).problems).toEqual([])
  })
})
