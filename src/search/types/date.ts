import type { TypedValue } from '../parameters.ts'
import type { DateRange, ParamValue, Prefix } from '../query.ts'
import { dateRange } from './date-text.ts'
import { type Form, type Kind, NO_TERMS, notIndexed, type ValueContext } from './kind.ts'
import { isObject, listOf, unescapeValue } from './text.ts'

/** Dates compare as ranges, half-open, in ms; text without a zone is UTC. https://hl7.org/fhir/R4/search.html#date */
export const dateKind: Kind = {
  plain: {
    parse: (text, _param, context) => parseDate(unescapeValue(text), context),
    matches: (value, typed) => {
      if (value.kind !== 'date') return false
      const target = rangeOf(typed)
      return target !== null && holds(value.prefix, value.range, target)
    },
    asks: notIndexed
  },
  modifiers: {},
  operators: {
    co: rangeForm((asked, given) => given.from <= asked.from && asked.before <= given.before),
    po: rangeForm((asked, given) => given.from < asked.before && asked.from < given.before)
  },
  // Terms of dates come from all values of a parameter together: see `hull` and index-dates.ts.
  terms: () => NO_TERMS
}

/** Dates without a prefix, compared as ranges. */
function rangeForm(hit: (asked: DateRange, given: DateRange) => boolean): Form {
  return {
    parse: (text) => {
      const range = dateRange(unescapeValue(text))
      return range === null ? null : { kind: 'date', prefix: 'eq', range }
    },
    matches: (value, typed) => {
      const given = rangeOf(typed)
      return value.kind === 'date' && given !== null && hit(value.range, given)
    },
    asks: notIndexed
  }
}

/** The range that a value covers: its precision, a Period with open ends as infinity, the outer limits of a Timing. */
export function rangeOf(typed: TypedValue): DateRange | null {
  const value = typed.value
  if (typeof value === 'string') return typed.type === 'instant' ? pointOf(dateRange(value)) : dateRange(value)
  if (!isObject(value)) return null
  return value.event !== undefined || value.repeat !== undefined || typed.type === 'Timing' ? timingRange(value) : periodRange(value)
}

/** An instant is a point in time, however many of its digits are written. */
const pointOf = (range: DateRange | null): DateRange | null => (range === null ? null : { from: range.from, before: range.from + 1 })

/**
 * The range that the values of one resource must overlap if any of them is to satisfy the clause value. Several
 * clauses on one parameter must each be overlapped by the hull of its values, and so must their intersection.
 */
export function needed(value: ParamValue): DateRange | null {
  if (value.kind !== 'date') return null
  const { from, before } = value.range
  switch (value.prefix) {
    case 'eq': case 'ap': return value.range
    case 'ne': return null
    case 'gt': case 'sa': return { from: before, before: Infinity }
    case 'ge': return { from, before: Infinity }
    case 'lt': case 'eb': return { from: -Infinity, before: from }
    case 'le': return { from: -Infinity, before }
  }
}

const PREFIXES: ReadonlySet<string> = new Set<Prefix>(['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap'])

/** Splits a comparison prefix off; without one it is `eq`. null: letters that are no prefix. */
export function splitPrefix(text: string): readonly [Prefix, string] | null {
  const first = text.charCodeAt(0)
  if (!(first >= 97 && first <= 122)) return ['eq', text]
  const prefix = text.slice(0, 2)
  return PREFIXES.has(prefix) ? [prefix as Prefix, text.slice(2)] : null
}

function parseDate(text: string, context: ValueContext): ParamValue | null {
  const split = splitPrefix(text)
  const range = split === null ? null : dateRange(split[1])
  if (split === null || range === null) return null
  if (split[0] !== 'ap') return { kind: 'date', prefix: split[0], range }
  if (context.now === undefined) return null
  const now = context.now()
  const gap = now < range.from ? range.from - now : now >= range.before ? now - range.before : 0
  const slack = Math.round(gap / 10)
  return { kind: 'date', prefix: 'ap', range: { from: range.from - slack, before: range.before + slack } }
}

/**
 * R4's table of prefixes: s is the search range, t the range of the target value. What is above a value begins where the value does, so that a stay over the first
 * of a month is `ge` that day and one over its last `le` that.
 */
function holds(prefix: Prefix, s: DateRange, t: DateRange): boolean {
  switch (prefix) {
    case 'eq': return s.from <= t.from && t.before <= s.before
    case 'ne': return !(s.from <= t.from && t.before <= s.before)
    case 'gt': return t.before > s.before
    case 'lt': return t.from < s.from
    case 'ge': return t.before > s.from
    case 'le': return t.from < s.before
    case 'sa': return t.from >= s.before
    case 'eb': return t.before <= s.from
    case 'ap': return t.from < s.before && s.from < t.before
  }
}

function periodRange(period: Readonly<Record<string, unknown>>): DateRange | null {
  const start = typeof period.start === 'string' ? dateRange(period.start) : null
  const end = typeof period.end === 'string' ? dateRange(period.end) : null
  if (start === null && end === null) return null
  const range = { from: start?.from ?? -Infinity, before: end?.before ?? Infinity }
  return range.from < range.before ? range : null
}

/** Only the outer limits of a Timing count: its events and its bounding period. */
function timingRange(timing: Readonly<Record<string, unknown>>): DateRange | null {
  const ranges = listOf(timing.event).map((event) => (typeof event === 'string' ? dateRange(event) : null))
  if (isObject(timing.repeat) && isObject(timing.repeat.boundsPeriod)) ranges.push(periodRange(timing.repeat.boundsPeriod))
  return hull(ranges.filter((range) => range !== null))
}

/** The smallest range around all; null of nothing. */
export function hull(ranges: readonly DateRange[]): DateRange | null {
  if (ranges.length === 0) return null
  return { from: Math.min(...ranges.map((r) => r.from)), before: Math.max(...ranges.map((r) => r.before)) }
}
