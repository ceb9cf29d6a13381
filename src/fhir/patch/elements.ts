/** Elements of a resource that a path names, with the place of each, so that they can be changed where they stand. */
import { isRawNumber, isNumberValue, numberOf } from '../../model/decimal.ts'
import type { Resource } from '../../model/resource.ts'
import { type Prop, type Shape, shapeOf } from '../validate/shapes.ts'
import type { Condition, ElementPath, Literal, Step } from './element-path.ts'

export type JsonObject = Record<string, unknown>

/** One element. A primitive's `_name` companion belongs to it. */
export interface Element {
  readonly value: unknown
  /** Null for a primitive. */
  readonly shape: Shape | null
  /** Null for the resource itself. */
  readonly place: Place | null
}

export interface Place {
  readonly parent: Element
  /** The object that holds it: of a primitive's extensions that is its companion. */
  readonly holder: JsonObject
  readonly prop: Prop
  /** Null where the element does not repeat. */
  readonly index: number | null
}

export const rootOf = (resource: Resource): Element => ({ value: resource, shape: shapeOf(resource.resourceType)!, place: null })

export const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value) && !isRawNumber(value)

/** The elements at the path, in order. Its first step may be the type's own name. */
export function elementsAt(resource: Resource, path: ElementPath): readonly Element[] {
  const [head, ...rest] = path
  const named = head?.kind === 'child' && head.name === resource.resourceType
  return follow([rootOf(resource)], named ? rest : path)
}

const follow = (from: readonly Element[], path: ElementPath): readonly Element[] => path.reduce(take, from)

function take(elements: readonly Element[], step: Step): readonly Element[] {
  switch (step.kind) {
    case 'child': return elements.flatMap((element) => childrenOf(element, step.name))
    case 'index': return elements.slice(step.at, step.at + 1)
    case 'first': return elements.slice(0, 1)
    case 'last': return elements.slice(-1)
    // More than one is then no single element, which the operation refuses.
    case 'single': return elements
    case 'type': return elements.filter((element) => typeOf(element) === step.type)
    case 'extension': return elements.flatMap((element) => childrenOf(element, 'extension')).filter(({ value }) => isObject(value) && value.url === step.url)
    case 'where': return elements.filter((element) => step.all.every((condition) => holds(element, condition)))
    default: return step satisfies never
  }
}

const typeOf = ({ value, shape, place }: Element): string => (shape?.isResource === true && isObject(value) ? String(value.resourceType) : place?.prop.type ?? '')

/** Props that a FHIRPath name stands for: a choice element is named without its type. */
export const propsNamed = (shape: Shape, name: string): readonly Prop[] => {
  const own = shape.props.get(name)
  return own !== undefined && own.choice === null ? [own] : [...shape.props.values()].filter((prop) => prop.choice === name)
}

export const ELEMENT = (): Shape => shapeOf('Element')!

export function childrenOf(parent: Element, name: string): readonly Element[] {
  const { value, shape } = parent
  const holder = shape === null ? companionOf(parent) : isObject(value) ? value : undefined
  if (holder === undefined) return []
  return propsNamed(shape ?? ELEMENT(), name).flatMap((prop) => elementsOf(parent, holder, prop))
}

function elementsOf(parent: Element, holder: JsonObject, prop: Prop): readonly Element[] {
  const found = holder[prop.key]
  const companions = prop.check === null ? undefined : holder[`_${prop.key}`]
  const element = (value: unknown, index: number | null): Element => ({ value, shape: shapeFor(prop, value), place: { parent, holder, prop, index } })
  if (!prop.many) return found === undefined && companions === undefined ? [] : [element(found, null)]
  const size = Math.max(Array.isArray(found) ? found.length : 0, Array.isArray(companions) ? companions.length : 0)
  return Array.from({ length: size }, (_, index) => element(Array.isArray(found) ? found[index] : undefined, index))
}

function shapeFor(prop: Prop, value: unknown): Shape | null {
  if (prop.check !== null) return null
  if (prop.shape !== null) return prop.shape()
  return isObject(value) && typeof value.resourceType === 'string' ? shapeOf(value.resourceType) ?? ELEMENT() : ELEMENT()
}

/** What holds the id and the extensions of a primitive. */
function companionOf({ place }: Element): JsonObject | undefined {
  if (place === null) return undefined
  const companion = place.holder[`_${place.prop.key}`]
  const own = place.index === null ? companion : Array.isArray(companion) ? companion[place.index] : undefined
  return isObject(own) ? own : undefined
}

function holds(element: Element, { path, equals, not }: Condition): boolean {
  const found = follow([element], path)
  if (equals === null) return found.length > 0
  // An empty side makes a comparison empty, which is not true.
  if (found.length === 0) return false
  return (found.length === 1 && isEqual(found[0]!.value, equals)) !== not
}

function isEqual(value: unknown, literal: Literal): boolean {
  if (literal.kind === 'boolean') return value === literal.value
  if (literal.kind === 'number') return isNumberValue(value) && numberOf(value) === Number(literal.text)
  return value === literal.text
}
