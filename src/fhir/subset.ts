/** `_summary` and `_elements`: part of a resource, marked SUBSETTED (https://hl7.org/fhir/R4/search.html#summary). */
import { fault } from '../model/errors.ts'
import type { Coding, Resource } from '../model/resource.ts'
import type { Query } from '../search/query.ts'
import { structure } from './validate/definitions.ts'
import type { ElementDefinition } from './validate/element-definition.ts'

export type Subset = (resource: Resource) => Resource

/** What is sent of a resource; null: all of it. `isMatch`: the list of `_elements` is for matches. */
export function subsetOf({ summary, elements }: Pick<Query, 'summary' | 'elements'>, isMatch: boolean): Subset | null {
  if (elements !== null && isMatch) return (resource) => marked(topLevel(resource, (tree, key) => tree.mandatory.has(key) || elements.some((name) => tree.members.get(key) === name)))
  switch (summary) {
    case 'true': return (resource) => marked(inSummary(treeOf(resource.resourceType), resource) as Resource)
    case 'text': return (resource) => marked(topLevel(resource, (tree, key) => key === 'text' || tree.mandatory.has(key)))
    case 'data': return (resource) => marked(topLevel(resource, (_tree, key) => key !== 'text'))
    default: return null
  }
}

/** FhirError 400 for a name in `_elements` that is no element of the type. */
export function checkElements(type: string, elements: Query['elements']): void {
  const known = new Set([...treeOf(type).members.values(), 'id', 'meta', 'implicitRules', 'language'])
  if (elements?.some((name) => !known.has(name)) === true) throw fault(400, 'value', `'_elements' names top-level elements of ${type}, a choice by its base name`)
}

const SUBSETTED: Coding = { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' }

/** A masked resource has the tag already. */
function marked(resource: Resource): Resource {
  const { resourceType, id, meta, ...rest } = resource
  const tags = Array.isArray(meta?.tag) ? meta.tag : []
  if (tags.some(({ system, code }) => system === SUBSETTED.system && code === SUBSETTED.code)) return resource
  return { resourceType, ...(id === undefined ? {} : { id }), meta: { ...meta, tag: [...tags, SUBSETTED] }, ...rest }
}

const FRAME: ReadonlySet<string> = new Set(['resourceType', 'id', 'meta', 'implicitRules'])

function topLevel(resource: Resource, stays: (tree: Tree, key: string) => boolean): Resource {
  const tree = treeOf(resource.resourceType)
  return Object.fromEntries(Object.entries(resource).filter(([name]) => FRAME.has(name) || stays(tree, bare(name)))) as Resource
}

/** `_birthDate` goes with `birthDate`. */
const bare = (name: string): string => (name.startsWith('_') ? name.slice(1) : name)

/** Elements of a type or of a backbone element in it, by JSON name. */
interface Tree {
  /** JSON name → element name: `valueQuantity` → `value`. */
  readonly members: ReadonlyMap<string, string>
  /** Required elements and those that change the meaning of others. */
  readonly mandatory: ReadonlySet<string>
  readonly summary: ReadonlySet<string>
  /** Backbone elements; all other types are sent whole. */
  readonly below: ReadonlyMap<string, Tree>
}

function inSummary(tree: Tree, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => inSummary(tree, item))
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([name]) => FRAME.has(name) || tree.summary.has(bare(name)))
  return Object.fromEntries(kept.map(([name, item]) => {
    const below = tree.below.get(name)
    return [name, below === undefined ? item : inSummary(below, item)]
  }))
}

const trees = new Map<string, Tree>()

function treeOf(type: string): Tree {
  let found = trees.get(type)
  if (found === undefined) trees.set(type, (found = build(structure(type) ?? [], type)))
  return found
}

function build(elements: readonly ElementDefinition[], path: string): Tree {
  const members = new Map<string, string>()
  const mandatory = new Set<string>()
  const summary = new Set<string>()
  const below = new Map<string, Tree>()
  for (const element of elements) {
    const name = element.path.slice(path.length + 1)
    if (!element.path.startsWith(`${path}.`) || name.includes('.')) continue
    const base = name.replace('[x]', '')
    for (const key of keysOf(base, name !== base, element)) {
      members.set(key, base)
      if (element.min > 0 || element.isModifier === true) mandatory.add(key)
      if (element.min > 0 || element.isModifier === true || element.isSummary === true) summary.add(key)
    }
    if (elements.some((other) => other.path.startsWith(`${element.path}.`))) below.set(base, build(elements, element.path))
  }
  return { members, mandatory, summary, below }
}

const keysOf = (base: string, isChoice: boolean, { type = [] }: ElementDefinition): readonly string[] =>
  (isChoice ? type.map(({ code }) => base + code[0]!.toUpperCase() + code.slice(1)) : [base])
