import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Caller } from '../../src/model/caller.ts'
import type { Resource } from '../../src/model/resource.ts'
import { compilePolicy, type Policy } from '../../src/policy/policy.ts'
import { loadRolePolicies, type RolePolicies } from '../../src/policy/role-policies.ts'
import { matches } from '../../src/search/match.ts'
import type { Filter } from '../../src/search/query.ts'

export const BASE = 'http://clinic.test/fhir/R4'
export const DEFAULT_TEXT = readFileSync(join(import.meta.dirname, '..', '..', 'policy', 'default.json'), 'utf8')
export const DEFAULT_ROLES = loadRolePolicies(DEFAULT_TEXT)

export const caller = (given: Partial<Caller>): Caller => ({
  issuer: 'https://issuer.test', subject: 'user-1', client: 'app', scope: '', patient: null, encounter: null, fhirUser: null, roles: [],
  purposes: [], jti: null, expires: 0, ceiling: null, ...given
})

/** The policy of a caller whose panel is `panel`. */
export const policyOf = (given: Partial<Caller>, panel: readonly string[] = [], roles: RolePolicies = DEFAULT_ROLES): Promise<Policy> =>
  compilePolicy(caller(given), { roles, base: BASE, now: () => 0, panel: async () => panel })

/** A role with one rule, for what the default policies do not show. */
export const rolesWith = (roles: Record<string, object>): RolePolicies => loadRolePolicies(JSON.stringify({ version: 1, roles }))

export const matcher = (resource: Resource) => (filter: Filter): boolean => matches(filter, resource, { base: BASE })
