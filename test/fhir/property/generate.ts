/** Random resources of every type, made from R4's definitions, dense where search parameters look. */
import { structure } from '../../../src/fhir/validate/definitions.ts'
import type { Resource } from '../../../src/model/resource.ts'
import { allTypes } from '../../../src/search/classification.ts'
import { paths, searchParams } from '../../../src/search/parameters.ts'

export type Random = () => number
export type Pick = <T>(list: readonly T[]) => T
export const picker = (random: Random): Pick => (list) => list[Math.floor(random() * list.length)]!

export const BASE = 'http://127.0.0.1/fhir/R4'
export const WORDS = ['Ann', 'ann', 'Bo', 'Zoë van Dyk', 'Muñoz', 'MUNOZ', 'Everdeen', 'li  ming', '山田', 'x,y', 'a|b', 'c$d', 'back\\slash', 'ΟΔΟΣ', 'Ann Bo', 'mañana']
export const CODES = ['active', 'final', 'male', 'female', 'a', 'b', 'A', '8867-4', 'true']
export const SYSTEMS = ['http://loinc.org', 'http://x.org/cs', 'http://X.org/cs']
export const DATES = ['2020', '2025-03', '2025-03-14', '2025-03-31T23:59:59Z', '1980-02-29', '2025-12-31T23:30:00-05:00', '2024-01-01T00:00:00.123+02:00', '2025-03-14T10:00:00Z', '1999-12-31']
export const NUMBERS = [0, 1, 5, 5.4, 5.35, 5.45, 99.5, 100, 100.5, -3, 0.005, 1000, 37, 98.6, 310.15]
export const UNITS = ['mg', 'g', 'kg', 'ug', 'mm', 'cm', 'm', 'Cel', '[degF]', 'K', '%', '1', '[IU]']
export const URIS = ['http://x.org/a', 'http://x.org/a/b', 'http://x.org/ab', 'urn:oid:1.2.3', 'http://x.org/a/', 'HTTP://x.org/a']
export const UCUM = 'http://unitsofmeasure.org'
export const ROWS = 6

interface Maker { readonly random: Random; readonly pick: Pick }

const chance = ({ random }: Maker, p: number): boolean => random() < p
const some = <T>(maker: Maker, p: number, name: string, make: () => T): Record<string, T> => (chance(maker, p) ? { [name]: make() } : {})

const coding = (m: Maker): object => ({ ...some(m, 0.8, 'system', () => m.pick(SYSTEMS)), ...some(m, 0.95, 'code', () => m.pick(CODES)), ...some(m, 0.4, 'display', () => m.pick(WORDS)) })

function period(m: Maker): object {
  const [first, second] = [m.pick(['2020-01-01', '2025-03', '1980']), m.pick(['2025-05', '2025-03-20', '2026-01-01T10:00:00Z'])]
  return { ...some(m, 0.8, 'start', () => first), ...some(m, 0.6, 'end', () => second) }
}

const quantity = (m: Maker): object => {
  const unit = m.pick(UNITS)
  return {
    value: m.pick(NUMBERS), ...some(m, 0.1, 'comparator', () => m.pick(['<', '<=', '>', '>='])), ...some(m, 0.4, 'unit', () => m.pick([unit, 'milligram'])),
    ...(chance(m, 0.7) ? { system: m.pick([UCUM, UCUM, UCUM, 'http://other.org']), code: unit } : {})
  }
}

function reference(m: Maker, targets: readonly string[]): object {
  const type = m.pick(targets.length === 0 || targets.includes('Resource') ? ['Patient', 'Observation', 'Practitioner', 'Encounter'] : targets)
  const text = `${type}/r${Math.floor(m.random() * (ROWS + 1))}`
  const form = m.random()
  const literal = form < 0.72 ? text : form < 0.8 ? `${BASE}/${text}` : form < 0.86 ? `${text}/_history/${m.pick(['1', '2'])}` : form < 0.9 ? `http://other.example/fhir/${text}` : form < 0.93 ? 'urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0' : null
  return { ...(literal === null ? {} : { reference: literal }), ...some(m, literal === null ? 0.9 : 0.15, 'identifier', () => ({ system: m.pick(SYSTEMS), value: m.pick(CODES) })) }
}

type Make = (m: Maker, targets: readonly string[]) => unknown

const quantityRange: Make = (m) => ({ ...some(m, 0.8, 'low', () => ({ value: m.pick([1, 5, 37]), system: UCUM, code: 'mg' })), ...some(m, 0.8, 'high', () => ({ value: m.pick([99.5, 100, 1000]), system: UCUM, code: 'mg' })) })
const word: Make = (m) => m.pick(WORDS)
const uri: Make = (m) => m.pick(URIS)
const date: Make = (m) => m.pick(DATES)

const MAKERS: Readonly<Record<string, Make | undefined>> = {
  string: word, markdown: word, 'http://hl7.org/fhirpath/System.String': word, code: (m) => m.pick(CODES), id: (m) => m.pick(CODES), uri, url: uri, oid: uri, uuid: uri,
  canonical: (m) => m.pick(URIS) + m.pick(['', '', '|1.0', '|2.0']), boolean: (m) => m.pick([true, false]), integer: (m) => m.pick([0, 1, 5, 100]), positiveInt: (m) => m.pick([1, 5, 100]),
  unsignedInt: (m) => m.pick([0, 5, 100]), decimal: (m) => m.pick(NUMBERS), date: (m) => m.pick(DATES.filter((each) => each.length <= 10)), dateTime: date,
  instant: (m) => m.pick(DATES.filter((each) => each.length > 16)), time: () => '10:00:00', base64Binary: () => 'YQ==',
  Coding: coding, CodeableConcept: (m) => ({ ...some(m, 0.9, 'coding', () => Array.from({ length: m.pick([1, 1, 2]) }, () => coding(m))), ...some(m, 0.4, 'text', () => m.pick(WORDS)) }),
  Identifier: (m) => ({ ...some(m, 0.8, 'system', () => m.pick(SYSTEMS)), ...some(m, 0.9, 'value', () => m.pick(CODES)), ...some(m, 0.4, 'type', () => ({ coding: [{ system: 'http://t', code: m.pick(['MR', 'SS']) }], text: m.pick(WORDS) })) }),
  ContactPoint: (m) => ({ ...some(m, 0.8, 'system', () => m.pick(['phone', 'email'])), ...some(m, 0.9, 'value', () => m.pick(CODES)), ...some(m, 0.4, 'use', () => m.pick(['home', 'work'])) }),
  Reference: reference, Quantity: quantity, SimpleQuantity: quantity, Age: quantity, Duration: quantity, Count: quantity, Distance: quantity, Range: quantityRange, Period: period,
  Money: (m) => ({ value: m.pick(NUMBERS), ...some(m, 0.8, 'currency', () => m.pick(['EUR', 'USD'])) }),
  SampledData: (m) => ({ origin: { value: m.pick([0, 5]), system: UCUM, code: 'mg' }, period: 1, dimensions: 1, ...some(m, 0.3, 'factor', () => 2), data: m.pick(['1 5 E', '10 20', 'E', '-3 100.5']) }),
  Timing: (m) => (chance(m, 0.6) ? { event: Array.from({ length: m.pick([1, 2]) }, () => m.pick(DATES)) } : { repeat: { boundsPeriod: period(m) } }),
  HumanName: (m) => ({ ...some(m, 0.3, 'text', () => m.pick(WORDS)), ...some(m, 0.8, 'family', () => m.pick(WORDS)), ...some(m, 0.8, 'given', () => [m.pick(WORDS), m.pick(WORDS)]), ...some(m, 0.2, 'prefix', () => [m.pick(WORDS)]) }),
  Address: (m) => ({ ...some(m, 0.3, 'text', () => m.pick(WORDS)), ...some(m, 0.6, 'line', () => [m.pick(WORDS)]), ...some(m, 0.8, 'city', () => m.pick(WORDS)), ...some(m, 0.4, 'country', () => m.pick(WORDS)), ...some(m, 0.3, 'use', () => m.pick(['home', 'work'])) }),
  Annotation: (m) => ({ text: m.pick(WORDS) }), Attachment: () => ({ title: 'a' })
}

const NEVER: ReadonlySet<string> = new Set(['id', 'extension', 'modifierExtension', 'contained', 'text', 'meta', 'implicitRules', 'language'])

const children = new Map<string, NonNullable<ReturnType<typeof structure>>>()

const definitions = new Map<string, NonNullable<ReturnType<typeof structure>>>()

/** Read from disk each time it is asked for, so it is kept here. */
function definitionOf(type: string): NonNullable<ReturnType<typeof structure>> {
  let found = definitions.get(type)
  if (found === undefined) definitions.set(type, (found = structure(type) ?? []))
  return found
}

function childrenOf(of: string, path: string): NonNullable<ReturnType<typeof structure>> {
  let found = children.get(path)
  if (found === undefined) {
    const isChild = (name: string): boolean => name !== '' && !name.includes('.') && !NEVER.has(name)
    children.set(path, (found = definitionOf(of).filter((each) => each.path.startsWith(`${path}.`) && isChild(each.path.slice(path.length + 1)))))
  }
  return found
}

/** Elements of a backbone or datatype below `path`, by the definition of `of`. */
function members(m: Maker, of: string, path: string, looked: ReadonlySet<string>, depth: number): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  for (const element of childrenOf(of, path)) {
    const name = element.path.slice(path.length + 1)
    const isLooked = looked.has(element.path.replace('[x]', ''))
    if (!chance(m, isLooked ? 0.7 : 0.04) || element.type === undefined) continue
    const type = m.pick(element.type)
    const make = (): unknown => {
      if (type.code === 'BackboneElement' || type.code === 'Element') return depth > 4 ? null : members(m, of, element.path, looked, depth + 1)
      const targets = (type.targetProfile ?? []).map((url) => url.split('/').at(-1)!)
      const maker = MAKERS[type.code]
      return maker !== undefined ? maker(m, targets) : depth > 3 || allTypes.includes(type.code) || type.code === 'Resource' ? null : members(m, type.code, type.code, looked, depth + 1)
    }
    const values = Array.from({ length: element.max === '*' ? m.pick([1, 1, 2]) : 1 }, make).filter((value) => value !== null && !isEmpty(value))
    if (values.length === 0) continue
    const key = name.endsWith('[x]') ? name.slice(0, -3) + type.code[0]!.toUpperCase() + type.code.slice(1) : name
    found[key] = element.max === '1' ? values[0] : values
  }
  return found
}

const isEmpty = (value: unknown): boolean => typeof value === 'object' && value !== null && Object.keys(value).length === 0

/** Every element that a search parameter of the type reads, and all on the way there. */
function lookedAt(type: string): ReadonlySet<string> {
  const found = new Set<string>()
  for (const param of searchParams(type)) {
    for (const path of paths(param)) {
      const steps = path.split('.')
      for (let end = 2; end <= steps.length; end++) found.add(steps.slice(0, end).join('.'))
    }
  }
  for (const name of ['UsageContext.code', 'UsageContext.value', 'RelatedArtifact.resource', 'RelatedArtifact.type', 'DataRequirement.codeFilter', 'TriggerDefinition.name']) found.add(name)
  return found
}

const looks = new Map<string, ReadonlySet<string>>()

export function makeResource(random: Random, type: string, id: string): Resource {
  const m = { random, pick: picker(random) }
  if (!looks.has(type)) looks.set(type, lookedAt(type))
  const body = members(m, type, type, looks.get(type)!, 0)
  if (type === 'Location' && chance(m, 0.8)) body.position = { latitude: m.pick([48.1, 48.2, -33.9]), longitude: m.pick([16.3, 16.4, 151.2]) }
  const urls = searchParams(type).flatMap(({ expression }) => [...expression.matchAll(/\.extension\('([^']+)'\)/g)].map((found) => found[1]!))
  const extension = urls.filter(() => chance(m, 0.4)).map((url) => ({ url, ...m.pick([{ valueString: m.pick(WORDS) }, { valueCodeableConcept: { coding: [coding(m)] } }]) }))
  const meta = { ...some(m, 0.4, 'tag', () => [coding(m)]), ...some(m, 0.3, 'profile', () => [m.pick(URIS)]), ...some(m, 0.3, 'source', () => m.pick(URIS)) }
  const isDomain = !['Bundle', 'Binary', 'Parameters'].includes(type)
  return {
    resourceType: type, id, meta, ...(isDomain && chance(m, 0.4) ? { text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml"><p>${m.pick(WORDS)} &amp; ${m.pick(WORDS)}</p></div>` } } : {}),
    ...(isDomain && extension.length > 0 ? { extension } : {}), ...body
  } as Resource
}
