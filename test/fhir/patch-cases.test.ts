/** The public test cases of both patch formats: json-patch-tests' specification cases and FHIR's own FHIRPath Patch cases. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { applyFhirPathPatch } from '../../src/fhir/patch/fhirpath-patch.ts'
import { applyJsonPatch } from '../../src/fhir/patch/json-patch.ts'
import { parseJson } from '../../src/model/json.ts'
import { dataDir } from '../data.ts'
import type { Json } from '../harness.ts'

const folder = dataDir() === null ? null : join(dataDir()!, 'patch')
const cases = (file: string): readonly Json[] => (folder === null ? [] : JSON.parse(readFileSync(join(folder, file), 'utf8')))

describe.skipIf(folder === null)('json-patch-tests', () => {
  const all = cases('json-patch-tests.json')
  test('are 16', () => expect(all).toHaveLength(16))
  test.each(all.map((one) => [one.comment, one] as const))('%s', (_, { doc, patch, expected, error }) => {
    const before = structuredClone(doc)
    if (error !== undefined) expect(() => applyJsonPatch(doc, patch)).toThrow()
    else expect(applyJsonPatch(doc, patch)).toEqual(expected)
    expect(doc).toEqual(before)
  })
})

/** One of the cases writes quotes of a narrative as entities, another tool might not: the same text. */
const sameText = (value: Json): Json => JSON.parse(JSON.stringify(value).replaceAll('&quot;', '\\"'))

describe.skipIf(folder === null)('FHIR patch tests', () => {
  const all = cases('fhir-patch-tests.json')
  test('are 33', () => expect(all).toHaveLength(33))
  test.each(all.map((one) => [one.name, one] as const))('%s', (_, { input, diff, output, error }) => {
    const before = structuredClone(input)
    if (error !== undefined) expect(() => applyFhirPathPatch(input, diff)).toThrow()
    else expect(sameText(applyFhirPathPatch(input, diff))).toEqual(sameText(output))
    expect(input).toEqual(before)
  })
})

const doc = (text: string): Json => parseJson(Buffer.from(text), { depthMax: 20 })

describe('JSON Patch', () => {
  test('keeps the text of numbers, in the document and in values', () => {
    const patched = applyJsonPatch(doc('{"resourceType":"Observation","a":1.50,"b":[2.00]}'), doc(
      '[{"op":"add","path":"/c","value":{"d":3.10}},{"op":"copy","from":"/a","path":"/b/-"},{"op":"move","from":"/b/0","path":"/e"}]'))
    expect(JSON.stringify(patched)).toBe('{"resourceType":"Observation","a":1.50,"b":[1.50],"c":{"d":3.10},"e":2.00}')
  })

  test.each([
    ['1.50', '1.5', true], ['1.5', '1.50', true], ['100', '1e2', true], ['0.0', '0', true], ['-0.0', '0', true], ['1.5', '1.51', false],
    ['12345678901234567890.1', '12345678901234567890.2', false], ['-1.0', '1', false]
  ])('test of %s against %s: %s', (stored, value, holds) => {
    const run = () => applyJsonPatch(doc(`{"resourceType":"X","a":[${stored}]}`), doc(`[{"op":"test","path":"/a","value":[${value}]}]`))
    if (holds) expect(run).not.toThrow()
    else expect(run).toThrow(/does not apply/)
  })

  test.each([
    '/name/length', '/name/01', '/name/1e0', '/name/-', '/name/2', '/toString', '/__proto__/x', '/constructor', '/name/0/family/length', '/gender/0'
  ])('names no inherited or imagined place: %s', (path) => {
    const resource = doc('{"resourceType":"Patient","gender":"male","name":[{"family":"A"},{"family":"B"}]}')
    for (const op of ['remove', 'replace', 'test']) expect(() => applyJsonPatch(resource, [{ op, path, value: 0 }]), op).toThrow(/does not apply/)
    expect(() => applyJsonPatch(resource, [{ op: 'copy', from: path, path: '/active' }])).toThrow(/does not apply/)
    expect(() => applyJsonPatch(resource, [{ op: 'move', from: path, path: '/active' }])).toThrow(/does not apply/)
  })

  test.each([
    [{}], ['x'], [null], [[{ op: 'add', path: 'a', value: 1 }]], [[{ op: 'add', path: '/a' }]], [[{ op: 'drop', path: '/a' }]], [[{ op: 'move', path: '/a' }]],
    [[null]], [[{ op: 'add', path: '/~2', value: 1 }]], [[{ op: 'remove' }]]
  ])('refuses what is none: %j', (patch) => {
    expect(() => applyJsonPatch({ resourceType: 'X' }, patch)).toThrow(/array of operations|Operation 0/)
  })

  test('cannot double a document without bound', () => {
    const patch = [{ op: 'add', path: '/a', value: [0] }, ...Array.from({ length: 60 }, () => ({ op: 'copy', from: '/a', path: '/a/-' }))]
    expect(() => applyJsonPatch({ resourceType: 'X' }, patch)).toThrow(/copies of a patch/)
    expect(() => applyJsonPatch({ resourceType: 'X' }, Array.from({ length: 1001 }, () => ({ op: 'test', path: '/resourceType', value: 'X' })))).toThrow(/1000 operations/)
  })

  test('a value is not moved into itself, and a move goes to a place that is there', () => {
    const resource = { resourceType: 'X', a: { b: 1 }, c: [1, 2] }
    expect(() => applyJsonPatch(resource, [{ op: 'move', from: '/a', path: '/a/b' }])).toThrow(/into itself/)
    expect(() => applyJsonPatch(resource, [{ op: 'move', from: '/c/0', path: '/c/2' }])).toThrow(/no such place/)
    expect(applyJsonPatch(resource, [{ op: 'move', from: '/c/0', path: '/c/1' }]).c).toEqual([2, 1])
  })
})

const operation = (type: string, path: string, ...more: object[]): Json => ({ name: 'operation', part: [{ name: 'type', valueCode: type }, { name: 'path', valueString: path }, ...more] })
const patch = (...parameter: Json[]): Json => ({ resourceType: 'Parameters', parameter })
const value = (of: object): Json => ({ name: 'value', ...of })

describe('FHIRPath Patch', () => {
  const run = (resource: Json, ...operations: Json[]): Json => JSON.parse(JSON.stringify(applyFhirPathPatch(resource, patch(...operations))))

  test('names elements by where(), ofType(), extension(), first() and last()', () => {
    const resource = { resourceType: 'Patient', telecom: [{ system: 'phone', value: '1', rank: 1 }, { system: 'email', value: 'e' }], extension: [{ url: 'urn:a', valueString: 'x' }] }
    expect(run(resource, operation('replace', "Patient.telecom.where(system = 'phone' and rank = 1).value", value({ valueString: '2' }))).telecom[0].value).toBe('2')
    expect(run(resource, operation('delete', 'telecom.where(rank.exists())')).telecom).toEqual([{ system: 'email', value: 'e' }])
    expect(run(resource, operation('replace', "Patient.extension('urn:a').value", value({ valueBoolean: true }))).extension).toEqual([{ url: 'urn:a', valueBoolean: true }])
    expect(run(resource, operation('delete', 'Patient.telecom.last()')).telecom).toHaveLength(1)
    expect(run({ resourceType: 'Observation', valueQuantity: { value: 1 } }, operation('replace', 'Observation.value.ofType(Quantity).value', value({ valueDecimal: 2 }))).valueQuantity.value).toBe(2)
  })

  test('adds and replaces choice elements under the type of the value', () => {
    expect(run({ resourceType: 'Observation' }, operation('add', 'Observation', { name: 'name', valueString: 'value' }, value({ valueQuantity: { value: 1 } })))).toEqual({ resourceType: 'Observation', valueQuantity: { value: 1 } })
    expect(run({ resourceType: 'Observation', valueString: 'a', _valueString: { id: 'x' } }, operation('replace', 'Observation.value', value({ valueBoolean: true })))).toEqual({ resourceType: 'Observation', valueBoolean: true })
    expect(() => run({ resourceType: 'Observation', valueString: 'a' }, operation('add', 'Observation', { name: 'name', valueString: 'value' }, value({ valueBoolean: true })))).toThrow(/there already/)
  })

  test('keeps the companions of primitives beside them', () => {
    const names = { resourceType: 'Patient', name: [{ given: ['A', 'B', 'C'], _given: [null, { id: 'b' }, null] }] }
    expect(run(names, operation('delete', 'Patient.name[0].given[0]')).name).toEqual([{ given: ['B', 'C'], _given: [{ id: 'b' }, null] }])
    expect(run(names, operation('move', 'Patient.name[0].given', { name: 'source', valueInteger: 1 }, { name: 'destination', valueInteger: 2 })).name).toEqual([{ given: ['A', 'C', 'B'], _given: [null, null, { id: 'b' }] }])
    expect(run(names, operation('delete', 'Patient.name[0].given[1]')).name).toEqual([{ given: ['A', 'C'] }])
    expect(run({ resourceType: 'Patient', birthDate: '2000' }, operation('add', 'Patient.birthDate', { name: 'name', valueString: 'extension' }, value({ valueString: 'x', part: [{ name: 'url', valueUri: 'urn:u' }, { name: 'value', valueString: 'x' }] })))._birthDate)
      .toEqual({ extension: [{ url: 'urn:u', valueString: 'x' }] })
  })

  test('keeps the text of numbers', () => {
    const patched = applyFhirPathPatch(doc('{"resourceType":"Observation","valueQuantity":{"value":1.50}}'),
      doc('{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"add"},{"name":"path","valueString":"Observation"},{"name":"name","valueString":"referenceRange"},{"name":"value","part":[{"name":"low","valueQuantity":{"value":2.00}}]}]}]}'))
    expect(JSON.stringify(patched)).toBe('{"resourceType":"Observation","valueQuantity":{"value":1.50},"referenceRange":[{"low":{"value":2.00}}]}')
  })

  test.each([
    ['a path that names several', operation('replace', 'Patient.name', value({ valueHumanName: { text: 'x' } })), 422],
    ['a path that names nothing', operation('replace', 'Patient.gender', value({ valueCode: 'male' })), 422],
    ['the whole resource', operation('delete', 'Patient'), 422],
    ['an unknown element', operation('add', 'Patient', { name: 'name', valueString: 'surname' }, value({ valueString: 'x' })), 422],
    ['an index behind the end', operation('insert', 'Patient.name', { name: 'index', valueInteger: 3 }, value({ valueHumanName: { text: 'x' } })), 422],
    ['a function it does not know', operation('delete', 'Patient.descendants()'), 400],
    ['a malformed path', operation('delete', 'Patient..name'), 400], ['an open bracket', operation('delete', 'Patient.name[0'), 400],
    ['exists() as a place', operation('delete', 'Patient.name.exists()'), 400],
    ['a part of another operation', operation('delete', 'Patient.name[0]', value({ valueString: 'x' })), 400],
    ['an unknown type', operation('merge', 'Patient.name[0]'), 400],
    ['a value without one', operation('replace', 'Patient.name[0]', value({})), 400],
    ['deep nesting', operation('delete', `Patient${".name.where(x".repeat(6)} = 1${')'.repeat(6)}`), 400]
  ])('refuses %s', (_, each, status) => {
    const resource = { resourceType: 'Patient', name: [{ text: 'a' }, { text: 'b' }] }
    expect(() => applyFhirPathPatch(resource, patch(each))).toThrow(expect.objectContaining({ status }))
  })
})
