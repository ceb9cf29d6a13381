import { fault } from '../model/errors.ts'
import type { FhirRequest } from '../model/interaction.ts'
import { parseJson } from '../model/json.ts'
import type { Resource } from '../model/resource.ts'
import { takingTurns } from '../model/turns.ts'
import { referencesIn } from '../search/references.ts'
import type { Exchange } from './exchange.ts'
import { bodyFormat } from './formats.ts'
import { validateResource } from './validate/validate.ts'
import { parseXml } from './xml/read-xml.ts'

/**
 * The resource in a request's body, valid R4 of the expected type and by the profiles that it claims and that are known here. FhirError 400 or 422 with the path of each
 * fault. What is done with a large one has turns of its own.
 */
export async function resourceIn({ request, site }: Pick<Exchange, 'request' | 'site'>, type: string | null): Promise<Resource> {
  const { body } = request
  if (body === null) throw fault(400, 'required', 'A resource is needed as the body')
  if ('bytes' in body && body.bytes.length === 0) throw fault(400, 'required', 'A resource is needed as the body')
  if ('bytes' in body && type === 'Binary' && bodyFormat(body.contentType, true) === undefined) return rawBinary(request, body.bytes, body.contentType)
  const turn = takingTurns()
  const value = 'resource' in body ? body.resource : valueIn(body, site.bounds.jsonDepthMax)
  const parsed = turn()
  if (parsed !== undefined) await parsed
  const resource = validateResource(value, type)
  const validated = turn()
  if (validated !== undefined) await validated
  return site.definitions.requireClaims(wholly(resource))
}

/** A body in any format that is read, as parsed JSON; FhirError 400 where it is not in the format that it says. */
export const valueIn = ({ bytes, contentType }: SentBody, depthMax: number): unknown =>
  (bodyFormat(contentType, false)?.syntax === 'xml' ? parseXml(bytes, { depthMax }) : parseJson(bytes, { depthMax }))

type SentBody = Extract<NonNullable<FhirRequest['body']>, { readonly bytes: Uint8Array }>

const CONDITIONAL = /^[A-Za-z]+\?/

/** Conditional references mean something in a transaction only, which has resolved them by now. A Bundle that is stored is not run. */
export function wholly(resource: Resource): Resource {
  const found = resource.resourceType === 'Bundle' ? undefined : referencesIn(resource).find(({ reference }) => CONDITIONAL.test(reference))
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
