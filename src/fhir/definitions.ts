/** What one server knows beside R4's own definitions: what its packages brought. */
import { fault, FhirError, type Issue } from '../model/errors.ts'
import type { Resource } from '../model/resource.ts'
import type { PackageContent } from './packages/content.ts'
import { checkProfile, type CheckContext } from './profiles/check.ts'
import { compileProfile, type Profile } from './profiles/compile.ts'
import { type Library, layered, libraryOf } from './terminology/library.ts'
import { type Answer, Terminology } from './terminology/value-set.ts'
import { profile as r4Profile } from './validate/definitions.ts'
import { r4Library } from './validate/r4-library.ts'
import type { Json } from './validate/walk.ts'

export interface Definitions {
  /** R4's own value sets and code systems, then those of packages in the order they were added. */
  readonly library: Library
  /** `name version` of each package. */
  readonly packages: readonly string[]
  /** By canonical URL; null: not known here. */
  profile(canonical: string): Profile | null
  /** What of a profile a resource breaks. */
  check(profile: Profile, resource: Resource): readonly Issue[]
  /** The profiles that a resource claims in meta.profile, and the claims that nobody here can judge. */
  claims(resource: Resource): { readonly known: readonly Profile[]; readonly unknown: readonly string[] }
  /** FhirError 422 where the resource breaks a profile that it claims and that is known here. */
  requireClaims<Claiming extends Resource>(resource: Claiming): Claiming
}

/** Concepts that the bindings of one resource may look at. */
const BOUND_CONCEPTS_MAX = 100_000

export function definitionsOf(packages: readonly PackageContent[]): Definitions {
  const library = layered([r4Library, ...packages.map(({ valueSets, codeSystems }) => libraryOf(valueSets, codeSystems))])
  const structures = new Map(packages.flatMap(({ profiles }) => profiles).map((each) => [each.url, each]))
  const compiled = new Map<string, Profile | null>()
  // R4's own profiles are indexed on first use: better now than during the first write.
  if (packages.length > 0) r4Profile('')
  const profile = (canonical: string): Profile | null => {
    const [url = '', version] = canonical.split('|')
    let found = compiled.get(url)
    if (found === undefined) {
      const structure = r4Profile(url) ?? structures.get(url)
      found = structure?.derivation === 'constraint' ? compileProfile(structure) : null
      // What callers claim is not kept: any text can stand there.
      if (found !== null || structure !== undefined) compiled.set(url, found)
    }
    return version === undefined || found?.version === version ? found : null
  }
  const contains = (valueSet: string, system: string | null, code: string): Answer => {
    const set = library.valueSet(valueSet)
    if (set === undefined) return 'unknown'
    try {
      return new Terminology(library, { left: BOUND_CONCEPTS_MAX }).contains(set, { system, code })
    } catch (error) {
      if (error instanceof FhirError) return 'unknown'
      throw error
    }
  }
  const context: CheckContext = { profile, contains }
  const check: Definitions['check'] = (against, resource) => {
    if (against.type !== resource.resourceType) return [{ severity: 'error', code: 'invalid', diagnostics: `The profile ${against.url} is for resources of another type`, expression: [`${resource.resourceType}.meta.profile`] }]
    return checkProfile(against, plain(resource), context)
  }
  const claims: Definitions['claims'] = ({ meta, resourceType }) => {
    const claimed = (Array.isArray(meta?.profile) ? (meta.profile as readonly unknown[]) : []).filter((each) => typeof each === 'string')
    const others = [...new Set(claimed)].filter((url) => url.split('|')[0] !== `http://hl7.org/fhir/StructureDefinition/${resourceType}`)
    const judged = others.map((url) => ({ url, found: profile(url) }))
    return { known: judged.flatMap(({ found }) => (found === null ? [] : [found])), unknown: judged.filter(({ found }) => found === null).map(({ url }) => url) }
  }
  return {
    library, packages: packages.map(({ name, version }) => `${name} ${version}`), profile, check, claims,
    requireClaims(resource) {
      const { known } = claims(resource)
      if (known.length > CLAIMS_MAX) throw fault(422, 'too-costly', `A resource may claim ${CLAIMS_MAX} profiles`, `${resource.resourceType}.meta.profile`)
      const broken = known.flatMap((each) => check(each, resource)).filter(({ severity }) => severity === 'error')
      if (broken.length > 0) throw new FhirError(422, broken.slice(0, ISSUES_MAX))
      return resource
    }
  }
}

/** Profiles that one resource may claim of those known here. */
const CLAIMS_MAX = 16
const ISSUES_MAX = 50

/** Numbers kept as text become plain numbers: FHIRPath knows no others. */
const plain = (resource: Resource): Json => JSON.parse(JSON.stringify(resource)) as Json
