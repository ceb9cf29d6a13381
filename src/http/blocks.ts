/** Memory that long answers go through on their way out, used again and again. */

/** What is put into it is still in the processor's second cache when the operating system takes it from there. */
export const BLOCK_BYTES = 256 * 1024
/** Blocks kept while nobody needs them: 64 MiB. An answer under way has one. */
const FREE_MAX = 256
/** What was not needed for so long is let go. */
const TRIM_EVERY_MS = 5_000

const free: Buffer[] = []
/** The least that were free since the last trim. */
let least = 0
let timer: NodeJS.Timeout | null = null

/** A block with whatever it held before. Without them each long answer would cost new memory, whose release costs collections of all garbage. */
export function takeBlock(): Buffer {
  const block = free.pop()
  least = Math.min(least, free.length)
  return block ?? Buffer.allocUnsafeSlow(BLOCK_BYTES)
}

/** When the last byte has gone to the operating system, and never where that is not known: what is not given back is collected. */
export function giveBack(block: Buffer): void {
  if (free.length < FREE_MAX) free.push(block)
  timer ??= setInterval(trim, TRIM_EVERY_MS).unref()
}

function trim(): void {
  free.length -= least
  least = free.length
  if (least > 0 || timer === null) return
  clearInterval(timer)
  timer = null
}
