/** Work on one thread that lets others run in between. */

/** Milliseconds of work after which others have their turn: for somebody who waits, and for nobody. */
const WORK_MS = 10
const BACKGROUND_MS = 2

/** To be called between two pieces of work: a promise to wait for where others should run, else undefined. */
export type Turn = () => Promise<unknown> | undefined

/** Rows that are only looked at or copied, some microseconds each, after which the time is looked at. */
export const ROWS_A_LOOK = 16

/**
 * One for all the work of a request: many pieces, each of them short, are long together. `every`: pieces after which the time is looked at,
 * more than one only where each is a matter of microseconds.
 */
export const takingTurns = (every = 1): Turn => turnsOf(WORK_MS, every)

/** Of work that nobody waits for: whoever comes meanwhile waits for little of it, and a busy server, whose turns are long, gets it done all the same. */
export const takingShortTurns = (every = 1): Turn => turnsOf(BACKGROUND_MS, every)

/** A turn is as long as the others took before it, within the least and WORK_MS. */
function turnsOf(leastMs: number, every: number): Turn {
  let last = performance.now()
  let left = every
  let workMs = leastMs
  return () => {
    left -= 1
    if (left > 0) return undefined
    left = every
    const now = performance.now()
    if (now - last <= workMs) return undefined
    return new Promise(setImmediate).then(() => {
      last = performance.now()
      workMs = Math.min(WORK_MS, Math.max(leastMs, last - now))
    })
  }
}

/** Does the work for each item in order, in turns. */
export async function eachInTurns<T>(items: Iterable<T>, turn: Turn, work: (item: T) => void | Promise<void>): Promise<void> {
  for (const item of items) {
    const done = work(item)
    if (done !== undefined) await done
    const pause = turn()
    if (pause !== undefined) await pause
  }
}

/** A sorted copy, as `toSorted` makes it, in turns. Items that compare as equal stay as they stood. */
export async function sortInTurns<T>(items: readonly T[], compare: (a: T, b: T) => number, turn = takingTurns()): Promise<T[]> {
  let runs: T[][] = []
  for (let from = 0; from < items.length; from += RUN) {
    runs.push(items.slice(from, from + RUN).sort(compare))
    const pause = turn()
    if (pause !== undefined) await pause
  }
  while (runs.length > 1) {
    const longer: T[][] = []
    for (let at = 0; at < runs.length; at += 2) {
      longer.push(runs[at + 1] === undefined ? runs[at]! : await merge(runs[at]!, runs[at + 1]!, compare, turn))
      const pause = turn()
      if (pause !== undefined) await pause
    }
    runs = longer
  }
  return runs[0] ?? []
}

const RUN = 512

async function merge<T>(a: readonly T[], b: readonly T[], compare: (a: T, b: T) => number, turn: Turn): Promise<T[]> {
  const merged: T[] = []
  let [i, j] = [0, 0]
  while (i < a.length && j < b.length) {
    merged.push(compare(a[i]!, b[j]!) <= 0 ? a[i++]! : b[j++]!)
    const pause = merged.length % RUN === 0 ? turn() : undefined
    if (pause !== undefined) await pause
  }
  while (i < a.length) merged.push(a[i++]!)
  while (j < b.length) merged.push(b[j++]!)
  return merged
}
