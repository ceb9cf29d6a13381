import { describe, expect, test } from 'vitest'
import type { Resource } from '../../src/model/resource.ts'
import { allTypes } from '../../src/search/classification.ts'
import { termAsks } from '../../src/search/extract.ts'
import { level, targetLevel } from '../../src/search/index-levels.ts'
import { parseSearch } from '../../src/search/parse.ts'
import { searchParams } from '../../src/search/parameters.ts'
import { plan } from '../../src/search/plan.ts'
import { or } from '../../src/search/query.ts'
import { BASE, OPTIONS, pairs } from './asking.ts'

const filterOf = (type: string, query: string) => parseSearch(type, pairs(query), OPTIONS).filter
const planned = (type: string, query: string, termsMax = 512) => plan(type, filterOf(type, query), { base: BASE, termsMax })
const asked = (type: string, query: string) => planned(type, query).conjuncts.map((asks) => asks.map(({ level: at, code, value }) => `${at} ${code} ${value}`))
const terms = (resource: Resource) => termAsks(resource, { base: BASE, patients: [] }).map(({ level: at, code, value }) => `${at} ${code} ${value}`)

describe('index levels', () => {
  test.each([
    ['Patient', 'identifier', 'population'], ['Patient', 'name', 'population'], ['Patient', 'family', 'population'], ['Patient', 'birthdate', 'population'], ['Patient', 'phone', 'population'], ['Patient', 'address-city', 'population'],
    ['Patient', 'gender', 'none'], ['Patient', 'deceased', 'none'], ['Patient', 'language', 'none'], ['Patient', 'death-date', 'none'], ['Patient', '_tag', 'population'], ['Patient', '_profile', 'none'], ['Patient', '_id', 'none'], ['Patient', '_lastUpdated', 'none'],
    ['Observation', 'identifier', 'population'], ['Observation', 'code', 'patient'], ['Observation', 'category', 'patient'], ['Observation', 'date', 'patient'], ['Observation', 'encounter', 'patient'], ['Observation', 'status', 'none'], ['Observation', 'value-quantity', 'none'], ['Observation', '_tag', 'population'], ['Observation', '_security', 'none'],
    ['Appointment', 'date', 'population'], ['Slot', 'start', 'population'], ['Encounter', 'date', 'population'], ['Encounter', 'class', 'none'], ['Organization', 'name', 'population'], ['ValueSet', 'url', 'population'], ['ValueSet', 'status', 'none'], ['Medication', 'code', 'population'], ['Device', 'type', 'patient'],
    ['Condition', 'clinical-status', 'none'], ['Claim', 'use', 'none'], ['Nope', 'code', 'none'], ['Patient', 'nope', 'none']
  ])('%s.%s is %s', (type, code, expected) => {
    expect(level(type, code)).toBe(expected)
  })

  test('a reference has the level of what it points to, and a patient is never a term', () => {
    for (const worker of ['Practitioner', 'PractitionerRole', 'Organization', 'Location', 'Device', 'HealthcareService']) expect(targetLevel('Observation', 'performer', worker)).toBe('population')
    expect(targetLevel('Observation', 'encounter', 'Encounter')).toBe('population')
    for (const type of allTypes) for (const { code, kind } of searchParams(type)) if (kind === 'reference') expect(targetLevel(type, code, 'Patient')).toBe('none')
  })

  test('no clinical value stands under a key of the whole tenant', () => {
    const allowed = new Set(['identifier', 'url', '_tag', 'date'])
    for (const type of ['Observation', 'Condition', 'Procedure', 'MedicationRequest', 'AllergyIntolerance', 'Immunization', 'DiagnosticReport', 'Encounter', 'Claim', 'Coverage', 'Consent', 'Device', 'Task', 'Provenance', 'AuditEvent']) {
      for (const { code } of searchParams(type)) if (!allowed.has(code) && type !== 'Task') expect([type, code, level(type, code)]).not.toContain('population')
    }
  })
})

describe('plan', () => {
  test('clinical search of one patient: the patient, the code, the months', () => {
    expect(planned('Observation', 'patient=123&code=http://loinc.org|8867-4&date=ge2025-01-15&date=lt2025-03-01')).toEqual({
      empty: false, ids: null, patients: ['123'], updated: null, unindexed: [],
      conjuncts: [[{ level: 'patient', code: 'code', value: 't:8867-4' }], ['d:2025-01', 'd:2025-02', 'd:*'].map((value) => ({ level: 'patient', code: 'date', value }))]
    })
  })

  test.each([
    ['Observation', 'subject=Patient/1', ['1']], ['Observation', 'patient=1,Patient/2', ['1', '2']], ['Observation', `subject=${BASE}/Patient/1`, ['1']], ['Observation', 'subject:Patient=1', ['1']],
    // An id alone may be a group's; a focus is not the compartment's.
    ['Observation', 'subject=1', null], ['Observation', 'focus=Patient/1', null], ['Observation', 'subject=Group/1', null], ['Observation', 'subject:identifier=1', null],
    // A record may name both: no contradiction, one restriction is enough.
    ['Observation', 'subject=Patient/1&performer=Patient/2', ['1']], ['Observation', 'subject=Patient/1,Patient/2&performer=Patient/3', ['3']],
    ['Encounter', 'subject=Patient/1', ['1']], ['Coverage', 'beneficiary=Patient/1', ['1']], ['Patient', '_id=1,2', ['1', '2']], ['Patient', 'link=Patient/1', null], ['Task', 'patient=1', ['1']], ['Practitioner', '_id=1', null]
  ])('%s?%s restricts to the patients %j', (type, query, expected) => {
    expect(planned(type, query).patients).toEqual(expected)
  })

  test('ids: OR adds, AND narrows, nothing left is empty', () => {
    expect(planned('Observation', '_id=a,b').ids).toEqual(['a', 'b'])
    expect(planned('Observation', '_id=a,b&_id=b,c').ids).toEqual(['b'])
    expect(planned('Observation', '_id=a&_id=b').empty).toBe(true)
    expect(planned('Observation', '_id:not=a').ids).toBeNull()
  })

  test.each([
    ['Patient', 'family=smith', [['population name s3:smi']]], ['Patient', 'family=Smithson', [['population name s6:smiths']]], ['Patient', 'given=Zo', [['population name s2:zo']]], ['Patient', 'name=山', [['population name s1:山']]], ['Patient', 'name:exact=Ann', [['population name s=:ann']]],
    ['Patient', 'family=s', []], ['Patient', 'family:contains=smith', []], ['Patient', 'family=smith,jo', [['population name s3:smi', 'population name s2:jo']]], ['Patient', 'family=smith,j', []],
    ['Patient', 'birthdate=1980-02-29', [['population birthdate d:1980-02-29', 'population birthdate d:*']]], ['Patient', 'birthdate=ge1980', []], ['Patient', 'phone=555', [['population telecom t:555']]], ['Patient', 'identifier=http://m|1', [['population identifier t:1']]],
    ['Patient', 'gender=male', []], ['Patient', 'gender:not=male', []], ['Patient', 'identifier:not=1', []], ['Patient', 'identifier:missing=true', []], ['Patient', 'identifier=http://m|', []], ['Patient', 'identifier:of-type=http://v2|MR|7', [['population identifier t:7']]],
    ['Observation', 'combo-code=a', [['patient code t:a', 'patient component-code t:a']]], ['Observation', 'code-value-quantity=a$gt5', [['patient code t:a']]], ['Observation', 'value-quantity=5', []],
    ['Observation', 'performer=Practitioner/1', [['population performer r:Practitioner/1', 'population performer r:*']]], ['Observation', 'performer=1', []], ['Observation', 'performer=Practitioner/1,CareTeam/2', [['population performer r:Practitioner/1', 'population performer r:CareTeam/2', 'population performer r:*']]], ['Observation', 'performer=Practitioner/1,Patient/2', []],
    ['Observation', 'encounter=1', [['population encounter r:Encounter/1', 'population encounter r:*']]], ['Observation', 'code:text=a', []], ['ValueSet', 'url=http://v', [['population url u:http://v']]], ['ValueSet', 'url:below=http://v', []],
    ['Observation', 'date=2024-01-01,2026-01-01', [['patient date d:2024-01', 'patient date d:*', 'patient date d:2026-01']]], ['Observation', 'date=ap2013', []], ['Observation', 'date=ne2025-01', []], ['Observation', 'date=lt2025&date=gt2026', []]
  ] as const)('%s?%s asks %j', (type, query, expected) => {
    expect(asked(type, query)).toEqual(expected)
  })

  test('24 months are asked, 25 are confirmed', () => {
    expect(planned('Observation', 'date=ge2024-01&date=le2025-12').conjuncts[0]).toHaveLength(25)
    expect(planned('Observation', 'date=ge2024-01&date=le2026-01')).toMatchObject({ conjuncts: [], unindexed: ['date'] })
  })

  test('a conjunct of more terms than allowed is confirmed instead; a patient-level ask counts 16', () => {
    const codes = (n: number) => `code=${Array.from({ length: n }, (_, i) => i).join(',')}`
    expect(planned('Observation', codes(32)).conjuncts).toHaveLength(1)
    expect(planned('Observation', codes(33))).toMatchObject({ conjuncts: [], unindexed: ['code'] })
    expect(planned('Observation', `identifier=${codes(33).slice(5)}`).conjuncts).toHaveLength(1)
    expect(planned('Observation', 'code=a', 15).conjuncts).toHaveLength(0)
  })

  test('a reference to a record is asked without knowing whose it is', () => {
    expect(planned('Observation', 'encounter=e1').conjuncts).toEqual([['r:Encounter/e1', 'r:*'].map((value) => ({ level: 'population', code: 'encounter', value }))])
  })

  test('_lastUpdated is a half-open range of ms', () => {
    const [from, before] = [Date.UTC(2025, 0), Date.UTC(2025, 1)]
    expect(planned('Patient', '_lastUpdated=2025-01').updated).toEqual({ from, before })
    expect(planned('Patient', '_lastUpdated=ge2025-01').updated).toEqual({ from })
    expect(planned('Patient', '_lastUpdated=gt2025-01').updated).toEqual({ from: before })
    expect(planned('Patient', '_lastUpdated=lt2025-02&_lastUpdated=ge2025-01').updated).toEqual({ from, before })
    expect(planned('Patient', '_lastUpdated=ne2025')).toMatchObject({ updated: null, unindexed: ['_lastUpdated'] })
  })

  test('OR is a union where every branch has a conjunct of one level, else it is confirmed', () => {
    const union = (...queries: string[]) => plan('Observation', or(queries.map((query) => filterOf('Observation', query))), { base: BASE, termsMax: 512 })
    expect(union('code=a', 'category=b').conjuncts).toEqual([[{ level: 'patient', code: 'code', value: 't:a' }, { level: 'patient', code: 'category', value: 't:b' }]])
    expect(union('code=a', 'status=final')).toMatchObject({ conjuncts: [], unindexed: ['code', 'status'] })
    expect(union('code=a', 'identifier=b').conjuncts).toEqual([])
    expect(union('patient=1&code=a', 'patient=2&code=b')).toMatchObject({ patients: ['1', '2'], conjuncts: [[{ value: 't:a' }, { value: 't:b' }]] })
    expect(union('patient=1', 'code=b').patients).toBeNull()
    expect(union('encounter=e1', 'code=b').conjuncts).toEqual([])
  })

  test('none is empty; not and unknown values are named', () => {
    expect(plan('Patient', { kind: 'none' }, { base: BASE, termsMax: 512 }).empty).toBe(true)
    expect(plan('Patient', { kind: 'or', of: [] }, { base: BASE, termsMax: 512 }).empty).toBe(true)
    expect(plan('Patient', { kind: 'all' }, { base: BASE, termsMax: 512 })).toMatchObject({ empty: false, conjuncts: [], unindexed: [] })
    expect(plan('Patient', { kind: 'not', of: { kind: 'none' } }, { base: BASE, termsMax: 512 }).empty).toBe(false)
    expect(planned('Patient', 'gender=male&family:contains=a&name=ann').unindexed).toEqual(['gender', 'family'])
  })
})

describe('terms of a resource', () => {
  test('a patient: names, days, telecom and address under the tenant, nothing of few values', () => {
    expect(terms({ resourceType: 'Patient', id: '1', gender: 'male', birthDate: '1980-02-29', name: [{ family: 'Li' }], telecom: [{ system: 'phone', value: '555' }], link: [{ other: { reference: 'Patient/2' }, type: 'seealso' }] }).sort()).toEqual(
      ['population birthdate d:1980-02-29', 'population name s2:li', 'population name s=:li', 'population telecom t:555'])
  })

  test('an observation: its patient is no term', () => {
    expect(terms({ resourceType: 'Observation', status: 'final', subject: { reference: 'Patient/1' }, code: { coding: [{ system: 'a', code: 'x' }, { system: 'b', code: 'x' }] }, encounter: { reference: 'Encounter/9/_history/2' }, performer: [{ reference: 'Patient/1' }, { reference: 'Practitioner/2' }], effectiveDateTime: '2025-03-14' }).sort()).toEqual(
      ['patient code t:x', 'patient date d:2025-03', 'population encounter r:Encounter/9', 'population performer r:Practitioner/2'])
  })

  test.each([
    [{ start: '2025-01-15', end: '2025-03-20' }, ['d:2025-01', 'd:2025-02', 'd:2025-03']], [{ start: '2025-01-15', end: '2025-04-01' }, ['d:*']], [{ start: '2025-01-15' }, ['d:*']], [{ end: '2025' }, ['d:*']], [{ start: 'soon' }, []]
  ])('the period %j has the month terms %j', (effectivePeriod, expected) => {
    expect(terms({ resourceType: 'Observation', effectivePeriod })).toEqual(expected.map((value) => `patient date ${value}`))
  })

  test('days of a population date: each up to seven, then any', () => {
    expect(terms({ resourceType: 'Encounter', period: { start: '2025-01-30', end: '2025-02-02' } })).toHaveLength(4)
    expect(terms({ resourceType: 'Encounter', period: { start: '2025-01-30', end: '2025-02-09' } })).toEqual(['population date d:*'])
    expect(terms({ resourceType: 'Patient', birthDate: '1980-02' })).toEqual(['population birthdate d:*'])
  })

  test('more than 64 references of a parameter have one mark for each level', () => {
    const list = (n: number) => ({ resourceType: 'List', entry: Array.from({ length: n }, (_, i) => ({ item: { reference: `Observation/${i}` } })) })
    expect(terms(list(64))).toHaveLength(64)
    expect(terms(list(65)).sort()).toEqual(['patient item r:*', 'population item r:*'])
  })

  test('a record of too many values is refused at once', () => {
    const named = (n: number) => ({ resourceType: 'Patient', identifier: Array.from({ length: n }, (_, i) => ({ value: String(i) })) })
    expect(terms(named(900))).toHaveLength(900)
    expect(() => terms(named(901))).toThrow(expect.objectContaining({ status: 422 }))
    const before = performance.now()
    expect(() => terms(named(200_000))).toThrow()
    expect(performance.now() - before).toBeLessThan(1000)
  })
})
