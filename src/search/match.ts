import type { Resource } from '../model/resource.ts'
import { type TypedValue, values } from './parameters.ts'
import type { Filter } from './query.ts'
import type { Form, MatchContext } from './types/kind.ts'
import { kindOf, ownValues } from './types/special.ts'

/**
 * Whether a resource satisfies a filter, exactly as R4 says and without any index: the truth that every candidate is
 * confirmed by. https://hl7.org/fhir/R4/search.html
 */
export function matches(filter: Filter, resource: Resource, context: MatchContext): boolean {
  switch (filter.kind) {
    case 'all': return true
    case 'none': return false
    case 'and': return filter.of.every((each) => matches(each, resource, context))
    case 'or': return filter.of.some((each) => matches(each, resource, context))
    case 'not': return !matches(filter.of, resource, context)
    case 'missing': return ((ownValues(filter.param, context) ?? values(filter.param, resource)).length === 0) === filter.missing
    case 'clause': return clauseHolds(filter, resource, context)
  }
}

type Clause = Extract<Filter, { kind: 'clause' }>

/** Values of a clause are OR. A clause that no form answers was never parsed: under a negation, false would let everything through. */
function clauseHolds(clause: Clause, resource: Resource, context: MatchContext): boolean {
  const kind = kindOf(clause.param)
  const form = kind === null ? undefined : clause.modifier === null ? kind.plain : kind.modifiers[clause.modifier]
  if (form === undefined) throw new Error(`No form matches the parameter ${clause.param.code}`)
  const found = ownValues(clause.param, context) ?? values(clause.param, resource)
  return hits(clause, form, found, context) !== (form.negated === true)
}

function hits(clause: Clause, form: Form, found: readonly TypedValue[], context: MatchContext): boolean {
  for (const typed of found) for (const value of clause.values) if (form.matches(value, typed, context)) return true
  return false
}
