/** Who comes first where cores are few. Only Linux has priorities of single threads; elsewhere nothing of this does anything. */
import { readdirSync, readFileSync } from 'node:fs'
import { setPriority } from 'node:os'

const THREADS = '/proc/self/task'

/** The calling thread's, as `nice` has it: 0 is the main thread's, 19 the least. */
export function beNice(nice: number): void {
  if (process.platform === 'linux') setPriority(nice)
}

/** The same of V8's own threads, which collect garbage and compile for all others; known by their names. */
export function letHelpersBeNice(nice: number): void {
  if (process.platform !== 'linux') return
  for (const id of readdirSync(THREADS)) if (readFileSync(`${THREADS}/${id}/comm`, 'utf8').includes('V8Worker')) setPriority(Number(id), nice)
}
