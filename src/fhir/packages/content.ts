/** What a package brings: profiles, search parameters, value sets and code systems. */
import { parseJson } from '../../model/json.ts'
import type { Definition } from '../../search/parameter-facts.ts'
import type { CodeSystem, ValueSet } from '../terminology/resources.ts'
import type { StructureDefinition } from '../validate/element-definition.ts'
import { filesOf } from './archive.ts'
import { type SearchParameterResource, searchDefinition } from './search-parameters.ts'

export interface PackageContent {
  readonly name: string
  readonly version: string
  /** Names of packages that it says it needs. */
  readonly dependencies: readonly string[]
  readonly profiles: readonly StructureDefinition[]
  readonly searchParameters: readonly Definition[]
  /** Codes of search parameters that this server cannot answer, with the types they are on. */
  readonly unsearchable: readonly string[]
  readonly valueSets: readonly ValueSet[]
  readonly codeSystems: readonly CodeSystem[]
}

const JSON_DEPTH_MAX = 200
const NAME = /^[a-z0-9][a-z0-9._-]{0,99}$/
const VERSION = /^[A-Za-z0-9][A-Za-z0-9.+-]{0,63}$/
const KINDS: ReadonlySet<string> = new Set(['StructureDefinition', 'SearchParameter', 'ValueSet', 'CodeSystem'])

/** Reads a package. Throws an Error of one line where it is none for R4. */
export function contentOf(archive: Uint8Array): PackageContent {
  const files = filesOf(archive, (name) => name.endsWith('.json') && !name.startsWith('.'))
  const manifest = manifestOf(files.get('package.json'))
  const resources: Definitions = { StructureDefinition: [], SearchParameter: [], ValueSet: [], CodeSystem: [] }
  for (const [name, bytes] of files) {
    if (name === 'package.json') continue
    const resource = jsonOf(bytes, name)
    const kind = resource.resourceType
    if (typeof kind !== 'string' || !KINDS.has(kind) || typeof resource.url !== 'string') continue
    // The narrative is for readers; it would be most of what is kept in memory.
    const { text: _text, differential: _differential, ...kept } = resource
    resources[kind as keyof Definitions].push(kept as never)
  }
  const read = resources.SearchParameter.map((resource) => ({ resource, found: searchDefinition(resource) }))
  return {
    ...manifest,
    profiles: resources.StructureDefinition, valueSets: resources.ValueSet, codeSystems: resources.CodeSystem,
    searchParameters: read.flatMap(({ found }) => (found === null ? [] : [found])),
    unsearchable: read.filter(({ found }) => found === null).map(({ resource }) => `${(resource.base ?? []).join('/')}:${resource.code}`)
  }
}

interface Definitions {
  readonly StructureDefinition: StructureDefinition[]
  readonly SearchParameter: SearchParameterResource[]
  readonly ValueSet: ValueSet[]
  readonly CodeSystem: CodeSystem[]
}

function manifestOf(bytes: Buffer | undefined): Pick<PackageContent, 'name' | 'version' | 'dependencies'> {
  if (bytes === undefined) throw new Error('the package has no package/package.json')
  const { name, version, fhirVersions, dependencies } = jsonOf(bytes, 'package.json')
  if (typeof name !== 'string' || !NAME.test(name) || typeof version !== 'string' || !VERSION.test(version)) throw new Error('package.json has no plain name and version')
  const releases = Array.isArray(fhirVersions) ? (fhirVersions as readonly unknown[]) : []
  if (!releases.some((release) => typeof release === 'string' && /^4\.0(\.|$)/.test(release))) throw new Error(`${name} is not a package for FHIR R4 (fhirVersions)`)
  return { name, version, dependencies: typeof dependencies === 'object' && dependencies !== null ? Object.keys(dependencies) : [] }
}

function jsonOf(bytes: Buffer, name: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    // Read strictly first; what is kept has plain numbers, and goes to other threads.
    parseJson(bytes, { depthMax: JSON_DEPTH_MAX })
    value = JSON.parse(bytes.toString('utf8'))
  } catch {
    throw new Error(`the package's ${name} is not JSON`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`the package's ${name} is not a JSON object`)
  return value as Readonly<Record<string, unknown>>
}
