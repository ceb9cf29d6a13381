/** What is asked of the servers: the paths of reads and searches, and the bodies of creates. */
import type { Server } from './child.ts'
import { ask, type Call, callOf } from './client.ts'
import { HEART_RATE, HITS, newObservation, observationId, patientBundle, patientId, PER_PATIENT } from './resources.ts'

const READ_PATHS_MAX = 500
const SEARCH_PATHS_MAX = 200

export function readPaths(patients: number): readonly string[] {
  const count = Math.min(READ_PATHS_MAX, patients * (PER_PATIENT - 1))
  return Array.from({ length: count }, (_, k) => `/fhir/R4/Observation/${observationId(k % patients, (k * 7) % (PER_PATIENT - 1))}`)
}

export function searchPaths(patients: number): readonly string[] {
  return Array.from({ length: Math.min(SEARCH_PATHS_MAX, patients) }, (_, n) =>
    `/fhir/R4/Observation?patient=Patient/${patientId(n)}&code=http://loinc.org|${HEART_RATE}&_count=${HITS}`.replace('|', '%7C'))
}

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

export async function load(server: Server, patients: number): Promise<void> {
  for (let n = 0; n < patients; n++) await post(server, patientBundle(n))
}

export async function post(server: Server, bundle: string | Buffer): Promise<void> {
  const { status, body } = await ask(server, callOf(server, 'POST', '/fhir/R4', bundle))
  if (status > 299) throw new Error(`${server.name} refused a bundle: ${status} ${body.toString().slice(0, 500)}`)
}

/** What the server answers to each of these, for the bare handler to answer too. */
export async function answersOf(server: Server, paths: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const bodies: Record<string, string> = {}
  for (const path of paths) {
    const { status, body } = await ask(server, callOf(server, 'GET', path))
    if (status !== 200) throw new Error(`${path} answered ${status}: ${body.toString().slice(0, 300)}`)
    bodies[path] = body.toString()
  }
  for (const path of paths.filter((each) => each.includes('?'))) {
    const hits = (JSON.parse(bodies[path]!) as { entry?: readonly unknown[] }).entry?.length ?? 0
    if (hits !== HITS) throw new Error(`${path} found ${hits} instead of ${HITS}`)
  }
  return bodies
}
