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

/** Terms of one record by R4's parameters, its visibility terms not counted. */
const TERMS_MAX = 900
/** The same as they are keyed, under each of the record's patients, with those of its visibility. */
const R4_KEYED_MAX = 1_024

/** More references than this of one R4 parameter: none is indexed, and every query on the parameter asks for the mark too. */
const REFERENCES_MAX = 64

/**
 * A package must not keep a record out that R4 alone would take: past so many terms of one of its parameters, or keyed terms of the record, those of its
 * patients and its visibility included, the parameter gives way to one mark of the whole tenant, which every query on it asks for too.
 */
const PACKAGED_MAX = 64
const KEYED_MAX = 1_000

/**
 * The index terms of a resource, distinct: what `plan` asks for on the other side (a query's conjunct meets the terms of every
 * record that matches it). `patients` are its compartment patients; references to them have no terms, the visibility terms serve
 * them. FhirError 422 past 900 terms, 413 past 1,024 as they are keyed: the record could not be found by what it holds.
 */
export function termAsks(resource: Resource, options: { readonly base: string; readonly patients: readonly string[] }): readonly TermAsk[] {
  const asks: TermAsk[] = []
  let own: number | null = null
  for (const indexed of indexedOf(resource.resourceType)) {
    if (indexed.param.packaged) own ??= asks.length
    const found = values(indexed.param, resource)
    if (found.length === 0) continue
    if (indexed.param.packaged) addPackaged(asks, indexed, found, options)
    else if (indexed.param.kind === 'date') addDates(asks, indexed, found)
    else addTerms(asks, indexed, found, options.base)
  }
  // Whether a package is here makes no difference to what is taken in.
  if (keyed(asks.slice(0, own ?? asks.length), options.patients) > R4_KEYED_MAX) throw fault(413, 'too-long', `More than ${R4_KEYED_MAX} values to index, under all patients of the resource`)
  return asks
}

/** Terms of a record, once they are keyed under each of its patients, and those of its visibility. */
const keyed = (asks: readonly TermAsk[], patients: readonly string[]): number =>
  asks.reduce((sum, { level: at }) => sum + (at === 'patient' ? patients.length : 1), VISIBILITY * patients.length)

/** R4's parameters come first, and are all there when a package's are added. */
function addPackaged(asks: TermAsk[], indexed: Indexed, found: readonly TypedValue[], { base, patients }: { readonly base: string; readonly patients: readonly string[] }): void {
  const own: TermAsk[] = []
  if (indexed.param.kind === 'date') addDates(own, indexed, found)
  else addTerms(own, indexed, found.slice(0, PACKAGED_MAX + 1), base)
  const isMuch = found.length > PACKAGED_MAX || own.length > PACKAGED_MAX || keyed([...asks, ...own], patients) > KEYED_MAX
  if (isMuch) asks.push({ level: 'population', code: indexed.param.code, value: CROWDED })
  else asks.push(...own)
}

/** Terms that a record has of each of its patients, whatever it holds. */
const VISIBILITY = 2

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
  const add = ({ text, target }: TermText): void => {
    const at = isReference ? targetLevel(param.type, code, target ?? null) : own
    if (at === 'none') return
    for (let i = first; i < asks.length; i++) if (asks[i]!.value === text && asks[i]!.level === at) return
    if (param.packaged && asks.length > PACKAGED_MAX) return
    // Inside the loop, so that a record of very many values costs no more than one that is just too large.
    if (asks.length >= TERMS_MAX) {
      throw fault(422, 'too-long', `More than ${TERMS_MAX} values to index, the last of them read by the search parameter ${code}`)
    }
    asks.push({ level: at, code, value: text })
  }
  if (isReference && !param.packaged && found.length > REFERENCES_MAX) {
    // A reference's level is its target's: the mark stands under each level that a query may ask at.
    const levels = new Set<Level>([own, targetLevel(param.type, code, 'Practitioner')])
    for (const at of levels) if (at !== 'none') asks.push({ level: at, code, value: CROWDED })
    return
  }
  for (const typed of found) for (const term of kind.terms(typed, { base })) add(term)
}
