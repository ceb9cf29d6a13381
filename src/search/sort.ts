/** Order of a search by its parameters (https://hl7.org/fhir/R4/search.html#sort). */
import { isNumberValue, numberOf } from '../model/decimal.ts'
import type { Resource } from '../model/resource.ts'
import type { TypedValue } from './parameters.ts'
import type { SearchParam, SortKey } from './query.ts'
import { rangeOf } from './types/date.ts'
import type { MatchContext } from './types/kind.ts'
import { rangeSpan } from './types/number.ts'
import { localTarget } from './types/reference.ts'
import { valuesOf } from './types/special.ts'
import { foldString, isObject, listOf } from './types/text.ts'

/** What a resource is ordered by under one key; null: it has no such value, and comes last in either direction. */
export type SortValue = string | number | null

/** Where a page of a sorted search stopped: what its row was ordered by, its time (ms) and its id. */
export interface SortPlace { readonly values: readonly SortValue[]; readonly updated: number; readonly id: string }

export const isSortable = (param: SearchParam): boolean => param.expression !== '' && Object.hasOwn(READERS, param.kind)

/** The value of each key. Of several values the one that comes first in the order asked counts. */
export function sortValues(keys: readonly SortKey[], resource: Resource, context: MatchContext): readonly SortValue[] {
  return keys.map(({ param, descending }) => {
    const read = READERS[param.kind as Sortable]
    const found = valuesOf(param, resource, context).flatMap((typed) => read(typed, descending, context.base))
    const sign = descending ? -1 : 1
    return found.reduce<SortValue>((best, each) => (best === null || sign * compare(each, best) < 0 ? each : best), null)
  })
}

/** Negative: `a` comes before `b`. */
export function compareValues(keys: readonly SortKey[], a: readonly SortValue[], b: readonly SortValue[]): number {
  for (const [index, { descending }] of keys.entries()) {
    const [left, right] = [a[index] ?? null, b[index] ?? null]
    if (left === null || right === null) {
      if (left !== right) return left === null ? 1 : -1
      continue
    }
    const order = compare(left, right)
    if (order !== 0) return descending ? -order : order
  }
  return 0
}

type Sortable = 'string' | 'token' | 'reference' | 'date' | 'quantity' | 'number' | 'uri'
type Read = (typed: TypedValue, descending: boolean, base: string) => readonly (string | number)[]

/** Characters of a text that order it: a page link carries them. */
const TEXT_MAX = 128

/** Texts by code unit, which no locale changes. */
const compare = (a: string | number, b: string | number): number => (a < b ? -1 : a > b ? 1 : 0)

const text = (value: unknown): readonly string[] => (typeof value === 'string' ? [value.slice(0, TEXT_MAX)] : [])

/** Ends that are open lie beyond all dates and numbers; JSON has no infinity for a page link. */
const finite = (value: number): number => Math.min(Number.MAX_VALUE, Math.max(-Number.MAX_VALUE, value))

const READERS: Readonly<Record<Sortable, Read>> = {
  string: ({ value }) => text(stringOf(value)).map(foldString),
  token: ({ type, value }) => tokensOf(type, value).flatMap(text),
  reference: (typed, _descending, base) => {
    const target = localTarget(typed, base)
    return target !== null ? [`${target.type}/${target.id}`] : text(isObject(typed.value) ? typed.value.reference : typed.value)
  },
  date: (typed, descending) => {
    const range = rangeOf(typed)
    return range === null ? [] : [finite(descending ? range.before : range.from)]
  },
  number: ({ value }, descending) => numbers(value, descending),
  quantity: ({ value }, descending) => numbers(isObject(value) && isNumberValue(value.value) ? value.value : value, descending),
  uri: ({ value }) => text(value)
}

function numbers(value: unknown, descending: boolean): readonly number[] {
  if (isNumberValue(value)) return [numberOf(value)]
  const span = isObject(value) ? rangeSpan(value) : null
  return span === null ? [] : [finite(descending ? span.high : span.low)]
}

/** A name by family and given names, an address from its first line on, otherwise the text. */
function stringOf(value: unknown): unknown {
  if (!isObject(value)) return value
  const parts = ['family', 'given', 'line', 'city', 'district', 'state', 'postalCode', 'country', 'value'].flatMap((name) => listOf(value[name]))
  const words = parts.filter((part) => typeof part === 'string')
  return words.length > 0 ? words.join(' ') : value.text
}

function tokensOf(type: string, value: unknown): readonly unknown[] {
  if (typeof value === 'boolean') return [String(value)]
  if (!isObject(value)) return [value]
  if (value.coding !== undefined) return listOf(value.coding).map((coding) => (isObject(coding) ? coding.code : undefined))
  if (type === 'Identifier' || type === 'ContactPoint') return [value.value]
  return [value.code ?? value.text]
}
