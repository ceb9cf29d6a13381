import type { Bytes } from '../../model/resource.ts'

/** A sequenced entry. `link` = HMAC over the previous link, seq and the sealed bytes (audit/chain.ts makes and checks it). */
export interface LedgerEntry { readonly seq: number; readonly id: Bytes; readonly sealed: Bytes; readonly link: Bytes }
