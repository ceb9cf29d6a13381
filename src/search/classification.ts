import { type Classification, rows } from './classification-table.ts'

export type { Classification } from './classification-table.ts'

/** Undefined: not a concrete R4 resource type, so denied to everyone. */
export const classify = (type: string): Classification | undefined => table.get(type)

export const isResourceType = (type: string): boolean => table.has(type)

const table: ReadonlyMap<string, Classification> = new Map(rows)

/** R4's 146 concrete resource types, sorted. */
export const allTypes: readonly string[] = [...table.keys()].sort()

/** Where records are found whose patients follow from another record: one entry per searchable element of `from`. */
export const derivedTypes: readonly { readonly type: string; readonly code: string }[] =
  allTypes.flatMap((type) => table.get(type)!.from.flatMap(({ code }) => (code === null ? [] : [{ type, code }])))

/** Types with an element of `from` that R4 has no search parameter for. */
export const derivedUnindexed: readonly string[] = allTypes.filter((type) => table.get(type)!.from.some(({ code }) => code === null))
