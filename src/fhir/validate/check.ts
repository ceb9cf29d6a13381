import { isRawNumber } from '../../model/decimal.ts'
import { checkNarrative } from './narrative.ts'
import { checkReference, closeContainer } from './references.ts'
import { isResourceType, shapeOf, type Prop, type Shape } from './shapes.ts'
import { isObject, type Json, type Walk } from './walk.ts'

/** Checks a whole resource at the walk's present path. */
export function checkResource(walk: Walk, value: unknown, contained: boolean): void {
  if (!isObject(value) || isRawNumber(value)) return walk.structure('structure', 'A resource must be a JSON object')
  const type = value.resourceType
  if (typeof type !== 'string' || !isResourceType(type)) {
    return walk.structure('structure', 'The resourceType is not an R4 resource type', walk.expression('resourceType'))
  }
  const shape = shapeOf(type) as Shape
  const { container, resource, inContained } = walk
  walk.resource = value
  walk.inContained = contained
  if (contained) {
    checkContained(walk, value)
    checkObject(walk, shape, value)
  } else {
    walk.container = { resource: value, references: [], fragments: new Set() }
    checkObject(walk, shape, value)
    closeContainer(walk)
    walk.container = container
  }
  walk.resource = resource
  walk.inContained = inContained
}

/** dom-2, dom-4 and dom-5 of R4's DomainResource. */
function checkContained(walk: Walk, value: Json): void {
  const without = (key: string, path: string, human: string): void =>
    walk.rule('invariant', `${key}: a contained resource ${human}`, walk.expression(path))
  if (value.contained !== undefined) without('dom-2', 'contained', 'has no contained resources')
  const { meta } = value
  if (!isObject(meta)) return
  for (const name of ['versionId', 'lastUpdated']) {
    if (meta[name] !== undefined) without('dom-4', `meta.${name}`, 'has no version and no time')
  }
  if (meta.security !== undefined) without('dom-5', 'meta.security', 'has no security label')
}

function checkObject(walk: Walk, shape: Shape, value: unknown): void {
  if (!isObject(value) || isRawNumber(value)) return walk.structure('structure', 'This element must be a JSON object')
  const { path } = walk
  const { props } = shape
  let filled = 0
  let choices: string[] | null = null
  for (const key of Object.keys(value)) {
    const side = key.charCodeAt(0) === UNDERSCORE
    const prop = props.get(side ? key.slice(1) : key)
    if (prop === undefined || (side && prop.check === null)) {
      if (key !== 'resourceType' || !shape.isResource) unknownElement(walk, key)
      continue
    }
    if (key !== 'id') filled++
    path.push(prop.key)
    if (prop.choice !== null && (!side || value[prop.key] === undefined)) {
      if (choices === null) choices = [prop.choice]
      else if (choices.includes(prop.choice)) walk.structure('structure', 'A choice element has more than one type')
      else choices.push(prop.choice)
    }
    if (side) checkSide(walk, prop, value[key], value[prop.key])
    else checkProp(walk, prop, value[key], value)
    path.pop()
  }
  if (filled === 0 && !shape.isResource) walk.structure('structure', 'ele-1: this element is empty')
  for (const { element, keys: wanted } of shape.required) {
    if (!hasOne(value, wanted)) walk.structure('required', 'A required element is missing', walk.expression(element))
  }
  if (shape.name === 'Extension') checkExtension(walk, value, choices)
  for (const { key, human, test } of shape.rules) {
    if (!test(value, walk)) walk.rule('invariant', `${key}: ${human}`)
  }
}

const UNDERSCORE = 0x5f

function hasOne(value: Json, keys: readonly string[]): boolean {
  for (const key of keys) if (value[key] !== undefined) return true
  return false
}

function checkExtension(walk: Walk, value: Json, choices: readonly string[] | null): void {
  if ((choices !== null) === (value.extension !== undefined)) walk.rule('invariant', 'ext-1: an extension has either a value or extensions')
}

function checkProp(walk: Walk, prop: Prop, value: unknown, parent: Json): void {
  if (!prop.many) return checkItem(walk, prop, value, undefined)
  if (!Array.isArray(value)) return walk.structure('structure', 'This element repeats: it must be a JSON array')
  if (value.length === 0) return walk.structure('structure', 'An array must not be empty')
  if (value.length > prop.max) walk.structure('structure', `This element repeats at most ${prop.max} times`)
  const companions = prop.check === null ? undefined : parent[`_${prop.key}`]
  const { path } = walk
  for (let index = 0; index < value.length; index++) {
    path.push(index)
    checkItem(walk, prop, value[index], Array.isArray(companions) ? companions[index] : undefined)
    path.pop()
  }
}

/** One value of an element. `companion`: what its `_element` array has at the same index. */
function checkItem(walk: Walk, prop: Prop, value: unknown, companion: unknown): void {
  if (prop.check !== null) checkPrimitive(walk, prop, value, companion)
  else if (prop.shape === null) checkWhole(walk, prop, value)
  else {
    checkObject(walk, prop.shape(), value)
    if (!isObject(value)) return
    if (prop.type === 'Reference') checkReference(walk, value, prop.targets)
    if (prop.binding !== null) checkBinding(walk, prop, value)
  }
  for (const { key, human, test } of prop.rules) {
    if (!test(value as Json, walk)) walk.rule('invariant', `${key}: ${human}`)
  }
}

function checkWhole(walk: Walk, prop: Prop, value: unknown): void {
  if (walk.path[0] === 'Bundle' && prop.key === 'resource' && !walk.entryResources) {
    if (!isObject(value)) walk.structure('structure', 'A resource must be a JSON object')
    return
  }
  checkResource(walk, value, prop.key === 'contained')
}

function checkPrimitive(walk: Walk, prop: Prop, value: unknown, companion: unknown): void {
  if (value === null && companion !== undefined && companion !== null) return
  if ((prop.check as (value: unknown) => boolean)(value) === false) {
    return walk.structure('value', prop.type === 'element-id' ? 'This is not a valid element id' : `This is not a valid ${prop.type}`)
  }
  if (typeof value !== 'string') return
  if (prop.type === 'xhtml') checkNarrative(walk, value)
  else if (value.charCodeAt(0) === HASH && FRAGMENT_TYPES.has(prop.type)) walk.container.fragments.add(value)
  else if (prop.binding !== null && !prop.binding.hasCode(value)) walk.rule('code-invalid', `The code is not in ${prop.binding.url}`)
}

const HASH = 0x23
const FRAGMENT_TYPES: ReadonlySet<string> = new Set(['canonical', 'uri', 'url'])

function checkBinding(walk: Walk, prop: Prop, value: Json): void {
  const binding = prop.binding as NonNullable<Prop['binding']>
  const codings = prop.type === 'Coding' ? [value] : Array.isArray(value.coding) ? value.coding as unknown[] : []
  const bound = codings.some((coding) => isObject(coding) && typeof coding.system === 'string' && typeof coding.code === 'string'
    && binding.hasCoding(coding.system, coding.code))
  if (!bound) walk.rule('code-invalid', `No code is from ${binding.url}`)
}

/** `_element`: id and extensions of primitive values. */
function checkSide(walk: Walk, prop: Prop, value: unknown, primitive: unknown): void {
  const element = shapeOf('Element') as Shape
  const { path } = walk
  if (!prop.many) return checkSidecar(walk, element, value, primitive !== undefined)
  if (!Array.isArray(value)) return walk.structure('structure', 'This element repeats: it must be a JSON array')
  if (value.length === 0) return walk.structure('structure', 'An array must not be empty')
  for (let index = 0; index < value.length; index++) {
    const valued = Array.isArray(primitive) && primitive[index] !== undefined && primitive[index] !== null
    path.push(index)
    if (value[index] !== null) checkSidecar(walk, element, value[index], valued)
    else if (!valued) walk.structure('structure', 'An item has neither a value nor an extension')
    path.pop()
  }
}

function checkSidecar(walk: Walk, element: Shape, value: unknown, valued: boolean): void {
  if (valued && isObject(value) && typeof value.id === 'string' && Object.keys(value).length === 1) return
  checkObject(walk, element, value)
}

const ELEMENT_NAME = /^_?[a-z][A-Za-z0-9]{0,63}$/

function unknownElement(walk: Walk, key: string): void {
  walk.structure('structure', 'R4 has no such element here', ELEMENT_NAME.test(key) ? walk.expression(key) : walk.expression())
}
