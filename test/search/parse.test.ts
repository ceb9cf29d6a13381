import { describe, expect, test } from 'vitest'
import { parseCriteria, parseSearch } from '../../src/search/parse.ts'
import { OPTIONS, pairs, refusal } from './asking.ts'

const parsed = (type: string, query: string, lenient = false) => parseSearch(type, query === '' ? [] : pairs(query), { ...OPTIONS, lenient })

describe('what a search asks for', () => {
  test('without parameters it is everything, newest first, one page of the default size', () => {
    expect(parsed('Patient', '')).toEqual({ type: 'Patient', filter: { kind: 'all' }, sort: 'newest', sortKeys: [], count: 50, total: null, summary: null, elements: null, includes: [], explain: false, used: [], codes: [] })
  })

  test('result parameters', () => {
    const query = '_count=20&_sort=_lastUpdated&_total=accurate&_summary=count&_format=json&_pretty=true'
    expect(parsed('Patient', query)).toMatchObject({ filter: { kind: 'all' }, sort: 'oldest', count: 20, total: 'accurate', summary: 'count', used: pairs(query), codes: [] })
    expect(parsed('Patient', '_sort=-_lastUpdated&_total=none&_summary=false')).toMatchObject({ sort: 'newest', total: 'none', summary: 'false' })
    expect(parsed('Patient', '_count=0')).toMatchObject({ count: 0 })
    expect(parsed('Patient', '_count=1000')).toMatchObject({ count: 1000 })
    expect(parsed('Patient', '_count=1001')).toMatchObject({ count: 1000 })
  })

  test.each([
    '_count=-1', '_count=1.5', '_count=x', '_count=1e3', '_count=9999999999', '_sort=nosuch', '_sort=_text', '_sort=name,name', '_sort=_lastUpdated,-_lastUpdated', '_sort=$$$', '_sort=--_lastUpdated', '_total=exact', '_summary=all', '_explain=1', '_contained=true', '_contained=both', '_containedType=contained', '_elements=1',
    '_count=1&_count=2', '_count=1&_count=1', '_sort=_lastUpdated&_sort=_lastUpdated', '_format=json&_format=json', '_count=&_count=3', '_count:exact=2'
  ])('%s is refused by name', (query) => {
    const error = refusal('Patient', query)
    expect(error.status).toBe(400)
    expect(error.issues[0]!.diagnostics).toContain(query.split(/[=:]/)[0])
  })

  test('clauses are AND, values are OR, used and codes name what was read', () => {
    const query = parsed('Observation', 'code=a,http://l|b&code=c&subject:Patient=1&status:missing=true&_count=5')
    expect(query.filter).toMatchObject({ kind: 'and', of: [
      { kind: 'clause', param: { code: 'code' }, modifier: null, values: [{ system: undefined, code: 'a' }, { system: 'http://l', code: 'b' }] },
      { kind: 'clause', values: [{ code: 'c' }] }, { kind: 'clause', modifier: null, values: [{ kind: 'reference', type: 'Patient', id: '1' }] }, { kind: 'missing', missing: true }
    ] })
    expect(query.codes).toEqual(['code', 'subject', 'status'])
    expect(query.used.map(([name]) => name)).toEqual(['code', 'code', 'subject:Patient', 'status:missing', '_count'])
  })

  test.each(['family=', 'family=,', 'family=%20'.replace('%20', ' '), '_count=', 'birthdate=', 'gender:not=', 'gender:missing='])('%s has no value: ignored, and not said to be used', (query) => {
    expect(parsed('Patient', query)).toMatchObject({ filter: { kind: 'all' }, used: [], codes: [], count: 50 })
  })

  test('one empty value among others is left out', () => {
    expect(parsed('Patient', 'family=,a,')).toMatchObject({ filter: { values: [{ text: 'a' }] } })
  })

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'code[$ne]', '$where', 'Code', 'CODE', ' code', 'code ', '_ID', '_id[]', '_lastupdated', 'code.text', 'subject.name', '_has:Observation:subject:code', '_filter', '_text', '_content', '_list', 'near',
    '', 'ſtatus', 'x'.repeat(5000)])('the name %s is unknown: refused, or left out when lenient', (name) => {
    const asked: [string, string][] = [[name, 'a'], ['status', 'final']]
    expect(() => parseSearch('Observation', asked, OPTIONS)).toThrow(expect.objectContaining({ status: 400 }))
    expect(parseSearch('Observation', asked, { ...OPTIONS, lenient: true })).toMatchObject({ filter: { kind: 'clause', param: { code: 'status' } }, used: [['status', 'final']], codes: ['status'] })
  })

  test.each(['date=x', 'status:bogus=final', '_count=x', 'subject=#1', 'code=|', 'status:missing=yes', 'status:MISSING=true', 'status:__proto__=x', 'status:constructor=x', 'status:not:not=x', 'date:exact=2020', 'value-quantity=a'])('%s is malformed: refused, also when lenient', (query) => {
    expect(refusal('Observation', query, { ...OPTIONS, lenient: true }).status).toBe(400)
    expect(refusal('Observation', query).status).toBe(400)
  })

  test('an error never repeats a value, nor a name that does not look like one', () => {
    for (const query of ['date=Jane Doe 1970', 'code=Jane|Doe|1970', '_count=Jane Doe 1970', '_sort=Jane Doe 1970', 'status:Jane Doe 1970=x', 'Jane Doe 1970=x', 'subject=Jane/Doe 1970', 'status:missing=Jane Doe']) {
      expect(JSON.stringify(refusal('Observation', query).issues), query).not.toMatch(/Jane|Doe|1970/)
    }
  })

  test('bounds: 200 values, 64 parameters, 1,000 characters', () => {
    const values = (n: number) => `code=${Array.from({ length: n }, (_, i) => i).join(',')}`
    expect(parsed('Observation', values(200)).filter).toMatchObject({ kind: 'clause' })
    expect(refusal('Observation', values(201))).toMatchObject({ status: 422, issues: [{ code: 'too-costly' }] })
    const many = (n: number) => Array.from({ length: n }, () => 'code=a').join('&')
    expect(parsed('Observation', many(64)).used).toHaveLength(64)
    expect(refusal('Observation', many(65))).toMatchObject({ status: 422, issues: [{ code: 'too-costly' }] })
    expect(parsed('Patient', `family=${'a'.repeat(1000)}`).used).toHaveLength(1)
    expect(refusal('Patient', `family=${'a'.repeat(1001)}`)).toMatchObject({ status: 400, issues: [{ code: 'too-long' }] })
  })

  test('every code of every modifier of a wrong kind is refused', () => {
    for (const query of ['birthdate:not=2020', 'family:not=a', 'gender:exact=male', 'gender:contains=m', 'general-practitioner:exact=1', 'general-practitioner:Patient=1']) expect(refusal('Patient', query).status, query).toBe(400)
  })
})

describe('criteria', () => {
  const criteria = (text: string, lenient = false) => parseCriteria('Observation', text, { ...OPTIONS, lenient })
  test('are the same filter as a search, percent-encoding and the type in front allowed', () => {
    const filter = parsed('Observation', 'category=http://x|laboratory&status=final').filter
    for (const text of ['category=http://x|laboratory&status=final', 'Observation?category=http%3A%2F%2Fx%7Claboratory&status=final', '?category=http://x|laboratory&status=final']) expect(criteria(text)).toEqual(filter)
  })

  test.each(['', '?', 'Observation?', 'status=', 'status', 'status=final,', 'status=,final', 'status=final&code=', 'category=%zz', '_count=1', 'status=final&_sort=_lastUpdated', 'bogus=1', 'status=final&bogus=1', 'Patient?status=final', 'date=ap2020x', 'status:not=', 'code:missing='])(
    '%j grants nothing: refused, also when lenient', (text) => {
      expect(() => criteria(text)).toThrow(expect.objectContaining({ status: 400 }))
      expect(() => criteria(text, true)).toThrow(expect.objectContaining({ status: 400 }))
    })
})
