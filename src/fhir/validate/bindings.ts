import { codeSystem, valueSet, type Concept, type ValueSetPart } from './definitions.ts'

/** What a required binding allows. */
export interface Binding {
  readonly url: string
  /** For a `code`: the system is implied. */
  readonly hasCode: (code: string) => boolean
  readonly hasCoding: (system: string, code: string) => boolean
}

/** The binding of a value set that is bound with strength `required`; null = its codes are not enumerable from the definitions. */
export function requiredBinding(canonical: string): Binding | null {
  const url = withoutVersion(canonical)
  const known = bindings.get(url)
  if (known !== undefined) return known
  const made = grammarBinding(url) ?? enumeratedBinding(url)
  bindings.set(url, made)
  return made
}

/** Value sets that are bound more weakly but whose maximum is a grammar (Resource.language: BCP 47). */
export const weakerBinding = (canonical: string): Binding | null =>
  withoutVersion(canonical) === LANGUAGES ? requiredBinding(LANGUAGES) : null

const bindings = new Map<string, Binding | null>()

const LANGUAGES = 'http://hl7.org/fhir/ValueSet/languages'
const LANGUAGE = /^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$/
const MIME_TOKEN = '[A-Za-z0-9!#$&^_.+*-]{1,127}'
const MIME = new RegExp(`^${MIME_TOKEN}/${MIME_TOKEN}( ?; ?${MIME_TOKEN}=("[^"]{0,256}"|[^\\s;"]{1,256}))*;?$`)
const CURRENCY = /^[A-Z]{3}$/
/**
 * CapabilityStatement.format may hold these words too
 * (https://hl7.org/fhir/R4/capabilitystatement-definitions.html#CapabilityStatement.format).
 */
const FORMAT_WORDS: ReadonlySet<string> = new Set(['xml', 'json', 'ttl'])

const GRAMMARS: Readonly<Record<string, (code: string) => boolean>> = {
  [LANGUAGES]: (code) => LANGUAGE.test(code),
  'http://hl7.org/fhir/ValueSet/all-languages': (code) => LANGUAGE.test(code),
  'http://hl7.org/fhir/ValueSet/mimetypes': (code) => MIME.test(code) || FORMAT_WORDS.has(code),
  'http://hl7.org/fhir/ValueSet/currencies': (code) => CURRENCY.test(code)
}

const withoutVersion = (canonical: string): string => canonical.split('|')[0] as string

function grammarBinding(url: string): Binding | undefined {
  const hasCode = GRAMMARS[url]
  return hasCode === undefined ? undefined : { url, hasCode, hasCoding: (_system, code) => hasCode(code) }
}

function enumeratedBinding(url: string): Binding | null {
  const systems = expand(url, new Set())
  if (systems === null) return null
  const codes = new Set([...systems.values()].flatMap((set) => [...set]))
  return { url, hasCode: (code) => codes.has(code), hasCoding: (system, code) => systems.get(system)?.has(code) === true }
}

type Systems = Map<string, Set<string>>

/** All codes of a value set by system, or null where one part cannot be enumerated. */
function expand(url: string, open: Set<string>): Systems | null {
  if (open.has(url)) return null
  open.add(url)
  const compose = valueSet(url)?.compose
  if (compose?.include === undefined) return null
  const systems: Systems = new Map()
  for (const part of compose.include) {
    const found = partCodes(part, open)
    if (found === null) return null
    for (const [system, codes] of found) systems.set(system, (systems.get(system) ?? new Set()).union(codes))
  }
  for (const part of compose.exclude ?? []) {
    const found = partCodes(part, open)
    if (found === null) return null
    for (const [system, codes] of found) systems.set(system, (systems.get(system) ?? new Set()).difference(codes))
  }
  open.delete(url)
  return systems
}

function partCodes(part: ValueSetPart, open: Set<string>): Systems | null {
  if (part.filter !== undefined || (part.system !== undefined && part.valueSet !== undefined)) return null
  if (part.system !== undefined) {
    const codes = part.concept?.map(({ code }) => code) ?? systemCodes(part.system)
    return codes === null ? null : new Map([[part.system, new Set(codes)]])
  }
  const systems: Systems = new Map()
  for (const url of part.valueSet ?? []) {
    const found = expand(withoutVersion(url), open)
    if (found === null) return null
    for (const [system, codes] of found) systems.set(system, (systems.get(system) ?? new Set()).union(codes))
  }
  return systems
}

function systemCodes(url: string): string[] | null {
  const system = codeSystem(url)
  return system?.content === 'complete' ? conceptCodes(system.concept ?? []) : null
}

function conceptCodes(concepts: readonly Concept[]): string[] {
  return concepts.flatMap((concept) => {
    const selectable = concept.property?.some(({ code, valueBoolean }) => code === 'notSelectable' && valueBoolean === true) !== true
    return [...(selectable ? [concept.code] : []), ...conceptCodes(concept.concept ?? [])]
  })
}
