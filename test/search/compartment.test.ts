import { describe, expect, it } from 'vitest'
import { allTypes } from '../../src/search/classification.ts'
import { compartmentCodes, compartmentPatients, derivedTargets, subjectPatients } from '../../src/search/compartment.ts'

const base = 'http://127.0.0.1:8080/fhir/R4'
const to = (reference: string, rest: object = {}) => ({ reference, ...rest })
const patients = (resourceType: string, elements: object): readonly string[] => compartmentPatients({ resourceType, id: 'x',
  ...elements }, base)
const targets = (resourceType: string, elements: object) => derivedTargets({ resourceType, id: 'x', ...elements }, base)

describe('compartment patients', () => {
  it('come from the exact parameters: subject and performer of an Observation, never its focus', () => {
    expect(patients('Observation', { subject: to('Patient/b'), performer: [to('Patient/a'), to('Practitioner/c')] })).toEqual(['a', 'b'])
    expect(patients('Observation', { subject: to('Patient/b'), focus: [to('Patient/a')] })).toEqual(['b'])
    expect(patients('Observation', { subject: to('Patient/b'), extension: [{ url: 'u', valueReference: to('Patient/a') }],
      note: [{ authorReference: to('Patient/a') }] })).toEqual(['b'])
    expect(compartmentCodes('Observation')).toEqual(['subject', 'performer'])
  })

  it('are the patient itself for a Patient, whatever it links to', () => {
    expect(patients('Patient', { link: [{ other: to('Patient/a'), type: 'seealso' }] })).toEqual(['x'])
    expect(compartmentPatients({ resourceType: 'Patient' }, base)).toEqual([])
  })

  it('count absolute references to this server and versioned ones', () => {
    for (const reference of ['Patient/b', 'Patient/b/_history/1', `${base}/Patient/b`, `${base}/Patient/b/_history/1`,
      'HTTP://127.0.0.1:8080/fhir/R4/Patient/b']) {
      expect(patients('Condition', { subject: to(reference) }), reference).toEqual(['b'])
    }
  })

  it('do not count other servers, contained resources, urns, identifiers or malformed references', () => {
    const contained = [{ resourceType: 'Patient', id: 'b' }]
    for (const subject of [to('http://elsewhere.example/fhir/R4/Patient/b'), to('#b'), to('urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0',
      { type: 'Patient' }), to('Patient/b/'), to('patient/b'),
      to('Patient'), { type: 'Patient', identifier: { value: 'b' } }, 'Patient/b', null, { reference: 7 }]) {
      expect(patients('Condition', { subject, contained }), JSON.stringify(subject)).toEqual([])
      expect(patients('Observation', { subject, contained }), JSON.stringify(subject)).toEqual([])
    }
  })

  it('are named once each, in order, by every parameter of the type', () => {
    expect(patients('Coverage', { policyHolder: to('Patient/d'), subscriber: to('Patient/b'), beneficiary: to('Patient/a'),
      payor: [to('Patient/c'), to('Patient/a')] })).toEqual(['a', 'b', 'c', 'd'])
    expect(patients('ExplanationOfBenefit', { patient: to('Patient/a'), payee: { party: to('Patient/b') } })).toEqual(['a', 'b'])
    expect(patients('Group', { member: [{ entity: to('Patient/b') }, { entity: to('Patient/a') }, { entity: to('Practitioner/c') }] }))
      .toEqual(['a', 'b'])
    expect(patients('Appointment', { participant: [{ actor: to('Patient/a') }, { actor: to('Location/b') }] })).toEqual(['a'])
    expect(patients('Person', { link: [{ target: to('Patient/a') }, { target: to('RelatedPerson/b') }] })).toEqual(['a'])
    expect(patients('List', { subject: to('Patient/a'), source: to('Patient/b'), entry: [{ item: to('Patient/c') }] })).toEqual(['a', 'b'])
  })

  it('are none for types outside the compartment', () => {
    expect(patients('Medication', { manufacturer: to('Patient/a'), extension: [{ url: 'u', valueReference: to('Patient/a') }] }))
      .toEqual([])
    expect(patients('Bundle', { entry: [{ resource: { resourceType: 'Patient', id: 'a' } }] })).toEqual([])
    expect(patients('Nonsense', { subject: to('Patient/a') })).toEqual([])
  })

  it('can be asked for of every type', () => {
    for (const type of allTypes) expect(patients(type, {}), type).toEqual(type === 'Patient' ? ['x'] : [])
  })
})

describe('records that follow others', () => {
  it('name their targets, versions dropped, each once', () => {
    expect(targets('Provenance', { target: [to('Observation/a/_history/3'), to(`${base}/Observation/a`), to('Patient/b'),
      to('http://elsewhere.example/fhir/R4/Observation/c')] }))
      .toEqual([{ type: 'Observation', id: 'a' }, { type: 'Patient', id: 'b' }])
    expect(targets('Binary', { securityContext: to('DocumentReference/a') })).toEqual([{ type: 'DocumentReference', id: 'a' }])
    expect(targets('AuditEvent', { entity: [{ what: to('Condition/a') }], agent: [{ who: to('Practitioner/b') }] }))
      .toEqual([{ type: 'Condition', id: 'a' }])
    expect(targets('Task', { for: to('Patient/a'), focus: to('ServiceRequest/b'), owner: to('Practitioner/c') }))
      .toEqual([{ type: 'Patient', id: 'a' }, { type: 'ServiceRequest', id: 'b' }])
    expect(targets('DeviceMetric', { source: to('Device/a') })).toEqual([{ type: 'Device', id: 'a' }])
    expect(targets('Slot', { schedule: to('Schedule/a') })).toEqual([{ type: 'Schedule', id: 'a' }])
  })

  it('never name themselves, and other types name nothing', () => {
    expect(targets('Task', { focus: to('Task/x'), basedOn: [to('Task/y')] })).toEqual([{ type: 'Task', id: 'y' }])
    expect(targets('Observation', { subject: to('Patient/a') })).toEqual([])
  })

  it('are already those patients\' whom they name straight', () => {
    expect(patients('Provenance', { target: [to('Patient/b'), to('Observation/a')] })).toEqual(['b'])
    expect(patients('Task', { for: to('Patient/a'), owner: to('Patient/b'), requester: to('Patient/c') })).toEqual(['a'])
    expect(patients('AuditEvent', { agent: [{ who: to('Patient/a') }], entity: [{ what: to('Patient/b') }] })).toEqual(['a', 'b'])
    expect(patients('Device', { patient: to('Patient/a') })).toEqual(['a'])
    expect(patients('Device', {})).toEqual([])
  })
})

describe('whom a record is about', () => {
  it('is the subject and not who did or wrote it', () => {
    const about = (resourceType: string, elements: object): readonly string[] => subjectPatients({ resourceType, id: 'x', ...elements },
      base)
    expect(about('Observation', { subject: to('Patient/b'), performer: [to('Patient/a')] })).toEqual(['b'])
    expect(about('Coverage', { subscriber: to('Patient/b'), beneficiary: to('Patient/a') })).toEqual(['a'])
    expect(about('Task', { for: to('Patient/a'), focus: to('Patient/b') })).toEqual(['a'])
    expect(about('Patient', {})).toEqual(['x'])
    expect(about('Medication', {})).toEqual([])
  })
})
