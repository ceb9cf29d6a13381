/** _include and _revinclude (https://hl7.org/fhir/R4/search.html#include). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, type Json, startHarness, SYSTEM } from '../harness.ts'
import { bundle, entry, linkOf, observation, organization, patient, refusal, statuses } from './kit.ts'

let server: Harness
let system: string

const ref = (reference: string) => ({ reference })
const row = (resourceType: string, id: string, more: object) => ({ resourceType, id, ...more })

beforeAll(async () => {
  server = await startHarness({ INCLUDED_RECORDS_MAX: '9', INCLUDES_MAX: '3' })
  system = await server.token(SYSTEM)
  const rows = [
    organization('Trust', { id: 'top' }), organization('Hospital', { id: 'mid', partOf: ref('Organization/top') }), organization('Ward', { id: 'low', partOf: ref('Organization/mid') }),
    row('Practitioner', 'joe', { name: [{ family: 'Welby' }] }), row('Location', 'room', { name: 'Room', managingOrganization: ref('Organization/low') }),
    patient('Adams', { id: 'adams', managingOrganization: ref('Organization/low'), generalPractitioner: [ref('Practitioner/joe')] }),
    patient('Baker', { id: 'baker', managingOrganization: ref('Organization/low'), link: [{ other: ref('Patient/adams'), type: 'seealso' }] }),
    row('Encounter', 'e-adams', { status: 'finished', class: { code: 'AMB' }, subject: ref('Patient/adams'), location: [{ location: ref('Location/room') }] }),
    observation('Patient/adams', { id: 'o-1', encounter: ref('Encounter/e-adams'), performer: [ref('Practitioner/joe'), ref('Organization/low')] }),
    observation(`${server.base}/Patient/adams/_history/1`, { id: 'o-2', hasMember: [ref('Observation/o-1'), ref('Observation/gone'), ref('Observation/never')] }),
    observation('Patient/baker', { id: 'o-3', derivedFrom: [ref('Observation/o-2')], performer: [ref('Practitioner/joe')] }), observation('Patient/baker', { id: 'gone' }),
    row('Provenance', 'p-1', { target: [ref('Observation/o-1'), ref('Patient/adams')], recorded: '2024-01-01T00:00:00Z', agent: [{ who: ref('Practitioner/joe') }] })
  ]
  expect(statuses(await server.ask(system, 'POST', '', { body: bundle('transaction', rows.map((one) => entry('PUT', `${one.resourceType}/${one.id}`, one))) })).every((status) => status === 201)).toBe(true)
  expect((await server.ask(system, 'DELETE', 'Observation/gone')).status).toBe(204)
})
afterAll(() => server.close())

const ofMode = (bundleJson: Json, mode: string): readonly string[] =>
  (bundleJson.entry ?? []).filter((one: Json) => one.search.mode === mode).map((one: Json) => `${one.resource.resourceType}/${one.resource.id}`).sort()

async function included(path: string, token = system): Promise<readonly string[]> {
  const reply = await server.ask(token, 'GET', path)
  expect(reply.status, `${path} ${reply.text}`).toBe(200)
  const [matches, others] = [ofMode(reply.json, 'match'), ofMode(reply.json, 'include')]
  expect(reply.json.total).toBe(matches.length)
  expect(new Set([...matches, ...others]).size).toBe(reply.json.entry?.length ?? 0)
  expect((reply.json.entry ?? []).every((one: Json) => one.fullUrl === `${server.base}/${one.resource.resourceType}/${one.resource.id}`)).toBe(true)
  return others
}

test.each([
  ['Observation?_id=o-1&_include=Observation:patient', ['Patient/adams']],
  ['Observation?_id=o-1,o-2&_include=Observation:subject', ['Patient/adams']],
  ['Observation?_id=o-1&_include=Observation:performer', ['Organization/low', 'Practitioner/joe']],
  ['Observation?_id=o-1&_include=Observation:performer:Practitioner', ['Practitioner/joe']],
  ['Observation?_id=o-1&_include=Observation:performer:Organization&_include=Observation:subject', ['Organization/low', 'Patient/adams']],
  ['Observation?_id=o-2&_include=Observation:has-member', ['Observation/o-1']],
  ['Observation?_id=o-1,o-2&_include=Observation:has-member', []],
  ['Observation?_id=o-1&_include=*', ['Encounter/e-adams', 'Organization/low', 'Patient/adams', 'Practitioner/joe']],
  ['Observation?_id=o-1&_include=Observation:*:Patient', ['Patient/adams']],
  ['Observation?_id=o-1&_include=Encounter:patient', []],
  ['Observation?_id=o-1&_include=Observation:encounter&_include:iterate=Encounter:location', ['Encounter/e-adams', 'Location/room']],
  ['Observation?_id=o-1&_include=Observation:encounter&_include=Encounter:location', ['Encounter/e-adams']],
  ['Observation?_id=o-1&_include=Observation:patient&_include:iterate=Patient:organization&_include:iterate=Organization:partof', ['Organization/low', 'Organization/mid', 'Organization/top', 'Patient/adams']],
  ['Observation?_id=o-3&_include:iterate=Observation:derived-from&_include:iterate=Observation:has-member', ['Observation/o-1', 'Observation/o-2']],
  ['Patient?_id=adams&_revinclude=Observation:patient', ['Observation/o-1', 'Observation/o-2']],
  ['Patient?_id=adams&_revinclude=Observation:subject&_revinclude=Encounter:patient', ['Encounter/e-adams', 'Observation/o-1', 'Observation/o-2']],
  ['Patient?_id=adams&_revinclude=Provenance:target', ['Provenance/p-1']],
  ['Patient?_id=adams&_revinclude=Observation:patient&_revinclude:iterate=Provenance:target', ['Observation/o-1', 'Observation/o-2', 'Provenance/p-1']],
  ['Observation?_id=o-1&_revinclude=Observation:*', ['Observation/o-2']],
  ['Patient?_id=adams&_revinclude=Patient:link', ['Patient/baker']],
  ['Patient?_id=adams,baker&_revinclude=Patient:link', []],
  ['Organization?_id=top&_revinclude:iterate=Organization:partof', ['Organization/low', 'Organization/mid']],
  ['Organization?_id=top&_revinclude=Organization:partof', ['Organization/mid']],
  ['Practitioner?_id=joe&_revinclude=Observation:performer:Practitioner', ['Observation/o-1', 'Observation/o-3']],
  ['Patient?name=nobody&_include=*&_revinclude=Observation:patient', []]
] as const)('%s', async (path, refs) => { expect(await included(path)).toEqual(refs) })

test('every page brings what belongs to its own matches, and links keep the includes', async () => {
  const seen: [readonly string[], readonly string[]][] = []
  for (let path: string | undefined = 'Observation?_count=1&_sort=_id&_include=Observation:patient&_revinclude=Provenance:target'; path !== undefined;) {
    const reply = await server.ask(system, 'GET', path)
    seen.push([ofMode(reply.json, 'match'), ofMode(reply.json, 'include')])
    path = linkOf(server, reply.json, 'next')
  }
  expect(seen).toEqual([[['Observation/o-1'], ['Patient/adams', 'Provenance/p-1']], [['Observation/o-2'], ['Patient/adams']], [['Observation/o-3'], ['Patient/baker']]])
})

describe('refused', () => {
  test('what leads over a canonical URL, by name: includes, chains and _has; what is beside it in a wildcard is followed', async () => {
    const url = 'http://forms.example/q'
    await server.put({ resourceType: 'Questionnaire', id: 'form', url, status: 'active' })
    await server.put({ resourceType: 'QuestionnaireResponse', id: 'filled', status: 'completed', questionnaire: url, subject: ref('Patient/adams') })
    for (const [path, name] of [
      ['QuestionnaireResponse?_include=QuestionnaireResponse:questionnaire', '_include'], ['Questionnaire?_revinclude=QuestionnaireResponse:questionnaire', '_revinclude'],
      ['QuestionnaireResponse?questionnaire.title=x', 'questionnaire'], ['Questionnaire?_has:QuestionnaireResponse:questionnaire:status=completed', '_has']
    ] as const) {
      const reply = await server.ask(system, 'GET', path)
      expect([path, refusal(reply)[0], reply.text.includes(name)]).toEqual([path, 400, true])
    }
    expect(await included('QuestionnaireResponse?_id=filled&_include=*')).toEqual(['Patient/adams'])
    expect(ofMode((await server.ask(system, 'GET', `QuestionnaireResponse?questionnaire=${url}`)).json, 'match')).toEqual(['QuestionnaireResponse/filled'])
  })

  test.each(['_include=Observation', '_include=Observation:nosuch', '_include=Observation:code', '_include=Nosuch:patient', '_include=Observation:patient:Group', '_include=Observation:subject:Patient:x', '_include:recurse=Observation:patient', '_include:=*',
    '_revinclude=*', '_revinclude=Observation:encounter', '_revinclude=Patient:organization', '_revinclude=Observation:subject:Location', '_summary=text&_include=Observation:subject'
  ])('Patient?%s with 400', async (text) => {
    expect(refusal(await server.ask(system, 'GET', `${text.startsWith('_include') || text.startsWith('_summary') ? 'Observation' : 'Patient'}?${text}`))[0]).toBe(400)
  })

  test('past INCLUDES_MAX and INCLUDED_RECORDS_MAX, by name: 422', async () => {
    const many = await server.ask(system, 'GET', `Observation?${Array.from({ length: 4 }, () => '_include=Observation:subject').join('&')}`)
    expect([...refusal(many).slice(0, 2), many.text.includes('INCLUDES_MAX')]).toEqual([422, 'too-costly', true])
    const body = bundle('transaction', Array.from({ length: 10 }, (_, n) => entry('PUT', `Condition/c-${n}`, row('Condition', `c-${n}`, { subject: ref('Patient/baker'), clinicalStatus: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'active' }] } }))))
    expect(statuses(await server.ask(system, 'POST', '', { body })).every((status) => status === 201)).toBe(true)
    const wide = await server.ask(system, 'GET', 'Patient?_id=baker&_revinclude=Condition:patient')
    expect([...refusal(wide).slice(0, 2), wide.text.includes('INCLUDED_RECORDS_MAX')]).toEqual([422, 'too-costly', true])
    expect((await server.ask(system, 'DELETE', 'Condition/c-0')).status).toBe(204)
    expect(await included('Patient?_id=baker&_revinclude=Condition:patient')).toHaveLength(9)
    const narrow = await server.token({ scope: 'system/Patient.rs system/Condition.rs?_id=c-3' })
    expect(await included('Patient?_id=baker&_revinclude=Condition:patient', narrow)).toEqual(['Condition/c-3'])
  })
})

describe('rights', () => {
  test('a type that is named and may not be read is 403; where none is named it is left out', async () => {
    const token = await server.token({ scope: 'system/Observation.rs system/Organization.rs' })
    for (const text of ['_include=Observation:patient', '_include=Observation:performer:Practitioner', '_revinclude=Provenance:target', '_revinclude=Observation:has-member&_revinclude=DiagnosticReport:result']) {
      expect([text, refusal(await server.ask(token, 'GET', `Observation?_id=o-1&${text}`)).slice(0, 2)]).toEqual([text, [403, 'forbidden']])
    }
    expect(await included('Observation?_id=o-1&_include=Observation:performer', token)).toEqual(['Organization/low'])
    expect(await included('Observation?_id=o-1&_include=*', token)).toEqual(['Organization/low'])
    expect(refusal(await server.ask(await server.token({ scope: 'system/Patient.rs system/Observation.s' }), 'GET', 'Patient?_revinclude=Observation:patient'))[0]).toBe(403)
    expect(refusal(await server.ask(await server.token({ scope: 'system/Patient.rs system/Observation.r' }), 'GET', 'Patient?_revinclude=Observation:patient'))[0]).toBe(403)
  })

  test('a patient gets what is hers and what is nobody\'s: a location that she may not search, too', async () => {
    const adams = await server.token({ scope: 'patient/*.rs', patient: 'adams' })
    expect((await server.ask(adams, 'GET', 'Location')).status).toBe(403)
    expect(await included('Encounter?_include=Encounter:location&_include=Encounter:patient', adams)).toEqual(['Location/room', 'Patient/adams'])
    expect(await included('Organization?_id=low&_revinclude=Patient:organization', adams)).toEqual(['Patient/adams'])
    expect(await included('Practitioner?_revinclude=Observation:performer', adams)).toEqual(['Observation/o-1'])
  })

  test('what is included is masked like a read, and disclosed in the ledger', async () => {
    const billing = await server.token({ scope: 'user/*.rs', roles: ['billing'], fhirUser: 'Practitioner/joe', subject: 'the-biller' })
    const reply = await server.ask(billing, 'GET', 'Encounter?_include=Encounter:patient')
    const one = reply.json.entry.find((each: Json) => each.resource.resourceType === 'Patient').resource
    expect(one).toEqual((await server.ask(billing, 'GET', 'Patient/adams')).json)
    expect([one.meta.tag[0].code, one.generalPractitioner]).toEqual(['SUBSETTED', undefined])
    const events = await server.ask(system, 'GET', 'AuditEvent?entity=Patient/adams&subtype=search-type&_count=200')
    const mine = events.json.entry.map((each: Json) => each.resource).filter((event: Json) => JSON.stringify(event.agent).includes('the-biller'))
    expect(mine.some((event: Json) => event.entity.some(({ what }: Json) => what?.reference?.startsWith('Patient/adams')))).toBe(true)
  })

  test('a reference that a role does not see includes nothing: 403 by name, or nothing under *', async () => {
    const billing = await server.token({ scope: 'user/*.rs', roles: ['billing'], fhirUser: 'Practitioner/joe' })
    const named = await server.ask(billing, 'GET', 'Patient?_id=adams&_include=Patient:general-practitioner')
    expect([named.status, named.text.includes('general-practitioner')]).toEqual([403, true])
    const any = await server.ask(billing, 'GET', 'Patient?_id=adams&_include=*')
    expect(ofMode(any.json, 'include')).not.toContain('Practitioner/joe')
    expect(await included('Patient?_id=adams&_include=*')).toContain('Practitioner/joe')
  })
})
