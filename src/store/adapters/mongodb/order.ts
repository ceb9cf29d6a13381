/**
 * Numbers that rise with every call: the time in µs, or one more than the last. Within a process they are the order of calls, between
 * processes as good as their clocks agree.
 */
export function commitOrder(now: () => number): () => number {
  let last = 0
  return () => {
    last = Math.max(last + 1, Math.floor(now() * 1000))
    return last
  }
}
