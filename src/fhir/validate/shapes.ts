import { requiredBinding, weakerBinding, type Binding } from './bindings.ts'
import { structure, structureNames } from './definitions.ts'
import type { ElementDefinition, ElementType } from './element-definition.ts'
import { primitiveCheck, type PrimitiveCheck } from './primitives.ts'
import { FOREIGN_TYPES } from './r4-corrections.ts'
import { rulesOf, type Rule } from './rules.ts'

/** A complex type, a resource type or a backbone element, compiled. */
export interface Shape {
  readonly name: string
  readonly isResource: boolean
  /** By JSON key; a choice element has one prop for each of its types. */
  readonly props: ReadonlyMap<string, Prop>
  readonly required: readonly Required[]
  readonly rules: readonly Rule[]
}

export interface Prop {
  readonly key: string
  readonly type: string
  readonly many: boolean
  readonly max: number
  /** Null for a complex type. */
  readonly check: PrimitiveCheck | null
  /** Null for a primitive and for a whole resource. */
  readonly shape: (() => Shape) | null
  /** Which choice element of the shape the prop belongs to, or null. */
  readonly choice: string | null
  readonly binding: Binding | null
  /** Types that a Reference may name; null = any. */
  readonly targets: ReadonlySet<string> | null
  readonly rules: readonly Rule[]
}

export interface Required {
  /** The element as R4 names it, without `[x]`. */
  readonly element: string
  readonly keys: readonly string[]
}

/** The shape of a type by name; undefined = not a type of R4. Compiled at first use. */
export function shapeOf(name: string): Shape | undefined {
  const known = shapes.get(name)
  if (known !== undefined) return known
  if (!knownNames().has(name)) return undefined
  const elements = structure(name) as readonly ElementDefinition[]
  const made = new TypeCompiler(elements).shape((elements[0] as ElementDefinition).path)
  shapes.set(name, made)
  return made
}

/** The 146 concrete resource types of R4 4.0.1. */
export const isResourceType = (name: string): boolean => resourceNames().has(name)
export const resourceTypeNames = (): readonly string[] => [...resourceNames()].sort()

const shapes = new Map<string, Shape>()
let names: ReadonlySet<string> | undefined
let resources: ReadonlySet<string> | undefined

const knownNames = (): ReadonlySet<string> => names ??= new Set(structureNames().filter((name) => !FOREIGN_TYPES.has(name)))
const ABSTRACT: ReadonlySet<string> = new Set(['Resource', 'DomainResource'])
const resourceNames = (): ReadonlySet<string> =>
  resources ??= new Set(structureNames('resource').filter((name) => knownNames().has(name) && !ABSTRACT.has(name)))

const SYSTEM_TYPE = 'http://hl7.org/fhirpath/System.'
const STRUCTURE_BASE = 'http://hl7.org/fhir/StructureDefinition/'

/** Compiles the elements of one StructureDefinition; nested elements become shapes of their own, met by path. */
class TypeCompiler {
  readonly #elements: readonly ElementDefinition[]
  readonly #children = new Map<string, ElementDefinition[]>()
  readonly #shapes = new Map<string, Shape>()

  constructor(elements: readonly ElementDefinition[]) {
    this.#elements = elements
    for (const element of elements.slice(1)) {
      const parent = element.path.slice(0, element.path.lastIndexOf('.'))
      const siblings = this.#children.get(parent)
      if (siblings === undefined) this.#children.set(parent, [element])
      else siblings.push(element)
    }
  }

  shape(path: string): Shape {
    const known = this.#shapes.get(path)
    if (known !== undefined) return known
    const self = this.#elements.find((element) => element.path === path) as ElementDefinition
    const children = this.#children.get(path) ?? []
    const props = new Map(children.flatMap((element) => this.#props(element)).map((prop) => [prop.key, prop]))
    const required = children.filter(({ min }) => min > 0).map((element) => requiredOf(element, props))
    const made: Shape = { name: path, isResource: resourceNames().has(path), props, required, rules: rulesOf(self) }
    this.#shapes.set(path, made)
    return made
  }

  #props(element: ElementDefinition): Prop[] {
    const name = lastName(element.path)
    if (element.max === '0') return []
    if (element.contentReference !== undefined) {
      const target = element.contentReference.slice(element.contentReference.indexOf('#') + 1)
      return [this.#prop(element, name, 'BackboneElement', () => this.shape(target), null)]
    }
    if (this.#children.has(element.path)) return [this.#prop(element, name, 'BackboneElement', () => this.shape(element.path), null)]
    const types = element.type ?? []
    if (!name.endsWith('[x]')) return types.slice(0, 1).map((type) => this.#typed(element, name, type, null))
    const stem = name.slice(0, -3)
    return types.map((type) => this.#typed(element, stem + upper(type.code), type, stem))
  }

  #typed(element: ElementDefinition, key: string, type: ElementType, choice: string | null): Prop {
    const code = type.code.startsWith(SYSTEM_TYPE) ? systemType(element.path) : type.code
    const shape = primitiveCheck(code) !== undefined || code === 'Resource' ? null : () => shapeOf(code) as Shape
    return this.#prop(element, key, code, shape, choice, type)
  }

  #prop(element: ElementDefinition, key: string, type: string, shape: Prop['shape'], choice: string | null, declared?: ElementType): Prop {
    const { binding } = element
    // A nested element's rules are those of its shape, so that content references meet them too.
    const own = this.#children.has(element.path)
    const bound = binding?.valueSet === undefined || !BOUND_TYPES.has(type) ? null
      : binding.strength === 'required' ? requiredBinding(binding.valueSet) : type === 'code' ? weakerBinding(binding.valueSet) : null
    return {
      key,
      type,
      many: element.max !== '1',
      max: element.max === '*' ? Infinity : Number(element.max),
      check: primitiveCheck(type) ?? null,
      shape,
      choice,
      binding: bound,
      targets: type === 'Reference' ? targetNames(declared?.targetProfile) : null,
      rules: own ? [] : [...rulesOf(element), ...profileRules(declared?.profile)]
    }
  }
}

const BOUND_TYPES: ReadonlySet<string> = new Set(['code', 'Coding', 'CodeableConcept'])

const lastName = (path: string): string => path.slice(path.lastIndexOf('.') + 1)
const upper = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1)

/** The FHIR type of the few elements that R4 types by FHIRPath's own types: ids and Extension.url. */
function systemType(path: string): string {
  if (path === 'Extension.url') return 'uri'
  const [root, name] = path.split('.')
  return name === 'id' && resourceNames().has(root as string) && path.split('.').length === 2 ? 'id' : 'element-id'
}

function targetNames(profiles: readonly string[] | undefined): ReadonlySet<string> | null {
  const targets = (profiles ?? []).map((url) => url.slice(STRUCTURE_BASE.length))
  return targets.length === 0 || targets.includes('Resource') ? null : new Set(targets)
}

function requiredOf(element: ElementDefinition, props: ReadonlyMap<string, Prop>): Required {
  const name = lastName(element.path)
  const stem = name.endsWith('[x]') ? name.slice(0, -3) : name
  const keys = [...props.values()].filter((prop) => (name === stem ? prop.key === stem : prop.choice === stem))
    .flatMap(({ key, check }) => check === null ? [key] : [key, `_${key}`])
  return { element: stem, keys }
}

/** SimpleQuantity and MoneyQuantity are the only profiles that R4's own types put on their elements. */
function profileRules(profiles: readonly string[] | undefined): readonly Rule[] {
  return (profiles ?? []).flatMap((url) => {
    const root = structure(url.slice(STRUCTURE_BASE.length))?.[0]
    return root === undefined ? [] : rulesOf(root).filter(({ key }) => key !== 'qty-3')
  })
}
