import { describe, expect, test } from 'vitest'
import { rawNumber } from '../../src/model/decimal.ts'
import { parseNumber } from '../../src/search/types/number.ts'
import { finds, refusal } from './asking.ts'

const risk = (probabilityDecimal: unknown) => ({ resourceType: 'RiskAssessment', prediction: [{ probabilityDecimal }] })
const range = (low?: number, high?: number) => ({ resourceType: 'RiskAssessment', prediction: [{ probabilityRange: { ...(low !== undefined && { low: { value: low } }), ...(high !== undefined && { high: { value: high } }) } }] })

describe('number search', () => {
  test.each([
    // https://hl7.org/fhir/R4/search.html#number
    ['100', 99.5, 100.5], ['100.00', 99.995, 100.005], ['1e2', 95, 105], ['5.4', 5.35, 5.45], ['5.40', 5.395, 5.405], ['-5.4', -5.45, -5.35], ['0', -0.5, 0.5], ['0.1', 0.05, 0.15], ['1.2e-3', 0.00115, 0.00125], ['+7', 6.5, 7.5]
  ])('%s is [%d, %d)', (text, low, high) => {
    expect(parseNumber(text)).toMatchObject({ prefix: 'eq', low, high, value: Number(text) })
  })

  test.each([
    ['probability=100', risk(100), true], ['probability=100', risk(99.5), true], ['probability=100', risk(100.49), true], ['probability=100', risk(100.5), false], ['probability=100', risk(99.49), false],
    ['probability=100.00', risk(100.004), true], ['probability=100.00', risk(100.005), false], ['probability=1e2', risk(104.9), true], ['probability=1e2', risk(105), false],
    ['probability=lt100', risk(99.99), true], ['probability=lt100', risk(100), false], ['probability=le100', risk(100), true], ['probability=le100', risk(100.1), false],
    ['probability=gt100', risk(100.01), true], ['probability=gt100', risk(100), false], ['probability=ge100', risk(100), true], ['probability=ge100', risk(99.9), false],
    ['probability=ne100', risk(100.5), true], ['probability=ne100', risk(100.4), false], ['probability=sa100', risk(100.1), true], ['probability=sa100', risk(100), false], ['probability=eb100', risk(99.9), true], ['probability=eb100', risk(100), false],
    ['probability=ap100', risk(110), true], ['probability=ap100', risk(90), true], ['probability=ap100', risk(111), false], ['probability=ap100', risk(89), false],
    ['probability=0.8', risk(rawNumber('0.80')), true], ['probability=0.8', risk(rawNumber('0.90')), false], ['probability=gt0.8', risk(rawNumber('0.8000000000000000000001')), false],
    ['probability=gt5', range(1, 6), true], ['probability=gt5', range(1, 5), false], ['probability=eb5', range(undefined, 4), true], ['probability=eb5', range(undefined, 5), false], ['probability=sa5', range(6), true], ['probability=sa5', range(5), false], ['probability=5', range(4.6, 5.4), true], ['probability=5', range(4, 5.4), false],
    ['probability=1,2', risk(2), true], ['probability:missing=true', { resourceType: 'RiskAssessment' }, true], ['probability:missing=true', risk(0), false], ['probability=0', risk('0'), false]
  ] as const)('%s on %j: %s', (query, resource, expected) => {
    expect(finds(query, resource)).toBe(expected)
  })

  test.each(['x', '1,x', '1.', '.5', '1e', '0x10', 'NaN', 'Infinity', '1e999', '1 2', 'gt', '--1', '٣', `1e${'9'.repeat(9)}`, '9'.repeat(41)])('%s is no number: refused', (text) => {
    const error = refusal('RiskAssessment', `probability=${text}`)
    expect([error.status, error.issues[0]!.diagnostics]).toEqual([400, 'The value of the parameter probability is malformed or not supported'])
  })
})
