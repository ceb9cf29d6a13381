import { isNumberValue, numberOf, numberText } from '../../model/decimal.ts'
import type { ParamValue, Prefix } from '../query.ts'
import { splitPrefix } from './date.ts'
import { type Kind, NO_TERMS, notIndexed } from './kind.ts'
import { isObject, unescapeValue } from './text.ts'

/**
 * Numbers. Equality has the precision of what was typed (100 is [99.5, 100.5)); order is exact.
 * https://hl7.org/fhir/R4/search.html#number
 */
export const numberKind: Kind = {
  plain: {
    parse: (text) => {
      const ask = parseNumber(unescapeValue(text))
      return ask === null ? null : { kind: 'number', ...ask }
    },
    matches: (value, typed) => {
      if (value.kind !== 'number') return false
      const span = isObject(typed.value) && !isNumberValue(typed.value) ? rangeSpan(typed.value) : pointSpan(typed.value)
      return span !== null && numberHolds(value, span)
    },
    asks: notIndexed
  },
  modifiers: {},
  operators: {
    co: {
      parse: (text) => {
        const ask = parseNumber(unescapeValue(text))
        return ask === null || ask.prefix !== 'eq' ? null : { kind: 'number', ...ask }
      },
      matches: (value, typed) => value.kind === 'number' && impliedSpan(typed.value, value.value),
      asks: notIndexed
    }
  },
  terms: () => NO_TERMS
}

/** What a number is compared with: [low, high), by the precision typed (for `ap`, 10 % more), and the value itself. */
export type NumberAsk = Pick<Extract<ParamValue, { kind: 'number' }>, 'prefix' | 'low' | 'high' | 'value'>

/** A stored value as a span: a point, a Range, or a Quantity with a comparator. Ends are inclusive unless open. */
export interface Span { readonly low: number; readonly high: number; readonly lowOpen: boolean; readonly highOpen: boolean }

const NUMBER = /^([+-]?)(\d{1,40})(?:\.(\d{1,40}))?(?:[eE]([+-]?\d{1,3}))?$/

/**
 * Prefix and number; null when malformed. The bounds are exact decimals, rounded once. R4 gives `1e2` as [95, 105): a whole number with
 * an exponent counts as written with one decimal.
 */
export function parseNumber(text: string): NumberAsk | null {
  const split = splitPrefix(text)
  const match = split === null ? null : NUMBER.exec(split[1])
  if (split === null || match === null) return null
  const [, sign, whole, written = '', power] = match
  const fraction = written === '' && power !== undefined ? '0' : written
  const exponent = Number(power ?? 0) - fraction.length - 1
  const tenfold = BigInt(`${sign === '-' ? '-' : ''}${whole}${fraction}`) * 10n
  const value = Number(split[1])
  const low = Number(`${tenfold - 5n}e${exponent}`)
  const high = Number(`${tenfold + 5n}e${exponent}`)
  if (!Number.isFinite(low) || !Number.isFinite(high)) return null
  if (split[0] !== 'ap') return { prefix: split[0], low, high, value }
  const slack = Math.abs(value) / 10
  return { prefix: 'ap', low: Math.min(low, value - slack), high: Math.max(high, value + slack), value }
}

/** R4's table of prefixes, on numbers: eq, ne and ap by precision, all others with the value as if it were exact. */
export function numberHolds(ask: NumberAsk, t: Span): boolean {
  const v = ask.value
  switch (ask.prefix satisfies Prefix) {
    case 'eq': return within(ask, t)
    case 'ne': return !within(ask, t)
    case 'gt': return t.high > v
    case 'lt': return t.low < v
    case 'ge': return t.high > v || (t.low === v && t.high === v)
    case 'le': return t.low < v || (t.low === v && t.high === v)
    case 'sa': return t.low > v || (t.low === v && t.lowOpen)
    case 'eb': return t.high < v || (t.high === v && t.highOpen)
    case 'ap': return t.high >= ask.low && t.low <= ask.high
  }
}

/** Whether a number lies in what a stored one means by its digits (5.4 is [5.35, 5.45)), or in a stored Range. */
function impliedSpan(given: unknown, value: number): boolean {
  if (isNumberValue(given)) {
    const implied = parseNumber(numberText(given))
    return implied !== null && value >= implied.low && value < implied.high
  }
  const span = isObject(given) ? rangeSpan(given) : null
  return span !== null && value >= span.low && value <= span.high
}

/** With more digits than a double has, the bounds may fall together on the value: it holds for itself at least. */
const within = (ask: NumberAsk, t: Span): boolean =>
  (t.low >= ask.low && (t.high < ask.high || (t.highOpen && t.high === ask.high))) || (t.low === ask.value && t.high === ask.value && !t.lowOpen && !t.highOpen)

export function pointSpan(value: unknown): Span | null {
  if (!isNumberValue(value)) return null
  const point = numberOf(value)
  return { low: point, high: point, lowOpen: false, highOpen: false }
}

/** A Range; a missing end is open to infinity. */
export function rangeSpan(range: Readonly<Record<string, unknown>>): Span | null {
  const low = isObject(range.low) && isNumberValue(range.low.value) ? numberOf(range.low.value) : null
  const high = isObject(range.high) && isNumberValue(range.high.value) ? numberOf(range.high.value) : null
  if (low === null && high === null) return null
  return { low: low ?? -Infinity, high: high ?? Infinity, lowOpen: false, highOpen: false }
}
