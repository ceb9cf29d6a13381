import { dateAsks } from './index-dates.ts'
import { level, namesCompartment, targetLevel, termCodes } from './index-levels.ts'
import { type Asks, type Clause, EMPTY, FREE, intersect, type Part, unindexed, unite } from './plan-parts.ts'
import { codesOf, type DateRange, type Filter, type ParamValue, type Plan, type SearchParam, type TermAsk } from './query.ts'
import { leadingParam } from './types/composite.ts'
import { hull, needed } from './types/date.ts'
import { formOf } from './types/kind.ts'
import { CROWDED } from './types/reference.ts'
import { kindOf } from './types/special.ts'

export interface PlanOptions {
  /** The FHIR base of this server, without a trailing slash. */
  readonly base: string
  /** Keyed terms that one conjunct may need; one that needs more is not asked but confirmed. A patient-level ask needs 16. */
  readonly termsMax: number
  /** Codes of packages' parameters on the type whose terms every record carries; absent: none. */
  readonly packaged?: ReadonlySet<string>
}

/** Keyed terms that one patient-level ask becomes under one patient's key. */
export const HOMOPHONES = 16

/**
 * What the index can do for a filter on a type: a superset of its matches, as ids, patients, times and a conjunction of any-of
 * asks. What it can do nothing for is named in `unindexed`. Everything is confirmed by `matches`.
 */
export function plan(type: string, filter: Filter, options: PlanOptions): Plan {
  const { empty, ids, patients, conjuncts, updated, unindexed: codes } = partOf(filter, { type, ...options })
  if (empty || ids?.length === 0 || patients?.length === 0) {
    return { empty: true, ids: [], patients: null, conjuncts: [], updated: null, unindexed: [] }
  }
  // A Patient is its own and only compartment patient.
  return { empty: false, ids, patients: type === 'Patient' ? ids : patients, conjuncts, updated, unindexed: [...new Set(codes)] }
}

interface Scope extends PlanOptions { readonly type: string }

function partOf(filter: Filter, scope: Scope): Part {
  switch (filter.kind) {
    case 'all': return FREE
    case 'none': return EMPTY
    case 'and': return conjunction(filter.of.flatMap(flatten), scope)
    case 'or': return unite(filter.of.map((each) => partOf(each, scope)), codesOf(filter), (asks) => cost(asks) <= scope.termsMax)
    case 'not': return unindexed(codesOf(filter.of))
    case 'missing': return unindexed([filter.param.code])
    case 'clause': return filter.param.kind === 'date' ? datePart([filter], scope) : clausePart(filter, scope)
    case 'chain': case 'has': throw new Error('A link to other rows is resolved before it is planned')
  }
}

const flatten = (filter: Filter): readonly Filter[] => (filter.kind === 'and' ? filter.of.flatMap(flatten) : [filter])

/** Clauses on one date parameter are taken together: `ge` and `lt` alone are open, both are a range. */
function conjunction(filters: readonly Filter[], scope: Scope): Part {
  const dates = new Map<string, Clause[]>()
  const parts: Part[] = []
  for (const filter of filters) {
    if (filter.kind !== 'clause' || filter.param.kind !== 'date') parts.push(partOf(filter, scope))
    else if (dates.has(filter.param.code)) dates.get(filter.param.code)!.push(filter)
    else dates.set(filter.param.code, [filter])
  }
  for (const clauses of dates.values()) parts.push(datePart(clauses, scope))
  return intersect(parts)
}

function clausePart(clause: Clause, scope: Scope): Part {
  const { param, modifier, values } = clause
  if (param.code === '_id' && modifier === null) return idPart(values)
  const patients = modifier === null && namesCompartment(param) ? patientsOf(values) : null
  if (patients !== null) return { ...FREE, patients }
  const leading = param.kind === 'composite' ? leadingParam(param) : null
  if (leading !== null) {
    const parts = values.map((value) => (value.kind === 'composite' ? value.of[0]! : value))
    return leading.kind === 'date' ? unindexed([param.code]) : termsPart({ ...clause, param: leading, values: parts }, scope, param.code)
  }
  return termsPart(clause, scope, param.code)
}

function termsPart({ param, modifier, values }: Clause, scope: Scope, name: string): Part {
  const kind = kindOf(param)
  const form = kind === null ? undefined : formOf(kind, modifier)
  if (form === undefined || form.negated || !isIndexed(param, scope)) return unindexed([name])
  const asks: TermAsk[] = []
  const codes = termCodes(scope.type, param.code)
  let at: TermAsk['level'] | null = null
  for (const value of values) {
    const texts = form.asks(value, param)
    if (texts === null) return unindexed([name])
    for (const { text, target } of texts) {
      const own = param.kind === 'reference' ? targetLevel(scope.type, codes[0]!, target ?? null) : level(scope.type, param.code)
      // A conjunct has one level; a reference whose possible targets have several is confirmed instead.
      if (own === 'none' || (at !== null && own !== at)) return unindexed([name])
      at = own
      for (const code of codes) asks.push({ level: own, code, value: text })
    }
  }
  if (at === null) return unindexed([name])
  if (param.packaged) asks.push(markOf(param))
  else if (param.kind === 'reference') for (const code of codes) asks.push({ level: at, code, value: CROWDED })
  if (cost(asks) > scope.termsMax) return unindexed([name])
  return { ...FREE, conjuncts: [asks] }
}

/** What lacks the terms of a package's parameter would be missed by them. */
const isIndexed = ({ packaged, code }: SearchParam, scope: Scope): boolean => !packaged || scope.packaged?.has(code) === true

/** Stands for all terms of a package's parameter on a record that has too many of them, whoever its patients are. */
const markOf = ({ code }: SearchParam): TermAsk => ({ level: 'population', code, value: CROWDED })

const cost = (asks: Asks): number => asks.reduce((sum, { level: at }) => sum + (at === 'patient' ? HOMOPHONES : 1), 0)

/** `system|` matches no id, so such a value adds none. */
function idPart(values: readonly ParamValue[]): Part {
  return { ...FREE, ids: [...new Set(values.flatMap((value) => (value.kind === 'token' && value.code !== null ? [value.code] : [])))] }
}

/** The patients that all values name; null where one of them may be anything else. */
function patientsOf(values: readonly ParamValue[]): readonly string[] | null {
  const ids = new Set<string>()
  for (const value of values) {
    if (value.kind !== 'reference' || value.type !== 'Patient' || value.id === null) return null
    ids.add(value.id)
  }
  return [...ids]
}

/** All clauses on one date parameter: the intersection of what they need, else the first of them that can be asked alone. */
function datePart(clauses: readonly Clause[], scope: Scope): Part {
  const { code } = clauses[0]!.param
  const together = clauses.reduce<DateRange>((range, clause) => overlap(range, neededBy(clause)), EVER)
  if (code === '_lastUpdated') return { ...FREE, updated: updatedOf(together), unindexed: together === EVER ? [code] : [] }
  const at = level(scope.type, code)
  if (at === 'none' || !isIndexed(clauses[0]!.param, scope)) return unindexed([code])
  for (const asked of [[together], ...clauses.map((clause) => clause.values.map((value) => needed(value) ?? EVER))]) {
    const texts = new Set<string>()
    const usable = asked.every((range) => {
      const found = dateAsks(range, at === 'population' ? 'day' : 'month')
      for (const text of found ?? []) texts.add(text)
      return found !== null
    })
    const asks: TermAsk[] = [...texts].flatMap((value) => termCodes(scope.type, code).map((each) => ({ level: at, code: each, value })))
    if (asks.length > 0 && clauses[0]!.param.packaged) asks.push(markOf(clauses[0]!.param))
    if (usable && asks.length > 0 && cost(asks) <= scope.termsMax) return { ...FREE, conjuncts: [asks] }
  }
  return unindexed([code])
}

const EVER: DateRange = { from: -Infinity, before: Infinity }

/** Values are OR, so a record needs to overlap their hull. */
const neededBy = (clause: Clause): DateRange => (clause.modifier === null ? hull(clause.values.map((value) => needed(value) ?? EVER)) : null) ?? EVER

const overlap = (a: DateRange, b: DateRange): DateRange =>
  b.from === -Infinity && b.before === Infinity ? a : { from: Math.max(a.from, b.from), before: Math.min(a.before, b.before) }

const updatedOf = ({ from, before }: DateRange): Plan['updated'] =>
  from === -Infinity && before === Infinity ? null : { ...(from > -Infinity ? { from } : {}), ...(before < Infinity ? { before } : {}) }
