/** Searches within a compartment (https://hl7.org/fhir/R4/search.html#compartment). */
import type { Ref } from '../model/resource.ts'
import { allTypes } from './classification.ts'
import { compartmentCodes } from './compartment.ts'
import { COMPARTMENTS } from './compartment-table.ts'
import { searchParam } from './parameters.ts'
import { type Filter, or } from './query.ts'
import { pointingAt } from './types/reference.ts'

export const isCompartment = (type: string): boolean => type === 'Patient' || Object.hasOwn(COMPARTMENTS, type)

/** Types that a compartment holds, and by which of their parameters. */
export function compartment(type: string): ReadonlyMap<string, readonly string[]> {
  let found = compartments.get(type)
  if (found === undefined) compartments.set(type, (found = new Map(type === 'Patient' ? ofPatient() : named(COMPARTMENTS[type] ?? ''))))
  return found
}

/** Rows of the type that are in the compartment of that row; null where the compartment has none. A row is in its own compartment. */
export function inCompartment(ref: Ref, type: string): Filter | null {
  const codes = compartment(ref.type).get(type)
  if (codes === undefined) return null
  const own: readonly Filter[] = type !== ref.type ? [] : [{
    kind: 'clause', param: searchParam(type, '_id')!, modifier: null, values: [{ kind: 'token', system: undefined, code: ref.id }]
  }]
  return or([...own, ...codes.map((code) => pointingAt(searchParam(type, code)!, [ref]))])
}

const compartments = new Map<string, ReadonlyMap<string, readonly string[]>>()

const ofPatient = (): readonly (readonly [string, readonly string[]])[] =>
  allTypes.map((type) => [type, compartmentCodes(type)] as const).filter(([, codes]) => codes.length > 0)

function named(table: string): readonly (readonly [string, readonly string[]])[] {
  return table.split(/\s+/).map((part) => {
    const [type = '', codes = ''] = part.split(':')
    return [type, codes === '' ? [] : codes.split(',')]
  })
}
