/**
 * Chains, `_has` and hierarchies as plain clauses: a search of the linked type, as its caller would make it, takes the place of each. What the caller may
 * not see of the linked rows can neither be followed nor pointed at (docs/adr/0004).
 */
import { FhirError } from '../model/errors.ts'
import type { Ref } from '../model/resource.ts'
import { values } from '../search/parameters.ts'
import { and, codesOf, type Filter, or, type SearchParam } from '../search/query.ts'
import { localTarget, pointingAt } from '../search/types/reference.ts'
import type { Seen } from '../store/ports.ts'
import { directionOf, type LinkSearch, type Reach, resolveHierarchy, withIds } from './resolve-hierarchies.ts'

/** The filter with no links left in it: the one place where they are followed. */
export async function resolveLinks(type: string, filter: Filter, search: LinkSearch, reach: Reach): Promise<Filter> {
  return hasLinks(filter) ? new Resolver(search, reach).resolve(type, filter) : filter
}

const hasLinks = (filter: Filter): boolean => {
  switch (filter.kind) {
    case 'chain': case 'has': return true
    case 'and': case 'or': return filter.of.some(hasLinks)
    case 'not': return hasLinks(filter.of)
    case 'clause': return directionOf(filter) !== null
    default: return false
  }
}

class Resolver {
  readonly #search: LinkSearch
  readonly #reach: Reach

  constructor(search: LinkSearch, reach: Reach) {
    this.#search = search
    this.#reach = reach
  }

  /** `ids`: the rows of the type that can match at all, where a conjunct beside the filter says so. */
  async resolve(type: string, filter: Filter, ids: readonly Ref[] | null = null): Promise<Filter> {
    switch (filter.kind) {
      case 'and': return and(await this.#each(type, filter.of, idsAmong(type, filter.of) ?? ids))
      case 'or': return or(await this.#each(type, filter.of, ids))
      case 'not': return { kind: 'not', of: await this.resolve(type, filter.of) }
      case 'chain': return this.#chain(filter)
      case 'has': return this.#has(type, filter, ids)
      case 'clause': {
        const direction = directionOf(filter)
        return direction === null ? filter : resolveHierarchy(filter, direction, this.#search, this.#reach)
      }
      default: return filter
    }
  }

  /** None is left out when another already says no: what a caller is refused must not depend on rows. */
  async #each(type: string, filters: readonly Filter[], ids: readonly Ref[] | null): Promise<readonly Filter[]> {
    const resolved: Filter[] = []
    for (const each of filters) resolved.push(await this.resolve(type, each, ids))
    return resolved
  }

  /** Types that the caller may not search by this are left out, as long as one is left. */
  async #chain({ param, targets }: Extract<Filter, { kind: 'chain' }>): Promise<Filter> {
    const parts: Filter[] = []
    let refused: FhirError | null = null
    let allowed = 0
    for (const target of targets) {
      try {
        const filter = await this.resolve(target.type, target.filter)
        const rows = await this.#search(target.type, filter, codesOf(target.filter))
        parts.push(pointingAt(param, rows.map(({ row }) => ({ type: row.type, id: row.id }))))
        allowed += 1
      } catch (error) {
        if (!(error instanceof FhirError) || error.status !== 403) throw error
        refused ??= error
      }
    }
    if (allowed === 0 && refused !== null) throw refused
    return or(parts)
  }

  async #has(type: string, { param, of }: Extract<Filter, { kind: 'has' }>, ids: readonly Ref[] | null): Promise<Filter> {
    const inner = await this.resolve(param.type, of)
    const filter = ids === null ? inner : and([pointingAt(param, ids), inner])
    const rows = await this.#search(param.type, filter, [param.code, ...codesOf(of)])
    return withIds(type, await this.#pointedAt(type, param, rows))
  }

  async #pointedAt(type: string, param: SearchParam, rows: readonly Seen[]): Promise<readonly string[]> {
    const ids = new Set<string>()
    for (const seen of rows) {
      for (const typed of values(param, seen.resource())) {
        const target = localTarget(typed, this.#reach.base)
        if (target?.type === type) ids.add(target.id)
      }
      const pause = this.#reach.turn()
      if (pause !== undefined) await pause
    }
    return [...ids]
  }
}

function idsAmong(type: string, filters: readonly Filter[]): readonly Ref[] | null {
  for (const filter of filters) {
    if (filter.kind !== 'clause' || filter.param.code !== '_id' || filter.modifier !== null) continue
    const ids = filter.values.map((value) => (value.kind === 'token' ? value.code : null))
    if (ids.every((id) => id !== null)) return ids.map((id) => ({ type, id }))
  }
  return null
}
