/** The examples of the R4 specification: stored, read back equal, and found by every search parameter that looks at them. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseXml } from '../../src/fhir/xml/read-xml.ts'
import { parseJson } from '../../src/model/json.ts'
import type { Resource } from '../../src/model/resource.ts'
import { searchParams } from '../../src/search/parameters.ts'
import type { SearchParam } from '../../src/search/query.ts'
import { dataDir } from '../data.ts'
import { evaluate, parts } from '../search/fhirpath-oracle.ts'
import { type Harness, type Json, startHarness, SYSTEM } from '../harness.ts'
import { canonical } from './canonical.ts'
import { bundle, entry } from './kit.ts'
import { REFUSED_EXAMPLES } from './r4-examples-refused.ts'
import { asksFor } from './value-asks.ts'

const folder = dataDir()

describe.skipIf(folder === null)('the R4 examples', () => {
  let server: Harness
  let system: string
  const stored: (Resource & { readonly id: string })[] = []
  const turned: string[] = []

  beforeAll(async () => {
    server = await startHarness({ SCAN_RECORDS_MAX: '100000' })
    system = await server.token(SYSTEM)
    const refused = new Set(Object.values(REFUSED_EXAMPLES).flat())
    const names = readdirSync(join(folder!, 'r4-examples')).filter((name) => name.endsWith('.json') && !refused.has(name))
    const all = names.map((name) => parseJson(readFileSync(join(folder!, 'r4-examples', name)), { depthMax: 100 }) as Resource & { readonly id: string })
    for (let from = 0; from < all.length; from += 100) {
      const part = all.slice(from, from + 100)
      const reply = await server.ask(system, 'POST', '', { body: bundle('batch', part.map((resource) => entry('PUT', `${resource.resourceType}/${resource.id}`, resource))) })
      part.forEach((resource, index) => {
        const { response } = reply.json.entry[index]
        if (response.status === '201 Created') stored.push(resource)
        else turned.push(`${resource.resourceType}/${resource.id}: ${response.status} ${response.outcome?.issue[0].diagnostics}`)
      })
    }
  })
  afterAll(() => server.close())

  test('that are valid are stored', () => {
    expect(turned).toEqual([])
    expect(stored.length).toBeGreaterThan(600)
  })

  test('come back equal as JSON and as XML', async () => {
    const without = ({ meta: { versionId: _v, lastUpdated: _l, ...meta } = {}, ...rest }: Resource): string => canonical({ ...rest, meta })
    for (const resource of stored) {
      const path = `${resource.resourceType}/${resource.id}`
      const [json, xml] = await Promise.all([server.ask(system, 'GET', path), server.ask(system, 'GET', `${path}?_format=xml`)])
      expect([path, json.status, xml.status]).toEqual([path, 200, 200])
      expect(without(parseJson(Buffer.from(json.text), { depthMax: 100 }) as Resource), path).toBe(without(resource))
      expect(canonical(parseXml(Buffer.from(xml.text), { depthMax: 200 })), path).toBe(canonical(parseJson(Buffer.from(json.text), { depthMax: 100 })))
    }
  })

  test('are found by each search parameter, under a value that FHIRPath finds for it', async () => {
    const wanted = new Map<string, Set<string>>()
    const covered = new Map<string, number>()
    for (const resource of stored) {
      for (const param of searchParams(resource.resourceType)) {
        const name = `${resource.resourceType}.${param.code}`
        const asks = asksOf(param, resource)
        if (asks.length === 0) continue
        // One of the values, and another one for the next resource: each form has its turn, and the test its end.
        const turn = covered.get(name) ?? 0
        const { code, text } = asks[turn % asks.length]!
        // Among the server's own AuditEvents an example may be on any page.
        const own = resource.resourceType === 'AuditEvent' ? `&_id=${resource.id}` : ''
        const url = `${resource.resourceType}?${code}=${encodeURIComponent(text)}${own}&_elements=id&_count=1000`
        wanted.set(url, (wanted.get(url) ?? new Set()).add(resource.id))
        covered.set(name, turn + 1)
      }
    }
    const missed: string[] = []
    const urls = [...wanted.keys()]
    for (let from = 0; from < urls.length; from += 1000) {
      const part = urls.slice(from, from + 1000)
      const reply = await server.ask(system, 'POST', '', { body: bundle('batch', part.map((url) => entry('GET', url))) })
      part.forEach((url, index) => {
        const { resource, response } = reply.json.entry[index]
        const found = new Set((resource?.entry ?? []).map((each: Json) => each.resource.id))
        for (const id of wanted.get(url)!) if (!found.has(id)) missed.push(`${url} misses ${id}: ${response.status} ${response.outcome?.issue[0].diagnostics ?? ''}`)
      })
    }
    expect(missed).toEqual([])
    expect(covered.size).toBeGreaterThan(700)
  })
})

function asksOf(param: SearchParam, resource: Resource): readonly { readonly code: string; readonly text: string }[] {
  if (param.expression === '' || param.kind === 'composite' || param.kind === 'special' || param.code === '_lastUpdated') return []
  return parts(param.expression).flatMap((part) => evaluate(part, resource)).flatMap((typed) => asksFor(param, typed))
}
