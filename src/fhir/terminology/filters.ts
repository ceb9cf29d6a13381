/** Filters of a value set's compose (https://hl7.org/fhir/R4/valueset-filter-operator.html). */
import { RE2JS } from 're2js'
import { type CodeNode, closure, type Codes, propertyTexts } from './code-system.ts'
import type { ConceptFilter } from './resources.ts'

/** Tells of a code whether a filter takes it. */
export type FilterTest = (node: CodeNode) => boolean

/** Characters of a `regex` filter. */
export const REGEX_LENGTH_MAX = 200
/** All counted repetitions of one, multiplied: the time that a character takes grows with them. */
const REPEATS_MAX = 200

/** What it costs to try a filter on all codes, in concepts looked at: texts that a pattern reads cost by their length. */
export const costOf = ({ op, property }: ConceptFilter, codes: Codes): number =>
  (op === 'regex' ? codes.nodes.reduce((sum, node) => sum + 1 + textsOf(node, property).reduce((length, text) => length + text.length, 0) / 50, 0) : codes.nodes.length)

/** Null: the operator or its value means nothing here, so that nobody can tell what the filter takes. Made once for each filter. */
export function filterTest(filter: ConceptFilter, codes: Codes): FilterTest | null {
  const known = made.get(filter)
  if (known?.codes === codes) return known.test
  const { property, op, value } = filter
  const test = typeof value === 'string' ? OPERATORS[op]?.(value, property, codes) ?? null : null
  made.set(filter, { codes, test })
  return test
}

const made = new WeakMap<ConceptFilter, { readonly codes: Codes; readonly test: FilterTest | null }>()

type Make = (value: string, property: string, codes: Codes) => FilterTest | null

const OPERATORS: Readonly<Record<string, Make | undefined>> = {
  'is-a': (value, property, codes) => byHierarchy(value, property, codes, 'children', true),
  'descendent-of': (value, property, codes) => byHierarchy(value, property, codes, 'children', false),
  'is-not-a': (value, property, codes) => negated(byHierarchy(value, property, codes, 'children', true)),
  generalizes: (value, property, codes) => byHierarchy(value, property, codes, 'parents', true),
  '=': (value, property) => (node) => textsOf(node, property).includes(value),
  in: (value, property) => among(value, property, true),
  'not-in': (value, property) => among(value, property, false),
  exists: (value, property) => (value === 'true' || value === 'false' ? (node) => (textsOf(node, property).length > 0) === (value === 'true') : null),
  regex: byPattern
}

/** A code that is not in a complete code system has nothing above or below it. */
function byHierarchy(code: string, property: string, codes: Codes, direction: 'parents' | 'children', withSelf: boolean): FilterTest | null {
  if (property !== 'concept' && property !== 'code') return null
  const named = codes.find(code)
  const found = named === undefined ? new Set<CodeNode>() : closure(named, direction)
  return (node) => found.has(node) && (withSelf || node !== named)
}

const negated = (test: FilterTest | null): FilterTest | null => (test === null ? null : (node) => !test(node))

function among(value: string, property: string, wanted: boolean): FilterTest {
  const listed = new Set(value.split(',').map((each) => each.trim()))
  return (node) => textsOf(node, property).some((text) => listed.has(text)) === wanted
}

/** The whole value must match. The engine takes time linear in the text, whatever the pattern, and refuses patterns that grow when compiled. */
function byPattern(value: string, property: string): FilterTest | null {
  const counts = [...value.matchAll(/\{\d*,?(\d*)\}?/g)].map(([text, last]) => Number(last === '' ? /\d+/.exec(text)?.[0] ?? 1 : last))
  if (value.length > REGEX_LENGTH_MAX || counts.reduce((product, each) => product * each, 1) > REPEATS_MAX) return null
  let pattern: RE2JS
  try {
    pattern = RE2JS.compile(value)
  } catch {
    return null
  }
  return (node) => textsOf(node, property).some((text) => pattern.matches(text))
}

function textsOf(node: CodeNode, property: string): readonly string[] {
  const { code, display, definition } = node.concept
  switch (property) {
    case 'code': case 'concept': return [code]
    case 'display': return display === undefined ? [] : [display]
    case 'definition': return definition === undefined ? [] : [definition]
    case 'parent': return node.parents.map((parent) => parent.code)
    case 'child': return node.children.map((child) => child.code)
    case 'ancestor': return [...closure(node, 'parents')].slice(1).map((each) => each.code)
    default: return propertyTexts(node.concept, property)
  }
}
