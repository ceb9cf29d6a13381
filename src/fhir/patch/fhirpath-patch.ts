/** FHIRPath Patch (https://hl7.org/fhir/R4/fhirpatch.html): a Parameters resource whose operations name elements by FHIRPath. */
import { fault, type FhirError } from '../../model/errors.ts'
import { copyJson } from '../../model/json-copy.ts'
import type { Resource } from '../../model/resource.ts'
import { type Prop, type Shape, shapeOf } from '../validate/shapes.ts'
import { insertElement, lengthOf, moveElement, type NewValue, removeElement, replaceElement, setElement } from './edits.ts'
import { type ElementPath, parseElementPath } from './element-path.ts'
import { type Element, ELEMENT, elementsAt, isObject, type JsonObject, type Place, propsNamed } from './elements.ts'
import { PATCH_OPERATIONS_MAX } from './json-patch.ts'

/** The resource after the patch; the argument is not changed. FhirError 400 where the patch is malformed, 422 where it does not apply. */
export function applyFhirPathPatch(resource: Resource, patch: Resource): Resource {
  const parameters = (patch.parameter ?? []) as readonly JsonObject[]
  if (parameters.length > PATCH_OPERATIONS_MAX) throw fault(413, 'too-costly', `A patch may have ${PATCH_OPERATIONS_MAX} operations`)
  const patched = copyJson(resource)
  parameters.forEach((parameter, index) => {
    const operation = new Operation(parameter, `Parameters.parameter[${index}]`)
    const run = OPERATIONS[operation.code('type')]
    if (run === undefined) throw operation.malformed("'type' is add, insert, delete, replace or move")
    run(operation, patched)
  })
  return patched
}

/** The table of operations, with the parts that each takes. */
const OPERATIONS: Readonly<Record<string, (operation: Operation, resource: Resource) => void>> = {
  add(operation, resource) {
    operation.only('path', 'name', 'value')
    const parent = operation.single(resource)
    const holder = operation.holderIn(parent)
    const fresh = operation.value(parent.shape ?? ELEMENT(), operation.text('name'))
    if (fresh.prop.many) insertElement(holder, fresh, lengthOf(holder, fresh.prop))
    else if (propsNamed(parent.shape ?? ELEMENT(), fresh.prop.choice ?? fresh.prop.key).some(({ key }) => holder[key] !== undefined || holder[`_${key}`] !== undefined)) {
      throw operation.fails('the element is there already')
    } else setElement(holder, fresh)
  },
  insert(operation, resource) {
    operation.only('path', 'index', 'value')
    const { parent, holder, prop } = operation.list(resource)
    const at = operation.index('index')
    if (at > lengthOf(holder, prop)) throw operation.fails("'index' lies behind the end of the list")
    insertElement(holder, operation.value(parent.shape ?? ELEMENT(), prop.key), at)
  },
  delete(operation, resource) {
    operation.only('path')
    const found = operation.elements(resource)
    if (found.length > 1) throw operation.fails('the path names several elements')
    // Nothing to delete is no fault.
    if (found[0] !== undefined) removeElement(operation.placed(found[0]))
  },
  replace(operation, resource) {
    operation.only('path', 'value')
    const element = operation.placed(operation.single(resource))
    const { parent, prop } = element.place
    replaceElement(element, operation.value(parent.shape ?? ELEMENT(), prop.choice ?? prop.key))
  },
  move(operation, resource) {
    operation.only('path', 'source', 'destination')
    const { holder, prop } = operation.list(resource)
    const [from, to] = [operation.index('source'), operation.index('destination')]
    if (Math.max(from, to) >= lengthOf(holder, prop)) throw operation.fails("'source' or 'destination' lies behind the end of the list")
    moveElement(holder, prop, from, to)
  }
}

/** One `operation` parameter, its parts by name. */
class Operation {
  readonly #parts = new Map<string, JsonObject>()
  readonly #where: string

  constructor(parameter: JsonObject, where: string) {
    this.#where = where
    if (parameter.name !== 'operation' || !Array.isArray(parameter.part)) throw this.malformed("a patch has parameters named 'operation', made of parts")
    for (const part of parameter.part as JsonObject[]) {
      const name = String(part.name)
      if (this.#parts.has(name)) throw this.malformed('a part is given twice')
      this.#parts.set(name, part)
    }
  }

  malformed(why: string): FhirError {
    return fault(400, 'structure', `The patch is malformed: ${why}`, this.#where)
  }

  fails(why: string): FhirError {
    return fault(422, 'processing', `An operation of the patch does not apply: ${why}`, this.#where)
  }

  only(...names: readonly string[]): void {
    for (const name of this.#parts.keys()) if (name !== 'type' && !names.includes(name)) throw this.malformed('it has a part that its type does not take')
  }

  code(name: string): string {
    const { valueCode, valueString } = this.#part(name)
    const text = valueCode ?? valueString
    if (typeof text !== 'string') throw this.malformed(`'${name}' is no code`)
    return text
  }

  text(name: string): string {
    const { valueString } = this.#part(name)
    if (typeof valueString !== 'string') throw this.malformed(`'${name}' is no string`)
    return valueString
  }

  index(name: string): number {
    const { valueInteger } = this.#part(name)
    if (!Number.isInteger(valueInteger) || (valueInteger as number) < 0) throw this.malformed(`'${name}' is no index`)
    return valueInteger as number
  }

  elements(resource: Resource): readonly Element[] {
    return elementsAt(resource, this.#path())
  }

  single(resource: Resource): Element {
    const [element, ...others] = this.elements(resource)
    if (element === undefined || others.length > 0) throw this.fails(element === undefined ? 'the path names nothing' : 'the path names several elements')
    return element
  }

  /** The list that the path names: the last step is the name of a repeating element. */
  list(resource: Resource): { readonly parent: Element; readonly holder: JsonObject; readonly prop: Prop } {
    const path = this.#path()
    const last = path.at(-1)
    const parents = elementsAt(resource, path.slice(0, -1))
    const [parent] = parents
    if (last?.kind !== 'child' || parent === undefined || parents.length > 1) throw this.fails('the path names no single list')
    const prop = propsNamed(parent.shape ?? ELEMENT(), last.name)[0]
    if (prop?.many !== true) throw this.fails('the path names no list')
    return { parent, holder: this.holderIn(parent), prop }
  }

  placed(element: Element): Element & { readonly place: Place } {
    const { place } = element
    if (place === null) throw this.fails('the path names the whole resource')
    return { ...element, place }
  }

  /** The object that holds the children; of a primitive it is its companion, made where there is none. */
  holderIn(element: Element): JsonObject {
    if (isObject(element.value)) return element.value
    const { place } = element
    if (place === null) throw this.fails('the path names no element')
    const key = `_${place.prop.key}`
    if (place.index === null) {
      if (!isObject(place.holder[key])) place.holder[key] = {}
      return place.holder[key] as JsonObject
    }
    const known = Array.isArray(place.holder[key]) ? (place.holder[key] as unknown[]) : []
    const list = Array.from({ length: lengthOf(place.holder, place.prop) }, (_, at) => known[at] ?? null)
    if (!isObject(list[place.index])) list[place.index] = {}
    place.holder[key] = list
    return list[place.index] as JsonObject
  }

  value(shape: Shape, name: string): NewValue {
    return this.#valueOf(shape, name, this.#part('value'))
  }

  #valueOf(shape: Shape, name: string, part: JsonObject): NewValue {
    const key = Object.keys(part).find((each) => /^_?value[A-Z]/.test(each))?.replace(/^_/, '')
    const type = key?.slice('value'.length)
    const props = propsNamed(shape, name)
    const prop = shape.props.get(name) ?? props.find((each) => each.key === `${name}${type}`)
    if (prop === undefined) throw this.fails('R4 has no such element, or not of this type')
    if (Array.isArray(part.part)) return { prop, value: this.#backbone(prop, part.part as JsonObject[]), companion: undefined }
    const value = key === undefined ? part.resource : part[key]
    const companion = key === undefined ? undefined : part[`_${key}`]
    if (value === undefined && companion === undefined) throw this.malformed('a value is missing')
    return { prop, value: copyJson(value), companion: copyJson(companion) }
  }

  /** An element whose type has no name of its own comes as parts, one for each child. */
  #backbone(prop: Prop, parts: readonly JsonObject[]): JsonObject {
    const shape = prop.shape?.() ?? shapeOf('Element')!
    const made: JsonObject = {}
    for (const part of parts) {
      const fresh = this.#valueOf(shape, String(part.name), part)
      if (fresh.prop.many) insertElement(made, fresh, lengthOf(made, fresh.prop))
      else setElement(made, fresh)
    }
    return made
  }

  #path(): ElementPath {
    return parseElementPath(this.text('path'), this.#where)
  }

  #part(name: string): JsonObject {
    const part = this.#parts.get(name)
    if (part === undefined) throw this.malformed(`'${name}' is missing`)
    return part
  }
}
