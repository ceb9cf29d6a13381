import { createRequire } from 'node:module'
import { isRawNumber, numberOf } from '../../../model/decimal.ts'
import { isObject, type Json } from '../walk.ts'
import type { Test } from './words.ts'

type Evaluate = (data: unknown, environment: Readonly<Record<string, unknown>>) => unknown

/**
 * An invariant that has no TypeScript form, evaluated by the fhirpath library, which is loaded when the first of them is met. An expression
 * that it cannot evaluate counts as kept.
 */
export function fhirPathRule(base: string, expression: string): Test {
  let evaluate: Evaluate | undefined
  return (element, walk) => {
    try {
      evaluate ??= compiled(base, expression)
      const result = evaluate(plain(element), { resource: plain(walk.resource) })
      return Array.isArray(result) ? result.length === 1 && result[0] === true : true
    } catch {
      return true
    }
  }
}

interface Library {
  compile(path: { base: string; expression: string }, model: unknown): Evaluate
}

function compiled(base: string, expression: string): Evaluate {
  const require = createRequire(import.meta.url)
  const library = require('fhirpath') as Library
  return library.compile({ base, expression }, require('fhirpath/fhir-context/r4'))
}

/** A copy that the library may write into, its numbers plain. */
function plain(value: unknown): unknown {
  if (isRawNumber(value)) return numberOf(value)
  if (Array.isArray(value)) return value.map(plain)
  return isObject(value) ? Object.fromEntries(Object.entries(value as Json).map(([key, inner]) => [key, plain(inner)])) : value
}
