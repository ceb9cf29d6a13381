/** Synthea's bundles as files and as what the loader sends of them. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { parseJson } from '../src/model/json.ts'
import { ID_PATTERN } from '../src/model/resource.ts'
import { SYNTHEA } from './generator/parts.ts'

/** A bundle that can be had when its turn comes. */
export interface Source {
  /** File name; Synthea's prefixes decide the order. */
  readonly name: string
  bytes(): Promise<Uint8Array>
}

/** What is sent, and what must come of it. */
export interface Shipment {
  readonly type: 'batch' | 'transaction'
  readonly body: Uint8Array | string
  /** Resource type of each entry, in order. */
  readonly types: readonly string[]
  /** Whether an entry's 412 means that its resource is there already. */
  readonly putOnce: readonly boolean[]
  /** `system|value` of the Patient whose presence shows that a transaction was loaded; null for a batch. */
  readonly patient: string | null
}

/** Thrown with one line that says what is wrong with a file. */
export class UnfitBundle extends Error {}

/**
 * The files named, and the JSON files of the folders named (or of their subfolder `fhir`): hospitals first, practitioners second, then the
 * others by name.
 */
export async function sourcesIn(paths: readonly string[]): Promise<readonly Source[]> {
  const files = (await Promise.all(paths.map(filesIn))).flat()
  return ordered([...new Set(files)].map((path) => ({ name: basename(path), bytes: () => readFile(path) })))
}

/** Bundles in memory, such as those of `generate`. */
export function sourceOf({ name, bundle }: { readonly name: string; readonly bundle: object }): Source {
  return { name, bytes: () => Promise.resolve(Buffer.from(JSON.stringify(bundle))) }
}

const BEFORE_PATIENTS = [/^hospitalInformation/, /^practitionerInformation/] as const

/** 0 and 1 come one after the other before everything else, since patients name what they bring. */
export function stageOf(name: string): number {
  const stage = BEFORE_PATIENTS.findIndex((prefix) => prefix.test(name))
  return stage < 0 ? BEFORE_PATIENTS.length : stage
}

export const ordered = (sources: readonly Source[]): readonly Source[] =>
  [...sources].sort((a, b) => stageOf(a.name) - stageOf(b.name) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))

/**
 * A transaction goes out byte for byte. In a batch, a POST that carries no ifNoneExist (PractitionerRole) becomes a PUT on its own id that
 * only creates, so that the second load finds it there. A bundle that could not be loaded twice without duplicates is refused.
 */
export function shipmentOf(bytes: Uint8Array): Shipment {
  const bundle = readBundle(bytes)
  const entries = Array.isArray(bundle.entry) ? bundle.entry.map(objectOf) : []
  const types = entries.map(({ resource }) => String(objectOf(resource).resourceType ?? ''))
  if (bundle.type === 'transaction') return { type: 'transaction', body: bytes, types, putOnce: types.map(() => false),
    patient: patientOf(entries) }
  if (bundle.type !== 'batch') throw new UnfitBundle('not a batch or transaction Bundle')
  const sent = entries.map(onlyOnce)
  return {
    type: 'batch', body: JSON.stringify({ ...bundle, entry: sent }), types, putOnce: sent.map((entry, at) => entry !== entries[at]),
    patient: null
  }
}

type Json = Readonly<Record<string, unknown>>

const JSON_DEPTH_MAX = 100

function readBundle(bytes: Uint8Array): Json {
  let value: unknown
  try {
    value = parseJson(bytes, { depthMax: JSON_DEPTH_MAX })
  } catch (error) {
    throw new UnfitBundle(`not JSON that the server would take: ${(error as Error).message}`)
  }
  if (objectOf(value).resourceType !== 'Bundle') throw new UnfitBundle('not a Bundle')
  return objectOf(value)
}

function onlyOnce(entry: Json, at: number): Json {
  const request = objectOf(entry.request)
  if (request.method !== 'POST' || request.ifNoneExist !== undefined) return entry
  const { resourceType, id } = objectOf(entry.resource)
  if (typeof id !== 'string' || !ID_PATTERN.test(id)) {
    throw new UnfitBundle(`entry ${at} has neither ifNoneExist nor an id, so a second load would double it`)
  }
  return { ...entry, request: { ...request, method: 'PUT', url: `${String(resourceType)}/${id}`, ifNoneMatch: '*' } }
}

/** The Synthea identifier of the bundle's Patient, else its first identifier that has a system. */
function patientOf(entries: readonly Json[]): string {
  const patient = entries.map(({ resource }) => objectOf(resource)).find(({ resourceType }) => resourceType === 'Patient')
  const identifiers = Array.isArray(patient?.identifier) ? patient.identifier.map(objectOf).filter(({ system,
    value }) => typeof system === 'string' && typeof value === 'string') : []
  const chosen = identifiers.find(({ system }) => system === SYNTHEA) ?? identifiers[0]
  if (chosen === undefined) throw new UnfitBundle('a transaction needs a Patient with an identifier, else a second load would double it')
  return `${String(chosen.system)}|${String(chosen.value)}`
}

const objectOf = (value: unknown): Json => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {})

async function filesIn(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch(() => null)
  if (found === null) throw new UnfitBundle(`${path}: no such file or folder`)
  if (!found.isDirectory()) return [path]
  const names = (await readdir(path)).filter((name) => name.endsWith('.json')).sort()
  if (names.length > 0) return names.map((name) => join(path, name))
  if (basename(path) !== 'fhir' && await stat(join(path, 'fhir')).then((inner) => inner.isDirectory(),
    () => false)) return filesIn(join(path, 'fhir'))
  throw new UnfitBundle(`${path}: no JSON files`)
}
