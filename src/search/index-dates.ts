import type { Grain } from './index-levels.ts'
import type { DateRange } from './query.ts'
import { dayIndex, dayText, monthIndex, monthText } from './types/date-text.ts'

/** The term of ranges that are too long, open, or too coarse for terms of their own. */
export const ANY_DATE = 'd:*'

/** Longer ranges of a record take `any`: in units of the grain. */
const SPAN_MAX: Readonly<Record<Grain, number>> = { day: 7, month: 3 }

/** Longer ranges of a query are not asked: in units of the grain. */
const ASK_MAX: Readonly<Record<Grain, number>> = { day: 400, month: 24 }

/** Terms of a record, of the hull of all its values of a parameter. */
export const dateTerms = (range: DateRange, grain: Grain): readonly string[] => units(range, grain, SPAN_MAX[grain]) ?? [ANY_DATE]

/** Any-of terms, one of which every record carries whose hull overlaps the range; null where they would be too many. */
export function dateAsks(range: DateRange, grain: Grain): readonly string[] | null {
  const asked = units(range, grain, ASK_MAX[grain])
  return asked === null ? null : [...asked, ANY_DATE]
}

function units({ from, before }: DateRange, grain: Grain, max: number): readonly string[] | null {
  if (!Number.isFinite(from) || !Number.isFinite(before) || from >= before) return null
  const index = grain === 'day' ? dayIndex : monthIndex
  const text = grain === 'day' ? dayText : monthText
  const first = index(from)
  const last = index(before - 1)
  if (last - first >= max) return null
  return Array.from({ length: last - first + 1 }, (_, i) => `d:${text(first + i)}`)
}
