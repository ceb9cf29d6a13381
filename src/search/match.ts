import type { Resource } from '../model/resource.ts'
import type { TypedValue } from './parameters.ts'
import type { Filter } from './query.ts'
import { type Form, formOf, type MatchContext, spend } from './types/kind.ts'
import { localTarget } from './types/reference.ts'
import { kindOf, valuesOf } from './types/special.ts'

/**
 * Whether a resource satisfies a filter, exactly as R4 says and without any index: the truth that every candidate is
 * confirmed by. https://hl7.org/fhir/R4/search.html
 */
export function matches(filter: Filter, resource: Resource, context: MatchContext): boolean {
  switch (filter.kind) {
    case 'all': return true
    case 'none': return false
    // Loops: a closure for each row of a search is most of what this costs.
    case 'and':
      for (const each of filter.of) if (!matches(each, resource, context)) return false
      return true
    case 'or':
      for (const each of filter.of) if (matches(each, resource, context)) return true
      return false
    case 'not': return !matches(filter.of, resource, context)
    case 'missing': return (valuesOf(filter.param, resource, context).length === 0) === filter.missing
    case 'clause': return clauseHolds(filter, resource, context)
    case 'chain': case 'has': throw new Error('A link to other rows is resolved before it is matched')
  }
}

type Clause = Extract<Filter, { kind: 'clause' }>

/** Values of a clause are OR. A clause that no form answers was never parsed: under a negation, false would let everything through. */
function clauseHolds(clause: Clause, resource: Resource, context: MatchContext): boolean {
  const kind = kindOf(clause.param)
  const form = kind === null ? undefined : formOf(kind, clause.modifier)
  if (form === undefined) throw new Error(`No form matches the parameter ${clause.param.code}`)
  return hits(clause, form, valuesOf(clause.param, resource, context), context) !== (form.negated === true)
}

function hits(clause: Clause, form: Form, found: readonly TypedValue[], context: MatchContext): boolean {
  const listed = clause.values.length < LISTED_MIN ? null : listedIn(clause)
  if (listed !== null) spend(context, found.length)
  if (listed !== null) return found.some((typed) => listed.has(nameOf(typed, context)))
  spend(context, found.length * clause.values.length)
  if (form.matchesAny !== undefined) return found.some((typed) => form.matchesAny!(clause.values, typed, context))
  for (const typed of found) for (const value of clause.values) if (form.matches(value, typed, context)) return true
  return false
}

/** Clauses with as many values, such as links to other rows become, are looked up instead of compared one by one. */
const LISTED_MIN = 16

const lists = new WeakMap<Clause['values'], ReadonlySet<string> | null>()

/** Names of the rows that a clause lists, if it lists nothing else: `Type/id` of references, the id for `_id`. */
function listedIn(clause: Clause): ReadonlySet<string> | null {
  let found = lists.get(clause.values)
  if (found === undefined) {
    const names = clause.modifier !== null ? [null] : clause.values.map((value) => {
      if (value.kind === 'reference') return value.type !== null && value.id !== null && value.version === null ? `${value.type}/${value.id}` : null
      return value.kind === 'token' && clause.param.code === '_id' && value.system === undefined ? value.code : null
    })
    found = names.every((name) => name !== null) ? new Set(names) : null
    lists.set(clause.values, found)
  }
  return found
}

function nameOf(typed: TypedValue, { base }: MatchContext): string {
  if (typed.type === 'id' && typeof typed.value === 'string') return typed.value
  const target = localTarget(typed, base)
  return target === null ? '' : `${target.type}/${target.id}`
}
