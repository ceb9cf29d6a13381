import { propertiesOf, type Property } from '../search/accessor-types.ts'

/** `where(type.coding.code='MR')`: an item that has this text at this path. */
export interface Only { readonly path: readonly string[]; readonly text: string }

/**
 * Listed elements as a tree by JSON name. `whole`: everything below is listed but extensions, narrative and nested resources, of which
 * extensions can be listed by `children`. `only`: an item that passes one of these is listed whole.
 */
export interface Listed {
  readonly whole: boolean
  readonly only: readonly Only[]
  readonly children: ReadonlyMap<string, Listed>
}

/**
 * Compiles element paths of one type, such as `Encounter.period`, `Observation.value` (a choice by its base name),
 * `Patient.identifier.where(type.coding.code='MR')` and `Patient.extension.where(url='http://…')`.
 * Throws an Error of one line for a path that R4 does not have.
 */
export function listElements(type: string, paths: readonly string[]): Listed {
  const root = draft()
  for (const path of paths) add(root, type, path)
  return root
}

/** The JSON members of an element and their types: one, or those of a choice given by its base name. Empty: there is no such element. */
export const membersOf = (type: string, element: string): readonly Property[] => propertiesOf(type, element)

interface Draft { whole: boolean; only: Only[]; children: Map<string, Draft> }
interface Place { readonly node: Draft; readonly type: string }

const draft = (): Draft => ({ whole: false, only: [], children: new Map() })

const STEP = /^\.([a-z][A-Za-z0-9]*)(?:\.where\(([a-z][A-Za-z.]*)='([^'\\]+)'\))?/
const FRAME: ReadonlySet<string> = new Set(['resourceType', 'id', 'meta'])

function add(root: Draft, type: string, path: string): void {
  let rest = path.startsWith(`${type}.`) ? path.slice(type.length) : refuse(path, `is not an element of ${type}`)
  let places: readonly Place[] = [{ node: root, type }]
  if (FRAME.has(rest.slice(1).split('.')[0]!)) refuse(path, 'always stays and is not listed')
  while (rest !== '') {
    const step = STEP.exec(rest) ?? refuse(path, 'is not an element path')
    rest = rest.slice(step[0].length)
    places = places.flatMap((place) => descend(place, step[1]!, path))
    if (step[2] !== undefined) addOnly(places, { path: step[2].split('.'), text: step[3]! }, rest, path)
    else if (rest === '') for (const { node } of places) node.whole = true
  }
}

function descend(place: Place, name: string, path: string): readonly Place[] {
  const members = membersOf(place.type, name)
  if (members.length === 0) refuse(path, 'does not exist in R4 (a choice is listed by its base name)')
  return members.map(({ key, type }) => {
    if (type === 'Resource' || type === 'Narrative') refuse(path, 'is a resource or a narrative and cannot be listed')
    const node = place.node.children.get(key) ?? draft()
    place.node.children.set(key, node)
    return { node, type }
  })
}

function addOnly(places: readonly Place[], only: Only, rest: string, path: string): void {
  if (rest !== '') refuse(path, 'goes on after where()')
  for (const { node, type } of places) {
    let at = type
    for (const name of only.path) {
      const member = membersOf(at, name).find(({ key }) => key === name) ?? refuse(path, 'has a where() on what does not exist in R4')
      at = member.type
    }
    if (!/^[a-z]/.test(at)) refuse(path, 'has a where() that does not end at a primitive element')
    node.only.push(only)
  }
}

function refuse(path: string, why: string): never {
  throw new Error(`element path "${path}" ${why}`)
}
