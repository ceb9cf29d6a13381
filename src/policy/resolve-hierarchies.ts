/**
 * `:above` and `:below` of references: the rows that a caller reaches from the ones asked for, step by step over what it sees. A row that it may
 * not see can be named by one that it sees, as any other search may name it; what lies behind it is not reached.
 */
import { fault } from '../model/errors.ts'
import { type Ref, refText } from '../model/resource.ts'
import type { Turn } from '../model/turns.ts'
import { partOf } from '../search/hierarchy.ts'
import { searchParam, values } from '../search/parameters.ts'
import { type Filter, or, type SearchParam } from '../search/query.ts'
import { localTarget, pointingAt } from '../search/types/reference.ts'
import type { Seen } from '../store/ports.ts'

/** A guarded search of linked rows to its end. FhirError 403 for a type or parameter that is refused, 422 past the bound. */
export type LinkSearch = (type: string, filter: Filter, codes: readonly string[]) => Promise<readonly Seen[]>

/** What the hierarchies of one search may take. */
export interface Reach {
  /** FHIR base URL without a trailing slash. */
  readonly base: string
  /** Rows of one hierarchy (CHAIN_MATCHES_MAX). */
  readonly rowsMax: number
  /** Searches (CHAIN_SEARCHES_MAX), and how many are left. */
  readonly searchesMax: number
  searchesLeft: number
  /** Of the request. */
  readonly turn: Turn
}

type Clause = Extract<Filter, { kind: 'clause' }>
type Direction = 'above' | 'below'

/** The direction of a clause that leads to other rows; null: it does not. */
export const directionOf = ({ param, modifier, values: asked }: Clause): Direction | null =>
  param.kind === 'reference' && (modifier === 'above' || modifier === 'below') && asked.some((value) => rowOf(value) !== null) ? modifier : null

const rowOf = (value: Clause['values'][number]): Ref | null =>
  value.kind === 'reference' && value.type !== null && value.id !== null ? { type: value.type, id: value.id } : null

/** The clause with all rows of the hierarchies in it; URLs stay as they are. FhirError 403 for a type that is refused, 422 past a bound. */
export async function resolveHierarchy(clause: Clause, direction: Direction, search: LinkSearch, reach: Reach): Promise<Filter> {
  const rows = clause.values.map(rowOf).filter((row) => row !== null)
  const urls = clause.values.filter((value) => rowOf(value) === null)
  const parts: Filter[] = urls.length === 0 ? [] : [{ ...clause, values: urls }]
  for (const type of new Set(rows.map((row) => row.type))) {
    const ids = rows.filter((row) => row.type === type).map(({ id }) => id)
    parts.push(pointingAt(clause.param, await reached(partOf(type)!, ids, direction, search, reach)))
  }
  return or(parts)
}

/** Rows are asked for so many at a time, so that the index serves them. */
const ROWS_AT_ONCE = 256

/** Each row is met once, so that circles end. */
async function reached(param: SearchParam, ids: readonly string[], direction: Direction, search: LinkSearch, reach: Reach): Promise<readonly Ref[]> {
  const { type } = param
  const met = new Map<string, Ref>()
  let edge = ids.map((id): Ref => ({ type, id }))
  for (const ref of edge) met.set(refText(ref), ref)
  while (edge.length > 0) {
    const fresh: Ref[] = []
    for (let from = 0; from < edge.length; from += ROWS_AT_ONCE) {
      if (reach.searchesLeft-- === 0) throw tooMuch(type, `takes more than ${reach.searchesMax} searches of linked resources (CHAIN_SEARCHES_MAX)`)
      for (const ref of await step(param, edge.slice(from, from + ROWS_AT_ONCE), direction, search, reach)) {
        if (met.has(refText(ref))) continue
        met.set(refText(ref), ref)
        fresh.push(ref)
      }
      if (met.size - ids.length > reach.rowsMax) throw tooMuch(type, `has more than ${reach.rowsMax} resources (CHAIN_MATCHES_MAX)`)
    }
    edge = fresh
  }
  return [...met.values()]
}

async function step(param: SearchParam, edge: readonly Ref[], direction: Direction, search: LinkSearch, { base }: Reach): Promise<readonly Ref[]> {
  const { type, code } = param
  if (direction === 'below') {
    const rows = await search(type, pointingAt(param, edge), [code])
    return rows.map(({ row }) => ({ type, id: row.id }))
  }
  const rows = await search(type, withIds(type, edge.map(({ id }) => id)), [code])
  return rows.flatMap((seen) => values(param, seen.resource())).map((typed) => localTarget(typed, base)).filter((ref) => ref?.type === type).map((ref) => ref!)
}

const tooMuch = (type: string, how: string): Error => fault(422, 'too-costly', `A hierarchy of ${type} resources that the search names ${how}`)

/** The clause that holds for rows of the type with these ids. */
export const withIds = (type: string, ids: readonly string[]): Filter => ids.length === 0 ? { kind: 'none' } : {
  kind: 'clause', param: searchParam(type, '_id')!, modifier: null, values: ids.map((code) => ({ kind: 'token', system: undefined, code }))
}
