import { isNumberValue, numberOf } from '../../model/decimal.ts'
import type { Span } from './number.ts'
import { isObject } from './text.ts'

/**
 * The bounds between which the samples lie, in the unit of the origin; null where there are none. `E` is no sample; `L` and `U` are the
 * limits that the device can measure. https://hl7.org/fhir/R4/datatypes.html#SampledData
 */
export function sampledSpan(data: Readonly<Record<string, unknown>>): Span | null {
  let found = known.get(data)
  if (found === undefined) known.set(data, (found = read(data)))
  return found
}

/** Stored content never changes, and may hold a million samples. */
const known = new WeakMap<object, Span | null>()

const SAMPLE = /[^ ]+/g

function read({ origin, factor, lowerLimit, upperLimit, data }: Readonly<Record<string, unknown>>): Span | null {
  if (!isObject(origin) || !isNumberValue(origin.value) || typeof data !== 'string') return null
  const [zero, times] = [numberOf(origin.value), isNumberValue(factor) ? numberOf(factor) : 1]
  let [low, high] = [Infinity, -Infinity]
  for (const [sample] of data.matchAll(SAMPLE)) {
    const value = sample === 'L' ? lowerLimit : sample === 'U' ? upperLimit : Number(sample)
    if (!isNumberValue(value) || Number.isNaN(numberOf(value))) continue
    const measured = zero + times * numberOf(value)
    low = Math.min(low, measured)
    high = Math.max(high, measured)
  }
  return low > high ? null : { low, high, lowOpen: false, highOpen: false }
}
