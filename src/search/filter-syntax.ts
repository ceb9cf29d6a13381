/** The grammar of `_filter` (https://hl7.org/fhir/R4/search_filter.html): text to a tree, nothing of it looked up yet. */
import { fault } from '../model/errors.ts'

export type FilterNode =
  | { readonly kind: 'and' | 'or'; readonly of: readonly FilterNode[] }
  | { readonly kind: 'not'; readonly of: FilterNode }
  | FilterTest

/** `path operator value`. */
export interface FilterTest { readonly kind: 'test'; readonly path: readonly FilterStep[]; readonly operator: string; readonly value: string }

/** `name`, `name:Type` or `name[filter]`. */
export interface FilterStep { readonly name: string; readonly filter: FilterNode | null }

export interface FilterBounds {
  /** Tests of one `_filter`. */
  readonly testsMax: number
  /** Parentheses and brackets within each other. */
  readonly depthMax: number
}

/** FhirError 400 where the text is not of the grammar, with the place where it stops being; 422 too-costly past a bound. */
export function parseFilter(text: string, bounds: FilterBounds): FilterNode {
  const reader: Reader = { text, at: 0, tests: 0, depth: 0, bounds }
  const node = readLogical(reader)
  skip(reader, SPACE)
  if (reader.at < text.length) throw malformed(reader)
  return node
}

interface Reader { readonly text: string; at: number; tests: number; depth: number; readonly bounds: FilterBounds }

const SPACE = /\s*/y
const LOGICAL = /(and|or)(?=[\s(])/y
const NOT = /not\s*\(/y
const OPEN = /\(/y
const CLOSE = /\)/y
const NAME = /[A-Za-z_][\w-]*(?::[A-Z][A-Za-z]*)?/y
const BRACKET = /\[/y
const CLOSE_BRACKET = /\]/y
const DOT = /\./y
const OPERATOR = /\s+([a-z]{2})(?=\s)/y
const STRING = /"(?:[^"\\]|\\.)*"/y
const TOKEN = /[^\s\])"][^\s\])]*/y

const malformed = ({ at }: Reader): Error => fault(400, 'value', `The value of _filter is malformed at character ${at + 1}`)

function skip(reader: Reader, pattern: RegExp): RegExpExecArray | null {
  pattern.lastIndex = reader.at
  const found = pattern.exec(reader.text)
  if (found !== null) reader.at = pattern.lastIndex
  return found
}

function need(reader: Reader, pattern: RegExp): RegExpExecArray {
  const found = skip(reader, pattern)
  if (found === null) throw malformed(reader)
  return found
}

/** From left to right: neither `and` nor `or` binds closer. */
function readLogical(reader: Reader): FilterNode {
  if (++reader.depth > reader.bounds.depthMax) throw fault(422, 'too-costly', `_filter is nested more than ${reader.bounds.depthMax} deep (FILTER_DEPTH_MAX)`)
  let left = readOne(reader)
  for (;;) {
    skip(reader, SPACE)
    const word = skip(reader, LOGICAL)?.[1] as 'and' | 'or' | undefined
    if (word === undefined) break
    const right = readOne(reader)
    left = { kind: word, of: left.kind === word ? [...left.of, right] : [left, right] }
  }
  reader.depth--
  return left
}

function readOne(reader: Reader): FilterNode {
  skip(reader, SPACE)
  const isNot = skip(reader, NOT) !== null
  if (!isNot && skip(reader, OPEN) === null) return readTest(reader)
  const of = readLogical(reader)
  need(reader, CLOSE)
  // A group stays one part of what stands around it.
  return isNot ? { kind: 'not', of } : of.kind === 'test' ? of : { kind: 'and', of: [of] }
}

function readTest(reader: Reader): FilterTest {
  if (++reader.tests > reader.bounds.testsMax) throw fault(422, 'too-costly', `_filter has more than ${reader.bounds.testsMax} tests (FILTER_TESTS_MAX)`)
  const path: FilterStep[] = []
  do {
    const [name] = need(reader, NAME)
    const filter = skip(reader, BRACKET) === null ? null : readLogical(reader)
    if (filter !== null) {
      skip(reader, SPACE)
      need(reader, CLOSE_BRACKET)
    }
    path.push({ name, filter })
  } while (path.at(-1)!.filter !== null ? need(reader, DOT) : skip(reader, DOT))
  const operator = need(reader, OPERATOR)[1]!
  skip(reader, SPACE)
  const string = skip(reader, STRING)
  return { kind: 'test', path, operator, value: string === null ? need(reader, TOKEN)[0] : unquoted(string[0], reader) }
}

function unquoted(text: string, reader: Reader): string {
  try {
    return JSON.parse(text) as string
  } catch {
    throw malformed(reader)
  }
}
