import { fault } from '../model/errors.ts'
import { readInclude } from './include.ts'
import { searchParam } from './parameters.ts'
import type { Include, Query, SortKey } from './query.ts'
import { isSortable } from './sort.ts'

/** What the result parameters of a search say, while they are read. */
export interface ResultState {
  sort: Query['sort']
  sortKeys: readonly SortKey[]
  /** All that `_sort` said so far. */
  sorting: string
  count: number
  total: Query['total']
  summary: Query['summary']
  elements: Query['elements']
  readonly includes: Include[]
  explain: boolean
  readonly seen: Set<string>
}

export interface ResultBounds {
  readonly type: string
  /** A larger `_count` is lowered to it. */
  readonly countMax: number
  readonly includesMax?: number
}

export const emptyResults = (count: number): ResultState =>
  ({ sort: 'newest', sortKeys: [], sorting: '', count, total: null, summary: null, elements: null, includes: [], explain: false, seen: new Set() })

export const isResultParameter = (name: string): boolean => READERS.has(name) || INCLUDE.test(name)

/** Reads one result parameter into the state; false where it has no value. FhirError 400 when malformed, not supported or given twice. */
export function applyResultParameter(state: ResultState, name: string, text: string, bounds: ResultBounds): boolean {
  const include = INCLUDE.exec(name)
  if (include === null && !REPEATED.has(name) && state.seen.has(name)) throw fault(400, 'invalid', `The parameter ${name} is given more than once`)
  state.seen.add(name)
  if (text === '') return false
  const read = include === null ? READERS.get(name)! : includeReader(include[1] === '_revinclude', include[2] ?? null)
  if (!read(state, text, bounds)) throw fault(400, 'not-supported', `The value of the parameter ${shownName(name)} is malformed or not supported`)
  return true
}

/** What R4 does not let stand together. */
export function refuseClashes({ summary, elements, includes }: Pick<ResultState, 'summary' | 'elements' | 'includes'>): void {
  if (elements !== null && summary !== null && summary !== 'false') throw fault(400, 'invalid', "'_elements' and '_summary' are not asked for together")
  if (summary === 'text' && includes.length > 0) throw fault(400, 'invalid', "'_summary=text' goes with neither '_include' nor '_revinclude'")
}

type Reader = (state: ResultState, text: string, bounds: ResultBounds) => boolean

const REPEATED: ReadonlySet<string> = new Set(['_sort'])
const INCLUDE = /^(_include|_revinclude)(?::(.*))?$/
const TOTALS: ReadonlySet<string> = new Set(['none', 'estimate', 'accurate'])
const SUMMARIES: ReadonlySet<string> = new Set(['true', 'text', 'data', 'count', 'false'])
const SORT_KEYS_MAX = 8
const ELEMENTS_MAX = 64
const accept: Reader = () => true

const shownName = (name: string): string => (/^[\w:]{1,64}$/.test(name) ? name : name.split(':')[0]!)

const includeReader = (reverse: boolean, modifier: string | null): Reader => (state, text, { type, includesMax = 0 }) => {
  const include = modifier === null || modifier === 'iterate' ? readInclude(type, text, { reverse, iterate: modifier !== null }) : null
  if (include === null) return false
  if (state.includes.length === includesMax) throw fault(422, 'too-costly', `More than ${includesMax} '_include' and '_revinclude' parameters (INCLUDES_MAX)`)
  state.includes.push(include)
  return true
}

/** R4: it "can repeat for inner sort orders". */
function readSort(state: ResultState, more: string, { type }: ResultBounds): boolean {
  const text = state.sorting === '' ? more : `${state.sorting},${more}`
  state.sorting = text
  state.sort = 'newest'
  if (text === '_lastUpdated' || text === '-_lastUpdated') {
    state.sort = text === '_lastUpdated' ? 'oldest' : 'newest'
    return true
  }
  const keys: SortKey[] = []
  for (const name of text.split(',')) {
    const descending = name.startsWith('-')
    const param = searchParam(type, descending ? name.slice(1) : name)
    if (param === undefined || !isSortable(param) || keys.some((key) => key.param === param)) return false
    keys.push({ param, descending })
  }
  state.sortKeys = keys
  return keys.length <= SORT_KEYS_MAX
}

/** The table of result parameters: a new one is one entry. https://hl7.org/fhir/R4/search.html#return */
const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['_count', (state, text, { countMax }) => {
    if (!/^\d{1,9}$/.test(text)) return false
    state.count = Math.min(Number(text), countMax)
    return true
  }],
  ['_sort', readSort],
  ['_total', (state, text) => {
    if (!TOTALS.has(text)) return false
    state.total = text as Exclude<Query['total'], null>
    return true
  }],
  ['_summary', (state, text) => {
    if (!SUMMARIES.has(text)) return false
    state.summary = text as Exclude<Query['summary'], null>
    return true
  }],
  ['_elements', (state, text, { type }) => {
    const names = text.split(',').map((name) => (name.startsWith(`${type}.`) ? name.slice(type.length + 1) : name))
    state.elements = names
    return names.length <= ELEMENTS_MAX && names.every((name) => /^[a-z][A-Za-z]{0,63}$/.test(name))
  }],
  ['_explain', (state, text) => {
    state.explain = text === 'true'
    return state.explain || text === 'false'
  }],
  // Contained resources are found by what contains them, and by nothing of their own.
  ['_contained', (_state, text) => text === 'false'],
  ['_containedType', (_state, text) => text === 'container'],
  // The representation is settled before a query is read.
  ['_format', accept],
  ['_pretty', accept]
])

/** Names of all of them. */
export const resultParameters: readonly string[] = [...READERS.keys(), '_include', '_revinclude']
