import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, type Json, type Reply, startHarness, SYSTEM } from '../harness.ts'
import { bundle, countOf, entry, observation, patient, refusal, statuses } from './kit.ts'

let server: Harness
let system: string
let serial = 0

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
})
afterAll(() => server.close())

const urn = (): string => `urn:uuid:00000000-0000-4000-8000-${String(++serial).padStart(12, '0')}`
const run = (entries: readonly object[], token = system): Promise<Reply> => server.ask(token, 'POST', '', { body: bundle('transaction', entries) })
const provenance = (target: string): Json => ({ resourceType: 'Provenance', target: [{ reference: target }], recorded: '2026-01-01T00:00:00Z', agent: [{ who: { display: 'somebody' } }] })
const task = (focus: string): Json => ({ resourceType: 'Task', status: 'requested', intent: 'order', focus: { reference: focus } })
const asPatient = (id: string): Promise<string> => server.token({ scope: 'patient/*.rs', patient: id })

/** Whether each of these callers reads the path, and finds it by search. */
async function seenBy(path: string, patients: readonly Json[]): Promise<readonly boolean[]> {
  const [type, id] = path.split('/') as [string, string]
  return Promise.all(patients.map(async (each) => {
    const token = await asPatient(each.id)
    const [read, found, listed] = [await server.ask(token, 'GET', path), await server.ask(token, 'GET', `${type}?_id=${id}`), await server.ask(token, 'GET', `${type}?_count=1000`)]
    const inList = (listed.json.entry ?? []).some((one: Json) => one.resource.id === id)
    expect([found.json.total === 1, inList], path).toEqual([read.status === 200, read.status === 200])
    return read.status === 200
  }))
}

const move = async (id: string, to: Json): Promise<void> => {
  expect((await server.ask(system, 'PUT', `Observation/${id}`, { body: { ...observation(`Patient/${to.id}`), id } })).status).toBe(200)
}

/** What another request does while the next commit is on its way. */
function beforeNextCommit(other: () => Promise<void>): void {
  const records = server.running.system.records as { commit: (...asked: unknown[]) => Promise<unknown> }
  const { commit } = records
  records.commit = async function (...asked) {
    records.commit = commit
    await other()
    return commit.apply(records, asked)
  }
}

const people = async (): Promise<readonly [Json, Json]> => [await server.put(patient('A')), await server.put(patient('B'))]
const intact = async (): Promise<void> => {
  const { ok, problems, records } = await server.running.system.verify({ versions: true })
  expect([ok, problems, records > 0]).toEqual([true, [], true])
}

describe('records that belong to the patients of their targets', () => {
  test('are that patient’s, also where they stand before their targets in the bundle, two levels deep', async () => {
    const [a, b] = await people()
    const [o, t] = [urn(), urn()]
    const reply = await run([
      entry('POST', 'Provenance', provenance(t)), entry('POST', 'Provenance', provenance(o)), entry('POST', 'Task', task(o), { fullUrl: t }), entry('POST', 'Observation', observation(`Patient/${a.id}`), { fullUrl: o }),
      entry('POST', 'Binary', { resourceType: 'Binary', contentType: 'text/plain', data: 'eA==', securityContext: { reference: o } })
    ])
    expect(statuses(reply)).toEqual([201, 201, 201, 201, 201])
    for (const one of reply.json.entry) {
      const path = one.response.location.split('/').slice(-4, -2).join('/')
      expect([path, await seenBy(path, [a, b])]).toEqual([path, [true, false]])
    }
  })

  test('that named a target before it was there follow it once it is, however it is written, at any depth', async () => {
    const ways: Readonly<Record<string, (body: Json) => Promise<Reply>>> = {
      put: (body) => server.ask(system, 'PUT', `Observation/${body.id}`, { body }),
      batch: (body) => server.ask(system, 'POST', '', { body: bundle('batch', [entry('PUT', `Observation/${body.id}`, body)]) }),
      transaction: (body) => run([entry('PUT', `Observation/${body.id}`, body)])
    }
    for (const [way, write] of Object.entries(ways)) {
      const [a, b] = await people()
      const own = await server.put(observation(`Patient/${a.id}`))
      const late = `late-${way}`
      const alone = await server.put(provenance(`Observation/${late}`))
      const both = await server.put({ ...provenance(`Observation/${own.id}`), target: [{ reference: `Observation/${own.id}` }, { reference: `Observation/${late}` }] })
      const ofTask = await server.put({ ...task(`Observation/${late}`), for: { reference: `Patient/${a.id}` } })
      const onTask = await server.put(provenance(`Task/${ofTask.id}`))
      const paths = [`Provenance/${alone.id}`, `Provenance/${both.id}`, `Task/${ofTask.id}`, `Provenance/${onTask.id}`]
      const seen = () => Promise.all(paths.map((path) => seenBy(path, [a, b])))
      expect([way, (await seen()).slice(1)]).toEqual([way, [[true, false], [true, false], [true, false]]])
      expect((await write({ ...observation(`Patient/${b.id}`), id: late })).status).toBeLessThan(300)
      // What is of two patients is shown to neither; the control is what was written in the other order.
      const control = await server.put({ ...provenance(''), target: [{ reference: `Observation/${own.id}` }, { reference: `Observation/${late}` }] })
      expect(await seenBy(`Provenance/${control.id}`, [a, b])).toEqual([false, false])
      expect([way, await seen()]).toEqual([way, [[false, true], [false, false], [false, false], [false, false]]])
    }
    await intact()
  })

  test('that stand in a circle are written all the same', async () => {
    const [a, b] = await people()
    const [s, t] = [urn(), urn()]
    const reply = await run([
      entry('POST', 'Task', { ...task(t), for: { reference: `Patient/${a.id}` } }, { fullUrl: s }), entry('POST', 'Task', task(s), { fullUrl: t })
    ])
    expect(statuses(reply)).toEqual([201, 201])
    for (const one of reply.json.entry) expect(await seenBy(one.response.location.split('/').slice(-4, -2).join('/'), [a, b])).toEqual([true, false])
  })

  test('follow their target when it moves to another patient, at any depth', async () => {
    const [a, b] = await people()
    const moved = await server.put(observation(`Patient/${a.id}`))
    const about = `Observation/${moved.id}`
    const first = await server.put(provenance(about))
    const middle = await server.put(task(about))
    const second = await server.put(provenance(`Task/${middle.id}`))
    const paths = [about, `Provenance/${first.id}`, `Task/${middle.id}`, `Provenance/${second.id}`]
    for (const path of paths) expect([path, await seenBy(path, [a, b])]).toEqual([path, [true, false]])
    expect((await server.ask(system, 'PUT', about, { body: { ...observation(`Patient/${b.id}`), id: moved.id } })).status).toBe(200)
    for (const path of paths) expect([path, await seenBy(path, [a, b])]).toEqual([path, [false, true]])
    await intact()
  })

  test('follow it in a transaction too, and what the transaction itself writes about it', async () => {
    const [a, b] = await people()
    const moved = await server.put(observation(`Patient/${a.id}`))
    const before = await server.put(provenance(`Observation/${moved.id}`))
    const reply = await run([entry('POST', 'Provenance', provenance(`Observation/${moved.id}`)), entry('PUT', `Observation/${moved.id}`, { ...observation(`Patient/${b.id}`), id: moved.id })])
    expect(statuses(reply)).toEqual([201, 200])
    const made = reply.json.entry[0].response.location.split('/').at(-3)
    for (const path of [`Provenance/${before.id}`, `Provenance/${made}`]) expect([path, await seenBy(path, [a, b])]).toEqual([path, [false, true]])
    await intact()
  })

  test('get the patients that their target has when they are committed, not those it had when they were read', async () => {
    const [a, b] = await people()
    const moved = await server.put(observation(`Patient/${a.id}`))
    beforeNextCommit(() => move(moved.id, b))
    const made = await server.put(provenance(`Observation/${moved.id}`))
    expect(await seenBy(`Provenance/${made.id}`, [a, b])).toEqual([false, true])
  })

  test('follow a move that looked for them before they were written', async () => {
    const [a, b] = await people()
    const moved = await server.put(observation(`Patient/${a.id}`))
    const middle = await server.put(task(`Observation/${moved.id}`))
    const late: string[] = []
    for (const target of [`Observation/${moved.id}`, `Task/${middle.id}`]) {
      for (const [from, to] of [[a, b], [b, a]] as const) {
        beforeNextCommit(async () => { late.push(`Provenance/${(await server.put(provenance(target))).id}`) })
        await move(moved.id, to)
        expect([target, await seenBy(late.at(-1)!, [to, from])]).toEqual([target, [true, false]])
      }
    }
    await intact()
  })

  test('get the patients that a record has when it moves, without a new version, between their reading and their commit', async () => {
    const [a, b] = await people()
    const moved = await server.put(observation(`Patient/${a.id}`))
    const middle = await server.put(task(`Observation/${moved.id}`))
    beforeNextCommit(() => move(moved.id, b))
    const made = await server.put(provenance(`Task/${middle.id}`))
    expect(await seenBy(`Provenance/${made.id}`, [a, b])).toEqual([false, true])
  })

  test('written with a move, on a record that only follows it, get its new patients', async () => {
    const [a, b] = await people()
    const moved = await server.put(observation(`Patient/${a.id}`))
    const middle = await server.put(task(`Observation/${moved.id}`))
    const reply = await run([entry('POST', 'Provenance', provenance(`Task/${middle.id}`)), entry('PUT', `Observation/${moved.id}`, { ...observation(`Patient/${b.id}`), id: moved.id })])
    expect(statuses(reply)).toEqual([201, 200])
    expect(await seenBy(`Provenance/${reply.json.entry[0].response.location.split('/').at(-3)}`, [a, b])).toEqual([false, true])
  })

  test('follow it when they are deleted, so that their last content is shown to the new patient alone', async () => {
    const [a, b] = await people()
    const moved = await server.put(observation(`Patient/${a.id}`))
    const gone = await server.put(provenance(`Observation/${moved.id}`))
    await server.ask(system, 'DELETE', `Provenance/${gone.id}`)
    const shown = async (): Promise<readonly number[]> => Promise.all([a, b].map(async ({ id }) => (await server.ask(await asPatient(id), 'GET', `Provenance/${gone.id}`)).status))
    expect(await shown()).toEqual([410, 404])
    await move(moved.id, b)
    expect(await shown()).toEqual([404, 410])
    await intact()
  })

  test('keep their version, time and text when they follow', async () => {
    const [a, b] = await people()
    const moved = await server.put(observation(`Patient/${a.id}`))
    const about = await server.put(provenance(`Observation/${moved.id}`))
    await server.ask(system, 'PUT', `Observation/${moved.id}`, { body: { ...observation(`Patient/${b.id}`), id: moved.id } })
    expect((await server.ask(system, 'GET', `Provenance/${about.id}`)).json).toEqual(about)
    expect((await server.ask(system, 'GET', `Provenance/${about.id}/_history`)).json.entry).toHaveLength(1)
  })
})

describe('a move', () => {
  test('needs the right to move, by PUT and in a transaction, and leaves nothing where it is refused', async () => {
    const [a, b] = await people()
    const moved = await server.put(observation(`Patient/${a.id}`))
    const doctor = await server.put({ resourceType: 'Practitioner', name: [{ family: 'House' }] })
    for (const each of [a, b]) await server.put({ ...each, meta: undefined, generalPractitioner: [{ reference: `Practitioner/${doctor.id}` }] })
    const token = await server.token({ scope: 'user/*.cruds', roles: ['physician'], fhirUser: `Practitioner/${doctor.id}` })
    const body = { ...observation(`Patient/${b.id}`), id: moved.id }
    const before = await countOf(server, system, 'Observation')
    expect(refusal(await server.ask(token, 'PUT', `Observation/${moved.id}`, { body }))[0]).toBe(403)
    expect(refusal(await run([entry('POST', 'Observation', observation(`Patient/${a.id}`)), entry('PUT', `Observation/${moved.id}`, body)], token))[0]).toBe(403)
    expect([await countOf(server, system, 'Observation'), (await server.ask(system, 'GET', `Observation/${moved.id}`)).json]).toEqual([before, moved])
    expect((await server.ask(token, 'PUT', `Observation/${moved.id}`, { body: { ...observation(`Patient/${a.id}`), id: moved.id } })).status).toBe(200)
  })

  test('of a Binary’s security context takes the Binary with it', async () => {
    const [a, b] = await people()
    const moved = await server.put(observation(`Patient/${a.id}`))
    const about = await server.put({ resourceType: 'Binary', contentType: 'text/plain', data: 'eA==', securityContext: { reference: `Observation/${moved.id}` } })
    expect(await seenBy(`Binary/${about.id}`, [a, b])).toEqual([true, false])
    await server.ask(system, 'PUT', `Observation/${moved.id}`, { body: { ...observation(`Patient/${b.id}`), id: moved.id } })
    expect(await seenBy(`Binary/${about.id}`, [a, b])).toEqual([false, true])
    await intact()
  })
})
