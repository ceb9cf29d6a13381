import { fault } from '../../model/errors.ts'
import type { TypedValue } from '../parameters.ts'
import type { CodeSet, Modifier, Operator, ParamValue, SearchParam } from '../query.ts'

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
  /** Characters of one resource that a search for words looks through (TEXT_CHARS_MAX). Absent: such searches are not answered. */
  readonly textCharsMax?: number | undefined
  /** Absent: no modifier that needs terminology is answered here. */
  readonly lookups?: Lookups | undefined
  /** Absent: no value may lead to rows that others are linked to. */
  readonly chainDepthMax?: number | undefined
}

export interface MatchContext {
  readonly base: string
  /** ms since 1970 of the row, for `_lastUpdated`; without it meta.lastUpdated is read. */
  readonly updated?: number
  /** What may still be compared in this row; absent: as much as there is. */
  readonly work?: Work
  /** What the parameters that were asked for so far find in this resource, where it is asked for again and again. */
  readonly found?: Map<SearchParam, readonly TypedValue[]> | undefined
}

/** Values, and characters of texts, that may still be compared. */
export interface Work { left: number; readonly max: number }

/** FhirError 422 where a row would take more comparing than one turn has time for. */
export function spend({ work }: MatchContext, units: number): void {
  if (work === undefined || (work.left -= units) >= 0) return
  throw fault(422, 'too-costly', `A resource holds so much that the search would compare more than ${work.max} values and characters in it (MATCH_WORK_MAX): ask for fewer values`)
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
  /** Whether any of the values matches, where that costs less than to try them one after the other. */
  readonly matchesAny?: (values: readonly ParamValue[], typed: TypedValue, context: MatchContext) => boolean
}

/** A parameter type of R4. A new modifier is one entry in `modifiers`. `:missing` and `:Type` are read in parse.ts. */
export interface Kind {
  readonly plain: Form
  readonly modifiers: Readonly<Partial<Record<Modifier, Form>>>
  /** What only `_filter` compares with. */
  readonly operators?: Readonly<Partial<Record<Operator, Form>>>
  /** Index terms of one value of a resource. */
  readonly terms: (typed: TypedValue, context: { readonly base: string }) => readonly TermText[]
}

const FILTER = 'filter-'

/** How values under a modifier are read and matched; undefined: the kind has no such modifier. */
export function formOf(kind: Kind, modifier: Modifier | null): Form | undefined {
  if (modifier === null) return kind.plain
  return modifier.startsWith(FILTER) ? kind.operators?.[modifier.slice(FILTER.length) as Operator] : kind.modifiers[modifier]
}

export const NO_TERMS: readonly TermText[] = []
export const notIndexed = (): null => null
