/** All records of one patient, of every type, in one order: the postings of the patient's own term. */
import { anyTypeTerm, placesOf } from '../crypto/blind-index.ts'
import { ROWS_AT_ONCE } from './bounds.ts'
import type { Found, PatientAsk, Row, Stored } from './ports.ts'
import type { SealedStoreOptions } from './sealed-options.ts'
import { ROWS_A_LOOK, takingTurns } from '../model/turns.ts'

export async function findOfPatient(options: SealedStoreOptions, openRow: (stored: Stored) => Promise<Row | undefined> | Row | undefined, ask: PatientAsk): Promise<Found> {
  const { records, ring } = options
  await ring.refresh()
  const rows: Row[] = []
  if (ask.limit < 1) return { rows, next: null }
  const query = { type: null, allOf: [[anyTypeTerm(ring, ask.patient)]], noneOf: [], places: placesOf(ring, [ask.patient]), order: 'newest' } as const
  let last: Stored | null = null
  const breath = takingTurns(ROWS_A_LOOK)
  for (let after = ask.after; ;) {
    const page = await records.find(query, { after, limit: Math.min(ROWS_AT_ONCE, Math.max(64, ask.limit + 1 - rows.length)), examine: 2000 })
    // By number: within an async function an iterator makes an object for each.
    for (let at = 0; at < page.records.length; at++) {
      const stored = page.records[at]!
      const pause = breath()
      if (pause !== undefined) await pause
      const opened = openRow(stored)
      const row = opened instanceof Promise ? await opened : opened
      if (row === undefined || row.deleted || !row.patients.includes(ask.patient) || !ask.accept(row)) continue
      if (rows.length === ask.limit) return { rows, next: last === null ? null : { updated: last.updated, key: last.key } }
      rows.push(row)
      last = stored
    }
    if (page.next === null) return { rows, next: null }
    after = page.next
  }
}
