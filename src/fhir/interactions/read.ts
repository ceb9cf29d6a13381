import { fault, notFound } from '../../model/errors.ts'
import type { FhirRequest, FhirResponse } from '../../model/interaction.ts'
import type { Seen } from '../../store/ports.ts'
import { allowParams, type Exchange, type InteractionDefinition } from '../exchange.ts'
import { etag, resourceReply, rowHeaders } from '../reply.ts'

/** https://hl7.org/fhir/R4/http.html#read, with conditional read. */
export const read: InteractionDefinition = {
  code: 'read',
  right: 'r',
  async run({ request, guarded }) {
    allowParams(request, ['_format', '_pretty'])
    const seen = await guarded.read({ type: request.type!, id: request.id! })
    return replyTo(request, seen)
  }
}

/** https://hl7.org/fhir/R4/http.html#vread. */
export const vread: InteractionDefinition = {
  code: 'vread',
  right: 'r',
  async run({ request, guarded }: Exchange) {
    allowParams(request, ['_format', '_pretty'])
    const version = /^[1-9][0-9]{0,14}$/.test(request.version ?? '') ? Number(request.version) : null
    const seen = version === null ? undefined : await guarded.version({ type: request.type!, id: request.id! }, version)
    return replyTo(request, seen)
  }
}

function replyTo(request: FhirRequest, seen: Seen | undefined): FhirResponse {
  if (seen === undefined) throw notFound()
  if (seen.row.deleted) throw fault(410, 'deleted', 'The resource was deleted')
  if (unchanged(request, seen)) return { status: 304, headers: rowHeaders(seen.row), body: null }
  if (seen.row.type === 'Binary' && wantsRaw(request)) return rawBinary(seen)
  return resourceReply(request, seen)
}

/** If-None-Match wins over If-Modified-Since (RFC 9110 §13.2.2). */
function unchanged(request: FhirRequest, seen: Seen): boolean {
  const { ifNoneMatch, ifModifiedSince } = request.headers
  if (ifNoneMatch !== undefined) {
    const opaque = (text: string): string => text.trim().replace(/^W\//, '')
    return ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some((tag) => opaque(tag) === opaque(etag(seen.row.version)))
  }
  if (ifModifiedSince === undefined) return false
  const since = Date.parse(ifModifiedSince)
  return !Number.isNaN(since) && Math.floor(seen.row.updated / 1000) * 1000 <= since
}

/** A Binary is sent in its native form unless FHIR JSON is asked for (https://hl7.org/fhir/R4/binary.html#rest). */
function wantsRaw(request: FhirRequest): boolean {
  if (request.params.some(([name]) => name === '_format')) return false
  const accept = request.headers.accept
  return accept !== undefined && !/application\/(fhir\+)?json|\*\/\*/i.test(accept)
}

function rawBinary(seen: Seen): FhirResponse {
  const { contentType, data } = seen.resource() as { contentType?: string; data?: string }
  const type = typeof contentType === 'string' && /^[\w.+-]+\/[\w.+-]+(\s*;[^\r\n]*)?$/.test(contentType) ? contentType : 'application/octet-stream'
  const headers = { ...rowHeaders(seen.row), 'content-type': type, 'content-disposition': 'attachment' }
  return { status: 200, headers, body: Buffer.from(typeof data === 'string' ? data : '', 'base64') }
}
