import type { Reach } from './ports.ts'

/** Whether a row lies within a caller's reach. A row of no patient is in nobody's panel. */
export function inReach(reach: Reach, row: { readonly patients: readonly string[] }): boolean {
  if (reach.kind === 'all') return true
  return reach.shared
    ? row.patients.some((patient) => reach.patients.includes(patient))
    : row.patients.length > 0 && row.patients.every((patient) => reach.patients.includes(patient))
}
