import { describe, expect, test } from 'vitest'
import { BASE, finds, refusal } from './asking.ts'

const about = (reference: string, more: object = {}) => ({ resourceType: 'Observation', subject: { reference, ...more } })
const local = about('Patient/123')
const answered = (questionnaire: string) => ({ resourceType: 'QuestionnaireResponse', questionnaire })

describe('reference search', () => {
  test.each([
    ['subject=Patient/123', local, true], ['subject=Patient/12', local, false], ['subject=Patient/1234', local, false], ['subject=Group/123', local, false],
    ['subject=123', local, true], ['subject=123', about('Group/123'), true], ['subject=12', local, false],
    ['subject:Patient=123', local, true], ['subject:Patient=Patient/123', local, true], ['subject:Group=123', local, false], ['subject:Patient=123', about('Group/123'), false],
    ['patient=123', local, true], ['patient=Patient/123', local, true], ['patient=123', about('Group/123'), false],
    // Absolute URLs of our own base are the same place; those of others are only themselves.
    [`subject=${BASE}/Patient/123`, local, true], ['subject=Patient/123', about(`${BASE}/Patient/123`), true], ['subject=123', about(`${BASE}/Patient/123`), true],
    [`patient=${BASE}/Patient/123`, local, true], ['subject=https://other.example/Patient/123', local, false],
    ['subject=https://other.example/Patient/123', about('https://other.example/Patient/123'), true], ['subject=Patient/123', about('https://other.example/Patient/123'), false],
    ['subject=123', about('https://other.example/Patient/123'), false], ['subject=urn:uuid:1-2', about('urn:uuid:1-2'), true], ['subject=urn:uuid:1-3', about('urn:uuid:1-2'), false],
    // Versions: without one any version, with one only that.
    ['subject=Patient/123', about('Patient/123/_history/2'), true], ['subject=Patient/123/_history/2', about('Patient/123/_history/2'), true],
    ['subject=Patient/123/_history/3', about('Patient/123/_history/2'), false], ['subject=Patient/123/_history/2', local, false],
    // Canonicals.
    ['questionnaire=http://q.example/1', answered('http://q.example/1'), true], ['questionnaire=http://q.example/1', answered('http://q.example/1|2.0'), true],
    ['questionnaire=http://q.example/1|2.0', answered('http://q.example/1|2.0'), true], ['questionnaire=http://q.example/1|3.0', answered('http://q.example/1|2.0'), false],
    ['questionnaire=http://q.example/1|2.0', answered('http://q.example/1'), false], ['questionnaire=http://q.example/', answered('http://q.example/1'), false],
    // Contained and logical references have no place.
    ['subject=p', about('#p'), false], ['subject:identifier=http://a|7', { resourceType: 'Observation', subject: { identifier: { system: 'http://a', value: '7' } } }, true],
    ['subject:identifier=7', { resourceType: 'Observation', subject: { identifier: { system: 'http://a', value: '7' } } }, true], ['subject:identifier=http://b|7', { resourceType: 'Observation', subject: { identifier: { system: 'http://a', value: '7' } } }, false],
    ['subject:identifier=7', local, false], ['subject=7', { resourceType: 'Observation', subject: { identifier: { value: '7' } } }, false],
    // Presence, repetition, alternatives.
    ['subject:missing=false', local, true], ['subject:missing=true', { resourceType: 'Observation' }, true], ['encounter:missing=false', local, false],
    ['performer=Practitioner/2', { resourceType: 'Observation', performer: [{ reference: 'Practitioner/1' }, { reference: 'Practitioner/2' }] }, true],
    ['performer=Practitioner/1&performer=Practitioner/2', { resourceType: 'Observation', performer: [{ reference: 'Practitioner/1' }, { reference: 'Practitioner/2' }] }, true],
    ['performer=Practitioner/1&performer=Practitioner/3', { resourceType: 'Observation', performer: [{ reference: 'Practitioner/1' }] }, false],
    ['subject=9,Patient/123', local, true], ['subject=9,8', local, false]
  ] as const)('%s on %j: %s', (query, resource, expected) => {
    expect(finds(query, resource)).toBe(expected)
  })

  test.each([
    'subject:Medication=1', 'subject:Nope=1', 'subject:patient=1', 'subject:Patient=Group/1', 'subject=Patient/', 'subject=/Patient/1', 'subject=Nope/1', 'subject=#x', 'subject=Patient/1|', 'subject=a b',
    'subject:Patient=http://x.example/Patient/1', 'subject:above=1', 'subject:not=1', `subject=${'x'.repeat(65)}`, 'subject.name=x', '_has:Observation:patient:code=x'
  ])('%s is refused', (query) => {
    expect(refusal('Observation', query).status).toBe(400)
  })
})
