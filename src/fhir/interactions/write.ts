/** create, update and delete, each also in its conditional form (https://hl7.org/fhir/R4/http.html#create). */
import { fault, operationOutcome } from '../../model/errors.ts'
import type { FhirRequest, FhirResponse } from '../../model/interaction.ts'
import { refText, type Resource } from '../../model/resource.ts'
import type { Seen } from '../../store/ports.ts'
import { resourceIn } from '../body.ts'
import { conditionalMatch } from '../conditional.ts'
import { allowParams, type Exchange, ifMatchVersion, type InteractionDefinition, preferred } from '../exchange.ts'
import { jsonReply, resourceReply, rowHeaders } from '../reply.ts'

export const create: InteractionDefinition = {
  code: 'create',
  right: 'c',
  async run(exchange) {
    const { request, guarded, site } = exchange
    allowParams(request, ['_format', '_pretty'])
    const type = request.type!
    guarded.require(type, 'c')
    const resource = resourceIn(request, type, site.bounds.jsonDepthMax)
    const criteria = request.headers.ifNoneExist
    if (criteria !== undefined) {
      const match = await conditionalMatch(exchange, type, criteria)
      if (match !== null) return writeReply(exchange, match, 200)
    }
    return writeReply(exchange, await guarded.create(resource), 201)
  }
}

export const update: InteractionDefinition = {
  code: 'update',
  right: 'u',
  async run(exchange) {
    const { request, guarded, site } = exchange
    const type = request.type!
    guarded.require(type, 'u')
    const resource = resourceIn(request, type, site.bounds.jsonDepthMax)
    if (request.id === null) return conditionalUpdate(exchange, resource)
    allowParams(request, ['_format', '_pretty'])
    if (resource.id !== request.id) throw fault(400, 'invalid', 'The id of the resource must be the id of the URL', `${type}.id`)
    if (request.headers.ifNoneMatch?.trim() === '*' && (await guarded.read({ type, id: request.id })) !== undefined) {
      throw fault(412, 'conflict', 'If-None-Match: * was given and the resource exists')
    }
    return stored(exchange, { ...resource, id: request.id })
  }
}

async function conditionalUpdate(exchange: Exchange, resource: Resource): Promise<FhirResponse> {
  const { request, guarded } = exchange
  const criteria = criteriaOf(request)
  const match = await conditionalMatch(exchange, request.type!, criteria)
  if (match === null) {
    if (resource.id !== undefined) return stored(exchange, { ...resource, id: resource.id })
    guarded.require(request.type!, 'c')
    return writeReply(exchange, await guarded.create(resource), 201)
  }
  if (resource.id !== undefined && resource.id !== match.row.id) throw fault(400, 'invalid', 'The id of the resource is not that of the match', `${request.type!}.id`)
  return stored(exchange, { ...resource, id: match.row.id })
}

async function stored(exchange: Exchange, resource: Resource & { readonly id: string }): Promise<FhirResponse> {
  const { seen, created } = await exchange.guarded.update(resource, ifMatchVersion(exchange.request))
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
      const match = await conditionalMatch(exchange, type, criteriaOf(request))
      if (match !== null) await guarded.remove({ type, id: match.row.id }, ifMatch)
    }
    return { status: 204, headers: {}, body: null }
  }
}

/** Criteria of a conditional update or delete: the query without result parameters. */
function criteriaOf(request: FhirRequest): string {
  const pairs = request.params.filter(([name]) => name !== '_format' && name !== '_pretty')
  return new URLSearchParams(pairs.map(([name, value]) => [name, value])).toString()
}

function writeReply(exchange: Exchange, seen: Seen, status: number): FhirResponse {
  const { request, site } = exchange
  const { row } = seen
  const extra = { location: `${site.base}/${refText(row)}/_history/${row.version}` }
  const wish = preferred(request)
  if (wish === 'minimal') {
    const { 'content-type': _type, ...headers } = rowHeaders(row)
    return { status, headers: { ...headers, ...extra }, body: null }
  }
  if (wish === 'OperationOutcome') {
    const outcome = operationOutcome([{ severity: 'information', code: 'informational', diagnostics: status === 201 ? 'Created' : 'Updated' }])
    return jsonReply(request, outcome, status, { ...rowHeaders(row), ...extra })
  }
  return resourceReply(request, seen, status, extra)
}
