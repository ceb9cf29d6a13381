/** Search requests made from the registry of search parameters and from the values of given rows. */
import type { Resource } from '../../src/model/resource.ts'
import { componentParams, searchParams, type TypedValue, values } from '../../src/search/parameters.ts'
import type { SearchParam } from '../../src/search/query.ts'
import { kindOf } from '../../src/search/types/special.ts'
import type { Json } from '../harness.ts'
import { hiddenFromA } from './mixed.ts'
import { type Ask, B, ofPatients, rowsOf } from './world.ts'

export interface Query {
  readonly type: string
  readonly code: string
  /** `code=value`, encoded. */
  readonly text: string
  /** Without modifier or prefix, so that it finds the very row that the value was taken from. */
  readonly plain: boolean
}

/** Every parameter of the type, with the values that it finds in the rows, under every modifier and prefix that it has. */
export function queriesOf(type: string, rows: readonly Resource[]): readonly Query[] {
  return searchParams(type).flatMap((param) => {
    const kind = kindOf(param)
    if (kind === null) return []
    const found = new Set(rows.flatMap((row) => values(param, row).flatMap((typed) => textsOf(param, typed))))
    const query = (name: string, value: string, plain = false): Query => ({ type, code: param.code, text: `${name}=${encodeURIComponent(value)}`, plain })
    const queries = [query(`${param.code}:missing`, 'true'), query(`${param.code}:missing`, 'false')]
    for (const value of found) {
      queries.push(query(param.code, value, true))
      for (const modifier of Object.keys(kind.modifiers).filter((each) => each !== 'of-type' || param.code === 'identifier')) queries.push(query(`${param.code}:${modifier}`, modifier === 'of-type' ? `urn:t|MR|${value.split('|').at(-1)}` : value))
      if (['date', 'number', 'quantity'].includes(param.kind)) for (const prefix of ['ge', 'le', 'ne', 'sa']) queries.push(query(param.code, prefix + value))
      if (param.kind === 'reference' && value.includes('/')) queries.push(query(param.code, value.split('/').at(-1)!))
    }
    return queries
  })
}

function textsOf(param: SearchParam, typed: TypedValue): readonly string[] {
  if (param.kind === 'composite') {
    const parts = componentParams(param).map((component, index) => textsOf(component, (typed.value as Json).components[index][0])[0])
    return parts.every((part) => part !== undefined) ? [parts.join('$')] : []
  }
  const texts = leaves(param.kind, typed.value as Json).filter((text) => text !== '')
  return param.kind === 'date' ? texts.filter((text) => /^\d{4}-/.test(text)).map((text) => text.slice(0, 10)) : texts
}

function leaves(kind: SearchParam['kind'], value: Json): readonly string[] {
  if (typeof value !== 'object' || value === null) return [String(value)]
  if (Array.isArray(value)) return value.flatMap((item) => leaves(kind, item))
  switch (kind) {
    case 'token': return value.coding !== undefined ? value.coding.map(token) : value.value !== undefined && value.code === undefined ? [identifier(value)] : [token(value)]
    case 'reference': return typeof value.reference === 'string' ? [value.reference] : []
    case 'date': return [value.start ?? value.event?.[0]].filter((text) => typeof text === 'string')
    case 'quantity': return value.value === undefined ? [] : [`${value.value}|${value.system ?? ''}|${value.code ?? ''}`.replace(/\|\|$/, '')]
    case 'string': return Object.entries(value).filter(([name]) => name !== 'use' && name !== 'system').flatMap(([, part]) => leaves(kind, part)).slice(0, 2)
    default: return []
  }
}

const token = ({ system, code }: Json): string => (system === undefined ? code ?? '' : `${system}|${code}`)
const identifier = ({ system, value }: Json): string => (system === undefined || !system.includes(':') ? value : `${system}|${value}`)

/** Types of the generated searches. AuditEvent is the ledger's, which grows with every request: leaks-audit.test.ts. */
export const types: readonly string[] = ['Patient', ...ofPatients].filter((type) => type !== 'AuditEvent')
export const hiddenRows: readonly Resource[] = [...rowsOf(B), ...hiddenFromA]
export const queries: readonly Query[] = types.flatMap((type) => queriesOf(type, hiddenRows.filter(({ resourceType }) => resourceType === type)))
export const plain: readonly Query[] = queries.filter((query) => query.plain)

export const urlOf = ({ type, text }: Query, rest = ''): string => `${type}?${text}${rest}`

export const slices = <T>(items: readonly T[], size: number): readonly (readonly T[])[] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, at * size + size))

/** One batch of GETs. */
export const batchOf = (urls: readonly string[]): Ask => ({
  method: 'POST', path: '', body: { resourceType: 'Bundle', type: 'batch', entry: urls.map((url) => ({ request: { method: 'GET', url } })) }
})
