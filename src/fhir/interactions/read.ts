import { fault, notFound } from '../../model/errors.ts'
import type { FhirRequest, FhirResponse } from '../../model/interaction.ts'
import type { Seen } from '../../store/ports.ts'
import { allowParams, type Exchange, type InteractionDefinition } from '../exchange.ts'
import { bodyFormat } from '../formats.ts'
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
  if (unchanged(request, seen)) return { status: 304, headers: rowHeaders(seen.row), updated: seen.row.updated, body: null }
  if (seen.row.type === 'Binary' && wantsRaw(request)) return rawBinary(request, seen)
  return resourceReply(seen)
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

/**
 * A Binary is sent in its native form where Accept names other types than FHIR's (https://hl7.org/fhir/R4/binary.html#rest), and as a
 * resource to those who name nothing.
 */
function wantsRaw({ headers: { accept = '' } }: FhirRequest): boolean {
  const ranges = rangesOf(accept)
  if (ranges.some((range) => bodyFormat(range, true) !== undefined)) return false
  return accept !== '' && (ranges.length === 0 || ranges.some((range) => range !== '*/*' && range !== 'application/*'))
}

/** Media ranges of an Accept header that are acceptable at all, without their parameters. */
function rangesOf(accept: string): readonly string[] {
  return accept.split(',').map((range) => range.split(';').map((part) => part.trim().toLowerCase()))
    .filter(([type, ...rest]) => type !== '' && !rest.some((part) => /^q=0(\.0*)?$/.test(part))).map(([type]) => type!)
}

function rawBinary(request: FhirRequest, seen: Seen): FhirResponse {
  const { contentType, data } = seen.resource() as { contentType?: string; data?: string }
  // As a resource it would be sent by other ways: whoever gets here wants the bytes.
  const type = typeof contentType === 'string' && !contentType.toLowerCase().startsWith('application/fhir+') && /^[\w.+-]+\/[\w.+-]+(\s*;[\x20-\x7e]*)?$/.test(contentType) ? contentType : OCTETS
  const bare = type.split(';')[0]!.trim().toLowerCase()
  const fits = rangesOf(request.headers.accept ?? '').some((range) => range === '*/*' || range === OCTETS || range === bare || range === `${bare.split('/')[0]}/*`)
  if (!fits) throw fault(406, 'not-supported', 'This Binary is neither of the types that Accept names nor wanted as a resource')
  return { status: 200, headers: { ...rowHeaders(seen.row), 'content-type': type }, body: Buffer.from(typeof data === 'string' ? data : '', 'base64') }
}

const OCTETS = 'application/octet-stream'
