/**
 * A transaction: all entries or none, in the specification's order (DELETE, POST, PUT and PATCH, GET), staged on one guarded store and ended by
 * one commit whose preconditions are the versions that were read (https://hl7.org/fhir/R4/http.html#trules).
 */
import { fault, FhirError } from '../../model/errors.ts'
import type { FhirRequest, FhirResponse } from '../../model/interaction.ts'
import { type Ref, refText, type Resource } from '../../model/resource.ts'
import { eachInTurns, takingTurns, type Turn } from '../../model/turns.ts'
import { derivedTargets } from '../../search/compartment.ts'
import type { Row } from '../../store/ports.ts'
import { conditionalMatch, criteriaOf, matchesToDelete } from '../conditional.ts'
import { type Exchange, preferred } from '../exchange.ts'
import { interactionOf } from '../interactions/index.ts'
import { writeReply } from '../interactions/write.ts'
import { operationOf } from '../operations/index.ts'
import { validateResource } from '../validate/validate.ts'
import { type Draft, draft } from './drafts.ts'
import type { Entry } from './entries.ts'
import { conditionalReferences, linkConditional, linkEntries, resolveConditional } from './references.ts'

/** Of each entry its answer, and the rows that it disclosed. */
export interface Outcome { readonly responses: readonly FhirResponse[]; readonly disclosed: readonly (readonly Row[])[] }

export async function transaction(exchange: Exchange, entries: readonly Entry[]): Promise<Outcome> {
  const responses = new Array<FhirResponse>(entries.length)
  const disclosed = entries.map((): Row[] => [])
  const atEntry: AtEntry = (entry, run) => noting(exchange, disclosed[entry.index]!, () => located(entry, run))
  for (const entry of entries) if (entry.request instanceof FhirError) throw locatedError(entry, entry.request)
  const written = new Set<string>()
  const turn = takingTurns()
  const answer = (some: readonly Entry[], run: (entry: Entry) => Promise<FhirResponse>): Promise<void> =>
    eachInTurns(some, turn, async (entry) => { responses[entry.index] = await atEntry(entry, () => run(entry)) })
  await answer(by(entries, 'delete'), (entry) => remove(exchange, entry, written))
  const drafts: Draft[] = []
  await eachInTurns([...by(entries, 'create'), ...by(entries, 'update')], turn, async (entry) => void drafts.push(await atEntry(entry, () => draft(exchange, entry, drafts))))
  for (const { entry, ref, resource } of drafts) if (resource !== null) noteWritten(written, ref, entry)
  const patches = by(entries, 'patch')
  const changing = by(entries, 'operation').filter(changesState)
  for (const entry of [...patches, ...changing]) if ((entry.request as FhirRequest).id !== null) noteWritten(written, placeOf(entry), entry)
  const places = await link(exchange, drafts, turn, atEntry)
  await eachInTurns(inWritingOrder(drafts, exchange.site.base), turn, async (item) => { responses[item.entry.index] = await atEntry(item.entry, () => write(exchange, item)) })
  await answer(patches, (entry) => patch(exchange, entry, places, written))
  await answer(changing, (entry) => runEntry(exchange, entry.request as FhirRequest, entry.method))
  await answer(entries.filter(({ index }) => responses[index] === undefined), (entry) => runEntry(exchange, entry.request as FhirRequest, entry.method))
  return { responses, disclosed }
}

type AtEntry = <T>(entry: Entry, run: () => Promise<T>) => Promise<T>

/** Entries run one after the other, so what is disclosed meanwhile is by this one. */
async function noting<T>({ guarded }: Exchange, rows: Row[], run: () => Promise<T>): Promise<T> {
  const from = guarded.disclosures()
  const result = await run()
  if (guarded.disclosures() > from) rows.push(...guarded.disclosed(from))
  return result
}

const by = (entries: readonly Entry[], interaction: string): readonly Entry[] => entries.filter((entry) => (entry.request as FhirRequest).interaction === interaction)

async function runEntry(exchange: Exchange, request: FhirRequest, method: string): Promise<FhirResponse> {
  const response = await interactionOf(request.interaction)!.run({ ...exchange, request })
  return method === 'HEAD' ? { ...response, body: null } : response
}

/** No two entries may write one resource, whether they name it by id or by criteria. */
function noteWritten(written: Set<string>, ref: Ref, entry: Entry): void {
  if (written.has(refText(ref))) throw fault(400, 'duplicate', 'A resource is written by two entries', `Bundle.entry[${entry.index}]`)
  written.add(refText(ref))
}

async function remove(exchange: Exchange, entry: Entry, written: Set<string>): Promise<FhirResponse> {
  const request = entry.request as FhirRequest
  const type = request.type!
  if (request.id !== null) noteWritten(written, { type, id: request.id }, entry)
  else {
    exchange.guarded.require(type, 'd')
    for (const match of await matchesToDelete(exchange, type, criteriaOf(request))) noteWritten(written, match.row, entry)
  }
  return runEntry(exchange, request, entry.method)
}

function changesState({ request }: Entry): boolean {
  const { operation, type } = request as FhirRequest
  return operationOf(operation ?? '', type)?.affectsState ?? false
}

const placeOf = ({ request }: Entry): Ref => ({ type: (request as FhirRequest).type!, id: (request as FhirRequest).id! })

/** Patches run on what the bundle has staged. The values of a FHIRPath Patch may link to other entries. */
async function patch(exchange: Exchange, entry: Entry, places: ReadonlyMap<string, Ref>, written: Set<string>): Promise<FhirResponse> {
  const given = briefly(entry.request as FhirRequest)
  let { body, id } = given
  if (id === null) {
    const match = await conditionalMatch(exchange, given.type!, criteriaOf(given))
    if (match !== null) noteWritten(written, match.row, entry)
    id = match?.row.id ?? null
  }
  if (body !== null && 'resource' in body && (body.resource as Partial<Resource>).resourceType === 'Parameters') {
    body = { resource: linkEntries(validateResource(body.resource, 'Parameters'), places, entry.fullUrl) }
  }
  return runEntry(exchange, { ...given, ...(id === null ? {} : { id, params: [] }), body }, entry.method)
}

/** Links entries to each other; the places that they were given, by fullUrl. */
async function link(exchange: Exchange, drafts: readonly Draft[], turn: Turn, atEntry: AtEntry): Promise<ReadonlyMap<string, Ref>> {
  const places = new Map<string, Ref>()
  for (const { entry, ref } of drafts) {
    if (entry.fullUrl === null) continue
    if (places.has(entry.fullUrl)) throw fault(400, 'duplicate', 'Two entries have one fullUrl', `Bundle.entry[${entry.index}].fullUrl`)
    places.set(entry.fullUrl, ref)
  }
  await eachInTurns(drafts, turn, (item) => { if (item.resource !== null) item.resource = linkEntries(item.resource, places, item.entry.fullUrl) })
  const own = drafts.flatMap(({ resource }) => (resource === null ? [] : [resource]))
  const resolved = new Map<string, string>()
  await eachInTurns(drafts, turn, async (item) => {
    if (item.resource === null) return
    const conditional = conditionalReferences(item.resource)
    for (const text of conditional) {
      if (!resolved.has(text)) resolved.set(text, await atEntry(item.entry, () => resolveConditional(exchange, text, own)))
    }
    if (conditional.length > 0) item.resource = linkConditional(item.resource, resolved)
  })
  return places
}

/** What takes its patients from other resources of the bundle is staged after them, at any depth and in any order of the entries. */
function inWritingOrder(drafts: readonly Draft[], base: string): readonly Draft[] {
  const known = new Map(drafts.flatMap((item) => (item.resource === null ? [] : [[refText(item.ref), item] as const])))
  const order: Draft[] = []
  const met = new Set<Draft>()
  const open = [...drafts].reverse().map((item) => ({ item, ready: false }))
  for (let top = open.pop(); top !== undefined; top = open.pop()) {
    if (top.ready) order.push(top.item)
    if (top.ready || met.has(top.item)) continue
    met.add(top.item)
    open.push({ item: top.item, ready: true })
    for (const target of top.item.resource === null ? [] : derivedTargets(top.item.resource, base)) {
      const before = known.get(refText(target))
      if (before !== undefined && !met.has(before)) open.push({ item: before, ready: false })
    }
  }
  return order
}

/** Answers are short unless `Prefer` asks for more. */
const briefly = (given: FhirRequest): FhirRequest =>
  ({ ...given, headers: { ...given.headers, prefer: preferred(given) === null ? 'return=minimal' : given.headers.prefer! } })

async function write(exchange: Exchange, { entry, ref, resource, found, isNew }: Draft): Promise<FhirResponse> {
  const request = briefly(entry.request as FhirRequest)
  if (resource === null) {
    const seen = found ?? (await exchange.guarded.read(ref))
    if (seen === undefined) throw fault(403, 'forbidden', 'What matches the criteria is not for this caller to read')
    return writeReply({ ...exchange, request }, seen, 200, 'Nothing was written: a resource matches the criteria')
  }
  if (isNew === 'own-id') return writeReply({ ...exchange, request }, await exchange.guarded.create(resource, ref.id), 201)
  const headers = isNew === 'given-id' ? { ...request.headers, ifNoneMatch: '*' } : request.headers
  return interactionOf('update')!.run({ ...exchange, request: { ...request, headers, id: ref.id, params: [], body: { resource } } })
}

/** Puts the entry's path before that of each issue. */
function locatedError(entry: Entry, error: FhirError): FhirError {
  const where = `Bundle.entry[${entry.index}]`
  const issues = error.issues.map((issue) => {
    const path = issue.expression?.[0]
    const inside = path === undefined ? where : path.startsWith('Bundle.') ? path : `${where}.resource${path.replace(/^[A-Za-z]+/, '')}`
    return { ...issue, expression: [inside] }
  })
  return new FhirError(error.status, issues, { headers: { ...error.headers } })
}

async function located<T>(entry: Entry, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof FhirError) throw locatedError(entry, error)
    throw error
  }
}
