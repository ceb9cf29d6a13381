/** `_filter`: its tests become the clauses, chains and negations that every other parameter becomes. */
import { FhirError, fault } from '../model/errors.ts'
import { type FilterNode, type FilterTest, parseFilter } from './filter-syntax.ts'
import { searchParam } from './parameters.ts'
import { type ClauseOptions, followReference, type Reading, readParameter, VALUE_LENGTH_MAX } from './parse-clause.ts'
import { and, type ElementTest, type Filter, type Modifier, or, type ParamType, type ParamValue, type SearchParam } from './query.ts'
import { componentsOf } from './types/composite.ts'
import { formOf, type Kind } from './types/kind.ts'
import { kindOf } from './types/special.ts'

/** The filter of a `_filter` parameter. FhirError 400 for what is malformed, unknown or not comparable so, lenient or not. */
export function readFilter(type: string, text: string, reading: Reading): Filter | null | undefined {
  const { filterTestsMax, filterDepthMax } = reading.options
  if (filterTestsMax === undefined || filterDepthMax === undefined) return undefined
  if (text.trim() === '') return null
  return compile(type, parseFilter(text, { testsMax: filterTestsMax, depthMax: filterDepthMax }), reading, 0)
}

function compile(type: string, node: FilterNode, reading: Reading, depth: number): Filter {
  switch (node.kind) {
    case 'and': return and(node.of.map((each) => compile(type, each, reading, depth)))
    case 'or': return or(node.of.map((each) => compile(type, each, reading, depth)))
    case 'not': return { kind: 'not', of: compile(type, node.of, reading, depth) }
    case 'test': return compileTest(type, node, reading, depth)
  }
}

/** `pr false` and `ni` say that the others hold of nothing that the path leads to. */
function compileTest(type: string, test: FilterTest, reading: Reading, depth: number): Filter {
  const { operator, value } = test
  if (operator === 'pr' && value === 'false') return { kind: 'not', of: compilePath(type, { ...test, value: 'true' }, reading, depth) }
  return operator === 'ni' ? { kind: 'not', of: compilePath(type, { ...test, operator: 'in' }, reading, depth) } : compilePath(type, test, reading, depth)
}

function compilePath(type: string, test: FilterTest, reading: Reading, depth: number): Filter {
  const [step, ...rest] = test.path
  if (rest.length === 0) return leaf(type, test, reading)
  const { name, filter } = step!
  const element = elementOf(type, name)
  if (element !== null) return elementFilter(element, filter, { ...test, path: rest }, reading)
  const inner = { ...test, path: rest }
  const own = codeOf(rest[0]!.name)
  const followed = followReference(type, name, { reading, depth: depth + 1, answers: (each) => searchParam(each, own) !== undefined || elementOf(each, own) !== null }, (each) =>
    and([...(filter === null ? [] : [compile(each, filter, reading, depth + 1)]), compilePath(each, inner, reading, depth + 1)]))
  if (followed === undefined || followed === null) throw unknown(name)
  return followed
}

const codeOf = (name: string): string => name.split(':')[0]!

const unknown = (name: string): FhirError => fault(400, 'not-supported', `_filter names '${name.slice(0, 64)}', which is unknown or leads nowhere`)

/** Terminology operators by the modifier that says the same of a parameter. */
const BY_MODIFIER: Readonly<Record<string, string | undefined>> = { in: 'in', sb: 'above', ss: 'below' }

function leaf(type: string, { path, operator, value }: FilterTest, reading: Reading): Filter {
  const { name } = path[0]!
  const param = searchParam(type, name)
  const kind = param === undefined ? null : kindOf(param)
  if (param === undefined || kind === null) throw unknown(name)
  if (operator === 'pr') {
    if (value !== 'true') throw malformed(name)
    return { kind: 'missing', param, missing: false }
  }
  const word = BY_MODIFIER[operator]
  if (word !== undefined) {
    const found = param.kind === 'token' && Object.hasOwn(kind.modifiers, word) ? readParameter(type, `${name}:${word}`, asParameter(value), reading) : null
    if (found === null || found === undefined) throw noOperator(name, operator)
    return found
  }
  const { modifier, value: read } = compare(param, kind, operator, value, reading)
  return { kind: 'clause', param, modifier, values: [read] }
}

/** A token as another parameter would have it. */
const asParameter = (value: string): string => withSystem(value).replace(/[\\,$]/g, '\\$&')

/**
 * What a `_filter` asks of value sets and code systems, as the parameters with modifiers that say the same (`code:in`), so that what they
 * need can be fetched before. Nothing where the text is malformed: the parser will say so.
 */
export function terminologyIn(text: string, { filterTestsMax = 0, filterDepthMax = 0 }: Pick<ClauseOptions, 'filterTestsMax' | 'filterDepthMax'>): readonly (readonly [string, string])[] {
  try {
    return asked(parseFilter(text, { testsMax: filterTestsMax, depthMax: filterDepthMax }))
  } catch (error) {
    if (error instanceof FhirError) return []
    throw error
  }
}

function asked(node: FilterNode): readonly (readonly [string, string])[] {
  if (node.kind === 'not') return asked(node.of)
  if (node.kind !== 'test') return node.of.flatMap(asked)
  const word = BY_MODIFIER[node.operator === 'ni' ? 'in' : node.operator]
  const own = word === undefined ? [] : [[`${node.path.at(-1)!.name}:${word}`, asParameter(node.value)] as const]
  return [...own, ...node.path.flatMap(({ filter }) => (filter === null ? [] : asked(filter)))]
}
const malformed = (name: string): FhirError => fault(400, 'value', `_filter compares '${name}' with a value that is malformed or not supported`)
const noOperator = (name: string, operator: string): FhirError => fault(400, 'not-supported', `_filter cannot compare '${name}' by '${operator}'`)

/** How a value is read for an operator: under a modifier, with a prefix, or plain. https://hl7.org/fhir/R4/search_filter.html#ops */
interface Comparison { readonly modifier: Modifier | null; readonly prefix: string }

const plain: Comparison = { modifier: null, prefix: '' }
const under = (modifier: Modifier): Comparison => ({ modifier, prefix: '' })
const prefixed = (names: string): Record<string, Comparison> => Object.fromEntries(names.split(' ').map((prefix) => [prefix, { modifier: null, prefix }]))
const operators = (names: string): Record<string, Comparison> => Object.fromEntries(names.split(' ').map((name) => [name, under(`filter-${name}` as Modifier)]))

const COMPARISONS: Readonly<Record<ParamType, Readonly<Record<string, Comparison | undefined>>>> = {
  string: { ...operators('eq ne ew gt lt ge le'), sw: plain, co: under('contains') },
  token: operators('eq ne'),
  number: { ...prefixed('eq ne gt lt ge le sa eb ap'), ...operators('co') },
  date: { ...prefixed('eq ne gt lt ge le sa eb ap'), ...operators('co po') },
  quantity: prefixed('eq ne gt lt ge le sa eb ap'),
  reference: { re: plain, eq: plain },
  uri: { eq: plain, ...operators('ne co sw ew') },
  composite: { eq: plain },
  special: { eq: plain }
}

/** Ids are told apart by their case. */
const EXACT: Readonly<Record<string, Comparison | undefined>> = { eq: plain }

/** Names that a value may give a code system by. */
const SYSTEMS: Readonly<Record<string, string | undefined>> = {
  loinc: 'http://loinc.org', snomed: 'http://snomed.info/sct', rxnorm: 'http://www.nlm.nih.gov/research/umls/rxnorm', ucum: 'http://unitsofmeasure.org'
}

function compare(param: SearchParam, kind: Kind, operator: string, text: string, { options }: Reading): { readonly modifier: Modifier | null; readonly value: ParamValue } {
  const comparison = (param.code === '_id' ? EXACT : COMPARISONS[param.kind])[operator]
  const form = comparison === undefined ? undefined : formOf(kind, comparison.modifier)
  if (comparison === undefined || form === undefined) throw noOperator(param.code, operator)
  if (text.length > VALUE_LENGTH_MAX) throw fault(400, 'too-long', `_filter compares '${param.code}' with a value of more than ${VALUE_LENGTH_MAX} characters`)
  const value = form.parse(comparison.prefix + valueText(param, text), param, options)
  if (value === null) throw malformed(param.code)
  return { modifier: comparison.modifier, value }
}

const withSystem = (text: string): string => text.replace(/^(\w+)(?=\|)/, (name) => SYSTEMS[name] ?? name)

/** Only what the standard parameters write in parts keeps their escapes; text is as it stands. A prefix is the operator's part. */
function valueText(param: SearchParam, text: string): string {
  switch (param.kind) {
    case 'string': case 'uri': return text.replace(/[\\,$|]/g, '\\$&')
    case 'token': return withSystem(text)
    case 'quantity': return text.replace(/(?<=\|)(\w+)(?=\|)/, (name) => SYSTEMS[name] ?? name)
    default: return text
  }
}

/** A composite parameter whose elements a path steps into, and its components by the names they have there. */
interface Element { readonly param: SearchParam; readonly parts: readonly { readonly name: string; readonly param: SearchParam; readonly kind: Kind }[] }

/** Names that R4 gives to `_filter` alone, with those of their children. https://hl7.org/fhir/R4/search_filter.html#params */
const NAMED: Readonly<Record<string, { readonly code: string; readonly parts: readonly string[] } | undefined>> = {
  'Group.characteristic': { code: 'characteristic-value', parts: ['code', 'value'] },
  'DocumentReference.relatesTo': { code: 'relationship', parts: ['code', 'target'] }
}

function elementOf(type: string, name: string): Element | null {
  const named = NAMED[`${type}.${name}`]
  const param = searchParam(type, named?.code ?? name)
  const components = param?.kind === 'composite' ? componentsOf(param) : null
  if (param === undefined || components === null) return null
  return { param, parts: components.map((component, at) => ({ name: named?.parts[at] ?? component.param.code, ...component })) }
}

function elementFilter(element: Element, filter: FilterNode | null, rest: FilterTest, reading: Reading): Filter {
  const tests = [...(filter === null ? [] : [elementTest(element, filter, reading)]), elementTest(element, rest, reading)]
  return { kind: 'clause', param: element.param, modifier: 'filter-element', values: [{ kind: 'element', test: { kind: 'and', of: tests } }] }
}

function elementTest(element: Element, node: FilterNode, reading: Reading): ElementTest {
  if (node.kind === 'not') return { kind: 'not', of: elementTest(element, node.of, reading) }
  if (node.kind !== 'test') return { kind: node.kind, of: node.of.map((each) => elementTest(element, each, reading)) }
  const { path, operator, value } = node
  const { name } = path[0]!
  const part = element.parts.findIndex((each) => each.name === name)
  const component = element.parts[part]
  if (component === undefined || path.length > 1 || path[0]!.filter !== null) throw unknown(name)
  // Elements without one of the components are none of the parameter's.
  if (operator === 'pr' && (value === 'true' || value === 'false')) return { kind: value === 'true' ? 'and' : 'or', of: [] }
  return { kind: 'part', part, ...compare(component.param, component.kind, operator, value, reading) }
}
