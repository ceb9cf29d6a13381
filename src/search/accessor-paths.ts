import type { Expression } from './accessor-syntax.ts'
import { isType, propertiesOf } from './accessor-types.ts'

/**
 * Element paths that an expression reads on resources of `type`, conditions included: `Patient.telecom.where(system='phone')` reads
 * `Patient.telecom` and `Patient.telecom.system`. Choice elements carry no suffix (`Observation.value`), and elements of Resource
 * are named by the type asked for (`Patient.meta.tag`).
 */
export function readPaths(expression: Expression, type: string): readonly string[] {
  const found = read(expression, [type], type)
  return [...new Set([...found.ends, ...found.conditions])]
}

/** Paths of a composite parameter: its components' on each focus. */
export function readCompositePaths(focus: Expression, components: readonly Expression[], type: string): readonly string[] {
  const on = read(focus, [type], type)
  const parts = components.map((component) => read(component, on.ends, type))
  return [...new Set([...on.conditions, ...parts.flatMap((part) => [...part.ends, ...part.conditions])])]
}

/** `ends`: where the expression arrives; `conditions`: what it reads on the way. */
interface Read { readonly ends: readonly string[]; readonly conditions: readonly string[] }

function read(expression: Expression, context: readonly string[], type: string): Read {
  switch (expression.kind) {
    case 'this': return { ends: context, conditions: [] }
    case 'resource': return { ends: [type], conditions: [] }
    case 'literal': return { ends: [], conditions: [] }
    case 'member': return readMember(expression.of, expression.name, context, type)
    case 'where': {
      const of = read(expression.of, context, type)
      const test = read(expression.condition, of.ends, type)
      return { ends: of.ends, conditions: [...of.conditions, ...test.ends, ...test.conditions] }
    }
    case 'extension': case 'hasExtension': {
      const of = read(expression.of, context, type)
      return { ends: of.ends.map((path) => `${path}.extension`), conditions: of.conditions }
    }
    case 'union': case 'and': case '=': case '!=': {
      const left = read(expression.left, context, type)
      const right = read(expression.right, context, type)
      return { ends: [...left.ends, ...right.ends], conditions: [...left.conditions, ...right.conditions] }
    }
    default: return read(expression.of, context, type)
  }
}

function readMember(of: Expression | null, name: string, context: readonly string[], type: string): Read {
  if (of === null && /^[A-Z]/.test(name)) return { ends: isType(type, name) ? [type] : [], conditions: [] }
  const on = of === null ? { ends: context, conditions: [] } : read(of, context, type)
  return { ends: on.ends.map((path) => `${path}.${name}`), conditions: on.conditions }
}

/** FHIR types in which an expression on resources of `type` may end; empty where one of its ways leads nowhere that R4 names. */
export function readTypes(expression: Expression, type: string): readonly string[] {
  const found = typesOf(expression, [type], type)
  return found === null ? [] : [...new Set(found)]
}

/** Null: not known. */
function typesOf(expression: Expression, context: readonly string[], type: string): readonly string[] | null {
  switch (expression.kind) {
    case 'this': return context
    case 'resource': return [type]
    case 'member': {
      const { of, name } = expression
      if (of === null && /^[A-Z]/.test(name)) return isType(type, name) ? [type] : []
      const on = of === null ? context : typesOf(of, context, type)
      const next = on?.flatMap((each) => propertiesOf(each, name).map((property) => property.type))
      return next === undefined || (next.length === 0 && on!.length > 0) ? null : next
    }
    case 'as': return typesOf(expression.of, context, type)?.filter((each) => isType(each, expression.type)) ?? null
    case 'where': case 'index': return typesOf(expression.of, context, type)
    case 'extension': return typesOf(expression.of, context, type) === null ? null : ['Extension']
    case 'union': {
      const [left, right] = [typesOf(expression.left, context, type), typesOf(expression.right, context, type)]
      return left === null || right === null ? null : [...left, ...right]
    }
    case 'is': case 'exists': case 'hasExtension': case 'and': case '=': case '!=': return ['boolean']
    default: return null
  }
}
