import { describe, expect, it } from 'vitest'
import { rawNumber } from '../../src/model/decimal.ts'
import { FhirError } from '../../src/model/errors.ts'
import type { Resource } from '../../src/model/resource.ts'
import { compileMask, isSubsetted, strictestOfMasks, SUBSETTED, unionOfMasks } from '../../src/policy/mask.ts'
import { compileWritable } from '../../src/policy/mask-merge.ts'
import { searchParam } from '../../src/search/parameters.ts'

const RACE = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race'
const MR = { type: { coding: [{ code: 'MR' }] }, value: '1' }
const SS = { type: { coding: [{ code: 'SS' }] }, value: '999-12-3456' }

const patient: Resource = freeze({
  resourceType: 'Patient',
  id: 'p1',
  meta: { versionId: '3', lastUpdated: '2026-01-01T00:00:00Z', source: 'urn:secret', security: [{ system: 's', code: 'R' }] },
  text: { status: 'generated', div: '<div>secret</div>' },
  contained: [{ resourceType: 'Organization', id: 'o', name: 'secret' }],
  extension: [{ url: RACE, extension: [{ url: 'text', valueString: 'x' }] }, { url: 'http://other', valueString: 'secret' }],
  modifierExtension: [{ url: 'http://m', valueBoolean: true }],
  identifier: [MR, SS],
  name: [{ family: 'Smith', given: ['Ann', null], _given: [null, { extension: [{ url: 'http://x', valueString: 'secret' }] }], extension: [{ url: 'http://y', valueString: 'secret' }] }],
  birthDate: '1980-01-01',
  _birthDate: { id: 'b', extension: [{ url: 'http://birth', valueDateTime: '1980-01-01T10:00:00Z' }] },
  deceasedBoolean: false,
  maritalStatus: { text: 'secret' },
  contact: [{ name: { family: 'Jones' }, telecom: [{ value: '555' }], gender: 'male' }]
})

describe('a mask', () => {
  const mask = compileMask('Patient', ['Patient.identifier.where(type.coding.code=\'MR\')', 'Patient.name', 'Patient.birthDate', 'Patient.deceased', 'Patient.contact.telecom'])

  it('keeps the frame and what is listed, and nothing else', () => {
    expect(mask.apply(patient)).toEqual({
      resourceType: 'Patient',
      id: 'p1',
      meta: { versionId: '3', lastUpdated: '2026-01-01T00:00:00Z', security: [{ system: 's', code: 'R' }], tag: [SUBSETTED] },
      identifier: [MR],
      name: [{ family: 'Smith', given: ['Ann'] }],
      birthDate: '1980-01-01',
      _birthDate: { id: 'b' },
      deceasedBoolean: false,
      contact: [{ telecom: [{ value: '555' }] }]
    })
    expect(JSON.stringify(mask.apply(patient))).not.toContain('secret')
  })

  it('keeps listed extensions with all inside, also those of an element and of a primitive', () => {
    const listed = compileMask('Patient', [`Patient.extension.where(url='${RACE}')`, 'Patient.name', 'Patient.name.extension.where(url=\'http://y\')',
      'Patient.birthDate', 'Patient.birthDate.extension'])
    const shown = listed.apply(patient)
    expect(shown['extension']).toEqual([(patient['extension'] as unknown[])[0]])
    expect(shown['name']).toEqual([{ family: 'Smith', given: ['Ann'], extension: [{ url: 'http://y', valueString: 'secret' }] }])
    expect(shown['_birthDate']).toEqual(patient['_birthDate'])
  })

  it('keeps every type of a choice listed by its base name, and only the one listed by its own', () => {
    const base = compileMask('Observation', ['Observation.value'])
    const one = compileMask('Observation', ['Observation.valueQuantity'])
    const quantity = { resourceType: 'Observation', valueQuantity: { value: rawNumber('1.50') } }
    const text = { resourceType: 'Observation', valueString: 'x', _valueString: { id: 'i' } }
    expect(base.apply(text)).toMatchObject({ valueString: 'x', _valueString: { id: 'i' } })
    expect(JSON.stringify(base.apply(quantity))).toContain('1.50')
    expect(one.apply(quantity)['valueQuantity']).toBe(quantity.valueQuantity)
    expect(one.apply(text)).toEqual({ resourceType: 'Observation', meta: { tag: [SUBSETTED] } })
  })

  it('takes narrative and nested resources out of elements that are listed whole', () => {
    const composition = compileMask('Composition', ['Composition.section'])
    expect(composition.apply({ resourceType: 'Composition', section: [{ title: 't', text: { status: 'generated', div: '<div>x</div>' }, section: [{ text: { div: 'x' } }] }] })['section'])
      .toEqual([{ title: 't' }])
    const bundle = compileMask('Bundle', ['Bundle.entry'])
    expect(bundle.apply({ resourceType: 'Bundle', entry: [{ fullUrl: 'u', resource: { resourceType: 'Patient' } }] })['entry']).toEqual([{ fullUrl: 'u' }])
  })

  it('tags every resource of the type once, whether or not anything was taken', () => {
    const bare = mask.apply({ resourceType: 'Patient', id: 'p2' })
    expect(bare).toEqual({ resourceType: 'Patient', id: 'p2', meta: { tag: [SUBSETTED] } })
    expect(isSubsetted(bare)).toBe(true)
    expect(mask.apply(bare).meta?.tag).toHaveLength(1)
    expect(isSubsetted(patient)).toBe(false)
  })

  it('never changes its argument and gives the same twice', () => {
    const before = JSON.stringify(patient)
    expect(mask.apply(patient)).toEqual(mask.apply(patient))
    expect(JSON.stringify(patient)).toBe(before)
    const again = mask.apply(mask.apply(patient))
    expect(again).toEqual(mask.apply(patient))
  })

  it.each([
    ['identifier', false], ['name', false], ['family', false], ['birthdate', false], ['phone', false], ['death-date', false],
    ['_id', false], ['_lastUpdated', false], ['_tag', false], ['_security', false],
    ['address', true], ['address-city', true], ['gender', true], ['general-practitioner', true], ['link', true], ['language', true], ['_source', true], ['_text', true]
  ])('the parameter %s reads only what is hidden: %s', (code, hidden) => {
    const noTelecom = code === 'phone' ? compileMask('Patient', ['Patient.telecom.value', 'Patient.telecom.system']) : mask
    expect(noTelecom.hides(searchParam('Patient', code)!)).toBe(hidden)
  })

  it('hides a parameter that reads extensions or narrative of an element listed whole', () => {
    const reading = (type: string, expression: string) => ({ type, code: 'x', kind: 'string' as const, expression, target: [] })
    expect(mask.hides(reading('Patient', 'Patient.name.extension'))).toBe(true)
    expect(mask.hides(reading('Patient', 'Patient.name.family'))).toBe(false)
    expect(compileMask('Patient', ['Patient.name', 'Patient.name.extension']).hides(reading('Patient', 'Patient.name.extension'))).toBe(false)
    expect(compileMask('Composition', ['Composition.section']).hides(reading('Composition', 'Composition.section.text'))).toBe(true)
  })

  it('combines with another: the union shows what either shows, the strictest what both show', () => {
    const names = compileMask('Patient', ['Patient.name', 'Patient.gender'])
    const family = compileMask('Patient', ['Patient.name.family', 'Patient.photo'])
    expect(unionOfMasks('Patient', [names, family])!.elements).toEqual(['Patient.gender', 'Patient.name', 'Patient.name.family', 'Patient.photo'])
    expect(unionOfMasks('Patient', [names, null])).toBeNull()
    expect(strictestOfMasks('Patient', [names, family])!.elements).toEqual(['Patient.name.family'])
    expect(strictestOfMasks('Patient', [names, null])).toBe(names)
    const filtered = compileMask('Patient', ['Patient.identifier.where(type.coding.code=\'MR\')'])
    const all = compileMask('Patient', ['Patient.identifier'])
    expect(strictestOfMasks('Patient', [filtered, all])!.elements).toEqual(filtered.elements)
    expect(strictestOfMasks('Patient', [filtered, family])!.apply(patient)).toEqual({ resourceType: 'Patient', id: 'p1', meta: expect.anything() })
  })
})

describe('a write through a mask', () => {
  const mask = compileMask('Patient', ['Patient.identifier.where(type.coding.code=\'MR\')', 'Patient.name.family', 'Patient.name.given', 'Patient.birthDate', 'Patient.contact', 'Patient.gender'])
  const readBack = (): Resource => {
    const shown = mask.apply(patient)
    return { ...shown, meta: { ...shown.meta, tag: [] } }
  }
  const refused = (written: Resource, stored: Resource | null = patient): FhirError => {
    try {
      mask.merge(written, stored)
    } catch (error) {
      return error as FhirError
    }
    throw new Error('was not refused')
  }

  it('of what was read gives the stored version back, but for the empty tag list', () => {
    const { tag: _tag, ...meta } = mask.merge(readBack(), patient).meta!
    expect({ ...mask.merge(readBack(), patient), meta }).toEqual(patient)
  })

  it('changes what is seen and keeps what is hidden', () => {
    const merged = mask.merge({ ...readBack(), gender: 'female', birthDate: '1981-01-01' }, patient)
    expect(merged).toMatchObject({ gender: 'female', birthDate: '1981-01-01', maritalStatus: patient['maritalStatus'], _birthDate: patient['_birthDate'], text: patient['text'], identifier: [MR, SS] })
    expect(merged.meta?.source).toBe('urn:secret')
  })

  it('removes what is seen and left out', () => {
    const { contact: _contact, ...rest } = readBack()
    expect(mask.merge(rest, patient)).not.toHaveProperty('contact')
  })

  it('is refused by 422 where the tag SUBSETTED is still on it', () => {
    expect(refused(mask.apply(patient))).toMatchObject({ status: 422, issues: [{ expression: ['Patient.meta.tag'] }] })
  })

  it.each([
    ['a hidden element', { maritalStatus: { text: 'x' } }, 'Patient.maritalStatus'],
    ['narrative', { text: { status: 'generated', div: '<div/>' } }, 'Patient.text'],
    ['a contained resource', { contained: [] }, 'Patient.contained'],
    ['a list with hidden parts, reordered or extended', { identifier: [MR, { value: '2' }] }, 'Patient.identifier'],
    ['a list with hidden parts, emptied', { identifier: undefined }, 'Patient.identifier'],
    ['a list whose items have hidden extensions', { name: [{ family: 'Miller' }] }, 'Patient.name'],
    ['an extension on a visible list', { contact: [{ extension: [{ url: 'http://z' }] }] }, 'Patient.contact'],
    ['a hidden part of meta', { meta: { source: 'urn:mine' } }, 'Patient.meta.source']
  ])('is refused by 422 naming %s', (_what, change, path) => {
    const error = refused({ ...readBack(), ...change })
    expect(error).toBeInstanceOf(FhirError)
    expect([error.status, error.issues[0]?.expression]).toEqual([422, [path]])
  })

  it('is refused alike whether or not the stored version has the hidden element', () => {
    const { maritalStatus: _status, extension: _extension, ...without } = patient
    for (const change of [{ maritalStatus: { text: 'x' } }, { maritalStatus: patient['maritalStatus'] }, { extension: [{ url: 'http://z' }] }]) {
      const [there, absent] = [refused({ ...readBack(), ...change }), refused({ ...readBack(), ...change }, without as unknown as Resource)]
      expect(there.issues).toEqual(absent.issues)
    }
  })

  it('keeps the hidden parts of an element that does not repeat, and lets the rest change or go', () => {
    const period = compileMask('Encounter', ['Encounter.period', 'Encounter.hospitalization.dischargeDisposition'])
    const stored = { resourceType: 'Encounter', period: { start: '2026', extension: [{ url: 'u' }] }, hospitalization: { dischargeDisposition: { text: 'home' }, dietPreference: [{ text: 'x' }] } }
    expect(period.merge({ resourceType: 'Encounter', period: { start: '2025', end: '2026' } }, stored))
      .toEqual({ resourceType: 'Encounter', period: { start: '2025', end: '2026', extension: [{ url: 'u' }] }, hospitalization: { dietPreference: [{ text: 'x' }] } })
    expect(() => period.merge({ resourceType: 'Encounter', hospitalization: { dietPreference: [] } }, null)).toThrow(expect.objectContaining({ status: 422 }))
  })

  it('of a new resource is taken when all of it is seen, else refused', () => {
    const fresh = { resourceType: 'Patient', identifier: [MR], name: [{ family: 'New' }] }
    expect(mask.merge(fresh, null)).toEqual(fresh)
    expect(refused({ ...fresh, identifier: [SS] }, null).issues[0]?.expression).toEqual(['Patient.identifier'])
    expect(refused({ ...fresh, maritalStatus: {} }, null).status).toBe(422)
  })

  it('never changes its arguments', () => {
    const written = freeze(readBack())
    expect(() => mask.merge(written, patient)).not.toThrow()
  })
})

describe('writable elements', () => {
  const writable = compileWritable('Patient', ['Patient.telecom', 'Patient.contact.telecom', 'Patient.deceased'])

  it.each([
    ['a listed element', { telecom: [{ value: '1' }] }],
    ['a listed part of a list item', { contact: [{ ...(patient['contact'] as object[])[0], telecom: [] }] }],
    ['a listed choice', { deceasedBoolean: undefined, deceasedDateTime: '2020' }],
    ['version and time', { meta: { ...patient.meta, versionId: '9', lastUpdated: '2027-01-01T00:00:00Z' } }]
  ])('let %s change', (_what, change) => {
    expect(() => writable.check({ ...patient, ...change }, patient)).not.toThrow()
  })

  it.each([
    ['another element', { birthDate: '1981-01-01' }, 'Patient.birthDate'],
    ['the sibling of another element', { _birthDate: {} }, 'Patient._birthDate'],
    ['a removed element', { name: undefined }, 'Patient.name'],
    ['another part of a list item', { contact: [{ ...(patient['contact'] as object[])[0], gender: 'other' }] }, 'Patient.contact[0].gender'],
    ['a longer list', { contact: [...patient['contact'] as object[], {}] }, 'Patient.contact'],
    ['a label', { meta: { ...patient.meta, security: [] } }, 'Patient.meta']
  ])('refuse %s by 403 with its path', (_what, change, path) => {
    expect(() => writable.check({ ...patient, ...change }, patient)).toThrow(expect.objectContaining({ status: 403, issues: [expect.objectContaining({ expression: [path] })] }))
  })

  it('hold for a create too', () => {
    expect(() => writable.check({ resourceType: 'Patient', telecom: [{ value: '1' }] }, null)).not.toThrow()
    expect(() => writable.check({ resourceType: 'Patient', name: [{}] }, null)).toThrow(expect.objectContaining({ status: 403 }))
  })
})

describe('element paths', () => {
  it.each([
    ['Patient.foo', 'does not exist'], ['Observation.code', 'not an element of Patient'], ['Patient', 'not an element of Patient'], ['Patient.', 'not an element path'],
    ['Patient.name[0]', 'not an element path'], ['Patient.text', 'cannot be listed'], ['Patient.contained', 'cannot be listed'], ['Patient.meta', 'always stays'],
    ['Patient.identifier.where(value.foo=\'x\')', 'does not exist'], ['Patient.identifier.where(type=\'x\')', 'primitive'], ['Patient.identifier.where(use=\'x\').value', 'goes on'],
    ['Patient.identifier.where(use=x)', 'does not exist'], ['Patient.identifier.exists()', 'does not exist'], ['Patient.name.where', 'does not exist']
  ])('%s is refused: %s', (path, why) => {
    expect(() => compileMask('Patient', [path])).toThrow(why)
  })
})

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) freeze(part)
  return Object.freeze(value)
}
