import { count, has, hasChoice, implies, inOrder, number, type Test } from './words.ts'
import { isObject, type Json } from '../walk.ts'

export const UCUM = 'http://unitsofmeasure.org'

const codedUnit: Test = (x) => (has(x, 'code') || !has(x, 'value')) && (!has(x, 'system') || x.system === UCUM)
const notNegative = (x: Json, name: string): boolean => (number(x[name]) ?? 0) >= 0

/** Invariants of R4's data types (https://hl7.org/fhir/R4/datatypes.html), by key. */
export const DATATYPE_RULES: Readonly<Record<string, Test>> = {
  'qty-3': (x) => (x.code === undefined && x._code === undefined) || has(x, 'system'),
  'sqty-1': (x) => !has(x, 'comparator'),
  'mqty-1': (x) => (has(x, 'code') || !has(x, 'value')) && (!has(x, 'system') || x.system === 'urn:iso:std:iso:4217'),
  'age-1': (x, walk) => codedUnit(x, walk) && (x.value === undefined || (number(x.value) ?? 1) > 0),
  'dis-1': codedUnit,
  'cnt-3': (x, walk) => codedUnit(x, walk) && (!has(x, 'code') || x.code === '1') && Number.isInteger(number(x.value) ?? 0),
  'drt-1': (x) => implies(has(x, 'code'), x.system === UCUM && has(x, 'value')),
  'per-1': (x) => x.start === undefined || x.end === undefined || inOrder(x.start, x.end),
  'rng-2': (x) => !isObject(x.low) || !isObject(x.high) || inSize(x.low, x.high),
  'rat-1': (x) => has(x, 'numerator') === has(x, 'denominator') && (has(x, 'numerator') || has(x, 'extension')),
  'att-1': (x) => !has(x, 'data') || has(x, 'contentType'),
  'cpt-2': (x) => (x.value === undefined && x._value === undefined) || has(x, 'system'),
  'exp-1': (x) => has(x, 'expression') || has(x, 'reference'),
  'drq-1': (x) => has(x, 'path') !== has(x, 'searchParam'),
  'drq-2': (x) => has(x, 'path') !== has(x, 'searchParam'),
  'trd-1': (x) => !has(x, 'data') || !hasChoice(x, 'timing'),
  'trd-2': (x) => implies(has(x, 'condition'), has(x, 'data')),
  'trd-3': (x) => implies(x.type === 'named-event', has(x, 'name')) && implies(x.type === 'periodic', hasChoice(x, 'timing'))
    && implies(typeof x.type === 'string' && x.type.startsWith('data-'), has(x, 'data')),
  'tim-1': (x) => !has(x, 'duration') || has(x, 'durationUnit'),
  'tim-2': (x) => !has(x, 'period') || has(x, 'periodUnit'),
  'tim-4': (x) => notNegative(x, 'duration'),
  'tim-5': (x) => notNegative(x, 'period'),
  'tim-6': (x) => !has(x, 'periodMax') || has(x, 'period'),
  'tim-7': (x) => !has(x, 'durationMax') || has(x, 'duration'),
  'tim-8': (x) => !has(x, 'countMax') || has(x, 'count'),
  'tim-9': (x) => !has(x, 'offset') || (count(x, 'when') > 0 && (!Array.isArray(x.when) || !x.when.some((one) => MEALS.has(one)))),
  'tim-10': (x) => !has(x, 'timeOfDay') || !has(x, 'when')
}

const MEALS: ReadonlySet<unknown> = new Set(['C', 'CM', 'CD', 'CV'])

/** False only for two values of one unit of which the first is larger. */
function inSize(low: Json, high: Json): boolean {
  const [from, to] = [number(low.value), number(high.value)]
  if (from === null || to === null || low.system !== high.system || low.code !== high.code) return true
  return (low.code === undefined && low.unit !== high.unit) || from <= to
}
