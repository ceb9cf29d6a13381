/** What goes between the main thread and the one for large bodies. */
import type { Config } from './config.ts'
import type { Caller } from './model/caller.ts'
import type { Issue } from './model/errors.ts'
import type { FhirRequest, FhirResponse } from './model/interaction.ts'
import type { WriterPorts } from './stores.ts'
import type { System } from './system.ts'

export interface BulkStart { readonly config: Config; readonly writers: WriterPorts; readonly slot: string; /** Those that the main thread started with. */ readonly packages: System['packages'] }
export type BulkAsk =
  | { readonly number: number; readonly kind: 'request'; readonly request: FhirRequest; readonly caller: Caller }
  | { readonly number: number; readonly kind: 'xml'; /** A reply as JSON. */ readonly json: Uint8Array | string }
export type BulkAnswer =
  /** The thread has opened its stores. */
  | { readonly kind: 'ready' }
  | { readonly number: number; readonly kind: 'response'; readonly response: FhirResponse }
  | { readonly number: number; readonly kind: 'xml'; readonly xml: string }
  | { readonly number: number; readonly kind: 'fault'; readonly status: number; readonly issues: readonly Issue[]; readonly headers: Readonly<Record<string, string>> }
  | { readonly number: number; readonly kind: 'error'; readonly name: string; /** A client may ask again. */ readonly unavailable: boolean }
