/** Which slice a value belongs to (https://hl7.org/fhir/R4/profiling.html#slicing). */
import { isObject, type Json } from '../validate/walk.ts'
import type { Profile, ProfileNode } from './compile.ts'
import { isOfType, isWanted, type Item, itemsOf } from './values.ts'

export interface SliceContext {
  profile(url: string): Profile | null
  /** Whether a value keeps a required binding; null: cannot be told. */
  keeps(valueSet: string, value: unknown): boolean | null
  /** Whether a value has no fault by a profile. */
  conforms(profile: Profile, value: Json): boolean
  /** The type of what a reference points to, where its text says so. */
  targetType(reference: unknown): string | null
}

export function isInSlice(slice: ProfileNode, sliced: ProfileNode, item: Item, context: SliceContext): boolean {
  const discriminators = sliced.slicing?.discriminator ?? []
  if (discriminators.length === 0) return false
  return discriminators.every(({ type, path }) => {
    const found = nodesAt(slice, path, context)
    const values = itemsAt(item, path)
    switch (type) {
      case 'value': case 'pattern': return isExtensionUrl(slice, path) ? values.some(({ value }) => value === urlOf(slice, context)) : found.some((node) => values.some(({ value }) => suits(node, value, context)))
      case 'exists': return found.some((node) => (node.max === 0 ? values.length === 0 : values.length > 0))
      case 'type': return found.some(({ types }) => values.some((each) => types.some(({ code }) => isTyped(each, code, path, types, context))))
      case 'profile': return found.some(({ types }) => values.some((each) => types.some((one) => hasProfile(each, one.profile ?? one.targetProfile ?? [], path, context))))
      default: return false
    }
  })
}

const isExtensionUrl = ({ types }: ProfileNode, path: string): boolean => path === 'url' && types.some(({ code }) => code === 'Extension')

/** The url that an extension's profile fixes; the profile's own where it is not known here. */
function urlOf(slice: ProfileNode, context: SliceContext): unknown {
  const own = slice.children.find(({ name }) => name === 'url')?.wanted?.value
  const canonical = slice.types.flatMap((type) => type.profile ?? [])[0]?.split('|')[0]
  const root = canonical === undefined ? null : context.profile(canonical)?.root
  return own ?? root?.children.find(({ name }) => name === 'url')?.wanted?.value ?? canonical
}

/** The parts of a slice that a discriminator's path leads to, through the profiles of types too. */
function nodesAt(slice: ProfileNode, path: string, context: SliceContext): readonly ProfileNode[] {
  let byPath = nodesOfSlices.get(slice)
  if (byPath === undefined) nodesOfSlices.set(slice, (byPath = new Map()))
  let nodes = byPath.get(path)
  if (nodes === undefined) byPath.set(path, (nodes = findNodes(slice, path, context)))
  return nodes
}

/** A slice belongs to the definitions that it was compiled with, and they do not change. */
const nodesOfSlices = new WeakMap<ProfileNode, Map<string, readonly ProfileNode[]>>()

function findNodes(slice: ProfileNode, path: string, context: SliceContext): readonly ProfileNode[] {
  let nodes: readonly ProfileNode[] = [slice]
  for (const step of stepsOf(path)) {
    const name = step.replace(/^extension\(.*\)$/, 'extension')
    nodes = nodes.flatMap((node) => {
      const below = [...node.children, ...node.types.flatMap((type) => type.profile ?? []).flatMap((url) => context.profile(url)?.root.children ?? [])]
      const named = below.filter((child) => child.name === name || child.name === `${name}[x]`)
      return named.flatMap((child) => [child, ...child.slices])
    })
  }
  return nodes
}

function stepsOf(path: string): readonly string[] {
  let steps = stepsOfPaths.get(path)
  if (steps === undefined) stepsOfPaths.set(path, (steps = (path.match(/extension\('[^']*'\)|[^.]+/g) ?? []).filter((step) => step !== '$this' && step !== 'resolve()' && !step.startsWith('ofType('))))
  return steps
}

/** Paths of discriminators, as profiles have them. */
const stepsOfPaths = new Map<string, readonly string[]>()

function itemsAt(item: Item, path: string): readonly Item[] {
  let items: readonly Item[] = [item]
  for (const step of stepsOf(path)) {
    const url = /^extension\('(.*)'\)$/.exec(step)?.[1]
    items = items.flatMap(({ value }) => {
      if (!isObject(value)) return []
      if (url !== undefined) return itemsOf(value, 'extension').filter((each) => isObject(each.value) && each.value.url === url)
      const plain = itemsOf(value, step)
      return plain.length > 0 ? plain : itemsOf(value, `${step}[x]`)
    })
  }
  return items
}

/** A value has what a slice fixes here, itself or further down. */
function suits(node: ProfileNode, value: unknown, context: SliceContext): boolean {
  if (node.wanted !== null) return isWanted(node.wanted, value)
  if (node.binding?.strength === 'required' && node.children.length === 0) return context.keeps(node.binding.valueSet, value) === true
  const telling = node.children.filter(tells)
  return telling.length > 0 && isObject(value) && telling.every((child) => itemsOf(value, child.name).some((each) => suits(child, each.value, context)))
}

const tells = (node: ProfileNode): boolean => node.wanted !== null || node.children.some(tells)

function isTyped(item: Item, code: string, path: string, types: ProfileNode['types'], context: SliceContext): boolean {
  if (path.endsWith('resolve()')) {
    const type = context.targetType(item.value)
    return types.flatMap(({ targetProfile = [] }) => targetProfile).some((url) => type !== null && (context.profile(url)?.type ?? url.split('/').at(-1)) === type)
  }
  if (item.type !== null) return isOfType(item, code)
  return isObject(item.value) && item.value.resourceType === code
}

function hasProfile(item: Item, urls: readonly string[], path: string, context: SliceContext): boolean {
  return urls.some((url) => {
    const profile = context.profile(url)
    if (path.endsWith('resolve()')) return context.targetType(item.value) === (profile?.type ?? url.split('/').at(-1))
    return profile !== null && isObject(item.value) && context.conforms(profile, item.value)
  })
}
