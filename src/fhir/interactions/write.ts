/** create, update and delete, each also in its conditional form (https://hl7.org/fhir/R4/http.html#create). */
import { fault, operationOutcome } from '../../model/errors.ts'
import type { FhirResponse } from '../../model/interaction.ts'
import { refText, type Resource } from '../../model/resource.ts'
import type { Seen } from '../../store/ports.ts'
import { resourceIn } from '../body.ts'
import { conditionalMatch, criteriaOf, matchesToDelete } from '../conditional.ts'
import { allowParams, type Exchange, ifMatchVersion, type InteractionDefinition, preferred } from '../exchange.ts'
import { jsonReply, resourceReply, rowHeaders } from '../reply.ts'

export const create: InteractionDefinition = {
  code: 'create',
  right: 'c',
  async run(exchange) {
    const { request, guarded } = exchange
    allowParams(request, ['_format', '_pretty'])
    const type = request.type!
    guarded.require(type, 'c')
    const resource = await resourceIn(exchange, type)
    const criteria = request.headers.ifNoneExist
    if (criteria !== undefined) {
      const match = await conditionalMatch(exchange, type, criteria)
      if (match !== null) return writeReply(exchange, match, 200, 'Nothing was written: a resource matches the criteria')
    }
    return writeReply(exchange, await guarded.create(resource), 201)
  }
}

export const update: InteractionDefinition = {
  code: 'update',
  right: 'u',
  async run(exchange) {
    const { request, guarded } = exchange
    const type = request.type!
    guarded.require(type, 'u')
    const resource = await resourceIn(exchange, type)
    if (request.id === null) return conditionalUpdate(exchange, resource)
    allowParams(request, ['_format', '_pretty'])
    if (resource.id !== request.id) throw fault(400, 'invalid', 'The id of the resource must be the id of the URL', `${type}.id`)
    const { ifNoneMatch } = request.headers
    if (ifNoneMatch !== undefined && ifNoneMatch.trim() !== '*') throw fault(400, 'not-supported', 'If-None-Match of an update can only be *')
    return stored(exchange, { ...resource, id: request.id }, ifNoneMatch !== undefined)
  }
}

async function conditionalUpdate(exchange: Exchange, resource: Resource): Promise<FhirResponse> {
  const { request, guarded } = exchange
  const criteria = criteriaOf(request)
  const match = await conditionalMatch(exchange, request.type!, criteria)
  if (match === null) {
    // The id of a resource that does not match names another resource: it is not overwritten.
    if (resource.id !== undefined) return stored(exchange, { ...resource, id: resource.id }, true)
    if (ifMatchVersion(request) !== null) throw preconditionFailed()
    guarded.require(request.type!, 'c')
    return writeReply(exchange, await guarded.create(resource), 201)
  }
  if (resource.id !== undefined && resource.id !== match.row.id) throw fault(400, 'invalid', 'The id of the resource is not that of the match', `${request.type!}.id`)
  return stored(exchange, { ...resource, id: match.row.id }, false)
}

/** `isNew`: the resource must not exist yet (or no more). What was staged before a refusal is never committed. */
async function stored(exchange: Exchange, resource: Resource & { readonly id: string }, isNew: boolean): Promise<FhirResponse> {
  const { seen, created } = await exchange.guarded.update(resource, ifMatchVersion(exchange.request))
  if (isNew && !created) throw fault(412, 'conflict', 'A resource with this id exists already')
  // AuditEvents of other systems are kept as they came; an update that would change one is refused before anything is committed.
  if (resource.resourceType === 'AuditEvent' && !created) throw fault(405, 'not-supported', 'An AuditEvent is never changed')
  return writeReply(exchange, seen, created ? 201 : 200)
}

export const remove: InteractionDefinition = {
  code: 'delete',
  right: 'd',
  async run(exchange) {
    const { request, guarded } = exchange
    const type = request.type!
    guarded.require(type, 'd')
    if (type === 'AuditEvent') throw fault(405, 'not-supported', 'An AuditEvent is never deleted')
    const ifMatch = ifMatchVersion(request)
    if (request.id !== null) {
      allowParams(request, ['_format', '_pretty'])
      await guarded.remove({ type, id: request.id }, ifMatch)
    } else {
      const matches = await matchesToDelete(exchange, type, criteriaOf(request))
      for (const { row } of matches) await guarded.remove({ type, id: row.id }, ifMatch)
      if (matches.length === 0 && ifMatch !== null) throw preconditionFailed()
    }
    return { status: 204, headers: {}, body: null }
  }
}

const preconditionFailed = (): Error => fault(412, 'conflict', 'If-Match does not name the current version')

/** The answer to a write, in the form that `Prefer: return=` asks for. */
export function writeReply({ request, site }: Pick<Exchange, 'request' | 'site'>, seen: Seen, status: number, said = status === 201 ? 'Created' : 'Updated'): FhirResponse {
  const { row } = seen
  const extra = { location: `${site.base}/${refText(row)}/_history/${row.version}` }
  const wish = preferred(request)
  if (wish === 'minimal') {
    const { 'content-type': _type, ...headers } = rowHeaders(row)
    return { status, headers: { ...headers, ...extra }, updated: row.updated, body: null }
  }
  if (wish === 'OperationOutcome') {
    const outcome = operationOutcome([{ severity: 'information', code: 'informational', diagnostics: said }])
    return { ...jsonReply(outcome, status, { ...rowHeaders(row), ...extra }), updated: row.updated }
  }
  return resourceReply(seen, status, extra)
}
