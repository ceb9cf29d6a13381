import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { slotOf } from '../../src/audit/slot.ts'
import { askAt, beside, type Child, mint, newPlace, pause, type Place, startChild } from '../child.ts'
import type { Json, Reply } from '../harness.ts'
import { unrecorded } from '../store/kill-checks.ts'

const SECRET = 'Mustermann-of-the-ledger'

let place: Place
let server: Child
let token: string
/** Ids of every answer that held a resource. */
const disclosed: string[] = []

beforeAll(async () => {
  // A body over 2,000 bytes goes to the worker thread.
  place = await newPlace({ BODY_BYTES_INLINE: '2000' })
  ;[token] = (await mint(place, { scope: 'system/*.cruds' })) as [string]
  server = await startChild(place)
  expect((await ask('PUT', 'Patient/p', patient())).status).toBe(201)
})
afterAll(async () => {
  await server?.kill()
  if (place !== undefined) rmSync(place.dir, { recursive: true, force: true })
})

const patient = (): Json => ({ resourceType: 'Patient', id: 'p', name: [{ family: SECRET }], identifier: [{ system: 'urn:x', value: 'p' }] })
async function ask(method: string, path: string, body?: Json, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
  const reply = await askAt(server.base, token, method, path, { ...(body === undefined ? {} : { body }), headers })
  if (reply.text.includes(SECRET)) disclosed.push(reply.headers.get('x-request-id')!)
  return reply
}
const large = (): Json => ({ resourceType: 'Bundle', type: 'batch', entry: Array.from({ length: 60 }, () => ({ request: { method: 'GET', url: 'Patient/p' } })) })
const spoolOf = (slot: string): string => join(place.env.DATA_DIR!, `ledger-${slot}.spool`)
const spools = (): readonly string[] => readdirSync(place.env.DATA_DIR!).filter((name) => name.endsWith('.spool'))

/** Holds the write lock of the ledger's file, as a hanging disk would, while `work` runs. */
async function withoutLedger(work: () => Promise<void>): Promise<void> {
  const db = new DatabaseSync(join(place.env.DATA_DIR!, 'ledger.db'), { timeout: 5000 })
  db.exec('begin immediate')
  try {
    await work()
  } finally {
    if (db.isTransaction) db.exec('rollback')
    db.close()
  }
}

async function untilRecorded(): Promise<readonly string[]> {
  for (let tries = 0; ; tries++) {
    const missing = await beside(place, (system) => unrecorded(system, disclosed))
    if (missing.length === 0 || tries > 8) return missing
    await pause(500)
  }
}

describe('a ledger that takes no entries', () => {
  test('is replaced by the spool within 3 s: reads and writes are answered, and every answer is recorded in the end', async () => {
    await withoutLedger(async () => {
      const began = performance.now()
      expect((await ask('GET', 'Patient/p')).status).toBe(200)
      expect(performance.now() - began).toBeLessThan(3000)
      expect(spools()).toEqual(['ledger-server-1.spool'])
      for (const path of ['Patient/p', 'Patient?identifier=urn:x|p', 'Patient/p/_history']) expect((await ask('GET', path)).status).toBe(200)
      expect((await ask('PUT', 'Patient/p', patient())).status).toBe(200)
      expect(disclosed.length).toBeGreaterThanOrEqual(6)
    })
    expect(await untilRecorded()).toEqual([])
    expect(await beside(place, async (system) => (await system.verify({ versions: true })).problems)).toEqual([])
  })

  test('and whose server is killed then: the spool is taken over by the next', async () => {
    await withoutLedger(async () => {
      expect((await ask('GET', 'Patient/p')).status).toBe(200)
      await server.kill()
    })
    expect(spools()).toEqual(['ledger-server-1.spool'])
    const db = new DatabaseSync(join(place.env.DATA_DIR!, 'ledger.db'), { timeout: 5000 })
    // The lease of a dead process ends by itself after 15 s.
    db.exec('update log set until = 0')
    db.close()
    server = await startChild(place)
    expect(await untilRecorded()).toEqual([])
    expect(spools()).toEqual([])
  })
})

test('a worker for large bodies that cannot start is given up: 503, and the next large body starts another', async () => {
  expect(await server.stop()).toBe(0)
  server = await startChild(place, { TIMEOUT_BULK_START_MS: '6000' })
  await withoutLedger(async () => {
    const reply = await ask('POST', '', large())
    expect([reply.status, reply.json.issue[0].code, reply.headers.has('retry-after')]).toEqual([503, 'transient', true])
  })
  expect((await ask('POST', '', large())).status).toBe(200)
})

describe('a ledger and a spool that take no entries', () => {
  test('stop every disclosure with 503 and no content, and end when the ledger is back', async () => {
    expect(await server.stop()).toBe(0)
    server = await startChild(place)
    expect((await ask('GET', 'Patient/p')).status).toBe(200)
    expect((await ask('POST', '', large())).status).toBe(200)
    // The process and its worker thread hold a slot each.
    const held = await beside(place, async ({ ledgerStore }) => (await ledgerStore.logs()).map(slotOf))
    for (const slot of held) if (slot !== 'cli') mkdirSync(spoolOf(slot!))
    const before = disclosed.length
    await withoutLedger(async () => {
      const asks: readonly (readonly [string, string, Json?, Readonly<Record<string, string>>?])[] = [
        ['GET', 'Patient/p'], ['GET', 'Patient/p/_history/1'], ['GET', 'Patient/p/_history'], ['GET', 'Patient?identifier=urn:x|p'], ['GET', 'Patient?_count=0'],
        ['POST', 'Patient', { ...patient(), id: undefined }, { 'if-none-exist': 'identifier=urn:x|p' }],
        ['POST', '', { resourceType: 'Bundle', type: 'batch', entry: [{ request: { method: 'GET', url: 'Patient/p' } }] }],
        ['POST', '', large()],
        ['POST', '', { resourceType: 'Bundle', type: 'transaction', entry: [{ request: { method: 'GET', url: 'Patient/p' } }] }]
      ]
      const replies = await Promise.all(asks.map(([method, path, body, headers]) => ask(method, path, body, headers)))
      for (const [index, { status, json, headers }] of replies.entries()) {
        expect([index, status, json.resourceType, json.issue?.[0].code, headers.has('retry-after'), headers.has('etag')]).toEqual([index, 503, 'OperationOutcome', 'transient', true, false])
      }
      expect(disclosed.length).toBe(before)
    })
    for (let tries = 0; (await ask('GET', 'Patient/p')).status !== 200; tries++) {
      expect(tries).toBeLessThan(20)
      await pause(200)
    }
    expect(await untilRecorded()).toEqual([])
    expect(held.filter((slot) => slot !== 'cli').every((slot) => readdirSync(spoolOf(slot!)).length === 0)).toBe(true)
    expect(server.output()).not.toContain(SECRET)
  })
})
