import { sortInTurns, takingShortTurns, type Turn } from '../../../model/turns.ts'
import { type EntryPostings, TERM_BYTES, type Term } from '../../ports.ts'
import type { IndexUnit } from './messages.ts'
import { BLOCK_ENTRIES, blockOf, inOrder, listText, type ListText } from './posting-lists.ts'

/** Characters of lists in one unit, with their terms: some 2,000 lists of one, or 16 of a thousand. */
const TEXT_MAX = 2 ** 16
const GROUPED_AT_ONCE = 250

/** Numbers of entries. The terms of one list have the same object, so that what is made of it is made once. `texts`: null until they are asked for. */
class Seqs {
  readonly numbers: number[] = []
  #texts: readonly ListText[] | null = null

  /** A list for each block of the log. */
  get texts(): readonly ListText[] {
    return (this.#texts ??= textsOf(inOrder(this.numbers)))
  }
}

/** `head`: the first bytes of the term as a number, in the same order. `own`: the numbers are of no other term. */
interface TermSeqs { readonly head: number; readonly term: Term; seqs: Seqs; own: boolean }

/**
 * Postings as the writer takes them: as lists, sorted, so that those of a term go to one place; in pieces, so that appends get in between.
 * Only the last piece says how far the log is indexed.
 */
export async function* indexUnits(index: Pick<IndexUnit, 'log' | 'through' | 'merge'>, postings: readonly EntryPostings[]): AsyncGenerator<IndexUnit> {
  let piece: { terms: Term[]; lists: ListText[]; text: number } = { terms: [], lists: [], text: 0 }
  const unit = (through: number | null): IndexUnit => {
    const terms = new Uint8Array(piece.terms.length * TERM_BYTES)
    for (const [i, term] of piece.terms.entries()) terms.set(term, i * TERM_BYTES)
    return { kind: 'index', ...index, through, terms, lists: JSON.stringify(piece.lists) }
  }
  for (const { term, seqs } of whole(await byTerm(postings))) {
    for (const text of seqs.texts) {
      if (piece.text >= TEXT_MAX) {
        yield unit(null)
        piece = { terms: [], lists: [], text: 0 }
      }
      piece.terms.push(term)
      piece.lists.push(text)
      piece.text += TERM_BYTES + (typeof text === 'string' ? text.length : TERM_BYTES)
    }
  }
  yield unit(index.through)
}

function textsOf(seqs: readonly number[]): readonly ListText[] {
  const texts: ListText[] = []
  for (let from = 0, end = 0; from < seqs.length; from = end) {
    end = endOfBlock(seqs, from)
    texts.push(listText(seqs, from, end))
  }
  return texts
}

function endOfBlock(seqs: readonly number[], from: number): number {
  const last = (blockOf(seqs[from]!) + 1) * BLOCK_ENTRIES
  let end = from + 1
  while (end < seqs.length && seqs[end]! <= last) end++
  return end
}

/** Postings of a term come mostly as the same object: only the distinct ones are compared. Entries of large bundles have thousands. */
async function byTerm(postings: readonly EntryPostings[]): Promise<readonly TermSeqs[]> {
  const groups = new Map<Term, TermSeqs>()
  const turn = takingShortTurns(GROUPED_AT_ONCE)
  for (const [list, seqs] of await byList(postings, turn)) {
    // By number: within an async function an iterator makes an object for each.
    for (let i = 0; i < list.length; i++) {
      const term = list[i]!
      const group = groups.get(term)
      if (group === undefined) groups.set(term, { head: headOf(term), term, seqs, own: false })
      else add(group, seqs)
      const pause = turn()
      if (pause !== undefined) await pause
    }
  }
  return sortInTurns([...groups.values()], (a, b) => a.head - b.head || Buffer.compare(a.term, b.term), takingShortTurns())
}

/** Numbers of the entries that have one list. */
async function byList(postings: readonly EntryPostings[], turn: Turn): Promise<ReadonlyMap<readonly Term[], Seqs>> {
  const lists = new Map<readonly Term[], Seqs>()
  for (let i = 0; i < postings.length; i++) {
    const { seq, terms } = postings[i]!
    for (const list of terms) {
      const seqs = lists.get(list) ?? new Seqs()
      if (seqs.numbers.length === 0) lists.set(list, seqs)
      seqs.numbers.push(seq)
    }
    const pause = turn()
    if (pause !== undefined) await pause
  }
  return lists
}

function add(group: TermSeqs, more: Seqs): void {
  if (!group.own) {
    const own = new Seqs()
    for (const seq of group.seqs.numbers) own.numbers.push(seq)
    group.seqs = own
    group.own = true
  }
  for (const seq of more.numbers) group.seqs.numbers.push(seq)
}

const headOf = (term: Term): number => ((term[0]! << 16 | term[1]! << 8 | term[2]!) * 2 ** 24) + (term[3]! << 16 | term[4]! << 8 | term[5]!)

/** Each term once. */
function* whole(sorted: readonly TermSeqs[]): Generator<TermSeqs> {
  for (let from = 0, end = 0; from < sorted.length; from = end) {
    const group = sorted[from]!
    end = from + 1
    for (; end < sorted.length && sorted[end]!.head === group.head && Buffer.compare(group.term, sorted[end]!.term) === 0; end++) add(group, sorted[end]!.seqs)
    yield group
  }
}
