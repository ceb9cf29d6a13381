import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { verifyLedger } from '../../src/audit/verify.ts'
import { accessRecord } from '../../src/audit/record.ts'
import { type Bench, openBench, reading } from './bench.ts'

let bench: Bench
beforeEach(async () => { bench = await openBench() })
afterEach(() => bench.close())

const LEASE_MS = 15_000

describe('the log of a process that died', () => {
  it('is continued by another one, each time anew, also where it went on by itself in between', async () => {
    const errors: unknown[] = []
    const server = await bench.ledger({ slot: 'server-1', failed: (error) => errors.push(error) })
    for (let round = 0; round < 3; round++) {
      const command = await bench.ledger({ slot: 'cli' })
      await command.append(accessRecord(reading('42', `o-${round}`)))
      // It dies here: nothing is closed, and its lease ends by itself.
      bench.clock.ms += LEASE_MS + 1
      await server.sequence()
    }
    expect(errors).toEqual([])
    expect(await verifyLedger(bench)).toMatchObject({ ok: true, waiting: 0 })
    await server.close()
  })

  it('that goes on in a slot it lost meanwhile continues the log where the other left it', async () => {
    const errors: unknown[] = []
    const slow = await bench.ledger({ slot: 'server-1', failed: (error) => errors.push(error) })
    await slow.append(accessRecord(reading('42', 'o-1')))
    await slow.sequence()
    bench.clock.ms += LEASE_MS + 1
    const other = await bench.ledger({ slot: 'server-1' })
    await other.append(accessRecord(reading('42', 'o-2')))
    await other.close()
    await slow.append(accessRecord(reading('42', 'o-3')))
    await slow.sequence()
    await slow.close()
    expect(errors).toEqual([])
    expect(await verifyLedger(bench)).toMatchObject({ ok: true, waiting: 0 })
  })

  it('is read again by a process whose clock is behind that of the one which continued it', async () => {
    const errors: unknown[] = []
    const first = await bench.ledger({ slot: 'server-1', failed: (error) => errors.push(error) })
    await first.append(accessRecord(reading('42', 'o-1')))
    await first.sequence()
    bench.clock.ms += LEASE_MS + 1
    const other = await bench.ledger({ slot: 'server-1' })
    await other.append(accessRecord(reading('42', 'o-2')))
    await other.close()
    bench.clock.ms -= LEASE_MS + 1
    await first.append(accessRecord(reading('42', 'o-3')))
    await first.sequence()
    await first.close()
    expect(errors).toEqual([])
    expect(await verifyLedger(bench)).toMatchObject({ ok: true, waiting: 0 })
  })
})
