/** Bodies of answers in pieces of memory that are used again and again. */

/** `length` in bytes. `lent`: the blocks that the parts lie in, to be given back once. */
export interface Blocks { readonly parts: readonly Uint8Array[]; readonly length: number; readonly lent: readonly Buffer[] }

export const BLOCK_BYTES = 96 * 1024
/** Blocks kept while nobody needs them: 192 MiB, as much as answers under way have needed at once. */
const FREE_MAX = 2048
/** What was not needed for so long is let go. */
const TRIM_EVERY_MS = 5_000

const free: Buffer[] = []
/** The least that were free since the last trim. */
let least = 0
let timer: NodeJS.Timeout | null = null

/** A block with whatever it held before. Without them each large answer would cost new memory, whose release costs collections of all garbage. */
export function takeBlock(): Buffer {
  const block = free.pop()
  least = Math.min(least, free.length)
  return block ?? Buffer.allocUnsafeSlow(BLOCK_BYTES)
}

/** When the last byte has gone to the operating system, and never where that is not known: what is not given back is collected. */
export function giveBack({ lent }: Pick<Blocks, 'lent'>): void {
  for (const block of lent) if (free.length < FREE_MAX) free.push(block)
  timer ??= setInterval(trim, TRIM_EVERY_MS).unref()
}

function trim(): void {
  free.length -= least
  least = free.length
  if (least > 0 || timer === null) return
  clearInterval(timer)
  timer = null
}
