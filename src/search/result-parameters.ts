import { fault } from '../model/errors.ts'
import type { Query } from './query.ts'

/** What the result parameters of a search say, while they are read. */
export interface ResultState {
  sort: Query['sort']
  count: number
  total: Query['total']
  summary: Query['summary']
  readonly seen: Set<string>
}

export interface ResultBounds {
  /** A larger `_count` is lowered to it. */
  readonly countMax: number
}

export const emptyResults = (count: number): ResultState => ({ sort: 'newest', count, total: null, summary: null, seen: new Set() })

export const isResultParameter = (name: string): boolean => READERS.has(name)

/** Reads one result parameter into the state; false where it has no value. FhirError 400 when malformed, not supported or given twice. */
export function applyResultParameter(state: ResultState, name: string, text: string, bounds: ResultBounds): boolean {
  if (state.seen.has(name)) throw fault(400, 'invalid', `The parameter ${name} is given more than once`)
  state.seen.add(name)
  if (text === '') return false
  if (!READERS.get(name)!(state, text, bounds)) throw fault(400, 'not-supported', `The value of the parameter ${name} is malformed or not supported`)
  return true
}

type Reader = (state: ResultState, text: string, bounds: ResultBounds) => boolean

const TOTALS: ReadonlySet<string> = new Set(['none', 'estimate', 'accurate'])
const accept: Reader = () => true

/** The table of result parameters: a new one is one entry. https://hl7.org/fhir/R4/search.html#return */
const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['_count', (state, text, { countMax }) => {
    if (!/^\d{1,9}$/.test(text)) return false
    state.count = Math.min(Number(text), countMax)
    return true
  }],
  ['_sort', (state, text) => {
    if (text !== '_lastUpdated' && text !== '-_lastUpdated') return false
    state.sort = text === '_lastUpdated' ? 'oldest' : 'newest'
    return true
  }],
  ['_total', (state, text) => {
    if (!TOTALS.has(text)) return false
    state.total = text as Exclude<Query['total'], null>
    return true
  }],
  ['_summary', (state, text) => {
    if (text !== 'count' && text !== 'false') return false
    state.summary = text
    return true
  }],
  // The representation is settled before a query is read.
  ['_format', accept],
  ['_pretty', accept]
])
