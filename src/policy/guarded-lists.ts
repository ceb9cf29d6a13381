/** What operations ask of the store beyond a search: all of a patient, what rows refer to, a choice among all matches. */
import { fault } from '../model/errors.ts'
import type { Ref } from '../model/resource.ts'
import type { FindAsk, GuardedStore, Row, Seen } from '../store/ports.ts'
import type { StagedStore } from '../store/staged-store.ts'
import type { GuardContext, Lens } from './lens.ts'

const ROWS_AT_ONCE = 1000

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
      const rows = allowed.length === 0 ? [] : await store.read(allowed)
      return rows.flatMap((row) => {
        const seen = row === undefined || row.deleted ? undefined : eyes.look(row, 'r')
        return seen !== undefined && keep(seen) ? [reveal(seen)] : []
      })
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
