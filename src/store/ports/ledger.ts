import type { Bytes } from '../../model/resource.ts'
import type { Term } from './records.ts'

/** A sequenced entry. `link` = HMAC over the previous link, seq and the sealed bytes (audit/chain.ts makes and checks it). */
export interface LedgerEntry { readonly seq: number; readonly id: Bytes; readonly sealed: Bytes; readonly link: Bytes }

/** What an entry is found by. In lists, since many entries have one in common: it is the same object then, and is looked through once. */
export type EntryTerms = readonly (readonly Term[])[]

export interface EntryPostings { readonly seq: number; readonly terms: EntryTerms }
