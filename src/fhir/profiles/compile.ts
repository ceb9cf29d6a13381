/** A profile's snapshot as a tree (https://hl7.org/fhir/R4/profiling.html). What every R4 resource is held to is not in it. */
import type { Constraint, ElementDefinition, ElementType, Slicing, StructureDefinition } from '../validate/element-definition.ts'
import { structureNames } from '../validate/definitions.ts'

export interface ProfileNode {
  /** The element's name: of a choice with `[x]`. */
  readonly name: string
  /** Path without slices and `[x]`, such as `Observation.value`. */
  readonly path: string
  readonly sliceName: string | null
  readonly min: number
  readonly max: number
  readonly types: readonly ElementType[]
  /** fixed: the value itself; pattern: what it must hold at least. */
  readonly wanted: { readonly kind: 'fixed' | 'pattern'; readonly value: unknown } | null
  readonly binding: { readonly strength: string; readonly valueSet: string } | null
  readonly constraints: readonly Constraint[]
  readonly slicing: Slicing | null
  readonly children: readonly ProfileNode[]
  readonly slices: readonly ProfileNode[]
  /** Nothing is missing where the element is. */
  mayLack: boolean
}

export interface Profile {
  readonly url: string
  readonly version: string | undefined
  readonly type: string
  readonly root: ProfileNode
}

/** Null: there is no snapshot to check by. */
export function compileProfile({ url, version, type, snapshot }: StructureDefinition): Profile | null {
  const [first, ...elements] = snapshot?.element ?? []
  if (first === undefined) return null
  const root = draft(first)
  const known = new Map<string, Draft>([[first.id ?? first.path, root]])
  for (const element of elements) {
    const id = element.id ?? element.path
    const node = draft(element)
    known.set(id, node)
    place(id, node, known)
  }
  return { url, version, type, root }
}

type Draft = ProfileNode & { readonly children: ProfileNode[]; readonly slices: ProfileNode[] }

/** `a.b:slice` is a slice of `a.b`; `a.b:slice/part` is a slice of that; `a.b` is a child of `a`. */
function place(id: string, node: Draft, known: ReadonlyMap<string, Draft>): void {
  const dot = id.lastIndexOf('.')
  const last = id.slice(dot + 1)
  const colon = last.indexOf(':')
  if (colon < 0) {
    known.get(id.slice(0, dot))?.children.push(node)
    return
  }
  const slash = last.lastIndexOf('/')
  const of = slash > colon ? id.slice(0, dot + 1 + slash) : id.slice(0, dot + 1 + colon)
  const sliced = known.get(of)
  if (sliced === undefined) return
  sliced.slices.push(node)
  if (node.min > 0) sliced.mayLack = false
}

function draft(element: ElementDefinition): Draft {
  const { path, min, max, type = [], binding, constraint = [], slicing, sliceName } = element
  const keys = Object.keys(element)
  const key = keys.find((each) => each.startsWith('fixed')) ?? keys.find((each) => each.startsWith('pattern'))
  return {
    name: path.slice(path.lastIndexOf('.') + 1), path: path.replaceAll('[x]', ''), sliceName: sliceName ?? null, min: min ?? 0,
    max: max === undefined || max === '*' ? Infinity : Number(max), types: type,
    wanted: key === undefined ? null : { kind: key.startsWith('fixed') ? 'fixed' : 'pattern', value: element[key as `fixed${string}`] },
    binding: binding?.valueSet === undefined ? null : { strength: binding.strength, valueSet: binding.valueSet },
    constraints: constraint.filter(isOwn), slicing: slicing ?? null, children: [], slices: [], mayLack: (min ?? 0) === 0
  }
}

let baseNames: ReadonlySet<string> | undefined
const CORE = 'http://hl7.org/fhir/StructureDefinition/'

/** Rules that a type of R4 states are checked with every resource (validate/rules). */
function isOwn({ source, key }: Constraint): boolean {
  if (source === undefined) return !EVERYWHERE.has(key)
  baseNames ??= new Set(structureNames())
  return !source.startsWith(CORE) || !baseNames.has(source.slice(CORE.length))
}

const EVERYWHERE: ReadonlySet<string> = new Set(['ele-1', 'ext-1', 'dom-2', 'dom-3', 'dom-4', 'dom-5', 'dom-6'])
