import { fault } from '../../model/errors.ts'
import type { FhirRequest } from '../../model/interaction.ts'
import { parseJson } from '../../model/json.ts'
import type { Resource } from '../../model/resource.ts'
import { valueIn, wholly } from '../body.ts'
import type { Exchange } from '../exchange.ts'
import { validateResource } from '../validate/validate.ts'
import { applyFhirPathPatch } from './fhirpath-patch.ts'
import { applyJsonPatch } from './json-patch.ts'

export const JSON_PATCH = 'application/json-patch+json'

/**
 * What the body of a PATCH does to a resource: a JSON Patch, or Parameters of FHIRPath Patch. In a bundle a JSON Patch comes as a Binary
 * (https://hl7.org/fhir/R4/http.html#patch). The result is valid R4 of the same type and id.
 */
export function patchIn({ request, site }: Pick<Exchange, 'request' | 'site'>): (resource: Resource) => Resource {
  const apply = changeIn(request, site.bounds.jsonDepthMax)
  return (resource) => {
    const patched = apply(resource)
    const isSame = typeof patched === 'object' && patched !== null && patched.resourceType === resource.resourceType && patched.id === resource.id
    if (!isSame) throw fault(422, 'business-rule', 'A patch changes neither the type nor the id of a resource')
    return site.definitions.requireClaims(wholly(validateResource(patched, resource.resourceType)))
  }
}

function changeIn({ body }: FhirRequest, depthMax: number): (resource: Resource) => Resource {
  if (body === null) throw fault(400, 'required', 'A patch is needed as the body')
  if ('resource' in body) return changeOf(body.resource, depthMax)
  if (body.bytes.length === 0) throw fault(400, 'required', 'A patch is needed as the body')
  if (body.contentType !== JSON_PATCH) return changeOf(valueIn(body, depthMax), depthMax)
  const json = parseJson(body.bytes, { depthMax })
  return (resource) => applyJsonPatch(resource, json)
}

function changeOf(resource: unknown, depthMax: number): (resource: Resource) => Resource {
  const type = (resource as Partial<Resource> | null)?.resourceType
  if (type !== 'Binary') {
    const parameters = validateResource(resource, 'Parameters')
    return (before) => applyFhirPathPatch(before, parameters)
  }
  const { contentType, data } = validateResource(resource, 'Binary')
  if (typeof contentType !== 'string' || contentType.split(';')[0]!.trim().toLowerCase() !== JSON_PATCH) {
    throw fault(415, 'not-supported', `A Binary that patches is of the type ${JSON_PATCH}`)
  }
  const json = parseJson(Buffer.from(typeof data === 'string' ? data : '', 'base64'), { depthMax })
  return (before) => applyJsonPatch(before, json)
}
