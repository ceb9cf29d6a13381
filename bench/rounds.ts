/** Measures servers in turns within one run, so that what else the machine does falls on all of them alike. */
import type { Server } from './child.ts'
import { type Call, type Drive, drive, percentile } from './client.ts'

export interface Contender { readonly server: Server; readonly next: () => Call }

/** Of one contender at one number of connections. Times in ms, CPU of the whole server process in µs a request. */
export interface Figures {
  readonly name: string
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  readonly cpu: number
  /** The same of each turn. */
  readonly turns: readonly number[]
  readonly rss: number
}

/** `settleMs`: of a server that works on after its answers. */
export interface RoundsOptions { readonly connections: number; readonly rounds: number; readonly ms: number; readonly settleMs: number }

interface Round { readonly drive: Drive; readonly cpu: number }

/** Figures of each contender, in order: the median round by CPU, and percentiles over the answers of all rounds. */
export async function inTurns(contenders: readonly Contender[], options: RoundsOptions): Promise<readonly Figures[]> {
  const rounds = new Map<Contender, Round[]>(contenders.map((each) => [each, []]))
  for (let round = 0; round < options.rounds; round++) {
    for (const contender of contenders) rounds.get(contender)!.push(await oneRound(contender, options))
  }
  // One after the other: two contenders may ask the same server.
  const all: Figures[] = []
  for (const contender of contenders) all.push(await figures(contender.server, rounds.get(contender)!))
  return all
}

async function oneRound({ server, next }: Contender, { connections, ms, settleMs }: RoundsOptions): Promise<Round> {
  const before = await server.usage()
  const driven = await drive(server, connections, ms, next)
  if (driven.failed > 0) throw new Error(`${server.name}: ${driven.failed} of ${driven.answers} answers were errors`)
  if (server.settles) await new Promise((resolve) => setTimeout(resolve, settleMs))
  const after = await server.usage()
  return { drive: driven, cpu: (after.cpu - before.cpu) / driven.answers }
}

async function figures(server: Server, rounds: readonly Round[]): Promise<Figures> {
  const times = Float64Array.from(rounds.flatMap(({ drive: { times: some } }) => [...some])).sort()
  return {
    name: server.name,
    perSecond: times.length / rounds.reduce((sum, { drive: { seconds } }) => sum + seconds, 0),
    p50: percentile(times, 0.5), p99: percentile(times, 0.99),
    cpu: median(rounds.map(({ cpu }) => cpu)), turns: rounds.map(({ cpu }) => cpu), rss: (await server.usage()).rss
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return ((sorted[(sorted.length - 1) >> 1] ?? NaN) + (sorted[sorted.length >> 1] ?? NaN)) / 2
}
