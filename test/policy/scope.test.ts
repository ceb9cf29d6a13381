import { describe, expect, it } from 'vitest'
import { parseScopes } from '../../src/policy/scope.ts'

const text = (scope: string): readonly string[] =>
  parseScopes(scope).map(({ context, type, rights, constraint }) => `${context} ${type} ${rights.join('')}${constraint === null ? '' : ` ${constraint}`}`)

describe('SMART scopes', () => {
  it.each([
    ['patient/Observation.read', ['patient Observation rs']],
    ['patient/Observation.write', ['patient Observation cud']],
    ['user/*.*', ['user * cruds']],
    ['system/Patient.cruds', ['system Patient cruds']],
    ['user/Patient.rs', ['user Patient rs']],
    ['user/Patient.c', ['user Patient c']],
    ['user/Patient.cud', ['user Patient cud']],
    ['patient/Observation.rs?category=laboratory', ['patient Observation rs category=laboratory']],
    ['patient/Observation.rs?category=laboratory&status=final', ['patient Observation rs category=laboratory&status=final']],
    ['patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory',
      ['patient Observation rs category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory']],
    ['patient/Observation.rs?category:not=laboratory', ['patient Observation rs category:not=laboratory']],
    ['http://smarthealthit.org/fhir/scopes/patient/Observation.rs', ['patient Observation rs']],
    ['openid fhirUser launch/patient patient/Patient.r offline_access', ['patient Patient r']],
    ['patient/Patient.r patient/Patient.r', ['patient Patient r']],
    ['patient/Patient.r user/Patient.s', ['patient Patient r', 'user Patient s']]
  ])('%s is read as %j', (scope, expected) => {
    expect(text(scope)).toEqual(expected)
  })

  it.each([
    '', ' ', 'openid', 'fhirUser', 'profile', 'launch', 'launch/patient', 'online_access',
    'patient/Observation.dus', 'patient/Observation.sr', 'patient/Observation.rr', 'patient/Observation.', 'patient/Observation', 'patient/Observation.x',
    'patient/Observation.Read', 'patient/Observation.reads', 'patient/Observation.readwrite', 'patient/Observation.rs.rs',
    'Patient/Observation.rs', 'patients/Observation.rs', 'xpatient/Observation.rs', 'practitioner/Observation.rs', '/Observation.rs', 'Observation.rs',
    'patient/observation.rs', 'patient/Observations.rs', 'patient/Obs*.rs', 'patient/**.rs', 'patient/Resource.rs', 'patient/DomainResource.rs', 'patient/constructor.rs',
    'patient/Observation.rs?', 'patient/Observation.rs?category', 'patient/Observation.rs?category=', 'patient/Observation.rs?=laboratory',
    'patient/Observation.rs?category=laboratory&', 'patient/Observation.rs?&category=laboratory', 'patient/Observation.rs?category=laboratory&status=',
    'patient/Observation.rs??category=laboratory', 'patient/Observation.rs?Observation?category=laboratory', 'patient/Observation.rs?category=%zz',
    'patient/Observation.rs?code="x"', 'patient/Observation.rs#category=laboratory', 'patient/Observation.read?category=laboratory',
    'https://smarthealthit.org/fhir/scopes/patient/Observation.rs', 'http://smarthealthit.org.evil/fhir/scopes/patient/Observation.rs',
    'patient/Observation.rs,user/*.cruds', 'patient/Observation.rs\tuser/*.rs', '-patient/Observation.rs'
  ])('%j grants nothing', (scope) => {
    expect(parseScopes(scope)).toEqual([])
  })

  it('grants nothing for a claim that is not text', () => {
    for (const claim of [undefined, null, 7, ['user/*.rs'], { scope: 'user/*.rs' }]) expect(parseScopes(claim as unknown as string)).toEqual([])
  })

  it('takes each good scope among bad ones, and 300 of them', () => {
    expect(text('patient/Observation.dus patient/Patient.r garbage?x=1')).toEqual(['patient Patient r'])
    const many = Array.from({ length: 300 }, (_, at) => `patient/Observation.rs?code=${at}`).join(' ')
    expect(parseScopes(many)).toHaveLength(300)
  })

  it('grants at most what it says, for every random mutation of a scope', () => {
    const pattern = /^(http:\/\/smarthealthit\.org\/fhir\/scopes\/)?(patient|user|system)\/(\*|Observation)\.(read|write|\*|c?r?u?d?s?)(\?.+)?$/
    const letters = 'abcdrsu*./?=& Opn'
    let seed = 1
    const next = (below: number): number => (seed = (seed * 48271) % 2147483647) % below
    let granted = 0
    for (let round = 0; round < 20_000; round++) {
      const base = ['patient/Observation.cruds', 'user/*.read', 'patient/Observation.rs?code=a'][next(3)]!
      const at = next(base.length)
      const mutated = base.slice(0, at) + letters[next(letters.length)]! + base.slice(at + next(2))
      const scopes = parseScopes(mutated)
      granted += scopes.length
      if (scopes.length > 0) expect(mutated.split(' ').some((each) => pattern.test(each)), mutated).toBe(true)
    }
    expect(granted).toBeGreaterThan(100)
  })
})
