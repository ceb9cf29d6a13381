import { searchParam, searchParams } from './parameters.ts'
import type { SearchParam } from './query.ts'
import { mayPointTo } from './types/reference.ts'
import { kindOf } from './types/special.ts'

/** A search parameter as it is declared to clients. */
export type Answered = Pick<SearchParam, 'code' | 'kind'>

/** The parameters of a type that are answered: what the CapabilityStatement and the OpenAPI document list. */
export const answered = (type: string): readonly Answered[] => [
  ...searchParams(type).filter(isAnswered), ...(mayPointTo(searchParam('List', 'item')!, type) ? [{ code: '_list', kind: 'token' as const }] : [])
]

/** `_filter` stands for what it is made of, and has no values of its own. */
const isAnswered = (param: SearchParam): boolean => kindOf(param) !== null || param.code === '_filter'
