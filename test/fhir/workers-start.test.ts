import { rmSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { askAt, newPlace, startChild } from '../child.ts'

describe('the start of several processes', () => {
  test('that cannot be is one line and exit code 78', async () => {
    const place = await newPlace({ WORKERS: '2', POLICY_FILE: '/nowhere/policies.json' })
    const failed = await startChild(place).then(() => 'started', (error: Error) => error.message)
    expect(failed.split('\n').filter((line) => line.includes('wardkeep:'))).toEqual([expect.stringContaining('/nowhere/policies.json')])
    rmSync(place.dir, { recursive: true, force: true })
  })
})

describe('RATE_LIMIT', () => {
  test('holds over all processes together, but for what they take in a tenth of a second', async () => {
    const limit = 300
    const place = await newPlace({ WORKERS: '3', RATE_LIMIT: String(limit) })
    const server = await startChild(place)
    const statuses: number[] = []
    for (let round = 0; round < 35; round++) {
      // 20 connections at once, so that each process gets some.
      statuses.push(...(await Promise.all(Array.from({ length: 20 }, () => askAt(server.base, null, 'GET', 'Patient')))).map(({ status }) => status))
    }
    const passed = statuses.filter((status) => status === 401).length
    expect([...new Set(statuses)].sort()).toEqual([401, 429])
    expect(passed).toBeGreaterThanOrEqual(limit)
    expect(passed).toBeLessThan(limit + 300)
    await server.stop()
    rmSync(place.dir, { recursive: true, force: true })
  })
})
