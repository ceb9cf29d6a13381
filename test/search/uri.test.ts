import { describe, expect, test } from 'vitest'
import { finds, refusal } from './asking.ts'

const set = (url: string) => ({ resourceType: 'ValueSet', url })

describe('uri search', () => {
  test.each([
    // https://hl7.org/fhir/R4/search.html#uri
    ['url=http://acme.org/fhir/ValueSet/123', set('http://acme.org/fhir/ValueSet/123'), true], ['url=http://acme.org/fhir/ValueSet/12', set('http://acme.org/fhir/ValueSet/123'), false], ['url=http://ACME.org/fhir/ValueSet/123', set('http://acme.org/fhir/ValueSet/123'), false],
    ['url=urn:oid:1.2.3.4.5', set('urn:oid:1.2.3.4.5'), true], ['url:below=http://acme.org/fhir/', set('http://acme.org/fhir/ValueSet/123'), true], ['url:below=http://acme.org/fhir', set('http://acme.org/fhir/ValueSet/123'), true],
    ['url:below=http://acme.org/fh', set('http://acme.org/fhir/ValueSet/123'), false], ['url:below=urn:oid:1.2', set('urn:oid:1.2.3'), false], ['url:below=urn:oid:1.2', set('urn:oid:1.2'), true],
    ['url:above=http://acme.org/fhir/ValueSet/123/_history/5', set('http://acme.org/fhir/ValueSet/123'), true], ['url:above=http://acme.org/fhir/ValueSet/123', set('http://acme.org/fhir/ValueSet/123/x'), false], ['url:above=http://acme.org/fhir/ValueSet/1234', set('http://acme.org/fhir/ValueSet/123'), false],
    ['url=a,http://b.example', set('http://b.example'), true], ['url:missing=true', { resourceType: 'ValueSet' }, true], ['url:missing=true', set('x'), false],
    ['_profile=http://p.example/1', { resourceType: 'Patient', meta: { profile: ['http://p.example/0', 'http://p.example/1'] } }, true], ['_profile=http://p.example/2', { resourceType: 'Patient', meta: { profile: ['http://p.example/1'] } }, false],
    ['_profile=http://p.example/1', { resourceType: 'Patient', meta: { profile: ['http://p.example/1|2.0'] } }, true], ['_profile=http://p.example/1|2.0', { resourceType: 'Patient', meta: { profile: ['http://p.example/1|2.0'] } }, true],
    ['_profile=http://p.example/1|2', { resourceType: 'Patient', meta: { profile: ['http://p.example/1|2.0'] } }, false], ['_profile=http://p.example/1|2.0', { resourceType: 'Patient', meta: { profile: ['http://p.example/1'] } }, false],
    ['_profile:below=http://p.example/1', { resourceType: 'Patient', meta: { profile: ['http://p.example/1|2.0'] } }, true], ['_profile=http://p.example', { resourceType: 'Patient', meta: { profile: ['http://p.example/1|2.0'] } }, false],
    ['_source=http://s.example', { resourceType: 'Patient', meta: { source: 'http://s.example' } }, true], ['_source=http://s', { resourceType: 'Patient', meta: { source: 'http://s.example' } }, false]
  ] as const)('%s on %j: %s', (query, resource, expected) => {
    expect(finds(query, resource)).toBe(expected)
  })

  test.each(['url:contains=x', 'url:exact=x', 'url:not=x'])('%s is refused', (query) => {
    expect(refusal('ValueSet', query).status).toBe(400)
  })
})
