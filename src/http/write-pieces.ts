import type { ServerResponse } from 'node:http'
import type { Pieces } from '../model/interaction.ts'
import { giveBack, takeBlock } from './blocks.ts'

/**
 * Sends a long body block by block, each when the operating system has taken the one before: an answer needs one block, however long it is and
 * however slowly it is read. Ends the response.
 */
export function writePieces(outgoing: ServerResponse, pieces: Pieces): void {
  const block = takeBlock()
  const fill = filler(pieces)
  let left = pieces.length
  const next = (lost?: Error | null): void => {
    // Of a connection that is lost it is not known who reads the block still.
    if (lost) return
    const filled = fill(block)
    left -= filled.length
    if (left > 0) outgoing.write(filled, next)
    else outgoing.end(filled, () => giveBack(block))
  }
  next()
}

/** Puts what comes next into a block, as much as there is room for. */
export function filler({ parts }: Pick<Pieces, 'parts'>): (block: Buffer) => Buffer {
  let part = 0
  /** Of the part, in a block before this. */
  let done = 0
  return (block) => {
    let at = 0
    while (part < parts.length && at < block.length) {
      const bytes = parts[part]!
      const room = block.length - at
      if (done === 0 && bytes.length <= room) {
        block.set(bytes, at)
        at += bytes.length
        part += 1
        continue
      }
      const some = bytes.subarray(done, done + room)
      block.set(some, at)
      at += some.length
      done = done + some.length === bytes.length ? 0 : done + some.length
      if (done === 0) part += 1
    }
    return block.subarray(0, at)
  }
}
