import { fault } from '../../model/errors.ts'
import type { TypedValue } from '../parameters.ts'
import type { ParamValue } from '../query.ts'
import { type Form, type Kind, type Lookups, NO_TERMS, type TermText, notIndexed, type ValueContext } from './kind.ts'
import { parseString, startsAPart } from './string.ts'
import { isObject, listOf, splitUnescaped, unescapeValue } from './text.ts'

type TokenValue = Extract<ParamValue, { kind: 'token' }>

/** `code`, `system|code`, `|code` (without a system) and `system|`. https://hl7.org/fhir/R4/search.html#token */
export function parseToken(text: string): TokenValue | null {
  if (!text.includes('|')) return { kind: 'token', system: undefined, code: unescapeValue(text) }
  const parts = splitUnescaped(text, '|')
  if (parts.length === 1) return { kind: 'token', system: undefined, code: unescapeValue(text) }
  if (parts.length > 2) return null
  const system = unescapeValue(parts[0]!)
  const code = unescapeValue(parts[1]!)
  if (system === '' && code === '') return null
  return { kind: 'token', system: system === '' ? null : system, code: code === '' ? null : code }
}

/** Codes and systems compare case-sensitively. */
export function tokenMatches(value: ParamValue, typed: TypedValue): boolean {
  if (value.kind !== 'token') return false
  const given = typed.value
  if (typeof given === 'string') return (value.code === null ? typed.type === 'code' : value.code === given) && systemOf(typed.type, value.system)
  if (typeof given === 'boolean') {
    return (value.code === null || value.code === String(given)) && (value.system === undefined || value.system === null || SPECIAL_VALUES.has(value.system))
  }
  if (!isObject(given)) return false
  if (typed.type === 'CodeableConcept' || given.coding !== undefined) {
    for (const coding of listOf(given.coding)) if (isObject(coding) && same(value, coding.system, coding.code)) return true
    return false
  }
  // R4 gives a contact point no system: its own `system` is a kind of device.
  if (typed.type === 'ContactPoint') return same(value, undefined, given.value)
  return typed.type === 'Identifier' ? same(value, given.system, given.value) : same(value, given.system, given.code)
}

/** Terms hold the code alone: a query with a system asks for the code and confirms the system. One term per coding. */
function terms(typed: TypedValue): readonly TermText[] {
  const given = typed.value
  if (typeof given === 'string' || typeof given === 'boolean') return [{ text: `t:${given}` }]
  if (!isObject(given)) return NO_TERMS
  if (typed.type === 'CodeableConcept' || given.coding !== undefined) {
    const codes = listOf(given.coding).map((coding) => (isObject(coding) ? coding.code : undefined))
    return codes.flatMap((code) => (typeof code === 'string' ? [{ text: `t:${code}` }] : []))
  }
  const code = typed.type === 'Identifier' || typed.type === 'ContactPoint' ? given.value : given.code
  return typeof code === 'string' ? [{ text: `t:${code}` }] : NO_TERMS
}

/** What a value set or a hierarchy gave, listed while parsing: an ordinary set of values from here on. */
function listed(parse: (text: string, lookups: Lookups) => ParamValue | null): Form {
  return {
    parse: (text, _param, { lookups }: ValueContext) => {
      if (lookups === undefined) throw fault(400, 'not-supported', 'Value sets and hierarchies of codes are searched by in searches only, not in criteria')
      return parse(text, lookups)
    },
    matches: codesMatch,
    asks: (value) => (value.kind === 'codes' ? [...value.codes.keys()].map((code) => ({ text: `t:${code}` })) : null)
  }
}

const inValueSet = listed((text, lookups) => ({ kind: 'codes', codes: lookups.codesIn(unescapeValue(text)) }))

const around = (direction: 'above' | 'below'): Form => listed((text, lookups) => {
  const value = parseToken(text)
  return value === null || typeof value.system !== 'string' || value.code === null ? null : { kind: 'codes', codes: lookups.codesAround(value.system, value.code, direction) }
})

/** One of the systems that a code is listed under must be the value's own. */
function codesMatch(value: ParamValue, typed: TypedValue): boolean {
  if (value.kind !== 'codes') return false
  return terms(typed).some(({ text }) => {
    const code = text.slice('t:'.length)
    return (value.codes.get(code) ?? []).some((system) => tokenMatches({ kind: 'token', system, code }, typed))
  })
}

const plain: Form = {
  parse: parseToken,
  matches: tokenMatches,
  asks: (value) => (value.kind === 'token' && value.code !== null ? [{ text: `t:${value.code}` }] : null)
}

export const tokenKind: Kind = {
  plain,
  modifiers: {
    not: { parse: parseToken, matches: tokenMatches, asks: notIndexed, negated: true },
    text: {
      parse: parseString,
      matches: (value, typed) => value.kind === 'string' && isObject(typed.value) && startsText(typed.value, value.folded),
      asks: notIndexed
    },
    in: inValueSet,
    'not-in': { ...inValueSet, asks: notIndexed, negated: true },
    above: around('above'),
    below: around('below'),
    'of-type': {
      parse: parseOfType,
      matches: (value, typed) => value.kind === 'of-type' && isObject(typed.value)
        && typed.value.value === value.value && isOfType(typed.value.type, value),
      asks: (value) => (value.kind === 'of-type' ? [{ text: `t:${value.value}` }] : null)
    }
  },
  operators: {
    eq: { parse: parseToken, matches: foldedMatches, asks: (value, param) => (hasCase(value) ? null : plain.asks(value, param)) },
    ne: { parse: parseToken, matches: (value, typed) => !foldedMatches(value, typed), asks: notIndexed }
  },
  terms
}

const foldedText = (text: string): string => text.toLowerCase()

/** `_filter` does not tell letters by their case: both sides are compared in lower case. */
function foldedMatches(value: ParamValue, { type, value: given }: TypedValue): boolean {
  if (value.kind !== 'token') return false
  const { system, code } = value
  // What has no system of its own has that of its binding, as it is written.
  const asked: TokenValue = { kind: 'token', system: isObject(given) && typeof system === 'string' ? foldedText(system) : system, code: code === null ? null : foldedText(code) }
  return tokenMatches(asked, { type, value: foldedGiven(given) })
}

const hasCase = (value: ParamValue): boolean => value.kind !== 'token' || value.code === null || foldedText(value.code) !== value.code || value.code.toUpperCase() !== value.code

function foldedGiven(given: unknown): unknown {
  if (typeof given === 'string') return foldedText(given)
  if (!isObject(given)) return given
  const texts = Object.entries(given).map(([name, text]) => [name, name === 'coding' ? listOf(text).map(foldedGiven) : typeof text === 'string' ? foldedText(text) : text])
  return Object.fromEntries(texts)
}

/** The system of booleans, by R4's terminology and by the name that its search page gives it. */
const SPECIAL_VALUES: ReadonlySet<string> = new Set(['http://terminology.hl7.org/CodeSystem/special-values', 'http://hl7.org/fhir/special-values'])

/**
 * A `code` element has the system of its binding, which is not in the data; any system from a place where R4's
 * own bindings lie is taken for it. `|code` is right for it too: the element carries no system property. Ids, strings
 * and uris have no system at all.
 */
const BINDING_SYSTEMS = ['http://hl7.org/fhir/', 'http://terminology.hl7.org/CodeSystem/', 'urn:ietf:bcp:', 'urn:iso:std:iso:'] as const
const systemOf = (type: string, system: string | null | undefined): boolean =>
  system === undefined || system === null || (type === 'code' && BINDING_SYSTEMS.some((start) => system.startsWith(start)))

const same = (value: TokenValue, system: unknown, code: unknown): boolean =>
  (value.code === null || value.code === code)
  && (value.system === undefined || (value.system === null ? system === undefined : value.system === system))

/** `type-system|type-code|value`, all three given. */
function parseOfType(text: string): ParamValue | null {
  const [system, code, value, ...rest] = splitUnescaped(text, '|').map(unescapeValue)
  return system && code && value && rest.length === 0 ? { kind: 'of-type', system, code, value } : null
}

const isOfType = (type: unknown, value: { readonly system: string; readonly code: string }): boolean =>
  isObject(type) && listOf(type.coding).some((coding) => isObject(coding) && coding.system === value.system && coding.code === value.code)

/** CodeableConcept.text and its displays, Coding.display, Identifier.type.text: what `:text` reads. */
function startsText(value: Readonly<Record<string, unknown>>, folded: string): boolean {
  const displays = listOf(value.coding).map((coding) => (isObject(coding) ? coding.display : undefined))
  const texts = [value.text, value.display, isObject(value.type) ? value.type.text : undefined, ...displays]
  return texts.some((text) => typeof text === 'string' && startsAPart(text, folded))
}
