import { rmSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { newPlace, pause, startChild } from '../child.ts'
import { ask, children, heldBy } from './workers-cases.ts'

describe('the start of several processes', () => {
  test('that cannot be is one line and exit code 78', async () => {
    const place = await newPlace({ WORKERS: '2', POLICY_FILE: '/nowhere/policies.json' })
    const failed = await startChild(place).then(() => 'started', (error: Error) => error.message)
    expect(failed.split('\n').filter((line) => !line.includes('keys') && line !== '')).toEqual([expect.stringMatching(/wardkeep: .*\/nowhere\/policies\.json$/)])
    rmSync(place.dir, { recursive: true, force: true })
  })
})

describe('RATE_LIMIT', () => {
  test('holds over all processes together, but for what they take in a tenth of a second', async () => {
    const limit = 300
    const place = await newPlace({ WORKERS: '3', RATE_LIMIT: String(limit) })
    const server = await startChild(place)
    const statuses: number[] = []
    while ((await children(server.process.pid!)).length < 3) await pause(50)
    const pids = await children(server.process.pid!)
    for (let round = 0; round < 36; round++) {
      const answers = await heldBy(pids[round % 3]!, pids, () => Promise.all(Array.from({ length: 20 }, () => ask(server.base, null, 'GET', 'Patient'))), 5000)
      statuses.push(...answers.map(({ status }) => status))
    }
    const passed = statuses.filter((status) => status === 401).length
    expect([...new Set(statuses)].sort()).toEqual([401, 429])
    expect(passed).toBeGreaterThanOrEqual(limit)
    expect(passed).toBeLessThan(limit + 300)
    await server.stop()
    rmSync(place.dir, { recursive: true, force: true })
  })
})
