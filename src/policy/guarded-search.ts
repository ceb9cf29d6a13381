/** The searching half of the guard. */
import { fault } from '../model/errors.ts'
import { sortInTurns, type Turn } from '../model/turns.ts'
import { compareValues, type SortPlace, sortValues } from '../search/sort.ts'
import type { GuardedStore, Position, Row, SearchAsk, Seen, SortedAsk } from '../store/ports.ts'
import { NO_POSITION, type StagedStore } from '../store/staged-store.ts'
import type { GuardContext, Lens } from './lens.ts'
import type { LinkSearch, Reach } from './resolve-hierarchies.ts'
import { resolveLinks } from './resolve-links.ts'

type Searcher = Pick<GuardedStore, 'search' | 'searchAll' | 'sorted' | 'count' | 'resolve'>

export function searcher(store: StagedStore, eyes: Lens, context: GuardContext, reveal: (seen: Seen) => Seen): Searcher {
  const shown = (row: Row): Seen => eyes.look(row, 's')!
  const linked: LinkSearch = async (type, filter, codes) => {
    const found = await store.find(eyes.findAsk({ type, filter, codes, order: 'newest', after: null, limit: context.chainMatchesMax }))
    if (found.next !== null) throw fault(422, 'too-costly', `A chained parameter matches more than ${context.chainMatchesMax} resources of type ${type} (CHAIN_MATCHES_MAX)`)
    return found.rows.map(shown)
  }
  const reach = (): Reach => ({ base: context.base, rowsMax: context.chainMatchesMax, searchesMax: context.chainSearchesMax, searchesLeft: context.chainSearchesMax, turn: eyes.turn })
  /** The right to the search itself is judged before any of its links. */
  const resolved = async <Ask extends Pick<SearchAsk, 'type' | 'filter' | 'codes'>>(ask: Ask): Promise<Ask> => {
    eyes.searching(ask.type, ask.codes)
    return { ...ask, filter: await resolveLinks(ask.type, ask.filter, linked, reach()) }
  }
  return {
    async search(ask) {
      const { back = false, after, order } = ask
      const asked = eyes.findAsk(await resolved(ask))
      if (!back) {
        const found = await store.find(asked)
        const [first] = found.rows
        return { rows: found.rows.map(shown).map(reveal), next: found.next, previous: after === null || first === undefined ? null : store.position(first) }
      }
      const found = await store.find({ ...asked, order: order === 'newest' ? 'oldest' : 'newest' })
      const rows = found.rows.toReversed()
      const [first, last] = [rows[0], rows.at(-1)]
      return {
        rows: rows.map(shown).map(reveal),
        next: last === undefined ? null : store.position(last),
        previous: found.next === null || first === undefined ? null : store.position(first)
      }
    },
    async searchAll(asks) {
      const [{ back = false, after = null, order = 'newest', limit = 0 } = {} as Partial<SearchAsk>] = asks
      const newest = (order === 'newest') !== back
      const all: { readonly row: Row; readonly position: Position }[] = []
      let more = false
      for (const ask of asks) {
        const found = await store.find({ ...eyes.findAsk(await resolved(ask)), order: newest ? 'newest' : 'oldest' })
        for (const row of found.rows) all.push({ row, position: store.position(row) })
        more ||= found.next !== null
        // Most of all types have nothing, and their searches are too short to let others in by themselves.
        const pause = eyes.turn()
        if (pause !== undefined) await pause
      }
      all.sort((a, b) => (newest ? -1 : 1) * (a.position.updated - b.position.updated || Buffer.compare(a.position.key, b.position.key)))
      more ||= all.length > limit
      const page = back ? all.slice(0, limit).toReversed() : all.slice(0, limit)
      const [first, last] = [page[0]?.position ?? null, page.at(-1)?.position ?? null]
      // What is staged has no place yet that a later request could go on from.
      const next = back || more ? (store.clean() ? last : NO_POSITION) : null
      return { rows: page.map(({ row }) => reveal(shown(row))), next, previous: back ? (more ? first : null) : after === null ? null : first }
    },
    async sorted(ask) {
      const asked = eyes.findAsk({ ...(await resolved(ask)), order: 'newest', after: null, limit: context.sortRecordsMax })
      const found = await store.find(asked)
      if (found.next !== null) throw fault(422, 'too-costly', `A search may sort ${context.sortRecordsMax} resources by a parameter (SORT_RECORDS_MAX): narrow it, or sort by _lastUpdated`)
      const all = await placed(found.rows.map(shown), ask, context, eyes.turn)
      const page = cut(all, ask)
      return { ...page, rows: page.rows.map(reveal), count: all.length }
    },
    async count(ask, max) {
      const found = await store.find({ ...eyes.findAsk(await resolved(ask)), after: null, limit: max })
      return { count: found.rows.length, more: found.next !== null }
    },
    resolve: (type, filter) => resolveLinks(type, filter, linked, reach())
  }
}

interface Placed { readonly seen: Seen; readonly place: SortPlace }

/** In order. The values are read from what the caller sees, so that nothing hidden shows in the order. */
async function placed(rows: readonly Seen[], { keys }: SortedAsk, { base }: GuardContext, turn: Turn): Promise<readonly Placed[]> {
  const all: Placed[] = []
  for (const seen of rows) {
    const { updated, id } = seen.row
    all.push({ seen, place: { values: sortValues(keys, seen.resource(), { base, updated }), updated, id } })
    const pause = turn()
    if (pause !== undefined) await pause
  }
  return sortInTurns(all, (a, b) => comparePlaces(keys, a.place, b.place))
}

/** Rows that are ordered alike: the newest first, then by id. */
function comparePlaces(keys: SortedAsk['keys'], a: SortPlace, b: SortPlace): number {
  return compareValues(keys, a.values, b.values) || b.updated - a.updated || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}

function cut(all: readonly Placed[], { keys, after, back = false, limit }: SortedAsk): { readonly rows: readonly Seen[]; readonly next: SortPlace | null; readonly previous: SortPlace | null } {
  const from = after === null ? 0 : all.findIndex(({ place }) => comparePlaces(keys, place, after) > 0)
  const behind = from < 0 ? all.length : from
  const before = after === null ? 0 : all.findIndex(({ place }) => comparePlaces(keys, place, after) >= 0)
  const end = back ? (before < 0 ? all.length : before) : Math.min(all.length, behind + limit)
  const start = back ? Math.max(0, end - limit) : behind
  const page = all.slice(start, end)
  return {
    rows: page.map(({ seen }) => seen),
    next: end < all.length ? page.at(-1)?.place ?? null : null,
    previous: start > 0 ? page[0]?.place ?? null : null
  }
}
