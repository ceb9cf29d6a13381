import { describe, expect, it } from 'vitest'
import { parseReference, referencedType, referencesIn } from '../../src/search/references.ts'

const base = 'http://127.0.0.1:8080/fhir/R4'
const patient = { type: 'Patient', id: 'b', version: null }

describe('parseReference', () => {
  it('reads relative, versioned and absolute references to this server', () => {
    expect(parseReference('Patient/b', base)).toEqual(patient)
    expect(parseReference('Patient/b/_history/2', base)).toEqual({ ...patient, version: '2' })
    expect(parseReference(`${base}/Patient/b`, base)).toEqual(patient)
    expect(parseReference(`${base}/Patient/b/_history/2`, base)).toEqual({ ...patient, version: '2' })
  })

  it('knows its own address in any case and with the default port', () => {
    expect(parseReference('HTTP://127.0.0.1:8080/fhir/R4/Patient/b', base)).toEqual(patient)
    expect(parseReference('https://EHR.example.org:443/fhir/R4/Patient/b', 'https://ehr.example.org/fhir/R4')).toEqual(patient)
  })

  it('keeps other servers, urns, contained resources and foreign paths as urls', () => {
    for (const url of ['http://elsewhere.example/fhir/R4/Patient/b', 'http://127.0.0.1:8081/fhir/R4/Patient/b',
      'http://127.0.0.1:8080/other/Patient/b',
      'https://127.0.0.1:8080/fhir/R4/Patient/b', 'http://127.0.0.1:8080.evil.example/fhir/R4/Patient/b',
      'urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0', '#p', `${base}/metadata`, `${base}/Patient/b/`]) {
      expect(parseReference(url, base), url).toEqual({ url })
    }
  })

  it('refuses malformed references', () => {
    for (const text of ['', 'Patient', 'Patient/', 'Patient/b/', '/Patient/b', 'patient/b', 'Patient/b c', 'Patient/b?x=1',
      'Patient?identifier=1', 'Nonsense/b', 'Patient/b/_history/', 'Patient/b/c',
      `Patient/${'x'.repeat(65)}`, 'Patient/b\n', ' Patient/b', '../Patient/b', 'constructor/b']) {
      expect(parseReference(text, base), JSON.stringify(text)).toBeNull()
    }
  })
})

describe('referencedType', () => {
  it('says the type that the text names, on any server, and nothing else', () => {
    expect(referencedType('http://elsewhere.example/r4/Patient/1/_history/3')).toBe('Patient')
    expect(referencedType('Group/1')).toBe('Group')
    for (const text of ['urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0', '#p', 'http://elsewhere.example/Nonsense/1', 'Patient']) {
      expect(referencedType(text)).toBeNull()
    }
  })
})

describe('referencesIn', () => {
  it('finds every literal reference with its path, contained resources and entries included', () => {
    expect(referencesIn({
      resourceType: 'Observation', subject: { reference: 'Patient/a' }, performer: [null, { display: 'x' },
        { reference: 'Practitioner/b' }],
      contained: [{ resourceType: 'Basic', id: 'c', subject: { reference: '#d' } }], extension: [{ url: 'u',
        valueReference: { reference: 'Group/e' } }],
      focus: [{ identifier: { value: 'f' } }], code: { text: 'Patient/z' }
    })).toEqual([
      { path: 'Observation.subject', reference: 'Patient/a' }, { path: 'Observation.performer[2]', reference: 'Practitioner/b' },
      { path: 'Observation.contained[0].subject', reference: '#d' }, { path: 'Observation.extension[0].valueReference',
        reference: 'Group/e' }
    ])
  })
})
