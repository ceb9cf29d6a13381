import { describe, expect, it } from 'vitest'
import { isNumberValue, isRawNumber, numberOf, numberText, rawNumber } from '../../src/model/decimal.ts'

describe('decimal', () => {
  it('keeps the text of a number and gives its nearest double', () => {
    const value = rawNumber('1.50')
    expect(numberText(value)).toBe('1.50')
    expect(numberOf(value)).toBe(1.5)
    expect(JSON.stringify({ value })).toBe('{"value":1.50}')
    expect(numberText(1.5)).toBe('1.5')
    expect(numberOf(2)).toBe(2)
  })

  it('takes for numbers only numbers: no look-alike object, no text, nothing infinite', () => {
    for (const value of [1, 0, -2.5, rawNumber('1.0')]) expect(isNumberValue(value)).toBe(true)
    for (const value of ['1', null, undefined, NaN, Infinity, { rawJSON: '1.0' }, [1], true]) expect(isNumberValue(value)).toBe(false)
    expect(isRawNumber(null)).toBe(false)
    expect(isRawNumber({ rawJSON: '1' })).toBe(false)
  })
})
