import type { TypedValue } from '../parameters.ts'
import type { ParamValue } from '../query.ts'
import { type Form, type Kind, type MatchContext, type TermText, NO_TERMS, notIndexed, spend } from './kind.ts'
import { fold, foldString, isObject, unescapeValue } from './text.ts'

/** Strings: a folded prefix of any part, of a family name also of each of its words. https://hl7.org/fhir/R4/search.html#string */
export const stringKind: Kind = {
  plain: startForm((name) => name === 'family'),
  modifiers: {
    exact: stringForm(asItIs, (part, value) => part === value.text, wholeAsks),
    contains: stringForm(foldedToSearch, (folded, value) => folded.includes(value.folded), notIndexed)
  },
  operators: {
    eq: stringForm(foldedWhole, (folded, value) => folded === value.folded, wholeAsks),
    ne: stringForm(foldedWhole, (folded, value) => folded !== value.folded, notIndexed),
    ew: stringForm(foldedWhole, (folded, value) => folded.endsWith(value.folded), notIndexed),
    gt: stringForm(foldedStart, (folded, value) => firstOf(folded) > firstOf(value.folded), notIndexed),
    lt: stringForm(foldedStart, (folded, value) => firstOf(folded) < firstOf(value.folded), notIndexed),
    ge: stringForm(foldedStart, (folded, value) => firstOf(folded) >= firstOf(value.folded), notIndexed),
    le: stringForm(foldedStart, (folded, value) => firstOf(folded) <= firstOf(value.folded), notIndexed)
  },
  terms: (typed) => {
    const terms: TermText[] = []
    eachPart(typed.value, (part, name) => {
      const folded = foldString(part)
      addStarts(folded, terms)
      if (folded !== '') terms.push({ text: `s=:${folded}` })
      if (name === 'family') for (const word of laterWords(part)) addStarts(foldString(word), terms)
      return false
    })
    return terms.length === 0 ? NO_TERMS : terms
  }
}

/** `family`, whose values are family names without their HumanName. */
export const familyKind: Kind = { ...stringKind, plain: startForm(() => true) }

type StringValue = Extract<ParamValue, { kind: 'string' }>

/** The specification orders texts by the code points they start with; an empty one has none, which is neither more nor less. */
const firstOf = (folded: string): number => folded.codePointAt(0) ?? NaN

/** A value that is text, matched part by part; token's `:text` is built from it too. */
export function parseString(text: string): StringValue | null {
  const plain = unescapeValue(text)
  const folded = foldString(plain)
  return folded === '' ? null : { kind: 'string', text: plain, folded }
}

/** What of a part a form looks at, folded where letters are not told apart. */
type Folding = (part: string, values: readonly StringValue[], context: MatchContext) => string

/** `isFamily`: of the name of a part ('' for text without one), whose later words count too. */
function stringForm(
  folding: Folding, hit: (folded: string, value: StringValue) => boolean, asks: (value: StringValue) => readonly TermText[] | null, isFamily: (name: string) => boolean = () => false
): Form {
  const holds = (values: readonly ParamValue[], typed: TypedValue, context: MatchContext): boolean => {
    const asked = values as readonly StringValue[]
    const fits = (folded: string): boolean => asked.some((value) => hit(folded, value))
    return eachPart(typed.value, (part, name) => fits(folding(part, asked, context)) || (isFamily(name) && laterWords(part).some((word) => fits(foldString(word)))))
  }
  return {
    parse: parseString, matches: (value, typed, context) => holds([value], typed, context), matchesAny: holds,
    asks: (value) => (value.kind === 'string' ? asks(value) : null)
  }
}

function startForm(isFamily: (name: string) => boolean): Form {
  return stringForm(foldedStart, (folded, value) => folded.startsWith(value.folded), (value) => asksBefore(value, prefixAsks), isFamily)
}

/** A family name longer than this has no words of its own. */
const FAMILY_LENGTH_MAX = 100
const WORD_START = /[\s\p{Pd}]+(?=[^\s\p{Pd}])/gu

/** From each word but the first to the end: "searching either Carreno or Quinones should match a family name of Carreno Quinones". */
function laterWords(family: string): readonly string[] {
  if (family.length > FAMILY_LENGTH_MAX || !/[\s\p{Pd}]/u.test(family)) return []
  return [...family.matchAll(WORD_START)].map(({ 0: gap, index }) => family.slice(index + gap.length))
}

/** Also what earlier versions wrote, which knew punctuation and all letters apart: so records that were not indexed since are found as before. */
function asksBefore({ text, folded }: StringValue, asks: (folded: string) => readonly TermText[] | null): readonly TermText[] | null {
  const [now, before] = [asks(folded), fold(text)]
  const earlier = before === folded ? [] : asks(before)
  return now === null || earlier === null ? null : [...now, ...earlier]
}

/** To fold a letter takes as long as some comparisons. */
const FOLDING_COST = 3

function foldedWhole(part: string, _values: readonly StringValue[], context: MatchContext): string {
  spend(context, part.length * FOLDING_COST)
  return foldString(part)
}

/** Each value is looked for in all of the part. */
function foldedToSearch(part: string, values: readonly StringValue[], context: MatchContext): string {
  spend(context, part.length * (FOLDING_COST + values.length))
  return foldString(part)
}

function asItIs(part: string): string {
  return part
}

const START_LENGTH = 4_000

/** Of a long part its start is enough, unless little is left of that once it is folded. */
function foldedStart(part: string, values: readonly StringValue[], context: MatchContext): string {
  if (part.length <= START_LENGTH) return foldString(part)
  const start = foldString(part.slice(0, START_LENGTH))
  return values.every(({ folded }) => folded.length + 2 < start.length) ? start : foldedWhole(part, values, context)
}

function wholeAsks(value: StringValue): readonly TermText[] | null {
  return asksBefore(value, (folded) => (folded === '' ? null : [{ text: `s=:${folded}` }]))
}

/** Text elements of HumanName, Address and CodeableConcept; other complex types have none. */
const PARTS = ['text', 'family', 'given', 'prefix', 'suffix', 'line', 'city', 'district', 'state', 'postalCode', 'country', 'value'] as const

function eachPart(value: unknown, hit: (part: string, name: string) => boolean): boolean {
  if (typeof value === 'string') return hit(value, '')
  if (!isObject(value)) return false
  for (const name of PARTS) {
    const part = value[name]
    if (typeof part === 'string' ? hit(part, name) : Array.isArray(part) && part.some((p) => typeof p === 'string' && hit(p, name))) return true
  }
  return false
}

const PREFIXES = [6, 3, 2] as const

/** Scripts in which one letter already selects: everything above Latin Extended-B. */
const isDense = (folded: string): boolean => folded.charCodeAt(0) > 0x24f

function addStarts(folded: string, terms: TermText[]): void {
  for (const n of PREFIXES) if (folded.length >= n) terms.push({ text: `s${n}:${folded.slice(0, n)}` })
  if (isDense(folded)) terms.push({ text: `s1:${folded.slice(0, 1)}` })
}

function prefixAsks(folded: string): readonly TermText[] | null {
  for (const n of PREFIXES) if (folded.length >= n) return [{ text: `s${n}:${folded.slice(0, n)}` }]
  return folded !== '' && isDense(folded) ? [{ text: `s1:${folded.slice(0, 1)}` }] : null
}

/** Whether any part of a value starts with the folded text. */
export const startsAPart = (value: unknown, folded: string): boolean => eachPart(value, (part) => foldString(part).startsWith(folded))
