import { isResourceType } from './classification.ts'
import { searchParam } from './parameters.ts'
import type { Include } from './query.ts'
import { isCanonical, mayPointTo } from './types/reference.ts'

/**
 * `Type:param`, `Type:param:Target`, `Type:*`, and for `_include` `*`. Null: malformed, no reference parameter, one of canonical URLs, or a target that it does not
 * have. `_revinclude=*` is refused: it would search every type. https://hl7.org/fhir/R4/search.html#include
 */
export function readInclude(type: string, text: string, how: Pick<Include, 'reverse' | 'iterate'>): Include | null {
  if (text === '*') return how.reverse ? null : { ...how, source: null, param: null, target: null }
  const [source = '', code = '', target = null, ...rest] = text.split(':')
  if (!isResourceType(source) || rest.length > 0 || (target !== null && !isResourceType(target))) return null
  if (code === '*') return { ...how, source, param: null, target }
  const param = searchParam(source, code)
  if (param === undefined || param.kind !== 'reference' || isCanonical(param) || (target !== null && !mayPointTo(param, target))) return null
  // What can never point at a match is a mistake; what goes on from included rows may point anywhere.
  if (how.reverse && !how.iterate && !(target === null || target === type ? mayPointTo(param, type) : false)) return null
  return { ...how, source, param, target }
}
