/** Random queries over the rows of a world, as a tree that the reference reads and as the parameters that the server reads. */
import type { Resource } from '../../../src/model/resource.ts'
import { allTypes } from '../../../src/search/classification.ts'
import { resultTypes, searchParam, searchParams } from '../../../src/search/parameters.ts'
import type { SearchParam } from '../../../src/search/query.ts'
import { BASE, CODES, DATES, NUMBERS, type Pick, type Random, picker, ROWS, SYSTEMS, UCUM, UNITS, URIS, WORDS } from './generate.ts'
import { PARTS } from './hierarchies.ts'
import { type Asked, componentsFor, type Row, type Typed, valuesOf } from './reference.ts'

export type Condition =
  | { readonly kind: 'and' | 'or'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  | { readonly kind: 'clause'; readonly param: SearchParam; readonly how: string | null; readonly values: readonly Asked[] }
  | { readonly kind: 'missing'; readonly param: SearchParam; readonly missing: boolean }
  | { readonly kind: 'chain'; readonly param: SearchParam; readonly targets: readonly { readonly type: string; readonly of: Condition }[] }
  | { readonly kind: 'has'; readonly param: SearchParam; readonly of: Condition }

export interface Asking { readonly name: string; readonly text: string; readonly condition: Condition }

export interface Case {
  readonly type: string
  readonly params: readonly (readonly [string, string])[]
  readonly conditions: readonly Condition[]
  readonly sort: readonly { readonly param: SearchParam; readonly descending: boolean }[]
  readonly total: boolean
}

interface Maker { readonly random: Random; readonly pick: Pick; readonly rowsOf: (type: string) => readonly Row[] }
interface Written { readonly text: string; readonly asked: Asked }

const escape = (text: string): string => text.replace(/[\\,$|]/g, '\\$&')
const PREFIXES = ['', '', 'eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap']
const UNANSWERED: ReadonlySet<string> = new Set(['_query', '_filter', 'age', 'birthOrderBoolean'])

export const answered = (type: string): readonly SearchParam[] => searchParams(type).filter(({ code }) => !UNANSWERED.has(code))
const chance = ({ random }: Maker, p: number): boolean => random() < p

/** A value of the parameter on some row, to ask for what there is. */
function sample(m: Maker, param: SearchParam): Typed | null {
  const rows = m.rowsOf(param.type)
  for (let tries = 0; tries < 3; tries++) {
    const found = rows.length === 0 || param.kind === 'composite' ? [] : valuesOf(param, m.pick(rows))
    if (found.length > 0) return m.pick(found)
  }
  return null
}

const fieldsOf = (typed: Typed | null): Readonly<Record<string, unknown>> => (typeof typed?.value === 'object' && typed.value !== null ? typed.value as Record<string, unknown> : {})

function writeString(m: Maker, typed: Typed | null): Written {
  const own = Object.values(fieldsOf(typed)).flat().filter((each) => typeof each === 'string') as string[]
  const whole = typeof typed?.value === 'string' && chance(m, 0.7) ? typed.value : own.length > 0 && chance(m, 0.6) ? m.pick(own) : m.pick(WORDS)
  const text = chance(m, 0.4) ? whole.slice(0, m.pick([1, 2, 3, 6])) : chance(m, 0.2) ? whole.toUpperCase() : whole
  return text.trim() === '' ? writeString(m, null) : { text: escape(text), asked: { kind: 'string', text } }
}

function writeToken(m: Maker, typed: Typed | null): Written {
  const fields = fieldsOf(typed)
  const one = (Array.isArray(fields.coding) ? m.pick(fields.coding) : fields) as Readonly<Record<string, unknown>>
  const near = typed?.type === 'Identifier' || typed?.type === 'ContactPoint' ? one.value : one.code
  const code = typeof typed?.value === 'string' || typeof typed?.value === 'boolean' ? String(typed.value) : typeof near === 'string' ? near : m.pick(CODES)
  const system = typeof one.system === 'string' && chance(m, 0.8) ? one.system : m.pick([...SYSTEMS, 'http://hl7.org/fhir/x'])
  switch (m.pick(['code', 'code', 'both', 'none', 'system'])) {
    case 'both': return { text: `${escape(system)}|${escape(code)}`, asked: { kind: 'token', system, code } }
    case 'none': return { text: `|${escape(code)}`, asked: { kind: 'token', system: null, code } }
    case 'system': return { text: `${escape(system)}|`, asked: { kind: 'token', system, code: null } }
    default: return { text: escape(code), asked: { kind: 'token', system: undefined, code } }
  }
}

/** `patient` and `encounter` point to those types alone, whatever else their shared definitions name. */
export function targetsOf({ code, type, target }: SearchParam): readonly string[] {
  if (code === 'patient' && target.includes('Patient')) return ['Patient']
  return code === 'encounter' && type !== 'DocumentReference' && target.includes('Encounter') ? ['Encounter'] : target
}

function writeReference(m: Maker, param: SearchParam, typed: Typed | null): Written {
  const literal = typeof typed?.value === 'string' ? typed.value : fieldsOf(typed).reference
  const targets = targetsOf(param)
  const given = typeof literal === 'string' ? /([A-Z]\w+)\/([\w.-]+)(?:\/_history\/(\w+))?$/.exec(literal) : null
  const isLocal = typeof literal === 'string' && given !== null && (literal.startsWith(BASE) || /^[A-Z]/.test(literal)) && allTypes.includes(given[1]!)
  if (typeof literal === 'string' && !isLocal && chance(m, 0.8) && !literal.startsWith('#')) {
    const [url = '', version = null] = literal.split('|') as [string, string?]
    if (/^[A-Za-z][\w+.-]*:/.test(url)) return chance(m, 0.5) ? { text: escape(url) + (version === null ? '' : `|${version}`), asked: { kind: 'reference', type: null, id: null, url, version } } : { text: escape(url), asked: { kind: 'reference', type: null, id: null, url, version: null } }
  }
  const type = isLocal ? given![1]! : m.pick(targets.length === 0 ? ['Patient'] : targets)
  const id = isLocal && chance(m, 0.8) ? given![2]! : `r${Math.floor(m.random() * ROWS)}`
  switch (m.pick(['id', 'relative', 'relative', 'absolute', 'version'])) {
    case 'id': return { text: id, asked: { kind: 'reference', type: targets.length === 1 ? targets[0]! : null, id, url: null, version: null } }
    case 'absolute': return { text: `${BASE}/${type}/${id}`, asked: { kind: 'reference', type, id, url: null, version: null } }
    case 'version': return { text: `${type}/${id}/_history/1`, asked: { kind: 'reference', type, id, url: null, version: '1' } }
    default: return { text: `${type}/${id}`, asked: { kind: 'reference', type, id, url: null, version: null } }
  }
}

function writeDate(m: Maker, typed: Typed | null, prefixes: readonly string[]): Written {
  const fields = fieldsOf(typed)
  const own = [typed?.value, fields.start, fields.end, ...(Array.isArray(fields.event) ? fields.event : [])].filter((each) => typeof each === 'string' && /^\d{4}($|-)/.test(each)) as string[]
  const whole = own.length > 0 && chance(m, 0.7) ? m.pick(own) : m.pick(DATES)
  const text = chance(m, 0.4) ? whole.slice(0, m.pick([4, 7, 10])) : whole
  const prefix = m.pick(prefixes)
  return { text: prefix + text, asked: { kind: 'date', prefix, text } }
}

function writeNumber(m: Maker, typed: Typed | null, kind: 'number' | 'quantity', prefixes: readonly string[]): Written {
  const fields = fieldsOf(typed)
  const own = typeof typed?.value === 'number' ? typed.value : typeof fields.value === 'number' ? fields.value : m.pick(NUMBERS)
  const number = chance(m, 0.75) ? own : m.pick(NUMBERS)
  const text = m.pick([String(number), String(number), Math.abs(number) >= 1 ? number.toFixed(2) : String(number), '1e2'])
  const prefix = m.pick(prefixes)
  const form = kind === 'number' ? 'plain' : m.pick(['plain', 'coded', 'coded', 'unit'])
  const code = typeof fields.code === 'string' && chance(m, 0.5) ? fields.code : typeof fields.currency === 'string' ? fields.currency : m.pick(UNITS)
  const system = form === 'coded' ? (typeof fields.currency === 'string' ? 'urn:iso:std:iso:4217' : m.pick([UCUM, UCUM, 'http://other.org'])) : ''
  const unit = form === 'plain' ? '' : form === 'coded' ? code : m.pick([code, 'milligram'])
  return { text: prefix + text + (form === 'plain' ? '' : `|${system}|${unit}`), asked: { kind, prefix, text, system, code: unit } }
}

function writeWords(m: Maker): Written {
  const words = [m.pick(WORDS), m.pick(WORDS)].map((each) => each.split(/[^\p{L}]+/u).find((word) => word !== '') ?? 'a')
  const mode = m.pick(['and', 'or', 'not', 'phrase'] as const)
  const text = mode === 'and' ? words.join(' ') : mode === 'or' ? `(${words.join(' OR ')})` : mode === 'not' ? `not ${words[0]}` : `"${words.join(' ')}"`
  return { text, asked: { kind: 'words', words, mode } }
}

function writeNear(m: Maker): Written {
  const [latitude, longitude, km] = [m.pick([48.1, 48.15, -33.9]), m.pick([16.3, 16.35, 151.2]), m.pick([1, 10, 20000])]
  return { text: `${latitude}|${longitude}|${m.pick([`${km}|km`, `${km * 1000}|m`, `${km}`])}`, asked: { kind: 'near', latitude, longitude, km } }
}

/** `filtering`: of `_filter`, which has its prefixes in its operators. */
function write(m: Maker, param: SearchParam, filtering = false): Written {
  const typed = sample(m, param)
  const prefixes = filtering ? [''] : PREFIXES
  if (param.code === '_text' || param.code === '_content') return writeWords(m)
  if (param.code === 'near') return writeNear(m)
  switch (param.kind) {
    case 'string': return writeString(m, typed)
    case 'token': return writeToken(m, typed)
    case 'reference': return writeReference(m, param, typed)
    case 'date': return writeDate(m, typed, prefixes)
    case 'number': return writeNumber(m, typed, 'number', prefixes)
    case 'quantity': return writeNumber(m, typed, 'quantity', prefixes)
    case 'composite': {
      const of = componentsFor(param).map((component) => write(m, component, filtering))
      return { text: of.map(({ text }) => text).join('$'), asked: { kind: 'composite', of: of.map(({ asked }) => asked) } }
    }
    default: {
      const uri = typeof typed?.value === 'string' && chance(m, 0.7) ? typed.value : m.pick(URIS)
      return { text: escape(uri), asked: { kind: 'uri', uri } }
    }
  }
}

const MODIFIERS: Readonly<Record<string, readonly string[] | undefined>> = {
  string: ['exact', 'contains'], token: ['not', 'text', 'of-type'], reference: ['identifier', 'above', 'below'], uri: ['above', 'below']
}

function clause(m: Maker, param: SearchParam): Asking {
  if (chance(m, 0.08)) {
    const missing = chance(m, 0.5)
    return { name: `${param.code}:missing`, text: String(missing), condition: { kind: 'missing', param, missing } }
  }
  const how = MODIFIERS[param.kind] !== undefined && chance(m, 0.3) ? m.pick(MODIFIERS[param.kind]!) : null
  const tree = param.kind === 'reference' && (how === 'above' || how === 'below') ? aroundOf(m, param) : null
  if (param.kind === 'reference' && (how === 'above' || how === 'below') && tree === null) return clause(m, param)
  const made = tree !== null ? [tree] : Array.from({ length: m.pick([1, 1, 1, 2, 3]) }, () => valueUnder(m, param, how))
  const condition: Condition = { kind: 'clause', param, how, values: made.map(({ asked }) => asked) }
  const [only] = made
  // A type as the modifier of a reference is the type of the value.
  if (param.kind === 'reference' && how === null && made.length === 1 && only!.asked.kind === 'reference' && only!.asked.type !== null && only!.asked.version === null && targetsOf(param).includes(only!.asked.type)) {
    return { name: `${param.code}:${only!.asked.type}`, text: only!.asked.id!, condition }
  }
  return { name: how === null ? param.code : `${param.code}:${how}`, text: made.map(({ text }) => text).join(','), condition }
}

/** A row of a hierarchy, a canonical with or without its version, or a URL above it; null where the parameter points to none. */
function aroundOf(m: Maker, param: SearchParam): Written | null {
  const { value } = sample(m, param) ?? {}
  const [url = '', version = null] = typeof value === 'string' && value.startsWith('http') && !value.startsWith(BASE) ? value.split('|') as [string, string?] : []
  if (url !== '') {
    const asked = m.pick([[url, version], [url, version === null ? null : `${version}.1`], [url, version?.slice(0, 1) ?? null], [url.replace(/\/[^/]*$/, ''), null]] as const)
    return { text: escape(asked[0]) + (asked[1] === null ? '' : `|${asked[1]}`), asked: { kind: 'reference', type: null, id: null, url: asked[0], version: asked[1] } }
  }
  const types = (targetsOf(param).length === 0 ? [] : targetsOf(param)).filter((type) => PARTS[type] !== undefined)
  if (types.length === 0) return null
  const [type, id] = [m.pick(types), `r${Math.floor(m.random() * ROWS)}`]
  return { text: targetsOf(param).length === 1 && chance(m, 0.5) ? id : `${type}/${id}`, asked: { kind: 'reference', type, id, url: null, version: null } }
}

function valueUnder(m: Maker, param: SearchParam, how: string | null): Written {
  const typed = sample(m, param)
  if (how === 'text') {
    const { display } = fieldsOf(typed)
    return writeString(m, { type: 'string', value: typeof display === 'string' ? display : fieldsOf(typed).text ?? m.pick(WORDS) })
  }
  if (how === 'of-type') {
    const [code, value] = [m.pick(['MR', 'SS']), m.pick(CODES)]
    return { text: `http://t|${code}|${escape(value)}`, asked: { kind: 'of-type', system: 'http://t', code, value } }
  }
  return how === 'identifier' ? writeToken(m, { type: 'Identifier', value: fieldsOf(typed).identifier ?? {} }) : write(m, param)
}

/** Those that may be followed: a canonical URL leads to no row. */
const references = (type: string): readonly SearchParam[] => answered(type).filter((param) => param.kind === 'reference' && param.expression !== '' && !resultTypes(param).every((each) => each === 'canonical' || each === 'uri'))

/** A parameter, a chain or `_has`. */
function asking(m: Maker, type: string, depth: number): Asking {
  const own = references(type).filter((param) => targetsOf(param).length > 0 && targetsOf(param).length < 60)
  if (depth > 0 && own.length > 0 && chance(m, 0.2)) {
    const param = m.pick(own)
    const target = m.pick(targetsOf(param))
    const inner = asking(m, target, depth - 1)
    const name = targetsOf(param).length === 1 && chance(m, 0.5) ? param.code : `${param.code}:${target}`
    return { name: `${name}.${inner.name}`, text: inner.text, condition: { kind: 'chain', param, targets: [{ type: target, of: inner.condition }] } }
  }
  if (depth > 0 && chance(m, 0.12)) {
    const from = m.pick(POINTING)
    const pointing = references(from).filter((param) => targetsOf(param).includes(type))
    if (pointing.length > 0) {
      const param = m.pick(pointing)
      const inner = asking(m, from, depth - 1)
      return { name: `_has:${from}:${param.code}:${inner.name}`, text: inner.text, condition: { kind: 'has', param, of: inner.condition } }
    }
  }
  return clause(m, m.pick(answered(type)))
}

const POINTING = ['Observation', 'Encounter', 'Condition', 'DiagnosticReport', 'CarePlan', 'Provenance', 'MedicationRequest', 'PractitionerRole', 'Task', 'Appointment', 'Procedure']

const OPERATORS: Readonly<Record<string, readonly string[]>> = {
  string: ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'lt', 'ge', 'le'], token: ['eq', 'ne'], number: ['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'ap', 'sa', 'eb', 'co'],
  date: ['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'ap', 'sa', 'eb', 'co', 'po'], quantity: ['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'ap', 'sa', 'eb'], reference: ['re'], uri: ['eq', 'ne', 'co', 'sw', 'ew']
}
const AS_PREFIX: ReadonlySet<string> = new Set(['gt', 'lt', 'ge', 'le', 'ap', 'sa', 'eb'])

/** `_filter` text with what it means. */
function filterOf(m: Maker, type: string, depth: number): { readonly text: string; readonly condition: Condition } {
  if (depth > 0 && chance(m, 0.45)) {
    const [left, right] = [filterOf(m, type, depth - 1), filterOf(m, type, depth - 1)]
    const kind = m.pick(['and', 'or'] as const)
    return { text: `(${left.text}) ${kind} (${right.text})`, condition: { kind, of: [left.condition, right.condition] } }
  }
  if (depth > 0 && chance(m, 0.15)) {
    const of = filterOf(m, type, depth - 1)
    return { text: `not (${of.text})`, condition: { kind: 'not', of: of.condition } }
  }
  const own = references(type).filter((param) => targetsOf(param).length > 0 && targetsOf(param).length < 60)
  if (depth > 0 && own.length > 0 && chance(m, 0.2)) {
    const param = m.pick(own)
    const target = m.pick(targetsOf(param))
    const [inner, bracket] = [test(m, target), chance(m, 0.4) ? filterOf(m, target, 0) : null]
    const of: Condition = bracket === null ? inner.condition : { kind: 'and', of: [bracket.condition, inner.condition] }
    return { text: `${param.code}:${target}${bracket === null ? '' : `[${bracket.text}]`}.${inner.text}`, condition: { kind: 'chain', param, targets: [{ type: target, of }] } }
  }
  return test(m, type)
}

function test(m: Maker, type: string): { readonly text: string; readonly condition: Condition } {
  const param = m.pick(answered(type).filter(({ kind }) => Object.hasOwn(OPERATORS, kind)))
  if (chance(m, 0.12)) return { text: `${param.code} pr true`, condition: { kind: 'missing', param, missing: false } }
  const operator = param.code === '_id' ? 'eq' : m.pick(OPERATORS[param.kind]!)
  const { text, asked } = write(m, param, true)
  const raw = asked.kind === 'string' ? asked.text : asked.kind === 'uri' ? asked.uri : text
  const value = asked.kind === 'date' || asked.kind === 'number' || asked.kind === 'quantity' ? { ...asked, prefix: operator === 'ne' || AS_PREFIX.has(operator) ? operator : '' } : asked
  const plain = operator === 'sw' && param.kind === 'string' ? null : param.code === '_id' || param.kind === 'reference' || (asked.kind !== 'string' && asked.kind !== 'token' && asked.kind !== 'uri' && operator !== 'co' && operator !== 'po') || (param.kind === 'uri' && operator === 'eq') ? null : operator
  return { text: `${param.code} ${operator} ${/^[^\s()[\]"]+$/.test(raw) && m.random() < 0.5 ? raw : JSON.stringify(raw)}`, condition: { kind: 'clause', param, how: plain, values: [value] } }
}

/** One random search of a type. */
export function makeCase(random: Random, type: string, rowsOf: (type: string) => readonly Row[], sortable: (param: SearchParam) => boolean): Case {
  const m: Maker = { random, pick: picker(random), rowsOf }
  const asked: Asking[] = Array.from({ length: m.pick([0, 1, 1, 1, 2, 2, 3]) }, () => asking(m, type, 2))
  if (chance(m, 0.15)) {
    const { text, condition } = filterOf(m, type, 3)
    asked.push({ name: '_filter', text, condition })
  }
  if (chance(m, 0.02) && type !== 'Parameters') {
    const id = `r${Math.floor(random() * ROWS)}`
    const byId: Condition = { kind: 'clause', param: searchParam('List', '_id')!, how: null, values: [{ kind: 'token', system: undefined, code: id }] }
    asked.push({ name: '_list', text: id, condition: { kind: 'has', param: searchParam('List', 'item')!, of: byId } })
  }
  const keys = answered(type).filter(sortable)
  const sort = chance(m, 0.35) && keys.length > 0 ? [...new Set(Array.from({ length: m.pick([1, 1, 2]) }, () => m.pick(keys)))].map((param) => ({ param, descending: chance(m, 0.5) })) : []
  const total = chance(m, 0.3)
  const params: (readonly [string, string])[] = [...asked.map(({ name, text }) => [name, text] as const), ['_count', String(m.pick([1, 2, 3, 50]))],
    ...(sort.length > 0 ? [['_sort', sort.map(({ param, descending }) => (descending ? '-' : '') + param.code).join(',')] as const] : []), ...(total ? [['_total', 'accurate'] as const] : [])]
  return { type, params, conditions: asked.map(({ condition }) => condition), sort, total }
}

export type { Resource }
