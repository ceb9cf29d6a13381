/** How much is loaded and how long is measured. */
import { LARGE_BYTES, LARGE_ENTRIES } from './generated.ts'

/**
 * `small`, `large`, `visits`, `generated`, `population`: patients. `record`: resources of the patient that is asked for everything.
 * `warmMs`: until compiled code has settled; a server that runs for days is measured, not its first seconds. `ms` of one turn. `settleMs`:
 * what a request leaves behind (its entry is numbered, chained and indexed) belongs to its turn.
 */
export interface Plan {
  readonly small: number
  readonly large: number
  readonly visits: number
  readonly record: number
  /** Patients of the two stores that are searched by name. */
  readonly population: readonly [few: number, many: number]
  readonly generated: number
  readonly connections: readonly number[]
  readonly rounds: number
  readonly ms: number
  readonly warmMs: number
  readonly bareMs: number
  readonly settleMs: number
  readonly entries: number
  readonly bytes: number
  readonly idleMs: number
  readonly terms: number
}

export const FULL: Plan = {
  small: 10, large: 200, visits: 100, record: 1_000, population: [1_000, 100_000], generated: 25, connections: [1, 16, 64], rounds: 3,
  ms: 1_500, warmMs: 10_000, bareMs: 2_000, settleMs: 1_300, entries: LARGE_ENTRIES, bytes: LARGE_BYTES, idleMs: 8_000, terms: 5
}

export const QUICK: Plan = {
  small: 10, large: 30, visits: 20, record: 1_000, population: [1_000, 10_000], generated: 3, connections: [64], rounds: 2,
  ms: 500, warmMs: 1_500, bareMs: 500, settleMs: 1_100, entries: 1_000, bytes: 2_500_000, idleMs: 2_000, terms: 2
}

/** For the test of this program; its figures mean nothing. */
export const SMOKE: Plan = {
  small: 1, large: 2, visits: 1, record: 60, population: [400, 800], generated: 1, connections: [2], rounds: 1,
  ms: 100, warmMs: 50, bareMs: 50, settleMs: 20, entries: 60, bytes: 100_000, idleMs: 200, terms: 1
}
