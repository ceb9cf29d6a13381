import { type AccessRecord, distinctPatients, type EntryAccess, type Touched } from './record.ts'

/**
 * Resources that one entry names at most; a larger disclosure becomes several entries of one request id. A page of a thousand and what is included
 * with it is mostly one.
 */
export const RESOURCES_MAX = 1_250

/** The record as it is, or parts of it that each name at most RESOURCES_MAX resources. Writes are never parted: their entry is one commit's. */
export function chunked(record: AccessRecord): readonly AccessRecord[] {
  const listed = record.entries.reduce((sum, entry) => sum + 1 + entry.resources.length, record.resources.length)
  if (listed <= RESOURCES_MAX) return [record]
  const parts: AccessRecord[] = []
  const add = (resources: readonly Touched[], entries: readonly EntryAccess[]): void => {
    const written = parts.length === 0 ? record.written : []
    parts.push({ ...record, resources, entries, written, patients: distinctPatients(resources, written, entries) })
  }
  for (let from = 0; from < record.resources.length; from += RESOURCES_MAX) add(record.resources.slice(from, from + RESOURCES_MAX), [])
  let group: EntryAccess[] = []
  let size = 0
  for (const entry of record.entries.flatMap(partsOfEntry)) {
    if (size + 1 + entry.resources.length > RESOURCES_MAX && group.length > 0) {
      add([], group)
      group = []
      size = 0
    }
    group.push(entry)
    size += 1 + entry.resources.length
  }
  if (group.length > 0) add([], group)
  return parts
}

function partsOfEntry(entry: EntryAccess): readonly EntryAccess[] {
  const most = RESOURCES_MAX - 1
  if (entry.resources.length <= most) return [entry]
  return Array.from({ length: Math.ceil(entry.resources.length / most) }, (_, index) => ({ ...entry, resources: entry.resources.slice(index * most, (index + 1) * most) }))
}
