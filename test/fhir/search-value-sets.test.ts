/** `:in`, `:not-in`, `:above` and `:below` of tokens: a value set or a branch of a hierarchy as an ordinary set of values, behind the guard. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, idsOf, type Json, type Reply, startHarness, SYSTEM } from '../harness.ts'

const URL = 'http://clinic.example/'
const CODES = ['animal', 'mammal', 'cat', 'dog', 'bird'] as const

let server: Harness
let system: string
const set = (id: string, include: readonly object[]): Json => ({ resourceType: 'ValueSet', id, url: `${URL}${id}`, status: 'active', compose: { include } })
const observation = (id: string, code: string | null, patient = 'a', system = `${URL}animals`): Json =>
  ({ resourceType: 'Observation', id, status: 'final', code: code === null ? { text: 'cat' } : { coding: [{ system, code }] }, subject: { reference: `Patient/${patient}` } })

beforeAll(async () => {
  server = await startHarness({ EXPANSION_VALUES_MAX: '50' })
  system = await server.token(SYSTEM)
  const nested = [{ code: 'animal', concept: [{ code: 'mammal', concept: [{ code: 'cat' }, { code: 'dog' }] }, { code: 'bird' }] }]
  for (const resource of [
    { resourceType: 'Patient', id: 'a', gender: 'female', name: [{ family: 'A' }] }, { resourceType: 'Patient', id: 'b', gender: 'male', name: [{ family: 'B' }] }, { resourceType: 'Patient', id: 'c', name: [{ family: 'C' }] },
    { resourceType: 'CodeSystem', id: 'animals', url: `${URL}animals`, status: 'active', content: 'complete', concept: nested }, { resourceType: 'CodeSystem', id: 'part', url: `${URL}part`, status: 'active', content: 'fragment', concept: nested },
    set('mammals', [{ system: `${URL}animals`, filter: [{ property: 'concept', op: 'is-a', value: 'mammal' }] }]), set('pets', [{ system: `${URL}animals`, concept: [{ code: 'cat' }, { code: 'dog' }] }]), set('imports', [{ valueSet: [`${URL}pets`] }]),
    set('large', [{ system: 'urn:x', concept: Array.from({ length: 51 }, (_, code) => ({ code: String(code) })) }]), set('fits', [{ system: `${URL}animals`, concept: [{ code: 'cat' }, ...Array.from({ length: 49 }, (_, code) => ({ code: String(code) }))] }]),
    set('branch', [{ system: 'http://snomed.info/sct', filter: [{ property: 'concept', op: 'is-a', value: '1' }] }]), set('loop', [{ valueSet: [`${URL}loop`] }]),
    ...CODES.map((code) => observation(code, code)), observation('other-system', 'cat', 'a', 'urn:other'), observation('text', null), observation('of-b', 'cat', 'b')
  ]) await server.put(resource)
})
afterAll(() => server.close())

const ask = (path: string, token = system): Promise<Reply> => server.ask(token, 'GET', path)
const found = async (path: string, token = system): Promise<readonly string[]> => {
  const reply = await ask(path, token)
  expect([reply.status, reply.text.slice(0, 200)]).toEqual([200, expect.any(String)])
  return idsOf(reply.json).map((ref) => ref.split('/')[1]!)
}
const all = [...CODES, 'of-b', 'other-system', 'text']
const except = (codes: readonly string[]): readonly string[] => all.filter((id) => !codes.includes(id)).sort()

describe('a search by value set', () => {
  test.each([
    ['Observation?code:in=http://clinic.example/mammals', ['cat', 'dog', 'mammal', 'of-b']], ['Observation?code:in=ValueSet/mammals', ['cat', 'dog', 'mammal', 'of-b']], ['Observation?code:in=http://clinic.example/imports', ['cat', 'dog', 'of-b']],
    ['Observation?code:in=http://clinic.example/pets,http://clinic.example/mammals', ['cat', 'dog', 'mammal', 'of-b']], ['Observation?code:in=http://clinic.example/mammals&code:not-in=http://clinic.example/pets', ['mammal']],
    ['Observation?code:not-in=http://clinic.example/mammals', except(['cat', 'dog', 'mammal', 'of-b'])], ['Observation?code:in=http://clinic.example/fits', ['cat', 'of-b']],
    ['Observation?subject=Patient/a&code:in=http://clinic.example/pets', ['cat', 'dog']], ['Patient?gender:in=http://hl7.org/fhir/ValueSet/administrative-gender', ['a', 'b']], ['Patient?gender:not-in=http://hl7.org/fhir/ValueSet/administrative-gender', ['c']],
    ['Observation?subject:Patient.gender:in=http://hl7.org/fhir/ValueSet/administrative-gender&code=cat', ['cat', 'of-b', 'other-system']], ['Patient?_has:Observation:patient:code:in=http://clinic.example/mammals', ['a', 'b']], ['Patient?_has:Observation:patient:code:below=http://clinic.example/animals|bird', ['a']],
    ['Observation?code:below=http://clinic.example/animals|mammal', ['cat', 'dog', 'mammal', 'of-b']], ['Observation?code:above=http://clinic.example/animals|cat', ['animal', 'cat', 'mammal', 'of-b']],
    ['Observation?code:below=http://clinic.example/animals|cat,http://clinic.example/animals|bird', ['bird', 'cat', 'of-b']], ['Observation?code:below=http://clinic.example/animals|ant', []], ['ValueSet?url:below=http://clinic.example/pets', ['pets']],
    ['Observation/$lastn?patient=a&code:in=http://clinic.example/pets&max=9', ['cat', 'dog']]
  ])('%s', async (path, wanted) => expect(await found(path)).toEqual(wanted))

  test('is the same on the pages that follow and by POST', async () => {
    const first = await ask('Observation?code:in=http://clinic.example/mammals&_count=3')
    const next = first.json.link.find((link: Json) => link.relation === 'next').url
    const second = await ask(next.slice(server.base.length))
    expect([...idsOf(first.json), ...idsOf(second.json)].sort()).toEqual(['cat', 'dog', 'mammal', 'of-b'].map((id) => `Observation/${id}`))
    const posted = await server.ask(system, 'POST', 'Observation/_search', { body: 'code:in=http%3A%2F%2Fclinic.example%2Fpets', headers: { 'content-type': 'application/x-www-form-urlencoded' } })
    expect(idsOf(posted.json)).toHaveLength(3)
  })

  test('is refused where the value set or the hierarchy cannot be told, or is too large; and in criteria', async () => {
    const refused: readonly (readonly [string, number, string])[] = [
      ['code:in=http://clinic.example/nowhere', 400, 'not-found'], ['code:in=ValueSet/nowhere', 400, 'not-found'], ['code:in=Patient/a', 400, 'not-found'], ['code:in=ValueSet/pets/_history/1', 400, 'not-found'], ['code:in=http://clinic.example/branch', 422, 'not-supported'],
      ['code:not-in=http://clinic.example/branch', 422, 'not-supported'], ['code:in=http://clinic.example/loop', 422, 'not-supported'], ['code:in=http://clinic.example/large', 422, 'too-costly'], ['code:below=cat', 400, 'value'], ['code:below=http://clinic.example/part|cat', 400, 'not-found'],
      ['code:above=urn:nowhere|cat', 400, 'not-found'], [`code:in=${Array.from({ length: 65 }, (_, index) => `urn:${index}`)}`, 422, 'too-costly']
    ]
    for (const [query, status, code] of refused) {
      const reply = await ask(`Observation?${query}`)
      expect([query, reply.status, reply.json.issue[0].code]).toEqual([query, status, code])
    }
    const criteria = await server.ask(system, 'DELETE', 'Observation?code:in=http://clinic.example/pets')
    expect([criteria.status, criteria.json.issue[0].code]).toEqual([400, 'not-supported'])
    expect(await found('Observation?code:in=http://clinic.example/pets')).toHaveLength(3)
  })

  test('a value set that the caller may not see is as one that is not there, and rows that it may not see are not found by it', async () => {
    const [blind, seeing] = [await server.token({ scope: `system/Observation.rs system/ValueSet.rs?url=${URL}pets` }), await server.token({ scope: `system/Observation.rs system/ValueSet.rs?url=${URL}fits` })]
    for (const path of ['http://clinic.example/fits', 'ValueSet/fits']) {
      const [hidden, absent] = [await ask(`Observation?code:in=${path}`, blind), await ask(`Observation?code:in=${path.replace('fits', 'none')}`, blind)]
      expect([hidden.status, hidden.text]).toEqual([400, absent.text])
      expect(await found(`Observation?code:in=${path}`, seeing)).toEqual(['cat', 'of-b'])
    }
    const patient = await server.token({ scope: 'patient/*.rs', patient: 'a' })
    expect(await found('Observation?code:in=http://clinic.example/mammals', patient)).toEqual(['cat', 'dog', 'mammal'])
    expect(await found('Observation?code:not-in=http://clinic.example/mammals', patient)).toEqual(except(['cat', 'dog', 'mammal', 'of-b']))
    const withoutSets = await server.token({ scope: 'system/Observation.rs system/Patient.rs' })
    expect((await ask('Observation?code:in=http://clinic.example/pets', withoutSets)).status).toBe(400)
    expect(await found('Patient?gender:in=http://hl7.org/fhir/ValueSet/administrative-gender', withoutSets)).toEqual(['a', 'b'])
  })
})
