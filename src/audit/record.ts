/**
 * What is kept of one access: one record per request, one per batch or transaction with its entries listed. It is sealed as a whole;
 * the AuditEvents that a reader sees are projections of it (audit-event.ts).
 */
import type { Caller } from '../model/caller.ts'
import { type FhirRequest, type Interaction, queryText } from '../model/interaction.ts'
import type { Keeping } from '../model/memo.ts'
import { refText } from '../model/resource.ts'
import type { Written } from '../store/ports.ts'

/** FHIR interactions, and the events that are none: tokens, refused credentials, erasure, whole stores that are copied, and the ledger's own marks. */
export type AuditedInteraction = Interaction | OwnEvent
export type OwnEvent = 'token' | 'refused' | 'erase' | 'export' | 'import' | 'ledger-start' | 'ledger-heads'
export type Action = 'C' | 'R' | 'U' | 'D' | 'E'
/** R4 audit-event-outcome: 0 success, 4 minor failure, 8 serious failure. */
export type Outcome = 0 | 4 | 8

/** One resource version that was disclosed or touched. `patients`: ids of its compartment patients. */
export interface Touched extends Keeping { readonly type: string; readonly id: string; readonly version: number; readonly patients: readonly string[] }

/** One written version. `key` and `hash` (SHA-256 of the sealed record) are hexadecimal. */
export interface WrittenVersion extends Touched { readonly deleted: boolean; readonly key: string; readonly hash: string }

/** One entry of a batch or transaction. */
export interface EntryAccess {
  readonly interaction: Interaction
  readonly type: string | null
  readonly id: string | null
  readonly status: number
  readonly query: string | null
  readonly resources: readonly Touched[]
}

/** Where a log stood: its slot name, last sequence number and last link (hexadecimal). */
export interface NamedHead { readonly log: string; readonly seq: number; readonly link: string }

/** A copy of a whole store: an export where it is taken, an import where it is put. */
export interface StoreCopy {
  readonly command: 'backup' | 'restore' | 'move'
  /** Written before the first byte is copied; the record of the end stands beside it where there was one. */
  readonly begun: boolean
  /** Where to or where from: a folder, or a store without its credentials. */
  readonly place: string
  /** SHA-256 of the backup's manifest, hexadecimal; null where there is none, or none yet. */
  readonly manifest: string | null
}

export interface AccessRecord {
  readonly v: 1
  /** ms since 1970, set anew when the record is sealed. */
  readonly at: number
  readonly requestId: string
  readonly clientRequestId: string | null
  readonly address: string
  readonly interaction: AuditedInteraction
  readonly action: Action
  readonly outcome: Outcome
  /** HTTP status. */
  readonly status: number
  readonly client: string | null
  readonly issuer: string | null
  readonly subject: string | null
  readonly fhirUser: string | null
  readonly roles: readonly string[]
  readonly purposes: readonly string[]
  readonly jti: string | null
  readonly scope: string | null
  readonly type: string | null
  readonly id: string | null
  /** Name of the operation, for interaction `operation`. */
  readonly operation: string | null
  /** The query as asked, percent-encoded. It holds personal data, and leaves the seal only for roles that may see it. */
  readonly query: string | null
  readonly resources: readonly Touched[]
  /** Distinct patients of everything named in this record, in the order of the projections. */
  readonly patients: readonly string[]
  readonly written: readonly WrittenVersion[]
  readonly entries: readonly EntryAccess[]
  /** Record keys (hexadecimal) that an erasure removed. */
  readonly erased: readonly string[]
  /** Requests summed up in this record; 1 for all but summaries of refused credentials. */
  readonly count: number
  /** Policy code of a refusal; never a value from the request. */
  readonly why: string | null
  readonly heads: readonly NamedHead[]
  readonly copy: StoreCopy | null
}

export interface AccessInput {
  /** ms since 1970. */
  readonly at: number
  readonly request: FhirRequest
  readonly caller: Caller | null
  readonly status: number
  /** Rows disclosed, and for a refused request none. A store Row fits. */
  readonly disclosed?: readonly Touched[]
  readonly written?: readonly Written[]
  readonly entries?: readonly EntryAccess[]
  /** Where the request does not name it. */
  readonly operation?: string
  readonly why?: string
}

const NOTHING: readonly never[] = []

/** The record of one FHIR request. A create's `id` is taken from what was written. */
export function accessRecord(input: AccessInput): AccessRecord {
  const { request, status } = input
  const written = (input.written ?? []).map(writtenVersion)
  const resources = input.disclosed ?? NOTHING
  const entries = input.entries ?? []
  const only = entries.length === 0 && written.length === 1 ? written[0] : undefined
  const { client, issuer, subject, fhirUser, roles, purposes, jti, scope } = agentOf(input.caller)
  // Every request makes one: written out, since copying other objects into it takes several times longer.
  return {
    v: 1, at: input.at, requestId: request.requestId, clientRequestId: request.clientRequestId, address: request.address,
    interaction: request.interaction,
    action: ACTIONS[request.interaction],
    outcome: outcomeOf(status),
    status,
    client, issuer, subject, fhirUser, roles, purposes, jti, scope,
    type: request.type ?? only?.type ?? null,
    id: request.id ?? only?.id ?? null,
    operation: input.operation ?? request.operation ?? null,
    query: askedText(request),
    resources,
    patients: distinctPatients(resources, written, entries),
    written,
    entries,
    erased: NOTHING,
    count: 1,
    why: input.why ?? null,
    heads: NOTHING,
    copy: null
  }
}

/** One entry of a bundle, for `entries`: what it disclosed or wrote. */
export function entryAccess(request: FhirRequest, status: number, rows: readonly Touched[]): EntryAccess {
  const { interaction, type, id } = request
  return { interaction, type, id: id ?? (rows.length === 1 ? rows[0]!.id : null), status, query: askedText(request), resources: rows }
}

export interface RefusedInput {
  readonly at: number
  readonly requestId: string
  readonly clientRequestId: string | null
  readonly address: string
  readonly client: string | null
  readonly status: number
  /** Code of the refusal, such as `invalid_token`. */
  readonly why: string
  /** More than one in a summary (refusals.ts). */
  readonly count?: number
}

/** A credential that was refused: nobody is known, so no caller is named but the client it claimed to be. */
export function refusedRecord(input: RefusedInput): AccessRecord {
  return {
    ...blank(input.at, input), interaction: 'refused', action: 'E', outcome: 8, status: input.status, client: input.client,
    why: input.why, count: input.count ?? 1
  }
}

export interface TokenInput {
  readonly at: number
  readonly requestId: string
  readonly clientRequestId: string | null
  readonly address: string
  readonly caller: Caller
  readonly status: number
  readonly why?: string
}

/** A token that was issued (BALP: ITI-71). The token itself is never kept, only its jti. */
export function tokenRecord(input: TokenInput): AccessRecord {
  return {
    ...blank(input.at, input), ...agentOf(input.caller), interaction: 'token', action: 'E', outcome: outcomeOf(input.status),
    status: input.status, patients: input.caller.patient === null ? [] : [input.caller.patient], why: input.why ?? null
  }
}

export interface ErasureInput {
  readonly at: number
  readonly requestId: string
  readonly address: string
  readonly caller: Caller | null
  readonly patient: string
  /** Keys of the records that are removed in the same commit. */
  readonly keys: readonly Uint8Array[]
}

/** The erasure of a patient. `verify` takes the keys named here as erased, not lost. */
export function erasureRecord(input: ErasureInput): AccessRecord {
  return {
    ...blank(input.at, { ...input, clientRequestId: null }), ...agentOf(input.caller), interaction: 'erase', action: 'D', outcome: 0, status: 200,
    type: 'Patient', id: input.patient, patients: [input.patient], erased: input.keys.map(hex)
  }
}

export interface CopyInput {
  readonly at: number
  readonly requestId: string
  readonly event: 'export' | 'import'
  /** Who ran the command, as the operating system knows them. */
  readonly account: string
  readonly copy: StoreCopy
}

/** A copy of all that a store holds, by command. It names no patient, so it is shown to none. */
export function copyRecord({ at, requestId, event, account, copy }: CopyInput): AccessRecord {
  return {
    ...blank(at, { requestId, clientRequestId: null, address: '' }), interaction: event, action: event === 'export' ? 'R' : 'C', outcome: 0, status: 200,
    subject: account, copy
  }
}

/** A mark of the ledger itself: where all logs stand. */
export function headsRecord(at: number, interaction: 'ledger-start' | 'ledger-heads', heads: readonly NamedHead[]): AccessRecord {
  return { ...blank(at, { requestId: '', clientRequestId: null, address: '' }), interaction, action: 'E', outcome: 0, status: 200, heads }
}

/** 401 and 403 are serious: somebody tried what they may not. Other refusals by the caller's own fault are minor. */
export function outcomeOf(status: number): Outcome {
  if (status < 400) return 0
  return status < 500 && status !== 401 && status !== 403 ? 4 : 8
}

const ACTIONS: Readonly<Record<Interaction, Action>> = {
  read: 'R', vread: 'R', update: 'U', patch: 'U', delete: 'D', 'history-instance': 'R', 'history-type': 'R', 'history-system': 'R', create: 'C',
  'search-type': 'E', 'search-system': 'E', capabilities: 'R', transaction: 'E', batch: 'E', operation: 'E'
}

export const actionOf = (interaction: Interaction): Action => ACTIONS[interaction]

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')

function blank(at: number, request: { requestId: string; clientRequestId: string | null; address: string }): Omit<AccessRecord, 'interaction' | 'action' | 'outcome' | 'status'> {
  return {
    v: 1, at, requestId: request.requestId, clientRequestId: request.clientRequestId, address: request.address, client: null, issuer: null,
    subject: null, fhirUser: null, roles: [], purposes: [], jti: null, scope: null, type: null, id: null, operation: null, query: null,
    resources: [], patients: [], written: [], entries: [], erased: [], count: 1, why: null, heads: [], copy: null
  }
}

type Agent = Pick<AccessRecord, 'client' | 'issuer' | 'subject' | 'fhirUser' | 'roles' | 'purposes' | 'jti' | 'scope'>

function agentOf(caller: Caller | null): Agent {
  if (caller === null) return { client: null, issuer: null, subject: null, fhirUser: null, roles: [], purposes: [], jti: null, scope: null }
  const { client, issuer, subject, fhirUser, roles, purposes, jti, scope } = caller
  return { client, issuer, subject, fhirUser, roles, purposes, jti, scope }
}

function writtenVersion({ ref, version, deleted, patients, key, hash }: Written): WrittenVersion {
  return { type: ref.type, id: ref.id, version, patients, deleted, key: hex(key), hash: hex(hash) }
}

export function distinctPatients(resources: readonly Touched[], written: readonly Touched[], entries: readonly EntryAccess[]): readonly string[] {
  const patients = new Set<string>()
  let last: readonly string[] | null = null
  for (const one of resources) {
    // Rows of a patient come one after the other, and name the very same list.
    if (one.patients === last) continue
    last = one.patients
    for (const patient of one.patients) patients.add(patient)
  }
  for (const one of written) for (const patient of one.patients) patients.add(patient)
  for (const entry of entries) for (const one of entry.resources) for (const patient of one.patients) patients.add(patient)
  return [...patients]
}

/** Of a search in a compartment, the place too; of a conditional create, its criteria. */
function askedText({ compartment, type, params, headers: { ifNoneExist } }: FhirRequest): string | null {
  const query = ifNoneExist?.replace(/^\?/, '') ?? (params.length === 0 ? null : queryText(params))
  return compartment === undefined ? query : `${refText(compartment)}/${type ?? '*'}${query === null ? '' : `?${query}`}`
}
