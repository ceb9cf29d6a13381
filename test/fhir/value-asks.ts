/** From a value that FHIRPath finds in a resource to searches that R4 says must find that resource. */
import type { SearchParam } from '../../src/search/query.ts'

export interface Typed { readonly type: string; readonly value: unknown }
export interface Ask { readonly code: string; readonly text: string }

type Fields = Readonly<Record<string, unknown>>
const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)
const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null)
const listed = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
/** https://hl7.org/fhir/R4/search.html#escaping */
const escape = (value: string): string => value.replace(/[\\,$|]/g, '\\$&')

/** One search for each thing in the value that the parameter's type looks at; none where R4 gives it nothing to look at. */
export function asksFor({ code, kind }: Pick<SearchParam, 'code' | 'kind'>, typed: Typed): readonly Ask[] {
  const asks = { string: strings, token: tokens, reference: references, date: dates, number: numbers, quantity: quantities, uri: uris, composite: nothing, special: nothing }[kind](typed)
  return asks.map((each) => (typeof each === 'string' ? { code, text: each } : { code: `${code}:${each.modifier}`, text: each.text }))
}

type Found = readonly (string | { readonly modifier: string; readonly text: string })[]
const nothing = (): Found => []

const ADDRESS = ['text', 'city', 'district', 'state', 'postalCode', 'country', 'line']
const NAME = ['text', 'family', 'given', 'prefix', 'suffix']

function strings({ type, value }: Typed): Found {
  if (typeof value === 'string') return value.trim() === '' ? [] : [escape(value), { modifier: 'exact', text: escape(value) }]
  if (!isFields(value)) return []
  const names = type === 'Address' ? ADDRESS : type === 'HumanName' ? NAME : []
  return names.flatMap((name) => [value[name]].flat()).flatMap((part) => text(part) ?? []).map(escape)
}

function tokens({ type, value }: Typed): Found {
  if (typeof value === 'boolean' || typeof value === 'string') return [escape(String(value))]
  if (!isFields(value)) return []
  if (type === 'CodeableConcept') return listed(value.coding).flatMap((coding) => coded(coding, 'code'))
  return coded(value, type === 'Identifier' || type === 'ContactPoint' ? 'value' : 'code', type === 'ContactPoint')
}

function coded(value: unknown, field: 'code' | 'value', isBare = false): Found {
  if (!isFields(value)) return []
  const [system, code] = [isBare ? null : text(value.system), text(value[field])]
  if (code === null) return system === null ? [] : [`${escape(system)}|`]
  return [escape(code), system === null ? `|${escape(code)}` : `${escape(system)}|${escape(code)}`]
}

function references({ value }: Typed): Found {
  // Bundle.composition and Bundle.message name resources that lie in the Bundle.
  if (isFields(value) && typeof value.resourceType === 'string') return typeof value.id === 'string' ? [`${value.resourceType}/${value.id}`] : []
  const literal = text(isFields(value) ? value.reference : value)
  const identifier = isFields(value) && isFields(value.identifier) ? coded(value.identifier, 'value').map((each) => ({ modifier: 'identifier', text: String(each) })) : []
  return [...identifier, ...(literal === null || literal.startsWith('#') ? [] : [literal.split('|').map(escape).join('|')])]
}

const MOMENTS: ReadonlySet<string> = new Set(['date', 'dateTime', 'instant'])

/** A moment is found by itself; a period by what begins no later than it does, or ends no earlier. */
function dates({ type, value }: Typed): Found {
  // A parameter may look at elements of other types too, such as `CarePlan.activity.detail.scheduledString`: those are no dates.
  if (typeof value === 'string') return MOMENTS.has(type) ? [value, `ge${value}`, `le${value}`] : []
  if (!isFields(value)) return []
  if (type === 'Timing') return listed(value.event).flatMap((event) => (typeof event === 'string' ? [`ge${event}`, `le${event}`] : []))
  const [start, end] = [text(value.start), text(value.end)]
  return [...(start === null ? [] : [`ge${start}`]), ...(end === null ? [] : [`le${end}`])]
}

const numbers = ({ value }: Typed): Found => (typeof value === 'number' ? [String(value), `ge${value}`, `le${value}`] : [])

function quantities({ type, value }: Typed): Found {
  if (!isFields(value)) return []
  if (type === 'Range') return [...amounts(value.low, 'ge'), ...amounts(value.high, 'le')]
  if (text(value.comparator)?.startsWith('<') === true) return amounts(value, 'lt')
  return text(value.comparator) === null ? amounts(value, '') : amounts(value, 'gt')
}

function amounts(value: unknown, prefix: string): Found {
  if (!isFields(value) || value.value === undefined) return []
  const number = `${prefix}${numberText(value.value)}`
  if (typeof value.currency === 'string') return [number, `${number}|urn:iso:std:iso:4217|${value.currency}`]
  const [system, code, unit] = [text(value.system), text(value.code), text(value.unit)]
  const exact = system === null || code === null ? [] : [`${number}|${escape(system)}|${escape(code)}`]
  return [number, ...exact, ...(code ?? unit) === null ? [] : [`${number}||${escape((code ?? unit)!)}`]]
}

const numberText = (value: unknown): string => (isFields(value) ? String(value.asStr ?? value.rawJSON) : String(value))

const uris = ({ value }: Typed): Found => (typeof value === 'string' ? [escape(value)] : [])
