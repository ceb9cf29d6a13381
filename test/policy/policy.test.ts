import { describe, expect, it } from 'vitest'
import type { Caller } from '../../src/model/caller.ts'
import type { Resource } from '../../src/model/resource.ts'
import { CONFIDENTIALITY } from '../../src/policy/grants.ts'
import { allowedBy, compilePolicy, grantsFor, hiddenBy, isWholeTenant, maskOf, writableOf, type Policy, type Right } from '../../src/policy/policy.ts'
import { allTypes, classify } from '../../src/search/classification.ts'
import { searchParam } from '../../src/search/parameters.ts'
import { BASE, caller, DEFAULT_ROLES, matcher, policyOf, rolesWith } from './callers.ts'

const category = (code: string): Resource => ({ resourceType: 'Observation', category: [{ coding: [{ code }] }] })
const LAB = category('laboratory')
const VITALS = category('vital-signs')
const rightsOf = (policy: Policy, type: string): string => Object.keys(policy.forType(type).rights).join('')
const allows = (policy: Policy, right: Right, resource: Resource, patients: readonly string[], labels: readonly string[] = []): boolean =>
  allowedBy(policy.forType(resource.resourceType).rights[right], { patients, labels }, matcher(resource))
const nothing = (policy: Policy): boolean => allTypes.every((type) => rightsOf(policy, type) === '')
const PHYSICIAN: Partial<Caller> = { roles: ['physician'], fhirUser: 'Practitioner/1' }
const role = (name: string, rest: object = {}) => ({ [name]: { patients: 'all', labelMax: 'N', rules: [{ types: ['Observation'], do: 'cruds' }], ...rest } })

describe('scopes', () => {
  it.each([
    ['patient/Observation.rs', 'rs'], ['patient/Observation.read', 'rs'], ['patient/*.r', 'r'], ['patient/Observation.r patient/Observation.s', 'rs'],
    ['patient/Observation.cruds', 'crus'], ['patient/Condition.rs', ''], ['patient/Observation.dus', ''], ['openid launch/patient', ''],
    ['patient/Observation.rs?category=laboratory', 'rs'], ['patient/Observation.rs?nosuch=x', ''], ['patient/Observation.rs?category:nosuch=x', ''],
    ['patient/Observation.rs?_count=5', ''], ['patient/Observation.rs?date=notadate', ''], ['patient/*.rs?category=laboratory', 'rs'], ['patient/*.rs?birthdate=2000', '']
  ])('%s give the right(s) "%s" on Observation', async (scope, rights) => {
    expect(rightsOf(await policyOf({ scope, patient: 'a' }), 'Observation')).toBe(rights)
  })

  it('limit by their constraint the rights that they name, and only those', async () => {
    const policy = await policyOf({ scope: 'patient/Observation.rs?category=laboratory patient/Observation.c', patient: 'a' })
    for (const right of ['r', 's'] as const) {
      expect(allows(policy, right, LAB, ['a'])).toBe(true)
      expect(allows(policy, right, VITALS, ['a'])).toBe(false)
    }
    expect(allows(policy, 'c', VITALS, ['a'])).toBe(true)
  })

  it('are OR: two constraints let both in, an unconstrained one all', async () => {
    const two = await policyOf({ scope: 'patient/Observation.rs?category=laboratory patient/Observation.rs?category=vital-signs', patient: 'a' })
    const all = await policyOf({ scope: 'patient/Observation.rs?category=laboratory patient/*.rs', patient: 'a' })
    const social = category('social-history')
    expect([LAB, VITALS, social].map((each) => allows(two, 'r', each, ['a']))).toEqual([true, true, false])
    expect([LAB, VITALS, social].map((each) => allows(all, 'r', each, ['a']))).toEqual([true, true, true])
  })

  it('go no further than the issuer\'s ceiling, in the same context', async () => {
    const scope = 'patient/*.cruds user/*.cruds'
    const given = { scope, patient: 'a', ...PHYSICIAN }
    const limited = await policyOf({ ...given, ceiling: 'patient/Observation.rs?category=laboratory user/Condition.rs' }, ['a', 'b'])
    expect(rightsOf(limited, 'Observation')).toBe('rs')
    expect(rightsOf(limited, 'Condition')).toBe('rs')
    expect(rightsOf(limited, 'Patient')).toBe('')
    expect(allows(limited, 'r', LAB, ['a'])).toBe(true)
    expect(allows(limited, 'r', VITALS, ['a'])).toBe(false)
    expect(allows(limited, 'r', LAB, ['b'])).toBe(false)
    expect(nothing(await policyOf({ ...given, ceiling: '' }, ['a']))).toBe(true)
    expect(nothing(await policyOf({ ...given, ceiling: 'system/*.cruds' }, ['a']))).toBe(true)
  })

  it('of several contexts are judged per row: each grants within its own reach and constraint only', async () => {
    const policy = await policyOf({ scope: 'patient/Observation.rs user/Observation.rs?category=laboratory', patient: 'a', ...PHYSICIAN }, ['a', 'b'])
    expect(allows(policy, 'r', VITALS, ['a'])).toBe(true)
    expect(allows(policy, 'r', LAB, ['b'])).toBe(true)
    expect(allows(policy, 'r', VITALS, ['b'])).toBe(false)
    expect(allows(policy, 'r', LAB, ['c'])).toBe(false)
    expect(policy.forType('Observation').reach).toMatchObject({ kind: 'patients', patients: ['a', 'b'] })
  })
})

describe('a missing, empty or wrong claim', () => {
  it.each<[string, Partial<Caller>]>([
    ['no scope', { scope: '', patient: 'a' }],
    ['a scope that is not text', { scope: ['patient/*.rs'] as unknown as string, patient: 'a' }],
    ['no patient', { scope: 'patient/*.cruds' }],
    ['an empty patient', { scope: 'patient/*.cruds', patient: '' }],
    ['a patient that is no id', { scope: 'patient/*.cruds', patient: 'Patient/a' }],
    ['a list of patients', { scope: 'patient/*.cruds', patient: ['a'] as unknown as string }],
    ['a wildcard as patient', { scope: 'patient/*.cruds', patient: '*' }],
    ['no role for user scopes', { scope: 'user/*.cruds', fhirUser: 'Practitioner/1' }],
    ['an unknown role', { scope: 'user/*.cruds', roles: ['wizard', 'Physician', '__proto__'], fhirUser: 'Practitioner/1' }],
    ['roles that are no list', { scope: 'user/*.cruds', roles: 'physician' as unknown as string[], fhirUser: 'Practitioner/1' }],
    ['no fhirUser for %patients', { scope: 'user/*.cruds', roles: ['physician'] }],
    ['an empty fhirUser', { scope: 'user/*.cruds', roles: ['physician'], fhirUser: '' }],
    ['a fhirUser of another type', { scope: 'user/*.cruds', roles: ['physician'], fhirUser: 'Patient/1' }],
    ['a fhirUser that is a URL', { scope: 'user/*.cruds', roles: ['physician'], fhirUser: 'https://evil.test/Practitioner/1' }],
    ['role system for user scopes', { scope: 'user/*.cruds', roles: ['system'] }],
    ['another role for system scopes', { scope: 'system/*.cruds', roles: ['physician'], fhirUser: 'Practitioner/1' }],
    ['only unknown roles for system scopes', { scope: 'system/*.cruds', roles: ['wizard'] }],
    ['a purpose that the role does not act for', { scope: 'user/*.cruds', ...PHYSICIAN, purposes: ['HMARKT'] }]
  ])('grants nothing: %s', async (_what, given) => {
    const policy = await policyOf(given, ['a'])
    expect(nothing(policy)).toBe(true)
    expect([policy.roles, policy.largeBundles, policy.relabel, policy.move]).toEqual([[], false, false, false])
  })

  it('is what makes the difference: with it each of these grants', async () => {
    expect(rightsOf(await policyOf({ scope: 'patient/*.cruds', patient: 'a' }), 'Condition')).toBe('rs')
    expect(rightsOf(await policyOf({ scope: 'user/*.cruds', ...PHYSICIAN, purposes: ['TREAT', 'HMARKT'] }), 'Condition')).toBe('crus')
    expect(rightsOf(await policyOf({ scope: 'system/*.cruds' }), 'Condition')).toBe('cruds')
    expect(rightsOf(await policyOf({ scope: 'system/*.cruds', roles: ['system'] }), 'Condition')).toBe('cruds')
  })

  it('leaves an empty panel with rights that reach no row', async () => {
    const policy = await policyOf({ scope: 'user/*.rs', ...PHYSICIAN })
    expect(policy.forType('Condition').reach).toEqual({ kind: 'patients', patients: [], shared: true })
    expect(allows(policy, 'r', { resourceType: 'Condition' }, ['a'])).toBe(false)
    expect(allows(policy, 'r', { resourceType: 'Condition' }, [])).toBe(false)
  })
})

describe('patient/ scopes', () => {
  const launched = (scope = 'patient/*.cruds', given: Partial<Caller> = {}) => policyOf({ scope, patient: 'a', ...given }, ['a', 'b'])

  it('reach the launch patient\'s rows, and of several patients only where the second is a party by right', async () => {
    const policy = await launched()
    for (const type of allTypes.filter((each) => ['compartment', 'derived', 'patient'].includes(classify(each)!.kind))) {
      const row = { resourceType: type }
      expect([type, allows(policy, 'r', row, ['a'])]).toEqual([type, true])
      expect([type, allows(policy, 'r', row, ['b'])]).toEqual([type, false])
      expect([type, allows(policy, 'r', row, [])]).toEqual([type, false])
      expect([type, allows(policy, 'r', row, ['a', 'b'])]).toEqual([type, classify(type)!.sharing])
    }
    expect(allows(policy, 'r', { resourceType: 'Coverage' }, ['a', 'b'])).toBe(true)
    expect(allows(policy, 'r', { resourceType: 'Group' }, ['a', 'b'])).toBe(false)
  })

  it('read and search what is shared, read by id what is only referred to, and never write either, whatever the role allows', async () => {
    const wide = rolesWith({ patient: { patients: 'all', labelMax: 'V', rules: [{ types: ['*'], do: 'cruds' }] } })
    const policy = await policyOf({ scope: 'patient/*.cruds', patient: 'a' }, [], wide)
    expect(rightsOf(policy, 'Condition')).toBe('cruds')
    for (const type of allTypes) {
      const expected = { shared: 'rs', 'by-reference': 'r', restricted: '' }[classify(type)!.kind as 'shared']
      if (expected !== undefined) expect([type, rightsOf(policy, type)]).toEqual([type, expected])
    }
    expect(allows(policy, 'r', { resourceType: 'Device' }, [])).toBe(true)
    expect(allows(policy, 'r', { resourceType: 'Device' }, ['a'])).toBe(true)
    expect(allows(policy, 'r', { resourceType: 'Device' }, ['b'])).toBe(false)
    expect(policy.forType('Practitioner').reach).toEqual({ kind: 'all' })
  })

  it('write nothing that names another patient too', async () => {
    const roles = rolesWith({ patient: { patients: 'launch', labelMax: 'V', rules: [{ types: ['Coverage'], do: 'cruds' }] } })
    const policy = await policyOf({ scope: 'patient/*.cruds', patient: 'a' }, [], roles)
    const coverage = { resourceType: 'Coverage' }
    expect([allows(policy, 'r', coverage, ['a', 'b']), allows(policy, 'c', coverage, ['a', 'b']), allows(policy, 'u', coverage, ['a', 'b'])]).toEqual([true, false, false])
    expect(allows(policy, 'c', coverage, ['a'])).toBe(true)
  })

  it('are the launch patient within the care of a clinician who launches, and system is no such role', async () => {
    const inCare = await launched('patient/*.rs', PHYSICIAN)
    expect(inCare.roles).toEqual(['physician'])
    expect([allows(inCare, 'r', { resourceType: 'Condition' }, ['a']), allows(inCare, 'r', { resourceType: 'Condition' }, ['b'])]).toEqual([true, false])
    const notInCare = await launched('patient/*.rs', { ...PHYSICIAN, patient: 'z' })
    expect(allows(notInCare, 'r', { resourceType: 'Condition' }, ['z'])).toBe(false)
    const asSystem = await launched('patient/*.cruds', { roles: ['system'] })
    expect([asSystem.roles, asSystem.move, rightsOf(asSystem, 'Condition')]).toEqual([['patient'], false, 'rs'])
  })

  it('let a patient change only contact data of the own Patient, and own reports', async () => {
    const policy = await launched()
    const grants = grantsFor(policy.forType('Patient').rights.u, { patients: ['a'], labels: [] }, matcher({ resourceType: 'Patient' }))
    const before = { resourceType: 'Patient', id: 'a', birthDate: '2000-01-01' }
    expect(() => writableOf('Patient', grants)!.check({ ...before, telecom: [{ value: '1' }] }, before)).not.toThrow()
    expect(() => writableOf('Patient', grants)!.check({ ...before, birthDate: '1999-01-01' }, before)).toThrow(expect.objectContaining({ status: 403 }))
    const reported = { resourceType: 'Observation', performer: [{ reference: 'Patient/a' }] }
    expect(allows(policy, 'u', reported, ['a'])).toBe(true)
    expect(allows(policy, 'u', { resourceType: 'Observation', performer: [{ reference: 'Practitioner/a' }] }, ['a'])).toBe(false)
    expect(rightsOf(policy, 'MedicationRequest')).toBe('rs')
  })
})

describe('the panel of a clinician', () => {
  const physician = () => policyOf({ scope: 'user/*.cruds', ...PHYSICIAN }, ['a', 'b'])

  it('reaches its patients\' rows and everything that is of no patient', async () => {
    const policy = await physician()
    expect(allows(policy, 'r', { resourceType: 'Condition' }, ['b'])).toBe(true)
    expect(allows(policy, 'r', { resourceType: 'Condition' }, ['c'])).toBe(false)
    expect(allows(policy, 's', { resourceType: 'Medication' }, [])).toBe(true)
    expect(allows(policy, 's', { resourceType: 'Device' }, ['c'])).toBe(false)
    expect(rightsOf(policy, 'Practitioner')).toBe('rs')
    expect(rightsOf(policy, 'AuditEvent')).toBe('')
    expect(rightsOf(policy, 'Subscription')).toBe('')
  })

  it('lets a record that names several patients be written only by its subject', async () => {
    const policy = await physician()
    const allergy = (patient: string, asserter: string): Resource => ({ resourceType: 'AllergyIntolerance', patient: { reference: `Patient/${patient}` }, asserter: { reference: `Patient/${asserter}` } })
    expect(allows(policy, 'c', allergy('a', 'mother'), ['a', 'mother'])).toBe(true)
    expect(allows(policy, 'r', allergy('mother', 'a'), ['a', 'mother'])).toBe(true)
    expect(allows(policy, 'c', allergy('mother', 'a'), ['a', 'mother'])).toBe(false)
    expect(allows(policy, 'u', allergy('mother', 'a'), ['a', 'mother'])).toBe(false)
  })

  it('keeps the one array of its patients in every reach', async () => {
    const panel = ['a', 'b']
    const policy = await compilePolicy(caller({ scope: 'user/*.rs', ...PHYSICIAN }), { roles: DEFAULT_ROLES, base: BASE, now: () => 0, panel: async () => panel })
    for (const type of ['Condition', 'Coverage', 'Patient']) {
      const { reach } = policy.forType(type)
      expect(reach.kind === 'patients' && reach.patients).toBe(panel)
    }
  })
})

describe('labels', () => {
  const row = { resourceType: 'Observation' }
  const label = (code: string): readonly string[] => [`${CONFIDENTIALITY}|${code}`, 'http://other|V']

  it.each([['N', 'UMLN'], ['R', 'UMLNR'], ['V', 'UMLNRVX']])('up to %s show %s and unlabelled rows', async (labelMax, shown) => {
    const policy = await policyOf({ scope: 'user/*.cruds', roles: ['tester'] }, [], rolesWith(role('tester', { labelMax })))
    expect(allows(policy, 'r', row, ['a'])).toBe(true)
    for (const code of 'UMLNRVX') expect([code, allows(policy, 'r', row, ['a'], label(code))]).toEqual([code, shown.includes(code)])
    expect(allows(policy, 'c', row, ['a'], label('V'))).toBe(labelMax === 'V')
    expect(isWholeTenant(policy.forType('Observation').rights.r![0]!)).toBe(labelMax === 'V')
  })

  it('are the same codes by the names that they go by elsewhere, and without one', async () => {
    const policy = await policyOf({ scope: 'user/*.cruds', roles: ['tester'] }, [], rolesWith(role('tester', { labelMax: 'R' })))
    for (const system of ['http://hl7.org/fhir/v3/Confidentiality', 'urn:oid:2.16.840.1.113883.5.25', '']) {
      for (const code of 'NRV') expect([system, code, allows(policy, 'r', row, ['a'], [`${system}|${code}`])]).toEqual([system, code, code !== 'V'])
    }
    const desk = await policyOf({ scope: 'user/*.cruds', roles: ['tester'] }, [], rolesWith(role('tester', { labelMax: 'N' })))
    expect(['|R', '|V', '|HIV', 'http://other|R', '|'].map((label) => allows(desk, 'r', row, ['a'], [label]))).toEqual([false, false, true, true, true])
  })

  it('hide very restricted rows from clinicians and restricted ones from the desk', async () => {
    const physician = await policyOf({ scope: 'user/*.rs', ...PHYSICIAN }, ['a'])
    expect([allows(physician, 'r', row, ['a'], label('R')), allows(physician, 'r', row, ['a'], label('V'))]).toEqual([true, false])
    const desk = await policyOf({ scope: 'user/*.rs', roles: ['front-desk'] })
    expect([allows(desk, 'r', { resourceType: 'Coverage' }, ['a']), allows(desk, 'r', { resourceType: 'Coverage' }, ['a'], label('R'))]).toEqual([true, false])
  })
})

describe('several roles', () => {
  const both = () => policyOf({ scope: 'user/*.rs', roles: ['physician', 'wizard', 'front-desk'], fhirUser: 'Practitioner/1' }, ['a'])

  it('add up: each reaches its own rows', async () => {
    const policy = await both()
    expect(policy.roles).toEqual(['physician', 'front-desk'])
    expect(rightsOf(policy, 'Condition')).toBe('rs')
    expect([allows(policy, 'r', { resourceType: 'Condition' }, ['a']), allows(policy, 'r', { resourceType: 'Condition' }, ['b'])]).toEqual([true, false])
    expect(allows(policy, 'r', { resourceType: 'Patient' }, ['b'])).toBe(true)
    expect(policy.forType('Patient').reach).toEqual({ kind: 'all' })
  })

  it('show of a row what any role that grants this row shows, never more', async () => {
    const { rights, mask } = (await both()).forType('Patient')
    const resource = { resourceType: 'Patient' }
    const grants = (patient: string) => grantsFor(rights.r, { patients: [patient], labels: [] }, matcher(resource))
    expect(maskOf('Patient', grants('a'))).toBeNull()
    expect(maskOf('Patient', grants('b'))!.elements).toContain('Patient.name')
    expect(mask!.elements).toContain('Patient.name')
    expect(hiddenBy(rights.s!, searchParam('Patient', 'link')!)).toBe(false)
    const desk = (await policyOf({ scope: 'user/*.rs', roles: ['front-desk'] })).forType('Patient')
    expect(hiddenBy(desk.rights.s!, searchParam('Patient', 'link')!)).toBe(true)
  })
})

describe('a policy', () => {
  it('denies a type that R4 does not have', async () => {
    const policy = await policyOf({ scope: 'system/*.cruds' })
    for (const type of ['Nothing', 'Resource', '__proto__', '']) expect(policy.forType(type)).toMatchObject({ rights: {}, reach: { kind: 'patients', patients: [] } })
    expect(allTypes.every((type) => rightsOf(policy, type) === 'cruds' && policy.forType(type).mask === null)).toBe(true)
    expect([policy.largeBundles, policy.relabel, policy.move]).toEqual([true, true, true])
  })

  it('is the same object for the same caller while the panel is, and another when it changes', async () => {
    let panel = ['a']
    const context = { roles: DEFAULT_ROLES, base: BASE, now: () => 0, panel: async () => panel }
    const asked = caller({ scope: 'user/*.rs', ...PHYSICIAN })
    const first = await compilePolicy(asked, context)
    expect(await compilePolicy(asked, context)).toBe(first)
    panel = ['a', 'b']
    const second = await compilePolicy(asked, context)
    expect(second).not.toBe(first)
    expect(second.forType('Condition').reach).toMatchObject({ patients: ['a', 'b'] })
    expect(second.fingerprint).toBe(first.fingerprint)
  })

  it('has a fingerprint that tells every claim apart and nothing of order', async () => {
    const print = async (given: Partial<Caller>) => (await policyOf({ scope: 'patient/*.rs user/*.rs', patient: 'a', ...PHYSICIAN, ...given })).fingerprint
    const changes: Partial<Caller>[] = [{}, { scope: 'patient/*.rs' }, { patient: 'b' }, { encounter: 'e' }, { fhirUser: 'Practitioner/2' }, { roles: ['nurse'] }, { purposes: ['TREAT'] }, { ceiling: 'patient/*.rs' }]
    expect(new Set(await Promise.all(changes.map(print))).size).toBe(changes.length)
    expect(await print({ scope: 'user/*.rs patient/*.rs' })).toBe(await print({}))
  })
})
