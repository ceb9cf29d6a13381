import { FhirError, fault } from '../model/errors.ts'
import { isResourceType } from './classification.ts'
import { searchParam } from './parameters.ts'
import type { ChainTarget, Filter, Modifier, ParamValue, SearchParam } from './query.ts'
import type { Form, Lookups, ValueContext } from './types/kind.ts'
import { isCanonical, mayPointTo, parseTypedReference, referenceTargets } from './types/reference.ts'
import { kindOf } from './types/special.ts'
import { splitUnescaped } from './types/text.ts'
import { wordsKind } from './types/words.ts'

export interface ClauseOptions {
  /** The FHIR base of this server, without a trailing slash. */
  readonly base: string
  /** Values of one clause. */
  readonly orValuesMax: number
  /** References that one chained parameter or `_has` may follow. Absent: none, as in scopes and policies. */
  readonly chainDepthMax?: number
  /** Searches of linked rows that the chains and `_has` of one search may ask for. Absent: none. */
  readonly chainSearchesMax?: number
  /** Tests of one `_filter`, and how deep it may be nested. Absent: none. */
  readonly filterTestsMax?: number
  readonly filterDepthMax?: number
  /** Characters of one resource that `_text` and `_content` look through. Absent: neither is answered. */
  readonly textCharsMax?: number
  /** ms since 1970, for the prefix `ap` of dates, which is refused without it. */
  readonly now?: () => number
  /** Value sets and hierarchies, for `:in`, `:not-in`, `:above` and `:below` of codes, which are refused without them. */
  readonly lookups?: Lookups
}

/** The reading of one set of parameters. */
export interface Reading {
  readonly options: ClauseOptions
  /** Empty values are refused, one among others too. */
  readonly strict: boolean
  /** Searches of linked rows that these parameters may still ask for. */
  searchesLeft: number
}

/** Characters of one value of a clause. */
export const VALUE_LENGTH_MAX = 1000

/** Types that a chain may lead to without naming one. */
const UNTYPED_MAX = 16

export const newReading = (options: ClauseOptions, strict: boolean): Reading => ({ options, strict, searchesLeft: options.chainSearchesMax ?? 0 })

/**
 * The filter of one parameter: `code`, `code:modifier`, a chain (`subject:Patient.name`) or `_has:Type:code:…`. Undefined: the type has no
 * such parameter, or nobody answers it. Null: it has no value. A modifier that the parameter does not have is refused, lenient or not.
 */
export function readParameter(type: string, name: string, text: string, reading: Reading, depth = 0): Filter | null | undefined {
  if (name === '_list') return readList(type, text, reading, depth)
  const isReverse = name.startsWith('_has:')
  if (isReverse || name.includes('.')) {
    const { chainDepthMax } = reading.options
    if (chainDepthMax === undefined) return undefined
    if (depth === chainDepthMax) throw tooDeep(chainDepthMax)
    return isReverse ? readHas(type, name, text, reading, depth + 1) : readChain(type, name, text, reading, depth + 1)
  }
  const asked = readName(type, name, reading.options)
  return asked === null ? undefined : readClause(asked, text, reading)
}

/** `code[:Type].rest`. https://hl7.org/fhir/R4/search.html#chaining */
function readChain(type: string, name: string, text: string, reading: Reading, depth: number): Filter | null | undefined {
  const dot = name.indexOf('.')
  const rest = name.slice(dot + 1)
  const own = rest.slice(0, rest.search(/[:.]|$/))
  const answers = (each: string): boolean => rest.startsWith('_has:') || own === '_list' || searchParam(each, own) !== undefined
  return followReference(type, name.slice(0, dot), { reading, depth, answers }, (each) => readParameter(each, rest, text, reading, depth))
}

/** What a step over a reference is read with: `answers`, whether what follows makes sense on a type at all. */
export interface Following { readonly reading: Reading; readonly depth: number; readonly answers: (type: string) => boolean }

/** The chain over `code[:Type]`, with what `read` makes of the rest on each type it may lead to. */
export function followReference(
  type: string, name: string, { reading, depth, answers }: Following, read: (type: string) => Filter | null | undefined
): Filter | null | undefined {
  const { chainDepthMax } = reading.options
  if (chainDepthMax === undefined) return undefined
  if (depth > chainDepthMax) throw tooDeep(chainDepthMax)
  const [code = '', word, ...more] = name.split(':')
  const param = searchParam(type, code)
  if (param === undefined || param.kind !== 'reference' || more.length > 0) return undefined
  if (isCanonical(param)) throw notFollowed(code)
  if (word !== undefined && !(isResourceType(word) && mayPointTo(param, word))) throw noModifier(code, word)
  const types = word === undefined ? referenceTargets(param) : [word]
  const having = types.filter(answers)
  if (types.length === 0 || having.length > UNTYPED_MAX) {
    throw fault(400, 'not-supported', `The references of ${code} may point to many types: name one, as in ${code}:Patient`)
  }
  const targets: ChainTarget[] = []
  const refused: FhirError[] = []
  for (const each of having) {
    spend(reading)
    // Without a type named, those count for which the rest of the chain makes sense.
    try {
      const filter = read(each)
      if (filter === null) return null
      if (filter !== undefined) targets.push({ type: each, filter })
    } catch (error) {
      if (!(error instanceof FhirError) || error.status !== 400 || having.length === 1) throw error
      refused.push(error)
    }
  }
  if (targets.length === 0 && refused.length > 0) throw refused[0]!
  return targets.length === 0 ? undefined : { kind: 'chain', param, targets }
}

const notFollowed = (code: string): Error => fault(400, 'not-supported', `The references of ${code} are canonical URLs, which are not followed`)

/** `_has:Type:code:rest`. https://hl7.org/fhir/R4/search.html#has */
function readHas(type: string, name: string, text: string, reading: Reading, depth: number): Filter | null | undefined {
  const [, from = '', code = '', ...rest] = name.split(':')
  if (!isResourceType(from) || rest.length === 0) return undefined
  const param = searchParam(from, code)
  if (param === undefined || param.kind !== 'reference' || !mayPointTo(param, type)) return undefined
  if (isCanonical(param)) throw notFollowed(`_has:${from}:${code}`)
  spend(reading)
  const of = readParameter(from, rest.join(':'), text, reading, depth)
  return of === null || of === undefined ? of : { kind: 'has', param, of }
}

/** `_list=id`: rows that a List names. R4's functional lists (`$current-problems`) are not kept here. */
function readList(type: string, text: string, reading: Reading, depth: number): Filter | null | undefined {
  if (text.startsWith('$')) throw fault(400, 'not-supported', "'_list' names Lists by their ids; functional lists are not kept here")
  return readParameter(type, '_has:List:item:_id', text, reading, depth)
}

const tooDeep = (max: number): FhirError => fault(422, 'too-costly', `A search parameter follows more than ${max} references (CHAIN_DEPTH_MAX)`)

function spend(reading: Reading): void {
  if (reading.searchesLeft-- === 0) {
    const max = reading.options.chainSearchesMax ?? 0
    throw fault(422, 'too-costly', `The chained parameters of a search ask for more than ${max} searches of linked resources (CHAIN_SEARCHES_MAX): name the types of the references`)
  }
}

/** A parameter as named: `form` reads its values, `modifier` is kept for the clause; both null for `:missing`. */
interface Asked {
  readonly param: SearchParam
  /** Code and modifier, both known words by now. */
  readonly name: string
  readonly form: Form | null
  readonly modifier: Modifier | null
}

/** null: no such parameter, or one that nobody answers. A modifier that the parameter does not have is refused, lenient or not. */
function readName(type: string, name: string, { textCharsMax }: ClauseOptions): Asked | null {
  const colon = name.indexOf(':')
  const code = colon < 0 ? name : name.slice(0, colon)
  const param = searchParam(type, code)
  if (param === undefined) return null
  const kind = kindOf(param)
  if (kind === null || (kind === wordsKind && textCharsMax === undefined)) return null
  if (colon < 0) return { param, name: code, form: kind.plain, modifier: null }
  const word = name.slice(colon + 1)
  if (word === 'missing') return { param, name: `${code}:missing`, form: null, modifier: null }
  if (Object.hasOwn(kind.modifiers, word)) {
    return { param, name: `${code}:${word}`, form: kind.modifiers[word as Modifier]!, modifier: word as Modifier }
  }
  if (param.kind === 'reference' && isResourceType(word) && mayPointTo(param, word)) {
    return { param, name: `${code}:${word}`, form: typedForm(kind.plain, word), modifier: null }
  }
  throw noModifier(code, word)
}

const noModifier = (code: string, word: string): FhirError =>
  fault(400, 'not-supported', `The search parameter ${code} has no modifier${SHORT_WORD.test(word) ? ` ${word}` : ' of that name'}`)

const SHORT_WORD = /^[A-Za-z-]{1,32}$/
const typedForm = (plain: Form, type: string): Form =>
  ({ ...plain, parse: (text, param, context) => parseTypedReference(type, text, param, context) })

/** null: the parameter has no value. */
function readClause(asked: Asked, text: string, { options, strict }: Reading): Filter | null {
  const { param, form, modifier, name } = asked
  if (text === '') return null
  if (form === null) {
    if (text !== 'true' && text !== 'false') throw malformed(name)
    return { kind: 'missing', param, missing: text === 'true' }
  }
  const parts = splitUnescaped(text, ',')
  if (parts.length > options.orValuesMax) {
    throw fault(422, 'too-costly', `The parameter ${name} has more than ${options.orValuesMax} values (OR_VALUES_MAX)`)
  }
  const context: ValueContext = options
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

