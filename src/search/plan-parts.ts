import type { Filter, Plan, TermAsk } from './query.ts'

export type Clause = Extract<Filter, { kind: 'clause' }>
export type Asks = readonly TermAsk[]

/** What one part of a filter can do, before it is combined. */
export type Part = Plan

export const FREE: Part = { empty: false, ids: null, patients: null, conjuncts: [], updated: null, unindexed: [] }
export const EMPTY: Part = { ...FREE, empty: true }
export const unindexed = (codes: readonly string[]): Part => ({ ...FREE, unindexed: codes })

/**
 * AND: every restriction holds. A record may name several patients, so `subject=Patient/1&performer=Patient/2` is no contradiction: of
 * several lists of patients, which are any-of, the shortest is kept.
 */
export function intersect(parts: readonly Part[]): Part {
  return {
    empty: parts.some(({ empty }) => empty),
    ids: common(parts.map(({ ids }) => ids)),
    patients: shortest(parts.map(({ patients }) => patients)),
    conjuncts: parts.flatMap(({ conjuncts }) => conjuncts),
    updated: parts.reduce<Plan['updated']>((all, { updated }) => narrower(all, updated), null),
    unindexed: parts.flatMap((part) => part.unindexed)
  }
}

/** OR: only what every branch restricts in the same way; `codes` are named where nothing is left. */
export function unite(branches: readonly Part[], codes: readonly string[], affordable: (asks: Asks) => boolean): Part {
  const parts = branches.filter(({ empty }) => !empty)
  if (parts.length === 0) return EMPTY
  const shared = [sharedConjunct(parts, 'population'), sharedConjunct(parts, 'patient')]
  const conjunct = shared.find((asks) => asks !== null && affordable(asks)) ?? null
  const united: Part = {
    empty: false,
    ids: allOrNone(parts.map(({ ids }) => ids)),
    patients: allOrNone(parts.map(({ patients }) => patients)),
    conjuncts: conjunct === null ? [] : [conjunct],
    updated: parts.slice(1).reduce((all, { updated }) => wider(all, updated), parts[0]!.updated),
    unindexed: []
  }
  const { ids, patients, updated } = united
  return conjunct === null && ids === null && patients === null && updated === null ? unindexed(codes) : united
}

/** One conjunct of that level from each branch, the smallest, together; null where a branch has none. */
function sharedConjunct(parts: readonly Part[], level: TermAsk['level']): Asks | null {
  const united: TermAsk[] = []
  for (const { conjuncts } of parts) {
    const own = conjuncts.filter((asks) => asks[0]?.level === level).sort((a, b) => a.length - b.length)[0]
    if (own === undefined) return null
    united.push(...own)
  }
  return united
}

/** The shortest list; null where there is none. */
function shortest<T>(lists: readonly (readonly T[] | null)[]): readonly T[] | null {
  return lists.reduce((best, list) => (best === null || (list !== null && list.length < best.length) ? list : best), null)
}

/** A record has one id, so lists of ids intersect. */
function common(lists: readonly (readonly string[] | null)[]): readonly string[] | null {
  const named = lists.filter((list) => list !== null)
  return named.length === 0 ? null : named.reduce((all, list) => all.filter((each) => list.includes(each)))
}

function allOrNone<T>(lists: readonly (readonly T[] | null)[]): readonly T[] | null {
  return lists.some((list) => list === null) ? null : [...new Set(lists.flatMap((list) => list ?? []))]
}

function narrower(a: Plan['updated'], b: Plan['updated']): Plan['updated'] {
  if (a === null || b === null) return a ?? b
  return bounds(Math.max(a.from ?? -Infinity, b.from ?? -Infinity), Math.min(a.before ?? Infinity, b.before ?? Infinity))
}

function wider(a: Plan['updated'], b: Plan['updated']): Plan['updated'] {
  if (a === null || b === null) return null
  return bounds(Math.min(a.from ?? -Infinity, b.from ?? -Infinity), Math.max(a.before ?? Infinity, b.before ?? Infinity))
}

const bounds = (from: number, before: number): Plan['updated'] =>
  from === -Infinity && before === Infinity ? null : { ...(from > -Infinity ? { from } : {}), ...(before < Infinity ? { before } : {}) }
