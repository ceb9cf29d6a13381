import { describe, expect, test } from 'vitest'
import { finds, refusal } from './asking.ts'

const coded = (...coding: object[]) => ({ resourceType: 'Condition', code: { text: 'Head ache', coding } })
const both = coded({ system: 'http://a.example', code: 'Ha125', display: 'Headache, all' }, { code: 'plain' })
const nothing = { resourceType: 'Condition' }
const patient = {
  resourceType: 'Patient', id: 'p1', gender: 'male', active: true,
  identifier: [{ system: 'http://acme.org/patient', value: '2345', type: { text: 'Medical record', coding: [{ system: 'http://v2', code: 'MR' }] } }, { value: '99', type: { coding: [{ system: 'http://v2', code: 'SS' }] } }],
  telecom: [{ system: 'phone', value: '555-1', use: 'home' }, { system: 'email', value: 'A@b.example' }], meta: { tag: [{ system: 'http://t', code: 'x' }] }
}

describe('token search', () => {
  test.each([
    ['code=Ha125', both, true], ['code=ha125', both, false], ['code=Ha1', both, false],
    ['code=http://a.example|Ha125', both, true], ['code=http://b.example|Ha125', both, false], ['code=http://A.example|Ha125', both, false],
    ['code=|plain', both, true], ['code=|Ha125', both, false], ['code=plain', both, true],
    ['code=http://a.example|', both, true], ['code=http://a.example|plain', both, false], ['code=http://b.example|', both, false],
    ['code=x,plain', both, true], ['code=x,y', both, false], ['code=Ha125&code=plain', both, true], ['code=Ha125&code=x', both, false],
    ['code=\\,', coded({ code: ',' }), true], ['code=a\\|b', coded({ code: 'a|b' }), true], ['code=a\\|b', coded({ system: 'a', code: 'b' }), false], ['code=a\\\\', coded({ code: 'a\\' }), true],
    // :not — no coding matches; absent included; OR values are one set.
    ['code:not=Ha125', both, false], ['code:not=plain', both, false], ['code:not=other', both, true], ['code:not=other,plain', both, false],
    ['code:not=Ha125', nothing, true], ['code=Ha125', nothing, false], ['code:not=http://b.example|Ha125', both, true],
    // :text — display and text.
    ['code:text=head', both, true], ['code:text=headache\\, a', both, true], ['code:text=ache', both, false], ['code:text=HÉAD', both, true], ['code:text=head', nothing, false],
    ['code:missing=true', nothing, true], ['code:missing=true', both, false], ['code:missing=false', both, true], ['code:missing=false', nothing, false],
    // Identifier, ContactPoint, code, boolean, id.
    ['identifier=http://acme.org/patient|2345', patient, true], ['identifier=2345', patient, true], ['identifier=http://acme.org|2345', patient, false], ['identifier=|99', patient, true],
    ['identifier=|2345', patient, false], ['identifier:of-type=http://v2|MR|2345', patient, true], ['identifier:of-type=http://v2|SS|2345', patient, false], ['identifier:of-type=http://v2|SS|99', patient, true],
    ['identifier:text=medical', patient, true], ['identifier:text=dental', patient, false],
    ['gender=male', patient, true], ['gender=female', patient, false], ['gender=http://hl7.org/fhir/administrative-gender|male', patient, true], ['gender=http://other.example|male', patient, false], ['gender=|male', patient, true],
    ['gender:not=male,female', patient, false], ['gender:not=female', patient, true],
    ['active=true', patient, true], ['active=false', patient, false], ['active=http://terminology.hl7.org/CodeSystem/special-values|true', patient, true], ['active=http://hl7.org/fhir/special-values|true', patient, true], ['active=http://hl7.org/fhir/special|true', patient, false],
    ['phone=555-1', patient, true], ['email=555-1', patient, false], ['telecom=555-1', patient, true], ['email=A@b.example', patient, true],
    ['_id=p1', patient, true], ['_id=P1', patient, false], ['_id=p2,p1', patient, true], ['_id:not=p1', patient, false], ['_id=http://hl7.org/fhir/|p1', patient, false],
    ['_tag=http://t|x', patient, true], ['_tag=y', patient, false], ['_tag:not=y', patient, true],
    ['deceased=true', { resourceType: 'Patient', deceasedDateTime: '2020' }, true], ['deceased=true', { resourceType: 'Patient', deceasedBoolean: false }, false]
  ] as const)('%s on %j: %s', (query, resource, expected) => {
    expect(finds(query, resource)).toBe(expected)
  })

  test.each(['code=|', 'code=a|b|c', 'code:of-type=a|b', 'code:of-type=a||c', 'code:in=http://vs', 'code:not-in=http://vs', 'code:above=x', 'code:below=x', 'code:exact=x', 'code:missing=maybe'])(
    '%s is refused by name and not by value', (query) => {
      const error = refusal('Condition', query)
      expect(error.status).toBe(400)
      expect(error.issues[0]!.diagnostics).toContain('code')
      expect(error.issues[0]!.diagnostics).not.toMatch(/http:|maybe/)
    })
})
