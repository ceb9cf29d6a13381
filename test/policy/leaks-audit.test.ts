/**
 * DESIGN.md I2 for the ledger: A sees who saw A, and nothing of what was done with B, be it in the same request. Ids of the ledger's events number
 * all entries of the server, so they are compared without their numbers.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Claims, type Json, SYSTEM } from '../harness.ts'
import { batchOf } from './queries.ts'
import { A, type Ask, at, B, clock, inTurns, minute, openTwins, PATIENT_A, PATIENT_B, type Reply, rowsOf, rowsOfNobody, shown, type Side, type Twins, unlike } from './world.ts'

let twins: Twins
const PHYSICIAN: Claims = { scope: 'user/*.cruds', roles: ['physician'], fhirUser: 'Practitioner/gp-a' }
const ofB = ['Patient/b', 'Observation/b-Observation-0', 'Observation/b-Observation-0/_history', 'Observation?subject=Patient/b', 'Patient?family=Familyb']
const ofBoth = ['Patient?gender=female', 'Observation?code=urn:codes|shared&_count=100', 'Observation?_summary=count']

/** What staff does at a later time, in both worlds: A's rows, B's where there are any, both at once, and in one batch. */
async function staff(side: Side): Promise<void> {
  for (const path of ['Patient/a', ...ofB, ...ofBoth]) await side.ask(SYSTEM, { path })
  await side.ask(SYSTEM, batchOf(['Patient/a', ...ofB, 'Observation/a-Observation-0']))
  await side.ask(PHYSICIAN, { path: 'Patient/b' })
  await side.ask(PHYSICIAN, { path: 'Observation?subject=Patient/a,Patient/b' })
  await side.ask(PATIENT_B, { path: 'Patient/a' })
  // A search has the ledger number what waits.
  await side.ask(SYSTEM, { path: 'AuditEvent?_summary=count' })
}

beforeAll(async () => {
  twins = await openTwins(async (side) => {
    await side.load([...rowsOfNobody(), ...rowsOf(A)])
  }, async (side) => {
    await at(-1, () => side.load(rowsOf(B)))
  })
  await at(1, () => staff(twins.full))
  await at(1, () => staff(twins.bare))
  // Only where B is, B is also seen and changed by others.
  await at(2, async () => {
    await inTurns(ofB, 2, async (path) => { await twins.full.ask(SYSTEM, { path }) })
    await twins.full.ask(PATIENT_B, { path: 'Patient/b' })
  })
  clock.now += 3 * 60_000
})
afterAll(() => twins.close())

/** Tokens are drawn by each server too. */
const unnumbered = (reply: Reply): string =>
  shown(reply).replace(/\bserver-\d+-\d+-\d+/g, 'event').replace(/oauth:jti:[\w-]{22}/g, 'oauth:jti').replace(/"content-length": "\d+"/, '')

/** Both worlds are asked, since asking is an event too. */
async function events(claims: Claims): Promise<readonly Json[]> {
  const [full] = await Promise.all([twins.full, twins.bare].map((side) => side.ask(claims, { path: 'AuditEvent?_count=1000' })))
  return (full!.json.entry ?? []).map(({ resource }: Json) => resource)
}

describe('the AuditEvents of A', () => {
  test('are there, tell of staff, and are all about A (positive control)', async () => {
    const found = await events(PATIENT_A)
    expect(found.length).toBeGreaterThan(5)
    expect(found.every((event) => (event.entity ?? []).some(({ what }: Json) => what?.reference === 'Patient/a'))).toBe(true)
    expect(found.filter((event) => event.id.startsWith('server-')).length).toBeGreaterThan(5)
  })

  test('name nothing of B, though the same requests did', async () => {
    const text = JSON.stringify(await events(PATIENT_A))
    expect(text.match(/Patient\/b\b|"b"|\/b-[A-Z]|Familyb/g)).toBeNull()
    const all = JSON.stringify(await events(SYSTEM))
    expect(all).toMatch(/Patient\/b\b/)
    expect(JSON.stringify(await events(PATIENT_B))).toMatch(/Patient\/b\b/)
  })

  test('are the same in a world without B, but for their numbers', async () => {
    const asks: readonly Ask[] = ['', '_count=1000', '_summary=count', '_total=accurate&_count=2', '_sort=_lastUpdated', 'patient=Patient/a', 'patient=Patient/b', 'entity=Patient/b', 'entity=Observation/b-Observation-0',
      'agent=Practitioner/gp-a', 'subtype=read', 'action=R&_summary=count', 'patient:not=Patient/a', 'entity:missing=true', 'address=127.0.0.1&_summary=count', '_id=b-AuditEvent-0', 'outcome=0&_summary=count', `date=ge${minute(-60)}&_summary=count`]
      .map((text) => ({ path: `AuditEvent?${text}` }))
    const unequal: string[] = []
    for (const ask of asks) {
      const [full, bare] = [unnumbered(await twins.full.ask(PATIENT_A, ask)), unnumbered(await twins.bare.ask(PATIENT_A, ask))]
      if (full !== bare) unequal.push(`${ask.path} ${unlike(full, bare)}`)
    }
    expect(unequal).toEqual([])
  })

  test('of B answer A like an id that never was, by each door', async () => {
    const isOfA = ({ entity = [] }: Json): boolean => entity.some(({ what }: Json) => what?.reference === 'Patient/a')
    const foreign = (await events(SYSTEM)).filter((event) => !isOfA(event)).map(({ id }) => id as string).filter((id) => id.startsWith('server-'))
    expect(foreign.length).toBeGreaterThan(20)
    for (const id of foreign.slice(0, 40)) {
      for (const path of [`AuditEvent/${id}`, `AuditEvent/${id}/_history`, `AuditEvent/${id}/_history/1`]) {
        const reply = await twins.full.ask(PATIENT_A, { path })
        expect([path, reply.status]).toEqual([path, 404])
        expect(shown(reply)).toBe(shown(await twins.full.ask(PATIENT_A, { path: path.replace(/server-\d+-\d+/, 'server-9-999') })))
      }
      expect((await twins.full.ask(SYSTEM, { path: `AuditEvent/${id}` })).status).toBe(200)
    }
  })

  test('are nobody\'s to write: no door changes or removes one, the system\'s neither', async () => {
    const [event] = await events(PATIENT_A)
    for (const claims of [PATIENT_A, SYSTEM]) {
      for (const ask of [{ method: 'PUT', path: `AuditEvent/${event.id}`, body: event }, { method: 'DELETE', path: `AuditEvent/${event.id}` }, { method: 'DELETE', path: `AuditEvent?_id=${event.id}` }, { method: 'PUT', path: 'AuditEvent/a-AuditEvent-0', body: { ...event, id: 'a-AuditEvent-0' } }]) {
        const reply = await twins.full.ask(claims, ask)
        expect([ask.method, ask.path, [403, 405, 422].includes(reply.status)]).toEqual([ask.method, ask.path, true])
      }
    }
    expect((await twins.full.ask(PATIENT_A, { path: `AuditEvent/${event.id}` })).json).toEqual(event)
  })
})
