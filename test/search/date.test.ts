import { describe, expect, test } from 'vitest'
import { rangeOf } from '../../src/search/types/date.ts'
import { dateRange } from '../../src/search/types/date-text.ts'
import { finds, OPTIONS, refusal } from './asking.ts'

const at = (effectiveDateTime: string) => ({ resourceType: 'Observation', effectiveDateTime })
const during = (start?: string, end?: string) => ({ resourceType: 'Observation', effectivePeriod: { ...(start && { start }), ...(end && { end }) } })
const slot = (start: string) => ({ resourceType: 'Slot', start })
const timing = (effectiveTiming: object) => ({ resourceType: 'Observation', effectiveTiming })

describe('date search', () => {
  test.each([
    // The table of https://hl7.org/fhir/R4/search.html#date, line by line, with the other side of each.
    ['date=eq2013-01-14', at('2013-01-14T00:00:00Z'), true], ['date=eq2013-01-14', at('2013-01-14T10:00:00Z'), true], ['date=eq2013-01-14', at('2013-01-15T00:00:00Z'), false],
    ['date=ne2013-01-14', at('2013-01-15T00:00:00Z'), true], ['date=ne2013-01-14', at('2013-01-14T00:00:00Z'), false], ['date=ne2013-01-14', at('2013-01-14T10:00:00Z'), false],
    ['date=lt2013-01-14T10:00', at('2013-01-14'), true], ['date=lt2013-01-14T10:00', at('2013-01-14T10:00:00Z'), false], ['date=lt2013-01-14T10:00', at('2013-01-14T09:59:59Z'), true],
    ['date=gt2013-01-14T10:00', at('2013-01-14'), true], ['date=gt2013-01-14T10:00', at('2013-01-14T10:00:30Z'), false], ['date=gt2013-01-14T10:00', at('2013-01-14T10:01:00Z'), true],
    ['date=ge2013-03-14', during('2013-01-21'), true], ['date=ge2013-03-14', during('2013-01-21', '2013-03-13'), false],
    ['date=le2013-03-14', during('2013-01-21'), true], ['date=le2013-03-14', during('2013-03-15'), false],
    ['date=sa2013-03-14', during('2013-03-15'), true], ['date=sa2013-03-14', during('2013-01-21'), false], ['date=sa2013-03-14', during(undefined, '2013-01-21'), false],
    ['date=eb2013-03-14', during('2013-03-15'), false], ['date=eb2013-03-14', during('2013-01-21'), false], ['date=eb2013-03-14', during(undefined, '2013-01-21'), true],
    // 10 % of the gap between 14 Mar 2013 and now (1 Jan 2026) is 467 days.
    ['date=ap2013-03-14', at('2013-03-14'), true], ['date=ap2013-03-14', at('2013-01-21'), true], ['date=ap2013-03-14', at('2014-06-01'), true], ['date=ap2013-03-14', at('2014-08-01'), false],
    ['date=ap2013-03-14', at('2011-01-01'), false], ['date=ap2026-01-01', at('2026-01-01T23:00:00Z'), true], ['date=ap2026-01-01', at('2026-01-02'), false],
    // Equality is containment, not overlap.
    ['date=2013-01-14', at('2013-01'), false], ['date=2013-01', at('2013-01-14'), true], ['date=2013', at('2013-12-31T23:59:59Z'), true], ['date=2013', at('2014'), false],
    ['date=2013-01', during('2013-01-01', '2013-01-31'), true], ['date=2013-01', during('2013-01-01', '2013-02-01'), false], ['date=2013-01', during('2013-01-01'), false], ['date=ne2013-01', during('2013-01-01'), true],
    ['date=ne2013-01-14', at('2013-01'), true],
    // Boundaries.
    ['date=gt2013-01', at('2013-01-31'), false], ['date=gt2013-01', at('2013-02-01'), true], ['date=ge2013-01', at('2013-01-01'), true], ['date=ge2013-01', at('2012-12-31'), false],
    ['date=le2013-01', at('2013-01-31'), true], ['date=le2013-01', at('2013-02-01'), false], ['date=lt2013-01', at('2012-12-31'), true], ['date=lt2013-01', at('2013-01-01'), false],
    ['date=sa2013-01', at('2013-02'), true], ['date=sa2013-01', at('2013'), false], ['date=eb2013-02', at('2013-01'), true], ['date=eb2013-02', at('2013'), false],
    // A stay over the last day asked for is `le` it, and one over the first `ge` it; neither is below or above all of it.
    ['date=le2013-01', during('2013-01-15', '2013-02-15'), true], ['date=le2013-01', during('2013-01-15', '2013-01-31'), true], ['date=le2013-01', during('2013-02-01', '2013-02-15'), false],
    ['date=ge2013-02', during('2013-01-15', '2013-02-15'), true], ['date=ge2013-02', during('2013-02-01', '2013-02-15'), true], ['date=ge2013-02', during('2013-01-15', '2013-01-31'), false],
    ['date=ge2013-01-31&date=le2013-01-31', during('2013-01-30T22:00:00Z', '2013-02-01T06:00:00Z'), true], ['date=gt2013-01-31', during('2013-01-30', '2013-01-31'), false], ['date=lt2013-01-31', during('2013-01-31', '2013-02-02'), false],
    // An instant is a point, also where its second alone is written; a dateTime is all of its second.
    ['start=2024-01-01T10:00:00.000Z', slot('2024-01-01T10:00:00Z'), true], ['start=le2024-01-01T10:00:00.000Z', slot('2024-01-01T10:00:00Z'), true], ['start=gt2024-01-01T10:00:00.000Z', slot('2024-01-01T10:00:00Z'), false],
    ['start=2024-01-01T10:00:00Z', slot('2024-01-01T10:00:00.250Z'), true], ['start=2024-01-01T10:00:00.000Z', slot('2024-01-01T10:00:00.250Z'), false], ['date=2024-01-01T10:00:00.000Z', at('2024-01-01T10:00:00Z'), false],
    ['date=2016-12-31', at('2016-12-31T23:59:60Z'), true], ['date=2017', at('2016-12-31T23:59:60Z'), false],
    // Zones: none is UTC.
    ['date=2013-01-14', at('2013-01-14T23:30:00-01:00'), false], ['date=2013-01-15', at('2013-01-14T23:30:00-01:00'), true],
    ['date=2013-01-14T10:00:00+02:00', at('2013-01-14T08:00:00Z'), true], ['date=2013-01-14T10:00:00 02:00', at('2013-01-14T08:00:00Z'), true], ['date=2013-01-14T10:00:00', at('2013-01-14T10:00:00Z'), true],
    ['date=2013-01-14T10:00:00Z', at('2013-01-14T10:00:00.999Z'), true], ['date=2013-01-14T10:00:00.9Z', at('2013-01-14T10:00:00.899Z'), false],
    // Ranges by AND, alternatives by OR, absence.
    ['date=ge2013-01&date=lt2013-03', at('2013-02-28'), true], ['date=ge2013-01&date=lt2013-03', at('2013-03-01'), false], ['date=2012,2013', at('2013-05'), true], ['date=2012,2014', at('2013-05'), false],
    ['date:missing=true', { resourceType: 'Observation' }, true], ['date:missing=true', at('2013'), false], ['date=ne2013', { resourceType: 'Observation' }, false],
    // Of a Timing the outer limits count.
    ['date=2013-01', timing({ event: ['2013-01-02', '2013-01-30'] }), true], ['date=2013-01', timing({ event: ['2013-01-02', '2013-02-01'] }), false], ['date=ap2013-01-15', timing({ event: ['2012-01-02', '2014-02-01'] }), true],
    ['date=2013', timing({ repeat: { boundsPeriod: { start: '2013-01-31', end: '2013-03-24' } } }), true], ['date=2013', timing({ repeat: { frequency: 1 } }), false],
    ['birthdate=1980-02-29', { resourceType: 'Patient', birthDate: '1980-02-29' }, true], ['birthdate=1980-02-28', { resourceType: 'Patient', birthDate: '1980-02-29' }, false],
    ['_lastUpdated=ge2020', { resourceType: 'Patient', meta: { lastUpdated: '2020-05-05T00:00:00Z' } }, true], ['_lastUpdated=lt2020', { resourceType: 'Patient', meta: { lastUpdated: '2020-05-05T00:00:00Z' } }, false]
  ] as const)('%s on %j: %s', (query, resource, expected) => {
    expect(finds(query, resource)).toBe(expected)
  })

  test.each(['20', '2013-13', '2013-02-29', '2013-02-30', '2013-1-1', '2013-01-14T10', '2013-01-14T24:00', '2013-01-14T10:60', '2013-01-14T10:00:00.', '2013-01-14T10:00:00+25:00', '2013-01-14Z', 'xx2013', 'GE2013', 'ge', '0000', '13-01-2013', 'today',
    '2013-01-14T10:00:61', '2013-01-14 10:00', '2013-01-14T10:00:00Zx'])('%s is no date: refused without its value', (text) => {
    expect(dateRange(text)).toBeNull()
    const error = refusal('Observation', `date=${text}`)
    expect([error.status, error.issues[0]!.diagnostics]).toEqual([400, 'The value of the parameter date is malformed or not supported'])
  })

  test('ap needs a clock', () => {
    const { now: _, ...timeless } = OPTIONS
    expect(refusal('Observation', 'date=ap2013', timeless).status).toBe(400)
    expect(finds('date=ap2013', at('2013'))).toBe(true)
  })

  test.each([
    ['2013', '2013-01-01T00:00:00.000Z', '2014-01-01T00:00:00.000Z'], ['2012-02', '2012-02-01T00:00:00.000Z', '2012-03-01T00:00:00.000Z'], ['1900-02', '1900-02-01T00:00:00.000Z', '1900-03-01T00:00:00.000Z'],
    ['2016-12-31', '2016-12-31T00:00:00.000Z', '2017-01-01T00:00:00.000Z'], ['2016-12-31T23:59:60Z', '2016-12-31T23:59:59.000Z', '2017-01-01T00:00:00.000Z'],
    ['0099-03-01', '0099-03-01T00:00:00.000Z', '0099-03-02T00:00:00.000Z'], ['2013-01-14T10:00:00.1234567-05:30', '2013-01-14T15:30:00.123Z', '2013-01-14T15:30:00.124Z'],
    ['2013-01-14T10:00:00.5Z', '2013-01-14T10:00:00.500Z', '2013-01-14T10:00:00.600Z']
  ])('%s covers %s to %s', (text, from, before) => {
    const range = dateRange(text)!
    expect([new Date(range.from).toISOString(), new Date(range.before).toISOString()]).toEqual([from, before])
  })

  test('every day from 1582 to 2400 is where Date puts it', () => {
    for (let ms = Date.UTC(1582, 0, 1); ms < Date.UTC(2400, 0, 1); ms += 86_400_000 * 13) {
      expect(dateRange(new Date(ms).toISOString().slice(0, 10))).toEqual({ from: ms, before: ms + 86_400_000 })
    }
  })

  test('a period that ends before it starts, or with no readable end, covers nothing', () => {
    expect(rangeOf({ type: 'Period', value: { start: '2013-02', end: '2013-01' } })).toBeNull()
    expect(rangeOf({ type: 'Period', value: { start: 'soon' } })).toBeNull()
    expect(rangeOf({ type: 'Period', value: { start: '2013-02' } })).toEqual({ from: Date.UTC(2013, 1), before: Infinity })
  })
})
