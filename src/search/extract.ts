import { fault } from '../model/errors.ts'
import type { Resource } from '../model/resource.ts'
import { dateTerms } from './index-dates.ts'
import { level, type Level, targetLevel, termCodes } from './index-levels.ts'
import { definitionsCache, searchParams, type TypedValue, values } from './parameters.ts'
import type { SearchParam, TermAsk } from './query.ts'
import { hull, rangeOf } from './types/date.ts'
import type { Kind, TermText } from './types/kind.ts'
import { CROWDED } from './types/reference.ts'
import { kindOf } from './types/special.ts'

/** Terms of one record, its visibility terms not counted; the ports take 1,024 in all. */
const TERMS_MAX = 900

/**
 * More references than this of one parameter, or terms of a package's: none is indexed, and every query on the parameter asks for the mark too.
 */
const CROWD_MAX = 64

/**
 * The index terms of a resource, distinct: what `plan` asks for on the other side (a query's conjunct meets the terms of every
 * record that matches it). `patients` are its compartment patients; references to them have no terms, the visibility terms serve
 * them. FhirError 422 past 900 terms: the record could not be found by what it holds.
 */
export function termAsks(resource: Resource, options: { readonly base: string; readonly patients: readonly string[] }): readonly TermAsk[] {
  const asks: TermAsk[] = []
  for (const indexed of indexedOf(resource.resourceType)) {
    const found = values(indexed.param, resource)
    if (found.length === 0) continue
    if (indexed.param.kind === 'date') addDates(asks, indexed, found)
    else addTerms(asks, indexed, found, options.base)
  }
  return asks
}

interface Indexed { readonly param: SearchParam; readonly kind: Kind; readonly level: Exclude<Level, 'none'> }

const byType = definitionsCache<readonly Indexed[]>()

/** The parameters of a type that have terms of their own. */
function indexedOf(type: string): readonly Indexed[] {
  let found = byType.get(type)
  if (found === undefined) {
    found = searchParams(type).flatMap((param): readonly Indexed[] => {
      const at = level(type, param.code)
      const kind = kindOf(param)
      return at === 'none' || kind === null || !termCodes(type, param.code).includes(param.code) ? [] : [{ param, kind, level: at }]
    })
    byType.set(type, found)
  }
  return found
}

function addDates(asks: TermAsk[], { param, level: at }: Indexed, found: readonly TypedValue[]): void {
  const range = hull(found.map(rangeOf).filter((each) => each !== null))
  if (range === null) return
  for (const value of dateTerms(range, at === 'population' ? 'day' : 'month')) asks.push({ level: at, code: param.code, value })
}

function addTerms(asks: TermAsk[], { param, kind, level: own }: Indexed, found: readonly TypedValue[], base: string): void {
  const first = asks.length
  const { code } = param
  const isReference = param.kind === 'reference'
  let isCrowded = isReference && found.length > CROWD_MAX
  const add = ({ text, target }: TermText): void => {
    const at = isReference ? targetLevel(param.type, code, target ?? null) : own
    if (at === 'none') return
    for (let i = first; i < asks.length; i++) if (asks[i]!.value === text && asks[i]!.level === at) return
    // A package must not keep a record out that R4 alone would take: its parameters come last, and give way.
    if (param.packaged && (isCrowded || asks.length - first >= CROWD_MAX || asks.length >= TERMS_MAX)) {
      isCrowded = true
      return
    }
    // Inside the loop, so that a record of very many values costs no more than one that is just too large.
    if (asks.length >= TERMS_MAX) {
      throw fault(422, 'too-long', `More than ${TERMS_MAX} values to index, the last of them read by the search parameter ${code}`)
    }
    asks.push({ level: at, code, value: text })
  }
  if (!isCrowded) for (const typed of found) for (const term of kind.terms(typed, { base })) add(term)
  if (!isCrowded) return
  asks.length = first
  // A reference's level is its target's: the mark stands under each level that a query may ask at.
  const levels = new Set<Level>(isReference ? [own, targetLevel(param.type, code, 'Practitioner')] : [own])
  for (const at of levels) if (at !== 'none') asks.push({ level: at, code, value: CROWDED })
}
