import { ALL, and, NONE, or, type Filter } from '../../search/query.ts'
import { criteria } from '../criteria.ts'
import type { Scope, ScopeContext } from '../scope.ts'
import type { Ask, Rule } from './rule.ts'

/**
 * The union of the token's SMART scopes within each context, no further than the issuer's ceiling in the same context. A constraint that
 * is not search criteria of the type makes its scope grant nothing.
 */
export const smartScopes: Rule = {
  name: 'smart-scopes',
  narrow: (grant, ask) => CONTEXTS.flatMap((context) => {
    const ceiling: Filter = ask.ceiling === null ? ALL : granted(ask.ceiling, context, ask)
    const filter = and([grant.filter, granted(ask.scopes, context, ask), ceiling])
    return filter.kind === 'none' ? [] : [{ ...grant, context, filter }]
  })
}

const CONTEXTS: readonly ScopeContext[] = ['patient', 'user', 'system']

function granted(scopes: readonly Scope[], context: ScopeContext, ask: Ask): Filter {
  const applies = (scope: Scope): boolean =>
    scope.context === context && (scope.type === '*' || scope.type === ask.type) && scope.rights.includes(ask.right)
  const filterOf = ({ constraint }: Scope): Filter =>
    constraint === null ? ALL : criteria(ask.type, plusAsPlus(constraint), ask.base) ?? NONE
  return or(scopes.filter(applies).map(filterOf))
}

/** In a scope a `+` is a plus: scopes are not form-encoded. */
const plusAsPlus = (text: string): string => text.replaceAll('+', '%2B')
