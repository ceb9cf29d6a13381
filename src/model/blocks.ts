/** Bodies of answers in pieces of memory that are used again and again. */

/** `length` in bytes. `lent`: the blocks that the parts lie in, to be given back once. */
export interface Blocks { readonly parts: readonly Uint8Array[]; readonly length: number; readonly lent: readonly Buffer[] }

export const BLOCK_BYTES = 96 * 1024
/** Blocks kept while nobody needs them: 48 MiB. */
const FREE_MAX = 512

const free: Buffer[] = []

/** A block with whatever it held before. Without them each large answer would cost new memory, whose release costs collections of all garbage. */
export const takeBlock = (): Buffer => free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES)

/** When the last byte has gone to the operating system, and never where that is not known: what is not given back is collected. */
export function giveBack({ lent }: Blocks): void {
  for (const block of lent) if (free.length < FREE_MAX) free.push(block)
}
