/**
 * Twin worlds: two servers that are alike to the byte (store, keys, clock), but that only one of them holds rows which patient A may not see.
 * Whatever A asks, both must answer alike (DESIGN.md I2).
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import type { Resource } from '../../src/model/resource.ts'
import { allTypes, classify } from '../../src/search/classification.ts'
import { type Claims, type Harness, type Json, startHarness, SYSTEM } from '../harness.ts'
import { copyStore, dropStore, newStore } from '../stores.ts'
import { gain, hiddenFromA, lose, seenByA } from './mixed.ts'
import { BASE, makeRow, type Owner } from './rows.ts'

export const A: Owner = { id: 'a', number: 3 }
export const B: Owner = { id: 'b', number: 7 }
export const NOBODY: Owner = { id: 'all', number: 5 }
export const PATIENT_A: Claims = { scope: 'patient/*.cruds launch/patient', patient: 'a', fhirUser: 'Patient/a' }
export const PATIENT_B: Claims = { scope: 'patient/*.cruds launch/patient', patient: 'b', fhirUser: 'Patient/b' }

export interface Ask {
  readonly method?: string
  /** Follows the FHIR base. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  readonly json: Json
}

/** One server of the pair. */
export class Side {
  readonly #harness: Harness
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 })
  readonly #tokens = new Map<string, Promise<string>>()

  constructor(harness: Harness) {
    this.#harness = harness
  }

  get system() {
    return this.#harness.running.system
  }

  async ask(claims: Claims, ask: Ask): Promise<Reply> {
    const name = JSON.stringify(claims)
    if (!this.#tokens.has(name)) this.#tokens.set(name, this.#harness.token(claims))
    const body = ask.body === undefined ? undefined : typeof ask.body === 'string' ? ask.body : JSON.stringify(ask.body)
    const headers = { authorization: `Bearer ${await this.#tokens.get(name)}`, ...(body === undefined ? {} : { 'content-type': 'application/fhir+json' }), ...ask.headers }
    return new Promise((resolve, reject) => {
      const path = `/fhir/R4${ask.path === '' ? '' : `/${ask.path}`}`
      const sent = request({ host: '127.0.0.1', port: this.#harness.running.port, agent: this.#agent, method: ask.method ?? 'GET', path, headers }, (reply) => {
        const pieces: Buffer[] = []
        reply.on('data', (piece: Buffer) => pieces.push(piece))
        reply.on('error', reject)
        reply.on('end', () => {
          const text = Buffer.concat(pieces).toString('utf8')
          const isJson = (reply.headers['content-type'] ?? '').includes('json') && text !== ''
          resolve({ status: reply.statusCode ?? 0, headers: reply.headers as Record<string, string>, text, json: isJson ? JSON.parse(text) : null })
        })
      })
      sent.on('error', reject)
      sent.end(body)
    })
  }

  /** The system writes rows under their own ids, in one transaction. */
  async load(rows: readonly object[]): Promise<void> {
    if (rows.length === 0) return
    const entry = (rows as readonly Resource[]).map((resource) => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } }))
    const reply = await this.ask(SYSTEM, { method: 'POST', path: '', body: { resourceType: 'Bundle', type: 'transaction', entry } })
    if (reply.status !== 200) throw new Error(`the world was not stored: ${reply.status} ${reply.text.slice(0, 2000)}`)
  }

  async remove(...refs: readonly string[]): Promise<void> {
    for (const path of refs) {
      const reply = await this.ask(SYSTEM, { method: 'DELETE', path })
      if (reply.status !== 204) throw new Error(`${path} was not deleted: ${reply.status}`)
    }
  }

  async close(): Promise<void> {
    this.#agent.destroy()
    await this.#harness.close()
  }
}

export interface Twins {
  /** Holds the hidden rows. */
  readonly full: Side
  /** Never held them. */
  readonly bare: Side
  close(): Promise<void>
}

/** Stands still until it is moved: two worlds that do the same have the same times. Threads of the server have the real one, which is near. */
export const clock = { now: Math.floor(Date.now() / 1000) * 1000 }
/** A time so many minutes from now, as text. */
export const minute = (from: number): string => new Date(clock.now + from * 60_000).toISOString()

/** `common` fills the world that both begin as; `hidden` is done in one of them afterwards, at times that lie between those of `common`. */
export async function openTwins(common: (side: Side) => Promise<void>, hidden: (side: Side) => Promise<void>, settings: Readonly<Record<string, string>> = {}): Promise<Twins> {
  const still = vi.spyOn(Date, 'now').mockImplementation(() => clock.now)
  const dir = mkdtempSync(join(tmpdir(), 'wardkeep-twins-'))
  const stores = { first: newStore(), full: newStore(), bare: newStore() }
  const open = async (name: keyof typeof stores): Promise<Side> => new Side(await startHarness({
    DATA_DIR: join(dir, name), KEY_URL: `file:${join(dir, 'keys')}`, BASE_URL: 'http://clinic.test', RATE_LIMIT: '1000000000', ...stores[name], ...settings
  }))
  const first = await open('first')
  await common(first)
  await first.close()
  for (const name of ['full', 'bare'] as const) {
    cpSync(join(dir, 'first'), join(dir, name), { recursive: true })
    await copyStore(stores.first, stores[name])
  }
  const [full, bare] = [await open('full'), await open('bare')]
  await hidden(full)
  return {
    full, bare,
    async close() {
      await Promise.all([full.close(), bare.close()])
      for (const store of Object.values(stores)) await dropStore(store)
      rmSync(dir, { recursive: true, force: true })
      still.mockRestore()
    }
  }
}

/** Runs the work at a time of its own. */
export async function at<T>(minutes: number, work: () => Promise<T>): Promise<T> {
  const before = clock.now
  clock.now += minutes * 60_000
  try {
    return await work()
  } finally {
    clock.now = before
  }
}

/** The world of the leak tests: every type of row of A, of B and of nobody, and the mixed ones of mixed.ts. */
export const openLeakWorld = (settings: Readonly<Record<string, string>> = {}): Promise<Twins> => openTwins(async (side) => {
  await at(-9, async () => {
    await side.load([...rowsOfNobody(), ...rowsOf(A)])
    await gain(side)
  })
  await at(-5, () => side.load(seenByA))
  await at(-4, async () => {
    await side.load([{ ...makeRow('Condition', A), id: 'a-gone' }])
    await side.remove('Condition/a-gone')
  })
}, async (side) => {
  // Before, between and after what A sees.
  await at(-10, () => side.load(rowsOf(B)))
  await at(-7, () => side.load(hiddenFromA))
  await at(-3, async () => {
    await lose(side)
    await side.load(restrictedRows())
  })
}, settings)

/** Types whose records are some patient's. */
export const ofPatients: readonly string[] = allTypes.filter((type) => ['compartment', 'derived'].includes(classify(type)!.kind) || type === 'Device' || type === 'Slot')
const restricted = allTypes.filter((type) => classify(type)!.kind === 'restricted' && type !== 'OperationOutcome')
const ofNobody = allTypes.filter((type) => ['shared', 'by-reference'].includes(classify(type)!.kind) && !/^(CapabilityStatement|EventDefinition|StructureDefinition|TerminologyCapabilities|Slot)$/.test(type))

/** Every type's rows of one patient; none of them names another. */
export const rowsOf = (owner: Owner): readonly Resource[] => [makeRow('Patient', owner), ...ofPatients.flatMap((type) => [makeRow(type, owner), makeRow(type, owner, 1)])]

export const rowsOfNobody = (): readonly Resource[] => ofNobody.map((type) => withoutPatient(makeRow(type, NOBODY)))

/** Rows that no patient may see, whomever they name. */
export const restrictedRows = (): readonly Resource[] => restricted.map((type) => makeRow(type, A))

const withoutPatient = ({ patient: _patient, ...rest }: Resource & { patient?: unknown }): Resource => rest as Resource

/** What of a reply must be alike in both worlds: all but ids that the server draws, whose count and length still show. */
export function shown(reply: Reply): string {
  const names = new Map<string, string>()
  const own = Object.entries(reply.headers).filter(([name]) => !/^(date|x-request-id|ratelimit.*|connection|keep-alive)$/.test(name))
  return JSON.stringify([reply.status, Object.fromEntries(own), reply.text], null, 1)
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => names.get(id) ?? (names.set(id, `drawn-id-${names.size}`), names.get(id)!))
    .replace(/_page=[\w-]+/g, (link) => `_page=(${link.length})`)
}

/** Asks both worlds and gives what they answer differently: nothing, where the guard holds. */
export async function differences(twins: Twins, claims: Claims, asks: readonly Ask[], oneByOne = false): Promise<readonly string[]> {
  const found: string[] = []
  await inTurns(asks, oneByOne ? 1 : 12, async (ask) => {
    const [full, bare] = (await Promise.all([twins.full.ask(claims, ask), twins.bare.ask(claims, ask)])).map(shown) as [string, string]
    if (full !== bare) found.push(`${ask.method ?? 'GET'} ${ask.path} ${JSON.stringify(ask.headers ?? {})} ${unlike(full, bare)}`)
  })
  return found
}

/** Where two texts part. */
export function unlike(full: string, bare: string): string {
  let from = 0
  while (full[from] === bare[from]) from++
  return `with: …${full.slice(Math.max(0, from - 60), from + 160)}… without: …${bare.slice(Math.max(0, from - 60), from + 160)}…`
}

/** Each item once, so many at a time. */
export async function inTurns<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = items[Symbol.iterator]()
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let next = left.next(); next.done !== true; next = left.next()) await work(next.value)
  }))
}

/** Pages of a search to the end: the ids in order, and each page. */
export async function pagesOf(side: Side, claims: Claims, path: string): Promise<readonly Reply[]> {
  const pages: Reply[] = []
  for (let next: string | undefined = path; next !== undefined;) {
    const reply: Reply = await side.ask(claims, { path: next })
    pages.push(reply)
    next = reply.json?.link?.find((link: Json) => link.relation === 'next')?.url.slice(BASE.length + 1)
  }
  return pages
}
