/**
 * The one normalisation of strings: marks stripped after NFD, lower case, white space collapsed and trimmed.
 * The folded form of a prefix is a prefix of the folded whole, on which the index and the match both stand.
 */
export function fold(text: string): string {
  const lower = ASCII.test(text) ? text.toLowerCase() : stripMarks(stripMarks(text).toLowerCase()).replaceAll('ς', 'σ')
  return ODD_SPACE.test(lower) ? lower.replace(SPACES, ' ').trim() : lower
}

/**
 * The normalisation of string search: as `fold`, with punctuation ignored, as R4 asks for, and letters without a decomposition as those that they are written
 * with elsewhere. A text of nothing but punctuation keeps it.
 */
export function foldString(text: string): string {
  const folded = fold(text)
  if (PLAIN.test(folded)) return folded
  const bare = fold(folded.replace(LETTER, (letter) => LETTERS[letter]!).replace(PUNCTUATION, ''))
  return bare === '' ? folded : bare
}

/** Splits at each separator that no backslash escapes; the parts keep their escapes. https://hl7.org/fhir/R4/search.html#escaping */
export function splitUnescaped(text: string, separator: ',' | '|' | '$'): string[] {
  if (!text.includes('\\')) return text.split(separator)
  const parts: string[] = []
  let from = 0
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === separator) {
      parts.push(text.slice(from, at))
      from = at + 1
    }
  }
  parts.push(text.slice(from))
  return parts
}

/** Resolves `\,` `\$` `\|` and `\\`; any other backslash is itself. */
export const unescapeValue = (text: string): string => (text.includes('\\') ? text.replace(ESCAPES, '$1') : text)

/** True for an object of JSON, arrays excluded. */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** An element's value as an array: itself, one, or none. */
export const listOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : value === undefined || value === null ? NOTHING : [value]

const stripMarks = (text: string): string => text.normalize('NFD').replace(MARKS, '')
const NOTHING: readonly unknown[] = []
const ASCII = /^[\x00-\x7f]*$/
const MARKS = /\p{M}+/gu
const SPACES = /\s+/g
const ODD_SPACE = /^\s|\s$|\s\s|[^\S ]/
const PLAIN = /^[a-z0-9 ]*$/
/** Also the marks that stand for an apostrophe on keyboards that have none. */
const PUNCTUATION = /[\p{P}`\u00b4\u02b9\u02bb\u02bc]+/gu
const LETTERS: Readonly<Record<string, string>> = {
  ß: 'ss', ł: 'l', ø: 'o', æ: 'ae', œ: 'oe', đ: 'd', ð: 'd', þ: 'th', ħ: 'h', ı: 'i', ŧ: 't', ŋ: 'ng', ĸ: 'k', ŀ: 'l', ſ: 's', ŉ: 'n', ĳ: 'ij'
}
const LETTER = new RegExp(`[${Object.keys(LETTERS).join('')}]`, 'gu')
const ESCAPES = /\\([,$|\\])/g
