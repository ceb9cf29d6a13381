/** What is asked of the servers: the paths of reads and searches, and the bodies of creates; and that all answer it alike. */
import type { Server } from './child.ts'
import { ask, type Call, callOf, percentile } from './client.ts'
import type { Bundle } from './generated.ts'
import { CODES, HEART_RATE, HITS, newObservation, observationId, patientId, PER_PATIENT } from './resources.ts'
import type { Figures } from './rounds.ts'

const READ_PATHS_MAX = 500
const SEARCH_PATHS_MAX = 200

export function readPaths(patients: number): readonly string[] {
  const count = Math.min(READ_PATHS_MAX, patients * (PER_PATIENT - 1))
  return Array.from({ length: count }, (_, k) => `/fhir/R4/Observation/${observationId(k % patients, (k * 7) % (PER_PATIENT - 1))}`)
}

/** Every observation in turn, of one patient after the other. */
export function coldReadPaths(patients: number): readonly string[] {
  return Array.from({ length: patients * (PER_PATIENT - 1) }, (_, k) => `/fhir/R4/Observation/${observationId(k % patients, Math.floor(k / patients))}`)
}

export const searchPaths = (patients: number): readonly string[] =>
  Array.from({ length: Math.min(SEARCH_PATHS_MAX, patients) }, (_, n) => searchPath(n, HEART_RATE))

/** Every patient and every code in turn: what is found is not asked for again before everything else was. */
export function coldSearchPaths(patients: number): readonly string[] {
  return CODES.flatMap(([code]) => Array.from({ length: patients }, (_, n) => searchPath(n, code)))
}

const searchPath = (n: number, code: string): string =>
  `/fhir/R4/Observation?patient=Patient/${patientId(n)}&code=http://loinc.org%7C${code}&_count=${HITS}`

/** The same calls again and again. */
export function gets(server: Server, paths: readonly string[]): () => Call {
  const calls = paths.map((path) => callOf(server, 'GET', path))
  let at = 0
  return () => calls[at++ % calls.length]!
}

/** Creates for the patients in turn; all values differ, so bodies are made as they are sent. */
export function creates(server: Server, patients: number): () => Call {
  let at = 0
  return () => callOf(server, 'POST', '/fhir/R4/Observation', newObservation(at % patients, at++))
}

/** Each server takes all bundles in turn with the others. A figure's unit is a resource, its times are those of a bundle. */
export async function measureLoad(servers: readonly Server[], bundles: readonly Bundle[]): Promise<readonly Figures[]> {
  const spent = servers.map(() => ({ cpu: 0, ms: [] as number[] }))
  for (const bundle of bundles) {
    const body = JSON.stringify({ resourceType: 'Bundle', ...bundle })
    for (const [i, server] of servers.entries()) {
      const before = await server.usage()
      const started = performance.now()
      await post(server, body)
      spent[i]!.ms.push(performance.now() - started)
      spent[i]!.cpu += (await server.usage()).cpu - before.cpu
    }
  }
  const resources = bundles.reduce((sum, { entry }) => sum + entry.length, 0)
  return Promise.all(servers.map(async (server, i) => {
    const { cpu, ms } = spent[i]!
    const times = Float64Array.from(ms).sort()
    const seconds = ms.reduce((sum, each) => sum + each, 0) / 1000
    return { name: server.name, perSecond: resources / seconds, p50: percentile(times, 0.5), p99: percentile(times, 0.99), cpu: cpu / resources, turns: [cpu / resources], rss: (await server.usage()).rss }
  }))
}

export async function post(server: Server, bundle: string | Buffer): Promise<Buffer> {
  const { status, body } = await ask(server, callOf(server, 'POST', '/fhir/R4', bundle))
  if (status > 299) throw new Error(`${server.name} refused a bundle: ${status} ${body.toString().slice(0, 500)}`)
  return body
}

/** Stops the run unless both answer these with the same bytes. */
export async function checkSame(one: Server, other: Server, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const [a, b] = [await ask(one, callOf(one, 'GET', path)), await ask(other, callOf(other, 'GET', path))]
    if (a.status !== 200 || b.status !== 200 || withoutPages(a.body) !== withoutPages(b.body)) throw new Error(`${path} is answered differently by ${one.name} and ${other.name}`)
  }
}

/** Each page link is sealed anew, and says the same. */
const withoutPages = (body: Buffer): string => body.toString('latin1').replace(/_page=[\w-]+/g, '_page=')

/** What a Bundle should have: hits of each search, and types that are beside them. */
export interface Expected { readonly hits: number; readonly included?: readonly string[] }

interface Entry { readonly resource: { readonly resourceType: string }; readonly search: { readonly mode: string } }

/** What the server answers to each of these, for the bare handler to answer too. */
export async function answersOf(server: Server, paths: readonly string[], expected: Expected | null = null): Promise<Readonly<Record<string, string>>> {
  const bodies: Record<string, string> = {}
  for (const path of paths) {
    const { status, body } = await ask(server, callOf(server, 'GET', path))
    if (status !== 200) throw new Error(`${path} answered ${status}: ${body.toString().slice(0, 300)}`)
    bodies[path] = body.toString()
    if (expected !== null) checkBundle(path, bodies[path], expected)
  }
  return bodies
}

function checkBundle(path: string, body: string, { hits, included = [] }: Expected): void {
  const { entry = [] } = JSON.parse(body) as { readonly entry?: readonly Entry[] }
  const matches = entry.filter(({ search }) => search.mode === 'match')
  if (matches.length !== hits) throw new Error(`${path} found ${matches.length} instead of ${hits}`)
  const beside = new Set(entry.filter((each) => !matches.includes(each)).map(({ resource }) => resource.resourceType))
  const missing = included.filter((type) => !beside.has(type))
  if (missing.length > 0) throw new Error(`${path} includes no ${missing.join()}`)
}
