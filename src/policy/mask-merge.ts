import { fault, type FhirError } from '../model/errors.ts'
import type { Resource } from '../model/resource.ts'
import { listElements, type Listed } from './element-paths.ts'
import { equal, isObject, type JsonObject } from './json-parts.ts'
import { pruneMember } from './prune.ts'

/** The merge behind `Mask.merge` (mask.ts). `listed` is the mask's tree, the resource's frame included. */
export function mergeMasked(listed: Listed, written: Resource, stored: Resource | null): Resource {
  const tags = Array.isArray(written.meta?.tag) ? written.meta.tag : []
  if (tags.some((tag) => tag?.code === 'SUBSETTED')) {
    throw fault(422, 'business-rule', 'A resource tagged SUBSETTED is a partial copy: leave the tag out to confirm that the hidden parts are to stay', `${written.resourceType}.meta.tag`)
  }
  return mergeObject(listed, written, stored ?? {}, written.resourceType, FRAME) as unknown as Resource
}

/** Which elements of a type a caller may change. */
export interface Writable {
  readonly elements: readonly string[]
  /** Throws FhirError 403 naming the first element that differs and is not listed. `before` null: a create. */
  check(after: Resource, before: Resource | null): void
}

export function compileWritable(type: string, elements: readonly string[]): Writable {
  const sorted = [...new Set(elements)].sort()
  if (sorted.some((path) => path.includes('where('))) throw new Error('a writable element has no where()')
  const listed = listElements(type, sorted)
  return { elements: sorted, check: (after, before) => checkObject(listed, framed(after), framed(before ?? { resourceType: type }), type) }
}

export function unionOfWritables(type: string, writables: readonly (Writable | null)[]): Writable | null {
  if (writables.includes(null)) return null
  const elements = writables.flatMap((writable) => writable!.elements)
  return writables.length === 1 ? writables[0]! : compileWritable(type, elements)
}

/** Members that the server sets itself: the caller's are taken as they come and replaced later. */
const FRAME: ReadonlySet<string> = new Set(['resourceType', 'id'])

function mergeObject(listed: Listed, written: JsonObject, stored: JsonObject, path: string, skipped: ReadonlySet<string> = new Set()): JsonObject {
  const merged: Record<string, unknown> = {}
  for (const key of new Set([...Object.keys(written), ...Object.keys(stored)])) {
    const value = skipped.has(key) ? written[key] : mergeMember(listed, key, written[key], stored[key], `${path}.${key}`)
    if (value !== undefined) merged[key] = value
  }
  return merged
}

function mergeMember(listed: Listed, key: string, written: unknown, stored: unknown, path: string): unknown {
  const shown = stored === undefined ? undefined : pruneMember(listed, key, stored)
  if (equal(shown, stored)) {
    if (written !== undefined) refuseHidden(listed, key, written, path)
    return written
  }
  if (equal(written, shown)) return stored
  if ((written !== undefined && !isObject(written)) || !isObject(stored)) {
    throw shown === undefined ? hiddenWritten(path)
      : fault(422, 'business-rule', 'This list has parts that you do not see: it can only be sent back as it was read', path)
  }
  return nonEmpty(mergeObject(childOf(listed, key), written ?? {}, stored, path))
}

function refuseHidden(listed: Listed, key: string, written: unknown, path: string): void {
  const shown = pruneMember(listed, key, written)
  if (equal(shown, written)) return
  if (!isObject(written) || shown === undefined) throw hiddenWritten(path)
  const place = childOf(listed, key)
  for (const name of Object.keys(written)) refuseHidden(place, name, written[name], `${path}.${name}`)
  throw hiddenWritten(path)
}

const hiddenWritten = (path: string): FhirError => fault(422, 'business-rule', 'You do not see this element, so you cannot write it', path)

/** The place in the tree of a member that is an object; what is not listed has an empty place, where nothing stays. */
function childOf(listed: Listed, key: string): Listed {
  const child = listed.children.get(key.startsWith('_') ? key.slice(1) : key)
  return child === undefined ? { ...NOTHING, whole: listed.whole } : { ...child, whole: child.whole || listed.whole }
}

const NOTHING: Listed = { whole: false, only: [], children: new Map() }

const nonEmpty = (value: JsonObject): JsonObject | undefined => Object.keys(value).length === 0 ? undefined : value

/* ---------- writable elements ---------- */

function framed(resource: Resource): JsonObject {
  const { resourceType: _type, id: _id, meta, ...rest } = resource
  const { versionId: _version, lastUpdated: _updated, ...kept } = meta ?? {}
  return Object.keys(kept).length === 0 ? rest : { ...rest, meta: kept }
}

function checkObject(listed: Listed, after: JsonObject, before: JsonObject, path: string): void {
  for (const key of new Set([...Object.keys(after), ...Object.keys(before)])) {
    const child = listed.children.get(key.startsWith('_') ? key.slice(1) : key)
    checkValue(child ?? NOTHING, after[key], before[key], `${path}.${key}`)
  }
}

function checkValue(listed: Listed, after: unknown, before: unknown, path: string): void {
  if (listed.whole || equal(after, before)) return
  const open = listed.children.size > 0
  if (open && Array.isArray(after) && Array.isArray(before) && after.length === before.length) {
    for (const [at, item] of after.entries()) checkValue(listed, item, before[at], `${path}[${at}]`)
  } else if (open && (after === undefined || isObject(after)) && (before === undefined || isObject(before))) {
    checkObject(listed, after ?? {}, before ?? {}, path)
  } else {
    throw fault(403, 'forbidden', 'You may not change this element', path)
  }
}
