import { FhirError } from '../../model/errors.ts'
import { Terminology } from '../terminology/value-set.ts'
import { r4Library } from './r4-library.ts'

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

/** Null: whether a code is in the value set cannot be told by R4's definitions alone. */
function enumeratedBinding(url: string): Binding | null {
  const codes = enumerated(url)
  if (codes === null) return null
  const all = new Set([...codes.values()].flatMap((ofSystem) => [...ofSystem]))
  return { url, hasCode: (code) => all.has(code), hasCoding: (system, code) => codes.get(system)?.has(code) === true }
}

/** More concepts than any value set of R4 draws on. */
const CONCEPTS_MAX = 100_000

function enumerated(url: string): ReadonlyMap<string, ReadonlySet<string>> | null {
  const set = r4Library.valueSet(url)
  if (set === undefined) return null
  const codes = new Map<string, Set<string>>()
  try {
    for (const { system, code, abstract } of new Terminology(r4Library, { left: CONCEPTS_MAX }).expand(set)) {
      if (!abstract) codes.set(system, (codes.get(system) ?? new Set()).add(code))
    }
  } catch (error) {
    if (error instanceof FhirError) return null
    throw error
  }
  return codes
}
