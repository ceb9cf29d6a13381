/** Rows that name two patients, point at one in unusual ways, changed hands, or went: those that patient A may see and those that A may not. */
import type { Resource } from '../../src/model/resource.ts'
import type { Json } from '../harness.ts'
import { BASE } from './rows.ts'
import type { Side } from './world.ts'

const patient = (id: string): Json => ({ reference: `Patient/${id}` })
const row = (resourceType: string, id: string, content: Json): Resource => ({ resourceType, id, ...content })
const observation = (id: string, content: Json): Resource => row('Observation', id, { status: 'final', code: { text: 'x' }, ...content })
const actors = (...ids: readonly string[]): Json => ids.map((id) => ({ actor: patient(id), status: 'accepted' }))
const agent = [{ who: { display: 'x' } }]
const audit = (id: string, ...whats: readonly string[]): Resource => row('AuditEvent', id, {
  type: { system: 'http://terminology.hl7.org/CodeSystem/audit-event-type', code: 'rest' }, recorded: '2024-01-01T00:00:00Z', outcome: '0',
  agent: [{ requestor: true }], source: { observer: { display: 'x' } }, entity: whats.map((reference) => ({ what: { reference } }))
})
const encounter = (id: string, of: string, whole: string): Resource =>
  row('Encounter', id, { status: 'finished', class: { code: 'AMB' }, subject: patient(of), partOf: { reference: `Encounter/${whole}` } })
const coverage = (id: string, content: Json): Resource => row('Coverage', id, { status: 'active', payor: [{ display: 'x' }], ...content })

/** A's by DESIGN.md §5: about A alone, or A is a party by right. */
export const seenByA: readonly Resource[] = [
  observation('focus-b', { subject: patient('a'), focus: [patient('b')] }),
  observation('absolute-a', { subject: { reference: `${BASE}/Patient/a` } }),
  observation('versioned-a', { subject: { reference: 'Patient/a/_history/1' } }),
  observation('contains-b', {
    subject: patient('a'), performer: [{ reference: '#inner' }],
    contained: [{ resourceType: 'Patient', id: 'inner', name: [{ family: 'Familyb' }], identifier: [{ system: 'urn:ssn', value: 'ssn-b' }] }]
  }),
  coverage('coverage-a-b', { beneficiary: patient('a'), payor: [patient('b')] }),
  coverage('coverage-b-a', { beneficiary: patient('b'), policyHolder: patient('a') }),
  row('AllergyIntolerance', 'allergy-b-by-a', { patient: patient('b'), asserter: patient('a'), clinicalStatus: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical', code: 'active' }] } }),
  row('Communication', 'message-a-b', { status: 'completed', subject: patient('b'), sender: patient('a') }),
  row('Provenance', 'provenance-a', { target: [{ reference: 'Observation/a-Observation-0' }, { reference: 'Organization/all-Organization-0' }], recorded: '2024-01-01T00:00:00Z', agent }),
  row('Binary', 'binary-a', { contentType: 'text/plain', data: 'c2VjcmV0', securityContext: { reference: 'Observation/a-Observation-0' } }),
  audit('audit-a', 'Patient/a'),
  encounter('part-of-hidden', 'a', 'hidden-part'), encounter('part-of-seen', 'a', 'part-of-hidden'),
  row('Device', 'device-free', { deviceName: [{ name: 'Thermometer', type: 'user-friendly-name' }] })
]

/** Not A's, though each has a thread that leads to A. */
export const hiddenFromA: readonly Resource[] = [
  encounter('hidden-part', 'b', 'a-Encounter-0'), encounter('hidden-end', 'b', 'part-of-seen'),
  observation('b-by-a', { subject: patient('b'), performer: [patient('a')] }),
  observation('b-focus-a', { subject: patient('b'), focus: [patient('a')] }),
  observation('a-by-b', { subject: patient('a'), performer: [patient('b')] }),
  observation('absolute-b', { subject: { reference: `${BASE}/Patient/b` }, performer: [patient('a')] }),
  observation('shouted-b', { subject: { reference: `HTTP://CLINIC.test:80/fhir/R4/Patient/b` }, performer: [patient('a')] }),
  observation('dotted-b', { subject: { reference: `${BASE}/./Patient/b` }, performer: [patient('a')] }),
  observation('versioned-b', { subject: { reference: 'Patient/b/_history/1' }, performer: [patient('a')] }),
  observation('nobodys', { identifier: [{ system: 'urn:ids', value: 'id-a' }] }),
  observation('other-host', { subject: { reference: 'http://127.0.0.1/fhir/R4/Patient/a' } }),
  observation('by-name-only', { subject: { display: 'Givena Familya', identifier: { system: 'urn:ssn', value: 'ssn-a' } } }),
  row('Appointment', 'both', { status: 'proposed', participant: actors('a', 'b') }),
  row('Group', 'both', { type: 'person', actual: true, member: [{ entity: patient('a') }, { entity: patient('b') }] }),
  row('List', 'both', { status: 'current', mode: 'working', subject: patient('b'), source: patient('a'), entry: [{ item: { reference: 'Observation/b-Observation-0' } }] }),
  row('Account', 'both', { status: 'active', subject: [patient('a'), patient('b')] }),
  row('Person', 'both', { link: [{ target: patient('a') }, { target: patient('b') }] }),
  row('Schedule', 'both', { actor: [patient('a'), patient('b')] }),
  row('CarePlan', 'b-by-a', { status: 'active', intent: 'plan', subject: patient('b'), activity: [{ detail: { status: 'scheduled', performer: [patient('a')] } }] }),
  row('CareTeam', 'b-with-a', { status: 'active', subject: patient('b'), participant: [{ member: patient('a') }] }),
  row('QuestionnaireResponse', 'b-by-a', { status: 'completed', subject: patient('b'), author: patient('a') }),
  row('DocumentReference', 'b-by-a', { status: 'current', subject: patient('b'), author: [patient('a')], content: [{ attachment: { title: 'x' } }] }),
  row('Patient', 'linked', { link: [{ other: patient('a'), type: 'replaces' }], name: [{ family: 'Familya', given: ['Givena'] }] }),
  row('Provenance', 'of-both', { target: [{ reference: 'Observation/a-Observation-0' }, { reference: 'Observation/b-Observation-0' }], recorded: '2024-01-01T00:00:00Z', agent }),
  row('Provenance', 'of-provenance', { target: [{ reference: 'Provenance/b-Provenance-0' }, { reference: 'Patient/a' }], recorded: '2024-01-01T00:00:00Z', agent }),
  row('Provenance', 'of-nothing', { target: [{ reference: 'Observation/never-was' }], recorded: '2024-01-01T00:00:00Z', agent: [{ who: patient('a') }] }),
  row('Binary', 'without-context', { contentType: 'text/plain', data: 'c2VjcmV0' }),
  row('Binary', 'of-shared', { contentType: 'text/plain', data: 'c2VjcmV0', securityContext: { reference: 'Organization/all-Organization-0' } }),
  row('Task', 'b-for-a-owner', { status: 'requested', intent: 'order', for: patient('b'), owner: patient('a'), requester: patient('a') }),
  row('Task', 'a-about-b', { status: 'requested', intent: 'order', for: patient('a'), focus: { reference: 'Observation/b-Observation-0' } }),
  row('Slot', 'of-both', { schedule: { reference: 'Schedule/both' }, status: 'free', start: '2024-03-03T10:00:00Z', end: '2024-03-03T11:00:00Z' }),
  audit('audit-b', 'Patient/b'), audit('audit-b-row', 'Observation/b-Observation-0'), audit('audit-both', 'Patient/a', 'Patient/b')
]

/** A's `gained` was B's before; its first version stays B's. */
export async function gain(side: Side): Promise<void> {
  await side.load([observation('gained', { subject: patient('b'), valueString: 'when it was of b' })])
  await side.load([observation('gained', { subject: patient('a') })])
}

/** B's `lost` was A's before, `lost-and-gone` too; `b-gone` never was. */
export async function lose(side: Side): Promise<void> {
  const ids = ['lost', 'lost-and-gone', 'b-gone']
  await side.load(ids.map((id) => observation(id, { subject: patient(id === 'b-gone' ? 'b' : 'a'), identifier: [{ system: 'urn:ids', value: 'id-lost' }] })))
  await side.load(ids.map((id) => observation(id, { subject: patient('b'), identifier: [{ system: 'urn:ids', value: 'id-lost' }] })))
  await side.remove('Observation/lost-and-gone', 'Observation/b-gone')
}

/** Hidden references by how they read: a row, its versions, and the rows that went. */
export const hiddenRefs: readonly string[] = [...hiddenFromA.map(({ resourceType, id }) => `${resourceType}/${id}`), 'Observation/lost', 'Observation/lost-and-gone', 'Observation/b-gone']
