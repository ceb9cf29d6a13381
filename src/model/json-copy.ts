import { isRawNumber } from './decimal.ts'

/** A deep copy of parsed JSON. Raw numbers are values: they stay what they are, which structuredClone would not let them. */
export function copyJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null || isRawNumber(value)) return value
  if (Array.isArray(value)) return value.map((item: unknown) => copyJson(item)) as T
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copyJson(item as unknown)])) as T
}
