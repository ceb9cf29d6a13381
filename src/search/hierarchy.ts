import { searchParam } from './parameters.ts'
import type { SearchParam } from './query.ts'

/** What R4 calls the parameters by which a row names the larger one that it belongs to. */
const CODES = ['partof', 'part-of', 'parent']

/**
 * The parameter by which a row of the type names the row of the same type that it is part of, such as `Location.partof`; undefined: rows of
 * the type form no hierarchy. https://hl7.org/fhir/R4/search.html#reference
 */
export function partOf(type: string): SearchParam | undefined {
  return CODES.map((code) => searchParam(type, code)).find((param) => param?.kind === 'reference' && param.target.includes(type))
}
