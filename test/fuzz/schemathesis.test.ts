/** Requests made up from the OpenAPI document: no reply is a 5xx, and each has a status, a media type and a body that the document declares. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Harness, type Json, startHarness, SYSTEM } from '../harness.ts'
import { pythonProgram } from '../python-program.ts'
import { resourceSchema } from './resource-schemas.ts'

const FUZZER = { name: 'schemathesis', requirement: 'schemathesis==4.32.5', program: 'schemathesis' }
/** Seconds of one run; a longer one by hand: FUZZ_SECONDS=600. */
const SECONDS = Number(process.env.FUZZ_SECONDS ?? 25)
const TYPES = ['Patient', 'Observation', 'Binary', 'AuditEvent']
/** Versions that are there before the run: it must store some of its own. */
const SEEDED = 3
const CHECKS = 'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance'

/** Random text in a header would refuse nearly every write. OpenAPI cannot say that `return=minimal` makes a reply without a body. */
const HEADER_VALUES = {
  'If-Match': ['W/"1"', 'W/"2"', '"x"'], 'If-None-Match': ['*', 'W/"1"'], 'If-None-Exist': ['_id=held', '_id=absent', 'x'], 'If-Modified-Since': ['Thu, 01 Jan 1970 00:00:00 GMT', 'x'],
  Prefer: ['return=representation', 'return=OperationOutcome', 'handling=lenient', 'x'], 'X-Security-Context': ['Patient/held', 'x']
}

let server: Harness
const dir = mkdtempSync(join(tmpdir(), 'wardkeep-fuzz-'))
beforeAll(async () => {
  server = await startHarness({ BODY_BYTES_INLINE: '10000000' })
  await server.put({ resourceType: 'Patient', id: 'held', name: [{ family: 'Held' }], birthDate: '1970-01-01' })
  await server.put({ resourceType: 'Observation', id: 'held', status: 'final', code: { text: 'x' }, subject: { reference: 'Patient/held' }, valueQuantity: { value: 1.5, unit: 'g' } })
  await server.put({ resourceType: 'Binary', id: 'held', contentType: 'text/plain', data: 'eA==' })
})
afterAll(async () => {
  await server.close()
  rmSync(dir, { recursive: true, force: true })
})

/** The public document, of some paths, with ids that are there, and the validator's shapes as schemas of bodies. */
async function document(paths: RegExp): Promise<Json> {
  const { json } = await server.ask(null, 'GET', 'openapi.json')
  json.paths = Object.fromEntries(Object.entries(json.paths).filter(([path]) => paths.test(path)))
  json.components.parameters.id.schema = { enum: ['held', 'other', 'absent', 'a'.repeat(65)] }
  json.components.parameters.vid.schema = { enum: ['1', '2', '0', 'x'] }
  for (const [name, values] of Object.entries(HEADER_VALUES)) json.components.parameters[name].schema = { enum: values }
  for (const type of [...TYPES, 'Bundle', 'Parameters']) {
    const schema = resourceSchema(type)
    const { content } = json.components.requestBodies[type]
    for (const media of Object.keys(content)) if (media.endsWith('json')) content[media].schema = schema
  }
  return json
}

function run(program: string, argv: readonly string[]): Promise<{ readonly code: number | null; readonly out: string }> {
  const started = spawn(program, argv, { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH ?? '', HOME: dir, PYTHONUTF8: '1', NO_COLOR: '1' } })
  let out = ''
  const add = (piece: Buffer): void => { out += piece.toString('utf8') }
  started.stdout.on('data', add)
  started.stderr.on('data', add)
  return new Promise((resolve) => started.once('close', (code) => resolve({ code, out })))
}

async function fuzz(schema: Json, url: string, seconds: number): Promise<{ readonly code: number | null; readonly out: string }> {
  const program = await pythonProgram(FUZZER)
  if (typeof program !== 'string') throw new Error(`The fuzz run needs Python 3 with pip and venv: ${program.reason}`)
  writeFileSync(join(dir, 'openapi.json'), JSON.stringify(schema))
  const token = await server.token(SYSTEM)
  return run(program, ['run', 'openapi.json', '--url', url, '-H', `Authorization: Bearer ${token}`, '--max-time', String(seconds), '--generation-deterministic', '--no-shrink', '--continue-on-failure',
    '--checks', CHECKS, '--no-color', '--max-examples', '40'])
}

test('no request made up from the OpenAPI document is answered by a 5xx, or by what the document does not declare', async () => {
  const { code, out } = await fuzz(await document(new RegExp(`^/(${TYPES.join('|')}|_history|_search|metadata)?($|/|[$])`)), server.base, SECONDS)
  expect(code, out.slice(-6000)).toBe(0)
  const cases = Number(/(\d+) generated/.exec(out)?.[1] ?? 0)
  expect(cases, out.slice(-3000)).toBeGreaterThan(50)
  const token = await server.token(SYSTEM)
  const versions = await Promise.all(TYPES.slice(0, 3).map(async (type) => (await server.ask(token, 'GET', `${type}/_history?_count=1000`)).json.entry.length))
  expect(versions.reduce((sum, each) => sum + each, 0), `${cases} cases: ${versions.join()} versions`).toBeGreaterThan(SEEDED)
}, SECONDS * 3000 + 300_000)

test('a reply that the document does not declare is found', async () => {
  const schema = await document(/^\/Patient\/\{id\}$/)
  const { parameters, get } = schema.paths['/Patient/{id}']
  schema.paths['/Patient/{id}'] = { parameters, get: { ...get, responses: { 204: get.responses[304] } } }
  const { code, out } = await fuzz(schema, server.base, 10)
  expect([code, out.includes('Undocumented status code')], out.slice(-3000)).toEqual([1, true])
}, 300_000)
