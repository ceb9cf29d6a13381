import { ID_PATTERN } from '../../model/resource.ts'
import { isResourceType } from './shapes.ts'
import { isObject, type Json, type Walk } from './walk.ts'

/**
 * The form of a Reference and the types it may name (https://hl7.org/fhir/R4/references.html#literal): `Type/id`, `Type/id/_history/v`, an
 * absolute URI, `#id`, and `Type?criteria` for transactions. Whether the target exists is not looked at.
 */
export function checkReference(walk: Walk, value: Json, targets: ReadonlySet<string> | null): void {
  const { reference, type } = value
  if (typeof type === 'string' && targets !== null && isResourceType(type) && !targets.has(type)) {
    walk.rule('value', 'A reference to this type of resource is not allowed here', walk.expression('type'))
  }
  if (typeof reference !== 'string') return
  if (reference.startsWith('#')) {
    walk.container.fragments.add(reference)
    walk.container.references.push({ id: reference.slice(1), expression: walk.expression('reference'), targets })
    return
  }
  const form = referenceForm(reference)
  if (form === null) return walk.structure('value', 'This is not a valid reference', walk.expression('reference'))
  if (form.type === null) return
  if (targets !== null && !targets.has(form.type)) {
    walk.rule('value', 'A reference to this type of resource is not allowed here', walk.expression('reference'))
  } else if (typeof type === 'string' && isResourceType(type) && type !== form.type) {
    walk.rule('value', 'The type differs from that of the reference', walk.expression('type'))
  }
}

const ABSOLUTE = /^[A-Za-z][A-Za-z0-9+.-]*:[^\s]+$/
const HTTP = /^https?:\/\//

/** What a reference names, its type null where it does not say; null = no valid form. */
function referenceForm(reference: string): { readonly type: string | null } | null {
  if (ABSOLUTE.test(reference)) return { type: HTTP.test(reference) ? restfulType(reference) : null }
  const question = reference.indexOf('?')
  if (question > 0) {
    const type = reference.slice(0, question)
    return isResourceType(type) && question + 1 < reference.length ? { type } : null
  }
  const parts = reference.split('/')
  const [type, id] = parts
  if (type === undefined || id === undefined || !isResourceType(type) || !ID_PATTERN.test(id)) return null
  return parts.length === 2 || (parts.length === 4 && parts[2] === '_history' && ID_PATTERN.test(parts[3] as string)) ? { type } : null
}

/** The type in an absolute URL of R4's RESTful form, or null. */
function restfulType(url: string): string | null {
  const parts = url.split('/')
  const end = parts.at(-2) === '_history' ? parts.length - 2 : parts.length
  const type = parts[end - 2]
  return end > 4 && type !== undefined && isResourceType(type) && ID_PATTERN.test(parts[end - 1] as string) ? type : null
}

/** At the end of a container: ref-1, dom-3, and one id per contained resource. */
export function closeContainer(walk: Walk): void {
  const { resource, references, fragments } = walk.container
  const contained = Array.isArray(resource.contained) ? resource.contained as unknown[] : []
  const types = new Map<string, unknown>()
  for (const [index, one] of contained.entries()) {
    if (!isObject(one)) continue
    const { id } = one
    if (typeof id === 'string' && types.has(id)) {
      walk.rule('duplicate', 'Two contained resources have the same id', walk.expression(`contained[${index}].id`))
    }
    if (typeof id === 'string') types.set(id, one.resourceType)
    if ((typeof id !== 'string' || !fragments.has(`#${id}`)) && !pointsToContainer(one)) {
      walk.rule('invariant', 'dom-3: a contained resource must be referred to from the resource, or refer to it',
        walk.expression(`contained[${index}]`))
    }
  }
  for (const { id, expression, targets } of references) {
    const type = id === '' ? resource.resourceType : types.get(id)
    // Parameters carry values for another resource, such as one that a patch puts them into: that one is judged.
    if (type === undefined && resource.resourceType === 'Parameters') continue
    if (type === undefined) walk.rule('invariant', 'ref-1: the contained resource that a reference names is not there', expression)
    else if (targets !== null && typeof type === 'string' && isResourceType(type) && !targets.has(type)) {
      walk.rule('value', 'A reference to this type of resource is not allowed here', expression)
    }
  }
}

/** True when the contained resource refers to its container by `#`. */
function pointsToContainer(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([key, inner]) => (key === 'reference' && inner === '#') || pointsToContainer(inner))
}
