import { describe, expect, test } from 'vitest'
import { matches } from '../../src/search/match.ts'
import { searchParam } from '../../src/search/parameters.ts'
import { ALL, and, type Filter, NONE, or } from '../../src/search/query.ts'
import { parseSearch } from '../../src/search/parse.ts'
import { BASE, finds, OPTIONS } from './asking.ts'

const observation = { resourceType: 'Observation', status: 'final', code: { coding: [{ code: 'a' }, { code: 'b' }] }, meta: { lastUpdated: '2020-01-01T00:00:00Z' } }
const filter = (name: string, value: string): Filter => parseSearch('Observation', [[name, value]], OPTIONS).filter
const [isA, isX] = [filter('code', 'a'), filter('code', 'x')]

describe('match', () => {
  test.each([
    [ALL, true], [NONE, false], [and([]), true], [or([]), false], [and([isA, isX]), false], [and([isA, isA]), true], [or([isX, isA]), true], [or([isX, isX]), false],
    [{ kind: 'not', of: isX }, true], [{ kind: 'not', of: isA }, false], [{ kind: 'not', of: NONE }, true], [{ kind: 'and', of: [] }, true], [{ kind: 'or', of: [] }, false]
  ] as [Filter, boolean][])('%j: %s', (tree, expected) => {
    expect(matches(tree, observation, { base: BASE })).toBe(expected)
  })

  test(':not on several codings holds only where none of them matches', () => {
    expect(finds('code:not=a', observation)).toBe(false)
    expect(finds('code:not=c,b', observation)).toBe(false)
    expect(finds('code:not=c,d', observation)).toBe(true)
    expect(finds('code:not=c', { resourceType: 'Observation' })).toBe(true)
  })

  test('_lastUpdated is the time of the row where the store gives one', () => {
    const recent = filter('_lastUpdated', 'ge2026')
    expect(matches(recent, observation, { base: BASE })).toBe(false)
    expect(matches(recent, observation, { base: BASE, updated: Date.UTC(2026, 3) })).toBe(true)
    expect(matches(filter('_lastUpdated', '2020'), observation, { base: BASE, updated: Date.UTC(2026, 3) })).toBe(false)
    expect(matches(filter('_lastUpdated:missing', 'false'), { resourceType: 'Observation' }, { base: BASE, updated: 1 })).toBe(true)
  })

  test('a clause of one type holds for no resource of another', () => {
    expect(matches(isA, { ...observation, resourceType: 'Condition' }, { base: BASE })).toBe(false)
    expect(matches(isA, observation, { base: BASE })).toBe(true)
  })

  test('a clause that no form answers is an error, not an answer', () => {
    const odd: Filter = { kind: 'clause', param: searchParam('Observation', 'code')!, modifier: 'filter-po', values: [{ kind: 'uri', uri: 'x' }] }
    expect(() => matches({ kind: 'not', of: odd }, observation, { base: BASE })).toThrow()
    expect(matches({ ...odd, modifier: 'not', values: [{ kind: 'token', system: undefined, code: 'x' }] }, observation, { base: BASE })).toBe(true)
  })
})
