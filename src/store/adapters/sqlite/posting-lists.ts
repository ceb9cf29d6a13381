/**
 * Posting lists of the ledger's index. A list holds numbers of entries under one term, and never crosses a block of the log, so that whole blocks
 * give the same rows in whatever groups they are indexed. In a row `top` is the highest number; `below`, null for a list of one, holds what each
 * other lacks to it, 2 B each, the least first.
 */
import type { Bytes } from '../../../model/resource.ts'

export const BLOCK_ENTRIES = 1_000
const DISTANCE_BYTES = 2

export const blockOf = (seq: number): number => Math.floor((seq - 1) / BLOCK_ENTRIES)

/** A list in JSON as the writer's statements take it: the number alone, or `top:below`, the latter in hexadecimal. */
export type ListText = number | string

const scratch = Buffer.alloc(BLOCK_ENTRIES * DISTANCE_BYTES)

/** `seqs`: of one block, ascending and distinct; the list holds those from `from` to before `end`. */
export function listText(seqs: readonly number[], from = 0, end = seqs.length): ListText {
  const top = seqs[end - 1]!
  let at = 0
  for (let i = end - 2; i >= from; i--) at = scratch.writeUInt16BE(top - seqs[i]!, at)
  return at === 0 ? top : `${top}:${scratch.toString('hex', 0, at)}`
}

/** The numbers of a row, the highest first. */
export function listSeqs(top: number, below: Bytes | null): number[] {
  const seqs = [top]
  if (below === null) return seqs
  for (let at = 0; at < below.length; at += DISTANCE_BYTES) seqs.push(top - (below[at]! << 8 | below[at + 1]!))
  return seqs
}

export function textSeqs(list: ListText): number[] {
  if (typeof list === 'number') return [list]
  const [top, below] = list.split(':') as [string, string]
  return listSeqs(Number(top), Uint8Array.from(Buffer.from(below, 'hex')))
}

/** Ascending and distinct. */
export function inOrder(seqs: readonly number[]): readonly number[] {
  if (seqs.every((seq, i) => i === 0 || seqs[i - 1]! < seq)) return seqs
  return [...new Set(seqs)].sort((a, b) => a - b)
}
