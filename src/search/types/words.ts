/** `_text` and `_content`: words anywhere in the narrative, or in the whole resource (https://hl7.org/fhir/R4/search.html#content). */
import { fault } from '../../model/errors.ts'
import type { TypedValue } from '../parameters.ts'
import type { WordQuery } from '../query.ts'
import { type Kind, type MatchContext, NO_TERMS, notIndexed, spend } from './kind.ts'
import { fold, isObject, unescapeValue } from './text.ts'

/**
 * Words with `and`, `or`, `not` and parentheses; words side by side must all be there, `"in quotes"` in a row, and `word*` is the start of one.
 * Letter case and accents do not count. 422 too-costly for a resource with more characters than TEXT_CHARS_MAX.
 */
export const wordsKind: Kind = {
  plain: {
    parse: (text, _param, { textCharsMax }) => {
      const query = textCharsMax === undefined ? null : parseWords(unescapeValue(text))
      return query === null ? null : { kind: 'words', query, charsMax: textCharsMax! }
    },
    matches: (value, typed, context) => value.kind === 'words' && holds(value.query, contentOf(typed, value.charsMax), context),
    asks: notIndexed
  },
  modifiers: {},
  terms: () => NO_TERMS
}

/** Words and phrases of one query. */
const WORDS_MAX = 32
const NESTED_MAX = 8

const TOKEN = /"([^"]*)"|([()])|[^\s()"]+/g
const WORD = /[\p{L}\p{N}]+/gu

interface Reader { readonly tokens: readonly RegExpMatchArray[]; at: number; words: number; depth: number }

function parseWords(text: string): WordQuery | null {
  const reader: Reader = { tokens: [...text.matchAll(TOKEN)], at: 0, words: 0, depth: 0 }
  const query = readOr(reader)
  return query === null || reader.at < reader.tokens.length || reader.words === 0 || reader.words > WORDS_MAX ? null : query
}

const isWord = (reader: Reader, word: string): boolean => reader.tokens[reader.at]?.[0].toLowerCase() === word

function readOr(reader: Reader): WordQuery | null {
  if (++reader.depth > NESTED_MAX) return null
  const of: WordQuery[] = []
  do {
    const part = readAnd(reader)
    if (part === null) return null
    of.push(part)
  } while (isWord(reader, 'or') && ++reader.at)
  reader.depth--
  return of.length === 1 ? of[0]! : { kind: 'or', of }
}

function readAnd(reader: Reader): WordQuery | null {
  const of: WordQuery[] = []
  do {
    while (of.length > 0 && isWord(reader, 'and')) reader.at++
    const part = readNot(reader)
    if (part === null) return null
    of.push(part)
  } while (reader.at < reader.tokens.length && !isWord(reader, 'or') && !isWord(reader, ')'))
  return of.length === 1 ? of[0]! : { kind: 'and', of }
}

function readNot(reader: Reader): WordQuery | null {
  if (isWord(reader, 'not')) {
    reader.at++
    if (++reader.depth > NESTED_MAX) return null
    const of = readNot(reader)
    reader.depth--
    return of === null ? null : { kind: 'not', of }
  }
  if (isWord(reader, 'and') || isWord(reader, 'or') || isWord(reader, ')')) return null
  const token = reader.tokens[reader.at++]
  if (token === undefined) return null
  if (token[0] === '(') {
    const inner = readOr(reader)
    return inner !== null && isWord(reader, ')') && ++reader.at ? inner : null
  }
  const words = fold(token[1] ?? token[0]).match(WORD)
  if (words === null) return null
  reader.words += words.length
  return { kind: 'phrase', words, prefix: token[1] === undefined && token[0].endsWith('*') }
}

/** The words of a resource: folded, one space around each, one line for each text. */
interface Content { readonly text: string }

const contents = new WeakMap<object, Content>()

/** Kept while the same resource is asked several times, under one clause after the other. */
function contentOf({ value }: TypedValue, charsMax: number): Content {
  if (!isObject(value)) return { text: '' }
  let found = contents.get(value)
  if (found === undefined) {
    const texts: string[] = []
    gather(value, texts, { left: charsMax, max: charsMax })
    const lines = texts.map((text) => ` ${(fold(text).match(WORD) ?? []).join(' ')} `)
    contents.set(value, (found = { text: lines.join('\n') }))
  }
  return found
}

const TAG = /<[^<>]*>|&[#\w]+;/g

interface Room { left: number; readonly max: number }

function gather(value: unknown, texts: string[], room: Room): void {
  if (typeof value === 'string') add(value, texts, room)
  else if (Array.isArray(value)) for (const item of value) gather(item, texts, room)
  else if (isObject(value)) {
    // Tags and entities of a narrative are no words.
    for (const key in value) gather(key === 'div' && typeof value.div === 'string' ? value.div.replace(TAG, ' ') : value[key], texts, room)
  }
}

/** Files in base64 are no text. */
const isFile = (text: string): boolean => text.length > FILE_MIN && BASE64.test(text)
const FILE_MIN = 1_000
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/

function add(text: string, texts: string[], room: Room): void {
  if (isFile(text)) return
  room.left -= text.length
  if (room.left < 0) throw fault(422, 'too-costly', `A search by _text or _content meets a resource of more than ${room.max} characters (TEXT_CHARS_MAX): narrow it`)
  texts.push(text)
}

function holds(query: WordQuery, content: Content, context: MatchContext): boolean {
  switch (query.kind) {
    case 'and': return query.of.every((each) => holds(each, content, context))
    case 'or': return query.of.some((each) => holds(each, content, context))
    case 'not': return !holds(query.of, content, context)
    case 'phrase':
      spend(context, content.text.length)
      return content.text.includes(` ${query.words.join(' ')}${query.prefix ? '' : ' '}`)
  }
}
