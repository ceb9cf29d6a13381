/** Hierarchies of rows by the elements that make them, written apart from the server's own reading. */
import { type Row, targetOf } from './reference.ts'

/** The element by which rows of a type name the larger one that they are part of. */
export const PARTS: Readonly<Record<string, string | undefined>> = {
  CarePlan: 'partOf', Communication: 'partOf', DeviceDefinition: 'parentDevice', Encounter: 'partOf', Location: 'partOf', MedicationStatement: 'partOf', Organization: 'partOf', Procedure: 'partOf',
  ResearchStudy: 'partOf', Specimen: 'parent', Task: 'partOf'
}

/** Ids of a row of a type and of all that it is part of, or all its parts, over these rows. */
export function around(how: string, type: string, id: string, rows: readonly Row[]): ReadonlySet<string> {
  const links = rows.flatMap(({ resource }) => [(resource as unknown as Readonly<Record<string, unknown>>)[PARTS[type]!] ?? []].flat().map(targetOf).flatMap((target) => (target?.type === type ? [[resource.id!, target.id!] as const] : [])))
  const met = new Set([id])
  for (let size = 0; size < met.size;) {
    size = met.size
    for (const [part, whole] of links) if (met.has(how === 'below' ? whole : part)) met.add(how === 'below' ? part : whole)
  }
  return met
}
