import { createHash } from 'node:crypto'
import type { Caller } from '../model/caller.ts'
import { classify } from '../search/classification.ts'
import { ALL } from '../search/query.ts'
import type { Reach } from '../store/ports.ts'
import { reachOf, type Grant } from './grants.ts'
import { strictestOfMasks, type Mask } from './mask.ts'
import type { RolePolicies } from './role-policies.ts'
import { launchContext } from './rules/launch-context.ts'
import { role, purposesOf, rolesBehind } from './rules/role.ts'
import type { Ask, Rule } from './rules/rule.ts'
import { smartScopes } from './rules/smart-scopes.ts'
import { parseScopes, RIGHTS, type Right, type Scope, type ScopeContext } from './scope.ts'

export { allowedBy, grantsFor, hiddenBy, inReach, isWholeTenant, maskOf, reachOf, writableOf, type Grant } from './grants.ts'
export type { Right } from './scope.ts'

/** The rules, applied in this order; a policy is the intersection of them all. To add one: a file in rules/ and a line here. */
const RULES: readonly Rule[] = [smartScopes, launchContext, role]

/** What one caller may do. Compiled for the caller, judged per row: nothing here depends on what the store holds but the panel. */
export interface Policy {
  /** Names of the roles that stand behind the caller's scopes. */
  readonly roles: readonly string[]
  readonly largeBundles: boolean
  readonly relabel: boolean
  /** AuditEvents of the ledger show the raw queries, which hold search values. */
  readonly auditQueries: boolean
  /** `_explain=true` is answered. */
  readonly explain: boolean
  readonly move: boolean
  /** A conditional delete may have several matches. */
  readonly deleteMany: boolean
  /**
   * Digest of the scopes, claims and policy file that this was compiled from, for page links. %patients is not in it, since it changes
   * while a caller pages and every page judges its rows again; a cache of rows must be keyed by the reach as well.
   */
  readonly fingerprint: string
  forType(type: string): TypePolicy
}

export interface TypePolicy {
  /** Union of the reach of all grants, for planning; `reachOf(rights.s ?? [])` is the tighter one of a search. */
  readonly reach: Reach
  /** A right that is absent is refused (403). Otherwise a row is allowed when `allowedBy(grants, row, matches)` (grants.ts). */
  readonly rights: Readonly<Partial<Record<Right, readonly Grant[]>>>
  /**
   * What every reading grant lets stay; null: nothing is ever hidden. Callers of one role have one mask per type. Where grants differ this
   * is the strictest, and `maskOf(type, grantsFor(rights.r, row, matches))` is the mask of one row.
   */
  readonly mask: Mask | null
}

export interface PolicyContext {
  readonly roles: RolePolicies
  /** The server's FHIR base, without a final slash. */
  readonly base: string
  now(): number
  /** Patients in the care of a fhirUser; the same array while they stay the same (panel.ts). */
  panel(fhirUser: string): Promise<readonly string[]>
}

/**
 * Compiles what a caller may do: SMART scopes ∩ issuer's ceiling ∩ launch context ∩ role policy, of what DESIGN.md §6 lists.
 * Types are compiled when they are first asked for. Compiling the same Caller object again gives the same Policy while its panel stays.
 */
export async function compilePolicy(caller: Caller, context: PolicyContext): Promise<Policy> {
  const known = compiled.get(caller)
  if (known?.context === context && (known.panelOf === null || (await context.panel(known.panelOf)) === known.panel)) return known.policy
  const scopes = parseScopes(caller.scope)
  const ceiling = caller.ceiling === null ? null : parseScopes(caller.ceiling)
  const roles = { patient: behind('patient'), user: behind('user'), system: behind('system') }
  const all = [...new Set(Object.values(roles).flat())]
  const hasPanel = all.some(({ patients }) => patients === '%patients')
  const panelOf = hasPanel ? caller.fhirUser : null
  const panel = panelOf === null ? null : await context.panel(panelOf)
  const types = new Map<string, TypePolicy>()
  const asked = { caller, scopes, ceiling, roles, panel, base: context.base }
  const policy: Policy = {
    roles: all.map(({ name }) => name),
    largeBundles: all.some((each) => each.largeBundles),
    relabel: all.some((each) => each.relabel),
    auditQueries: all.some((each) => each.auditQueries),
    explain: all.some((each) => each.explain),
    move: all.some((each) => each.move),
    deleteMany: all.some((each) => each.deleteMany),
    fingerprint: fingerprintOf(caller, scopes, ceiling, roles, context),
    forType: (type) => {
      let found = types.get(type)
      if (found === undefined) types.set(type, (found = compileType(type, asked)))
      return found
    }
  }
  compiled.set(caller, { context, panelOf, panel, policy })
  return policy

  function behind(scopeContext: ScopeContext) {
    return scopes.some((scope) => scope.context === scopeContext) ? rolesBehind(scopeContext, caller, context.roles) : []
  }
}

/** `panelOf`: the fhirUser whose panel the policy was compiled with. */
interface Compiled { readonly context: PolicyContext; readonly panelOf: string | null; readonly panel: readonly string[] | null; readonly policy: Policy }

const compiled = new WeakMap<Caller, Compiled>()

function compileType(type: string, asked: Omit<Ask, 'type' | 'classification' | 'right'>): TypePolicy {
  const classification = classify(type)
  if (classification === undefined) return NOTHING
  const { kind } = classification
  const start: Grant = { context: null, role: null, kind, reach: { kind: 'all' }, filter: ALL, clearance: 'N', mask: null, writable: null }
  const rights: Partial<Record<Right, readonly Grant[]>> = {}
  for (const right of RIGHTS) {
    const ask: Ask = { ...asked, type, classification, right }
    const grants = RULES.reduce<readonly Grant[]>((left, rule) => left.flatMap((grant) => rule.narrow(grant, ask)), [start])
    if (grants.length > 0) rights[right] = grants
  }
  const all = Object.values(rights).flat()
  const reading = [...rights.r ?? [], ...rights.s ?? []]
  return { reach: reachOf(all), rights, mask: strictestOfMasks(type, (reading.length === 0 ? all : reading).map(({ mask }) => mask)) }
}

const NOTHING: TypePolicy = { reach: reachOf([]), rights: {}, mask: null }

function fingerprintOf(caller: Caller, scopes: readonly Scope[], ceiling: Ask['ceiling'], roles: Ask['roles'], context: PolicyContext): string {
  const acting = (policies: Ask['roles']['user']) => policies.map((policy) => [policy.name, purposesOf(policy, caller)])
  const behind = [acting(roles.patient), acting(roles.user), acting(roles.system)]
  const { patient, encounter, fhirUser, purposes } = caller
  const claims = [patient, encounter, fhirUser, [...purposes].sort()]
  const asked = [scopeTexts(scopes), ceiling === null ? null : scopeTexts(ceiling)]
  const parts = [asked, claims, behind, context.roles.digest, context.base]
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
}

const scopeTexts = (scopes: readonly Scope[]): readonly string[] =>
  scopes.map(({ context, type, rights, constraint }) => `${context}/${type}.${rights.join('')}?${constraint ?? ''}`).sort()
