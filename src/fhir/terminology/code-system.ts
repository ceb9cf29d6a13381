/** A code system made ready for questions: codes, their hierarchy, what of them may be used (https://hl7.org/fhir/R4/codesystem.html). */
import type { CodeSystem, Concept } from './resources.ts'

export interface CodeNode {
  readonly code: string
  readonly concept: Concept
  readonly parents: readonly CodeNode[]
  readonly children: readonly CodeNode[]
  /** For grouping only: not to be used in data. */
  readonly abstract: boolean
  readonly inactive: boolean
}

export interface Codes {
  readonly resource: CodeSystem
  /** False: a code that is not listed may be one all the same. */
  readonly complete: boolean
  readonly nodes: readonly CodeNode[]
  find(code: string): CodeNode | undefined
}

/** Compiled once for each resource. A code listed twice is the first. */
export function codesOf(system: CodeSystem): Codes {
  let known = compiled.get(system)
  if (known === undefined) compiled.set(system, (known = compile(system)))
  return known
}

/** The node itself and all above it, or all below it. A cycle in the hierarchy ends where it began. */
export function closure(node: CodeNode, direction: 'parents' | 'children'): ReadonlySet<CodeNode> {
  const found = new Set([node])
  for (const each of found) for (const next of each[direction]) found.add(next)
  return found
}

/** Whether the second is below the first in the hierarchy; a node is not below itself. */
export const isBelow = (top: CodeNode, node: CodeNode): boolean => top !== node && closure(node, 'parents').has(top)

/** The value of a concept's property: a code, a text, a number, a boolean or a date, as text. */
export function propertyTexts(concept: Concept, code: string): readonly string[] {
  return (concept.property ?? []).filter((property) => property.code === code).flatMap((property) => {
    const value = valueOf(property)
    if (typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number') return [String(value)]
    const coding = value as { readonly code?: unknown } | null | undefined
    return typeof coding?.code === 'string' ? [coding.code] : []
  })
}

/** The `value[x]` of a property. */
export function valueOf(property: object): unknown {
  const found = Object.entries(property).find(([key]) => key.startsWith('value'))
  return found?.[1]
}

interface Draft extends CodeNode { readonly parents: CodeNode[]; readonly children: CodeNode[] }

const compiled = new WeakMap<CodeSystem, Codes>()

function compile(system: CodeSystem): Codes {
  const nodes = new Map<string, Draft>()
  const folds = system.caseSensitive === false
  const nameOf = (code: string): string => (folds ? code.toLowerCase() : code)
  const add = (concept: Concept, parent: Draft | null): void => {
    const name = nameOf(concept.code)
    let node = nodes.get(name)
    if (node === undefined) nodes.set(name, (node = draft(concept)))
    if (parent !== null) link(parent, node)
    for (const child of concept.concept ?? []) add(child, node)
  }
  for (const concept of system.concept ?? []) add(concept, null)
  const [up, down] = [propertyCodes(system, 'parent', ['parent', 'subsumedBy']), propertyCodes(system, 'child', ['child'])]
  for (const node of nodes.values()) {
    for (const property of node.concept.property ?? []) {
      const other = up.has(property.code) || down.has(property.code) ? nodes.get(nameOf(String(valueOf(property)))) : undefined
      if (other !== undefined) up.has(property.code) ? link(other, node) : link(node, other)
    }
  }
  return { resource: system, complete: system.content === 'complete', nodes: [...nodes.values()], find: (code) => nodes.get(nameOf(code)) }
}

function draft(concept: Concept): Draft {
  const is = (code: string): boolean => propertyTexts(concept, code).includes('true')
  const status = propertyTexts(concept, 'status')
  return { code: concept.code, concept, parents: [], children: [], abstract: is('notSelectable'), inactive: is('inactive') || status.includes('retired') || status.includes('inactive') }
}

function link(parent: Draft, child: Draft): void {
  if (parent === child || child.parents.includes(parent)) return
  child.parents.push(parent)
  parent.children.push(child)
}

/** The property codes that mean this relation: by R4's own names, or by the URI that the code system gives. */
function propertyCodes(system: CodeSystem, relation: string, names: readonly string[]): ReadonlySet<string> {
  const named = (system.property ?? []).filter(({ uri }) => uri === `http://hl7.org/fhir/concept-properties#${relation}`).map(({ code }) => code)
  return new Set([...names, ...named])
}
