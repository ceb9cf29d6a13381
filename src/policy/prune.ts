import { isObject, type JsonObject } from './json-parts.ts'
import type { Listed, Only } from './element-paths.ts'

/**
 * What stays of one member of an object, as JSON without the rest; undefined when nothing stays. `listed` is the object's own place in
 * the tree. The value is never changed; where nothing goes, the result is the very same value.
 */
export function pruneMember(listed: Listed, key: string, value: unknown): unknown {
  if (key.charCodeAt(0) === UNDERSCORE) return pruneSibling(listed, key, value)
  const child = listed.children.get(key)
  if (isExtension(key)) return child === undefined ? undefined : pruneExtensions(child, value)
  if (child !== undefined) return pruneValue(listed.whole && !child.whole ? wholly(child) : child, value)
  return listed.whole ? pruneValue(WHOLE, value) : undefined
}

/** Whether the tree lets nothing of a member stay, whatever it holds. */
export function isHidden(listed: Listed, key: string): boolean {
  return !listed.children.has(key.charCodeAt(0) === UNDERSCORE ? key.slice(1) : key) && (!listed.whole || isExtension(key))
}

/** The members that stay, as the same object when all do; undefined when none does. */
export function pruneObject(listed: Listed, value: JsonObject): JsonObject | undefined {
  const kept: Record<string, unknown> = {}
  let same = true
  for (const key in value) {
    const before = value[key]
    const after = pruneMember(listed, key, before)
    if (after !== before) same = false
    if (after !== undefined) kept[key] = after
  }
  if (same) return value
  dropHoles(kept, value)
  for (const _ in kept) return kept
  return undefined
}

/** Listed with all below it; extensions, narrative and nested resources still go. */
export const WHOLE: Listed = { whole: true, only: [], children: new Map() }

const UNDERSCORE = 95
const isExtension = (key: string): boolean => key === 'extension' || key === 'modifierExtension'
const wholly = (listed: Listed): Listed => ({ ...listed, whole: true })

function pruneValue(listed: Listed, value: unknown): unknown {
  if (Array.isArray(value)) return pruneArray(listed, value)
  if (!isObject(value)) return listed.whole ? value : undefined
  if (listed.whole) return isForeign(value) ? undefined : pruneObject(listed, value)
  if (listed.only.some((only) => passes(only, value))) return pruneObject(wholly(listed), value)
  return listed.children.size === 0 ? undefined : pruneObject(listed, value)
}

function pruneArray(listed: Listed, items: readonly unknown[]): unknown {
  const kept: unknown[] = []
  let same = true
  for (const item of items) {
    const after = pruneValue(listed, item)
    if (after !== item) same = false
    if (after !== undefined) kept.push(after)
  }
  return same ? items : kept.length === 0 ? undefined : kept
}

/** A nested resource, or a narrative (the one datatype with a `div`): neither is ever part of an element that was listed whole. */
export const isForeign = (value: JsonObject): boolean => Object.hasOwn(value, 'resourceType') || Object.hasOwn(value, 'div')

/** Listed extensions stay as they are, with all inside them. */
function pruneExtensions(listed: Listed, value: unknown): unknown {
  if (listed.whole) return value
  if (!Array.isArray(value)) return undefined
  const kept = value.filter((item) => isObject(item) && listed.only.some((only) => passes(only, item)))
  return kept.length === value.length ? value : kept.length === 0 ? undefined : kept
}

/** `_birthDate` follows `birthDate`: its id stays with a listed element, its extensions only where they are listed. */
function pruneSibling(listed: Listed, key: string, value: unknown): unknown {
  const child = listed.children.get(key.slice(1)) ?? (listed.whole ? WHOLE : undefined)
  if (child === undefined) return undefined
  const place = listed.whole && !child.whole ? wholly(child) : child
  if (isObject(value)) return pruneObject(place, value)
  if (!Array.isArray(value)) return undefined
  const items = value.map((item) => isObject(item) ? pruneObject(place, item) ?? null : null)
  if (items.every((item, at) => item === value[at])) return value
  return items.some((item) => item !== null) ? items : undefined
}

/** A null in a list of primitives stands for an item whose content is in the sibling list; when that went, it goes from both lists. */
function dropHoles(kept: Record<string, unknown>, value: JsonObject): void {
  for (const key in value) {
    if (key.charCodeAt(0) !== UNDERSCORE || !Array.isArray(value[key])) continue
    const name = key.slice(1)
    const items = kept[name]
    const siblings = kept[key]
    if (!Array.isArray(items) || !items.includes(null)) continue
    const hasSibling = (at: number): boolean => Array.isArray(siblings) && siblings[at] !== null && siblings[at] !== undefined
    const stays = (_: unknown, at: number): boolean => items[at] !== null || hasSibling(at)
    const left = items.filter(stays)
    if (left.length === 0) delete kept[name]
    else kept[name] = left
    if (Array.isArray(siblings)) kept[key] = siblings.filter(stays)
  }
}

function passes(only: Only, value: unknown, at = 0): boolean {
  if (Array.isArray(value)) return value.some((item) => passes(only, item, at))
  if (at === only.path.length) return value === only.text
  return isObject(value) && passes(only, value[only.path[at]!], at + 1)
}
