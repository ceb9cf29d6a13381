/**
 * Rules that only ask which elements there are, such as `(component.empty() and hasMember.empty()) implies (dataAbsentReason.exists() or
 * value.exists())`, or how long the text of a date is: most rules of profiles are such, and FHIRPath takes a hundred times as long for them.
 */
import { structureNames } from '../validate/definitions.ts'
import { isObject } from '../validate/walk.ts'
import { itemsOf } from './values.ts'

export type Rule = (value: unknown) => boolean

/** `path`: where the value stands, of a choice by its JSON key. Null: the expression says more than that. */
export function compileRule(expression: string, path = ''): Rule | null {
  const [, type, least] = TEXT_LENGTH.exec(expression) ?? []
  if (type !== undefined) return path.endsWith(type.charAt(0).toUpperCase() + type.slice(1)) ? (value) => String(value).length >= Number(least) : null
  const parser = new Parser(expression)
  const rule = parser.implication()
  return parser.isAtEnd() ? rule : null
}

/** How precise a choice's date is, which every vital sign is asked. */
const TEXT_LENGTH = /^\(\$this as (dateTime)\)\.toString\(\)\.length\(\) >= (\d+)$/
const TOKEN = /\s*(?:(\()|(\))|(\.not\(\))|((?:[a-z]\w*\.)+)(exists|empty)\(\)|(and|or|implies)\b)/y
/** Of a primitive its id and its extensions lie beside it; a choice is named without its type. */
const ELSEWHERE = /^(?:id|extension|url|value[A-Z]\w*)$/

type Token = { readonly kind: '(' | ')' | 'not' | 'and' | 'or' | 'implies' } | { readonly kind: 'test'; readonly rule: Rule }

/** By precedence (https://hl7.org/fhirpath/#operator-precedence): `and`, then `or`, then `implies`. */
class Parser {
  readonly #tokens: readonly Token[] | null
  #at = 0

  constructor(expression: string) {
    this.#tokens = tokensOf(expression)
  }

  isAtEnd(): boolean {
    return this.#tokens !== null && this.#at === this.#tokens.length
  }

  implication(): Rule | null {
    return this.#chain('implies', () => this.#chain('or', () => this.#chain('and', () => this.#term(), both), either), (a, b) => (value) => !a(value) || b(value))
  }

  #chain(operator: 'and' | 'or' | 'implies', part: () => Rule | null, joined: (a: Rule, b: Rule) => Rule): Rule | null {
    let rule = part()
    while (rule !== null && this.#take(operator)) {
      const next = part()
      rule = next === null ? null : joined(rule, next)
    }
    return rule
  }

  #term(): Rule | null {
    const token = this.#tokens?.[this.#at]
    let rule: Rule | null = null
    if (token?.kind === 'test') {
      this.#at += 1
      rule = token.rule
    } else if (this.#take('(')) {
      rule = this.implication()
      if (!this.#take(')')) return null
    }
    while (rule !== null && this.#take('not')) rule = negated(rule)
    return rule
  }

  #take(kind: Token['kind']): boolean {
    if (this.#tokens?.[this.#at]?.kind !== kind) return false
    this.#at += 1
    return true
  }
}

const both = (a: Rule, b: Rule): Rule => (value) => a(value) && b(value)
const either = (a: Rule, b: Rule): Rule => (value) => a(value) || b(value)
const negated = (rule: Rule): Rule => (value) => !rule(value)

function tokensOf(expression: string): readonly Token[] | null {
  const tokens: Token[] = []
  const text = expression.trimEnd()
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < text.length;) {
    const found = TOKEN.exec(text)
    if (found === null) return null
    const [, open, close, not, path, test, operator] = found
    if (path !== undefined) {
      const steps = path.slice(0, -1).split('.')
      if (steps.some((step) => ELSEWHERE.test(step))) return null
      const has: Rule = (value) => leadsAnywhere(value, steps, 0)
      tokens.push({ kind: 'test', rule: test === 'exists' ? has : negated(has) })
    } else tokens.push({ kind: open !== undefined ? '(' : close !== undefined ? ')' : not !== undefined ? 'not' : operator as 'and' | 'or' | 'implies' })
  }
  return tokens
}

function leadsAnywhere(value: unknown, steps: readonly string[], at: number): boolean {
  if (at === steps.length) return true
  if (!isObject(value)) return false
  const step = steps[at]!
  const plain = itemsOf(value, step)
  // `contextType` is no choice of `context`.
  const items = plain.length > 0 ? plain : itemsOf(value, `${step}[x]`).filter(({ type }) => dataTypes().has(type!))
  return items.some((item) => leadsAnywhere(item.value, steps, at + 1))
}

let names: ReadonlySet<string> | undefined

/** As the keys of choices end in them. */
const dataTypes = (): ReadonlySet<string> => (names ??= new Set(structureNames().map((name) => name.charAt(0).toUpperCase() + name.slice(1))))
