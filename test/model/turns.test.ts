import { afterEach, expect, test, vi } from 'vitest'
import { sortInTurns, takingShortTurns, takingTurns } from '../../src/model/turns.ts'

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

test('work that nobody waits for has short turns, and longer ones where others take long', async () => {
  let time = 0
  vi.spyOn(performance, 'now').mockImplementation(() => time)
  const turn = takingShortTurns()
  /** ms of work until others are let in; meanwhile they take some ms. */
  const worked = async (othersMs: number): Promise<number> => {
    for (let ms = 0; ; ms++, time++) {
      const pause = turn()
      if (pause === undefined) continue
      time += othersMs
      await pause
      return ms
    }
  }
  expect([await worked(0), await worked(6), await worked(500), await worked(0), await worked(0)]).toEqual([3, 3, 7, 11, 3])
})

test('the time is looked at after so many pieces as are said', async () => {
  let time = 0
  vi.spyOn(performance, 'now').mockImplementation(() => (time += 1_000))
  const turn = takingTurns(3)
  expect([turn(), turn()]).toEqual([undefined, undefined])
  await expect(turn()).resolves.toBe(undefined)
  expect([turn(), turn()]).toEqual([undefined, undefined])
})
