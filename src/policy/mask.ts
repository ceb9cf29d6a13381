import type { Coding, Resource } from '../model/resource.ts'
import { paths } from '../search/parameters.ts'
import type { SearchParam } from '../search/query.ts'
import { listElements, membersOf, type Listed } from './element-paths.ts'
import { mergeMasked } from './mask-merge.ts'
import { pruneObject, WHOLE } from './prune.ts'

/** What of a type's resources one caller sees. DESIGN.md §6 "Masks". */
export interface Mask {
  /** The element paths that stay, sorted: two masks of one type are the same when these are. */
  readonly elements: readonly string[]
  /** The resource as the caller sees it, tagged SUBSETTED. Never changes its argument. */
  apply(resource: Resource): Resource
  /** True when every element that the parameter reads is hidden, so that to name it at all is refused (403). */
  hides(param: SearchParam): boolean
  /**
   * The resource to store: what the caller wrote, with the hidden parts of the stored version. Throws FhirError 422 naming the element
   * where the caller wrote hidden parts, where hidden parts lie in a list that the caller changed, and for a SUBSETTED tag.
   */
  merge(written: Resource, stored: Resource | null): Resource
}

export const SUBSETTED: Coding = { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' }

export const isSubsetted = (resource: Resource): boolean =>
  Array.isArray(resource.meta?.tag) && resource.meta.tag.some((tag) => tag?.system === SUBSETTED.system && tag.code === SUBSETTED.code)

/** A mask from the list of paths that stay. Throws an Error of one line for a path that R4 does not have. */
export function compileMask(type: string, elements: readonly string[]): Mask {
  const sorted = [...new Set(elements)].sort()
  const listed = withFrame(listElements(type, sorted))
  return {
    elements: sorted,
    apply: (resource) => tagged(pruneObject(listed, resource) as Resource),
    hides: (param) => paths(param).every((path) => !isVisible(listed, type, path)),
    merge: (written, stored) => mergeMasked(listed, written, stored)
  }
}

/** What stays when any of these lets it stay; null (no mask) when any is null. Of no mask at all there is none: an Error. */
export function unionOfMasks(type: string, masks: readonly (Mask | null)[]): Mask | null {
  return masks.includes(null) ? null : combined(type, masks as readonly Mask[], (lists) => [...new Set(lists.flat())])
}

/** What stays only when all of these let it stay, judged by the paths as they are listed. */
export function strictestOfMasks(type: string, masks: readonly (Mask | null)[]): Mask | null {
  const given = masks.filter((mask) => mask !== null)
  return given.length === 0 ? null : combined(type, given, (lists) => commonPaths(lists))
}

/** Every resource keeps its frame, whatever the list says. */
function withFrame(listed: Listed): Listed {
  const meta: Listed = { whole: false, only: [], children: new Map(META.map((name) => [name, WHOLE])) }
  return { ...listed, children: new Map([...listed.children, ['resourceType', WHOLE], ['id', WHOLE], ['meta', meta]]) }
}

const META = ['versionId', 'lastUpdated', 'profile', 'tag', 'security']

function tagged(resource: Resource): Resource {
  if (isSubsetted(resource)) return resource
  return { ...resource, meta: { ...resource.meta, tag: [...resource.meta?.tag ?? [], SUBSETTED] } }
}

/** A masked copy without the mark of one, as a caller sends it back. */
export function untagged(resource: Resource): Resource {
  const { tag, ...meta } = resource.meta ?? {}
  const kept = (tag ?? []).filter(({ system, code }) => system !== SUBSETTED.system || code !== SUBSETTED.code)
  return { ...resource, meta: kept.length === 0 ? meta : { ...meta, tag: kept } }
}

/** Whether any part of what lies at the path may be shown. */
function isVisible(listed: Listed, type: string, path: string): boolean {
  const [base, ...names] = path.split('.')
  if (base !== type && base !== 'Resource' && base !== 'DomainResource') return false
  let places: readonly Place[] = [{ listed, type }]
  for (const name of names) places = places.flatMap((place) => below(place, name))
  return places.length > 0
}

interface Place { readonly listed: Listed; readonly type: string }

function below({ listed, type }: Place, name: string): readonly Place[] {
  return membersOf(type, name).flatMap((member) => {
    const child = listed.children.get(member.key)
    const wholly = listed.whole || (child?.only.length ?? 0) > 0
    if (child !== undefined) return [{ listed: wholly ? { ...child, whole: true } : child, type: member.type }]
    const stays = listed.whole && !NEVER_WITH_THE_WHOLE.has(member.type)
    return stays ? [{ listed: WHOLE, type: member.type }] : []
  })
}

const NEVER_WITH_THE_WHOLE: ReadonlySet<string> = new Set(['Extension', 'Narrative', 'Resource'])

const combinations = new WeakMap<Mask, Map<string, Mask>>()

function combined(type: string, masks: readonly Mask[], combine: (lists: readonly (readonly string[])[]) => readonly string[]): Mask {
  const first = masks[0]
  if (first === undefined) throw new Error('no mask to combine')
  if (masks.every((mask) => equalLists(mask.elements, first.elements))) return first
  const elements = combine(masks.map((mask) => mask.elements))
  const known = combinations.get(first) ?? new Map<string, Mask>()
  combinations.set(first, known)
  const name = elements.join('\n')
  const mask = known.get(name) ?? compileMask(type, elements)
  known.set(name, mask)
  return mask
}

const equalLists = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((item, at) => item === b[at])

/** A path of one list is common when each other list has it or a path above it. */
function commonPaths(lists: readonly (readonly string[])[]): readonly string[] {
  const covers = (list: readonly string[], path: string): boolean => list.some((own) => path === own || coversBelow(own, path))
  return [...new Set(lists.flat())].filter((path) => lists.every((list) => covers(list, path)))
}

/** An element covers what is below it but for extensions, which only their own listing covers; a where() is below its element. */
const coversBelow = (own: string, path: string): boolean =>
  path.startsWith(`${own}.`) && !/\.(extension|modifierExtension)\b/.test(path.slice(own.length))
