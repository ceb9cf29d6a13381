/** Index levels and terms of the search parameters that packages bring. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { searchDefinition } from '../../src/fhir/packages/search-parameters.ts'
import type { Resource } from '../../src/model/resource.ts'
import { allTypes } from '../../src/search/classification.ts'
import { termAsks } from '../../src/search/extract.ts'
import { allPackagedTerms, level, packagedTerms, targetLevel, termCodes } from '../../src/search/index-levels.ts'
import { parseSearch } from '../../src/search/parse.ts'
import { searchParams, usePackaged } from '../../src/search/parameters.ts'
import { plan } from '../../src/search/plan.ts'
import { usCoreDir } from '../packages.ts'
import { BASE, OPTIONS, pairs } from './asking.ts'

type Parameter = readonly [type: string, code: string, kind: string, expression: string]
const use = (...parameters: readonly Parameter[]): void =>
  usePackaged(parameters.map(([type, code, kind, expression]) => searchDefinition({ url: `urn:${type}:${code}`, code, type: kind, base: [type], expression, target: ['Practitioner', 'Patient'] })!))
const planned = (type: string, query: string, packaged?: ReadonlySet<string>) => plan(type, parseSearch(type, pairs(query), OPTIONS).filter, { base: BASE, termsMax: 512, ...(packaged === undefined ? {} : { packaged }) })
const terms = (resource: object) => termAsks(resource as Resource, { base: BASE, patients: [] }).filter(({ code }) => code.startsWith('x')).map(({ level: at, code, value }) => `${at} ${code} ${value}`)

afterEach(() => usePackaged([]))

describe('the level of a package’s parameter', () => {
  test.each([
    ['Observation', 'xmethod', 'token', 'Observation.method', 'patient'], ['Observation', 'xsite', 'string', 'Observation.bodySite.text', 'patient'], ['Observation', 'xissued', 'date', 'Observation.issued', 'patient'],
    ['Practitioner', 'xtraining', 'token', 'Practitioner.qualification.code', 'population'], ['Library', 'xpurpose', 'uri', 'Library.subject.coding.system', 'population'], ['Practitioner', 'xday', 'date', 'Practitioner.birthDate', 'population'],
    // Of a patient's own record R4 names what the tenant may link; all else is confirmed.
    ['Patient', 'xnick', 'string', 'Patient.name.given', 'none'], ['Patient', 'xmarital', 'token', 'Patient.maritalStatus', 'none'],
    // Few values, by what they are or by R4's names for them, and free text.
    ['Observation', 'xstatus', 'token', 'Observation.status', 'none'], ['Encounter', 'category', 'token', 'Encounter.serviceType', 'patient'], ['Encounter', 'priority', 'token', 'Encounter.serviceType', 'none'], ['Practitioner', 'xactive', 'token', 'Practitioner.active', 'none'],
    ['Practitioner', 'xflag', 'token', "Practitioner.extension('urn:x').value.as(boolean)", 'none'], ['Practitioner', 'xcoded', 'token', "Practitioner.extension('urn:x').value.as(Coding)", 'population'], ['Library', 'xwhy', 'string', 'Library.purpose', 'none'],
    // Numbers and quantities have no terms.
    ['Observation', 'xvalue', 'quantity', 'Observation.value.as(Quantity)', 'none'], ['Observation', 'xcount', 'number', 'Observation.value.as(integer)', 'none']
  ])('%s.%s, %s of %s, is %s', (type, code, kind, expression, expected) => {
    use([type, code, kind, expression])
    expect(level(type, code)).toBe(expected)
    expect([...packagedTerms(type).keys()]).toEqual(expected === 'none' ? [] : [code])
  })

  test('of identifiers and urls is the tenant’s where R4 has none, and R4’s own stay R4’s', () => {
    use(['AppointmentResponse', 'url', 'uri', 'AppointmentResponse.implicitRules'], ['Observation', 'code', 'token', 'Observation.status'])
    expect([level('AppointmentResponse', 'url'), level('Observation', 'code'), [...packagedTerms('Observation')]]).toEqual(['population', 'patient', []])
  })

  test('of references is that of what they point to, and never a patient’s', () => {
    use(['Observation', 'xby', 'reference', 'Observation.performer'])
    expect([targetLevel('Observation', 'xby', 'Practitioner'), targetLevel('Observation', 'xby', 'Patient'), level('Observation', 'xby')]).toEqual(['population', 'none', 'patient'])
  })

  test('does not touch R4’s: a code that serves others there serves only itself here, and R4’s is served by R4’s alone', () => {
    const before = allTypes.flatMap((type) => searchParams(type).map(({ code }) => [type, code, level(type, code), ...termCodes(type, code)]))
    use(...allTypes.flatMap((type) => (['name', 'telecom', 'address', 'email', 'family', 'actor', 'participant'] as const).map((code) => [type, code, 'string', `${type}.id`] as const)))
    const after = allTypes.flatMap((type) => searchParams(type).filter(({ packaged }) => !packaged).map(({ code }) => [type, code, level(type, code), ...termCodes(type, code)]))
    expect(after).toEqual(before)
    for (const type of allTypes) for (const code of packagedTerms(type).keys()) expect(termCodes(type, code)).toEqual([code])
    expect(allPackagedTerms().length).toBeGreaterThan(100)
  })
})

describe('the terms of a package’s parameter', () => {
  const WAY = ['Observation', 'xway', 'token', 'Observation.method'] as const
  const observation = (codes: number): object => ({ resourceType: 'Observation', id: 'o', method: { coding: Array.from({ length: codes }, (_, at) => ({ code: `c${at}` })) } })

  test('are asked for only where it is said that every record carries them, with the mark beside', () => {
    use([...WAY], ['Observation', 'xwhen', 'date', 'Observation.issued'])
    for (const query of ['patient=1&xway=a', 'patient=1&xwhen=2025-01']) {
      for (const packaged of [undefined, new Set<string>(), new Set(['xother'])]) expect(planned('Observation', query, packaged)).toMatchObject({ patients: ['1'], conjuncts: [], unindexed: [query.slice(10, query.lastIndexOf('='))] })
    }
    const both = planned('Observation', 'patient=1&xway=a&xwhen=2025-01', new Set(['xway', 'xwhen']))
    expect(both.unindexed).toEqual([])
    expect(both.conjuncts.map((asks) => asks.map(({ code, value }) => `${code} ${value}`)).sort()).toEqual([['xway t:a', 'xway r:*'], ['xwhen d:2025-01', 'xwhen d:*', 'xwhen r:*']].sort())
  })

  test('give way to the mark past 64, so that a package keeps no record out', () => {
    use([...WAY], ['Observation', 'xwords', 'string', 'Observation.method.coding.code'])
    expect(terms(observation(64)).filter((text) => text.includes('xway')).length).toBe(64)
    expect(terms(observation(65))).toEqual(['population xway r:*', 'population xwords r:*'])
    const beside = (components: number): object => ({ ...observation(20), component: Array.from({ length: components }, (_, at) => ({ code: { coding: [{ code: `k${at}` }] } })) })
    expect(terms(beside(870)).length).toBe(20 + 40)
    // What R4 alone has too much of is refused as ever.
    expect(() => terms(beside(890))).toThrow('More than 900 values')
  })

  test('give way where a record has many patients, dates too: R4’s terms and one for each parameter', () => {
    use([...WAY], ['Observation', 'xwhen', 'date', 'Observation.issued'])
    const row = { ...observation(9), issued: '2025-01-01T00:00:00Z' } as unknown as Resource
    const of = (patients: number) => termAsks(row, { base: BASE, patients: Array.from({ length: patients }, (_, at) => String(at)) })
    const added = (patients: number) => of(patients).filter(({ code }) => code.startsWith('x')).map(({ level: at, code, value }) => `${at} ${code} ${value}`)
    expect(added(40).length).toBe(10)
    expect(added(60)).toEqual(['population xway r:*', 'patient xwhen d:2025-01'])
    expect(added(90)).toEqual(['population xway r:*', 'population xwhen r:*'])
    usePackaged([])
    const plain = of(90).length
    use([...WAY], ['Observation', 'xwhen', 'date', 'Observation.issued'])
    expect(of(90).length).toBe(plain + 2)
  })

  test('change with whatever they follow from, and come and go with the package', () => {
    const texts = (...parameters: readonly Parameter[]): readonly string[] => {
      use(...parameters)
      return [...packagedTerms('Observation').values()]
    }
    const all = [texts([...WAY]), texts(['Observation', 'xway', 'token', 'Observation.category']), texts(['Observation', 'xway', 'string', 'Observation.method']), texts(['Observation', 'yway', 'token', 'Observation.method'])].flat()
    expect(new Set(all).size).toBe(4)
    expect(texts([...WAY])).toEqual([all[0]])
    expect(terms(observation(1))).toEqual(['patient xway t:c0'])
    usePackaged([])
    expect([terms(observation(1)), allPackagedTerms()]).toEqual([[], []])
  })
})

const guide = usCoreDir()
test.skipIf(guide === null)('US Core: what it adds to R4, and the level of each', () => {
  const found = readdirSync(guide!).filter((name) => name.startsWith('SearchParameter-')).map((name) => searchDefinition(JSON.parse(readFileSync(join(guide!, name), 'utf8')) as Parameters<typeof searchDefinition>[0]))
  usePackaged(found.filter((each) => each !== null))
  const added = allTypes.flatMap((type) => searchParams(type).filter(({ packaged }) => packaged).map(({ code }) => `${type}.${code} ${level(type, code)}`))
  expect(added.sort()).toEqual([
    'CareTeam.role patient', 'Condition.asserted-date patient', 'Encounter.discharge-disposition patient', 'Goal.description patient',
    'Patient.ethnicity none', 'Patient.gender-identity none', 'Patient.race none'
  ])
})
