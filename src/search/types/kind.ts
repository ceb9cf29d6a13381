import type { TypedValue } from '../parameters.ts'
import type { CodeSet, Modifier, ParamValue, SearchParam } from '../query.ts'

/** What value sets and code systems say, asked while a search is parsed. Throws FhirError for what is unknown, cannot be listed or is too large. */
export interface Lookups {
  /** `valueSet`: a canonical URL, or `ValueSet/id` of this server. */
  codesIn(valueSet: string): CodeSet
  /** A code and all above it, or all below it, in its code system's hierarchy. */
  codesAround(system: string, code: string, direction: 'above' | 'below'): CodeSet
}

/** What a value is parsed with. Without a clock, `ap` on dates is refused (criteria must not depend on when they were read). */
export interface ValueContext {
  /** The FHIR base of this server, without a trailing slash. */
  readonly base: string
  readonly now?: (() => number) | undefined
  /** Absent: no modifier that needs terminology is answered here. */
  readonly lookups?: Lookups | undefined
}

export interface MatchContext {
  readonly base: string
  /** ms since 1970 of the row, for `_lastUpdated`; without it meta.lastUpdated is read. */
  readonly updated?: number
}

/** Text of an index term. `target` is the type a reference points to, null for a URL; absent for all other kinds. */
export interface TermText {
  readonly text: string
  readonly target?: string | null
}

/** One way to read and match the values of a parameter: plain, or under a modifier. */
export interface Form {
  /** `text` still has its escapes. null = malformed. */
  readonly parse: (text: string, param: SearchParam, context: ValueContext) => ParamValue | null
  readonly matches: (value: ParamValue, typed: TypedValue, context: MatchContext) => boolean
  /** Any-of terms, one of which every matching resource carries; null = not indexable. */
  readonly asks: (value: ParamValue, param: SearchParam) => readonly TermText[] | null
  /** The clause holds where no value matches (absent included). */
  readonly negated?: true
}

/** A parameter type of R4. A new modifier is one entry in `modifiers`. `:missing` and `:Type` are read in parse.ts. */
export interface Kind {
  readonly plain: Form
  readonly modifiers: Readonly<Partial<Record<Modifier, Form>>>
  /** Index terms of one value of a resource. */
  readonly terms: (typed: TypedValue, context: { readonly base: string }) => readonly TermText[]
}

export const NO_TERMS: readonly TermText[] = []
export const notIndexed = (): null => null
