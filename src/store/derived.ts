import { fault } from '../model/errors.ts'
import { type Ref, refText } from '../model/resource.ts'
import { derivedTypes } from '../search/classification.ts'
import { matches } from '../search/match.ts'
import { searchParam } from '../search/parameters.ts'
import type { ResourceStore, ResourceWrite, Row } from './ports.ts'

/** Rewritten with the commit that moves their target; more is refused. */
const derivedRecordsMax = 1000

/**
 * Records whose patients follow from a resource that this commit moves to other patients (DESIGN.md §5 "derived"), with the patients
 * that they get. `moved` names the resources whose patients change.
 */
export async function derivedFrom(
  store: ResourceStore, writes: readonly ResourceWrite[], staged: (ref: Ref) => readonly string[] | undefined, base: string
): Promise<{ readonly moved: readonly string[]; readonly rows: readonly { readonly row: Row; readonly patients: readonly string[] }[] }> {
  const updates = writes.filter((write) => write.expect > 0 && !write.deleted)
  if (updates.length === 0) return { moved: [], rows: [] }
  const before = await store.read(updates.map((write) => write.ref))
  const moved = updates.filter((write, index) => {
    const row = before[index]
    return row !== undefined && !row.deleted && (staged(write.ref) ?? []).join() !== [...row.patients].sort().join()
  })
  const rows: { row: Row; patients: readonly string[] }[] = []
  for (const write of moved) {
    for (const row of await derivedRows(store, write.ref, base)) {
      if (staged({ type: row.type, id: row.id }) === undefined) rows.push({ row, patients: await store.patientsOf(row.resource(), staged) })
    }
  }
  if (rows.length > derivedRecordsMax) throw fault(422, 'too-costly', `More than ${derivedRecordsMax} records follow the patient of this resource`)
  return { moved: moved.map((write) => refText(write.ref)), rows }
}

async function derivedRows(store: ResourceStore, ref: Ref, base: string): Promise<readonly Row[]> {
  const rows: Row[] = []
  for (const { type, code } of derivedTypes) {
    const param = searchParam(type, code)
    if (param === undefined) continue
    const filter = { kind: 'clause' as const, param, modifier: null, values: [{ kind: 'reference' as const, type: ref.type, id: ref.id, url: null, version: null }] }
    const found = await store.find({
      type, reach: { kind: 'all' }, filter, accept: (row) => matches(filter, row.resource(), { base }), order: 'newest', after: null,
      limit: derivedRecordsMax + 1, scanRecordsMax: Number.MAX_SAFE_INTEGER
    })
    rows.push(...found.rows)
  }
  return rows
}
