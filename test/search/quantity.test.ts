import { describe, expect, test } from 'vitest'
import { rawNumber } from '../../src/model/decimal.ts'
import { baseUnit } from '../../src/search/units.ts'
import { finds, refusal } from './asking.ts'

const UCUM = 'http://unitsofmeasure.org'
const of = (valueQuantity: object) => ({ resourceType: 'Observation', valueQuantity })
const mg = of({ value: 5.4, unit: 'milligram', system: UCUM, code: 'mg' })
const below = (comparator: string) => of({ value: 5, comparator, code: 'mg' })

describe('quantity search', () => {
  test.each([
    // https://hl7.org/fhir/R4/search.html#quantity
    [`value-quantity=5.4|${UCUM}|mg`, mg, true], [`value-quantity=5.4|${UCUM}|g`, mg, false], ['value-quantity=5.4|http://other|mg', mg, false],
    ['value-quantity=5.4||mg', mg, true], ['value-quantity=5.4||milligram', mg, true], ['value-quantity=5.4||g', mg, false], [`value-quantity=5.4|${UCUM}|milligram`, mg, false],
    ['value-quantity=5.4', mg, true], ['value-quantity=5.40', of({ value: 5.41 }), false], ['value-quantity=5.4', of({ value: 5.41 }), true], [`value-quantity=5.4|${UCUM}|`, mg, true],
    ['value-quantity=5.4', of({ value: 5.35 }), true], ['value-quantity=5.4', of({ value: 5.45 }), false], ['value-quantity=5.4', of({ value: rawNumber('5.40') }), true],
    [`value-quantity=le5.4|${UCUM}|mg`, mg, true], [`value-quantity=lt5.4|${UCUM}|mg`, mg, false], ['value-quantity=gt5.3', mg, true], ['value-quantity=ge5.5', mg, false], ['value-quantity=ne5.4', mg, false], ['value-quantity=ne5.5', mg, true],
    ['value-quantity=ap5', mg, true], ['value-quantity=ap4.5', mg, false],
    // A comparator makes the value a span.
    ['value-quantity=lt5', below('<'), true], ['value-quantity=gt5', below('<'), false], ['value-quantity=gt4', below('<'), true], ['value-quantity=eb5', below('<'), true], ['value-quantity=eb5', below('<='), false], ['value-quantity=5', below('<'), false],
    ['value-quantity=gt9', below('>'), true], ['value-quantity=lt5', below('>'), false], ['value-quantity=sa5', below('>'), true], ['value-quantity=sa5', below('>='), false],
    ['value-quantity=5', of({ unit: 'mg' }), false], ['value-quantity:missing=true', { resourceType: 'Observation', valueString: 'x' }, true], ['value-quantity:missing=true', mg, false],
    ['onset-age=gt40', { resourceType: 'Condition', onsetAge: { value: 52, code: 'a' } }, true], ['onset-age=gt40', { resourceType: 'Condition', onsetRange: { low: { value: 20 }, high: { value: 30 } } }, false],
    ['totalgross=10.00|urn:iso:std:iso:4217|EUR', { resourceType: 'Invoice', totalGross: { value: 10, currency: 'EUR' } }, true], ['totalgross=10||USD', { resourceType: 'Invoice', totalGross: { value: 10, currency: 'EUR' } }, false]
  ] as const)('%s on %j: %s', (query, resource, expected) => {
    expect(finds(query, resource)).toBe(expected)
  })

  const unit = (value: number, code: string, more: object = {}) => of({ value, system: UCUM, code, ...more })
  test.each([
    [`value-quantity=5.4|${UCUM}|g`, unit(5400, 'mg'), true], [`value-quantity=5.4|${UCUM}|g`, unit(5350, 'mg'), true], [`value-quantity=5.4|${UCUM}|g`, unit(5450, 'mg'), false], [`value-quantity=0.1|${UCUM}|kg`, unit(100, 'g'), true],
    [`value-quantity=gt100|${UCUM}|mg`, unit(0.1, 'g'), false], [`value-quantity=ge100|${UCUM}|mg`, unit(0.1, 'g'), true], [`value-quantity=le100|${UCUM}|mg`, unit(0.1, 'g'), true], [`value-quantity=lt100|${UCUM}|mg`, unit(0.099, 'g'), true],
    [`value-quantity=37.0|${UCUM}|Cel`, unit(98.6, '[degF]'), true], [`value-quantity=gt38|${UCUM}|Cel`, unit(101, '[degF]'), true], [`value-quantity=gt38|${UCUM}|Cel`, unit(100, '[degF]'), false], [`value-quantity=70|${UCUM}|[in_i]`, unit(1.778, 'm'), true],
    [`value-quantity=120|${UCUM}|mm[Hg]`, unit(16, 'kPa'), true], [`value-quantity=ne5|${UCUM}|g`, unit(5000, 'mg'), false], [`value-quantity=sa5|${UCUM}|g`, unit(5001, 'mg'), true], [`value-quantity=eb5|${UCUM}|g`, unit(5001, 'mg'), false],
    [`value-quantity=ap5|${UCUM}|g`, unit(5400, 'mg'), true], [`value-quantity=ap5|${UCUM}|g`, unit(5600, 'mg'), false], [`value-quantity=lt5|${UCUM}|g`, unit(5000, 'mg', { comparator: '<' }), true],
    // Of another dimension, without conversion, or no unit at all: only equal codes compare.
    [`value-quantity=gt0|${UCUM}|g`, unit(5, 'm'), false], [`value-quantity=gt1|${UCUM}|[IU]`, unit(5, '[IU]'), true], [`value-quantity=gt1|${UCUM}|[IU]`, unit(5, 'k[IU]'), false], [`value-quantity=gt1|${UCUM}|[pH]`, unit(7, '[pH]'), true],
    [`value-quantity=gt0|${UCUM}|mol/L`, unit(7, '[pH]'), false], [`value-quantity=gt1|${UCUM}|nonsense`, unit(5, 'nonsense'), true], [`value-quantity=gt1|${UCUM}|nonsense`, unit(5, 'mg'), false],
    [`value-quantity=5|http://other|g`, unit(5000, 'mg'), false], ['value-quantity=5||g', unit(5000, 'mg'), false], [`value-quantity=5|${UCUM}|g`, of({ value: 5000, code: 'mg' }), false]
  ] as const)('units of UCUM convert: %s on %j: %s', (query, resource, expected) => {
    expect(finds(query, resource)).toBe(expected)
  })

  test('SampledData lies between its least and its greatest sample', () => {
    const sampled = (data: string, more: object = {}) => ({ resourceType: 'Observation', valueSampledData: { origin: { value: 10, system: UCUM, code: 'mg' }, period: 1, dimensions: 1, data, ...more } })
    for (const [query, resource, expected] of [
      ['gt14', sampled('1 5 E'), true], ['gt15', sampled('1 5 E'), false], ['lt12', sampled('1 5 E'), true], ['gt19', sampled('1 5 E', { factor: 2 }), true], [`gt0.014|${UCUM}|g`, sampled('1 5'), true], ['gt0', sampled('E E'), false],
      ['gt29', sampled('U 1', { upperLimit: 20 }), true], ['lt6', sampled('L 1', { lowerLimit: -5 }), true], ['lt6', sampled('L 1'), false]
    ] as const) expect([query, finds(`value-quantity=${query}`, resource)]).toEqual([query, expected])
  })

  test('a unit is read once, and a hostile one costs little', () => {
    expect(baseUnit('mg')).toBe(baseUnit('mg'))
    expect(baseUnit('kg')).toMatchObject({ dimension: 'g1', factor: 1000, offset: 0 })
    const hostile = ['('.repeat(60), 'mg.'.repeat(21), '10*'.repeat(20), '{'.repeat(60), 'a'.repeat(64), `${'mg/'.repeat(500)}mg`, '', ' ', '%'.repeat(60), '__proto__', 'constructor']
    const start = performance.now()
    for (const code of hostile) expect(() => baseUnit(code)).not.toThrow()
    expect(performance.now() - start).toBeLessThan(1_000)
    expect(baseUnit(`${'mg/'.repeat(500)}mg`)).toBeNull()
  })

  test.each(['5.4|mg', '5|a|b|c', '|a|b', 'mg', 'lt', '5,4||'])('%s is no quantity: refused', (text) => {
    expect(refusal('Observation', `value-quantity=${text === '5,4||' ? '5\\,4||' : text}`).status).toBe(400)
  })
})

describe('composite search', () => {
  const pressure = {
    resourceType: 'Observation', code: { coding: [{ system: 'http://loinc.org', code: '85354-9' }] },
    component: [
      { code: { coding: [{ system: 'http://loinc.org', code: '8480-6' }] }, valueQuantity: { value: 120, code: 'mm[Hg]' } },
      { code: { coding: [{ system: 'http://loinc.org', code: '8462-4' }] }, valueQuantity: { value: 60, code: 'mm[Hg]' } }
    ]
  }
  test.each([
    ['component-code-value-quantity=http://loinc.org|8480-6$gt100', pressure, true], ['component-code-value-quantity=http://loinc.org|8480-6$lt90', pressure, false],
    ['component-code-value-quantity=8462-4$lt90||mm[Hg]', pressure, true], ['combo-code-value-quantity=8480-6$120', pressure, true], ['combo-code-value-quantity=8480-6$60', pressure, false],
    ['code-value-quantity=85354-9$120', pressure, false], ['code-value-quantity=1$lt7', { resourceType: 'Observation', code: { coding: [{ code: '1' }] }, valueQuantity: { value: 6 } }, true],
    ['code-value-string=1$a\\$b', { resourceType: 'Observation', code: { coding: [{ code: '1' }] }, valueString: 'A$B' }, true],
    ['relationship=replaces$DocumentReference/1', { resourceType: 'DocumentReference', relatesTo: [{ code: 'replaces', target: { reference: 'DocumentReference/1' } }] }, true],
    ['relationship=replaces$DocumentReference/1', { resourceType: 'DocumentReference', relatesTo: [{ code: 'appends', target: { reference: 'DocumentReference/1' } }, { code: 'replaces', target: { reference: 'DocumentReference/2' } }] }, false]
  ] as const)('%s on %j: %s', (query, resource, expected) => {
    expect(finds(query, resource)).toBe(expected)
  })

  test.each(['1', '1$', '$5', '1$x', '1$2$3'])('%s is no pair: refused', (text) => {
    expect(refusal('Observation', `code-value-quantity=${text}`).status).toBe(400)
  })
})
