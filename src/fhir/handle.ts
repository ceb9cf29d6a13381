/**
 * The FHIR door: compile the caller's policy, guard the store, run the interaction, and record the access durably before the reply
 * leaves (DESIGN.md §3 steps 4 to 8). Batch entries come through here again.
 */
import { type AccessInput, accessRecord, type EntryAccess, entryAccess } from '../audit/record.ts'
import type { Ledger } from '../audit/ledger.ts'
import type { Caller } from '../model/caller.ts'
import { FhirError, fault } from '../model/errors.ts'
import type { FhirRequest, FhirResponse } from '../model/interaction.ts'
import { eachInTurns, takingTurns } from '../model/turns.ts'
import { guard } from '../policy/guard.ts'
import type { Policy } from '../policy/policy.ts'
import type { ResourceStore, Row } from '../store/ports.ts'
import { stagedStore } from '../store/staged-store.ts'
import { bundleIn, type Entry, entriesOf } from './bundle/entries.ts'
import { bundleResponse } from './bundle/response.ts'
import { transaction } from './bundle/transaction.ts'
import { capabilities } from './capabilities.ts'
import type { Bounds, Run, Site } from './exchange.ts'
import { interactionOf } from './interactions/index.ts'
import { errorReply } from './reply.ts'
import type { Router } from './routes.ts'

export interface FhirContext {
  readonly base: string
  /** What the caller's policy stands on: the ledger's AuditEvents show raw queries to some roles only. */
  readonly store: (policy: Policy) => ResourceStore
  readonly ledger: Ledger
  readonly compile: (caller: Caller) => Promise<Policy>
  /** Called for each row written (of a deletion, its last content), so that what is cached of it goes. */
  readonly touched: (row: Row) => void
  readonly now: () => number
  readonly newId: () => string
  readonly links: Site['links']
  readonly version: string
  readonly date: string
  readonly router: Router
  readonly definitions: Site['definitions']
  readonly bounds: Bounds & { readonly paramsMax: number;  readonly entriesMax: number; readonly largeEntriesMax: number }
}

export type Handle = (request: FhirRequest, caller: Caller) => Promise<FhirResponse>

export function fhirHandler(context: FhirContext): Handle {
  return async (request, caller) => {
    if (request.interaction === 'capabilities') return capabilities(context)
    const policy = await context.compile(caller)
    const session: Session = { context, caller, policy }
    if (request.interaction === 'batch' || request.interaction === 'transaction') return bundle(session, request)
    const definition = interactionOf(request.interaction)
    if (definition === undefined) throw fault(405, 'not-supported', 'This interaction is not supported')
    return recorded(session, request, definition.run)
  }
}

interface Session {
  readonly context: FhirContext
  readonly caller: Caller
  readonly policy: Policy
}

/** A commit that lost a race runs again; this many times before the caller is told. */
const attemptsMax = 100

/** What one attempt of a request answered, and the rows that it disclosed. */
interface Attempt {
  readonly response: FhirResponse
  readonly disclosed: readonly Row[]
}

/** Runs a request to its end: a read is recorded before its reply, a write is committed together with its record. */
async function recorded(session: Session, request: FhirRequest, run: Run, entries?: Entries): Promise<FhirResponse> {
  return (await attempts(session, request, run, true, entries)).response
}

/** Entries of a bundle that is one commit, as its last attempt left them; `failed`: the status that ended it. They say what each disclosed. */
type Entries = (failed: number | null) => readonly EntryAccess[]

async function attempts(session: Session, request: FhirRequest, run: Run, recordReads: boolean, entries?: Entries): Promise<Attempt> {
  const { context, caller, policy } = session
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const now = context.now()
    const staged = stagedStore(context.store(policy), now, context.base)
    const guarded = guard(staged, policy, { ...context.bounds, base: context.base, now, newId: context.newId })
    let response: FhirResponse
    try {
      response = await run({ request, caller, guarded, site: site(context, now) })
    } catch (error) {
      if (!(error instanceof FhirError)) throw error
      if (await staged.overtaken()) continue
      if (recordReads) await context.ledger.append(accessRecord({ at: now, request, caller, status: error.status, why: error.issues[0]?.code ?? 'error', ...(entries === undefined ? {} : { entries: entries(error.status) }) }))
      throw error
    }
    const disclosed = guarded.disclosed()
    const input: AccessInput = { at: now, request, caller, status: response.status, ...(entries === undefined ? { disclosed } : { entries: entries(null) }) }
    if (staged.clean()) {
      if (recordReads) await context.ledger.append(accessRecord(input))
      return { response, disclosed }
    }
    const done = await staged.finish((written) => context.ledger.seal(accessRecord({ ...input, written })), policy.move)
    if (done.kind === 'done') {
      for (const row of [...staged.replacedRows(), ...staged.stagedRows()]) context.touched(row)
      return { response, disclosed }
    }
    await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(50, attempt * 2)))
  }
  throw new FhirError(503, [{ severity: 'error', code: 'transient', diagnostics: 'Too many writers want the same resource' }], { headers: { 'retry-after': '1' } })
}

function site(context: FhirContext, now: number): Site {
  return { base: context.base, bounds: context.bounds, now, newId: context.newId, links: context.links, router: context.router, definitions: context.definitions, paramsMax: context.bounds.paramsMax }
}

async function bundle(session: Session, request: FhirRequest): Promise<FhirResponse> {
  const { context, policy, caller } = session
  const { bounds } = context
  let parsed: ReturnType<typeof bundleIn>
  try {
    parsed = bundleIn(request, { jsonDepthMax: bounds.jsonDepthMax, entriesMax: policy.largeBundles ? bounds.largeEntriesMax : bounds.entriesMax })
  } catch (error) {
    if (error instanceof FhirError) await context.ledger.append(accessRecord({ at: context.now(), request, caller, status: error.status, why: error.issues[0]?.code ?? 'error' }))
    throw error
  }
  const named: FhirRequest = { ...request, interaction: parsed.type }
  if (parsed.type === 'batch') return batch(session, named, parsed.entry)
  return oneCommit(session, named, parsed.entry)
}

async function oneCommit(session: Session, request: FhirRequest, bundle: readonly unknown[]): Promise<FhirResponse> {
  const entries = entriesOf(request, site(session.context, session.context.now()), bundle)
  let done: Awaited<ReturnType<typeof transaction>> | null = null
  const run: Run = async (exchange) => {
    done = null
    done = await transaction(exchange, entries)
    return bundleResponse(request, 'transaction', done.responses)
  }
  return recorded(session, request, run, (failed) => {
    if (failed !== null) return entries.map((entry) => entryAccess(namedBy(entry, request), failed, []))
    const told = entries.map((entry) => entryAccess(namedBy(entry, request), done!.responses[entry.index]!.status, done!.disclosed[entry.index]!))
    // What was plainly written the record names among all that was written; a load of thousands is one event for each patient and not one for each entry.
    return told.filter(({ interaction, query }) => query !== null || !PLAIN_WRITES.has(interaction))
  })
}

const PLAIN_WRITES: ReadonlySet<string> = new Set(['create', 'update', 'patch'])

/** An entry that names nothing is recorded by its refusal alone. */
const namedBy = (entry: Entry, bundle: FhirRequest): FhirRequest => (entry.request instanceof FhirError ? { ...bundle, type: null, id: null, params: [] } : entry.request)

/** Each entry is a request of its own; writes commit with their own record, and one record at the end lists them all. */
async function batch(session: Session, request: FhirRequest, entries: readonly unknown[]): Promise<FhirResponse> {
  const { context, caller } = session
  const responses: FhirResponse[] = []
  const access: EntryAccess[] = []
  await eachInTurns(entriesOf(request, site(context, context.now()), entries), takingTurns(), async (entry) => {
    const { response, disclosed } = await batchEntry(session, entry.request)
    responses.push(entry.method === 'HEAD' ? { ...response, body: null } : response)
    access.push(entryAccess(namedBy(entry, request), response.status, disclosed))
  })
  await context.ledger.append(accessRecord({ at: context.now(), request, caller, status: 200, entries: access }))
  return bundleResponse(request, 'batch', responses)
}

async function batchEntry(session: Session, request: FhirRequest | FhirError): Promise<Attempt> {
  try {
    if (request instanceof FhirError) throw request
    const definition = interactionOf(request.interaction)
    if (definition === undefined) throw fault(405, 'not-supported', 'This interaction is not supported')
    return await attempts(session, request, definition.run, false)
  } catch (error) {
    if (error instanceof FhirError) return { response: errorReply(error), disclosed: [] }
    throw error
  }
}
