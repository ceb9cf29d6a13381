/** Requests by what leads from one row to others, or puts them in order: chains, _has, includes, sorts, made from the registry of search parameters. */
import { partOf } from '../../src/search/hierarchy.ts'
import { searchParam, searchParams } from '../../src/search/parameters.ts'
import type { SearchParam } from '../../src/search/query.ts'
import { isSortable } from '../../src/search/sort.ts'
import { mayPointTo, referenceTargets } from '../../src/search/types/reference.ts'
import { plain, type Query, types } from './queries.ts'

export const shared = ['Practitioner', 'Organization', 'PractitionerRole', 'HealthcareService', 'PlanDefinition', 'Questionnaire']

const references = (type: string): readonly SearchParam[] => searchParams(type).filter(({ kind, expression }) => kind === 'reference' && expression !== '')
/** Spread over all of them. */
export const someOf = <T>(items: readonly T[], most: number): readonly T[] => items.length <= most ? items : Array.from({ length: most }, (_, at) => items[Math.floor((at * items.length) / most)]!)

/** One plain query for each parameter of a type. */
const byType = new Map<string, readonly Query[]>(types.map((type) => [type, [...new Map(plain.filter((query) => query.type === type).map((query) => [query.code, query])).values()]]))
const ends = (type: string, most: number): readonly string[] => someOf(byType.get(type) ?? [], most).map(({ text }) => text)

/** `T?ref:U.code=value` for each reference of each type to each type of patients' rows, and through Patient to whom it names. */
export const chains: readonly string[] = types.flatMap((type) => references(type).flatMap((param) => {
  const near = types.filter((target) => mayPointTo(param, target))
  const direct = someOf(near, 3).flatMap((target) => ends(target, target === 'Patient' ? 3 : 2).map((end) => `${type}?${param.code}:${target}.${end}`))
  const far = someOf(near.filter((target) => target !== 'Patient'), 1).flatMap((middle) => {
    const toPatient = references(middle).find((each) => mayPointTo(each, 'Patient'))
    return toPatient === undefined ? [] : [`${type}?${param.code}:${middle}.${toPatient.code}:Patient.family=Familyb`]
  })
  return [...direct, ...far]
}))

/** `T?_has:S:ref:code=value` for each reference of patients' rows to T, T being theirs or nobody's, and on to whom the row names. */
export const reverses: readonly string[] = [...types, ...shared].flatMap((type) => types.flatMap((source) => someOf(references(source).filter((param) => mayPointTo(param, type) && referenceTargets(param).length < 20), 1).flatMap((param) => {
  const toPatient = references(source).find((each) => each.code === 'patient' || each.code === 'subject')
  const end = ends(source, 1).map((text) => `${type}?_has:${source}:${param.code}:${text}`)
  return toPatient === undefined ? end : [...end, `${type}?_has:${source}:${param.code}:${toPatient.code}:Patient.identifier=urn:mrn|mr-b`]
})))

/** Each reference to a row that may be part of another, by rows of A and of B, and through what is hidden between rows of A. */
export const hierarchies: readonly string[] = types.flatMap((type) => references(type).flatMap((param) => referenceTargets(param).filter((target) => partOf(target) !== undefined && types.includes(target)).flatMap((target) => {
  const ids = [`a-${target}-0`, `b-${target}-0`, ...(target === 'Encounter' ? ['hidden-part', 'part-of-hidden', 'part-of-seen', 'hidden-end'] : [])]
  return ids.flatMap((id) => [`${type}?${param.code}:below=${target}/${id}`, `${type}?${param.code}:above=${target}/${id}&_total=accurate&_count=1`])
})))

const OPERATORS: Readonly<Record<string, readonly string[] | undefined>> = { string: ['eq', 'co', 'sw', 'ne', 'pr'], token: ['eq', 'ne', 'pr'], reference: ['re', 'pr'], date: ['eq', 'ge', 'po', 'pr'] }

/** The ends of chains as tests of `_filter`, and denied; words of the whole resource, and the lists that name a row. */
export const filters: readonly string[] = [
  ...someOf(chains, 900).flatMap((url, at) => {
    const [, type, path, value] = /^(\w+)\?([\w:-]+\.[\w-]+)=([^&]*)$/.exec(url) ?? []
    if (type === undefined || path === undefined || value === undefined) return []
    const [target = '', code = ''] = path.split(':')[1]!.split('.')
    const operators = OPERATORS[searchParam(target, code)?.kind ?? ''] ?? ['eq']
    const operator = operators[at % operators.length]!
    const said = `${path} ${operator} ${operator === 'pr' ? 'true' : JSON.stringify(decodeURIComponent(value))}`
    return [`${type}?_filter=${encodeURIComponent(at % 2 === 0 ? said : `not (${said})`)}`]
  }),
  ...types.flatMap((type) => [`${type}?_content=familyb`, `${type}?_content=not%20familya`, `${type}?_has:List:item:subject:Patient.family=Familyb`, `${type}?_list=b-List-0,a-List-0`])
]

export const includes: readonly string[] = types.flatMap((type) => [
  `${type}?_include=*`, `${type}?_include:iterate=*&_count=1&_total=accurate`,
  ...references(type).flatMap((param) => [`${type}?_include=${type}:${param.code}`, `${type}?_include=${type}:${param.code}:Patient`].slice(0, mayPointTo(param, 'Patient') ? 2 : 1))
])
export const reverseIncludes: readonly string[] = ['Patient', 'Encounter', 'Observation', 'Condition', 'Task', ...shared].flatMap((type) => types.flatMap((source) => [
  `${type}?_revinclude=${source}:*`,
  ...someOf(references(source).filter((param) => mayPointTo(param, type)), 2).map((param) => `${type}?_count=1&_revinclude=${source}:${param.code}&_revinclude:iterate=Provenance:target&_include:iterate=Provenance:target`)
]))

export const sorts: readonly string[] = types.flatMap((type) => searchParams(type).filter(isSortable).map(({ code }, index) =>
  `${type}?_sort=${index % 2 === 0 ? '-' : ''}${code}${['', '&_count=1&_total=accurate', '&_count=2', '&_summary=count'][index % 4]}`))
