import { isNumberValue, numberOf } from '../../../model/decimal.ts'
import { isObject, type Json, type Walk } from '../walk.ts'

/** True = the invariant is kept. The element may be malformed: its structure is checked apart, and a rule never throws. */
export type Test = (element: Json, walk: Walk) => boolean

/** FHIRPath `exists()` of an element that is no choice; a primitive with nothing but extensions exists. */
export const has = (element: Json, name: string): boolean => element[name] !== undefined || element[`_${name}`] !== undefined

/** `exists()` of a choice element, `value` for `value[x]`. */
export function hasChoice(element: Json, name: string): boolean {
  for (const key of Object.keys(element)) {
    const from = key.charCodeAt(0) === 0x5f ? 1 : 0
    const next = key.charCodeAt(from + name.length)
    if (next >= 0x41 && next <= 0x5a && key.startsWith(name, from)) return true
  }
  return false
}

/** How many items the element has. */
export function count(element: Json, name: string): number {
  const value = element[name]
  return Array.isArray(value) ? value.length : has(element, name) ? 1 : 0
}

/** All values at a path of plain names, arrays flattened, absent ones left out. */
export function at(element: unknown, path: string): unknown[] {
  let found: unknown[] = [element]
  for (const name of path.split('.')) {
    found = found.flatMap((one) => isObject(one) && one[name] !== undefined ? one[name] as unknown : [])
  }
  return found
}

/** As `at`, objects only. */
export const objectsAt = (element: unknown, path: string): Json[] => at(element, path).filter(isObject)

export const distinct = (values: readonly unknown[]): boolean => new Set(values).size === values.length

/** True when a CodeableConcept (or several) at the path has one of the codes in the system. */
export const coded = (element: Json, path: string, system: string, codes: readonly string[]): boolean =>
  objectsAt(element, `${path}.coding`).some((coding) => coding.system === system && codes.includes(coding.code as string))

export const number = (value: unknown): number | null => isNumberValue(value) ? numberOf(value) : null

/** `a implies b` */
export const implies = (condition: boolean, result: boolean): boolean => !condition || result

/**
 * False only when the first date lies wholly after the last, in whatever precision either is given. A date without a zone may lie in any:
 * it is taken 14 hours wide on both sides where the other has one.
 */
export function inOrder(first: unknown, last: unknown): boolean {
  if (typeof first !== 'string' || typeof last !== 'string') return true
  if (first.length === last.length && first <= last && first.at(-1) === last.at(-1) && first.length <= 10) return true
  const from = Date.parse(first.length < 5 ? `${first}-01-01` : first)
  const to = endOf(last)
  if (Number.isNaN(from) || Number.isNaN(to)) return true
  const slack = (first.includes('T') === last.includes('T')) ? 0 : 14 * 3_600_000
  return from <= to + slack
}

/** The last ms of a FHIR date or dateTime, its zone UTC where it has none. */
function endOf(text: string): number {
  if (text.includes('T')) return Date.parse(text)
  const [year, month, day] = text.split('-').map(Number)
  if (month === undefined) return Date.UTC((year as number) + 1, 0, 1) - 1
  return day === undefined ? Date.UTC(year as number, month, 1) - 1 : Date.UTC(year as number, month - 1, day + 1) - 1
}
