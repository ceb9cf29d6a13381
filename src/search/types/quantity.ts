import { isNumberValue, numberOf } from '../../model/decimal.ts'
import type { ParamValue } from '../query.ts'
import { type Kind, NO_TERMS, notIndexed } from './kind.ts'
import { numberHolds, parseNumber, rangeSpan, type Span } from './number.ts'
import { isObject, splitUnescaped, unescapeValue } from './text.ts'

type QuantityValue = Extract<ParamValue, { kind: 'quantity' }>

/** `[prefix]number`, `number|system|code`, `number||code`; no unit conversion. https://hl7.org/fhir/R4/search.html#quantity */
export const quantityKind: Kind = {
  plain: {
    parse: parseQuantity,
    matches: (value, typed) => {
      if (value.kind !== 'quantity' || !isObject(typed.value)) return false
      const given = typed.value
      const isRange = given.low !== undefined || given.high !== undefined
      const unit = isRange ? (isObject(given.low) ? given.low : given.high) : given
      if (!isObject(unit) || !unitMatches(value, unit)) return false
      const span = isRange ? rangeSpan(given) : quantitySpan(given)
      return span !== null && numberHolds(value, span)
    },
    asks: notIndexed
  },
  modifiers: {},
  terms: () => NO_TERMS
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

/** With a system, system and code must be equal; without one the code may be the coded or the written unit. Money is ISO 4217. */
function unitMatches(value: QuantityValue, unit: Readonly<Record<string, unknown>>): boolean {
  const money = typeof unit.currency === 'string'
  const code = money ? unit.currency : unit.code
  if (value.system !== null) return (money ? CURRENCIES : unit.system) === value.system && (value.code === null || value.code === code)
  return value.code === null || value.code === code || value.code === unit.unit
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
