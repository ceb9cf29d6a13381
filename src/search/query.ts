/**
 * The query as a closed, kind-tagged, readonly tree. `parse` makes it, policy ANDs to it, `plan` and `match` read it.
 * https://hl7.org/fhir/R4/search.html
 */
export type ParamType = 'string' | 'token' | 'reference' | 'date' | 'quantity' | 'number' | 'uri' | 'composite' | 'special'

/** One search parameter on one base type, with its compiled accessor in search/parameters.ts (looked up by type and code). */
export interface SearchParam {
  readonly type: string
  readonly code: string
  readonly kind: ParamType
  readonly expression: string
  /** Reference targets, for kind reference. */
  readonly target: readonly string[]
  /** Of a package: rows that were stored before it came have no terms of it until a reindex has given them. */
  readonly packaged?: true
}

/** half-open [from, before) in ms since 1970, by the precision given. */
export interface DateRange { readonly from: number; readonly before: number }
export type Prefix = 'eq' | 'ne' | 'gt' | 'lt' | 'ge' | 'le' | 'sa' | 'eb' | 'ap'

/** Codes and the systems that each is of. */
export type CodeSet = ReadonlyMap<string, readonly string[]>

/** One value of a clause (values of a clause are OR). */
export type ParamValue =
  | { readonly kind: 'string'; readonly text: string; readonly folded: string }                   // as given, and as `foldString` (types/text.ts) makes it
  | { readonly kind: 'token'; readonly system: string | null | undefined; readonly code: string | null }  // undefined: any system; null: `|code` = no system; code null: `system|`
  | { readonly kind: 'reference'; readonly type: string | null; readonly id: string | null; readonly url: string | null; readonly version: string | null }
  | { readonly kind: 'date'; readonly prefix: Prefix; readonly range: DateRange }
  | { readonly kind: 'number'; readonly prefix: Prefix; readonly low: number; readonly high: number; readonly value: number }
  | { readonly kind: 'quantity'; readonly prefix: Prefix; readonly low: number; readonly high: number; readonly value: number; readonly system: string | null; readonly code: string | null }
  | { readonly kind: 'uri'; readonly uri: string }
  | { readonly kind: 'of-type'; readonly system: string; readonly code: string; readonly value: string }  // Identifier.type coding and Identifier.value
  | { readonly kind: 'codes'; readonly codes: CodeSet }                                            // what a value set or a branch of a hierarchy holds
  | { readonly kind: 'composite'; readonly of: readonly ParamValue[] }                              // in the order of the components
  | { readonly kind: 'element'; readonly test: ElementTest }                                        // of `_filter`: what holds of one element of a composite
  | { readonly kind: 'words'; readonly query: WordQuery; readonly charsMax: number }                // `_text`, `_content`: looked for in so many characters of a resource
  | { readonly kind: 'near'; readonly latitude: number; readonly longitude: number; readonly metres: number }  // WGS84 degrees

/** Words (folded) of a text search; a phrase is words in a row, a prefix the start of a word. */
export type WordQuery =
  | { readonly kind: 'and' | 'or'; readonly of: readonly WordQuery[] }
  | { readonly kind: 'not'; readonly of: WordQuery }
  | { readonly kind: 'phrase'; readonly words: readonly string[]; readonly prefix: boolean }

/** A test of one element that a composite parameter stands on; `part` is the number of a component. */
export type ElementTest =
  | { readonly kind: 'and' | 'or'; readonly of: readonly ElementTest[] }
  | { readonly kind: 'not'; readonly of: ElementTest }
  | { readonly kind: 'part'; readonly part: number; readonly modifier: Modifier | null; readonly value: ParamValue }

export type Modifier = 'exact' | 'contains' | 'not' | 'text' | 'in' | 'not-in' | 'above' | 'below' | 'of-type' | 'identifier' | `filter-${Operator}`

/** Comparisons of `_filter` that no other parameter has (https://hl7.org/fhir/R4/search_filter.html#ops). */
export type Operator = 'eq' | 'ne' | 'co' | 'sw' | 'ew' | 'gt' | 'lt' | 'ge' | 'le' | 'po' | 'element'

export type Filter =
  | { readonly kind: 'all' }
  | { readonly kind: 'none' }
  | { readonly kind: 'and'; readonly of: readonly Filter[] }
  | { readonly kind: 'or'; readonly of: readonly Filter[] }
  | { readonly kind: 'not'; readonly of: Filter }
  | { readonly kind: 'clause'; readonly param: SearchParam; readonly modifier: Modifier | null; readonly values: readonly ParamValue[] }
  | { readonly kind: 'missing'; readonly param: SearchParam; readonly missing: boolean }
  /** `subject:Patient.name=x`: the reference points at a row of one of these types that the type's filter holds for. */
  | { readonly kind: 'chain'; readonly param: SearchParam; readonly targets: readonly ChainTarget[] }
  /** `_has:Observation:patient:code=x`: a row of the parameter's type, for which the filter holds, points here by the parameter. */
  | { readonly kind: 'has'; readonly param: SearchParam; readonly of: Filter }

/**
 * One type that a chain may lead to. The guard replaces chains and `_has` by clauses over the rows that its caller sees
 * (policy/resolve-links.ts); neither `plan` nor `matches` ever meets them.
 */
export interface ChainTarget { readonly type: string; readonly filter: Filter }

export const ALL: Filter = { kind: 'all' }
export const NONE: Filter = { kind: 'none' }

/** AND that keeps `none` absorbing and drops `all`. */
export function and(filters: readonly Filter[]): Filter {
  if (filters.some((f) => f.kind === 'none')) return NONE
  const rest = filters.filter((f) => f.kind !== 'all')
  return rest.length === 0 ? ALL : rest.length === 1 ? rest[0]! : { kind: 'and', of: rest }
}

/** OR; of nothing it is `none`, never `all`. */
export function or(filters: readonly Filter[]): Filter {
  if (filters.some((f) => f.kind === 'all')) return ALL
  const rest = filters.filter((f) => f.kind !== 'none')
  return rest.length === 0 ? NONE : rest.length === 1 ? rest[0]! : { kind: 'or', of: rest }
}

export interface SortKey { readonly param: SearchParam; readonly descending: boolean }

/** `_include`, or `_revinclude` where `reverse`. https://hl7.org/fhir/R4/search.html#include */
export interface Include {
  readonly reverse: boolean
  /** Also from rows that were included themselves. */
  readonly iterate: boolean
  /** The type that holds the reference; null: every type (`*`). */
  readonly source: string | null
  /** null: every reference parameter of the source. */
  readonly param: SearchParam | null
  /** null: whatever the reference points to. */
  readonly target: string | null
}

/** A parsed search of one type. */
export interface Query {
  readonly type: string
  readonly filter: Filter
  /** Order by time, where `sortKeys` is empty. */
  readonly sort: 'newest' | 'oldest'
  readonly sortKeys: readonly SortKey[]
  readonly count: number
  readonly total: 'none' | 'estimate' | 'accurate' | null
  readonly summary: 'true' | 'text' | 'data' | 'count' | 'false' | null
  /** Names of top-level elements to return; null: all. */
  readonly elements: readonly string[] | null
  readonly includes: readonly Include[]
  /** `_explain=true`: how the search was made stands in the Bundle. */
  readonly explain: boolean
  /** The parameters that were used, in order, for the self link (unknown ones left out when handling is lenient). */
  readonly used: readonly (readonly [name: string, value: string])[]
  /** Codes of all search parameters that the filter and the order read, for masks ("403 by name"). */
  readonly codes: readonly string[]
}

/**
 * A symbolic index term: `population` terms are keyed by the tenant, `patient` terms by the patient's own index key with
 * 16 homophones. `value` is canonical text made by search/types/*, e.g. `t:http://loinc.org|8867-4`, `s3:smi`, `d:2026-03`, `r:Practitioner/7`.
 */
export interface TermAsk {
  readonly level: 'population' | 'patient'
  readonly code: string
  readonly value: string
}

/** What the index can do for a filter: a superset of the matches. Everything is confirmed by `match` afterwards. */
export interface Plan {
  /** The filter can match nothing. */
  readonly empty: boolean
  /** Restricts to these ids of the type (`_id`); null = not restricted. */
  readonly ids: readonly string[] | null
  /** Restricts to records with one of these compartment patients; null = not restricted. */
  readonly patients: readonly string[] | null
  /** AND of any-of sets; all asks of a conjunct have one level, but for the marks of packages' parameters, which are the tenant's and come last. */
  readonly conjuncts: readonly (readonly TermAsk[])[]
  /** _lastUpdated, half-open ms. */
  readonly updated: { readonly from?: number; readonly before?: number } | null
  /** Codes that no index serves, for the `too-costly` text. */
  readonly unindexed: readonly string[]
}

/** Codes of the search parameters that a filter reads on its own type; those of linked rows are named by the search for these. */
export function codesOf(filter: Filter): readonly string[] {
  switch (filter.kind) {
    case 'all':
    case 'none':
      return []
    case 'and':
    case 'or':
      return filter.of.flatMap(codesOf)
    case 'not':
      return codesOf(filter.of)
    case 'clause':
    case 'missing':
    case 'chain':
      return [filter.param.code]
    case 'has':
      return []
    default:
      return filter satisfies never
  }
}
