/** Answers put together from text and bytes, and what of them goes out block by block. */
import { describe, expect, it } from 'vitest'
import { JsonPieces } from '../../src/fhir/reply.ts'
import { BLOCK_BYTES } from '../../src/http/blocks.ts'
import { filler } from '../../src/http/write-pieces.ts'
import { isPieces, wholeBody } from '../../src/model/interaction.ts'
import { seeded } from '../store/conformance/fixtures.ts'

const SIZES = [0, 1, 27, 300, 5_000, 16_383, 16_384, BLOCK_BYTES / 3 - 1, BLOCK_BYTES / 3, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES]

describe('pieces of JSON', () => {
  it('are put one behind the other, wherever a block ends', () => {
    const { below: next } = seeded(4_711)
    for (let round = 0; round < 400; round++) {
      const pieces = new JsonPieces()
      const expected: Buffer[] = []
      for (let left = 1 + next(30); left > 0; left--) {
        const size = next(3) === 0 ? SIZES[next(SIZES.length)]! : next(4_000)
        const text = (next(2) === 0 ? 'a' : 'é€').repeat(size)
        if (next(2) === 0) pieces.text(text)
        else pieces.bytes(Buffer.from(text))
        expected.push(Buffer.from(text))
      }
      const body = pieces.done()
      const all = Buffer.concat(expected)
      expect([body.length, Buffer.compare(Buffer.from(wholeBody(body)), all)]).toEqual([all.length, 0])
      if (isPieces(body)) expect(Buffer.compare(sent(body.parts, 1 + next(2) * (BLOCK_BYTES - 1) + next(10_000)), all)).toBe(0)
    }
  })

  it('are nothing where there are none', () => expect(new JsonPieces().done().length).toBe(0))
})

/** What goes out through a block of so many bytes, which holds something else before. */
function sent(parts: readonly Uint8Array[], size: number): Buffer {
  const fill = filler({ parts })
  const block = Buffer.alloc(size, 'x')
  const taken: Buffer[] = []
  for (let filled = fill(block); filled.length > 0; filled = fill(block)) taken.push(Buffer.from(filled))
  expect(taken.slice(0, -1).every(({ length }) => length === size)).toBe(true)
  return Buffer.concat(taken)
}
