/**
 * A transaction: all entries or none, in the specification's order (DELETE, POST, PUT, GET), staged on one guarded store and ended by
 * one commit whose preconditions are the versions that were read (https://hl7.org/fhir/R4/http.html#trules).
 */
import { fault, FhirError } from '../../model/errors.ts'
import type { FhirRequest, FhirResponse } from '../../model/interaction.ts'
import { type Ref, refText, type Resource } from '../../model/resource.ts'
import { classify } from '../../search/classification.ts'
import { matches } from '../../search/match.ts'
import { parseCriteria } from '../../search/parse.ts'
import { conditionalMatch } from '../conditional.ts'
import { type Exchange, preferred } from '../exchange.ts'
import { interactionOf } from '../interactions/index.ts'
import { etag } from '../reply.ts'
import { validateResource } from '../validate/validate.ts'
import { type Entry, entriesOf } from './entries.ts'
import { conditionalReferences, linkEntries, resolveConditional, rewriteStrings } from './references.ts'

/** A POST or PUT on its way: where it goes and what it holds. */
interface Draft {
  readonly entry: Entry
  readonly request: FhirRequest
  readonly ref: Ref
  /** Null: a conditional create that found its match, so nothing is written. */
  resource: Resource | null
}

export async function transaction(exchange: Exchange, bundle: readonly unknown[]): Promise<readonly FhirResponse[]> {
  const entries = entriesOf(exchange.request, exchange.site, bundle)
  const responses = new Array<FhirResponse>(entries.length)
  for (const entry of entries) if (entry.request instanceof FhirError) throw located(entry, entry.request)
  for (const entry of of(entries, ['DELETE'])) responses[entry.index] = await runEntry(exchange, entry, entry.request as FhirRequest)
  const drafts: Draft[] = []
  for (const entry of of(entries, ['POST', 'PUT'])) {
    const request = entry.request as FhirRequest
    if (request.interaction === 'create' || request.interaction === 'update') drafts.push(await atEntry(entry, () => draft(exchange, entry, request, drafts)))
    else responses[entry.index] = await runEntry(exchange, entry, request)
  }
  refuseDoubles(drafts, of(entries, ['DELETE']))
  await link(exchange, drafts)
  for (const item of inWritingOrder(drafts)) responses[item.entry.index] = await atEntry(item.entry, () => write(exchange, item))
  for (const entry of of(entries, ['GET', 'HEAD'])) responses[entry.index] = await runEntry(exchange, entry, entry.request as FhirRequest)
  return responses
}

const of = (entries: readonly Entry[], methods: readonly string[]): readonly Entry[] => entries.filter((entry) => methods.includes(entry.method))

async function runEntry(exchange: Exchange, entry: Entry, request: FhirRequest): Promise<FhirResponse> {
  return atEntry(entry, () => interactionOf(request.interaction)!.run({ ...exchange, request }))
}

/** The place of a POST or PUT entry: a fresh id, the id it names, or that of its conditional match. */
async function draft(exchange: Exchange, entry: Entry, request: FhirRequest, earlier: readonly Draft[]): Promise<Draft> {
  const type = request.type!
  exchange.guarded.require(type, request.interaction === 'create' ? 'c' : 'u')
  if (request.body === null || !('resource' in request.body)) throw fault(400, 'required', 'The entry needs a resource')
  const resource = validateResource(request.body.resource, type)
  const criteria = request.interaction === 'create' ? request.headers.ifNoneExist : request.id === null ? new URLSearchParams(request.params.map(([n, v]) => [n, v])).toString() : undefined
  if (criteria !== undefined) {
    const match = (await conditionalMatch(exchange, type, criteria))?.row.id ?? ownMatch(exchange, type, criteria, earlier)
    if (match !== undefined) return { entry, request, ref: { type, id: match }, resource: request.interaction === 'create' ? null : { ...resource, id: match } }
  }
  if (request.interaction === 'update' && request.id !== null && resource.id !== request.id) throw fault(400, 'invalid', 'The id of the resource must be the id of the URL')
  const id = request.id ?? (request.interaction === 'update' ? resource.id : undefined) ?? exchange.site.newId()
  return { entry, request, ref: { type, id }, resource: { ...resource, id } }
}

/** If-None-Exist also finds what an earlier entry of the same bundle is about to write. */
function ownMatch(exchange: Exchange, type: string, criteria: string, earlier: readonly Draft[]): string | undefined {
  const { site } = exchange
  const filter = parseCriteria(type, criteria, { base: site.base, ...site.bounds, lenient: false, now: () => site.now })
  return earlier.find((item) => item.resource !== null && item.ref.type === type && matches(filter, item.resource, { base: site.base }))?.ref.id
}

function refuseDoubles(drafts: readonly Draft[], deletes: readonly Entry[]): void {
  const seen = new Set(deletes.map((entry) => entry.request as FhirRequest).filter((request) => request.id !== null).map((request) => `${request.type}/${request.id}`))
  for (const { ref, resource, entry } of drafts) {
    if (resource === null) continue
    if (seen.has(refText(ref))) throw fault(400, 'duplicate', 'A resource is written by two entries', `Bundle.entry[${entry.index}]`)
    seen.add(refText(ref))
  }
}

async function link(exchange: Exchange, drafts: readonly Draft[]): Promise<void> {
  const places = new Map<string, Ref>()
  for (const { entry, ref } of drafts) {
    if (entry.fullUrl === null) continue
    if (places.has(entry.fullUrl)) throw fault(400, 'duplicate', 'Two entries have one fullUrl', `Bundle.entry[${entry.index}].fullUrl`)
    places.set(entry.fullUrl, ref)
  }
  const own: Resource[] = []
  for (const item of drafts) {
    if (item.resource === null) continue
    item.resource = linkEntries(item.resource, places)
    own.push(item.resource)
  }
  const resolved = new Map<string, string>()
  for (const item of drafts) {
    if (item.resource === null) continue
    const conditional = conditionalReferences(item.resource)
    for (const text of conditional) {
      if (!resolved.has(text)) resolved.set(text, await atEntry(item.entry, () => resolveConditional(exchange, text, own)))
    }
    if (conditional.length > 0) item.resource = rewriteStrings(item.resource, (text, key) => (key === 'reference' ? resolved.get(text) : undefined)) as Resource
  }
}

/** What takes its patients from other resources is staged after them. */
const inWritingOrder = (drafts: readonly Draft[]): readonly Draft[] =>
  [...drafts.filter((item) => !isDerived(item)), ...drafts.filter(isDerived)]

const isDerived = (item: Draft): boolean => (classify(item.ref.type)?.from.length ?? 0) > 0

async function write(exchange: Exchange, item: Draft): Promise<FhirResponse> {
  const { guarded, site } = exchange
  const { ref, request } = item
  if (item.resource === null) {
    const seen = await guarded.read(ref)
    return entryReply(exchange, site.base, ref, seen?.row.version ?? 1, 200, seen === undefined ? null : { updated: seen.row.updated, json: seen.json() })
  }
  if (request.interaction === 'create') {
    const seen = await guarded.create(item.resource, ref.id)
    return entryReply(exchange, site.base, ref, seen.row.version, 201, { updated: seen.row.updated, json: seen.json() })
  }
  const run = interactionOf('update')!.run
  return run({ ...exchange, request: { ...request, id: ref.id, params: [], body: { resource: item.resource }, headers: { prefer: 'return=minimal', ...request.headers } } })
}

function entryReply(exchange: Exchange, base: string, ref: Ref, version: number, status: number, content: { updated: number; json: Uint8Array } | null): FhirResponse {
  const headers: Record<string, string> = { location: `${base}/${refText(ref)}/_history/${version}`, etag: etag(version) }
  if (content !== null) headers['last-modified'] = new Date(content.updated).toUTCString()
  const whole = preferred(exchange.request) === 'representation'
  return { status, headers, body: whole && content !== null ? content.json : null }
}

/** Puts the entry's path before that of each issue. */
function located(entry: Entry, error: FhirError): FhirError {
  const where = `Bundle.entry[${entry.index}]`
  const issues = error.issues.map((issue) => {
    const path = issue.expression?.[0]
    const inside = path === undefined ? where : path.startsWith('Bundle.') ? path : `${where}.resource${path.replace(/^[A-Za-z]+/, '')}`
    return { ...issue, expression: [inside] }
  })
  return new FhirError(error.status, issues, { headers: { ...error.headers } })
}

async function atEntry<T>(entry: Entry, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof FhirError) throw located(entry, error)
    throw error
  }
}
