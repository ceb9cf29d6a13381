/** The searching half of the guard. */
import { fault } from '../model/errors.ts'
import type { GuardedStore, SearchAsk, Seen } from '../store/ports.ts'
import type { StagedStore } from '../store/staged-store.ts'
import type { GuardContext, Lens } from './lens.ts'
import { type LinkSearch, resolveLinks } from './resolve-links.ts'

export function searcher(store: StagedStore, eyes: Lens, context: GuardContext, reveal: (seen: Seen) => Seen): Pick<GuardedStore, 'search' | 'count' | 'resolve'> {
  const linked: LinkSearch = async (type, filter, codes) => {
    const found = await store.find(eyes.findAsk({ type, filter, codes, order: 'newest', after: null, limit: context.chainMatchesMax }))
    if (found.next !== null) throw tooMany(type, context.chainMatchesMax)
    return found.rows.map((row) => eyes.look(row, 's')!)
  }
  /** The right to the search itself is judged before any of its links. */
  const resolved = async <Ask extends SearchAsk>(ask: Ask): Promise<Ask> => {
    eyes.searching(ask.type, ask.codes)
    return { ...ask, filter: await resolveLinks(ask.type, ask.filter, linked, context.base) }
  }
  return {
    async search(ask) {
      const found = await store.find(eyes.findAsk(await resolved(ask)))
      return { rows: found.rows.map((row) => reveal(eyes.look(row, 's')!)), next: found.next }
    },
    async count(ask, max) {
      const found = await store.find({ ...eyes.findAsk(await resolved(ask)), after: null, limit: max })
      return { count: found.rows.length, more: found.next !== null }
    },
    resolve: (type, filter) => resolveLinks(type, filter, linked, context.base)
  }
}

const tooMany = (type: string, max: number): Error =>
  fault(422, 'too-costly', `A chained parameter matches more than ${max} resources of type ${type} (CHAIN_MATCHES_MAX)`)
