import { ID_PATTERN } from '../model/resource.ts'
import { isResourceType } from '../search/classification.ts'
import { searchParam } from '../search/parameters.ts'
import { parseCriteria } from '../search/parse.ts'
import { NONE, type Filter, type ParamValue } from '../search/query.ts'

/** What `%patient` and `%fhirUser` stand for; null: the token does not say. */
export interface Variables {
  /** Patient id. */
  readonly patient: string | null
  /** Relative reference. */
  readonly fhirUser: string | null
}

/** The filter of FHIR search criteria, or null where the type has no such parameters or the text is malformed. Cached. */
export function criteria(type: string, text: string, base: string): Filter | null {
  const name = `${base} ${type}?${text}`
  const known = cache.get(name)
  if (known !== undefined) return known
  const filter = criteriaOnce(type, text, base)
  if (cache.size >= CACHE_MAX) cache.clear()
  cache.set(name, filter)
  return filter
}

/** The same for a text that is not asked for again, such as one with the time in it. */
export const criteriaOnce = (type: string, text: string, base: string): Filter | null =>
  attempt(() => parseCriteria(type, text, optionsOf(base)))

/** Throws an Error of one line when the criteria, variables included, are not of the type. */
export function checkCriteria(type: string, text: string): void {
  const used = text.match(VARIABLE)?.length ?? 0
  const unknown = /%(?![0-9A-Fa-f]{2})[A-Za-z]*/.exec(text.replace(VARIABLE, '$1'))
  if (unknown !== null) throw new Error(`criteria "${type}?${text}" use the unknown variable ${unknown[0]}`)
  const filter = attempt(() => parseCriteria(type, withPlaceholders(text), optionsOf(CHECK_BASE)))
  if (filter === null || filter.kind === 'all' || filter.kind === 'none') {
    throw new Error(`criteria "${type}?${text}" are not search criteria of the type`)
  }
  if (placeholdersIn(filter) !== used) throw new Error(`criteria "${type}?${text}" use a variable where no reference or id stands`)
}

/** The filter with the variables filled in as values, never as text. Grants nothing (NONE) when one that is used is absent. */
export function filledCriteria(type: string, text: string, variables: Variables, base: string): Filter {
  const filter = criteria(type, withPlaceholders(text), base)
  if (filter === null) return NONE
  const values = { patient: isId(variables.patient) ? variables.patient : null, user: userOf(variables.fhirUser) }
  if ((text.includes('%patient') && values.patient === null) || (text.includes('%fhirUser') && values.user === null)) return NONE
  return fill(filter, values)
}

/** The record is about one of these patients. One filter per list of patients while the list is in use. */
export function subjectFilter(type: string, code: string, patients: readonly string[]): Filter {
  const param = searchParam(type, code)
  if (param === undefined || patients.length === 0) return NONE
  let byType = subjects.get(patients)
  if (byType === undefined) subjects.set(patients, (byType = new Map()))
  let filter = byType.get(type)
  if (filter === undefined) {
    const values = patients.map((id): ParamValue => ({ kind: 'reference', type: 'Patient', id, url: null, version: null }))
    filter = { kind: 'clause', param, modifier: null, values }
    byType.set(type, filter)
  }
  return filter
}

const subjects = new WeakMap<readonly string[], Map<string, Filter>>()

export const isId = (id: unknown): id is string => typeof id === 'string' && ID_PATTERN.test(id)

/** `Practitioner/12` in parts; null for everything that is not a relative reference to an R4 type. */
export function userOf(fhirUser: unknown): { readonly type: string; readonly id: string } | null {
  const [type, id, ...rest] = typeof fhirUser === 'string' ? fhirUser.split('/') : []
  return type !== undefined && isId(id) && rest.length === 0 && isResourceType(type) ? { type, id } : null
}

const cache = new Map<string, Filter | null>()
const CACHE_MAX = 5_000
const CHECK_BASE = 'http://policy.invalid'
const VARIABLE = /([=,])%(?:patient|fhirUser)(?=[,&]|$)/g
const PATIENT = 'wardkeep.variable.patient'
const USER = 'wardkeep.variable.user'

const optionsOf = (base: string) => ({ base, countMax: 0, countDefault: 0, orValuesMax: 200, lenient: false })

const withPlaceholders = (text: string): string =>
  text.replace(VARIABLE, (found, before: string) => before + (found.endsWith('%patient') ? PATIENT : `Practitioner/${USER}`))

function attempt(parse: () => Filter): Filter | null {
  try {
    return parse()
  } catch {
    return null
  }
}

interface Values { readonly patient: string | null; readonly user: { readonly type: string; readonly id: string } | null }

function fill(filter: Filter, values: Values): Filter {
  switch (filter.kind) {
    case 'and': case 'or': return { kind: filter.kind, of: filter.of.map((each) => fill(each, values)) }
    case 'not': return { kind: 'not', of: fill(filter.of, values) }
    case 'clause': return { ...filter, values: filter.values.map((value) => fillValue(value, values)) }
    default: return filter
  }
}

function fillValue(value: ParamValue, { patient, user }: Values): ParamValue {
  if (value.kind === 'token' && value.code === PATIENT && patient !== null) return { ...value, code: patient }
  if (value.kind !== 'reference') return value
  if (value.id === PATIENT && patient !== null) return { ...value, type: 'Patient', id: patient }
  return value.id === USER && user !== null ? { ...value, type: user.type, id: user.id } : value
}

function placeholdersIn(filter: Filter): number {
  switch (filter.kind) {
    case 'and': case 'or': return filter.of.reduce((sum, each) => sum + placeholdersIn(each), 0)
    case 'not': return placeholdersIn(filter.of)
    case 'clause': return filter.values.filter((value) => (value.kind === 'token' && value.code === PATIENT)
      || (value.kind === 'reference' && (value.id === PATIENT || value.id === USER))).length
    default: return 0
  }
}
