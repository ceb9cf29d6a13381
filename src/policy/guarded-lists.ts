/** What operations ask of the store beyond a search: all of a patient, what rows refer to, a choice among all matches. */
import { fault } from '../model/errors.ts'
import type { Ref } from '../model/resource.ts'
import type { FindAsk, GuardedStore, Row, Seen } from '../store/ports.ts'
import type { StagedStore } from '../store/staged-store.ts'
import type { GuardContext, Lens } from './lens.ts'

const ROWS_AT_ONCE = 1000
const REFS_AT_ONCE = 256

/** Those of these rows that are there for the caller, in their order, read a piece at a time as they are asked for. Each piece is short, so the request has one clock for all. */
export async function* seenAt(store: StagedStore, eyes: Lens, refs: readonly Ref[]): AsyncGenerator<Seen> {
  for (let at = 0; at < refs.length; at += REFS_AT_ONCE) {
    for (const row of await store.read(refs.slice(at, at + REFS_AT_ONCE))) {
      const seen = row === undefined || row.deleted ? undefined : eyes.look(row, 'r')
      if (seen !== undefined) yield seen
      const pause = eyes.turn()
      if (pause !== undefined) await pause
    }
  }
}

export function lister(store: StagedStore, eyes: Lens, { scanRecordsMax }: GuardContext, reveal: (seen: Seen) => Seen): Pick<GuardedStore, 'ofPatient' | 'readAll' | 'choose'> {
  return {
    async ofPatient({ patient, keep, after, limit }) {
      const accepted: Seen[] = []
      const accept = (row: Row): boolean => {
        const seen = eyes.glance(row, 's')
        if (seen === undefined || !keep(seen)) return false
        accepted.push(seen)
        return true
      }
      const { rows, next } = await store.findOfPatient({ patient, accept, after, limit })
      // Rows come as they were accepted, but for those that are staged, which stand the other way round.
      return { rows: rows.map((row, at) => reveal(accepted[at]?.row === row ? accepted[at] : eyes.glance(row, 's')!)), next }
    },
    async readAll(refs, keep) {
      const allowed: readonly Ref[] = refs.filter(({ type }) => eyes.has(type, 'r'))
      const found: Seen[] = []
      for await (const seen of seenAt(store, eyes, allowed)) if (keep(seen)) found.push(reveal(seen))
      return found
    },
    async choose(ask, among) {
      const all: Seen[] = []
      for (let after: FindAsk['after'] = null; ;) {
        const found = await store.find(eyes.findAsk({ ...ask, after, limit: ROWS_AT_ONCE }))
        all.push(...found.rows.map((row) => eyes.look(row, 's')!))
        if (all.length > scanRecordsMax) throw fault(422, 'too-costly', 'More than SCAN_RECORDS_MAX rows match: ask for fewer')
        if (found.next === null || found.next.key.length === 0) return among(all).map(reveal)
        after = found.next
      }
    }
  }
}
