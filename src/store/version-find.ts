/** Versions of all records of a type: candidates by trail terms, opened, confirmed against the current version of each. */
import { placesOf } from '../crypto/blind-index.ts'
import { fault } from '../model/errors.ts'
import { takingTurns } from '../model/turns.ts'
import { panelTerms } from './blind-query.ts'
import { versionPosition } from './candidates.ts'
import type { Position, Row, Stored, TermQuery, VersionsAsk, VersionsFound } from './ports.ts'
import { inReach } from './reach.ts'
import type { SealedStoreOptions } from './sealed-options.ts'

type OpenRow = (stored: Stored) => Promise<Row | undefined> | Row | undefined

export async function findVersions(options: SealedStoreOptions, openRow: OpenRow, ask: VersionsAsk): Promise<VersionsFound> {
  const { records, ring } = options
  await ring.refresh()
  const { reach } = ask
  const found: { row: Row; position: Position }[] = []
  if (ask.limit < 1 || (reach.kind === 'patients' && reach.patients.length === 0)) return { found, more: false }
  const allOf = reach.kind === 'all' ? [] : [panelTerms(ring, ask.type, reach.patients)]
  const before = Math.min(ask.before, ask.at?.before ?? Infinity)
  const updated = { ...(ask.from > 0 ? { from: ask.from } : {}), ...(before < Infinity ? { before } : {}) }
  // A version lies where its record does, and is shown only to who may see that: the patients that the record names now.
  const places = reach.kind === 'all' ? {} : { places: placesOf(ring, reach.patients) }
  const query: TermQuery = { type: ask.type, allOf, noneOf: [], order: ask.order, updated, ...places }
  let refused = 0
  const breath = ask.turn ?? takingTurns()
  for (let after = ask.after; ;) {
    const page = await records.findVersions(query, { after, limit: Math.min(256, ask.limit + 1), examine: 2000 })
    const currents = await records.get([...page.records.map(({ key }) => key)])
    for (const [at, stored] of page.records.entries()) {
      const pause = breath()
      if (pause !== undefined) await pause
      const row = await openRow(stored)
      const current = currents[at]
      if (row === undefined || current === undefined || row.type !== ask.type || !inReach(reach, row)) continue
      const now = current.version === row.version ? row : await openRow(current)
      if (now === undefined || !ask.accept(row, now)) continue
      if (!(await wasCurrent(options, ask, stored, current))) {
        if (++refused > ask.scanRecordsMax) throw fault(422, 'too-costly', "SCAN_RECORDS_MAX was passed: '_at' of a whole type or system looks through all that is older; ask by '_since' or of one resource")
        continue
      }
      if (found.length === ask.limit) return { found, more: true }
      found.push({ row, position: versionPosition(stored) })
    }
    if (page.next === null) return { found, more: false }
    after = page.next
  }
}

/** A version is current from its own time until that of the next. */
async function wasCurrent({ records }: SealedStoreOptions, { at }: VersionsAsk, stored: Stored, current: Stored): Promise<boolean> {
  if (at === null || stored.updated >= at.from || stored.version === current.version) return true
  const next = await records.version(stored.key, stored.version + 1)
  return next !== undefined && next.updated > at.from
}
