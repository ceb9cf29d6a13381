import type { ParamValue } from '../query.ts'
import { type Form, type Kind, type TermText, NO_TERMS, notIndexed } from './kind.ts'
import { fold, isObject, unescapeValue } from './text.ts'

/** Strings: a case- and accent-folded prefix of any part. https://hl7.org/fhir/R4/search.html#string */
export const stringKind: Kind = {
  plain: stringForm((folded, value) => folded.startsWith(value.folded), (value) => prefixAsks(value.folded)),
  modifiers: {
    exact: stringForm((_folded, value, part) => part === value.text, (value) => (value.folded === '' ? null : [{ text: `s=:${value.folded}` }])),
    contains: stringForm((folded, value) => folded.includes(value.folded), notIndexed)
  },
  operators: {
    eq: stringForm((folded, value) => folded === value.folded, (value) => (value.folded === '' ? null : [{ text: `s=:${value.folded}` }])),
    ne: stringForm((folded, value) => folded !== value.folded, notIndexed),
    ew: stringForm((folded, value) => folded.endsWith(value.folded), notIndexed),
    gt: stringForm((folded, value) => firstOf(folded) > firstOf(value.folded), notIndexed),
    lt: stringForm((folded, value) => firstOf(folded) < firstOf(value.folded), notIndexed),
    ge: stringForm((folded, value) => firstOf(folded) >= firstOf(value.folded), notIndexed),
    le: stringForm((folded, value) => firstOf(folded) <= firstOf(value.folded), notIndexed)
  },
  terms: (typed) => {
    const terms: TermText[] = []
    eachPart(typed.value, (part) => {
      addTerms(fold(part), terms)
      return false
    })
    return terms.length === 0 ? NO_TERMS : terms
  }
}

type StringValue = Extract<ParamValue, { kind: 'string' }>

/** The specification orders texts by the code points they start with; an empty one has none, which is neither more nor less. */
const firstOf = (folded: string): number => folded.codePointAt(0) ?? NaN

/** A value that is text, matched part by part; token's `:text` is built from it too. */
export function parseString(text: string): StringValue | null {
  const plain = unescapeValue(text)
  const folded = fold(plain)
  return folded === '' ? null : { kind: 'string', text: plain, folded }
}

/** `hit` is given a part folded and as it is. */
function stringForm(hit: (folded: string, value: StringValue, part: string) => boolean, asks: (value: StringValue) => readonly TermText[] | null): Form {
  return {
    parse: parseString,
    matches: (value, typed) => value.kind === 'string' && eachPart(typed.value, (part) => hit(fold(part), value, part)),
    matchesAny: (values, typed) => eachPart(typed.value, (part) => {
      const folded = fold(part)
      return values.some((value) => value.kind === 'string' && hit(folded, value, part))
    }),
    asks: (value) => (value.kind === 'string' ? asks(value) : null)
  }
}

/** Text elements of HumanName, Address and CodeableConcept; other complex types have none. */
const PARTS = ['text', 'family', 'given', 'prefix', 'suffix', 'line', 'city', 'district', 'state', 'postalCode', 'country', 'value'] as const

function eachPart(value: unknown, hit: (part: string) => boolean): boolean {
  if (typeof value === 'string') return hit(value)
  if (!isObject(value)) return false
  for (const name of PARTS) {
    const part = value[name]
    if (typeof part === 'string' ? hit(part) : Array.isArray(part) && part.some((p) => typeof p === 'string' && hit(p))) return true
  }
  return false
}

const PREFIXES = [6, 3, 2] as const

/** Scripts in which one letter already selects: everything above Latin Extended-B. */
const isDense = (folded: string): boolean => folded.charCodeAt(0) > 0x24f

function addTerms(folded: string, terms: TermText[]): void {
  if (folded === '') return
  for (const n of PREFIXES) if (folded.length >= n) terms.push({ text: `s${n}:${folded.slice(0, n)}` })
  if (isDense(folded)) terms.push({ text: `s1:${folded.slice(0, 1)}` })
  terms.push({ text: `s=:${folded}` })
}

function prefixAsks(folded: string): readonly TermText[] | null {
  for (const n of PREFIXES) if (folded.length >= n) return [{ text: `s${n}:${folded.slice(0, n)}` }]
  return folded !== '' && isDense(folded) ? [{ text: `s1:${folded.slice(0, 1)}` }] : null
}

/** Whether any part of a value starts with the folded text. */
export const startsAPart = (value: unknown, folded: string): boolean => eachPart(value, (part) => fold(part).startsWith(folded))
