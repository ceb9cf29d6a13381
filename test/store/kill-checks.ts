/** What must hold after a restart, whatever the moment of the kill. Each check returns what it found wrong, in words. */
import type { System } from '../../src/system.ts'
import { askAt, pause } from '../child.ts'
import type { Json, Reply } from '../harness.ts'
import { type Client, createOnce, type Fate, type Notes, PutOff, SYSTEM_URI, TRANSACTION_ENTRIES, type Version } from './kill-load.ts'
import { accessRecords } from './ledger-read.ts'

/** Every acknowledged version is there; a version beyond them is the one that was in flight, whole. Afterwards the notes say what is. */
export async function fateFaults(client: Client, fates: Iterable<Fate>): Promise<readonly string[]> {
  return side(fates, async (fate, faults) => {
    const last = fate.acknowledged.at(-1)
    for (const each of fate.acknowledged) {
      const reply = each === last ? null : await get(client, `${fate.ref}/_history/${each.version}`)
      if (reply !== null && !holds(reply, each)) faults.push(`${fate.ref} lost acknowledged version ${each.version}: ${reply.status}`)
    }
    const next: Version | null = fate.inFlight === null ? null : { version: (last?.version ?? 0) + 1, mark: fate.inFlight.mark }
    const now = await get(client, fate.ref)
    const before = last === undefined ? now.status === 404 : holds(now, last)
    const after = next !== null && holds(now, next)
    if (!before && !after) faults.push(`${fate.ref} is neither as acknowledged nor as sent: ${now.status} ${now.headers.get('etag')}`)
    if (after && !before) fate.acknowledged.push(next)
    fate.inFlight = null
  })
}

function holds(reply: Reply, { version, mark }: Version): boolean {
  if (mark === null) return reply.status === 410
  return reply.status === 200 && reply.json.meta.versionId === String(version) && markOf(reply.json) === mark
}

const markOf = (resource: Json): string => resource.valueString ?? resource.name?.[0]?.family

export async function sharedFaults(client: Client, acknowledged: Iterable<readonly [string, string]>): Promise<readonly string[]> {
  return side(acknowledged, async ([place, mark], faults) => {
    const [ref, version] = place.split(' ')
    const reply = await get(client, `${ref}/_history/${version}`)
    if (!holds(reply, { version: Number(version), mark })) faults.push(`${ref} lost the acknowledged version ${version}: ${reply.status}`)
  })
}

/** All entries or none, acknowledged or not; of an acknowledged one all. */
export async function transactionFaults(client: Client, transactions: Iterable<readonly [string, boolean]>): Promise<readonly string[]> {
  return side(transactions, async ([mark, acknowledged], faults) => {
    const patients = await entries(client, `Patient?identifier=${SYSTEM_URI}|${mark}`)
    const rows = await entries(client, `Observation?identifier=${SYSTEM_URI}|${mark}&_count=100`)
    const whole = patients.length === 1 && rows.length === TRANSACTION_ENTRIES - 1 && rows.every((row) => row.subject.reference === `Patient/${patients[0].id}`)
    const absent = patients.length + rows.length === 0
    if (!whole && (acknowledged || !absent)) faults.push(`Transaction ${mark} (${acknowledged ? 'acknowledged' : 'in flight'}) left ${patients.length} patients and ${rows.length} observations`)
  })
}

/** An acknowledged create is there under its id, once; one that is tried again with If-None-Exist makes no second. */
export async function createFaults(client: Client, creates: Notes['creates']): Promise<readonly string[]> {
  return side(creates, async ([mark, noted], faults) => {
    if (noted.ref === null && noted.conditional) noted.ref = await made(client, mark)
    const rows = await entries(client, `Observation?identifier=${SYSTEM_URI}|${mark}`)
    if (rows.length > 1) faults.push(`Create ${mark} made ${rows.length} resources`)
    if (noted.ref !== null && `Observation/${rows[0]?.id}` !== noted.ref) faults.push(`Create ${mark} was acknowledged as ${noted.ref} and is ${rows[0]?.id}`)
  })
}

/** Ids of answered requests that no entry of the ledger, numbered or waiting, bears. */
export async function unrecorded(system: System, answered: Iterable<string>): Promise<readonly string[]> {
  const recorded = new Set((await accessRecords(system)).map((record) => record.requestId))
  return [...answered].filter((id) => !recorded.has(id))
}

const AT_ONCE = 8
const TRIES_MAX = 40

/** Checks several items at a time. */
async function side<T>(items: Iterable<T>, check: (item: T, faults: string[]) => Promise<void>): Promise<readonly string[]> {
  const faults: string[] = []
  const left = [...items][Symbol.iterator]()
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (const item of left) await check(item, faults)
  }))
  return faults
}

/** A database that has just come back may need more than one question. */
async function get({ base, token }: Client, path: string): Promise<Reply> {
  for (let tries = 1; ; tries++) {
    const reply = await askAt(base, token, 'GET', path)
    if (reply.status !== 503 || tries === TRIES_MAX) return reply
    await pause(500)
  }
}

async function made(client: Client, mark: string): Promise<string | null> {
  for (let tries = 1; ; tries++) {
    try {
      return await createOnce(client, mark, true)
    } catch (error) {
      if (!(error instanceof PutOff) || tries === TRIES_MAX) throw error
    }
    await pause(500)
  }
}

async function entries(client: Client, path: string): Promise<readonly Json[]> {
  const reply = await get(client, path)
  if (reply.status !== 200) throw new Error(`A check could not search: ${reply.status} ${reply.text.slice(0, 200)}`)
  return (reply.json.entry ?? []).map((entry: Json) => entry.resource)
}
