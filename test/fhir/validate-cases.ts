import { rawNumber } from '../../src/model/decimal.ts'
import type { Resource } from '../../src/model/resource.ts'

/** One fault: a resource that has it, its twin without it, and the status and the path that the refusal must name. */
export interface Case {
  readonly title: string
  readonly status: 400 | 422
  readonly path: string
  readonly bad: Resource
  readonly good: Resource
}

type Parts = Readonly<Record<string, unknown>>

const patient = (parts: Parts): Resource => ({ resourceType: 'Patient', ...parts })
const observation = (parts: Parts): Resource => ({ resourceType: 'Observation', status: 'final', code: { coding: [coding('s', 'bp')] }, ...parts })
const condition = (parts: Parts): Resource => ({ resourceType: 'Condition', subject: { reference: 'Patient/p' }, ...parts })
const bundle = (type: string, parts: Parts): Resource => ({ resourceType: 'Bundle', type, ...parts })
const coding = (system: string, code: string): Parts => ({ system, code })
const concept = (system: string, code: string): Parts => ({ coding: [coding(system, code)] })
const contained = (...resources: unknown[]): Parts => ({ contained: resources })
const clinical = 'http://terminology.hl7.org/CodeSystem/condition-clinical'
const ucum = 'http://unitsofmeasure.org'
const extension = (parts: Parts): Parts => ({ extension: [{ url: 'http://example.org/x', ...parts }] })

type Row = readonly [title: string, status: 400 | 422, path: string, bad: Resource, good: Resource]

const STRUCTURE: readonly Row[] = [
  ['an unknown element', 400, 'Patient.colour', patient({ colour: 'red' }), patient({ active: true })],
  ['an unknown nested element', 400, 'Patient.name[0].nick', patient({ name: [{ nick: 'B' }] }), patient({ name: [{ text: 'B' }] })],
  ['an element of another type', 400, 'Patient.status', patient({ status: 'final' }), patient({ active: false })],
  ['an R5 element that the definitions carry', 400, 'Binary.url', { resourceType: 'Binary', contentType: 'text/plain', url: 'http://a.b' },
    { resourceType: 'Binary', contentType: 'text/plain' }],
  ['an element that a vendor added to Meta', 400, 'Patient.meta.project', patient({ meta: { project: 'x' } }), patient({ meta: { source: 'urn:x' } })],
  ['one value where the element repeats', 400, 'Patient.name', patient({ name: { text: 'A' } }), patient({ name: [{ text: 'A' }] })],
  ['an array where the element does not repeat', 400, 'Patient.gender', patient({ gender: ['male'] }), patient({ gender: 'male' })],
  ['an array where one object is meant', 400, 'Observation.subject', observation({ subject: [{ display: 'A' }] }), observation({ subject: { display: 'A' } })],
  ['text where an object is meant', 400, 'Patient.name[0]', patient({ name: ['A'] }), patient({ name: [{ text: 'A' }] })],
  ['an object where text is meant', 400, 'Patient.name[0].text', patient({ name: [{ text: {} }] }), patient({ name: [{ text: 'A' }] })],
  ['a number where an object is meant', 400, 'Observation.subject', observation({ subject: rawNumber('1.0') }), observation({ subject: { display: '1.0' } })],
  ['an empty array', 400, 'Patient.name', patient({ name: [] }), patient({ name: [{ family: 'A' }] })],
  ['an empty object', 400, 'Patient.name[0]', patient({ name: [{}] }), patient({ name: [{ family: 'A' }] })],
  ['an object with an id only', 400, 'Patient.name[0]', patient({ name: [{ id: 'n' }] }), patient({ name: [{ id: 'n', family: 'A' }] })],
  ['an empty string', 400, 'Patient.name[0].family', patient({ name: [{ family: '' }] }), patient({ name: [{ family: 'A' }] })],
  ['a null', 400, 'Patient.birthDate', patient({ birthDate: null }), patient({ birthDate: '1970-01-01' })],
  ['a null in an array of objects', 400, 'Patient.name[1]', patient({ name: [{ text: 'A' }, null] }), patient({ name: [{ text: 'A' }, { text: 'B' }] })],
  ['a null in an array of strings without an extension', 400, 'Patient.name[0].given[1]', patient({ name: [{ given: ['A', null] }] }),
    patient({ name: [{ given: ['A', null], _given: [null, extension({ valueString: 'x' })] }] })],
  ['a companion with nothing but an id', 400, 'Patient.birthDate', patient({ _birthDate: { id: 'b' } }), patient({ birthDate: '1970', _birthDate: { id: 'b' } })],
  ['a companion with a foreign element', 400, 'Patient.birthDate.note', patient({ birthDate: '1970', _birthDate: { note: 'x' } }),
    patient({ birthDate: '1970', _birthDate: extension({ valueString: 'x' }) })],
  ['a companion of an object', 400, 'Patient._maritalStatus', patient({ _maritalStatus: { id: 'x' } }), patient({ maritalStatus: { id: 'x', text: 'M' } })],
  ['two types of one choice', 400, 'Patient.deceasedDateTime', patient({ deceasedBoolean: true, deceasedDateTime: '2020' }), patient({ deceasedDateTime: '2020' })],
  ['two types of one choice, one by companion', 400, 'Patient.deceasedDateTime',
    patient({ deceasedBoolean: true, _deceasedDateTime: extension({ valueCode: 'x' }) }),
    patient({ deceasedDateTime: '2020', _deceasedDateTime: extension({ valueCode: 'x' }) })],
  ['a type that the choice does not have', 400, 'Patient.deceasedString', patient({ deceasedString: 'yes' }), patient({ deceasedBoolean: true })],
  ['a choice without its type', 400, 'Observation.value', observation({ value: 'x' }), observation({ valueString: 'x' })],
  ['a missing required element', 400, 'Observation.status', { resourceType: 'Observation', code: { text: 'x' } }, observation({})],
  ['a missing required choice', 400, 'MedicationRequest.medication',
    { resourceType: 'MedicationRequest', status: 'active', intent: 'order', subject: { display: 'x' } },
    { resourceType: 'MedicationRequest', status: 'active', intent: 'order', subject: { display: 'x' }, medicationCodeableConcept: { text: 'x' } }],
  ['a missing required element of a component', 400, 'Observation.component[1].code', observation({ component: [{ code: { text: 'a' } }, { valueString: 'x' }] }),
    observation({ component: [{ code: { text: 'a' } }, { code: { text: 'b' }, valueString: 'x' }] })],
  ['a contained resource of no R4 type', 400, 'Patient.contained[0].resourceType', patient(contained({ resourceType: 'Bot', id: 'b' })),
    patient({ ...contained({ resourceType: 'Organization', id: 'b', name: 'B' }), managingOrganization: { reference: '#b' } })],
  ['an entry resource with an unknown element', 400, 'Bundle.entry[1].resource.colour',
    bundle('collection', { entry: [{ resource: patient({ id: 'a' }) }, { resource: patient({ colour: 1 }) }] }),
    bundle('collection', { entry: [{ resource: patient({ id: 'a' }) }, { resource: patient({ active: true }) }] })],
  ['a fault under a content reference', 400, 'Observation.component[0].referenceRange[0].low.value',
    observation({ component: [{ code: { text: 'x' }, referenceRange: [{ low: { value: '1' } }] }] }),
    observation({ component: [{ code: { text: 'x' }, referenceRange: [{ low: { value: 1 } }] }] })]
]

const VALUES: readonly Row[] = [
  ['a boolean as text', 400, 'Patient.active', patient({ active: 'true' }), patient({ active: true })],
  ['an id with an underscore', 400, 'Patient.id', patient({ id: 'a_b' }), patient({ id: 'a-b.C9' })],
  ['an id of 65 characters', 400, 'Patient.id', patient({ id: 'a'.repeat(65) }), patient({ id: 'a'.repeat(64) })],
  ['an element id with a space', 400, 'Patient.name[0].id', patient({ name: [{ id: 'a b', text: 'x' }] }), patient({ name: [{ id: 'a_b:c', text: 'x' }] })],
  ['a uri with a space', 400, 'Patient.identifier[0].system', patient({ identifier: [{ system: 'http://a b' }] }), patient({ identifier: [{ system: 'http://a/b' }] })],
  ['a malformed OID', 400, 'Patient.identifier[0].system', patient({ identifier: [{ system: 'urn:oid:9.1' }] }), patient({ identifier: [{ system: 'urn:oid:2.1' }] })],
  ['a malformed UUID', 400, 'Patient.identifier[0].system', patient({ identifier: [{ system: 'urn:uuid:12' }] }),
    patient({ identifier: [{ system: 'urn:uuid:c757873d-ec9a-4326-a141-556f43239520' }] })],
  ['a relative canonical', 400, 'Patient.meta.profile[0]', patient({ meta: { profile: ['StructureDefinition/x'] } }),
    patient({ meta: { profile: ['http://example.org/StructureDefinition/x|1.0'] } })],
  ['a code with a leading space', 400, 'Patient.language', patient({ language: ' en' }), patient({ language: 'en' })],
  ['a code with two spaces', 400, 'Observation.code.coding[0].code', observation({ code: concept('s', 'a  b') }), observation({ code: concept('s', 'a b') })],
  ['a month 13', 400, 'Patient.birthDate', patient({ birthDate: '1970-13-01' }), patient({ birthDate: '1970-12-01' })],
  ['29 February of a common year', 400, 'Patient.birthDate', patient({ birthDate: '1900-02-29' }), patient({ birthDate: '2000-02-29' })],
  ['31 April', 400, 'Patient.birthDate', patient({ birthDate: '2001-04-31' }), patient({ birthDate: '2001-04-30' })],
  ['the year 0', 400, 'Patient.birthDate', patient({ birthDate: '0000' }), patient({ birthDate: '0001' })],
  ['a date with a time', 400, 'Patient.birthDate', patient({ birthDate: '1970-01-01T00:00:00Z' }), patient({ birthDate: '1970-01' })],
  ['a dateTime with a time and no zone', 400, 'Observation.effectiveDateTime', observation({ effectiveDateTime: '2020-01-01T10:00:00' }),
    observation({ effectiveDateTime: '2020-01-01T10:00:00+01:00' })],
  ['a dateTime without seconds', 400, 'Observation.effectiveDateTime', observation({ effectiveDateTime: '2020-01-01T10:00Z' }),
    observation({ effectiveDateTime: '2020-01-01T10:00:00Z' })],
  ['an hour 24', 400, 'Observation.effectiveDateTime', observation({ effectiveDateTime: '2020-01-01T24:00:00Z' }),
    observation({ effectiveDateTime: '2020-01-01T23:59:60.999Z' })],
  ['an instant without a time', 400, 'Observation.issued', observation({ issued: '2020-01-01' }), observation({ issued: '2020-01-01T00:00:00.5Z' })],
  ['a time with a zone', 400, 'Observation.valueTime', observation({ valueTime: '10:00:00Z' }), observation({ valueTime: '10:00:00' })],
  ['base64 of a wrong length', 400, 'Patient.photo[0].data', patient({ photo: [{ contentType: 'image/png', data: 'AAAAA' }] }),
    patient({ photo: [{ contentType: 'image/png', data: 'AAAA AA==' }] })],
  ['base64 with another letter', 400, 'Patient.photo[0].data', patient({ photo: [{ contentType: 'image/png', data: 'AA*A' }] }),
    patient({ photo: [{ contentType: 'image/png', data: 'AA+A' }] })],
  ['a decimal as text', 400, 'Observation.valueQuantity.value', observation({ valueQuantity: { value: '1.0' } }), observation({ valueQuantity: { value: rawNumber('1.0') } })],
  ['an integer with a fraction', 400, 'Observation.valueInteger', observation({ valueInteger: 1.5 }), observation({ valueInteger: 2 })],
  ['an integer written as a decimal', 400, 'Observation.valueInteger', observation({ valueInteger: rawNumber('2.0') }), observation({ valueInteger: -2 })],
  ['an integer of 33 bits', 400, 'Observation.valueInteger', observation({ valueInteger: 2147483648 }), observation({ valueInteger: 2147483647 })],
  ['a positiveInt of 0', 400, 'Patient.telecom[0].rank', patient({ telecom: [{ rank: 0 }] }), patient({ telecom: [{ rank: 1 }] })],
  ['a negative unsignedInt', 400, 'Bundle.total', bundle('searchset', { total: -1 }), bundle('searchset', { total: 0 })],
  ['a control character in a string', 400, 'Patient.name[0].text', patient({ name: [{ text: 'a\u0000b' }] }), patient({ name: [{ text: 'a\r\n\tb' }] })],
  ['a string over 1 MB', 400, 'Patient.name[0].text', patient({ name: [{ text: 'a'.repeat(1048577) }] }), patient({ name: [{ text: 'a'.repeat(1048576) }] })],
  ['half of a surrogate pair', 400, 'Patient.name[0].text', patient({ name: [{ text: '\ud83d' }] }), patient({ name: [{ text: '\ud83d\ude00' }] })],
  ['a reference of no valid form', 400, 'Observation.subject.reference', observation({ subject: { reference: 'patient one' } }),
    observation({ subject: { reference: 'Patient/one/_history/2' } })],
  ['a reference to an unknown type', 400, 'Observation.subject.reference', observation({ subject: { reference: 'Person1/2' } }),
    observation({ subject: { reference: 'https://x.org/anything' } })]
]

const BINDINGS: readonly Row[] = [
  ['a wrong code in a required binding', 422, 'Patient.gender', patient({ gender: 'm' }), patient({ gender: 'male' })],
  ['a code in the wrong case', 422, 'Observation.status', observation({ status: 'Final' }), observation({ status: 'final' })],
  ['a wrong code deep inside', 422, 'Patient.contact[0].name.use', patient({ contact: [{ name: { use: 'x' } }] }), patient({ contact: [{ name: { use: 'old' } }] })],
  ['a wrong code in a bound CodeableConcept', 422, 'Condition.clinicalStatus', condition({ clinicalStatus: concept(clinical, 'on') }),
    condition({ clinicalStatus: concept(clinical, 'active') })],
  ['the right code of a wrong system', 422, 'Condition.clinicalStatus', condition({ clinicalStatus: concept('http://x', 'active') }),
    condition({ clinicalStatus: { coding: [coding('http://x', 'on'), coding(clinical, 'relapse')] } })],
  ['text alone in a bound CodeableConcept', 422, 'Condition.clinicalStatus', condition({ clinicalStatus: { text: 'active' } }),
    condition({ clinicalStatus: { text: 'on', coding: [coding(clinical, 'active')] } })],
  ['a code that is not selectable', 422, 'Questionnaire.item[0].type', { resourceType: 'Questionnaire', status: 'draft', item: [{ linkId: '1', type: 'question' }] },
    { resourceType: 'Questionnaire', status: 'draft', item: [{ linkId: '1', type: 'string' }] }],
  ['a MIME type without a subtype', 422, 'Patient.photo[0].contentType', patient({ photo: [{ contentType: 'png' }] }), patient({ photo: [{ contentType: 'image/png' }] })],
  ['a language that is no tag', 422, 'Patient.language', patient({ language: 'e_n' }), patient({ language: 'de-CH' })],
  ['a currency that is none', 422, 'Invoice.totalNet.currency', { resourceType: 'Invoice', status: 'draft', totalNet: { value: 1, currency: 'usd' } },
    { resourceType: 'Invoice', status: 'draft', totalNet: { value: 1, currency: 'USD' } }],
  ['an R5 status that the definitions carry', 422, 'DetectedIssue.status', { resourceType: 'DetectedIssue', status: 'mitigated' }, { resourceType: 'DetectedIssue', status: 'final' }]
]

const organization = { resourceType: 'Organization', id: 'o', name: 'O' }

const RULES: readonly Row[] = [
  ['per-1', 422, 'Patient.name[0].period', patient({ name: [{ text: 'x', period: { start: '2020-02-01', end: '2020-01' } }] }),
    patient({ name: [{ text: 'x', period: { start: '2020-01-20', end: '2020-01' } }] })],
  ['per-1 across zones', 422, 'Observation.effectivePeriod', observation({ effectivePeriod: { start: '2020-01-01T10:00:00Z', end: '2020-01-01T10:30:00+01:00' } }),
    observation({ effectivePeriod: { start: '2020-01-01T10:00:00+01:00', end: '2020-01-01T09:30:00Z' } })],
  ['qty-3', 422, 'Observation.component[2].valueQuantity',
    observation({ component: [{ code: { text: 'a' } }, { code: { text: 'b' } }, { code: { text: 'c' }, valueQuantity: { value: 1, code: 'mg' } }] }),
    observation({ component: [{ code: { text: 'a' } }, { code: { text: 'b' } }, { code: { text: 'c' }, valueQuantity: { value: 1, code: 'mg', system: ucum } }] })],
  ['sqty-1: a SimpleQuantity with a comparator', 422, 'Observation.referenceRange[0].low', observation({ referenceRange: [{ low: { value: 1, comparator: '<' } }] }),
    observation({ referenceRange: [{ low: { value: 1 } }] })],
  ['rng-2', 422, 'Observation.valueRange', observation({ valueRange: { low: { value: 2 }, high: { value: rawNumber('1.50') } } }),
    observation({ valueRange: { low: { value: 1 }, high: { value: rawNumber('1.50') } } })],
  ['obs-6', 422, 'Observation', observation({ valueString: 'x', dataAbsentReason: { text: 'x' } }), observation({ dataAbsentReason: { text: 'x' } })],
  ['obs-7', 422, 'Observation', observation({ valueString: 'x', component: [{ code: { coding: [coding('s', 'bp')] }, valueString: 'y' }] }),
    observation({ valueString: 'x', component: [{ code: { coding: [coding('s', 'other')] }, valueString: 'y' }] })],
  ['ext-1: an extension with neither value nor extensions', 422, 'Patient.extension[0]', patient(extension({})), patient(extension({ valueCode: 'x' }))],
  ['ext-1: an extension with both', 422, 'Patient.extension[0]', patient(extension({ valueCode: 'x', ...extension({ valueCode: 'y' }) })),
    patient(extension({ ...extension({ valueCode: 'y' }) }))],
  ['an extension without a url', 400, 'Patient.extension[0].url', patient({ extension: [{ valueCode: 'x' }] }), patient(extension({ valueCode: 'x' }))],
  ['att-1', 422, 'Patient.photo[0]', patient({ photo: [{ data: 'AAAA' }] }), patient({ photo: [{ data: 'AAAA', contentType: 'image/png' }] })],
  ['cpt-2', 422, 'Patient.telecom[0]', patient({ telecom: [{ value: '1' }] }), patient({ telecom: [{ value: '1', system: 'phone' }] })],
  ['pat-1', 422, 'Patient.contact[0]', patient({ contact: [{ gender: 'male' }] }), patient({ contact: [{ gender: 'male', name: { text: 'x' } }] })],
  ['con-4', 422, 'Condition', condition({ abatementString: 'x', clinicalStatus: concept(clinical, 'active') }),
    condition({ abatementString: 'x', clinicalStatus: concept(clinical, 'resolved') })],
  ['tim-2', 422, 'ServiceRequest.occurrenceTiming.repeat',
    { resourceType: 'ServiceRequest', status: 'draft', intent: 'order', subject: { display: 'x' }, occurrenceTiming: { repeat: { period: 1 } } },
    { resourceType: 'ServiceRequest', status: 'draft', intent: 'order', subject: { display: 'x' }, occurrenceTiming: { repeat: { period: 1, periodUnit: 'd' } } }],
  ['que-2 in nested items', 422, 'Questionnaire',
    { resourceType: 'Questionnaire', status: 'draft', item: [{ linkId: '1', type: 'group', item: [{ linkId: '1', type: 'string' }] }] },
    { resourceType: 'Questionnaire', status: 'draft', item: [{ linkId: '1', type: 'group', item: [{ linkId: '2', type: 'string' }] }] }],
  ['que-1 under a content reference', 422, 'Questionnaire.item[0].item[0]',
    { resourceType: 'Questionnaire', status: 'draft', item: [{ linkId: '1', type: 'group', item: [{ linkId: '2', type: 'group' }] }] },
    { resourceType: 'Questionnaire', status: 'draft', item: [{ linkId: '1', type: 'group', item: [{ linkId: '2', type: 'display' }] }] }],
  ['bdl-7', 422, 'Bundle', bundle('collection', { entry: [1, 2].map(() => ({ fullUrl: 'urn:x:1', resource: patient({ active: true }) })) }),
    bundle('collection', { entry: [1, 2].map((n) => ({ fullUrl: `urn:x:${n}`, resource: patient({ active: true }) })) })],
  ['bdl-3', 422, 'Bundle', bundle('batch', { entry: [{ resource: patient({ active: true }) }] }),
    bundle('batch', { entry: [{ resource: patient({ active: true }), request: { method: 'POST', url: 'Patient' } }] })],
  ['ref-1: a fragment that names nothing', 422, 'Patient.managingOrganization.reference', patient({ managingOrganization: { reference: '#o' } }),
    patient({ ...contained(organization), managingOrganization: { reference: '#o' } })],
  ['dom-3: a contained resource that nothing names', 422, 'Patient.contained[0]', patient({ ...contained(organization), managingOrganization: { display: 'O' } }),
    patient({ managingOrganization: { reference: '#o' }, ...contained(organization) })],
  ['dom-3: a contained resource without an id', 422, 'Patient.contained[0]', patient(contained({ resourceType: 'Organization', name: 'O' })),
    patient(contained({ resourceType: 'Provenance', target: [{ reference: '#' }], recorded: '2020-01-01T00:00:00Z', agent: [{ who: { display: 'x' } }] }))],
  ['two contained resources of one id', 422, 'Patient.contained[1].id', patient({ ...contained(organization, organization), managingOrganization: { reference: '#o' } }),
    patient({ ...contained(organization), managingOrganization: { reference: '#o' } })],
  ['dom-2: contained in contained', 422, 'Patient.contained[0].contained',
    patient({ ...contained({ ...organization, ...contained(organization), partOf: { reference: '#o' } }), managingOrganization: { reference: '#o' } }),
    patient({ ...contained(organization), managingOrganization: { reference: '#o' } })],
  ['dom-4: a version in a contained resource', 422, 'Patient.contained[0].meta.versionId',
    patient({ ...contained({ ...organization, meta: { versionId: '1' } }), managingOrganization: { reference: '#o' } }),
    patient({ ...contained({ ...organization, meta: { source: 'urn:x' } }), managingOrganization: { reference: '#o' } })],
  ['dom-5: a security label in a contained resource', 422, 'Patient.contained[0].meta.security',
    patient({ ...contained({ ...organization, meta: { security: [coding('s', 'R')] } }), managingOrganization: { reference: '#o' } }),
    patient({ ...contained({ ...organization, meta: { tag: [coding('s', 'R')] } }), managingOrganization: { reference: '#o' } })],
  ['a reference to a type that the element does not allow', 422, 'Observation.subject.reference', observation({ subject: { reference: 'Practitioner/1' } }),
    observation({ subject: { reference: 'Patient/1' } })],
  ['such a reference as an absolute URL', 422, 'Observation.subject.reference', observation({ subject: { reference: 'https://x.org/fhir/Practitioner/1' } }),
    observation({ subject: { reference: 'https://x.org/fhir/Group/1' } })],
  ['such a reference by criteria', 422, 'Observation.subject.reference', observation({ subject: { reference: 'Practitioner?identifier=1' } }),
    observation({ subject: { reference: 'Patient?identifier=1' } })],
  ['such a reference to a contained resource', 422, 'Observation.subject.reference', observation({ ...contained(organization), subject: { reference: '#o' } }),
    observation({ ...contained({ resourceType: 'Group', id: 'o', type: 'person', actual: true }), subject: { reference: '#o' } })],
  ['a type beside a reference that differs from it', 422, 'Observation.subject.type', observation({ subject: { reference: 'Patient/1', type: 'Group' } }),
    observation({ subject: { reference: 'Patient/1', type: 'Patient' } })]
]

export const CASES: readonly Case[] = [...STRUCTURE, ...VALUES, ...BINDINGS, ...RULES]
  .map(([title, status, path, bad, good]) => ({ title, status, path, bad, good }))
