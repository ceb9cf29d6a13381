import { sortInTurns, takingShortTurns } from '../../../model/turns.ts'
import { TERM_BYTES, type Term } from '../../ports.ts'
import type { IndexUnit } from './messages.ts'
import { BLOCK_ENTRIES, blockOf, inOrder, listText, type ListText } from './posting-lists.ts'

const POSTINGS_MAX = 4_000
const GROUPED_AT_ONCE = 250

export type Posting = { readonly term: Term; readonly seq: number }

/** `head`: the first bytes of the term as a number, in the same order. */
interface TermSeqs { readonly head: number; readonly term: Term; readonly seqs: readonly number[] }

/**
 * Postings as the writer takes them: as lists, sorted, so that those of a term go to one place; in pieces, so that appends get in between.
 * Only the last piece says how far the log is indexed.
 */
export async function* indexUnits(index: Pick<IndexUnit, 'log' | 'through' | 'merge'>, postings: readonly Posting[]): AsyncGenerator<IndexUnit> {
  let piece: { terms: Term[]; lists: ListText[]; postings: number } = { terms: [], lists: [], postings: 0 }
  const unit = (through: number | null): IndexUnit => {
    const terms = new Uint8Array(piece.terms.length * TERM_BYTES)
    for (const [i, term] of piece.terms.entries()) terms.set(term, i * TERM_BYTES)
    return { kind: 'index', ...index, through, terms, lists: JSON.stringify(piece.lists) }
  }
  for (const { term, seqs } of whole(await byTerm(postings))) {
    for (let from = 0, end = 0; from < seqs.length; from = end) {
      end = endOfBlock(seqs, from)
      if (piece.postings >= POSTINGS_MAX) {
        yield unit(null)
        piece = { terms: [], lists: [], postings: 0 }
      }
      piece.terms.push(term)
      piece.lists.push(listText(seqs, from, end))
      piece.postings += end - from
    }
  }
  yield unit(index.through)
}

function endOfBlock(seqs: readonly number[], from: number): number {
  const last = (blockOf(seqs[from]!) + 1) * BLOCK_ENTRIES
  let end = from + 1
  while (end < seqs.length && seqs[end]! <= last) end++
  return end
}

/** Postings of a term come mostly as the same object: only the distinct ones are compared. Entries of large bundles have thousands. */
async function byTerm(postings: readonly Posting[]): Promise<readonly TermSeqs[]> {
  const groups = new Map<Term, TermSeqs & { readonly seqs: number[] }>()
  const turn = takingShortTurns(GROUPED_AT_ONCE)
  // By number: within an async function an iterator makes an object for each.
  for (let i = 0; i < postings.length; i++) {
    const { term, seq } = postings[i]!
    const group = groups.get(term)
    if (group === undefined) groups.set(term, { head: headOf(term), term, seqs: [seq] })
    else group.seqs.push(seq)
    const pause = turn()
    if (pause !== undefined) await pause
  }
  return sortInTurns([...groups.values()], (a, b) => a.head - b.head || Buffer.compare(a.term, b.term), takingShortTurns())
}

const headOf = (term: Term): number => ((term[0]! << 16 | term[1]! << 8 | term[2]!) * 2 ** 24) + (term[3]! << 16 | term[4]! << 8 | term[5]!)

/** Each term once, its numbers ascending and distinct. */
function* whole(sorted: readonly TermSeqs[]): Generator<Omit<TermSeqs, 'head'>> {
  for (let from = 0, end = 0; from < sorted.length; from = end) {
    const { head, term, seqs } = sorted[from]!
    end = from + 1
    while (end < sorted.length && sorted[end]!.head === head && Buffer.compare(term, sorted[end]!.term) === 0) end++
    yield { term, seqs: inOrder(end === from + 1 ? seqs : sorted.slice(from, end).flatMap((some) => some.seqs)) }
  }
}
