import { createHash } from 'node:crypto'
import { parseJson } from '../model/json.ts'
import { allTypes, classify } from '../search/classification.ts'
import { ALL, type Filter } from '../search/query.ts'
import { checkCriteria, filledCriteria, type Variables } from './criteria.ts'
import type { Clearance } from './grants.ts'
import { compileMask, type Mask } from './mask.ts'
import { compileWritable, type Writable } from './mask-merge.ts'
import { policyFile, type PolicyFile, type PolicyRule } from './policy-file.ts'
import type { Right } from './scope.ts'

/** The roles of a POLICY_FILE, checked and compiled. */
export interface RolePolicies {
  readonly roles: ReadonlyMap<string, RolePolicy>
  /** SHA-256 of the file's text, base64url. */
  readonly digest: string
}

export interface RolePolicy {
  readonly name: string
  /** Whose records: those of the patients in the caller's care, of the launch patient, or the whole tenant's. */
  readonly patients: PolicyFile['roles'][string]['patients']
  readonly labelMax: Clearance
  /** v3-ActReason codes that the role acts for; the first is assumed when a token names none. Null: any. */
  readonly purposes: readonly string[] | null
  readonly largeBundles: boolean
  readonly relabel: boolean
  readonly auditQueries: boolean
  readonly explain: boolean
  readonly move: boolean
  readonly deleteMany: boolean
  rulesFor(type: string): readonly RoleRule[]
}

/** One rule of a role; for each type of the rule its own filter, mask and writable elements. */
export interface RoleRule {
  readonly rights: ReadonlySet<Right>
  readonly purpose: readonly string[] | null
  filter(type: string, variables: Variables, base: string): Filter
  mask(type: string): Mask | null
  writable(type: string): Writable | null
}

/**
 * Reads a POLICY_FILE (policy/default.json shows all of its form). Throws an Error of one line that says where: for an unknown key, type,
 * right, search parameter, variable or element, an empty list, a rule that can grant nothing, and a purpose that the role does not have.
 */
export function loadRolePolicies(text: string): RolePolicies {
  const file = readFile(text)
  const roles = new Map<string, RolePolicy>()
  for (const [name, role] of Object.entries(file.roles)) roles.set(name, compileRole(name, role))
  return { roles, digest: createHash('sha256').update(text).digest('base64url') }
}

type RoleEntry = PolicyFile['roles'][string]

function readFile(text: string): PolicyFile {
  let json: unknown
  try {
    json = parseJson(new TextEncoder().encode(text), { depthMax: 10 })
  } catch (error) {
    throw new Error(`policy file: ${error instanceof Error ? error.message : 'unreadable'}`)
  }
  const checked = policyFile.safeParse(json)
  if (checked.success) return checked.data
  const issue = checked.error.issues[0]
  throw new Error(`policy file: ${issue?.path.join('.') ?? ''}: ${issue?.message.replace(/\s+/g, ' ') ?? 'invalid'}`)
}

function compileRole(name: string, role: RoleEntry): RolePolicy {
  const byType = new Map<string, RoleRule[]>()
  for (const [at, rule] of role.rules.entries()) {
    try {
      const types = typesOf(rule)
      const compiled = compileRule(rule, types, role.purposes ?? null)
      for (const type of types) byType.set(type, [...byType.get(type) ?? [], compiled])
    } catch (error) {
      throw new Error(`policy file: roles.${name}.rules.${at}: ${(error as Error).message}`)
    }
  }
  return {
    name,
    patients: role.patients,
    labelMax: role.labelMax,
    purposes: role.purposes ?? null,
    largeBundles: role.largeBundles ?? false,
    relabel: role.relabel ?? false,
    auditQueries: role.auditQueries ?? false,
    explain: role.explain ?? false,
    move: role.move ?? false,
    deleteMany: role.deleteMany ?? false,
    rulesFor: (type) => byType.get(type) ?? []
  }
}

function compileRule(rule: PolicyRule, types: readonly string[], purposes: readonly string[] | null): RoleRule {
  const missing = rule.purpose?.find((each) => purposes !== null && !purposes.includes(each))
  if (missing !== undefined) throw new Error(`purpose ${missing} is not one of the role's`)
  const { where } = rule
  if (where !== undefined) for (const type of types) checkCriteria(type, where)
  const masks = eachType(types, rule.elements, compileMask)
  const writables = eachType(types, rule.writable, compileWritable)
  return {
    rights: new Set([...rule.do] as Right[]),
    purpose: rule.purpose ?? null,
    filter: (type, variables, base) => where === undefined ? ALL : filledCriteria(type, where, variables, base),
    mask: (type) => masks.get(type) ?? null,
    writable: (type) => writables.get(type) ?? null
  }
}

type Compile<T> = (type: string, paths: readonly string[]) => T

/** Element paths belong to a type by name, and every type of the rule must have some: a type left out by mistake would be unmasked. */
function eachType<T>(types: readonly string[], paths: readonly string[] | undefined, compile: Compile<T>): ReadonlyMap<string, T> {
  if (paths === undefined) return new Map()
  const stray = paths.find((path) => !types.includes(path.split('.')[0]!))
  if (stray !== undefined) throw new Error(`element path "${stray}" is of no type of this rule`)
  return new Map(types.map((type) => {
    const own = paths.filter((path) => path.startsWith(`${type}.`))
    if (own.length === 0) throw new Error(`no element of ${type} is listed`)
    return [type, compile(type, own)]
  }))
}

/** Types by name, by class of DESIGN.md §5 "Types" (`compartment`, `shared` …), or all (`*`). */
function typesOf(rule: PolicyRule): readonly string[] {
  const types = new Set(rule.types.flatMap((name) => classify(name) !== undefined ? [name] : typesOfClass(name)))
  if (rule.types.length !== new Set(rule.types).size) throw new Error('a type is named twice')
  return [...types]
}

function typesOfClass(name: string): readonly string[] {
  const types = allTypes.filter((type) => name === '*' || classify(type)?.kind === name)
  if (types.length === 0) throw new Error(`"${name}" is no R4 type and no class of types`)
  return types
}
