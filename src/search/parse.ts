import { type FhirError, fault } from '../model/errors.ts'
import { type ClauseOptions, newReading, type Reading, readParameter } from './parse-clause.ts'
import { readFilter } from './parse-filter.ts'
import { and, codesOf, type Filter, type Query } from './query.ts'
import { applyResultParameter, emptyResults, isResultParameter, refuseClashes, type ResultState } from './result-parameters.ts'

export interface ParseOptions extends ClauseOptions {
  /** A larger `_count` is lowered to it. */
  readonly countMax: number
  readonly countDefault: number
  /** `_include` and `_revinclude` parameters of one search. Absent: none. */
  readonly includesMax?: number
  /** Ignores unknown parameters; malformed ones are refused all the same. */
  readonly lenient: boolean
}

/** Parameters of one search. */
export const PARAMETERS_MAX = 64

/**
 * Parses decoded parameters into a Query. Whatever is unknown, malformed or not supported is a FhirError 400 that names the parameter
 * and never its value; parameters without a value are ignored. https://hl7.org/fhir/R4/search.html
 */
export function parseSearch(type: string, params: readonly (readonly [string, string])[], options: ParseOptions): Query {
  if (params.length > PARAMETERS_MAX) throw fault(422, 'too-costly', `More than ${PARAMETERS_MAX} search parameters (PARAMS_MAX)`)
  const results: ResultState = emptyResults(options.countDefault)
  const filters: Filter[] = []
  const used: (readonly [string, string])[] = []
  const reading = newReading(options, false)
  for (const pair of params) {
    const [name, text] = pair
    if (isResultParameter(name)) {
      if (applyResultParameter(results, name, text, { ...options, type })) used.push(pair)
      continue
    }
    const filter = read(type, name, text, reading)
    if (filter === undefined) {
      // R4: "servers SHALL refuse to process a search request if they do not recognize the _query parameter value".
      if (options.lenient && name !== '_query') continue
      throw unknownParameter(type, name)
    }
    if (filter === null) continue
    filters.push(filter)
    used.push(pair)
  }
  const { seen: _seen, sorting: _sorting, ...asked } = results
  const codes = [...filters.flatMap(codesOf), ...asked.sortKeys.map(({ param }) => param.code)]
  refuseClashes(asked)
  return { type, filter: and(filters), ...asked, used, codes: [...new Set(codes)] }
}

/**
 * Parses criteria written as a query (`Observation?code=x` or `code=x`, percent-encoded), for scopes, policies and conditional
 * interactions. Everything counts: empty parameters, result parameters and unknown ones are FhirError 400, and so are no criteria at all.
 */
export function parseCriteria(type: string, text: string, options: ParseOptions): Filter {
  const query = text.startsWith(`${type}?`) ? text.slice(type.length + 1) : text.startsWith('?') ? text.slice(1) : text
  if (MALFORMED_PERCENT.test(query)) throw fault(400, 'invalid', 'Criteria with a malformed percent-encoding')
  const params = [...new URLSearchParams(query)]
  if (params.length === 0) throw fault(400, 'required', 'Criteria without a search parameter')
  if (params.length > PARAMETERS_MAX) throw fault(422, 'too-costly', `More than ${PARAMETERS_MAX} search parameters (PARAMS_MAX)`)
  const reading = newReading(options, true)
  return and(params.map(([name, value]) => {
    if (isResultParameter(name)) throw fault(400, 'not-supported', `The parameter ${name} has no meaning in criteria`)
    const filter = read(type, name, value, reading)
    if (filter === undefined) throw unknownParameter(type, name)
    if (filter === null) throw fault(400, 'value', `${shownName(name)} is empty`)
    return filter
  }))
}

const read = (type: string, name: string, text: string, reading: Reading): Filter | null | undefined =>
  name === '_filter' ? readFilter(type, text, reading) : readParameter(type, name, text, reading)

const MALFORMED_PERCENT = /%(?![0-9A-Fa-f]{2})/

/** A name is repeated only where it looks like one: anything else in its place may be what was meant to be a value. */
const shownName = (name: string): string => (/^[\w.:$[\]-]{1,64}$/.test(name) ? `The search parameter ${name}` : 'A search parameter')

const unknownParameter = (type: string, name: string): FhirError => fault(400, 'not-supported', `${shownName(name)} is unknown or not supported on ${type}`)
