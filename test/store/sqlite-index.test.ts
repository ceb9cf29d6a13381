/** The ledger's index in its file: which rows there are, in whatever way they came there. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { indexUnits } from '../../src/store/adapters/sqlite/index-units.ts'
import { openSqliteLedger } from '../../src/store/adapters/sqlite/ledger.ts'
import { openSqliteTransfer } from '../../src/store/adapters/sqlite/transfer.ts'
import type { LedgerStore, Term } from '../../src/store/ports.ts'
import type { PostingCopy, Transfer } from '../../src/store/ports/transfer.ts'
import { hex, listed, named, randomId, text } from './conformance/fixtures.ts'
import { turnsDuring } from '../turns-during.ts'
import { makeOldLedger } from './old-ledger.ts'

const LOG = new Uint8Array(8).fill(1)
const now = Date.now
let folder: string
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'wardkeep-')) })
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true })
})

const pathOf = (name: string): string => join(folder, name)

/** A ledger of so many entries. */
async function withEntries(path: string, count: number): Promise<LedgerStore> {
  const ledger = await openSqliteLedger({ path, now })
  await ledger.append(LOG, Array.from({ length: count }, (_, i) => ({ seq: i + 1, id: randomId(), sealed: text('x'), link: new Uint8Array(32) })))
  return ledger
}

type Row = readonly [term: string, top: number, below: string | null]

function rowsIn(path: string): readonly Row[] {
  const db = new DatabaseSync(path, { readOnly: true })
  const rows = db.prepare('select hex(term) t, top, hex(below) b, below is null n from posting order by term, top').all()
  db.close()
  return rows.map(({ t, top, b, n }) => [String(t).toLowerCase(), Number(top), n === 1 ? null : String(b).toLowerCase()])
}

const rowsOfTerm = (path: string, term: Term): readonly Row[] => rowsIn(path).filter(([of]) => of === hex(term))

/** Numbers below 1, always the same ones. */
function numbers(seed: number): () => number {
  let state = seed
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32
}

const [each, odd, rare] = [named('each'), named('odd'), named('rare')] as const
const postingsOf = (seq: number): PostingCopy[] => [
  { term: each, seq }, ...(seq % 2 === 1 ? [{ term: odd, seq }] : []), ...(seq % 700 === 0 ? [{ term: rare, seq }] : []), { term: named(`own ${seq}`), seq }
]
const between = (from: number, through: number): PostingCopy[] => Array.from({ length: through - from + 1 }, (_, i) => postingsOf(from + i)).flat()

describe('the rows of the index', () => {
  it('are lists that end with their block: the highest number, and what the others lack to it', async () => {
    const ledger = await withEntries(pathOf('one.db'), 3_000)
    await ledger.index(LOG, 3_000, listed([...between(1, 3_000), { term: named('three'), seq: 999 }, { term: named('three'), seq: 743 }, { term: named('three'), seq: 998 }]))
    expect(rowsOfTerm(pathOf('one.db'), each).map(([, top, below]) => [top, below?.length])).toEqual([[1_000, 4 * 999], [2_000, 4 * 999], [3_000, 4 * 999]])
    expect(rowsOfTerm(pathOf('one.db'), rare).map(([, top, below]) => [top, below])).toEqual([[700, null], [1_400, null], [2_800, '02bc']])
    expect(rowsOfTerm(pathOf('one.db'), named('three')).map(([, top, below]) => [top, below])).toEqual([[999, '00010100']])
    expect(rowsIn(pathOf('one.db'))).toHaveLength(3 + 3 + 3 + 3_000 + 1)
    await ledger.close()
  })

  it('are the same where entries have lists in common, whose terms are in other lists too', async () => {
    const random = numbers(11)
    const pick = (count: number): Term[] => Array.from({ length: count }, () => named(`t${Math.floor(random() * 60)}`))
    const shared = Array.from({ length: 5 }, () => pick(40))
    const entries = Array.from({ length: 2_500 }, (_, i) => {
      const lists = shared.filter(() => random() < 0.4)
      return { seq: i + 1, terms: random() < 0.3 ? [pick(3), ...lists, ...lists.slice(0, 1)] : lists }
    })
    const single = entries.flatMap(({ seq, terms }) => terms.flat().map((term) => ({ term, seq })))
    const [together, alone] = [await withEntries(pathOf('together'), 2_500), await withEntries(pathOf('alone'), 2_500)]
    await together.index(LOG, 2_500, entries.toSorted(() => random() - 0.5))
    await alone.index(LOG, 2_500, listed(single))
    for (const ledger of [together, alone]) await ledger.close()
    expect(rowsIn(pathOf('together'))).toEqual(rowsIn(pathOf('alone')))
    expect(Map.groupBy(rowsIn(pathOf('together')), ([term]) => term).size).toBe(60)
  })

  it('are the same in whatever groups the entries were indexed, and after a call of which only a part was done', async () => {
    const open = (name: string) => withEntries(pathOf(name), 3_000)
    const [whole, segments, parts, broken] = [await open('whole'), await open('segments'), await open('parts'), await open('broken')]
    await whole.index(LOG, 3_000, listed(between(1, 3_000)))
    for (const through of [1_000, 2_000, 3_000]) await segments.index(LOG, through, listed(between(through - 999, through)))
    for (const [from, through] of [[1, 1_300], [1_301, 1_302], [900, 1_400], [1_303, 3_000], [1, 1]] as const) await parts.index(LOG, through, listed(between(from, through).reverse()))
    // All pieces go in but the last, which says that the log is longer than it is.
    await expect(broken.index(LOG, 9_000, listed(between(1, 3_000)))).rejects.toThrow()
    expect(rowsIn(pathOf('broken')).length).toBeGreaterThan(1_000)
    await broken.close()
    const again = await openSqliteLedger({ path: pathOf('broken'), now })
    expect(await again.indexed(LOG)).toBe(0)
    await again.index(LOG, 2_000, listed(between(1, 2_000)))
    await again.index(LOG, 3_000, listed(between(2_001, 3_000)))
    for (const ledger of [whole, segments, parts, again]) await ledger.close()
    const rows = rowsIn(pathOf('whole'))
    expect(rows.length).toBeGreaterThan(3_000)
    for (const other of ['segments', 'parts', 'broken']) expect([other, rowsIn(pathOf(other))]).toEqual([other, rows])
  })

  it('keep what another process left in a block that this one takes for new', async () => {
    const path = pathOf('one.db')
    const ledger = await withEntries(path, 2_000)
    await ledger.index(LOG, 1_000, listed(between(1, 1_000)))
    const db = new DatabaseSync(path, { timeout: 5_000 })
    const left = db.prepare('insert into posting(log,term,top) select no,?,? from log')
    for (const [term, seq] of [[odd, 1_500], [odd, 1_999], [rare, 1_400]] as const) left.run(term, seq)
    db.close()
    await ledger.index(LOG, 2_000, listed(between(1_001, 2_000)))
    expect(await ledger.lookup(LOG, [odd], 1_504, 3)).toEqual([1_503, 1_501, 1_500])
    expect(rowsOfTerm(path, odd).map(([, top, below]) => [top, below?.length])).toEqual([[999, 4 * 499], [1_999, 4 * 500]])
    expect(rowsOfTerm(path, rare).map(([, top, below]) => [top, below])).toEqual([[700, null], [1_400, null]])
    await ledger.close()
  })
})

describe('rows of one term in one block', () => {
  const low = new Uint8Array(16)
  const lows = (...seqs: number[]): PostingCopy[] => seqs.map((seq) => ({ term: low, seq }))
  const lists = (path: string) => rowsOfTerm(path, low).map(([, top, below]) => [top, below])
  let path: string
  let ledger: LedgerStore
  beforeEach(async () => {
    path = pathOf('one.db')
    ledger = await withEntries(path, 2_000)
    await ledger.index(LOG, 1_000, listed(lows(3, 4)))
  })
  afterEach(() => ledger.close())

  it('become one where a process that is gone left some of them', async () => {
    await ledger.close()
    const db = new DatabaseSync(path)
    db.prepare('insert into posting(log,term,top) select no,?,1500 from log').run(low)
    db.close()
    ledger = await openSqliteLedger({ path, now })
    await ledger.index(LOG, 2_000, listed(lows(1_400, 1_502)))
    expect(lists(path)).toEqual([[4, '0001'], [1_502, '00020066']])
  })

  it('become one where a call before left some of them', async () => {
    const others = Array.from({ length: 5_000 }, (_, i) => ({ term: named(`other ${i}`), seq: 1_001 }))
    await expect(ledger.index(LOG, 9_000, listed([...lows(1_500), ...others]))).rejects.toThrow()
    expect(lists(path)).toEqual([[4, '0001'], [1_500, null]])
    await ledger.index(LOG, 2_000, listed(lows(1_400, 1_502)))
    expect(lists(path)).toEqual([[4, '0001'], [1_502, '00020066']])
  })

  it('become one where the block was indexed already', async () => {
    await ledger.index(LOG, 2_000, listed(lows(1_500)))
    await ledger.index(LOG, 2_000, listed(lows(1_400, 2, 4)))
    expect(lists(path)).toEqual([[4, '00010002'], [1_500, '0064']])
    await ledger.index(LOG, 2_000, listed(lows(1_502)))
    expect(lists(path)).toEqual([[4, '00010002'], [1_502, '00020066']])
  })
})

describe('a ledger of a version before', () => {
  const old = { log: LOG, entries: 2_000, indexed: 1_000, postings: [...between(1, 1_000), ...between(1_001, 1_600).filter(({ term }) => term !== odd)] }

  it.each([1, 2] as const)('%i is taken over as it is, and what an index of it left unfinished becomes lists', async (version) => {
    const path = pathOf('old.db')
    makeOldLedger(path, version, old)
    const ledger = await openSqliteLedger({ path, now })
    expect([await ledger.indexed(LOG), (await ledger.head(LOG)).seq]).toEqual([1_000, 2_000])
    expect(rowsOfTerm(path, odd).map(([, top, below]) => [top, below])).toEqual(Array.from({ length: 500 }, (_, i) => [2 * i + 1, null]))
    expect(await ledger.lookup(LOG, [each, odd], 700, 3)).toEqual([699, 698, 697])
    await ledger.index(LOG, 2_000, listed(between(1_001, 2_000)))
    expect(rowsOfTerm(path, each).slice(1_000).map(([, top, below]) => [top, below?.length])).toEqual([[2_000, 4 * 999]])
    for (const [before, limit] of [[1_002, 4], [1_900, 1_000], [1_601, 2], [500, 1_000]] as const) {
      expect(await ledger.lookup(LOG, [each], before, limit)).toEqual(Array.from({ length: Math.min(before - 1, limit) }, (_, i) => before - 1 - i))
    }
    await ledger.close()
    const tables = (file: string) => {
      const db = new DatabaseSync(file, { readOnly: true })
      const found = ['posting', 'pending'].map((table) => db.prepare(`pragma table_info(${table})`).all())
      const version = db.prepare('pragma user_version').get()
      db.close()
      return [found, version]
    }
    await (await openSqliteLedger({ path: pathOf('new.db'), now })).close()
    expect(tables(path)).toEqual(tables(pathOf('new.db')))
  })
})

describe('a lookup', () => {
  it('agrees with a model that knows all, over rows of this version and of the one before', async () => {
    const path = pathOf('one.db')
    const random = numbers(7)
    const terms = Array.from({ length: 400 }, (_, i) => ({ term: named(`t${i}`), share: i < 4 ? 0.9 : i < 60 ? 0.05 : 0.002, seqs: new Set<number>() }))
    const all: PostingCopy[] = []
    for (let seq = 1; seq <= 4_000; seq++) {
      for (const { term, share, seqs } of terms) {
        if (random() >= share) continue
        seqs.add(seq)
        all.push({ term, seq })
      }
    }
    makeOldLedger(path, 2, { log: LOG, entries: 4_000, indexed: 2_000, postings: all.filter(({ seq }) => seq <= 2_000) })
    const ledger = await openSqliteLedger({ path, now })
    await ledger.index(LOG, 4_000, listed(all.filter(({ seq }) => seq > 2_000)))
    for (let ask = 0; ask < 300; ask++) {
      const from = Math.floor(random() * terms.length)
      const set = terms.slice(from, from + [1, 2, 40, 65, 400][ask % 5]!)
      const before = ask % 7 === 0 ? 5_000 : 1 + Math.floor(random() * 4_100)
      const limit = [1, 10, 100, 1_000][ask % 4]!
      const wanted = [...new Set(set.flatMap(({ seqs }) => [...seqs]))].filter((seq) => seq < before).sort((a, b) => b - a).slice(0, limit)
      expect([ask, await ledger.lookup(LOG, set.map(({ term }) => term), before, limit)]).toEqual([ask, wanted])
    }
    await ledger.close()
  })
})

it('a lookup goes on to a list whose highest number is above the lowest that it has', async () => {
  const ledger = await withEntries(pathOf('one.db'), 1_000)
  const terms = Array.from({ length: 33 }, (_, i) => named(`t${i}`))
  await ledger.index(LOG, 1_000, listed(terms.flatMap((term, i) => i === 32 ? [{ term, seq: 999 }] : [{ term, seq: 1_000 }, { term, seq: 998 }])))
  expect(await ledger.lookup(LOG, terms, 2_000, 2)).toEqual([1_000, 999])
  await ledger.close()
})

describe('of many others are let in between', () => {
  it('terms of a lookup', async () => {
    const ledger = await withEntries(pathOf('one.db'), 1_000)
    const terms = Array.from({ length: 4_096 }, (_, i) => named(`own ${i}`))
    await ledger.index(LOG, 1_000, listed(Array.from({ length: 1_000 }, (_, i) => ({ term: terms[i]!, seq: i + 1 }))))
    const turns = await turnsDuring(async () => { expect(await ledger.lookup(LOG, terms, 10_000, 100)).toEqual(Array.from({ length: 100 }, (_, i) => 1_000 - i)) })
    expect(turns).toBeGreaterThan(16)
    expect(await turnsDuring(() => ledger.lookup(LOG, terms.slice(0, 4), 10_000, 100))).toBeLessThan(10)
    await ledger.close()
  })

  it('postings of an index, before the first piece goes to the writer', async () => {
    const postings = Array.from({ length: 100_000 }, (_, i) => ({ term: each, seq: i + 1 }))
    const units = indexUnits({ log: LOG, through: 100_000, merge: false }, listed(postings))
    expect(await turnsDuring(() => units.next())).toBeGreaterThan(50)
    const rest = await Array.fromAsync(units)
    expect(rest.map(({ through }) => through)).toEqual([...Array.from({ length: 4 }, () => null), 100_000])
  })
})

describe('a transfer', () => {
  const openTransfer = (name: string, use: 'source' | 'target'): Transfer => openSqliteTransfer({ records: join(folder, name, 'records.db'), ledger: join(folder, name, 'ledger.db') }, use)

  it('gives and takes postings one by one in pages that end inside lists, also where pages come again', async () => {
    for (const name of ['from', 'to']) {
      mkdirSync(join(folder, name))
      await openTransfer(name, 'target').close()
      const ledger = await withEntries(join(folder, name, 'ledger.db'), 3_000)
      if (name === 'from') await ledger.index(LOG, 3_000, listed(between(1, 3_000)))
      await ledger.close()
    }
    const sorted = between(1, 3_000).sort((a, b) => Buffer.compare(a.term, b.term) || a.seq - b.seq)
    const plain = (postings: readonly PostingCopy[]): string[] => postings.map(({ term, seq }) => `${hex(term)} ${seq}`)
    const from = openTransfer('from', 'source')
    for (const limit of [1, 7, 1_000, 100_000]) {
      for (const at of [0, 5, 2_000, 5_000, sorted.length - 3]) {
        const page = await from.postings(LOG, sorted[at]!, limit)
        expect(plain(page)).toEqual(plain(sorted.slice(at + 1, at + 1 + limit)))
      }
    }
    const to = openTransfer('to', 'target')
    const pages: (readonly PostingCopy[])[] = []
    for (let last: PostingCopy | null = null; ; last = pages.at(-1)!.at(-1)!) {
      const page: readonly PostingCopy[] = await from.postings(LOG, last, 123)
      if (page.length === 0) break
      pages.push(page)
    }
    expect(plain(pages.flat())).toEqual(plain(sorted))
    for (const page of [...pages.slice(0, 20), ...pages]) await to.putPostings(LOG, page)
    expect(plain(await to.postings(LOG, null, 100_000))).toEqual(plain(sorted))
    await from.close()
    await to.close()
    expect(rowsIn(join(folder, 'to', 'ledger.db'))).toEqual(rowsIn(join(folder, 'from', 'ledger.db')))
  })
})
