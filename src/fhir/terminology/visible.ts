/**
 * Terminology for one request: the server's own definitions, and of the ValueSets and CodeSystems stored here those that the caller may
 * search for. What is hidden from the caller is as if it were not there.
 */
import { fault } from '../../model/errors.ts'
import { parseCriteria } from '../../search/parse.ts'
import { parseReference } from '../../search/references.ts'
import { allows, type Exchange } from '../exchange.ts'
import { type Library, layered } from './library.ts'
import type { CodeSystem, ValueSet, ValueSetPart } from './resources.ts'

/** Value sets and code systems that one request may look up in the store. */
export const LOOKUPS_MAX = 64

export interface Wanted {
  readonly valueSets: readonly ValueSet[]
  /** Canonical URLs. */
  readonly valueSetUrls: readonly string[]
  readonly codeSystemUrls: readonly string[]
}

/** A library of all that these need, through their imports. FhirError 422 past LOOKUPS_MAX stored resources. */
export async function visibleLibrary(exchange: Exchange, wanted: Partial<Wanted>): Promise<Library> {
  const own = exchange.site.definitions.library
  const sets = new Map<string, ValueSet>()
  const systems = new Map<string, CodeSystem>()
  const found = stored(exchange)
  const asked = new Set<string>()
  const parts: ValueSetPart[] = []
  const takeSet = (set: ValueSet): void => void parts.push(...(set.compose?.include ?? []), ...(set.compose?.exclude ?? []))
  const wantSet = async (canonical: string): Promise<void> => {
    if (asked.has(canonical)) return
    asked.add(canonical)
    const known = own.valueSet(canonical)
    const set = known ?? (await found('ValueSet', canonical) as ValueSet | undefined)
    if (set === undefined) return
    if (known === undefined) sets.set(canonical, set)
    takeSet(set)
  }
  const wantSystem = async (canonical: string): Promise<void> => {
    if (asked.has(`system ${canonical}`)) return
    asked.add(`system ${canonical}`)
    if (own.codeSystem(canonical) !== undefined) return
    const system = await found('CodeSystem', canonical) as CodeSystem | undefined
    if (system !== undefined) systems.set(canonical, system)
  }
  for (const set of wanted.valueSets ?? []) takeSet(set)
  for (const canonical of wanted.valueSetUrls ?? []) await wantSet(canonical)
  for (const canonical of wanted.codeSystemUrls ?? []) await wantSystem(canonical)
  for (const part of parts) {
    for (const canonical of part.valueSet ?? []) await wantSet(canonical)
    if (part.system !== undefined && part.concept === undefined) await wantSystem(part.version === undefined ? part.system : `${part.system}|${part.version}`)
  }
  return layered([own, { valueSet: (canonical) => sets.get(canonical), codeSystem: (canonical) => systems.get(canonical) }])
}

/** Finds one by `Type/id` or by canonical URL, the newest of several. */
function stored(exchange: Exchange): (type: 'ValueSet' | 'CodeSystem', canonical: string) => Promise<unknown> {
  const { guarded, site } = exchange
  let left = LOOKUPS_MAX
  return async (type, canonical) => {
    if (!allows(guarded, type)) return undefined
    if (left-- === 0) throw fault(422, 'too-costly', `A value set draws on more than ${LOOKUPS_MAX} value sets and code systems stored here`)
    const reference = parseReference(canonical, site.base)
    if (reference !== null && 'type' in reference) {
      if (reference.type !== type || reference.version !== null || !allows(guarded, type, 'r')) return undefined
      const seen = await guarded.read({ type, id: reference.id })
      return seen === undefined || seen.row.deleted ? undefined : seen.resource()
    }
    const [url = '', version] = canonical.split('|')
    const text = new URLSearchParams({ url: escaped(url), ...(version === undefined ? {} : { version: escaped(version) }) }).toString()
    const filter = parseCriteria(type, text, { base: site.base, ...site.bounds, lenient: false })
    const { rows } = await guarded.search({ type, filter, codes: ['url'], order: 'newest', after: null, limit: 1 })
    return rows[0]?.resource()
  }
}

const escaped = (text: string): string => text.replace(/[\\,$|]/g, (sign) => `\\${sign}`)
