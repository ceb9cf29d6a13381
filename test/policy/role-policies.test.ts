import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Resource } from '../../src/model/resource.ts'
import { grantsFor } from '../../src/policy/policy.ts'
import { loadRolePolicies } from '../../src/policy/role-policies.ts'
import { allTypes } from '../../src/search/classification.ts'
import { dataDir } from '../data.ts'
import { DEFAULT_ROLES, DEFAULT_TEXT, matcher, policyOf, rolesWith } from './callers.ts'

const REGISTRY = { Practitioner: 'rs', PractitionerRole: 'rs', Organization: 'rs', OrganizationAffiliation: 'rs', HealthcareService: 'rs', Location: 'rs', Endpoint: 'rs' }

async function table(role: string): Promise<Record<string, string>> {
  const policy = await policyOf({ scope: 'user/*.cruds', roles: [role], fhirUser: 'Practitioner/1', patient: 'a' }, ['a'])
  const rows = allTypes.map((type) => [type, Object.keys(policy.forType(type).rights).join('') + (policy.forType(type).mask === null ? '' : ' masked')] as const)
  return Object.fromEntries(rows.filter(([, rights]) => rights !== ''))
}

describe('the default policy', () => {
  it('names the roles of the design, but for the researcher, who gets nothing until there is a limited data set', () => {
    expect([...DEFAULT_ROLES.roles.keys()]).toEqual(['patient', 'physician', 'nurse', 'front-desk', 'billing', 'auditor', 'privacy-officer', 'system'])
  })

  it('gives the front desk demographics, scheduling and coverage, and nothing clinical', async () => {
    expect(await table('front-desk')).toEqual({
      ...REGISTRY, Patient: 'crus masked', Appointment: 'crus', AppointmentResponse: 'crus', Schedule: 'crus', Slot: 'crus', Coverage: 'crus', Encounter: 'rs masked'
    })
  })

  it('gives billing what a claim needs', async () => {
    expect(await table('billing')).toEqual({
      ...REGISTRY, InsurancePlan: 'rs', Patient: 'rs masked', Coverage: 'crus', Claim: 'crus masked', ExplanationOfBenefit: 'crus masked',
      Encounter: 'rs masked', Condition: 'rs masked', Procedure: 'rs masked'
    })
  })

  it('gives auditors and privacy officers the log only', async () => {
    expect(await table('auditor')).toEqual({ AuditEvent: 'rs' })
    expect(await table('privacy-officer')).toEqual({ AuditEvent: 'rs' })
    expect(DEFAULT_ROLES.roles.get('privacy-officer')).toMatchObject({ relabel: true, move: false })
  })

  it('gives physicians the clinical record unmasked, and nurses less to write', async () => {
    const [physician, nurse] = [await table('physician'), await table('nurse')]
    expect(physician).toMatchObject({ Patient: 'rus', Condition: 'crus', MedicationRequest: 'crus', Coverage: 'rs', Practitioner: 'rs', Binary: 'crs' })
    expect(nurse).toMatchObject({ Patient: 'rs', Condition: 'rs', MedicationRequest: 'rs', AllergyIntolerance: 'rs', Observation: 'crus', MedicationAdministration: 'crus', DocumentReference: 'crus' })
    for (const rights of [physician, nurse]) for (const type of ['AuditEvent', 'Claim', 'ExplanationOfBenefit', 'Bundle', 'Subscription', 'Group']) expect(rights).not.toHaveProperty(type)
    for (const rights of Object.values(physician)) expect(rights).not.toMatch(/masked|d/)
  })

  it('keeps psychotherapy notes from nurses', async () => {
    const note = (code: string): Resource => ({ resourceType: 'DocumentReference', meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code }] } })
    const { rights } = (await policyOf({ scope: 'user/*.rs', roles: ['nurse'], fhirUser: 'Practitioner/1' }, ['a'])).forType('DocumentReference')
    const shown = (resource: Resource): number => grantsFor(rights.r, { patients: ['a'], labels: [] }, matcher(resource)).length
    expect([shown(note('PSYTHPN')), shown(note('ETH')), shown({ resourceType: 'DocumentReference' })]).toEqual([0, 1, 1])
  })

  it('gives the system role every type, large bodies, relabelling and moving, and no other role these', () => {
    const having = (flag: 'largeBundles' | 'relabel' | 'move') => [...DEFAULT_ROLES.roles.values()].filter((role) => role[flag]).map(({ name }) => name)
    expect([having('largeBundles'), having('relabel'), having('move')]).toEqual([['system'], ['privacy-officer', 'system'], ['system']])
    expect([...DEFAULT_ROLES.roles.values()].filter(({ labelMax }) => labelMax === 'V').map(({ name }) => name)).toEqual(['patient', 'auditor', 'privacy-officer', 'system'])
  })
})

const data = dataDir()

describe.skipIf(data === null)('the default masks on Synthea records', () => {
  const resources = data === null ? [] : sample(join(data, 'synthea'))
  const shown = (role: string, type: string): readonly Resource[] => {
    const mask = DEFAULT_ROLES.roles.get(role)!.rulesFor(type)[0]!.mask(type)!
    return resources.filter((each) => each.resourceType === type).map((each) => mask.apply(each))
  }
  const elements = (role: string, type: string): readonly string[] =>
    [...new Set(shown(role, type).flatMap((each) => Object.keys(each)))].filter((key) => !['resourceType', 'id', 'meta'].includes(key)).sort()

  it.each([
    ['front-desk', 'Patient', ['address', 'birthDate', 'communication', 'gender', 'identifier', 'name', 'telecom']],
    ['front-desk', 'Encounter', ['class', 'identifier', 'location', 'participant', 'period', 'serviceProvider', 'status', 'subject', 'type']],
    ['billing', 'Patient', ['address', 'birthDate', 'gender', 'identifier', 'name', 'telecom']],
    ['billing', 'Encounter', ['class', 'identifier', 'location', 'participant', 'period', 'serviceProvider', 'status', 'subject', 'type']],
    ['billing', 'Condition', ['abatementDateTime', 'category', 'clinicalStatus', 'code', 'encounter', 'onsetDateTime', 'recordedDate', 'subject', 'verificationStatus']],
    ['billing', 'Procedure', ['code', 'encounter', 'location', 'performedPeriod', 'status', 'subject']],
    ['billing', 'Claim', ['billablePeriod', 'created', 'diagnosis', 'facility', 'insurance', 'item', 'patient', 'priority', 'procedure', 'provider', 'status', 'total', 'type', 'use']]
  ])('show %s of %s: %j', (role, type, expected) => {
    expect(elements(role, type).filter((name) => !expected.includes(name) && !OPTIONAL.has(name))).toEqual([])
    expect(expected.filter((name) => !elements(role, type).includes(name) && !RARE.has(name))).toEqual([])
  })

  it('hide the social security number from the desk and billing, and keep the record number', () => {
    for (const role of ['front-desk', 'billing']) {
      const text = JSON.stringify(shown(role, 'Patient'))
      expect(text).toContain('"MR"')
      expect(text).not.toMatch(/us-ssn|"SS"|us-core-race|mothersMaidenName/)
    }
    expect(JSON.stringify(resources)).toContain('us-ssn')
  })

  it('leave no narrative, contained resource, extension or code text in what billing sees', () => {
    const text = JSON.stringify(['Condition', 'Procedure', 'Encounter', 'ExplanationOfBenefit'].map((type) => shown('billing', type)))
    expect(text).not.toMatch(/"div"|"contained"|"extension"|"reasonCode"|"supportingInfo"/)
    expect(JSON.stringify(shown('billing', 'Condition'))).not.toContain('"text"')
  })
})

describe('a policy file', () => {
  const role = (rest: object) => JSON.stringify({ version: 1, roles: { tester: { patients: 'all', labelMax: 'N', rules: [{ types: ['Patient'], do: 'r' }], ...rest } } })
  const rule = (rest: object) => role({ rules: [{ types: ['Patient'], do: 'rs', ...rest }] })

  it('of a sound form loads', () => {
    const { roles } = loadRolePolicies(rule({ where: 'general-practitioner=%fhirUser', elements: ['Patient.name'], writable: ['Patient.name.family'], purpose: ['TREAT'] }))
    expect(roles.get('tester')!.rulesFor('Patient')).toHaveLength(1)
    expect(roles.get('tester')!.rulesFor('Observation')).toEqual([])
    expect(loadRolePolicies(role({ rules: [{ types: ['shared'], do: 'r' }] })).roles.get('tester')!.rulesFor('Practitioner')).toHaveLength(1)
  })

  it.each([
    ['no JSON', '{', /^policy file: The body is not JSON/],
    ['a key twice', '{"version":1,"version":1,"roles":{}}', /^policy file/],
    ['an unknown version', DEFAULT_TEXT.replace('"version": 1', '"version": 2'), /version/],
    ['no roles', '{"version":1,"roles":{}}', /roles/],
    ['an unknown key', JSON.stringify({ ...JSON.parse(DEFAULT_TEXT) as object, extra: 1 }), /extra/],
    ['an unknown key of a role', role({ colour: 'red' }), /colour/],
    ['an unknown key of a rule', rule({ elments: ['Patient.name'] }), /elments/],
    ['no patients', role({ patients: undefined }), /patients/],
    ['an unknown variable as patients', role({ patients: '%everyone' }), /patients/],
    ['no ceiling of labels', role({ labelMax: undefined }), /labelMax/],
    ['no rules', role({ rules: [] }), /rules/],
    ['no types', rule({ types: [] }), /types/],
    ['an unknown type', rule({ types: ['Patients'] }), /roles\.tester\.rules\.0: "Patients" is no R4 type/],
    ['a type twice', rule({ types: ['Patient', 'Patient'] }), /twice/],
    ['no rights', rule({ do: '' }), /cruds/],
    ['an unknown right', rule({ do: 'rx' }), /cruds/],
    ['rights out of order', rule({ do: 'sr' }), /cruds/],
    ['empty criteria', rule({ where: '' }), /where/],
    ['a criterion without a value', rule({ where: 'family=' }), /criteria/],
    ['an unknown parameter', rule({ where: 'familiy=x' }), /criteria/],
    ['an unknown modifier', rule({ where: 'family:nosuch=x' }), /criteria/],
    ['a result parameter', rule({ where: '_count=1' }), /criteria/],
    ['criteria that one of the types does not have', rule({ types: ['Patient', 'Observation'], where: 'family=x' }), /Observation\?family=x/],
    ['an unknown variable', rule({ where: '_id=%patent' }), /%patent/],
    ['a list variable in criteria', rule({ where: '_id=%patients' }), /%patients/],
    ['a variable inside a text', rule({ where: 'family=x%patient' }), /%patient/],
    ['a variable where no reference stands', rule({ where: 'family=%patient' }), /variable/],
    ['no elements', rule({ elements: [] }), /elements/],
    ['an unknown element', rule({ elements: ['Patient.nome'] }), /Patient\.nome/],
    ['an element of another type', rule({ elements: ['Patient.name', 'Observation.code'] }), /Observation\.code/],
    ['no element of one of the types', rule({ types: ['Patient', 'Encounter'], elements: ['Patient.name'] }), /Encounter/],
    ['an unknown writable element', rule({ writable: ['Patient.nome'] }), /Patient\.nome/],
    ['a where() in a writable element', rule({ writable: ['Patient.name.where(use=\'official\')'] }), /where/],
    ['a purpose that the role does not have', role({ purposes: ['TREAT'], rules: [{ types: ['Patient'], do: 'r', purpose: ['HPAYMT'] }] }), /HPAYMT/],
    ['no purposes', role({ purposes: [] }), /purposes/],
    ['a role name with blanks', JSON.stringify({ version: 1, roles: { 'front desk': {} } }), /roles/]
  ])('with %s is refused in one line', (_what, text, message) => {
    let error: Error | undefined
    try {
      loadRolePolicies(text)
    } catch (thrown) {
      error = thrown as Error
    }
    expect(error?.message).toMatch(message)
    expect(error?.message).toMatch(/^policy file: .+/)
    expect(error?.message).not.toContain('\n')
  })
})

describe('a rule of a role', () => {
  const tester = (rest: object, top: object = {}) => rolesWith({ tester: { patients: 'all', labelMax: 'N', ...top, rules: [{ types: ['Patient'], do: 'rs', ...rest }] } })
  const given = { scope: 'user/*.rs', roles: ['tester'] }
  const patient = (practitioner: string): Resource => ({ resourceType: 'Patient', id: 'a', generalPractitioner: [{ reference: practitioner }] })

  it('fills its variables with what the token says', async () => {
    const roles = tester({ where: 'general-practitioner=%fhirUser' })
    const { rights } = (await policyOf({ ...given, fhirUser: 'Practitioner/7' }, [], roles)).forType('Patient')
    const shown = (resource: Resource): number => grantsFor(rights.r, { patients: ['a'], labels: [] }, matcher(resource)).length
    expect([shown(patient('Practitioner/7')), shown(patient('Practitioner/8')), shown(patient('Organization/7'))]).toEqual([1, 0, 0])
    const byId = (await policyOf({ ...given, patient: 'a' }, [], tester({ where: '_id=%patient' }))).forType('Patient').rights.r
    expect([grantsFor(byId, { patients: ['a'], labels: [] }, matcher(patient('x'))).length, grantsFor(byId, { patients: ['b'], labels: [] }, matcher({ ...patient('x'), id: 'b' })).length]).toEqual([1, 0])
  })

  it.each([
    ['no fhirUser', {}], ['an empty one', { fhirUser: '' }], ['one that would widen the criteria', { fhirUser: 'Practitioner/7,Practitioner/8' }], ['one with a parameter', { fhirUser: 'Practitioner/7&_id=x' }]
  ])('grants nothing with %s', async (_what, claims) => {
    expect((await policyOf({ ...given, ...claims }, [], tester({ where: 'general-practitioner=%fhirUser' }))).forType('Patient').rights).toEqual({})
  })

  it('holds only for its purposes of use, so that a mask can differ by purpose', async () => {
    const roles = rolesWith({
      tester: {
        patients: 'all', labelMax: 'N', purposes: ['TREAT', 'HQUALIMP'],
        rules: [{ types: ['Patient'], do: 'r', purpose: ['TREAT'] }, { types: ['Patient'], do: 'r', purpose: ['HQUALIMP'], elements: ['Patient.birthDate'] }]
      }
    })
    const mask = async (purposes: readonly string[]) => (await policyOf({ ...given, purposes }, [], roles)).forType('Patient')
    expect((await mask([])).mask).toBeNull()
    expect((await mask(['TREAT'])).mask).toBeNull()
    expect((await mask(['HQUALIMP'])).mask?.elements).toEqual(['Patient.birthDate'])
    expect((await mask(['HMARKT'])).rights).toEqual({})
  })
})

const OPTIONAL = new Set(['photo', 'contact', 'deceasedDateTime', 'generalPractitioner', 'managingOrganization', 'active', 'serviceType', 'performer', 'hospitalization', 'performedDateTime', 'careTeam', 'related', 'accident', 'payee', 'referral', 'account', 'appointment', 'length', 'identifier', 'category'])
const RARE = new Set(['abatementDateTime', 'identifier', 'location', 'procedure', 'facility', 'priority'])

/** The first record of every type in three patients' files. */
function sample(dir: string): readonly Resource[] {
  const files = readdirSync(dir).filter((name) => /^[A-Z].*\.json$/.test(name)).slice(0, 3)
  return files.flatMap((name) => {
    const { entry } = JSON.parse(readFileSync(join(dir, name), 'utf8')) as { entry: { resource: Resource }[] }
    return entry.map(({ resource }) => resource).filter(({ resourceType }, at, all) => all.slice(0, at).filter((each) => each.resourceType === resourceType).length < 20)
  })
}
