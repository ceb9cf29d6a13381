import type { FhirRequest, FhirResponse } from '../../model/interaction.ts'
import { preferred } from '../exchange.ts'
import { FHIR_JSON, JsonPieces } from '../reply.ts'

/** A batch-response or transaction-response, in the order of the request's entries. */
export function bundleResponse(request: FhirRequest, type: 'batch' | 'transaction', responses: readonly FhirResponse[]): FhirResponse {
  const outcomes = preferred(request) === 'OperationOutcome'
  const pieces = new JsonPieces().text(`{"resourceType":"Bundle","type":"${type}-response"`)
  responses.forEach((response, index) => {
    pieces.text(index === 0 ? ',"entry":[' : ',')
    writeEntry(pieces, response, outcomes && response.headers.location !== undefined)
  })
  return { status: 200, headers: { 'content-type': FHIR_JSON }, body: pieces.text(responses.length === 0 ? '}' : ']}').done() }
}

/** `isOutcome`: the body speaks about the write and is not what was written. */
function writeEntry(pieces: JsonPieces, response: FhirResponse, isOutcome: boolean): void {
  const { status, headers, updated, body } = response
  const line: Record<string, unknown> = { status: `${status} ${phrases[status] ?? ''}`.trim() }
  if (headers.location !== undefined) line.location = headers.location
  if (headers.etag !== undefined) line.etag = headers.etag
  if (updated !== undefined) line.lastModified = new Date(updated).toISOString()
  if (body !== null && status < 400 && !isOutcome) pieces.text('{"resource":').body(body).text(`,"response":${JSON.stringify(line)}}`)
  else if (body !== null) pieces.text(`{"response":${JSON.stringify(line).slice(0, -1)},"outcome":`).body(body).text('}}')
  else pieces.text(`{"response":${JSON.stringify(line)}}`)
}

const phrases: Readonly<Record<number, string>> = {
  200: 'OK', 201: 'Created', 204: 'No Content', 304: 'Not Modified', 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed', 406: 'Not Acceptable',
  409: 'Conflict', 410: 'Gone', 412: 'Precondition Failed', 413: 'Content Too Large', 422: 'Unprocessable Content', 500: 'Internal Server Error'
}
