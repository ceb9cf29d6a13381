import type { Resource } from '../model/resource.ts'
import type { Expression } from './accessor-syntax.ts'
import { isType, propertiesOf, type Property, publicType } from './accessor-types.ts'
import { referencedType } from './references.ts'

/** A value with its FHIR type: `Quantity`, `dateTime`, `Reference`, `BackboneElement`, a resource type, or `composite`. */
export interface TypedValue { readonly type: string; readonly value: unknown }

/** What a composite parameter finds on one focus element: the values of each component, none of them empty. */
export interface CompositeValue { readonly components: readonly (readonly TypedValue[])[] }

export type Accessor = (resource: Resource) => readonly TypedValue[]

type Emit = (value: unknown, type: string) => void
type Walk = (value: unknown, type: string, resource: Resource, emit: Emit) => void
/** `types`: every type that the walk can give, known before any resource is seen. */
interface Compiled { readonly walk: Walk; readonly types: readonly string[] }

const NOTHING: Compiled = { walk: () => {}, types: [] }

/** Compiles an expression for resources of one type; the parts of a union that begin at other types yield nothing. */
export function compileAccessor(expression: Expression, type: string): Accessor {
  const { walk } = compile(expression, [type])
  return (resource) => {
    const values: TypedValue[] = []
    walk(resource, type, resource, (value, found) => searchable(values, value, found))
    return values
  }
}

/** A composite parameter: `components` stand on each element that `focus` yields. Focus elements that lack a component are left out. */
export function compileComposite(focus: Expression, components: readonly Expression[], type: string): Accessor {
  const on = compile(focus, [type])
  const parts = components.map((component) => compile(component, on.types).walk)
  return (resource) => {
    const values: TypedValue[] = []
    on.walk(resource, type, resource, (element, elementType) => {
      const found = parts.map((part) => {
        const inner: TypedValue[] = []
        part(element, elementType, resource, (value, valueType) => searchable(inner, value, valueType))
        return inner
      })
      if (found.some((inner) => inner.length === 0)) return
      values.push({ type: 'composite', value: { components: found } satisfies CompositeValue })
    })
    return values
  }
}

/** An extension is searched by its value: R4's expressions stop at the extension itself. */
function searchable(values: TypedValue[], value: unknown, type: string): void {
  if (type !== 'Extension') values.push({ type: publicType(type), value })
  else extensionValue(value, (inner, innerType) => values.push({ type: publicType(innerType), value: inner }))
}

const extensionChoices = propertiesOf('Extension', 'value')

function extensionValue(extension: unknown, emit: Emit): void {
  for (const { key, type } of extensionChoices) {
    const value = (extension as Record<string, unknown>)[key]
    if (value !== undefined && value !== null) emit(value, type)
  }
}

function compile(expression: Expression, context: readonly string[]): Compiled {
  switch (expression.kind) {
    case 'this': return { walk: (value, type, _resource, emit) => emit(value, type), types: context }
    case 'resource': return { walk: (_value, _type, resource, emit) => emit(resource, resource.resourceType), types: rootTypes(context) }
    case 'literal': return literal(expression.value, typeof expression.value)
    case 'member': return compileMember(expression, context, null)
    case 'as': return compileAs(expression.of, expression.type, context)
    case 'union': return compileUnion(expression.left, expression.right, context)
    case 'where': return compileWhere(expression.of, expression.condition, context)
    case 'extension': return compileExtension(expression.of, expression.url, context)
    case 'resolve': return compileResolve(expression.of, context)
    case 'index': return compileIndex(expression.of, expression.at, context)
    default: return compileTest(expression, context)
  }
}

const literal = (constant: unknown, type: string): Compiled =>
  ({ walk: (_value, _type, _resource, emit) => emit(constant, type), types: [type] })

/** A backbone path starts with the resource type that it belongs to. */
const rootTypes = (context: readonly string[]): readonly string[] => [...new Set(context.map((type) => type.split('.')[0]!))]

function compileMember(expression: Expression & { kind: 'member' }, context: readonly string[], only: string | null): Compiled {
  const { of, name } = expression
  if (of === null && /^[A-Z]/.test(name)) {
    const types = context.filter((type) => isType(type, name))
    return types.length === 0 ? NOTHING : { walk: (value, type, _resource, emit) => emit(value, type), types }
  }
  if (of === null) return member(context, name, only)
  const outer = compile(of, context)
  return chain(outer, member(outer.types, name, only))
}

function chain(outer: Compiled, inner: Compiled): Compiled {
  if (outer.types.length === 0) return NOTHING
  return {
    walk(value, type, resource, emit) {
      outer.walk(value, type, resource, (found, foundType) => inner.walk(found, foundType, resource, emit))
    },
    types: inner.types
  }
}

/** One step into an element; a choice element is as many JSON properties as it has types, or the one that `only` leaves. */
function member(context: readonly string[], name: string, only: string | null): Compiled {
  const wanted = (type: string): readonly Property[] =>
    propertiesOf(type, name).filter((property) => only === null || isType(property.type, only))
  const byType = new Map(context.map((type) => [type, wanted(type)]))
  const types = [...new Set([...byType.values()].flatMap((properties) => properties.map((property) => property.type)))]
  const single = context.length === 1 ? byType.get(context[0]!)! : null
  return {
    types,
    walk(value, type, _resource, emit) {
      if (typeof value !== 'object' || value === null) return
      for (const property of single ?? byType.get(type) ?? []) {
        const found = (value as Record<string, unknown>)[property.key]
        if (found === undefined || found === null) continue
        if (!Array.isArray(found)) emit(found, actualType(property.type, found))
        else for (const item of found) if (item !== null) emit(item, actualType(property.type, item))
      }
    }
  }
}

const actualType = (type: string, value: unknown): string => {
  if (type !== 'Resource') return type
  const named = (value as { resourceType?: unknown }).resourceType
  return typeof named === 'string' ? named : type
}

function compileAs(of: Expression, type: string, context: readonly string[]): Compiled {
  if (of.kind === 'member') return compileMember(of, context, type)
  const outer = compile(of, context)
  return {
    walk(value, at, resource, emit) {
      outer.walk(value, at, resource, (found, foundType) => {
        if (isType(foundType, type)) emit(found, foundType)
      })
    },
    types: outer.types.filter((each) => isType(each, type))
  }
}

function compileUnion(left: Expression, right: Expression, context: readonly string[]): Compiled {
  const one = compile(left, context)
  const two = compile(right, context)
  if (one.types.length === 0) return two
  if (two.types.length === 0) return one
  return {
    walk(value, type, resource, emit) {
      one.walk(value, type, resource, emit)
      two.walk(value, type, resource, emit)
    },
    types: [...new Set([...one.types, ...two.types])]
  }
}

function compileWhere(of: Expression, condition: Expression, context: readonly string[]): Compiled {
  const outer = compile(of, context)
  if (outer.types.length === 0) return NOTHING
  const test = compile(condition, outer.types).walk
  return {
    types: outer.types,
    walk(value, type, resource, emit) {
      outer.walk(value, type, resource, (found, foundType) => {
        if (collect(test, found, foundType, resource)[0]?.value === true) emit(found, foundType)
      })
    }
  }
}

function compileExtension(of: Expression, url: string, context: readonly string[]): Compiled {
  const outer = compile(of, context)
  const step = member(outer.types, 'extension', null)
  return chain(outer, {
    types: step.types,
    walk: (value, type, resource, emit) => step.walk(value, type, resource, (found, foundType) => {
      if ((found as { url?: unknown }).url === url) emit(found, foundType)
    })
  })
}

/** Nothing is fetched: the target's type is what the reference's text says, or its `type`, or the contained resource's. */
function compileResolve(of: Expression, context: readonly string[]): Compiled {
  const outer = compile(of, context)
  return {
    types: outer.types.length === 0 ? [] : ['Resource'],
    walk: (value, type, resource, emit) => outer.walk(value, type, resource, (found) => {
      const target = targetType(found, resource)
      if (target !== null) emit(found, target)
    })
  }
}

function targetType(reference: unknown, resource: Resource): string | null {
  if (typeof reference !== 'object') return typeof reference === 'string' ? referencedType(reference) : null
  const { reference: text, type } = reference as { reference?: unknown; type?: unknown }
  if (typeof text === 'string') {
    if (text.startsWith('#')) return containedType(resource, text.slice(1))
    const named = referencedType(text)
    if (named !== null) return named
  }
  return typeof type === 'string' ? type : null
}

function containedType(resource: Resource, id: string): string | null {
  if (!Array.isArray(resource.contained)) return null
  const found = (resource.contained as readonly (Partial<Resource> | null)[]).find((contained) => contained?.id === id)
  return found?.resourceType ?? null
}

function compileIndex(of: Expression, at: number, context: readonly string[]): Compiled {
  const outer = compile(of, context)
  return {
    types: outer.types,
    walk(value, type, resource, emit) {
      const found = collect(outer.walk, value, type, resource)[at]
      if (found !== undefined) emit(found.value, found.type)
    }
  }
}

/** Tests give one boolean, or nothing where FHIRPath says "unknown". */
function compileTest(expression: Expression, context: readonly string[]): Compiled {
  const test = testOf(expression, context)
  return {
    types: ['boolean'],
    walk(value, type, resource, emit) {
      const answer = test(value, type, resource)
      if (answer !== undefined) emit(answer, 'boolean')
    }
  }
}

type Test = (value: unknown, type: string, resource: Resource) => boolean | undefined

function testOf(expression: Expression, context: readonly string[]): Test {
  switch (expression.kind) {
    case 'exists': {
      const { walk } = compile(expression.of, context)
      return (value, type, resource) => collect(walk, value, type, resource).length > 0
    }
    case 'is': {
      const { walk } = compile(expression.of, context)
      return (value, type, resource) => {
        const found = collect(walk, value, type, resource)[0]
        return found === undefined ? undefined : isType(found.type, expression.type)
      }
    }
    case 'hasExtension': {
      const { walk } = compileExtension(expression.of, expression.url, context)
      return (value, type, resource) => collect(walk, value, type, resource).length > 0
    }
    case 'and': {
      const left = testOf(expression.left, context)
      const right = testOf(expression.right, context)
      return (value, type, resource) => conjoin(left(value, type, resource), right(value, type, resource))
    }
    case '=': case '!=': {
      const left = compile(expression.left, context).walk
      const right = compile(expression.right, context).walk
      return (value, type, resource) => {
        const one = collect(left, value, type, resource)[0]
        const two = collect(right, value, type, resource)[0]
        return one === undefined || two === undefined ? undefined : (one.value === two.value) === (expression.kind === '=')
      }
    }
    default: throw new Error(`Not a test in a search expression: ${expression.kind}`)
  }
}

const conjoin = (left: boolean | undefined, right: boolean | undefined): boolean | undefined =>
  left === false || right === false ? false : left === undefined || right === undefined ? undefined : true

function collect(walk: Walk, value: unknown, type: string, resource: Resource): TypedValue[] {
  const found: TypedValue[] = []
  walk(value, type, resource, (each, eachType) => found.push({ type: eachType, value: each }))
  return found
}
