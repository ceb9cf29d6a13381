import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseXml } from '../../src/fhir/xml/read-xml.ts'
import { validateResource } from '../../src/fhir/validate/validate.ts'
import { allTypes } from '../../src/search/classification.ts'
import { type Harness, type Json, startHarness, SYSTEM } from '../harness.ts'
import { bundle, entry, patient, refusal, statuses } from './kit.ts'

let server: Harness
let system: string
let statement: Json

beforeAll(async () => {
  server = await startHarness()
  system = await server.token(SYSTEM)
  statement = (await server.ask(null, 'GET', 'metadata')).json
})
afterAll(() => server.close())

/** A value that a parameter of that kind may have; composites by the kinds of their components. */
const VALUES: Readonly<Record<string, string>> = {
  string: 'a', token: 'urn:x|a', reference: 'some-id', date: '2026-01-01', number: '1', quantity: '1|http://unitsofmeasure.org|kg', uri: 'http://example.org/x'
}
const SPECIAL: Readonly<Record<string, string>> = { _text: 'a', _content: 'a', _filter: '_id pr true', near: '1.5|2.5|1|km' }
const COMPOSITES: readonly string[] = ['a$1', 'a$2026-01-01', 'a$a', 'a$some-id', '2026-01-01$a', 'some-id$a', '1$a', '1$1', 'a$http://example.org', 'some-id$some-id', '1$2', '2026-01-01$some-id', 'a$1$2']

describe('the CapabilityStatement', () => {
  test('is public, valid R4, and the same with a token, by HEAD and under _format', async () => {
    expect(() => validateResource(statement, 'CapabilityStatement')).not.toThrow()
    expect((await server.ask(system, 'GET', 'metadata')).json).toEqual(statement)
    expect((await server.ask(null, 'GET', 'metadata?_format=json&_pretty=true')).json).toEqual(statement)
    expect((await server.ask(null, 'HEAD', 'metadata')).status).toBe(200)
    expect((await server.ask(null, 'GET', 'metadata?_format=ttl')).status).toBe(406)
    const xml = await server.ask(null, 'GET', 'metadata?_format=xml')
    expect([xml.status, xml.headers.get('content-type'), parseXml(Buffer.from(xml.text), { depthMax: 100 })]).toEqual([200, 'application/fhir+xml; charset=utf-8', statement])
    expect([statement.fhirVersion, statement.kind, statement.implementation.url]).toEqual(['4.0.1', 'instance', server.base])
  })

  test('names all 146 types once, each with what it answers to', () => {
    const { resource } = statement.rest[0]
    expect(resource.map((each: Json) => each.type)).toEqual(allTypes)
    for (const each of resource) {
      const { type, conditionalCreate, conditionalRead, conditionalUpdate, conditionalDelete, readHistory, updateCreate, versioning } = each
      expect([type, conditionalCreate, conditionalRead, conditionalUpdate, conditionalDelete, readHistory, updateCreate, versioning])
        .toEqual([type, true, 'full-support', true, type === 'AuditEvent' ? 'not-supported' : 'single', true, true, 'versioned-update'])
      const codes = each.interaction.map((one: Json) => one.code)
      expect([type, codes]).toEqual([type, ['read', 'vread', 'history-instance', 'history-type', 'search-type', 'create', 'update', ...(type === 'AuditEvent' ? [] : ['patch', 'delete'])]])
    }
    expect(statement.rest[0].interaction).toEqual([{ code: 'history-system' }, { code: 'search-system' }, { code: 'transaction' }, { code: 'batch' }])
  })

  test('lists search parameters that all work, on every type', async () => {
    const refused: unknown[] = []
    let asked = 0
    for (const { type, searchParam } of statement.rest[0].resource) {
      for (const { name, type: kind } of searchParam) {
        const values = kind === 'composite' ? COMPOSITES : [SPECIAL[name] ?? VALUES[kind] ?? 'no-such-kind']
        let reply = null
        for (const value of values) {
          reply = await server.ask(system, 'GET', `${type}?${name}=${encodeURIComponent(value)}&_count=1`)
          asked++
          if (reply.status === 200) break
        }
        if (reply?.status !== 200) refused.push([type, name, kind, reply?.status, reply?.json?.issue?.[0]?.diagnostics])
      }
    }
    expect(refused).toEqual([])
    expect(asked).toBeGreaterThan(1500)
  })

  test('lists includes that all work: to it and from it', async () => {
    const urls: string[] = statement.rest[0].resource.flatMap(({ type, searchInclude, searchRevInclude }: Json) => [
      ...searchInclude.map((name: string) => `${type}?_count=1&_include=${name}`), ...(searchRevInclude ?? []).map((name: string) => `${type}?_count=1&_revinclude=${name}`)])
    expect(urls).toEqual(expect.arrayContaining(['Observation?_count=1&_include=Observation:subject', 'Patient?_count=1&_revinclude=Observation:patient', 'Patient?_count=1&_revinclude=Provenance:target', 'Basic?_count=1&_include=*']))
    const refused: string[] = []
    const asked = urls.filter((_, index) => index % 3 === 0)
    for (let from = 0; from < asked.length; from += 500) {
      const some = asked.slice(from, from + 500)
      const found = statuses(await server.ask(system, 'POST', '', { body: bundle('batch', some.map((url) => entry('GET', url))) }))
      refused.push(...some.filter((_, index) => found[index] !== 200))
    }
    expect(refused).toEqual([])
  })

  test('lists _id, _lastUpdated, _tag, _profile and _security for every type', () => {
    for (const { type, searchParam } of statement.rest[0].resource) {
      const names: readonly string[] = searchParam.map((each: Json) => each.name)
      expect([type, ['_id', '_lastUpdated', '_tag', '_profile', '_security'].filter((name) => !names.includes(name))]).toEqual([type, []])
      expect([type, new Set(names).size]).toEqual([type, names.length])
    }
  })

  test('leaves out nothing that is answered: what it does not list is refused', async () => {
    const listed = new Map<string, ReadonlySet<string>>(statement.rest[0].resource.map((each: Json) => [each.type, new Set(each.searchParam.map((one: Json) => one.name))]))
    const all = new Set([...listed.values()].flatMap((names) => [...names]))
    for (const type of ['Patient', 'Observation', 'Binary', 'AuditEvent', 'Location']) {
      const unlisted = [...all, 'near', '_text', '_content', '_filter', '_has', '_list', '_type', '_query', '_elements', '_include', '_revinclude'].filter((name) => !listed.get(type)!.has(name))
      for (const name of unlisted.filter((_, index) => index < 20 || index % 25 === 0 || index > unlisted.length - 12)) {
        expect([type, name, refusal(await server.ask(system, 'GET', `${type}?${name}=a`))[0]]).toEqual([type, name, 400])
      }
    }
  })

  test('lists interactions that all work, on every type', async () => {
    for (const type of allTypes) {
      const ask = async (method: string, path: string, body?: unknown) => (await server.ask(system, method, path, body === undefined ? {} : { body })).status
      const answers = [await ask('GET', `${type}/absent`), await ask('GET', `${type}/absent/_history/1`), await ask('GET', `${type}/absent/_history`), await ask('GET', `${type}?_count=1`)]
      expect([type, answers]).toEqual([type, [404, 404, 404, 200]])
      for (const [method, path] of [['POST', type], ['PUT', `${type}/x`]] as const) {
        // An empty resource of most types lacks something: refused for that, and not for the interaction.
        expect([type, [200, 201, 400, 422]]).toEqual([type, expect.arrayContaining([await ask(method, path, { resourceType: type, id: 'x' })])])
      }
      expect([type, await ask('DELETE', `${type}/absent`)]).toEqual([type, type === 'AuditEvent' ? 405 : 204])
    }
    expect(statuses(await server.ask(system, 'POST', '', { body: bundle('batch', [entry('POST', 'Patient', patient('x'))]) }))).toEqual([201])
    expect(statuses(await server.ask(system, 'POST', '', { body: bundle('transaction', [entry('POST', 'Patient', patient('x'))]) }))).toEqual([201])
  })

  test('lists compartments that are searched', async () => {
    const types = statement.rest[0].compartment.map((url: string) => url.split('/').at(-1)!).map((name: string) => name[0]!.toUpperCase() + name.slice(1))
    expect(types).toHaveLength(5)
    for (const type of types) expect([type, (await server.ask(system, 'GET', `${type}/x/Communication`)).status]).toEqual([type, 200])
    expect((await server.ask(system, 'GET', '?_type=Patient,Encounter&_count=1')).status).toBe(200)
  })

  test('leaves out interactions that are refused', async () => {
    for (const [method, path, status] of [['POST', 'Organization/x/_search', 404], ['DELETE', '', 405], ['PUT', '', 405], ['POST', 'Patient/x', 405], ['POST', 'Patient/$match', 404], ['GET', 'Patient/$everything', 404],
      ['GET', 'Group/x/$everything', 404], ['GET', 'Patient/$lastn', 404], ['GET', 'Patient/x/$meta-add', 405], ['GET', '$meta', 404], ['GET', 'Organization/x/Observation', 404], ['GET', 'Shoe', 404]] as const) {
      const reply = await server.ask(system, method, path, method === 'POST' || method === 'PUT' ? { body: patient('x') } : {})
      expect([method, path, refusal(reply)[0]]).toEqual([method, path, status])
    }
  })
})
