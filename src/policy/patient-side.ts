import { subjectFilter } from './criteria.ts'
import { isOfNoPatient, reachWithin, type Grant } from './grants.ts'
import type { Ask } from './rules/rule.ts'
import { and } from '../search/query.ts'

/**
 * What a patient's own access leaves of a grant (DESIGN.md §5 "Types"): their rows and, where the type's second party is one by right,
 * those that name another patient too; what belongs to no patient to read, and to search where it is shared; nothing restricted. A write
 * must name no other patient at all, before and after, so that nobody writes into another's record.
 */
export function ofOnePatient(grant: Grant, ask: Ask, patient: string): readonly Grant[] {
  const { kind, sharing } = ask.classification
  const reads = ask.right === 'r' || ask.right === 's'
  if (kind === 'restricted') return []
  if (isOfNoPatient(kind) && (!reads || (kind === 'by-reference' && ask.right === 's'))) return []
  return [{ ...grant, reach: reachWithin(grant.reach, { kind: 'patients', patients: listOf(patient), shared: sharing && reads }) }]
}

/**
 * What care for these patients leaves of a grant. A record that may name several patients is read when one of them is cared for, and
 * written when its subject is.
 */
export function ofPanel(grant: Grant, ask: Ask, panel: readonly string[]): readonly Grant[] {
  const { kind, sharing, subject } = ask.classification
  if (kind === 'restricted') return []
  const reads = ask.right === 'r' || ask.right === 's'
  const bySubject = !reads && sharing && subject !== null
  const reach = reachWithin(grant.reach, { kind: 'patients', patients: panel, shared: sharing && (reads || bySubject) })
  return [{ ...grant, reach, filter: bySubject ? and([grant.filter, subjectFilter(ask.type, subject, panel)]) : grant.filter }]
}

/** One array per patient while it is in use: reaches are compared by identity. */
const lists = new Map<string, readonly string[]>()
const LISTS_MAX = 10_000

function listOf(patient: string): readonly string[] {
  let found = lists.get(patient)
  if (found === undefined) {
    if (lists.size >= LISTS_MAX) lists.clear()
    lists.set(patient, (found = [patient]))
  }
  return found
}
