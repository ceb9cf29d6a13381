/**
 * The part of FHIRPath that names elements of one resource, for FHIRPath Patch: names, indexes, `first() last() single()`, `where()` with
 * comparisons joined by `and`, `ofType() as()`, `extension(url)`. Nothing in it can walk a resource more than once per step.
 */
import { fault } from '../../model/errors.ts'

export type Literal = { readonly kind: 'text' | 'number' | 'date'; readonly text: string } | { readonly kind: 'boolean'; readonly value: boolean }

/** `path` from the element that is asked; empty: the element itself. `equals` null: it only has to exist. */
export interface Condition { readonly path: ElementPath; readonly equals: Literal | null; readonly not: boolean }

export type Step =
  | { readonly kind: 'child'; readonly name: string }
  | { readonly kind: 'index'; readonly at: number }
  | { readonly kind: 'first' | 'last' | 'single' }
  | { readonly kind: 'type'; readonly type: string }
  | { readonly kind: 'extension'; readonly url: string }
  | { readonly kind: 'where'; readonly all: readonly Condition[] }

export type ElementPath = readonly Step[]

const TEXT_LENGTH_MAX = 2000
const NESTING_MAX = 4

/** Parses a path; FhirError 400 for what is malformed or outside the part that is known. */
export function parseElementPath(text: string, expression: string): ElementPath {
  if (text.length > TEXT_LENGTH_MAX) throw fault(400, 'too-long', `A path has at most ${TEXT_LENGTH_MAX} characters`, expression)
  return new PathReader(text, expression).whole()
}

type Token = { readonly kind: 'name' | 'text' | 'number' | 'date' | 'sign'; readonly text: string }

const TOKEN = /\s+|(?<name>[A-Za-z_$][A-Za-z0-9_]*)|`(?<quoted>[^`]+)`|'(?<text>(?:[^'\\]|\\.)*)'|(?<number>-?\d+(?:\.\d+)?)|@(?<date>[-0-9T:.+Z]+)|(?<sign>!=|[.()[\]=,])/y

class PathReader {
  readonly #tokens: readonly Token[]
  readonly #expression: string
  #at = 0
  #exists = false

  constructor(text: string, expression: string) {
    this.#expression = expression
    this.#tokens = this.#split(text)
  }

  whole(): ElementPath {
    const path = this.#path(0)
    if (this.#at < this.#tokens.length || this.#exists) this.#fail()
    return path
  }

  #split(text: string): readonly Token[] {
    const tokens: Token[] = []
    const pattern = new RegExp(TOKEN)
    while (pattern.lastIndex < text.length) {
      const { name, quoted, text: literal, number, date, sign } = pattern.exec(text)?.groups ?? this.#fail()
      if (name !== undefined || quoted !== undefined) tokens.push({ kind: 'name', text: (name ?? quoted)! })
      else if (literal !== undefined) tokens.push({ kind: 'text', text: literal.replace(/\\(.)/g, (_, each: string) => ESCAPES[each] ?? each) })
      else if (number !== undefined) tokens.push({ kind: 'number', text: number })
      else if (date !== undefined) tokens.push({ kind: 'date', text: date.replace(/T$/, '') })
      else if (sign !== undefined) tokens.push({ kind: 'sign', text: sign })
    }
    return tokens
  }

  /** Reads up to what is no step of it. `exists()` ends a path and is noted, since it is no place. */
  #path(nesting: number): ElementPath {
    const steps: Step[] = []
    do {
      const name = this.#take('name')
      if (name === '$this' && steps.length === 0) continue
      if (this.#skip('(')) {
        if (name === 'exists') this.#exists = true
        else steps.push(this.#step(name, nesting))
        this.#expect(')')
      } else steps.push({ kind: 'child', name })
      while (!this.#exists && this.#skip('[')) {
        steps.push({ kind: 'index', at: this.#index() })
        this.#expect(']')
      }
    } while (!this.#exists && this.#skip('.'))
    return steps
  }

  #step(name: string, nesting: number): Step {
    switch (name) {
      case 'first': case 'last': case 'single': return { kind: name }
      case 'ofType': case 'as': return { kind: 'type', type: this.#typeName() }
      case 'extension': return { kind: 'extension', url: this.#take('text') }
      case 'where': return { kind: 'where', all: this.#conditions(nesting + 1) }
      default: throw fault(400, 'not-supported', 'The path calls a function that a patch does not know', this.#expression)
    }
  }

  #conditions(nesting: number): readonly Condition[] {
    if (nesting > NESTING_MAX) throw fault(400, 'too-costly', `A path may nest where() ${NESTING_MAX} times`, this.#expression)
    const all: Condition[] = []
    do all.push(this.#condition(nesting))
    while (this.#skip('and'))
    return all
  }

  #condition(nesting: number): Condition {
    const path = this.#path(nesting)
    if (this.#exists) {
      this.#exists = false
      return { path, equals: null, not: false }
    }
    const not = this.#skip('!=')
    if (!not) this.#expect('=')
    return { path, equals: this.#literal(), not }
  }

  #literal(): Literal {
    const { kind, text } = this.#tokens[this.#at++] ?? this.#fail()
    if (kind === 'text' || kind === 'number' || kind === 'date') return { kind, text }
    if (kind === 'name' && (text === 'true' || text === 'false')) return { kind: 'boolean', value: text === 'true' }
    return this.#fail()
  }

  /** `FHIR.Quantity` is `Quantity`. */
  #typeName(): string {
    const name = this.#take('name')
    return name === 'FHIR' && this.#skip('.') ? this.#take('name') : name
  }

  #index(): number {
    const text = this.#take('number')
    return /^\d{1,9}$/.test(text) ? Number(text) : this.#fail()
  }

  #take(kind: Token['kind']): string {
    const token = this.#tokens[this.#at++]
    return token?.kind === kind ? token.text : this.#fail()
  }

  #skip(text: string): boolean {
    const token = this.#tokens[this.#at]
    const fits = token !== undefined && token.kind !== 'text' && token.text === text
    if (fits) this.#at++
    return fits
  }

  #expect(sign: string): void {
    if (!this.#skip(sign)) this.#fail()
  }

  #fail(): never {
    throw fault(400, 'value', 'The path is malformed', this.#expression)
  }
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', f: '\f' }
