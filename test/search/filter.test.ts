/** `_filter` (https://hl7.org/fhir/R4/search_filter.html): its grammar, its operators by parameter type, and what it is compiled to. */
import { describe, expect, test } from 'vitest'
import { parseFilter } from '../../src/search/filter-syntax.ts'
import { finds, FULL, OPTIONS, refusal } from './asking.ts'
import { codesOf } from '../../src/search/query.ts'
import { terminologyIn } from '../../src/search/parse-filter.ts'
import { parseSearch } from '../../src/search/parse.ts'
import type { Resource } from '../../src/model/resource.ts'

const BOUNDS = { testsMax: 20, depthMax: 6 }
const said = (text: string): unknown => {
  const brief = (node: ReturnType<typeof parseFilter>): unknown => (node.kind === 'test'
    ? [node.path.map(({ name, filter }) => (filter === null ? name : [name, brief(filter)])), node.operator, node.value].flat(1)
    : node.kind === 'not' ? { not: brief(node.of) } : { [node.kind]: node.of.map(brief) })
  return brief(parseFilter(text, BOUNDS))
}

describe('the grammar', () => {
  test.each([
    ['name co "pet"', ['name', 'co', 'pet']],
    ['given eq "peter" and birthdate ge 2014-10-10', { and: [['given', 'eq', 'peter'], ['birthdate', 'ge', '2014-10-10']] }],
    ['code eq http://loinc.org|1234-5', ['code', 'eq', 'http://loinc.org|1234-5']],
    ['subject.name co "pet"', ['subject', 'name', 'co', 'pet']],
    ['related[type eq "has-component"].target pr true', [['related', ['type', 'eq', 'has-component']], 'target', 'pr', 'true']],
    ['related[type eq comp and this lt that].target pr false', [['related', { and: [['type', 'eq', 'comp'], ['this', 'lt', 'that']] }], 'target', 'pr', 'false']],
    // From left to right, without precedence.
    ['a eq 1 or b eq 2 and c eq 3', { and: [{ or: [['a', 'eq', '1'], ['b', 'eq', '2']] }, ['c', 'eq', '3']] }],
    ['a eq 1 and b eq 2 or c eq 3', { or: [{ and: [['a', 'eq', '1'], ['b', 'eq', '2']] }, ['c', 'eq', '3']] }],
    ['a eq 1 or (b eq 2 and c eq 3)', { or: [['a', 'eq', '1'], { and: [{ and: [['b', 'eq', '2'], ['c', 'eq', '3']] }] }] }],
    ['not (a eq 1) or not(b eq 2)', { or: [{ not: ['a', 'eq', '1'] }, { not: ['b', 'eq', '2'] }] }],
    ['((a eq 1))', ['a', 'eq', '1']],
    ['a eq "with ) ] and \\"quotes\\" \\u00e9"', ['a', 'eq', 'with ) ] and "quotes" é']],
    ['  a   eq   1  ', ['a', 'eq', '1']],
    ['notes eq and', ['notes', 'eq', 'and']]
  ])('%s', (text, tree) => {
    expect(said(text)).toEqual(tree)
  })

  test.each(['', 'a', 'a eq', 'a eq ', 'eq 1', 'a eq 1 and', 'and a eq 1', 'a eq 1 b eq 2', '(a eq 1', 'a eq 1)', 'not a eq 1', 'a[b eq 1] eq 2', 'a[b eq 1.c eq 2', 'a[].b eq 1', 'a..b eq 1', '.a eq 1', 'a. eq 1', 'a equal 1', 'a EQ 1', 'a eq "x', 'a eq "\\x"',
    'a eq 1 xor b eq 2', '1a eq 1', 'a\u0000 eq 1', 'a eq )'])('%j is malformed', (text) => {
    expect(() => parseFilter(text, BOUNDS)).toThrow(expect.objectContaining({ status: 400 }))
  })

  test('its bounds are named: tests and nesting', () => {
    const tests = (n: number): string => Array.from({ length: n }, () => 'a eq 1').join(' and ')
    expect(() => parseFilter(tests(20), BOUNDS)).not.toThrow()
    expect(() => parseFilter(tests(21), BOUNDS)).toThrow(expect.objectContaining({ status: 422, message: expect.stringContaining('FILTER_TESTS_MAX') }))
    const nested = (n: number): string => `${'('.repeat(n)}a eq 1${')'.repeat(n)}`
    expect(() => parseFilter(nested(5), BOUNDS)).not.toThrow()
    expect(() => parseFilter(nested(6), BOUNDS)).toThrow(expect.objectContaining({ status: 422, message: expect.stringContaining('FILTER_DEPTH_MAX') }))
    expect(() => parseFilter(nested(100_000), BOUNDS)).toThrow(expect.objectContaining({ status: 422 }))
    const brackets = `${'a['.repeat(9)}x eq 1${'].b eq 1'.repeat(9)}`
    expect(() => parseFilter(brackets, BOUNDS)).toThrow(expect.objectContaining({ status: 422 }))
  })
})

const patient: Resource = { resourceType: 'Patient', id: 'p-1', name: [{ family: 'Muñoz', given: ['Peter', 'Ann'] }], birthDate: '2014-10-12', gender: 'male', identifier: [{ system: 'http://X.org', value: 'AbC' }] } as Resource
const observation: Resource = {
  resourceType: 'Observation', id: 'o', status: 'final', subject: { reference: 'Patient/1' }, effectivePeriod: { start: '2020-01-01', end: '2020-01-31' },
  code: { coding: [{ system: 'http://loinc.org', code: '1234-5' }, { system: 'http://snomed.info/sct', code: 'X1' }] }, valueQuantity: { value: 500, system: 'http://unitsofmeasure.org', code: 'mg' },
  component: [{ code: { coding: [{ code: 'sys' }] }, valueQuantity: { value: 120 } }, { code: { coding: [{ code: 'dia' }] }, valueQuantity: { value: 80 } }]
} as Resource
const document: Resource = { resourceType: 'DocumentReference', relatesTo: [{ code: 'replaces', target: { reference: 'DocumentReference/1' } }, { code: 'appends', target: { reference: 'DocumentReference/2' } }] } as Resource
const group: Resource = { resourceType: 'Group', characteristic: [{ code: { coding: [{ code: 'age' }] }, valueCodeableConcept: { coding: [{ code: 'old' }] } }, { code: { coding: [{ code: 'sex' }] }, valueCodeableConcept: { coding: [{ code: 'f' }] } }] } as Resource
const risk: Resource = { resourceType: 'RiskAssessment', prediction: [{ probabilityDecimal: 5.4 }] } as Resource
const valueSet: Resource = { resourceType: 'ValueSet', url: 'http://x.org/vs/A' } as Resource

describe('an operator', () => {
  test.each<readonly [string, Resource, boolean]>([
    ['name co "UNO"', patient, true], ['name co "xx"', patient, false], ['name sw pet', patient, true], ['name sw eter', patient, false], ['name ew ETER', patient, true], ['name ew pet', patient, false],
    ['given eq PETER', patient, true], ['given eq pet', patient, false], ['family ne munoz', patient, false], ['given ne peter', patient, true], ['name eq "x"', patient, false],
    // By the code point that a text starts with.
    ['family gt "mzzz"', patient, false], ['family ge "mzzz"', patient, true], ['family gt "L"', patient, true], ['family lt "n"', patient, true], ['family le "a"', patient, false],
    ['birthdate ge 2014-10-10', patient, true], ['birthdate lt 2014-10-10', patient, false], ['birthdate eq 2014-10', patient, true], ['birthdate ne 2014', patient, false], ['birthdate sa 2014-10-11', patient, true], ['birthdate eb 2014-10-11', patient, false],
    ['date po 2020-01-15', observation, true], ['date po 2019', observation, false], ['date co 2020-01-15', observation, true], ['date co 2020', observation, false], ['date eq 2020', observation, true],
    ['gender eq MALE', patient, true], ['gender ne male', patient, false], ['gender ne female', patient, true], ['identifier eq http://x.ORG|abc', patient, true], ['identifier eq http://x.org|abd', patient, false], ['_id eq p-1', patient, true], ['_id eq P-1', patient, false],
    ['code eq loinc|1234-5', observation, true], ['code eq snomed|x1', observation, true], ['code eq rxnorm|1234-5', observation, false], ['code ne loinc|1234-5', observation, false], ['code ne 7', observation, true],
    ['subject re Patient/1', observation, true], ['subject re Patient/2', observation, false], ['subject eq Patient/1', observation, true],
    ['value-quantity eq 0.5|ucum|g', observation, true], ['value-quantity gt 0.4|http://unitsofmeasure.org|g', observation, true], ['value-quantity lt 0.4|ucum|g', observation, false], ['value-quantity ap 0.52|ucum|g', observation, true],
    ['probability co 5.42', risk, true], ['probability co 5.46', risk, false], ['probability gt 5', risk, true], ['probability ne 5.4', risk, false],
    ['url eq http://x.org/vs/A', valueSet, true], ['url sw HTTP://x.org', valueSet, true], ['url ew /a', valueSet, true], ['url co y.org', valueSet, false], ['url ne http://x.org/vs/A', valueSet, false],
    ['name pr true', patient, true], ['name pr false', patient, false], ['deceased pr true and active pr false', patient, true], ['not (name pr true)', patient, false],
    ['name eq munoz or gender eq female and birthdate lt 2000', patient, false], ['name eq munoz or (gender eq female and birthdate lt 2000)', patient, true],
    ['code-value-quantity eq "loinc|1234-5$500"', observation, false], ['code-value-quantity eq "http://loinc.org|1234-5$500"', observation, true]
  ])('%s', (filter, resource, expected) => {
    expect(finds(`_filter=${filter}`, resource, FULL)).toBe(expected)
  })

  test.each<readonly [string, Resource, boolean]>([
    ['relatesTo[code eq replaces].target re DocumentReference/1', document, true], ['relatesTo[code eq replaces].target re DocumentReference/2', document, false], ['relatesTo[code eq x].target pr true', document, false],
    ['relatesTo[code eq x].target pr false', document, true], ['relatesTo[not (code eq replaces)].target re DocumentReference/2', document, true],
    ['characteristic[code eq age].value eq old', group, true], ['characteristic[code eq age].value eq f', group, false], ['characteristic[code eq age or code eq sex].value eq f', group, true], ['characteristic[value eq f].code eq age', group, false],
    ['component-code-value-quantity[component-code eq sys].component-value-quantity gt 100', observation, true], ['component-code-value-quantity[component-code eq dia].component-value-quantity gt 100', observation, false]
  ])('within one element: %s', (filter, resource, expected) => {
    expect(finds(`_filter=${filter}`, resource, FULL)).toBe(expected)
  })

  test.each([
    'nosuch eq 1', 'name.x eq 1', 'name xx 1', 'name re Patient/1', 'gender co m', 'gender gt a', 'subject.nosuch eq 1', 'general-practitioner ne Practitioner/1', 'birthdate eq x', 'birthdate sw 2014', 'birthdate eq gt2014', 'name pr maybe', '_filter eq x', 'general-practitioner[name eq x].nosuch eq 1',
    'name in x', 'birthdate ss 2014', 'age gt 3'
  ])('%s cannot be compared: refused, by the name of what was asked', (filter) => {
    const error = refusal('Patient', `_filter=${filter}`, FULL)
    expect([error.status, error.issues[0]!.diagnostics!.includes('_filter')]).toEqual([400, true])
    expect(refusal('Patient', `_filter=${filter}`, { ...FULL, lenient: true }).status).toBe(400)
  })

  test('value sets and hierarchies are those of the modifiers that say the same', () => {
    for (const [filter, param, value] of [['gender ss loinc|a', 'gender:below', 'http://loinc.org|a'], ['gender sb snomed|b', 'gender:above', 'http://snomed.info/sct|b'], ['gender in http://x.org/vs', 'gender:in', 'http://x.org/vs']] as const) {
      const codes = new Map([['male', ['http://hl7.org/fhir/administrative-gender']]])
      const lookups = { codesIn: () => codes, codesAround: () => codes }
      expect(terminologyIn(`not (name eq x and ${filter})`, FULL)).toEqual([[param, value]])
      expect(parseSearch('Patient', [['_filter', filter]], { ...FULL, lookups }).filter).toEqual(parseSearch('Patient', [[param, value]], { ...FULL, lookups }).filter)
      expect([finds(`_filter=${filter}`, patient, { ...FULL, lookups }), refusal('Patient', `_filter=${filter}`, FULL).status]).toEqual([true, 400])
    }
    const lookups = { codesIn: () => new Map([['female', ['http://hl7.org/fhir/administrative-gender']]]), codesAround: () => new Map() }
    expect(finds('_filter=gender ni http://x.org/vs', patient, { ...FULL, lookups })).toBe(true)
    expect([terminologyIn('general-practitioner[gender ni a].name eq b', FULL), terminologyIn('((', FULL)]).toEqual([[['gender:in', 'a']], []])
  })

  test('scopes and policies have none, nor a search that gives it no bounds', () => {
    expect(refusal('Patient', '_filter=name eq a', OPTIONS).status).toBe(400)
    expect(parseSearch('Patient', [['_filter', '']], FULL).filter).toEqual({ kind: 'all' })
  })
})

describe('what it is compiled to', () => {
  test('names every parameter that it reads, wherever it stands', () => {
    const { filter, codes } = parseSearch('Patient', [['_filter', 'not (name eq a) and (birthdate pr false or general-practitioner:Practitioner.name eq x)']], FULL)
    expect([...codes].sort()).toEqual(['birthdate', 'general-practitioner', 'name'])
    expect([...codesOf(filter)].sort()).toEqual(['birthdate', 'general-practitioner', 'name'])
  })

  test('a chain counts against the depth and the searches of chains', () => {
    const chain = (n: number): string => `_filter=encounter${'.part-of'.repeat(n - 1)}.status eq finished`
    expect(() => parseSearch('Observation', [['_filter', chain(4).slice(8)]], FULL)).not.toThrow()
    expect(refusal('Observation', chain(5), FULL)).toMatchObject({ status: 422, message: expect.stringContaining('CHAIN_DEPTH_MAX') })
  })
})
