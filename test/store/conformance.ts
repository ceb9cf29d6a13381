import { describe } from 'vitest'
import type { LedgerStore, RecordStore } from '../../src/store/ports.ts'
import { againSuite } from './conformance/again.ts'
import { commitSuite } from './conformance/commit.ts'
import { documentSuite } from './conformance/documents.ts'
import { findSuite, type FindSize } from './conformance/find.ts'
import { historySuite } from './conformance/history.ts'
import { ledgerSuite } from './conformance/ledger.ts'
import { randomSuite } from './conformance/random.ts'
import { termsSuite } from './conformance/terms.ts'

/** An empty place for one store. Every `open` opens the same place; `dispose` removes it after all are closed. */
export interface Place<S> {
  open(now: () => number): Promise<S>
  dispose(): Promise<void>
}

export type MakePlace<S> = () => Promise<Place<S>>

/** What every RecordStore owes. `size` bounds the random queries: slow servers take smaller ones. */
export function recordStoreConformance(name: string, make: MakePlace<RecordStore>, size: FindSize = { records: 200, terms: 64, queries: 120 }): void {
  describe(`${name}: the RecordStore port`, () => {
    againSuite(make)
    commitSuite(make)
    documentSuite(make)
    findSuite(make)
    historySuite(make)
    termsSuite(make)
    randomSuite(make, size)
  })
}

/** What every LedgerStore owes. */
export function ledgerStoreConformance(name: string, make: MakePlace<LedgerStore>): void {
  describe(`${name}: the LedgerStore port`, () => { ledgerSuite(make) })
}
