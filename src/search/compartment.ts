import type { Ref, Resource } from '../model/resource.ts'
import { type Accessor, compileAccessor, type TypedValue } from './accessor.ts'
import { parseExpression } from './accessor-syntax.ts'
import { classify } from './classification.ts'
import { searchParam, values } from './parameters.ts'
import { parseReference } from './references.ts'

/**
 * Ids of the patients that a resource itself names, sorted and distinct: by R4's compartment parameters (a Patient: its own id), and
 * by the elements of `Classification.from` where they point straight at a Patient. `base` is this server's FHIR base: absolute
 * references to it count, versioned ones too; other hosts', contained, `urn:` and malformed ones do not.
 */
export function compartmentPatients(resource: Resource, base: string): readonly string[] {
  const type = resource.resourceType
  if (type === 'Patient') return resource.id === undefined ? [] : [resource.id]
  const found = compartmentCodes(type).flatMap((code) => namedBy(resource, code))
  return patientsAmong([...found, ...sourcesOf(resource)], base)
}

/** Resources whose patients are this resource's patients too (Provenance.target, Binary.securityContext …), distinct, itself left out. */
export function derivedTargets(resource: Resource, base: string): readonly Ref[] {
  const targets = new Map<string, Ref>()
  for (const { type, id } of localReferences(sourcesOf(resource), base)) {
    if (type !== resource.resourceType || id !== resource.id) targets.set(`${type}/${id}`, { type, id })
  }
  return [...targets.values()]
}

/** Parameters of R4's CompartmentDefinition for Patient on that type; empty: the type is not in it. */
export function compartmentCodes(type: string): readonly string[] {
  return classify(type)?.codes ?? []
}

/** Ids of the patients whom the resource is about (`Classification.subject`); a subset of its compartment patients or empty. */
export function subjectPatients(resource: Resource, base: string): readonly string[] {
  const subject = classify(resource.resourceType)?.subject
  if (resource.resourceType === 'Patient') return compartmentPatients(resource, base)
  return subject === null || subject === undefined ? [] : patientsAmong(namedBy(resource, subject), base)
}

const sourceAccessors = new Map<string, readonly Accessor[]>()

function namedBy(resource: Resource, code: string): readonly TypedValue[] {
  const param = searchParam(resource.resourceType, code)
  if (param === undefined) throw new Error(`The compartment names an unknown parameter: ${resource.resourceType}.${code}`)
  return values(param, resource)
}

function sourcesOf(resource: Resource): readonly TypedValue[] {
  const type = resource.resourceType
  let accessors = sourceAccessors.get(type)
  if (accessors === undefined) {
    accessors = (classify(type)?.from ?? []).map(({ path }) => compileAccessor(parseExpression(path), type))
    sourceAccessors.set(type, accessors)
  }
  return accessors.flatMap((accessor) => accessor(resource))
}

function patientsAmong(found: readonly TypedValue[], base: string): readonly string[] {
  return [...new Set(localReferences(found, base).filter(({ type }) => type === 'Patient').map(({ id }) => id))].sort()
}

function localReferences(found: readonly TypedValue[], base: string): readonly Ref[] {
  return found.flatMap(({ type, value }) => {
    const text = type === 'Reference' ? (value as { reference?: unknown }).reference : undefined
    const parsed = typeof text === 'string' ? parseReference(text, base) : null
    return parsed !== null && 'type' in parsed ? [parsed] : []
  })
}
