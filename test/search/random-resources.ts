/** Random resources, and random filters made of their values: for tests that compare two ways to find. */
import type { Resource } from '../../src/model/resource.ts'
import { parseSearch } from '../../src/search/parse.ts'
import { searchParams, type TypedValue, values } from '../../src/search/parameters.ts'
import { and, type Filter, or, type SearchParam } from '../../src/search/query.ts'
import { dateRange } from '../../src/search/types/date-text.ts'
import { BASE, OPTIONS } from './asking.ts'
import { randomFrom } from './samples.ts'

let random = randomFrom(20261123)

/** From here on the same sequence for the same seed. */
export const reseed = (seed: number): void => { random = randomFrom(seed) }

export const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!

/** A filter made of the resource's own values, or nearly. */
export function randomFilter(resource: Resource, depth: number): Filter {
  const dice = random()
  if (depth > 0 && dice < 0.25) return and([randomFilter(resource, depth - 1), randomFilter(resource, depth - 1)])
  if (depth > 0 && dice < 0.35) return or([randomFilter(resource, depth - 1), randomFilter(resource, depth - 1)])
  if (depth > 0 && dice < 0.4) return { kind: 'not', of: randomFilter(resource, depth - 1) }
  return randomClause(resource)
}

function randomClause(resource: Resource): Filter {
  const present = presentParams(resource)
  for (let tries = 0; tries < 10; tries++) {
    const { param, found } = pick(present)
    const text = queryText(param, pick(found))
    if (text === null) continue
    const modifier = param.kind === 'string' && random() < 0.2 ? pick([':exact', ':contains']) : param.kind === 'token' && random() < 0.1 ? ':not' : ''
    const values = random() < 0.2 ? `${text},${queryText(param, pick(found)) ?? text}` : text
    return parseSearch(resource.resourceType, [[param.code + modifier, values]], OPTIONS).filter
  }
  return parseSearch(resource.resourceType, [[`${pick(present).param.code}:missing`, pick(['true', 'false'])]], OPTIONS).filter
}

const cache = new WeakMap<Resource, readonly { param: SearchParam; found: readonly TypedValue[] }[]>()
function presentParams(resource: Resource) {
  let present = cache.get(resource)
  if (present === undefined) {
    present = searchParams(resource.resourceType).map((param) => ({ param, found: values(param, resource) })).filter(({ param, found }) => found.length > 0 && param.kind !== 'special')
    cache.set(resource, present)
  }
  return present
}

const PREFIXES = ['', '', 'eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap']
const escape = (text: string): string => text.replace(/[\\,|$]/g, '\\$&')

/** A value that the typed value satisfies, or nearly does. */
function queryText(param: SearchParam, { type, value }: TypedValue): string | null {
  const v = value as Record<string, unknown> & string
  switch (param.kind) {
    case 'string': {
      const parts = Object.values(typeof value === 'string' ? { value } : v).flat().filter((part) => typeof part === 'string' && part.trim() !== '') as string[]
      if (parts.length === 0) return null
      const part = pick(parts)
      const text = pick([part, part.toUpperCase(), part.slice(0, 1 + Math.floor(random() * 7))])
      return text.trim() === '' || text.normalize('NFD').replace(/\p{M}/gu, '').trim() === '' || text.length > 900 ? null : escape(text)
    }
    case 'token': {
      const coding = (typeof value === 'object' && Array.isArray(v.coding) ? pick(v.coding as object[]) : value) as { system?: string; code?: string; value?: string } | string | boolean
      if (typeof coding !== 'object' || coding === null) return escape(String(coding))
      const code = type === 'Identifier' || type === 'ContactPoint' ? coding.value : coding.code
      return typeof code !== 'string' || code === '' ? null : pick([escape(code), `${escape(coding.system ?? '')}|${escape(code)}`])
    }
    case 'reference': {
      const text = typeof value === 'string' ? value : v.reference as string | undefined
      if (typeof text !== 'string' || /^[#?]|\?|^urn/.test(text)) return null
      const local = /^([A-Z]\w+)\/([A-Za-z0-9.-]+)$/.exec(text)
      return local === null ? (/^https?:/.test(text) && !text.includes('|') ? escape(text) : null) : pick([text, local[2]!, `${BASE}/${text}`])
    }
    case 'date': {
      const date = typeof value === 'string' ? value : pick([v.start, v.end, (v.event as string[] | undefined)?.[0]].filter((each) => typeof each === 'string') as string[])
      if (typeof date !== 'string') return null
      const cut = date.slice(0, pick([4, 7, 10]))
      if (dateRange(cut) === null) return null
      return pick(PREFIXES) + pick([cut, cut, String(Number(date.slice(0, 4)) + pick([-1, 1]))])
    }
    case 'number': case 'quantity': {
      const number = typeof value === 'number' ? value : v.value as number | undefined
      return typeof number === 'number' ? pick(PREFIXES) + String(number) : null
    }
    case 'uri': return typeof value === 'string' ? escape(value) : null
    default: return null
  }
}

/** A record of a few types, with the odd shapes on purpose: many values, several patients, open periods, other scripts. */
export function randomResource(i: number): Resource {
  const words = ['Ann', 'Bo', 'Zoë van Dyk', 'Muñoz', 'X', '山田', 'ΟΔΟΣ', 'li  ming', 'Everdeen']
  const dates = ['2020', '2025-03', '2025-03-14', '2025-03-31T23:59:59Z', '1980-02-29', '2025-12-31T23:30:00-05:00', '2024-01-01T00:00:00.123+02:00']
  const coding = () => ({ coding: Array.from({ length: 1 + Math.floor(random() * 2) }, () => ({ ...(random() < 0.8 && { system: pick(['http://loinc.org', 'http://x']) }), code: pick(['a', 'b', '8867-4']) })) })
  const ref = (...types: string[]) => ({ reference: pick(['', '', '', `${BASE}/`]) + `${pick(types)}/${pick(['1', '2', '3'])}` })
  const period = () => ({ ...(random() < 0.8 && { start: pick(['2020-01-01', '2025-03']) }), ...(random() < 0.6 && { end: pick(['2025-05', '2025-03-20']) }) })
  const common = { id: String(i), meta: { tag: [{ code: pick(['t', 'u']) }] } }
  switch (i % 6) {
    case 0: return { resourceType: 'Patient', ...common, name: [{ family: pick(words), given: [pick(words), pick(words)] }], birthDate: pick(['1980-02-29', '1990', '1990-05']), telecom: [{ system: 'phone', value: '555' }],
      address: [{ city: pick(words), line: [pick(words)] }], identifier: [{ system: 'http://m', value: String(i) }], generalPractitioner: [ref('Practitioner', 'Organization')] }
    case 1: return { resourceType: 'Observation', ...common, code: coding(), category: [coding()], subject: ref('Patient', 'Group', 'Location'), performer: [ref('Practitioner'), ref('Patient', 'CareTeam')], focus: [ref('Patient', 'Condition')],
      encounter: ref('Encounter'), ...pick([{ effectiveDateTime: pick(dates) }, { effectivePeriod: period() }, { effectiveTiming: { event: [pick(dates), pick(dates)] } }]), valueQuantity: { value: 5, code: 'mg' } }
    case 2: return { resourceType: 'Encounter', ...common, status: 'finished', subject: ref('Patient'), period: period(), participant: [{ individual: ref('Practitioner') }], location: [{ location: ref('Location') }], type: [coding()] }
    case 3: return { resourceType: 'Group', ...common, type: 'person', actual: true, member: Array.from({ length: pick([2, 80]) }, (_, n) => ({ entity: { reference: `${pick(['Patient', 'Practitioner', 'Device', 'Medication'])}/${n}` } })), code: coding() }
    case 4: return { resourceType: 'Practitioner', ...common, name: [{ family: pick(words), text: pick(words) }], telecom: [{ system: 'email', value: 'a@b' }], address: [{ country: pick(words) }] }
    default: return { resourceType: 'Appointment', ...common, status: 'booked', start: pick(['2025-03-14T10:00:00Z', '2025-03-31T23:00:00-05:00']), participant: [{ actor: ref('Patient'), status: 'accepted' }, { actor: ref('Practitioner', 'Location', 'RelatedPerson'), status: 'accepted' }] }
  }
}
