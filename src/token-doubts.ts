import { grantCaller } from './oauth/verify.ts'
import { allTypes } from './search/classification.ts'
import type { OpaqueGrant } from './oauth/opaque.ts'
import type { System } from './system.ts'

/** What of a token will count for nothing, by the policies of this store: mostly a word that was mistyped or left out. One line each. */
export async function doubtsOf(system: Pick<System, 'policyOf' | 'config'>, grant: OpaqueGrant): Promise<readonly string[]> {
  const policy = await system.policyOf(grantCaller(grant, { issuer: system.config.baseUrl, tokenHash: '' }))
  const doubts: string[] = []
  const idle = grant.roles.filter((role) => !policy.roles.includes(role))
  if (idle.length > 0) {
    doubts.push(`these roles count for nothing: ${idle.join(', ')}. A role needs to be in the policy, a scope that brings it (user/, patient/ or, for system, system/), and what it acts by: --fhir-user for a clinician's, --patient for a patient's, one of its purposes of use`)
  }
  if (!allTypes.some((type) => Object.values(policy.forType(type).rights).some((grants) => grants.length > 0))) {
    doubts.push('this token allows nothing: patient/ scopes need --patient, user/ scopes need --roles and mostly --fhir-user')
  }
  return doubts
}
