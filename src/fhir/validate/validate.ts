import { FhirError, fault } from '../../model/errors.ts'
import type { Resource } from '../../model/resource.ts'
import { checkResource } from './check.ts'
import { isResourceType, resourceTypeNames } from './shapes.ts'
import { isObject, ReportFull, Walk } from './walk.ts'

export interface ValidateOptions {
  /** False: a Bundle's entry resources are left for its entries to check one by one. Default true. */
  readonly entryResources?: boolean
}

/**
 * Checks parsed JSON against R4 4.0.1 (https://hl7.org/fhir/R4/validation.html): elements, cardinality, primitive values, required
 * bindings, references, narrative and invariants. Throws FhirError 400 where the JSON is not R4 in form, 422 where it breaks a rule or a
 * binding, with at most 50 issues, each naming its element by FHIRPath and none holding a value. `expectedType` null = any type. An
 * extension may have any url.
 */
export function validateResource(resource: unknown, expectedType: string | null, options: ValidateOptions = {}): Resource {
  if (!isObject(resource)) throw fault(400, 'structure', 'The body must be a JSON object')
  const type = resource.resourceType
  if (typeof type !== 'string' || type === '') throw fault(400, 'structure', 'The body has no resourceType')
  if (expectedType !== null && type !== expectedType) {
    throw fault(400, 'invalid', `The body must be of type ${expectedType}`, 'resourceType')
  }
  const walk = new Walk(resource, options.entryResources ?? true)
  walk.path.push(isResourceType(type) ? type : 'Resource')
  try {
    checkResource(walk, resource, false)
  } catch (error) {
    if (!(error instanceof ReportFull)) throw error
  }
  if (walk.issues.length > 0) throw new FhirError(walk.structural ? 400 : 422, walk.issues)
  return resource as Resource
}

/** The 146 concrete resource types of R4 4.0.1, sorted. */
export const resourceTypes = (): readonly string[] => resourceTypeNames()
