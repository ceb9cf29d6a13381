import { Validator } from '@seriousme/openapi-schema-validator'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { interactionsDefault, openRouter, routes } from '../../src/fhir/routes.ts'
import { operationRoutes } from '../../src/fhir/operations/index.ts'
import { allTypes } from '../../src/search/classification.ts'
import { type Harness, type Json, startHarness } from '../harness.ts'

let server: Harness
let document: Json
let statement: Json
beforeAll(async () => {
  server = await startHarness()
  document = (await server.ask(null, 'GET', 'openapi.json')).json
  statement = (await server.ask(null, 'GET', 'metadata')).json
})
afterAll(() => server.close())

const METHODS = ['get', 'post', 'put', 'patch', 'delete']
const operations = (): readonly (readonly [path: string, method: string, operation: Json])[] =>
  Object.entries<Json>(document.paths).flatMap(([path, item]) => METHODS.flatMap((method) => (item[method] === undefined ? [] : [[path, method, item[method]] as const])))

describe('the OpenAPI document', () => {
  test('is public, kept by its ETag, and answers GET and HEAD only', async () => {
    const reply = await server.ask(null, 'GET', 'openapi.json', { headers: { origin: 'https://any.example' } })
    expect([reply.status, reply.headers.get('content-type'), reply.headers.get('cache-control'), reply.headers.get('access-control-allow-origin')]).toEqual([200, 'application/json', 'no-cache', '*'])
    const etag = reply.headers.get('etag')!
    expect(etag).toMatch(/^"[\w-]{43}"$/)
    for (const known of [etag, `"other", W/${etag}`, '*']) expect([known, (await server.ask(null, 'GET', 'openapi.json', { headers: { 'if-none-match': known } })).status]).toEqual([known, 304])
    expect((await server.ask(null, 'GET', 'openapi.json', { headers: { 'if-none-match': '"other"' } })).status).toBe(200)
    const head = await server.ask(null, 'HEAD', 'openapi.json')
    expect([head.status, head.headers.get('etag'), head.text]).toEqual([200, etag, ''])
    expect((await server.ask(null, 'POST', 'openapi.json', { body: {} })).status).toBe(405)
  })

  test('is valid by the schema of OpenAPI 3.1, and every reference leads somewhere', async () => {
    const validator = new Validator()
    expect(await validator.validate(structuredClone(document))).toEqual({ valid: true })
    expect([validator.version, document.openapi]).toEqual(['3.1', '3.1.0'])
    expect((await new Validator().validate({ ...structuredClone(document), paths: { bad: 1 } })).valid).toBe(false)
    const seen = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path]) => path!)
    expect(seen.length).toBeGreaterThan(1000)
    for (const path of new Set(seen)) expect(path.split('/').reduce((at, step) => at?.[step], document), path).toBeDefined()
    const names = operations().map(([, , { operationId }]) => operationId)
    expect(new Set(names).size).toBe(names.length)
  })

  test('has a path for each route of each type, and no path that is no route', () => {
    const router = openRouter({ types: new Set(allTypes), interactions: interactionsDefault, operations: operationRoutes })
    const routed = new Set<string>()
    for (const [path, method] of operations()) {
      if (path === '/openapi.json') continue
      const members: readonly string[] = document.paths[path].parameters?.find((each: Json) => each.name === 'member')?.schema.enum ?? ['']
      for (const member of members) {
        const { interaction } = router.route(method.toUpperCase(), path.replace('{id}', 'a').replace('{vid}', '1').replace('{member}', member))
        routed.add(`${interaction} ${method}`)
      }
    }
    for (const [, method, interaction] of routes) if (interactionsDefault.has(interaction)) expect(routed).toContain(`${interaction} ${method.toLowerCase()}`)
    for (const type of allTypes) for (const path of [`/${type}`, `/${type}/_search`, `/${type}/_history`, `/${type}/{id}`, `/${type}/{id}/_history`, `/${type}/{id}/_history/{vid}`]) expect(document.paths, path).toHaveProperty([path])
  })

  test('names the search parameters and operations of each type that the CapabilityStatement names', () => {
    for (const { type, searchParam, operation = [] } of statement.rest[0].resource as readonly Json[]) {
      const named = (document.paths[`/${type}`].get.parameters as readonly Json[]).map(({ $ref }) => $ref.split('/').at(-1)!).map((name) => document.components.parameters[name].name)
      for (const { name } of searchParam) expect(named, `${type} ${name}`).toContain(name)
      for (const { name } of operation) expect(Object.keys(document.paths).some((path) => path === `/${type}/$${name}` || path === `/${type}/{id}/$${name}`), `${type} $${name}`).toBe(true)
    }
    expect(Object.values<Json>(document.components.securitySchemes)[0]).toMatchObject({ type: 'http', scheme: 'bearer' })
    for (const [path, method, operation] of operations()) {
      const isPublic = path === '/metadata' || path === '/openapi.json'
      expect([path, method, operation.security]).toEqual([path, method, isPublic ? [] : undefined])
      if (!isPublic) expect(Object.keys(operation.responses), path).toEqual(expect.arrayContaining(['400', '401', '403', '404', 'default']))
    }
  })

  test('is small enough to be read at once', () => expect(JSON.stringify(document).length).toBeLessThan(4_000_000))
})
