import { FhirError, fault } from '../model/errors.ts'
import { isResourceType } from './classification.ts'
import { searchParam } from './parameters.ts'
import { and, type Filter, type Modifier, type ParamValue, type Query, type SearchParam } from './query.ts'
import { applyResultParameter, emptyResults, isResultParameter, type ResultState } from './result-parameters.ts'
import type { Form, ValueContext } from './types/kind.ts'
import { parseTypedReference, referenceTargets } from './types/reference.ts'
import { kindOf } from './types/special.ts'
import { splitUnescaped } from './types/text.ts'

export interface ParseOptions {
  /** The FHIR base of this server, without a trailing slash. */
  readonly base: string
  /** A larger `_count` is lowered to it. */
  readonly countMax: number
  readonly countDefault: number
  /** Values of one clause. */
  readonly orValuesMax: number
  /** Ignores unknown parameters; malformed ones are refused all the same. */
  readonly lenient: boolean
  /** ms since 1970, for the prefix `ap` of dates, which is refused without it. */
  readonly now?: () => number
}

/** Parameters of one search. */
export const PARAMETERS_MAX = 64

/** Characters of one value of a clause. */
export const VALUE_LENGTH_MAX = 1000

/**
 * Parses decoded parameters into a Query. Whatever is unknown, malformed or not supported is a FhirError 400 that names the parameter
 * and never its value; parameters without a value are ignored. https://hl7.org/fhir/R4/search.html
 */
export function parseSearch(type: string, params: readonly (readonly [string, string])[], options: ParseOptions): Query {
  if (params.length > PARAMETERS_MAX) throw fault(400, 'too-costly', `More than ${PARAMETERS_MAX} search parameters`)
  const results: ResultState = emptyResults(options.countDefault)
  const filters: Filter[] = []
  const used: (readonly [string, string])[] = []
  const codes = new Set<string>()
  for (const pair of params) {
    const [name, text] = pair
    if (isResultParameter(name)) {
      if (applyResultParameter(results, name, text, options)) used.push(pair)
      continue
    }
    const asked = readName(type, name)
    if (asked === null) {
      if (options.lenient) continue
      throw unknownParameter(type, name)
    }
    const filter = readClause(asked, text, options, false)
    if (filter === null) continue
    filters.push(filter)
    used.push(pair)
    codes.add(asked.param.code)
  }
  const { sort, count, total, summary } = results
  return { type, filter: and(filters), sort, count, total, summary, used, codes: [...codes] }
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
  if (params.length > PARAMETERS_MAX) throw fault(400, 'too-costly', `More than ${PARAMETERS_MAX} search parameters`)
  return and(params.map(([name, value]) => {
    if (isResultParameter(name)) throw fault(400, 'not-supported', `The parameter ${name} has no meaning in criteria`)
    const asked = readName(type, name)
    if (asked === null) throw unknownParameter(type, name)
    const filter = readClause(asked, value, options, true)
    if (filter === null) throw fault(400, 'value', `The parameter ${asked.name} is empty`)
    return filter
  }))
}

const MALFORMED_PERCENT = /%(?![0-9A-Fa-f]{2})/

/** A parameter as named: `form` reads its values, `modifier` is kept for the clause; both null for `:missing`. */
interface Asked {
  readonly param: SearchParam
  /** Code and modifier, both known words by now. */
  readonly name: string
  readonly form: Form | null
  readonly modifier: Modifier | null
}

/** null: no such parameter, or one that nobody answers. A modifier that the parameter does not have is refused, lenient or not. */
function readName(type: string, name: string): Asked | null {
  const colon = name.indexOf(':')
  const code = colon < 0 ? name : name.slice(0, colon)
  const param = searchParam(type, code)
  if (param === undefined) return null
  const kind = kindOf(param)
  if (kind === null) return null
  if (colon < 0) return { param, name: code, form: kind.plain, modifier: null }
  const word = name.slice(colon + 1)
  if (word === 'missing') return { param, name: `${code}:missing`, form: null, modifier: null }
  if (Object.hasOwn(kind.modifiers, word)) {
    return { param, name: `${code}:${word}`, form: kind.modifiers[word as Modifier]!, modifier: word as Modifier }
  }
  if (param.kind === 'reference' && isResourceType(word) && isTarget(param, word)) {
    return { param, name: `${code}:${word}`, form: typedForm(kind.plain, word), modifier: null }
  }
  throw fault(400, 'not-supported', `The search parameter ${code} has no modifier${SHORT_WORD.test(word) ? ` ${word}` : ' of that name'}`)
}

const SHORT_WORD = /^[A-Za-z-]{1,32}$/
const isTarget = (param: SearchParam, type: string): boolean =>
  referenceTargets(param).length === 0 || referenceTargets(param).includes(type)
const typedForm = (plain: Form, type: string): Form =>
  ({ ...plain, parse: (text, param, context) => parseTypedReference(type, text, param, context) })

/** null: the parameter has no value. `strict`: one empty value among others is refused too. */
function readClause(asked: Asked, text: string, options: ParseOptions, strict: boolean): Filter | null {
  const { param, form, modifier, name } = asked
  if (text === '') return null
  if (form === null) {
    if (text !== 'true' && text !== 'false') throw malformed(name)
    return { kind: 'missing', param, missing: text === 'true' }
  }
  const parts = splitUnescaped(text, ',')
  if (parts.length > options.orValuesMax) {
    throw fault(400, 'too-costly', `The parameter ${name} has more than ${options.orValuesMax} values`)
  }
  const context: ValueContext = { base: options.base, now: options.now }
  const values: ParamValue[] = []
  for (const part of parts) {
    if (part.length > VALUE_LENGTH_MAX) {
      throw fault(400, 'too-long', `The parameter ${name} has a value of more than ${VALUE_LENGTH_MAX} characters`)
    }
    if (part.trim() === '') {
      if (strict) throw fault(400, 'value', `The parameter ${name} has an empty value`)
      continue
    }
    const value = form.parse(part, param, context)
    if (value === null) throw malformed(name)
    values.push(value)
  }
  return values.length === 0 ? null : { kind: 'clause', param, modifier, values }
}

const malformed = (name: string): FhirError => fault(400, 'value', `The value of the parameter ${name} is malformed or not supported`)

/** A name is repeated only where it looks like one: anything else in its place may be what was meant to be a value. */
function unknownParameter(type: string, name: string): FhirError {
  const shown = /^[\w.:$[\]-]{1,64}$/.test(name) ? `The search parameter ${name}` : 'A search parameter'
  return fault(400, 'not-supported', `${shown} is unknown or not supported on ${type}`)
}
