import type { OutboxEntry } from '../../ports.ts'

const ENTRIES_MAX = 1_000
const BYTES_MAX = 8 * 2 ** 20

export interface Appends {
  add(entry: OutboxEntry): Promise<void>
  idle(): Promise<void>
}

interface Waiting { readonly entry: OutboxEntry; resolve(): void; reject(error: unknown): void }

/** While one group is being written the next one gathers: no timer, and one round trip for all that came meanwhile. */
export function groupAppends(write: (entries: readonly OutboxEntry[]) => Promise<void>): Appends {
  const queue: Waiting[] = []
  let running: Promise<void> | null = null

  async function drain(): Promise<void> {
    // Calls of one turn share a group.
    await Promise.resolve()
    while (queue.length > 0) {
      const group = queue.splice(0, groupSize(queue))
      try {
        await write(group.map(({ entry }) => entry))
        for (const one of group) one.resolve()
      } catch (error) {
        for (const one of group) one.reject(error)
      }
    }
    running = null
  }
  return {
    add: (entry) => new Promise((resolve, reject) => {
      queue.push({ entry, resolve, reject })
      running ??= drain()
    }),
    idle: async () => { await running }
  }
}

function groupSize(queue: readonly Waiting[]): number {
  let bytes = 0
  const end = queue.findIndex(({ entry }, i) => {
    bytes += entry.sealed.length
    return i > 0 && (i >= ENTRIES_MAX || bytes > BYTES_MAX)
  })
  return end === -1 ? queue.length : end
}
