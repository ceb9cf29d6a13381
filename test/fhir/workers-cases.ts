/** What three server processes behind one port owe, whatever store they stand on. */
import { execFile } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { slotOf } from '../../src/audit/slot.ts'
import { beside, type Child, mint, newPlace, pause, type Place, startChild, wardkeep } from '../child.ts'
import { idsOf, type Json } from '../harness.ts'

const WORKERS = 3
const HEARD_MS = 2000
/** In this time a process that is awake takes a connection that waits. */
const TAKEN_MS = 200

interface Answer { readonly status: number; readonly json: Json; readonly etag: string }

/** On a connection of its own, so that any of the processes may be the one that answers. */
export function ask(base: string, token: string | null, method: string, path: string, body?: Json, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(path === '' ? base : `${base}/${path}`, {
      method, agent: false,
      headers: { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...(body === undefined ? {} : { 'content-type': 'application/fhir+json' }), ...headers }
    }, (reply) => {
      const pieces: Buffer[] = []
      reply.on('data', (piece: Buffer) => pieces.push(piece)).on('error', reject).on('end', () => {
        const text = Buffer.concat(pieces).toString('utf8')
        resolve({ status: reply.statusCode ?? 0, json: text.startsWith('{') ? JSON.parse(text) : null, etag: String(reply.headers.etag ?? '') })
      })
    })
    sent.on('error', reject)
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

export const children = async (pid: number): Promise<readonly number[]> => {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid='])
  return stdout.trim().split('\n').map((line) => line.trim().split(/\s+/).map(Number)).filter(([, parent]) => parent === pid).map(([own]) => own!)
}

const observation = (id: string, subject: string, mark: string): Json =>
  ({ resourceType: 'Observation', id, status: 'final', code: { text: mark }, subject: { reference: `Patient/${subject}` } })
const patient = (id: string): Json => ({ resourceType: 'Patient', id, name: [{ family: `F${id.replace(/\W/g, '')}` }] })
const team = (id: string, subject: string, member: string): Json =>
  ({ resourceType: 'CareTeam', id, status: 'active', subject: { reference: `Patient/${subject}` }, participant: [{ member: { reference: member } }] })

/** Starts the work while the other processes stand still, so that this one takes its connections; then all go on. */
export async function heldBy<T>(pid: number, pids: readonly number[], work: () => Promise<T>, takenMs = TAKEN_MS): Promise<T> {
  const others = pids.filter((each) => each !== pid)
  for (const each of others) process.kill(each, 'SIGSTOP')
  try {
    const done = work()
    await Promise.race([done.catch(() => undefined), pause(takenMs)])
    for (const each of others) process.kill(each, 'SIGCONT')
    return await done
  } finally {
    for (const each of others) process.kill(each, 'SIGCONT')
  }
}

/** `writers`: clients that update at once; `killMs`: for how long they write when one process is killed. */
export function workersOwe(options: { readonly writers: number; readonly updates: number; readonly killMs: number }): void {
  let place: Place
  let server: Child
  let token: string
  const policies = (): string => join(place.dir, 'policies.json')
  const at = (method: string, path: string, body?: Json, headers: Readonly<Record<string, string>> = {}, bearer = token): Promise<Answer> => ask(server.base, bearer, method, path, body, headers)
  /** By one of the processes. */
  const of = async <T>(index: number, work: () => Promise<T>): Promise<T> => {
    const pids = [...await children(server.process.pid!)].sort((a, b) => a - b)
    return heldBy(pids[index]!, pids, work)
  }
  /** The same answer by each of the processes. */
  const unanimous = async (path: string, bearer: string, owed: (answer: Answer) => unknown, value: unknown): Promise<void> => {
    for (let index = 0; index < WORKERS; index++) expect([index, owed(await of(index, () => at('GET', path, undefined, {}, bearer)))]).toEqual([index, value])
  }
  const put = async (resource: Json): Promise<void> => {
    expect([200, 201]).toContain((await at('PUT', `${resource.resourceType}/${resource.id}`, resource)).status)
  }

  beforeAll(async () => {
    place = await newPlace({ WORKERS: String(WORKERS) })
    const file = readFileSync(join(import.meta.dirname, '..', '..', 'policy', 'default.json'), 'utf8')
    writeFileSync(policies(), file)
    place = { ...place, env: { ...place.env, POLICY_FILE: policies() } }
    server = await startChild(place)
    while ((await children(server.process.pid!)).length < WORKERS) await pause(50)
    ;[token] = (await mint(place, { scope: 'system/*.cruds' })) as [string]
  })
  afterAll(async () => {
    await server?.kill()
    if (place !== undefined) rmSync(place.dir, { recursive: true, force: true })
  })

  test('of many clients that update one resource with If-Match, each success is one version and none is lost', async () => {
    await put(observation('race', 'r', 'start'))
    const won = new Map<number, string>()
    const statuses = new Set<number>()
    await Promise.all(Array.from({ length: options.writers }, async (_, client) => {
      for (let number = 0; won.size < options.updates; number++) {
        const { etag } = await at('GET', 'Observation/race')
        const mark = `c${client}-${number}`
        const reply = await at('PUT', 'Observation/race', observation('race', 'r', mark), { 'if-match': etag })
        statuses.add(reply.status)
        if (reply.status === 200) {
          const version = Number(reply.json.meta.versionId)
          expect(won.has(version)).toBe(false)
          won.set(version, mark)
        }
      }
    }))
    expect([...statuses].sort()).toEqual([200, 412])
    const history = (await at('GET', 'Observation/race/_history?_count=1000')).json.entry.map(({ resource }: Json) => [Number(resource.meta.versionId), resource.code.text])
    expect(history.reverse()).toEqual([[1, 'start'], ...[...won].sort(([a], [b]) => a - b)])
    expect(won.size).toBeGreaterThanOrEqual(options.updates)
  })

  test('of eight conditional creates of one identifier at once, one makes the resource', async () => {
    const once = { resourceType: 'Basic', code: { text: 'x' }, identifier: [{ system: 'urn:w', value: 'one' }] }
    const replies = await Promise.all(Array.from({ length: 8 }, () => at('POST', 'Basic', once, { 'if-none-exist': 'identifier=urn:w|one' })))
    expect(replies.map(({ status }) => status).sort()).toEqual([...Array(7).fill(200), 201])
    expect(new Set(replies.map(({ json }) => json.id)).size).toBe(1)
    expect((await at('GET', 'Basic?identifier=urn:w|one&_summary=count')).json.total).toBe(1)
  })

  test('a page link that one made leads on from another', async () => {
    for (const id of ['p-1', 'p-2']) await put(observation(id, 'paged', 'x'))
    const { json } = await at('GET', 'Observation?patient=paged&_count=1')
    const next: string = json.link.find((link: Json) => link.relation === 'next').url
    await unanimous(next.slice(next.indexOf('/R4/') + 4), token, (answer) => [...idsOf(answer.json), ...idsOf(json)].sort().join(), 'Observation/p-1,Observation/p-2')
  })

  test('all refuse within 2 s a token that was revoked, serve no erased patient, and follow a changed policy', async () => {
    const [doomed, desk] = await mint(place, { scope: 'system/*.rs' }, { scope: 'user/*.rs', roles: ['front-desk'] })
    await put(patient('x-gone'))
    await put(patient('x-stays'))
    await unanimous('Patient/x-stays', doomed!, ({ status }) => status, 200)
    await unanimous('Patient/x-gone', token, ({ status }) => status, 200)
    await unanimous('Patient/x-stays', desk!, ({ status }) => status, 200)
    const ended = [await wardkeep(place, 'token', 'revoke', doomed!), await wardkeep(place, 'keys', 'erase', 'Patient/x-gone', '--yes')]
    expect(ended.map(({ code }) => code)).toEqual([0, 0])
    const changed = JSON.parse(readFileSync(policies(), 'utf8'))
    delete changed.roles['front-desk']
    writeFileSync(policies(), JSON.stringify(changed))
    await pause(HEARD_MS)
    await unanimous('Patient/x-stays', doomed!, ({ status }) => status, 401)
    await unanimous('Patient/x-gone', token, ({ status }) => status, 404)
    await unanimous('Patient/x-stays', token, ({ status }) => status, 200)
    await unanimous('Patient/x-stays', desk!, ({ status }) => status, 403)
  })

  test('a policy file that is no policy stops all of them until it is mended', async () => {
    const good = readFileSync(policies(), 'utf8')
    writeFileSync(policies(), good.slice(0, -10))
    await pause(HEARD_MS + 1000)
    await unanimous('Patient/x-stays', token, ({ status }) => status, 503)
    writeFileSync(policies(), good)
    await unanimous('Patient/x-stays', token, ({ status }) => status, 200)
  })

  test("a physician's patients follow a CareTeam that another process wrote within 2 s, both ways", async () => {
    const [physician] = await mint(place, { scope: 'user/*.cruds', roles: ['physician'], fhirUser: 'Practitioner/dr', purposes: ['TREAT'] })
    for (const id of ['mine', 'other']) await put(patient(id))
    await put(team('t-1', 'mine', 'Practitioner/dr'))
    await pause(HEARD_MS)
    const mine = (answer: Answer): string => idsOf(answer.json).join()
    await unanimous('Patient', physician!, mine, 'Patient/mine')
    await of(0, () => put(team('t-2', 'other', 'Practitioner/dr')))
    await of(1, () => put(team('t-1', 'mine', 'Practitioner/nobody')))
    await pause(HEARD_MS)
    await unanimous('Patient', physician!, mine, 'Patient/other')
    await of(2, () => at('DELETE', 'CareTeam/t-2'))
    await pause(HEARD_MS)
    await unanimous('Patient', physician!, mine, '')
  })

  test('kill -9 of one under load loses nothing that was acknowledged; another takes its place and its ledger slot, and the ledger verifies', async () => {
    const acknowledged: string[] = []
    let over = false
    const clients = Array.from({ length: 6 }, async (_, client) => {
      for (let number = 0; !over; number++) {
        const id = `k-${client}-${number}`
        const status = await at('PUT', `Observation/${id}`, observation(id, 'k', id)).then((reply) => reply.status, () => 0)
        if (status === 201) acknowledged.push(id)
        else await pause(20)
      }
    })
    await pause(options.killMs / 3)
    const before = await children(server.process.pid!)
    process.kill(before[1]!, 'SIGKILL')
    const began = acknowledged.length
    await pause(options.killMs * 2 / 3)
    over = true
    await Promise.all(clients)
    while ((await children(server.process.pid!)).length < WORKERS) await pause(50)
    const after = await children(server.process.pid!)
    expect([after.length, after.includes(before[1]!), after.includes(before[0]!)]).toEqual([WORKERS, false, true])
    expect(acknowledged.length).toBeGreaterThan(began)
    for (const id of acknowledged) expect((await at('GET', `Observation/${id}`)).status).toBe(200)
    await unanimous('Patient/x-stays', token, ({ status }) => status, 200)
    // The servers go on meanwhile.
    const verified = await wardkeep(place, 'audit', 'verify', '--versions')
    expect([verified.code, verified.out]).toEqual([0, expect.stringContaining(' 0 problems')])
    const slots = await beside(place, async ({ ledgerStore }) => (await ledgerStore.logs()).map((log) => slotOf(log)))
    expect(slots.sort()).toEqual(['cli', 'server-1', 'server-2', 'server-3'])
  })

  test('SIGTERM ends all of them with 0', async () => {
    const pids = await children(server.process.pid!)
    expect(await server.stop()).toBe(0)
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow()
    expect((await wardkeep(place, 'audit', 'verify', '--versions')).out).toMatch(/^ok: .* 0 waiting, .* 0 problems/)
  })
}
