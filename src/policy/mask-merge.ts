import { fault, type FhirError } from '../model/errors.ts'
import type { Resource } from '../model/resource.ts'
import { listElements, type Listed } from './element-paths.ts'
import { equal, isObject, type JsonObject } from './json-parts.ts'
import { isForeign, isHidden, pruneMember } from './prune.ts'

/** The merge behind `Mask.merge` (mask.ts). `listed` is the mask's tree, the resource's frame included. */
export function mergeMasked(listed: Listed, written: Resource, stored: Resource | null): Resource {
  const tags = Array.isArray(written.meta?.tag) ? written.meta.tag : []
  if (tags.some((tag) => tag?.code === 'SUBSETTED')) {
    const why = 'A resource tagged SUBSETTED is a partial copy: leave the tag out to confirm that the hidden parts are to stay'
    throw fault(422, 'business-rule', why, `${written.resourceType}.meta.tag`)
  }
  return mergeObject(listed, written, stored ?? {}, written.resourceType) as unknown as Resource
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

function mergeObject(listed: Listed, written: JsonObject, stored: JsonObject, path: string): JsonObject {
  const merged: Record<string, unknown> = {}
  for (const key of new Set([...Object.keys(written), ...Object.keys(stored)])) {
    const value = mergeMember(listed, key, written[key], stored[key], `${path}.${key}`)
    if (value !== undefined) merged[key] = value
  }
  return merged
}

/** What is hidden is told by the tree alone, so that a refusal is the same whether or not the stored version has the element. */
function mergeMember(listed: Listed, key: string, written: unknown, stored: unknown, path: string): unknown {
  if (isHidden(listed, key)) {
    if (written !== undefined) throw hiddenWritten(path)
    return stored
  }
  const place = childOf(listed, key)
  if (place.only.length === 0 && (isObject(written) || isObject(stored)) && isObjectOrAbsent(written) && isObjectOrAbsent(stored)) {
    const merged = mergeObject(place, written ?? {}, stored ?? {}, path)
    return written === undefined && Object.keys(merged).length === 0 ? undefined : merged
  }
  return mergeWhole(listed, key, written, stored, path)
}

/** A list or a primitive: taken as written where nothing in the stored one is hidden, else only as it was read. */
function mergeWhole(listed: Listed, key: string, written: unknown, stored: unknown, path: string): unknown {
  const shown = stored === undefined ? undefined : pruneMember(listed, key, stored)
  if (!equal(shown, stored)) {
    if (equal(written, shown)) return stored
    throw fault(422, 'business-rule', 'This element has parts that you do not see: it can only be sent back as it was read', path)
  }
  if (written !== undefined && !equal(pruneMember(listed, key, written), written)) throw hiddenWritten(path)
  return written
}

const isObjectOrAbsent = (value: unknown): value is JsonObject | undefined => value === undefined || (isObject(value) && !isForeign(value))

const hiddenWritten = (path: string): FhirError => fault(422, 'business-rule', 'You do not see this element, so you cannot write it', path)

/** The place in the tree of a member that is an object; what is not listed has an empty place, where nothing stays. */
function childOf(listed: Listed, key: string): Listed {
  const child = listed.children.get(key.startsWith('_') ? key.slice(1) : key)
  return child === undefined ? { ...NOTHING, whole: listed.whole } : { ...child, whole: child.whole || listed.whole }
}

const NOTHING: Listed = { whole: false, only: [], children: new Map() }

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
