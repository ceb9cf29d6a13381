/** What one transaction of 30 MB does to everybody else: reads at a steady pace before and during it, and another writer. */
import type { Server } from './child.ts'
import { ask, type Call, callOf, pace, percentile } from './client.ts'

export interface LargeFigures {
  readonly megabytes: number
  readonly entries: number
  readonly seconds: number
  readonly status: number
  readonly idleP99: number
  readonly duringP99: number
  readonly readsDuring: number
  /** Reads and creates that were not answered with 2xx, before and during. */
  readonly failed: number
  readonly createsDuring: number
  /** ms that the slowest create took. */
  readonly createMax: number
}

export interface LargeOptions {
  readonly transaction: Buffer
  readonly reads: () => Call
  readonly creates: () => Call
  readonly idleMs: number
}

const READ_LINES = 8
const READ_EVERY_MS = 40
const CREATE_EVERY_MS = 100

export async function measureLarge(server: Server, { transaction, reads, creates, idleMs }: LargeOptions): Promise<LargeFigures> {
  const readers = { lines: READ_LINES, everyMs: READ_EVERY_MS, next: reads }
  await pace(server, readers, () => idleFor(1_000))
  const idle = await pace(server, readers, () => idleFor(idleMs))
  const started = performance.now()
  const loaded = ask(server, callOf(server, 'POST', '/fhir/R4', transaction))
  const [during, writes, { status, body }] = await Promise.all([
    pace(server, readers, () => loaded),
    pace(server, { lines: 1, everyMs: CREATE_EVERY_MS, next: creates }, () => loaded),
    loaded
  ])
  const seconds = (performance.now() - started) / 1000
  if (status > 299) throw new Error(`The large transaction was refused: ${status} ${body.toString().slice(0, 500)}`)
  const { entry } = JSON.parse(body.toString()) as { readonly entry: readonly unknown[] }
  return {
    megabytes: transaction.length / 1e6, entries: entry.length, seconds, status,
    idleP99: percentile(idle.times, 0.99), duringP99: percentile(during.times, 0.99), readsDuring: during.answers,
    failed: idle.failed + during.failed + writes.failed, createsDuring: writes.answers, createMax: percentile(writes.times, 1)
  }
}

const idleFor = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms))
