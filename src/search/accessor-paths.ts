import type { Expression } from './accessor-syntax.ts'
import { isType } from './accessor-types.ts'

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
