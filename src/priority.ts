/**
 * Who comes first where cores are few. Only Linux has priorities of single threads. What cannot be set stays as it is: a thread may end while it is
 * looked at, and where the call is forbidden everything works, only less smoothly.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { setPriority } from 'node:os'

const THREADS = '/proc/self/task'
/** What the call takes for the thread that makes it. */
const SELF = 0

/** The calling thread's, as `nice` has it: 0 is the main thread's, 19 the least. Whether it was set. */
export const beNice = (nice: number): boolean => set(SELF, nice)

/** The same of V8's own threads, which collect garbage and compile for all others; known by their names. How many were set. */
export function letHelpersBeNice(nice: number): number {
  const ids = process.platform === 'linux' ? readdirSync(THREADS).map(Number) : []
  return ids.filter((id) => isHelper(id) && set(id, nice)).length
}

function isHelper(id: number): boolean {
  try {
    return readFileSync(`${THREADS}/${id}/comm`, 'utf8').includes('V8Worker')
  } catch {
    return false
  }
}

function set(id: number, nice: number): boolean {
  if (process.platform !== 'linux') return false
  try {
    setPriority(id, nice)
    return true
  } catch {
    return false
  }
}
