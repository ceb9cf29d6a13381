import { vi } from 'vitest'

/** How often others ran during the work, where whoever looks at the clock finds that its time is over. The clock stays so until mocks are restored. */
export async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let time = 0
  vi.spyOn(performance, 'now').mockImplementation(() => (time += 1_000))
  let [turns, working] = [0, true]
  const others = (): void => {
    turns++
    if (working) setImmediate(others)
  }
  setImmediate(others)
  await work()
  working = false
  return turns
}
