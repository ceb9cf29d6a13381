import { isRawNumber } from '../../src/model/decimal.ts'

/** JSON text with the keys of each object in order of name: equal where two values are, decimals with their digits. */
export const canonical = (value: unknown): string => JSON.stringify(value, (_key, item: unknown) =>
  (typeof item === 'object' && item !== null && !Array.isArray(item) && !isRawNumber(item) ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) : item))
