import { afterEach, expect, test, vi } from 'vitest'
import { sortInTurns } from '../../src/model/turns.ts'

afterEach(() => { vi.restoreAllMocks() })

test('a sort of many lets others run also while it merges its last two halves, and keeps what is equal as it stood', async () => {
  let time = 0
  // Whoever looks at the clock finds that its time is over.
  vi.spyOn(performance, 'now').mockImplementation(() => (time += 1_000))
  let [since, longest] = [0, 0]
  const compare = (a: readonly [number, number], b: readonly [number, number]): number => {
    longest = Math.max(longest, ++since)
    return a[0] - b[0]
  }
  let sorting = true
  const others = (): void => {
    since = 0
    if (sorting) setImmediate(others)
  }
  setImmediate(others)
  const items = Array.from({ length: 20_000 }, (_, i) => [Math.floor(i / 2), i] as const)
  // Two orders that are sorted already, interleaved: each run is quickly sorted, and each merge is of all.
  const given = [...items.filter(([, i]) => i % 3 === 0), ...items.filter(([, i]) => i % 3 !== 0)]
  const sorted = await sortInTurns(given, compare)
  sorting = false
  expect(sorted).toEqual(given.toSorted((a, b) => a[0] - b[0]))
  expect(longest).toBeGreaterThan(100)
  expect(longest).toBeLessThan(2_000)
})
