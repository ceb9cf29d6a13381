import type { Caller } from '../../model/caller.ts'
import { and } from '../../search/query.ts'
import { isId, userOf } from '../criteria.ts'
import type { Grant } from '../grants.ts'
import { ofOnePatient, ofPanel } from '../patient-side.ts'
import type { RolePolicies, RolePolicy, RoleRule } from '../role-policies.ts'
import type { ScopeContext } from '../scope.ts'
import type { Ask, Rule } from './rule.ts'

/** What the caller's roles allow, each by its own rules. Several roles are OR: each of their grants keeps its own reach and mask. */
export const role: Rule = {
  name: 'role',
  narrow: (grant, ask) => grant.context === null ? [] : ask.roles[grant.context].flatMap((policy) => byRole(policy, grant, ask))
}

/**
 * The roles that stand behind the scopes of a context.
 * - Names without a policy are ignored, and so is a role whose claims are missing: `%patients` needs a Practitioner as fhirUser,
 *   `launch` a patient.
 * - system/ scopes run as `system`, when the token names that role or none at all. Names of other roles, known or not, narrow them to
 *   nothing: the widest role is never what is left over when the others are ignored.
 * - user/ scopes run as the known roles, `system` left out, since it is no person's role.
 * - patient/ scopes run as the known roles likewise (a clinician's launch: the launch patient, if in the clinician's care), and as
 *   `patient` when there are none.
 */
export function rolesBehind(context: ScopeContext, caller: Caller, policies: RolePolicies): readonly RolePolicy[] {
  const named = Array.isArray(caller.roles) ? caller.roles : []
  const known = [...new Set(named)].filter((name) => name !== 'system' && policies.roles.has(name))
  const names = context === 'system' ? (named.length === 0 || named.includes('system') ? ['system'] : [])
    : context === 'patient' && known.length === 0 ? ['patient'] : known
  return names.map((name) => policies.roles.get(name)).filter((policy) => policy !== undefined && hasClaims(policy, caller)) as RolePolicy[]
}

/** The purposes of use that a role acts for: the token's that the role knows, or its first when the token names none. Null: any. */
export function purposesOf(policy: RolePolicy, caller: Caller): readonly string[] | null {
  if (policy.purposes === null) return null
  return caller.purposes.length === 0 ? policy.purposes.slice(0, 1) : policy.purposes.filter((purpose) => caller.purposes.includes(purpose))
}

function hasClaims(policy: RolePolicy, caller: Caller): boolean {
  const user = userOf(caller.fhirUser)
  if (policy.patients === '%patients' && (user === null || !CARERS.has(user.type))) return false
  if (policy.patients === 'launch' && !isId(caller.patient)) return false
  return purposesOf(policy, caller)?.length !== 0
}

const CARERS: ReadonlySet<string> = new Set(['Practitioner', 'PractitionerRole'])

function byRole(policy: RolePolicy, grant: Grant, ask: Ask): readonly Grant[] {
  const purposes = purposesOf(policy, ask.caller) ?? ask.caller.purposes
  const holds = (rule: RoleRule): boolean => rule.rights.has(ask.right) && (rule.purpose?.some((each) => purposes.includes(each)) ?? true)
  return policy.rulesFor(ask.type).filter(holds).flatMap((rule) => {
    const filter = and([grant.filter, rule.filter(ask.type, ask.caller, ask.base)])
    if (filter.kind === 'none') return []
    const [mask, writable] = [rule.mask(ask.type), rule.writable(ask.type)]
    return withinPatients(policy, { ...grant, role: policy.name, filter, clearance: policy.labelMax, mask, writable }, ask)
  })
}

function withinPatients(policy: RolePolicy, grant: Grant, ask: Ask): readonly Grant[] {
  switch (policy.patients) {
    case 'all': return [grant]
    case '%patients': return ask.panel === null ? [] : ofPanel(grant, ask, ask.panel)
    case 'launch': return ask.caller.patient === null ? [] : ofOnePatient(grant, ask, ask.caller.patient)
    default: return policy.patients satisfies never
  }
}
