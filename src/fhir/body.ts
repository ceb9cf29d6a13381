import { fault } from '../model/errors.ts'
import type { FhirRequest } from '../model/interaction.ts'
import { parseJson } from '../model/json.ts'
import type { Resource } from '../model/resource.ts'
import { referencesIn } from '../search/references.ts'
import type { Exchange } from './exchange.ts'
import { bodyFormat } from './formats.ts'
import { validateResource } from './validate/validate.ts'
import { parseXml } from './xml/read-xml.ts'

/** The resource in a request's body, valid R4 of the expected type and by the profiles that it claims and that are known here. FhirError 400 or 422 with the path of each fault. */
export function resourceIn({ request, site }: Pick<Exchange, 'request' | 'site'>, type: string | null): Resource {
  const { body } = request
  if (body === null) throw fault(400, 'required', 'A resource is needed as the body')
  const valid = (value: unknown): Resource => site.definitions.requireClaims(wholly(validateResource(value, type)))
  if ('resource' in body) return valid(body.resource)
  if (body.bytes.length === 0) throw fault(400, 'required', 'A resource is needed as the body')
  if (type === 'Binary' && bodyFormat(body.contentType, true) === undefined) return rawBinary(request, body.bytes, body.contentType)
  return valid(valueIn(body, site.bounds.jsonDepthMax))
}

/** A body in any format that is read, as parsed JSON; FhirError 400 where it is not in the format that it says. */
export const valueIn = ({ bytes, contentType }: SentBody, depthMax: number): unknown =>
  (bodyFormat(contentType, false)?.syntax === 'xml' ? parseXml(bytes, { depthMax }) : parseJson(bytes, { depthMax }))

type SentBody = Extract<NonNullable<FhirRequest['body']>, { readonly bytes: Uint8Array }>

/** Conditional references mean something in a transaction only, which has resolved them by now. A Bundle that is stored is not run. */
export function wholly(resource: Resource): Resource {
  const found = resource.resourceType === 'Bundle' ? undefined : referencesIn(resource).find(({ reference }) => reference.includes('?') && !reference.includes(':'))
  if (found !== undefined) throw fault(422, 'not-supported', 'A conditional reference is resolved in a transaction only', `${found.path}.reference`)
  return resource
}

/** A Binary in its native form (https://hl7.org/fhir/R4/binary.html#rest). */
function rawBinary(request: FhirRequest, bytes: Uint8Array, contentType: string): Resource {
  const context = request.headers.securityContext
  return validateResource({
    resourceType: 'Binary', ...(request.id === null ? {} : { id: request.id }), contentType: contentType.trim(),
    ...(context === undefined ? {} : { securityContext: { reference: context } }), data: Buffer.from(bytes).toString('base64')
  }, 'Binary')
}
