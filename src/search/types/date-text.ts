import type { DateRange } from '../query.ts'

const DAY = 86_400_000

/**
 * The implicit range of a FHIR date, dateTime or instant by its precision (year to ms), in ms since 1970, half-open.
 * No zone = UTC. null for anything else, days that do not exist included. https://hl7.org/fhir/R4/search.html#date
 */
export function dateRange(text: string): DateRange | null {
  const length = text.length
  const year = digits(text, 0, 4)
  if (year < 1) return null
  if (length === 4) return { from: dayNumber(year, 1, 1) * DAY, before: dayNumber(year + 1, 1, 1) * DAY }
  const month = text.charCodeAt(4) === DASH ? digits(text, 5, 2) : -1
  if (month < 1 || month > 12) return null
  if (length === 7) return { from: dayNumber(year, month, 1) * DAY, before: (dayNumber(year, month, 1) + daysIn(year, month)) * DAY }
  const day = text.charCodeAt(7) === DASH ? digits(text, 8, 2) : -1
  if (day < 1 || day > daysIn(year, month)) return null
  const midnight = dayNumber(year, month, day) * DAY
  if (length === 10) return { from: midnight, before: midnight + DAY }
  return timeRange(text, midnight)
}

/** `THH:MM[:SS[.fff…]][zone]` from the 11th character on. */
function timeRange(text: string, midnight: number): DateRange | null {
  const hour = text.charCodeAt(10) === LETTER_T ? digits(text, 11, 2) : -1
  const minute = text.charCodeAt(13) === COLON ? digits(text, 14, 2) : -1
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59) return null
  let from = midnight + hour * 3_600_000 + minute * 60_000
  let width = 60_000
  let at = 16
  if (text.charCodeAt(at) === COLON) {
    const second = digits(text, 17, 2)
    if (second < 0 || second > 60) return null
    // A leap second lies in the minute that it ends.
    from += Math.min(second, 59) * 1000
    width = 1000
    at = 19
    if (text.charCodeAt(at) === DOT) {
      const first = ++at
      while (isDigit(text.charCodeAt(at))) at++
      if (at === first) return null
      const kept = Math.min(3, at - first)
      width = 10 ** (3 - kept)
      from += digits(text, first, kept) * width
    }
  }
  const zone = zoneOffset(text, at)
  return zone === null ? null : { from: from - zone, before: from - zone + width }
}

/** ms east of UTC. A `+` that a client forgot to percent-encode arrives as a space and is taken for it. */
function zoneOffset(text: string, at: number): number | null {
  if (at === text.length) return 0
  const sign = text.charCodeAt(at)
  if (sign === LETTER_Z) return at + 1 === text.length ? 0 : null
  if ((sign !== PLUS && sign !== DASH && sign !== SPACE) || text.length !== at + 6 || text.charCodeAt(at + 3) !== COLON) return null
  const hours = digits(text, at + 1, 2)
  const minutes = digits(text, at + 4, 2)
  if (hours < 0 || hours > 14 || minutes < 0 || minutes > 59) return null
  return (sign === DASH ? -1 : 1) * (hours * 3_600_000 + minutes * 60_000)
}

/** Months since year 0 of an instant; the unit of patient-level date terms. */
export function monthIndex(ms: number): number {
  const date = new Date(ms)
  return date.getUTCFullYear() * 12 + date.getUTCMonth()
}

export const monthText = (index: number): string => `${String(Math.floor(index / 12)).padStart(4, '0')}-${String(index % 12 + 1).padStart(2, '0')}`

/** Days since 1970 of an instant; the unit of population date terms. */
export const dayIndex = (ms: number): number => Math.floor(ms / DAY)

export const dayText = (index: number): string => new Date(index * DAY).toISOString().slice(0, -14)

/** Days since 1970-01-01 in the proleptic Gregorian calendar, without a Date (years below 100 would be read as 19xx). */
function dayNumber(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year
  const era = Math.floor(y / 400)
  const ofEra = y - era * 400
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  return era * 146_097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719_468
}

function daysIn(year: number, month: number): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
}

const isDigit = (code: number): boolean => code >= 48 && code <= 57

/** The number of exactly `n` digits at `at`, or -1. */
function digits(text: string, at: number, n: number): number {
  let value = 0
  for (let i = at; i < at + n; i++) {
    const code = text.charCodeAt(i)
    if (!isDigit(code)) return -1
    value = value * 10 + code - 48
  }
  return value
}

const [DASH, COLON, DOT, PLUS, SPACE, LETTER_T, LETTER_Z] = [45, 58, 46, 43, 32, 84, 90]
