/**
 * `_include` and `_revinclude`: rows beside the matches. Each candidate is read, or searched, as its caller would, before anything is counted:
 * what the caller may not see is neither included nor does it use up a bound.
 */
import { fault } from '../model/errors.ts'
import { type Ref, refText } from '../model/resource.ts'
import { eachInTurns } from '../model/turns.ts'
import { searchParams, values } from '../search/parameters.ts'
import type { Include, SearchParam } from '../search/query.ts'
import { localTarget, mayPointTo, pointingAt, referenceTargets } from '../search/types/reference.ts'
import type { GuardedStore, Seen } from '../store/ports.ts'
import type { StagedStore } from '../store/staged-store.ts'
import { hiddenBy } from './grants.ts'
import { seenAt } from './guarded-lists.ts'
import type { GuardContext, Lens } from './lens.ts'

export function includer(store: StagedStore, eyes: Lens, context: GuardContext, reveal: (seen: Seen) => Seen): Pick<GuardedStore, 'requireIncludes' | 'included'> {
  /** What the rows point at by any of these includes, in their order. `max`: rows that the caller sees before it is too much. */
  const pointed = async (from: readonly Seen[], includes: readonly Include[], known: ReadonlyMap<string, Seen>, max: number): Promise<readonly Seen[]> => {
    const refs = new Map<string, Ref>()
    for (const { source, param, target } of includes) {
      const texts = new Set<string>()
      await eachInTurns(from, eyes.turn, (seen) => {
        if (source !== null && source !== seen.row.type) return
        for (const ref of referencesOf(seen, param === null ? referenceParams(seen.row.type) : [param], texts, context.base)) {
          const name = refText(ref)
          if ((target === null || target === ref.type) && !known.has(name) && !refs.has(name) && eyes.has(ref.type, 'r')) refs.set(name, ref)
        }
      })
    }
    const found: Seen[] = []
    for await (const seen of seenAt(store, eyes, [...refs.values()])) if (found.push(seen) > max) throw tooMany(context)
    return found
  }
  /** `max`: new rows and known ones that may point here before it is too much. */
  const pointing = async (to: readonly Seen[], { source, param, target }: Include, max: number): Promise<readonly Seen[]> => {
    const found: Seen[] = []
    for (const [type, refs] of byType(to)) {
      if (target !== null && target !== type) continue
      for (const one of param === null ? usable(source!) : [param]) {
        for (let at = 0; at < refs.length && mayPointTo(one, type); at += REFS_AT_ONCE) {
          const filter = pointingAt(one, refs.slice(at, at + REFS_AT_ONCE))
          const ask = eyes.findAsk({ type: source!, filter, codes: [one.code], order: 'newest', after: null, limit: max })
          const { rows, next } = await store.find({ ...ask, accept: (row) => (eyes.look(row, 'r') === undefined ? null : ask.accept(row)) })
          if (next !== null) throw tooMany(context)
          found.push(...rows.flatMap((row) => eyes.look(row, 'r') ?? []))
        }
      }
    }
    return found
  }
  /** Reference parameters of a type that read anything the caller sees. */
  const usable = (type: string): readonly SearchParam[] => {
    const grants = eyes.require(type, 's')
    return referenceParams(type).filter((param) => !hiddenBy(grants, param))
  }
  return {
    requireIncludes(type, includes) {
      for (const include of includes) requireInclude(eyes, type, include)
    },
    async included(page, includes) {
      const known = new Map(page.map((seen) => [refText(seen.row), seen]))
      const included: Seen[] = []
      let from = page
      for (let round = 0; from.length > 0; round++) {
        const fresh: Seen[] = []
        const take = (found: readonly Seen[]): void => {
          for (const seen of found) {
            if (known.has(refText(seen.row))) continue
            known.set(refText(seen.row), seen)
            fresh.push(seen)
          }
          if (included.length + fresh.length > context.includedRecordsMax) throw tooMany(context)
        }
        const asked = includes.filter(({ iterate }) => round === 0 || iterate)
        take(await pointed(from, asked.filter(({ reverse }) => !reverse), known, context.includedRecordsMax - included.length))
        for (const include of asked) {
          if (include.reverse) take(await pointing(from, include, context.includedRecordsMax - included.length - fresh.length + known.size))
        }
        included.push(...fresh)
        from = fresh
      }
      return included.map(reveal)
    }
  }
}

/** References of so many rows are asked for in one search. */
const REFS_AT_ONCE = 256

const tooMany = ({ includedRecordsMax }: GuardContext): Error =>
  fault(422, 'too-costly', `A page may include ${includedRecordsMax} resources (INCLUDED_RECORDS_MAX): ask for fewer matches with '_count'`)

/**
 * What is named must be allowed: the parameter on its own type, and a target. Where nothing is named (`*`, a reference to several types),
 * what the caller may not read is left out.
 */
function requireInclude(eyes: Lens, type: string, { reverse, source, param, target }: Include): void {
  if (reverse) {
    eyes.require(source!, 'r')
    eyes.searching(source!, param === null ? [] : [param.code])
    return
  }
  if (param !== null) {
    const grants = source === type ? eyes.require(type, 's') : eyes.require(param.type, 'r')
    if (hiddenBy(grants, param)) throw fault(403, 'forbidden', `The search parameter '${param.code}' reads elements that are hidden from this role`)
  }
  const targets = target !== null ? [target] : param === null ? [] : referenceTargets(param)
  if (targets.length > 0 && !targets.some((each) => eyes.has(each, 'r'))) eyes.require(targets[0]!, 'r')
}

const referenceParams = (type: string): readonly SearchParam[] => searchParams(type).filter(({ kind, expression }) => kind === 'reference' && expression !== '')

/** As the caller sees the row: a reference that is hidden leads nowhere. `texts` were read before: rows of a page point at few others. */
function referencesOf(seen: Seen, params: readonly SearchParam[], texts: Set<string>, base: string): readonly Ref[] {
  const resource = seen.resource()
  const refs: Ref[] = []
  for (const param of params) {
    for (const typed of values(param, resource)) {
      const { reference } = typed.value as { readonly reference?: unknown }
      if (typed.type === 'Reference' && typeof reference === 'string') {
        if (texts.has(reference)) continue
        texts.add(reference)
      }
      const ref = localTarget(typed, base)
      if (ref !== null) refs.push(ref)
    }
  }
  return refs
}

function byType(rows: readonly Seen[]): ReadonlyMap<string, readonly Ref[]> {
  const groups = new Map<string, Ref[]>()
  for (const { row: { type, id } } of rows) {
    const group = groups.get(type)
    if (group === undefined) groups.set(type, [{ type, id }])
    else group.push({ type, id })
  }
  return groups
}
