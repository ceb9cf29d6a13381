import type { Caller } from '../../model/caller.ts'
import type { Classification } from '../../search/classification.ts'
import type { Grant } from '../grants.ts'
import type { RolePolicy } from '../role-policies.ts'
import type { Right, Scope, ScopeContext } from '../scope.ts'

/** What a rule is asked: may this caller have this right on this type, and how far? */
export interface Ask {
  readonly caller: Caller
  readonly type: string
  readonly classification: Classification
  readonly right: Right
  readonly scopes: readonly Scope[]
  /** Scopes that the caller's issuer may ever confer; null = all. */
  readonly ceiling: readonly Scope[] | null
  /** The caller's roles under each context of scopes, only those whose claims are all there. */
  readonly roles: Readonly<Record<ScopeContext, readonly RolePolicy[]>>
  /** Patients that the fhirUser cares for, one array while they stay the same; null: no role needs them. */
  readonly panel: readonly string[] | null
  /** The server's FHIR base. */
  readonly base: string
}

/**
 * A rule takes a grant and gives the narrower grants that it leaves of it: never wider ones, none to refuse. Rules are applied one after
 * the other, so that their result is the intersection of all.
 */
export interface Rule {
  readonly name: string
  narrow(grant: Grant, ask: Ask): readonly Grant[]
}
