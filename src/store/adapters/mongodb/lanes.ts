/** What still runs under a name: the last that has it alone, and those after it that share it. */
interface Lane { readonly exclusive: Promise<unknown> | null; readonly shared: readonly Promise<unknown>[] }

const EMPTY: Lane = { exclusive: null, shared: [] }

/** Commits of one process that run at a time. */
const AT_ONCE = 16

export interface Lanes {
  /** Runs the work after all earlier work that shares a name with it (where only `shared` names meet, at once). */
  run<T>(names: { readonly exclusive: readonly string[]; readonly shared: readonly string[] }, work: () => Promise<T>): Promise<T>
  /** Resolves when nothing runs or waits. */
  idle(): Promise<void>
}

/** Lets commits of one process take effect in the order called where they touch the same thing, and side by side where they do not. */
export function makeLanes(atOnce = AT_ONCE): Lanes {
  const lanes = new Map<string, Lane>()
  const all = new Set<Promise<unknown>>()
  const turn = makeTurns(atOnce)
  return {
    run(names, work) {
      const waits: (Promise<unknown> | null)[] = []
      const lane = (name: string): Lane => lanes.get(name) ?? EMPTY
      for (const name of names.exclusive) waits.push(lane(name).exclusive, ...lane(name).shared)
      for (const name of names.shared) waits.push(lane(name).exclusive)
      const result = Promise.all(waits).then(() => turn(work))
      const settled: Promise<unknown> = result.then(() => {}, () => {})
      for (const name of names.shared) lanes.set(name, { ...lane(name), shared: [...lane(name).shared, settled] })
      for (const name of names.exclusive) lanes.set(name, { exclusive: settled, shared: [] })
      all.add(settled)
      void settled.then(() => {
        all.delete(settled)
        for (const name of [...names.exclusive, ...names.shared]) leave(lanes, name, settled)
      })
      return result
    },
    async idle() {
      while (all.size > 0) await Promise.all(all)
    }
  }
}

function leave(lanes: Map<string, Lane>, name: string, settled: Promise<unknown>): void {
  const lane = lanes.get(name) ?? EMPTY
  const exclusive = lane.exclusive === settled ? null : lane.exclusive
  const shared = lane.shared.filter((one) => one !== settled)
  if (exclusive === null && shared.length === 0) lanes.delete(name)
  else lanes.set(name, { exclusive, shared })
}

/** First come, first served, `atOnce` at a time. */
function makeTurns(atOnce: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = []
  let free = atOnce
  return async (work) => {
    if (free > 0) free--
    else await new Promise<void>((resolve) => { waiting.push(resolve) })
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free++
      else next()
    }
  }
}
