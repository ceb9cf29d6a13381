/**
 * The part of FHIRPath that R4's search expressions use, as a tree.
 * http://hl7.org/fhirpath/N1/, https://hl7.org/fhir/R4/searchparameter.html
 */
export type Expression =
  /** The element that the expression stands on, or the resource itself for `%resource`. */
  | { readonly kind: 'this' | 'resource' }
  | { readonly kind: 'literal'; readonly value: string | number | boolean }
  /** A member; `of` null: the first word of a path, which may also be a type name. */
  | { readonly kind: 'member'; readonly of: Expression | null; readonly name: string }
  | { readonly kind: 'index'; readonly of: Expression; readonly at: number }
  | { readonly kind: 'where'; readonly of: Expression; readonly condition: Expression }
  | { readonly kind: 'as' | 'is'; readonly of: Expression; readonly type: string }
  | { readonly kind: 'resolve' | 'exists'; readonly of: Expression }
  | { readonly kind: 'extension' | 'hasExtension'; readonly of: Expression; readonly url: string }
  | { readonly kind: 'union' | 'and' | '=' | '!='; readonly left: Expression; readonly right: Expression }

type Token = { readonly kind: 'word' | 'text' | 'number' | 'sign'; readonly text: string }
interface Reader { peek(): Token | undefined; take(text?: string): Token; skip(text: string): boolean }

/** Parses one search expression. Throws a plain Error on anything outside the subset: it is never given a caller's text. */
export function parseExpression(text: string): Expression {
  const reader = readerOf(tokens(text), text)
  const expression = conjunction(reader)
  if (reader.peek() !== undefined) throw new Error(`Unreadable search expression: ${text}`)
  return expression
}

function conjunction(reader: Reader): Expression {
  let left = equality(reader)
  while (reader.skip('and')) left = { kind: 'and', left, right: equality(reader) }
  return left
}

function equality(reader: Reader): Expression {
  let left = union(reader)
  for (;;) {
    const kind = reader.skip('=') ? '=' : reader.skip('!=') ? '!=' : null
    if (kind === null) return left
    left = { kind, left, right: union(reader) }
  }
}

function union(reader: Reader): Expression {
  let left = typed(reader)
  while (reader.skip('|')) left = { kind: 'union', left, right: typed(reader) }
  return left
}

function typed(reader: Reader): Expression {
  let of = path(reader)
  for (;;) {
    const kind = reader.skip('as') ? 'as' : reader.skip('is') ? 'is' : null
    if (kind === null) return of
    of = { kind, of, type: typeName(reader.take().text) }
  }
}

function path(reader: Reader): Expression {
  let of = primary(reader)
  for (;;) {
    if (reader.skip('.')) of = invocation(reader, of, reader.take().text)
    else if (reader.skip('[')) {
      of = { kind: 'index', of, at: Number(reader.take().text) }
      reader.take(']')
    } else return of
  }
}

function primary(reader: Reader): Expression {
  const token = reader.take()
  if (token.kind === 'text') return { kind: 'literal', value: token.text }
  if (token.kind === 'number') return { kind: 'literal', value: Number(token.text) }
  if (token.text === '%resource') return { kind: 'resource' }
  if (token.text === '(') {
    const inner = conjunction(reader)
    reader.take(')')
    return inner
  }
  if (token.text === 'true' || token.text === 'false') return { kind: 'literal', value: token.text === 'true' }
  return invocation(reader, null, token.text)
}

function invocation(reader: Reader, of: Expression | null, name: string): Expression {
  if (!reader.skip('(')) return { kind: 'member', of, name }
  const on = of ?? { kind: 'this' as const }
  const call = callOf(reader, on, name)
  reader.take(')')
  return call
}

function callOf(reader: Reader, of: Expression, name: string): Expression {
  switch (name) {
    case 'where': return { kind: 'where', of, condition: conjunction(reader) }
    case 'as': case 'ofType': return { kind: 'as', of, type: typeName(reader.take().text) }
    case 'is': return { kind: 'is', of, type: typeName(reader.take().text) }
    case 'extension': case 'hasExtension': return { kind: name, of, url: reader.take().text }
    case 'resolve': case 'exists': return { kind: name, of }
    default: throw new Error(`Unknown function in a search expression: ${name}`)
  }
}

/** R4 writes `value.as(DateTime)` in one composite parameter and means the primitive type. */
const typeName = (name: string): string => (name === 'DateTime' ? 'dateTime' : name)

function tokens(text: string): readonly Token[] {
  const found: Token[] = []
  const pattern = /\s*(?:([A-Za-z_%][A-Za-z0-9_]*)|'([^']*)'|([0-9]+)|(!=|[().|[\]=]))/y
  while (pattern.lastIndex < text.trimEnd().length) {
    const match = pattern.exec(text)
    if (match === null) throw new Error(`Unreadable search expression: ${text}`)
    const [, word, string, number, sign] = match
    if (word !== undefined) found.push({ kind: 'word', text: word })
    else if (string !== undefined) found.push({ kind: 'text', text: string })
    else if (number !== undefined) found.push({ kind: 'number', text: number })
    else found.push({ kind: 'sign', text: sign! })
  }
  return found
}

function readerOf(list: readonly Token[], text: string): Reader {
  let at = 0
  const is = (token: Token | undefined, wanted: string): boolean => token !== undefined && token.kind !== 'text' && token.text === wanted
  return {
    peek: () => list[at],
    take(wanted) {
      const token = list[at++]
      if (token === undefined || (wanted !== undefined && !is(token, wanted))) throw new Error(`Unreadable search expression: ${text}`)
      return token
    },
    skip(wanted) {
      if (!is(list[at], wanted)) return false
      at++
      return true
    }
  }
}
