/** Values of elements in JSON, and what a profile wants of them. */
import { isObject, type Json } from '../validate/walk.ts'
import type { ProfileNode } from './compile.ts'

/** One value of an element. `value` undefined: only an id or extensions in its place. */
export interface Item {
  readonly value: unknown
  /** Of a choice: the type that its key names. */
  readonly type: string | null
  /** Step of the path: `valueQuantity`, `category[1]`. */
  readonly step: string
}

/** The values of an element in its parent, in order. */
export function itemsOf(parent: Json, name: string): readonly Item[] {
  if (!name.endsWith('[x]')) return itemsAt(parent, name, name, null)
  const stem = name.slice(0, -3)
  const keys: string[] = []
  for (const key in parent) {
    const typed = key.startsWith('_') ? key.slice(1) : key
    if (typed.startsWith(stem) && isCapital(typed.charCodeAt(stem.length)) && !keys.includes(typed)) keys.push(typed)
  }
  return keys.length === 0 ? NO_ITEMS : keys.flatMap((key) => itemsAt(parent, key, key, key.slice(stem.length)))
}

const NO_ITEMS: readonly Item[] = []
const isCapital = (code: number): boolean => code >= 0x41 && code <= 0x5a

/** Names of the objects beside primitives: made once, since looking up a name that was just put together takes several times longer. */
const sides = new Map<string, string>()

function sideOf(key: string): string {
  let side = sides.get(key)
  if (side === undefined) sides.set(key, (side = `_${key}`))
  return side
}

function itemsAt(parent: Json, key: string, step: string, type: string | null): readonly Item[] {
  // The key of a choice comes from a resource.
  const [value, side] = [parent[key], parent[type === null ? sideOf(key) : `_${key}`]]
  if (value === undefined && side === undefined) return NO_ITEMS
  if (!Array.isArray(value) && !Array.isArray(side)) return [{ value, type, step }]
  const [values, sides] = [listOf(value), listOf(side)]
  return Array.from({ length: Math.max(values.length, sides.length) }, (_, index) => ({ value: values[index] ?? undefined, type, step: `${step}[${index}]` }))
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** `dateTime` for the key `effectiveDateTime`: names of primitives begin small. */
export const isOfType = (item: Item, code: string): boolean => item.type === null || item.type === code.charAt(0).toUpperCase() + code.slice(1)

export function isWanted({ kind, value: wanted }: NonNullable<ProfileNode['wanted']>, value: unknown): boolean {
  return kind === 'fixed' ? isSame(wanted, value) : holds(wanted, value)
}

function isSame(a: unknown, b: unknown): boolean {
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((each, index) => isSame(each, b[index]))
  if (!isObject(a)) return a === b
  return isObject(b) && Object.keys(a).length === Object.keys(b).length && Object.keys(a).every((key) => isSame(a[key], b[key]))
}

/** Every item of a pattern's list must be held by some item of the value's (https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.pattern_x_). */
function holds(pattern: unknown, value: unknown): boolean {
  if (Array.isArray(pattern)) return Array.isArray(value) && pattern.every((each) => value.some((item) => holds(each, item)))
  if (!isObject(pattern)) return pattern === value
  return isObject(value) && Object.keys(pattern).every((key) => holds(pattern[key], value[key]))
}
