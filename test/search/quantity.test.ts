import { describe, expect, test } from 'vitest'
import { rawNumber } from '../../src/model/decimal.ts'
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
