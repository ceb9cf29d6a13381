/** Rules of profiles, written in FHIRPath. They are the words of the packages that an operator added. */
import fhirpath from 'fhirpath'
import r4 from 'fhirpath/fhir-context/r4'
import type { Constraint } from '../validate/element-definition.ts'
import type { Json } from '../validate/walk.ts'
import { compileRule } from './rule.ts'

/** `path`: as R4 names the element, of a choice by its JSON key. True: kept. Null: the rule cannot be evaluated here, such as one that follows references. */
export function isKept(constraint: Constraint, path: string, value: unknown, resource: Json): boolean | null {
  const test = testOf(constraint, path)
  if (test === null) return null
  try {
    const [found, ...more] = test(value, resource)
    // Nothing at all is neither kept nor broken; an invariant is one boolean.
    return found === undefined ? null : more.length === 0 && found === true
  } catch {
    return null
  }
}

/** What the expression gives. */
type Test = (value: unknown, resource: Json) => readonly unknown[]

/** By path: that of a choice names the type. */
const compiled = new WeakMap<Constraint, Map<string, Test | null>>()

function testOf(constraint: Constraint, path: string): Test | null {
  let byPath = compiled.get(constraint)
  if (byPath === undefined) compiled.set(constraint, (byPath = new Map()))
  let test = byPath.get(path)
  if (test === undefined) byPath.set(path, (test = compile(constraint.expression, path)))
  return test
}

function compile(expression: string | undefined, path: string): Test | null {
  // What a reference leads to is not looked at when one resource is validated.
  if (expression === undefined || /\bresolve\(\)/.test(expression)) return null
  const rule = compileRule(expression, path)
  if (rule !== null) return (value) => [rule(value)]
  try {
    const evaluate = fhirpath.compile(path.includes('.') ? { base: path, expression } : expression, r4, { traceFn: () => undefined })
    return (value, resource) => evaluate(value as never, { resource, rootResource: resource } as never) as readonly unknown[]
  } catch {
    return null
  }
}
