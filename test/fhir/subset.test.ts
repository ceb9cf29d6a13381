/** _summary and _elements (https://hl7.org/fhir/R4/search.html#summary). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, type Json, startHarness, SYSTEM } from '../harness.ts'
import { patient, refusal } from './kit.ts'

let server: Harness
let system: string

const text = { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">Ann</div>' }
const PATIENT = patient('Adams', {
  id: 'ann', text, active: true, birthDate: '1950-03-01', _birthDate: { extension: [{ url: 'http://example.org/x', valueString: 'about' }] }, gender: 'female',
  contact: [{ name: { family: 'Next' } }], communication: [{ language: { text: 'de' } }], deceasedBoolean: false, generalPractitioner: [{ reference: 'Practitioner/joe' }],
  extension: [{ url: 'http://example.org/y', valueBoolean: true }], link: [{ other: { reference: 'Patient/x' }, type: 'seealso' }]
})
const OBSERVATION = {
  resourceType: 'Observation', id: 'o', text, status: 'final', code: { text: 'x' }, subject: { reference: 'Patient/ann' }, valueQuantity: { value: 1.50, unit: 'mg' }, note: [{ text: 'a note' }],
  component: [{ code: { text: 'part' }, valueString: 'v', interpretation: [{ text: 'high' }] }], interpretation: [{ text: 'low' }]
}

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
  await server.put(PATIENT)
  await server.put({ resourceType: 'Practitioner', id: 'joe', name: [{ family: 'Welby' }], text })
  await server.ask(system, 'PUT', 'Observation/o', { body: JSON.stringify(OBSERVATION).replace('"value":1.5', '"value":1.50') })
})
afterAll(() => server.close())

async function only(path: string, token = system): Promise<Json> {
  const reply = await server.ask(token, 'GET', path)
  expect(reply.status, reply.text).toBe(200)
  expect(reply.json.total).toBe(1)
  const { meta, ...rest } = reply.json.entry[0].resource
  expect([meta.versionId, meta.tag]).toEqual(['1', [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' }]])
  return rest
}

const FRAME = { resourceType: 'Patient', id: 'ann' }

test('_summary=true: the elements that R4 marks, in backbone elements too', async () => {
  const { name, gender, birthDate, _birthDate, active, deceasedBoolean, link } = PATIENT
  expect(await only('Patient?_summary=true')).toEqual({ ...FRAME, name, gender, birthDate, _birthDate, active, deceasedBoolean, link })
  const { status, code, subject, valueQuantity } = OBSERVATION
  expect(await only('Observation?_summary=true')).toEqual({ resourceType: 'Observation', id: 'o', status, code, subject, valueQuantity, component: [{ code: { text: 'part' }, valueString: 'v' }] })
})

test('_summary=text: the narrative and what is required', async () => {
  const { status, code } = OBSERVATION
  expect(await only('Observation?_summary=text')).toEqual({ resourceType: 'Observation', id: 'o', text, status, code })
})

test('_summary=data: all but the narrative; false: all, and not marked', async () => {
  const { text: _text, ...rest } = PATIENT
  expect(await only('Patient?_summary=data')).toEqual(rest)
  const { meta, ...whole } = (await server.ask(system, 'GET', 'Patient?_summary=false')).json.entry[0].resource
  expect([whole, meta.tag]).toEqual([PATIENT, undefined])
})

test('_summary=count: the total alone', async () => {
  const { json } = await server.ask(system, 'GET', 'Patient?_summary=count&_include=*&_sort=name')
  expect([json.total, json.entry]).toEqual([1, undefined])
})

test('_elements: those, the required ones and modifiers; a choice by its name, a primitive with its extensions', async () => {
  const { birthDate, _birthDate, active, deceasedBoolean, link, name } = PATIENT
  expect(await only('Patient?_elements=birthDate')).toEqual({ ...FRAME, birthDate, _birthDate, active, deceasedBoolean, link })
  expect(await only('Patient?_elements=Patient.name,id')).toEqual({ ...FRAME, name, active, deceasedBoolean, link })
  const { status, code, valueQuantity } = OBSERVATION
  expect(await only('Observation?_elements=value')).toEqual({ resourceType: 'Observation', id: 'o', status, code, valueQuantity })
})

test('numbers keep their text', async () => {
  expect((await server.ask(system, 'GET', 'Observation?_elements=value')).text).toContain('1.50')
})

test('what is included is summed up too, but has all its elements under _elements', async () => {
  const included = async (how: string): Promise<Json> => (await server.ask(system, 'GET', `Patient?_include=Patient:general-practitioner&${how}`)).json.entry[1].resource
  expect([(await included('_summary=data')).text, (await included('_elements=name')).text]).toEqual([undefined, text])
})

test('a page keeps its form', async () => {
  await server.put(patient('Baker', { id: 'bob', birthDate: '1960-01-01', contact: [{ name: { family: 'Next' } }] }))
  const first = await server.ask(system, 'GET', 'Patient?_count=1&_sort=name&_elements=name')
  const next = first.json.link.find(({ relation }: Json) => relation === 'next').url.slice(server.base.length)
  const second = (await server.ask(system, 'GET', next)).json.entry[0].resource
  expect([second.id, second.name[0].family, second.birthDate, second.meta.tag[0].code]).toEqual(['bob', 'Baker', undefined, 'SUBSETTED'])
  await server.ask(system, 'DELETE', 'Patient/bob')
})

describe('a role that sees part of a row', () => {
  test('gets no more by naming it', async () => {
    const billing = await server.token({ scope: 'user/*.rs', roles: ['billing'], fhirUser: 'Practitioner/joe' })
    const shown = await only('Patient?_elements=generalPractitioner,text,contact,name', billing)
    expect([shown.generalPractitioner, shown.text, shown.contact, shown.name]).toEqual([undefined, undefined, undefined, PATIENT.name])
    expect((await only('Patient?_summary=text', billing)).text).toBeUndefined()
  })
})

test.each(['_elements=names', '_elements=name.family', '_elements=valueQuantity,name', '_elements=__proto__', '_elements=name,,gender', '_summary=true&_elements=name', '_summary=1', '_elements=a&_elements=b'])('%s is 400', async (query) => {
  expect(refusal(await server.ask(system, 'GET', `Patient?${query}`))[0]).toBe(400)
})
