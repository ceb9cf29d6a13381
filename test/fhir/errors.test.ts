import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, type Json, type Reply, startHarness, SYSTEM } from '../harness.ts'
import { BAD, type Bad, CANARY } from './bad-requests.ts'
import { countOf, observation, patient, refusal } from './kit.ts'

let server: Harness
let tokens: Readonly<Record<'system' | 'desk' | 'patient', string>>
let held: Json
let before: readonly number[]

/** http://hl7.org/fhir/R4/valueset-issue-type.html */
const ISSUE_CODES = new Set(`invalid structure required value invariant security login unknown expired forbidden suppressed processing not-supported duplicate
  multiple-matches not-found deleted too-long code-invalid extension too-costly business-rule conflict transient lock-error no-store exception timeout incomplete
  throttled informational`.split(/\s+/))

/** Traces of the inside: stacks, files, modules, SQL. */
const INSIDE = /\bat \S+ \(|\.[cm]?[tj]s\b|node_modules|node:|\/src\/|\/tmp\/|wardkeep\.db|sqlite|\bSELECT\b|\bBSON\b|TypeError|RangeError|SyntaxError|Unexpected token|ENOENT|undefined|\[object/i

const TYPES = ['Patient', 'Observation', 'Binary', 'Organization', 'Bundle']
const counts = (): Promise<readonly number[]> => Promise.all(TYPES.map((type) => countOf(server, tokens.system, type)))

beforeAll(async () => {
  server = await startHarness()
  const own = await server.put(patient('Own', { active: true }))
  held = await server.put(patient('Held', { id: 'held', active: true, meta: { security: [{ system: 'urn:labels', code: 'VIP' }] } }))
  await server.put(observation(`Patient/${own.id}`))
  tokens = {
    system: await server.token(SYSTEM), desk: await server.token({ scope: 'user/*.cruds', roles: ['front-desk'], fhirUser: 'Practitioner/1' }),
    patient: await server.token({ scope: 'patient/*.crus', patient: own.id })
  }
  before = await counts()
})
afterAll(() => server.close())

function expectPlain(reply: Reply, what: string): void {
  const headers = [...reply.headers].map(([name, value]) => `${name}: ${value}`).join('\n')
  expect(reply.json?.resourceType, `${what}: ${reply.text}`).toBe('OperationOutcome')
  expect(reply.json.issue.length, what).toBeGreaterThan(0)
  for (const issue of reply.json.issue) {
    expect(ISSUE_CODES.has(issue.code), `${what}: ${issue.code}`).toBe(true)
    expect([what, issue.severity, issue.diagnostics.length > 5]).toEqual([what, expect.stringMatching(/^(error|fatal)$/), true])
  }
  expect(reply.text.includes(CANARY) || headers.includes(CANARY), `${what} is echoed: ${reply.text}`).toBe(false)
  expect(INSIDE.exec(reply.text)?.[0], `${what}: ${reply.text}`).toBeUndefined()
  expect([what, reply.headers.get('cache-control'), reply.headers.get('content-type')?.split(';')[0], reply.headers.get('x-content-type-options')]).toEqual([what, 'no-store', 'application/fhir+json', 'nosniff'])
  expect([what, reply.headers.get('x-powered-by'), reply.headers.get('server')]).toEqual([what, null, null])
}

const ask = ({ method, path, body, headers = {}, token }: Bad): Promise<Reply> =>
  server.ask(token === 'none' ? null : tokens[token ?? 'system'], method, path, { ...(body === undefined ? {} : { body }), headers })

describe('a bad request is answered by an OperationOutcome that echoes nothing', () => {
  test.each(BAD.map((each) => [`${each.threat} ${each.what}`, each] as const))('%s', async (what, each) => {
    const reply = await ask(each)
    expect([what, [each.status].flat()]).toEqual([what, expect.arrayContaining([reply.status])])
    expectPlain(reply, what)
    if (reply.status === 401) expect(reply.headers.get('www-authenticate')).toMatch(/^Bearer\b/)
  })

  test('the table has more than 80 rows, of every threat that it is for', () => {
    expect(BAD.length).toBeGreaterThan(80)
    for (const threat of [7, 8, 10, 11, 15, 18, 19, 20, 21, 22, 23, 24, 26, 35, 40]) expect(BAD.filter((each) => each.threat === threat).length, `threat ${threat}`).toBeGreaterThan(1)
  })

  test('each guard lets the good twin of its bad requests through', async () => {
    const good = (body: unknown, headers: Record<string, string> = {}) => server.ask(tokens.system, 'POST', 'Patient', { body, headers })
    const made = [
      await good(patient('Good', { text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml"><p class="a"><a href="http://example.org">x</a><b>y</b></p></div>` } })),
      await good(`{"resourceType":"Patient","extension":[{"url":"http://example.org/x","extension":[{"url":"y","valueString":"__proto__"}]}]}`),
      await good(patient('Good', { identifier: [{ system: 'urn:x', value: '$where' }] })),
      await good(patient('Good', { meta: { versionId: '7', lastUpdated: '2020-01-01T00:00:00Z' } }), { 'if-none-exist': 'identifier=urn:none|x' })
    ]
    expect(made.map(({ status }) => status)).toEqual([201, 201, 201, 201])
    for (const { json } of made) await server.ask(tokens.system, 'DELETE', `Patient/${json.id}`)
  })
})

describe('requests that are no HTTP, or more than one', () => {
  /** What the server sends back to these bytes until it closes, or for a second. */
  const send = (bytes: string): Promise<string> => new Promise((resolve) => {
    const socket = connect(server.running.port, '127.0.0.1', () => socket.write(bytes))
    let text = ''
    const done = (): void => void (socket.destroy(), resolve(text))
    socket.on('data', (chunk) => { text += chunk.toString('latin1') }).on('close', done).on('error', done)
    setTimeout(done, 1000).unref()
  })
  const head = (first: string, ...lines: readonly string[]): string => [first, 'Host: x', `Authorization: Bearer ${tokens.system}`, ...lines, '', ''].join('\r\n')
  const body = JSON.stringify(patient(CANARY))

  test.each<readonly [string, () => string]>([
    ['length and chunks at once', () => `${head('POST /fhir/R4/Patient HTTP/1.1', 'Content-Type: application/fhir+json', 'Content-Length: 4', 'Transfer-Encoding: chunked')}0\r\n\r\nGET /fhir/R4/${CANARY} HTTP/1.1\r\n\r\n`],
    ['two lengths', () => `${head('POST /fhir/R4/Patient HTTP/1.1', 'Content-Type: application/fhir+json', `Content-Length: ${body.length}`, 'Content-Length: 3')}${body}`],
    ['a length that is none', () => `${head('POST /fhir/R4/Patient HTTP/1.1', 'Content-Type: application/fhir+json', 'Content-Length: -1')}${body}`],
    ['a bare line feed in a header', () => head('GET /fhir/R4/Patient/held HTTP/1.1', `X-A: a\nX-B: ${CANARY}\0`)],
    ['a space before the colon', () => head('GET /fhir/R4/Patient/held HTTP/1.1', `Content-Length : 3`)],
    ['two hosts', () => head('GET /fhir/R4/Patient/held HTTP/1.1', `Host: ${CANARY}`)],
    ['two tokens', () => head('GET /fhir/R4/Patient/held HTTP/1.1', `Authorization: Bearer ${CANARY}`)],
    ['two versions to match', () => `${head('PUT /fhir/R4/Patient/held HTTP/1.1', 'Content-Type: application/fhir+json', 'If-Match: W/"1"', 'If-Match: W/"2"', `Content-Length: ${body.length}`)}${body}`],
    ['no HTTP at all', () => `${CANARY}\r\n\r\n`],
    ['headers without end', () => head('GET /fhir/R4/Patient/held HTTP/1.1', ...Array.from({ length: 400 }, (_, n) => `X-${n}: ${CANARY.repeat(10)}`))]
  ])('%s: refused once, with nothing echoed', async (_what, bytes) => {
    const text = await send(bytes())
    expect(text).toMatch(/^HTTP\/1\.1 4\d\d /)
    expect(text.match(/HTTP\/1\.1 /g)).toHaveLength(1)
    expect(text).not.toContain(CANARY)
    expect(text).toContain('OperationOutcome')
    expect(text).not.toMatch(INSIDE)
  })

  test('and one that is fine is answered over the same kind of socket', async () => {
    expect(await send(head('GET /fhir/R4/Patient/held HTTP/1.1', 'Connection: close'))).toMatch(/^HTTP\/1\.1 200 /)
  })
})

describe('afterwards', () => {
  test('nothing was written or lost, the server is ready, and its ledger and records hold', async () => {
    expect(await counts()).toEqual(before)
    expect((await server.ask(tokens.system, 'GET', 'Patient/held')).json).toEqual(held)
    const { port, system } = server.running
    expect((await fetch(`http://127.0.0.1:${port}/ready`)).status).toBe(200)
    expect(((await system.verify({ versions: true })).problems)).toEqual([])
    expect(({} as { x?: unknown }).x).toBeUndefined()
  })

  test('what is not found and what is hidden are one answer', async () => {
    const [hidden, absent] = await Promise.all(['held', 'nobody'].map((id) => server.ask(tokens.patient, 'GET', `Patient/${id}`)))
    expect([refusal(hidden!), hidden!.text]).toEqual([[404, 'not-found', undefined], absent!.text])
  })
})
