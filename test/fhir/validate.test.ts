import { describe, expect, it } from 'vitest'
import { FhirError, type Issue } from '../../src/model/errors.ts'
import { resourceTypes, validateResource, type ValidateOptions } from '../../src/fhir/validate/validate.ts'
import { CASES } from './validate-cases.ts'

function refusal(resource: unknown, type: string | null = null, options: ValidateOptions = {}): FhirError | null {
  try {
    validateResource(resource, type, options)
    return null
  } catch (error) {
    if (error instanceof FhirError) return error
    throw error
  }
}

const paths = (issues: readonly Issue[] | undefined): string[] => (issues ?? []).flatMap(({ expression }) => expression ?? [])

describe('validateResource', () => {
  it.each(CASES)('refuses $title with $status at $path and takes the corrected twin', ({ status, path, bad, good }) => {
    const error = refusal(bad)
    expect({ status: error?.status, paths: paths(error?.issues) }).toEqual({ status, paths: expect.arrayContaining([path]) as unknown })
    expect(error?.issues[0]?.severity).toBe('error')
    expect(refusal(good)?.issues ?? null).toBe(null)
  })

  it('gives back the very resource that it was given', () => {
    const resource = { resourceType: 'Patient', active: true }
    expect(validateResource(resource, 'Patient')).toBe(resource)
  })

  it('refuses what is no resource, and a type other than the expected one', () => {
    for (const value of [null, undefined, 1, 'Patient', [], [{ resourceType: 'Patient' }], {}, { resourceType: 7 }, { resourceType: 'Bot' },
      { resourceType: 'Element' }, { resourceType: 'Resource' }, { resourceType: 'DomainResource' }, { resourceType: 'SubscriptionStatus' },
      { resourceType: '__proto__' }]) {
      expect(refusal(value)?.status).toBe(400)
    }
    expect(refusal({ resourceType: 'Patient' }, 'Observation')?.status).toBe(400)
    expect(refusal({ resourceType: 'Patient' }, 'Patient')).toBe(null)
  })

  it('knows the 146 resource types of R4, and none else', () => {
    expect(resourceTypes()).toHaveLength(146)
    expect(resourceTypes()).toContain('Patient')
    for (const type of ['Resource', 'DomainResource', 'SubscriptionStatus', 'MetadataResource',
      'Quantity']) expect(resourceTypes()).not.toContain(type)
  })

  it('reports several faults at once, at most 50, 400 where one of them is structural', () => {
    const error = refusal({ resourceType: 'Patient', gender: 'x', birthDate: 'y' })
    expect(error?.status).toBe(400)
    expect(paths(error?.issues)).toEqual(['Patient.gender', 'Patient.birthDate'])
    expect(refusal({ resourceType: 'Patient', gender: 'x' })?.status).toBe(422)
    expect(refusal({ resourceType: 'Patient', name: Array.from({ length: 500 }, () => ({})) })?.issues).toHaveLength(50)
  })

  it('names no value and no key that is not an element name', () => {
    const error = refusal({
      resourceType: 'Patient', gender: 'secret', birthDate: 'secret', 'secret <b>': 1, active: 'secret', name: [{ text: 'secret\u0001' }],
      text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml"><secret/></div>' },
      managingOrganization: { reference: 'secret secret' }
    })
    expect(error?.issues).toHaveLength(7)
    expect(JSON.stringify(error?.issues)).not.toContain('secret')
  })

  it('lets keys of Object.prototype pass nowhere', () => {
    for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      const resource = JSON.parse(`{"resourceType":"Patient","${key}":{"a":1}}`) as unknown
      expect(refusal(resource)?.status).toBe(400)
    }
  })

  it('leaves entry resources to their entries where asked, and only those', () => {
    const bad = { resourceType: 'Patient', gender: 'x' }
    const batch = { resourceType: 'Bundle', type: 'batch', entry: [{ resource: bad, request: { method: 'POST', url: 'Patient' } }] }
    expect(refusal(batch, 'Bundle')?.status).toBe(422)
    expect(refusal(batch, 'Bundle', { entryResources: false })).toBe(null)
    expect(refusal({ ...batch, type: 'x' }, 'Bundle', { entryResources: false })?.status).toBe(422)
    expect(refusal({ resourceType: 'Parameters', parameter: [{ name: 'a', resource: bad }] }, null,
      { entryResources: false })?.status).toBe(422)
  })

  it('takes R4 where the definitions of the package are not R4', () => {
    const variable = (characteristic: unknown) => ({ resourceType: 'EvidenceVariable', status: 'draft', characteristic: [characteristic] })
    expect(refusal(variable({ definitionCodeableConcept: { text: 'x' }, groupMeasure: 'mean',
      usageContext: [{ code: { code: 'x' }, valueCodeableConcept: { text: 'x' } }] }))).toBe(null)
    expect(paths(refusal(variable({ definitionId: 'x' }))?.issues)).toContain('EvidenceVariable.characteristic[0].definition')
    const study = { resourceType: 'ResearchStudy', status: 'active' }
    expect(refusal(study)).toBe(null)
    for (const added of [{ name: 'x' }, { label: [{ value: 'x' }] },
      { site: [{ reference: 'Organization/1' }] }]) expect(refusal({ ...study, ...added })).not.toBe(null)
  })

  it('stays linear on bodies made to be slow', () => {
    const start = performance.now()
    const spaces = ' '.repeat(1_000_000)
    refusal({ resourceType: 'Binary', contentType: 'text/plain', data: `${spaces}!` })
    refusal({ resourceType: 'Patient', language: `a${'-a'.repeat(400_000)}!` })
    refusal({ resourceType: 'Patient', photo: [{ contentType: `a/a${'; a=a'.repeat(100_000)}!` }] })
    refusal({ resourceType: 'CodeSystem', status: 'draft', content: 'complete',
      concept: Array.from({ length: 100_000 }, (_, n) => ({ code: `c${n}` })) })
    refusal({ resourceType: 'Observation', status: 'final', code: { text: 'x' }, valueString: `urn:oid:1${'.1'.repeat(400_000)}` })
    expect(performance.now() - start).toBeLessThan(10_000)
  })
})
