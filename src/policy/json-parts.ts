import { isRawNumber } from '../model/decimal.ts'

export type JsonObject = Readonly<Record<string, unknown>>

/** An object with members: no array, no null, no number that is kept as text. */
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isRawNumber(value)

/** Equal as JSON: the order of members does not count, the text of numbers does. An absent member is not null. */
export function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (isRawNumber(a) || isRawNumber(b)) return isRawNumber(a) && isRawNumber(b) && a.rawJSON === b.rawJSON
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, at) => equal(item, b[at]))
  if (Array.isArray(b)) return false
  const left = Object.keys(a)
  return left.length === Object.keys(b).length
    && left.every((key) => Object.hasOwn(b, key) && equal((a as JsonObject)[key], (b as JsonObject)[key]))
}
