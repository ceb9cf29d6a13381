import { fault } from '../../model/errors.ts'
import type { FhirRequest } from '../../model/interaction.ts'
import type { Ref, Resource } from '../../model/resource.ts'
import { matches } from '../../search/match.ts'
import { parseCriteria } from '../../search/parse.ts'
import type { Seen } from '../../store/ports.ts'
import { conditionalMatch, criteriaOf } from '../conditional.ts'
import { type Exchange, ifMatchVersion } from '../exchange.ts'
import { validateResource } from '../validate/validate.ts'
import type { Entry } from './entries.ts'

/** A POST or PUT of a transaction on its way: where it goes and what it holds. */
export interface Draft {
  readonly entry: Entry
  readonly ref: Ref
  /** Null: a conditional create that found its match, so nothing is written. */
  resource: Resource | null
  /** That match where it is stored; null where another entry of the bundle writes it. */
  readonly found: Seen | null
  /** A resource that must not exist yet: under an id of ours, or under one that a conditional update without a match gave. */
  readonly isNew: 'own-id' | 'given-id' | null
}

/** The place of a POST or PUT entry: a fresh id, the id it names, or that of its conditional match. `earlier` are the entries before it. */
export async function draft(exchange: Exchange, entry: Entry, earlier: readonly Draft[]): Promise<Draft> {
  const request = entry.request as FhirRequest
  const type = request.type!
  exchange.guarded.require(type, request.interaction === 'create' ? 'c' : 'u')
  if (request.body === null || !('resource' in request.body)) throw fault(400, 'required', 'The entry needs a resource')
  const resource = exchange.site.definitions.requireClaims(validateResource(request.body.resource, type))
  if (request.interaction === 'create') return createDraft(exchange, entry, resource, earlier)
  if (request.id === null) return conditionalDraft(exchange, entry, resource, earlier)
  if (resource.id !== request.id) throw fault(400, 'invalid', 'The id of the resource must be the id of the URL', `${type}.id`)
  return { entry, ref: { type, id: request.id }, resource, found: null, isNew: null }
}

async function createDraft(exchange: Exchange, entry: Entry, resource: Resource, earlier: readonly Draft[]): Promise<Draft> {
  const type = resource.resourceType
  const criteria = (entry.request as FhirRequest).headers.ifNoneExist
  if (criteria !== undefined) {
    const match = await matchOf(exchange, type, criteria, earlier)
    if (match !== null) return { entry, ref: { type, id: match.id }, resource: null, found: match.found, isNew: null }
  }
  const id = exchange.site.newId()
  return { entry, ref: { type, id }, resource: { ...resource, id }, found: null, isNew: 'own-id' }
}

async function conditionalDraft(exchange: Exchange, entry: Entry, resource: Resource, earlier: readonly Draft[]): Promise<Draft> {
  const request = entry.request as FhirRequest
  const type = resource.resourceType
  const match = await matchOf(exchange, type, criteriaOf(request), earlier)
  if (match !== null) {
    if (resource.id !== undefined && resource.id !== match.id) throw fault(400, 'invalid', 'The id of the resource is not that of the match', `${type}.id`)
    return { entry, ref: { type, id: match.id }, resource: { ...resource, id: match.id }, found: null, isNew: null }
  }
  if (resource.id !== undefined) return { entry, ref: { type, id: resource.id }, resource, found: null, isNew: 'given-id' }
  if (ifMatchVersion(request) !== null) throw fault(412, 'conflict', 'If-Match does not name the current version')
  exchange.guarded.require(type, 'c')
  const id = exchange.site.newId()
  return { entry, ref: { type, id }, resource: { ...resource, id }, found: null, isNew: 'own-id' }
}

/** The one match among stored rows and what earlier entries of the bundle are about to write; more than one is 412. */
async function matchOf(exchange: Exchange, type: string, criteria: string, earlier: readonly Draft[]): Promise<{ readonly id: string; readonly found: Seen | null } | null> {
  const { site } = exchange
  const stored = await conditionalMatch(exchange, type, criteria)
  const parsed = parseCriteria(type, criteria, { base: site.base, ...site.bounds, lenient: false, now: () => site.now })
  const filter = await exchange.guarded.resolve(type, parsed)
  const own = earlier.filter((item) => item.resource !== null && item.ref.type === type && matches(filter, item.resource, { base: site.base })).map(({ ref }) => ref.id)
  const ids = new Set(stored === null ? own : [stored.row.id, ...own])
  if (ids.size > 1) throw fault(412, 'multiple-matches', 'The criteria match more than one resource')
  const [id] = ids
  return id === undefined ? null : { id, found: stored !== null && stored.row.id === id ? stored : null }
}
