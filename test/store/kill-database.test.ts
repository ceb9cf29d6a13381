import { describe, expect, test } from 'vitest'
import { killRuns } from './kill-run.ts'
import { DURABLY, standIn } from './mongo-place.ts'

/** 20 by hand: `node test/store/kill-run.ts 20 1 database`. */
const DATABASE_KILLS = 2

// A database that is not ours is not killed: the stand-in is, whatever MONGODB_URI names.
const database = await standIn(DURABLY)

describe.skipIf(database.missing !== null)(`a database that is killed under load${database.missing === null ? '' : `: skipped, ${database.missing}`}`, () => {
  test('loses no acknowledged write, leaves no half transaction and no double, disclosed nothing without a record, and the server finds it again by itself', { timeout: 300_000 }, async () => {
    const report = await killRuns(DATABASE_KILLS, Date.now() % 1_000_000, undefined, database)
    await database.end()
    expect(report.faults).toEqual([])
    expect([report.kills, report.verify.startsWith('0 ok')]).toEqual([DATABASE_KILLS, true])
    expect(Math.min(report.answered, report.acknowledgedWrites)).toBeGreaterThan(DATABASE_KILLS)
    expect(report.putOff + report.inFlight).toBeGreaterThan(0)
  })
})
