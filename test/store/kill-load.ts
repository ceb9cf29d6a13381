/** Mixed load on a server that may die at any moment, and what its clients were told. The notes live outside the server. */
import { randomUUID } from 'node:crypto'
import { askAt } from '../child.ts'
import type { Json, Reply } from '../harness.ts'

/** One version as a client knows it: what it wrote, or null for a deletion. */
export interface Version { readonly version: number; readonly mark: string | null }

/** A resource that only one client writes. */
export interface Fate {
  readonly ref: string
  /** Every version whose acknowledgement arrived, oldest first. */
  readonly acknowledged: Version[]
  /** Sent, and not answered: it may have happened or not. */
  inFlight: { readonly mark: string | null } | null
}

export interface Notes {
  readonly fates: Map<string, Fate>
  /** Transactions by their mark; true = acknowledged. */
  readonly transactions: Map<string, boolean>
  /** Creates by their mark; the reference where it was acknowledged. */
  readonly creates: Map<string, { readonly conditional: boolean; ref: string | null }>
  /** Acknowledged versions of resources that all clients write, `ref version` → mark. */
  readonly shared: Map<string, string>
  /** X-Request-Id of every answer of which anything arrived, with the interaction that it answered. */
  readonly answered: Map<string, string>
  /** Answers that no fault of the server excuses. */
  readonly wrong: string[]
  readonly counts: Map<string, number>
  /** Requests that were told to come again later: they happened or not. */
  readonly putOff: { count: number }
}

export const newNotes = (): Notes => ({
  fates: new Map(), transactions: new Map(), creates: new Map(), shared: new Map(), answered: new Map(), wrong: [], counts: new Map(), putOff: { count: 0 }
})

export const SYSTEM_URI = 'urn:wardkeep:kill'
export const TRANSACTION_ENTRIES = 20
export const SHARED = ['Observation/shared-1', 'Observation/shared-2'] as const

/** mulberry32: a run is repeated by its seed, up to the timing of the processes. */
export function dice(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export const observation = (mark: string, subject: string, id?: string): Json => ({
  resourceType: 'Observation', ...(id === undefined ? {} : { id }), status: 'final', code: { text: 'kill' }, subject: { reference: subject },
  identifier: [{ system: SYSTEM_URI, value: mark }], valueString: mark
})

export const patient = (mark: string, id?: string): Json => ({
  resourceType: 'Patient', ...(id === undefined ? {} : { id }), identifier: [{ system: SYSTEM_URI, value: mark }], name: [{ family: mark }]
})

export const transactionOf = (mark: string): Json => {
  const fullUrl = `urn:uuid:${randomUUID()}`
  const post = (resource: Json, url: string = `urn:uuid:${randomUUID()}`): Json => ({ fullUrl: url, resource, request: { method: 'POST', url: resource.resourceType } })
  const rest = Array.from({ length: TRANSACTION_ENTRIES - 1 }, () => post(observation(mark, fullUrl)))
  return { resourceType: 'Bundle', type: 'transaction', entry: [post(patient(mark), fullUrl), ...rest] }
}

export interface Client {
  readonly base: string
  readonly token: string
  readonly notes: Notes
  readonly random: () => number
  /** Its name: no other client of any round has it. */
  readonly name: string
}

/** Sends one random request after the other until the server is gone or `over` says so. */
export async function clientRun(client: Client, over: () => boolean): Promise<void> {
  const own: Fate[] = []
  for (let number = 0; !over(); number++) {
    const mark = `${client.name}-${number}`
    const roll = client.random()
    const work = KINDS.find(([share]) => roll < share)![1]
    try {
      await work(client, mark, own)
    } catch (error) {
      if (error instanceof TypeError || error instanceof PutOff) return
      throw error
    }
  }
}

/** 503: the database is away. The client stops as if it had heard nothing. */
export class PutOff extends Error {}

type Work = (client: Client, mark: string, own: Fate[]) => Promise<void>

/** Upper end of each kind's share. */
const KINDS: readonly (readonly [number, Work])[] = [
  [0.22, putNew], [0.40, change], [0.46, remove], [0.58, create], [0.66, transaction], [0.74, batch], [0.84, raiseShared], [1, read]
]

/** An answer is noted as soon as its headers are there: the record must have come before them. */
async function send({ base, token, notes }: Client, kind: string, method: string, path: string, options: Parameters<typeof askAt>[4] = {}): Promise<Reply> {
  const reply = await askAt(base, token, method, path, options, (headers) => notes.answered.set(headers.get('x-request-id') ?? '', kind))
  notes.counts.set(kind, (notes.counts.get(kind) ?? 0) + 1)
  if (reply.status === 503) {
    if (reply.headers.get('retry-after') === null) notes.wrong.push('A 503 without Retry-After')
    notes.answered.delete(reply.headers.get('x-request-id') ?? '')
    notes.putOff.count++
    throw new PutOff()
  }
  return reply
}

const unless = (notes: Notes, fine: boolean, what: string, reply: Reply): void => {
  if (!fine) notes.wrong.push(`${what}: ${reply.status} ${reply.text.slice(0, 200)}`)
}

async function putNew(client: Client, mark: string, own: Fate[]): Promise<void> {
  const ref = client.random() < 0.4 ? `Patient/${mark}` : `Observation/${mark}`
  const fate: Fate = { ref, acknowledged: [], inFlight: { mark } }
  client.notes.fates.set(ref, fate)
  const body = ref.startsWith('Patient') ? patient(mark, mark) : observation(mark, `Patient/${client.name}`, mark)
  const reply = await send(client, 'put', 'PUT', ref, { body })
  unless(client.notes, reply.status === 201, 'A new PUT', reply)
  if (reply.status === 201) acknowledge(fate, { version: 1, mark })
  own.push(fate)
}

async function change(client: Client, mark: string, own: Fate[]): Promise<void> {
  const fate = own[Math.floor(client.random() * own.length)]
  const last = fate?.acknowledged.at(-1)
  if (fate === undefined || last === undefined || last.mark === null) return putNew(client, mark, own)
  fate.inFlight = { mark }
  const [type, id] = fate.ref.split('/')
  const body = type === 'Patient' ? patient(mark, id) : observation(mark, `Patient/${client.name}`, id)
  const reply = await send(client, 'update', 'PUT', fate.ref, { body, headers: { 'if-match': `W/"${last.version}"` } })
  unless(client.notes, reply.status === 200, 'An update with the current version', reply)
  if (reply.status === 200) acknowledge(fate, { version: last.version + 1, mark })
}

async function remove(client: Client, mark: string, own: Fate[]): Promise<void> {
  const fate = own[Math.floor(client.random() * own.length)]
  const last = fate?.acknowledged.at(-1)
  if (fate === undefined || last === undefined || last.mark === null) return putNew(client, mark, own)
  fate.inFlight = { mark: null }
  const reply = await send(client, 'delete', 'DELETE', fate.ref)
  unless(client.notes, reply.status === 204, 'A delete', reply)
  if (reply.status === 204) acknowledge(fate, { version: last.version + 1, mark: null })
}

async function create(client: Client, mark: string): Promise<void> {
  const conditional = client.random() < 0.6
  const noted: { conditional: boolean; ref: string | null } = { conditional, ref: null }
  client.notes.creates.set(mark, noted)
  noted.ref = await createOnce(client, mark, conditional)
}

/** Also the retry of a client that never heard an answer. */
export async function createOnce(client: Client, mark: string, conditional: boolean): Promise<string | null> {
  const headers: Record<string, string> = conditional ? { 'if-none-exist': `identifier=${SYSTEM_URI}|${mark}` } : {}
  const reply = await send(client, 'create', 'POST', 'Observation', { body: observation(mark, `Patient/${client.name}`), headers })
  unless(client.notes, reply.status === 201 || (conditional && reply.status === 200), 'A create', reply)
  return reply.status < 300 ? `Observation/${reply.json.id}` : null
}

async function transaction(client: Client, mark: string): Promise<void> {
  client.notes.transactions.set(mark, false)
  const reply = await send(client, 'transaction', 'POST', '', { body: transactionOf(mark) })
  unless(client.notes, reply.status === 200, 'A transaction', reply)
  if (reply.status === 200) client.notes.transactions.set(mark, true)
}

async function batch(client: Client, mark: string, own: Fate[]): Promise<void> {
  const fate: Fate = { ref: `Observation/${mark}`, acknowledged: [], inFlight: { mark } }
  client.notes.fates.set(fate.ref, fate)
  const get = (url: string): Json => ({ request: { method: 'GET', url } })
  const entry = [
    get(SHARED[0]), get(`Observation?subject=Patient/${client.name}&_count=5`),
    { resource: observation(mark, `Patient/${client.name}`, mark), request: { method: 'PUT', url: fate.ref } }, get(fate.ref)
  ]
  const reply = await send(client, 'batch', 'POST', '', { body: { resourceType: 'Bundle', type: 'batch', entry } })
  unless(client.notes, reply.status === 200 && reply.json.entry[2].response.status.startsWith('201'), 'A batch', reply)
  if (reply.status === 200) acknowledge(fate, { version: 1, mark })
  own.push(fate)
}

async function raiseShared(client: Client, mark: string): Promise<void> {
  const ref = SHARED[Math.floor(client.random() * SHARED.length)]!
  const now = await send(client, 'read', 'GET', ref)
  const body = observation(mark, 'Patient/shared', ref.split('/')[1])
  const reply = await send(client, 'update', 'PUT', ref, { body, headers: { 'if-match': now.headers.get('etag') ?? '' } })
  unless(client.notes, reply.status === 200 || reply.status === 412, 'An update that may have lost a race', reply)
  if (reply.status === 200) client.notes.shared.set(`${ref} ${reply.json.meta.versionId}`, mark)
}

async function read(client: Client, _mark: string, own: Fate[]): Promise<void> {
  const fate = own[Math.floor(client.random() * own.length)]
  const paths = [SHARED[0], `${SHARED[1]}/_history?_count=5`, `Observation?subject=Patient/${client.name}&_count=20`, 'Patient?family=k', fate?.ref ?? SHARED[1]]
  const path = paths[Math.floor(client.random() * paths.length)]!
  const reply = await send(client, 'read', 'GET', path)
  unless(client.notes, reply.status === 200 || reply.status === 410, `GET ${path}`, reply)
}

function acknowledge(fate: Fate, version: Version): void {
  fate.acknowledged.push(version)
  fate.inFlight = null
}
