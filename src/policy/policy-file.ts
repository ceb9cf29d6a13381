import { z } from 'zod'

/** A rule that a role has. What is absent is not restricted by this rule; an empty list is a mistake and refused. */
const rule = z.strictObject({
  /** R4 types by name, classes of types, or `*`. */
  types: z.array(z.string()).min(1),
  /** Ordered subset of `cruds`. */
  do: z.string().regex(/^(?=.)c?r?u?d?s?$/, 'must be an ordered, non-empty subset of "cruds"'),
  /** FHIR search criteria with the variables %patient and %fhirUser. */
  where: z.string().min(1).optional(),
  /** Element paths that stay; everything else is hidden. */
  elements: z.array(z.string()).min(1).optional(),
  /** Element paths that may change. */
  writable: z.array(z.string()).min(1).optional(),
  /** The rule holds only for these purposes of use (v3-ActReason). */
  purpose: z.array(z.string().regex(/^[A-Z0-9-]+$/)).min(1).optional()
})

const role = z.strictObject({
  patients: z.enum(['%patients', 'all', 'launch']),
  labelMax: z.enum(['N', 'R', 'V']),
  purposes: z.array(z.string().regex(/^[A-Z0-9-]+$/)).min(1).optional(),
  largeBundles: z.boolean().optional(),
  relabel: z.boolean().optional(),
  auditQueries: z.boolean().optional(),
  explain: z.boolean().optional(),
  move: z.boolean().optional(),
  deleteMany: z.boolean().optional(),
  rules: z.array(rule).min(1)
})

/** Fields of a role and of a rule, for what documents them. */
export const [roleShape, ruleShape] = [role.shape, rule.shape]

/** The form of POLICY_FILE; what it names is checked by role-policies.ts. */
export const policyFile = z.strictObject({
  version: z.literal(1),
  roles: z.record(z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, 'must be a name of lower-case letters, digits and hyphens'), role)
    .refine((roles) => Object.keys(roles).length > 0, 'must name at least one role')
})

export type PolicyFile = z.infer<typeof policyFile>
export type PolicyRule = z.infer<typeof rule>
