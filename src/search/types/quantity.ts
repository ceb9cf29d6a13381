import { isNumberValue, numberOf } from '../../model/decimal.ts'
import type { TypedValue } from '../parameters.ts'
import type { ParamValue } from '../query.ts'
import { baseUnit, inBase, UCUM } from '../units.ts'
import { type Kind, NO_TERMS, notIndexed } from './kind.ts'
import { type NumberAsk, numberHolds, parseNumber, rangeSpan, type Span } from './number.ts'
import { sampledSpan } from './sampled-data.ts'
import { isObject, splitUnescaped, unescapeValue } from './text.ts'

type QuantityValue = Extract<ParamValue, { kind: 'quantity' }>

/**
 * `[prefix]number`, `number|system|code`, `number||code`. Units of UCUM are converted into each other; other units only equal themselves.
 * https://hl7.org/fhir/R4/search.html#quantity
 */
export const quantityKind: Kind = {
  plain: { parse: parseQuantity, matches: quantityMatches, asks: notIndexed },
  modifiers: {},
  terms: () => NO_TERMS
}

function quantityMatches(value: ParamValue, typed: TypedValue): boolean {
  if (value.kind !== 'quantity' || !isObject(typed.value)) return false
  const given = typed.value
  if (given.origin !== undefined) return holds(value, given.origin, sampledSpan(given))
  const isRange = given.low !== undefined || given.high !== undefined
  return holds(value, isRange ? (isObject(given.low) ? given.low : given.high) : given, isRange ? rangeSpan(given) : quantitySpan(given))
}

function parseQuantity(text: string): QuantityValue | null {
  const parts = splitUnescaped(text, '|')
  if (parts.length !== 1 && parts.length !== 3) return null
  const ask = parseNumber(unescapeValue(parts[0]!))
  if (ask === null) return null
  const system = unescapeValue(parts[1] ?? '')
  const code = unescapeValue(parts[2] ?? '')
  return { kind: 'quantity', ...ask, system: system === '' ? null : system, code: code === '' ? null : code }
}

const CURRENCIES = 'urn:iso:std:iso:4217'

/** With a system, system and code must be equal, or convertible; without one the code may be the coded or the written unit. Money is ISO 4217. */
function holds(value: QuantityValue, unit: unknown, span: Span | null): boolean {
  if (span === null || !isObject(unit)) return false
  const money = typeof unit.currency === 'string'
  const code = money ? unit.currency : unit.code
  if (value.system === null) return (value.code === null || value.code === code || value.code === unit.unit) && numberHolds(value, span)
  if ((money ? CURRENCIES : unit.system) !== value.system) return false
  if (value.code === null || value.code === code) return numberHolds(value, span)
  return value.system === UCUM && typeof code === 'string' && holdsConverted(value, value.code, span, code)
}

/** Base units of one dimension, both sides rounded alike so that what conversion adds to a number does not count. */
function holdsConverted(ask: NumberAsk, asked: string, { low, high, lowOpen, highOpen }: Span, given: string): boolean {
  const [from, to] = [baseUnit(asked), baseUnit(given)]
  if (from === null || to === null || from.dimension !== to.dimension) return false
  const converted = { prefix: ask.prefix, value: inBase(from, ask.value), low: inBase(from, ask.low), high: inBase(from, ask.high) }
  return numberHolds(converted, { low: inBase(to, low), high: inBase(to, high), lowOpen, highOpen })
}

/** `<5` is everything below 5: a comparator turns the value into an open span. */
function quantitySpan(quantity: Readonly<Record<string, unknown>>): Span | null {
  if (!isNumberValue(quantity.value)) return null
  const value = numberOf(quantity.value)
  switch (quantity.comparator) {
    case '<': return { low: -Infinity, high: value, lowOpen: false, highOpen: true }
    case '<=': return { low: -Infinity, high: value, lowOpen: false, highOpen: false }
    case '>': return { low: value, high: Infinity, lowOpen: true, highOpen: false }
    case '>=': return { low: value, high: Infinity, lowOpen: false, highOpen: false }
    default: return { low: value, high: value, lowOpen: false, highOpen: false }
  }
}
