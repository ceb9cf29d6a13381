import { spawn } from 'node:child_process'
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { shipmentOf, sourceOf, sourcesIn } from '../../seed/bundles.ts'
import { generate } from '../../seed/generate.ts'
import { load, type LoadOptions } from '../../seed/load.ts'
import { allCreated, allThere, outcome, type Reply, searchset, type Seen, type Stub, stubServer } from './stub-server.ts'

const BUNDLES = [...generate({ patients: 4, seed: 1, size: 'small' })]
const SOURCES = BUNDLES.map(sourceOf)
const PATIENT = SOURCES[2]!
const PATIENT_TYPES = BUNDLES[2]!.bundle.entry.length

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function stub(reply: (asked: Seen) => Reply): Promise<Stub> {
  const server = await stubServer(reply)
  closing.push(server.close)
  return server
}

const empty = (asked: Seen): Reply => (asked.method === 'GET' ? searchset() : allCreated(asked.body))
const posts = (server: Stub): readonly Seen[] => server.seen.filter(({ method }) => method === 'POST')
const run = (server: Stub, options: Partial<LoadOptions> = {}) => load({ sources: SOURCES, url: server.url, token: 'secret', ...options })

describe('a load', () => {
  test('sends hospitals, then practitioners, then patients, two at a time, whatever order the files are in', async () => {
    const server = await stub(empty)
    const many = [...generate({ patients: 8, seed: 1, size: 'small' })].map(sourceOf)
    const report = await run(server, { sources: many.toReversed() })
    const kinds = posts(server).map(({ body }) => (JSON.parse(body) as { entry: { resource: { resourceType: string } }[] }).entry[0]!.resource.resourceType)
    expect(kinds).toEqual(['Organization', 'Practitioner', ...Array.from({ length: 8 }, () => 'Patient')])
    expect(server.most()).toBe(2)
    expect(report).toMatchObject({ loaded: 10, skipped: 0, failed: [] })
    expect(server.seen.every(({ authorization, url }) => authorization === 'Bearer secret' && url.startsWith('/fhir/R4'))).toBe(true)
  })

  test('counts what was created by type', async () => {
    const report = await run(await stub(empty))
    const expected = new Map<string, number>()
    for (const { bundle } of BUNDLES) for (const { resource } of bundle.entry) expected.set(resource.resourceType, (expected.get(resource.resourceType) ?? 0) + 1)
    expect(new Map(report.created)).toEqual(expected)
    expect(report.present.size).toBe(0)
  })

  test('sends a transaction byte for byte', async () => {
    const server = await stub(empty)
    await run(server, { sources: [PATIENT] })
    expect(posts(server).map(({ body }) => body)).toEqual([Buffer.from(await PATIENT.bytes()).toString('utf8')])
  })

  test('skips a patient whose identifier is found', async () => {
    const { id } = BUNDLES[2]!.bundle.entry[0]!.resource
    const asked = `/fhir/R4/Patient?identifier=${encodeURIComponent(`https://github.com/synthetichealth/synthea|${id}`)}&_count=1`
    const server = await stub((each) => (each.url === asked ? searchset('x') : empty(each)))
    const report = await run(server)
    expect(report).toMatchObject({ loaded: 5, skipped: 1 })
    expect(posts(server).filter(({ body }) => body.includes(`"urn:uuid:${id}"`))).toEqual([])
    expect(posts(server)).toHaveLength(5)
  })

  test('turns a batch entry without ifNoneExist into a PUT that only creates, and leaves the others', async () => {
    const server = await stub(empty)
    await run(server, { sources: SOURCES.slice(1, 2) })
    const { entry } = JSON.parse(posts(server)[0]!.body) as { entry: { resource: { resourceType: string; id: string }; request: Record<string, string> }[] }
    const roles = entry.filter(({ resource }) => resource.resourceType === 'PractitionerRole')
    expect(roles).toHaveLength(8)
    for (const { resource, request } of roles) expect(request).toEqual({ method: 'PUT', url: `PractitionerRole/${resource.id}`, ifNoneMatch: '*' })
    for (const { request } of entry.filter(({ resource }) => resource.resourceType === 'Practitioner')) expect(request).toMatchObject({ method: 'POST', ifNoneExist: expect.stringMatching(/^identifier=.+\|/) as string })
  })

  test('counts 200 and the 412 of such a PUT as already there, and no other 412', async () => {
    const report = await run(await stub((asked) => (asked.method === 'GET' ? searchset('x') : allThere(asked.body))))
    expect(report).toMatchObject({ loaded: 2, skipped: 4, failed: [] })
    expect(report.created.size).toBe(0)
    expect(report.present.get('PractitionerRole')).toBe(8)
    const all412 = (asked: Seen): Reply => (asked.method === 'GET' ? searchset() : { ...allThere(asked.body), body: JSON.parse(JSON.stringify(allThere(asked.body).body).replaceAll('200 OK', '412 x')) as unknown })
    const wrong = await run(await stub(all412), { sources: SOURCES.slice(0, 2) })
    expect(wrong.failed.map(({ name }) => name.slice(0, 8))).toEqual(['hospital', 'practiti'])
  })
})

describe('a busy server', () => {
  test('is asked again after Retry-After, and a patient is looked up again first', async () => {
    const waits: number[] = []
    let refusals = 2
    const server = await stub((asked) => (asked.method === 'POST' && refusals-- > 0 ? { status: refusals === 1 ? 503 : 429, headers: { 'retry-after': '7' } } : empty(asked)))
    const report = await run(server, { sources: [PATIENT], sleep: async (ms) => waits.push(ms) })
    expect(report.loaded).toBe(1)
    expect(waits).toEqual([7000, 7000])
    expect(server.seen.map(({ method }) => method)).toEqual(['GET', 'POST', 'GET', 'POST', 'GET', 'POST'])
  })

  test('which had written the patient before it answered 503 is not given the patient twice', async () => {
    let written = false
    const server = await stub((asked) => {
      if (asked.method === 'GET') return searchset(...(written ? ['x'] : []))
      written = true
      return { status: 503 }
    })
    expect(await run(server, { sources: [PATIENT], sleep: async () => undefined })).toMatchObject({ skipped: 1, failed: [] })
    expect(posts(server)).toHaveLength(1)
  })

  test('is given up after six attempts, and no wait is longer than a minute', async () => {
    const waits: number[] = []
    const server = await stub(() => ({ ...outcome(503, 'The store does not answer'), headers: { 'retry-after': '99999' } }))
    const report = await run(server, { sources: SOURCES.slice(0, 1), sleep: async (ms) => waits.push(ms) })
    expect(report.failed[0]?.problems).toEqual(['503: The store does not answer'])
    expect(waits).toEqual([60_000, 60_000, 60_000, 60_000, 60_000])
  })
})

describe('errors', () => {
  test('are listed by file with the text and expression of the server, and the other files are loaded', async () => {
    const server = await stub((asked) => (asked.method === 'POST' && asked.body.includes(`"${BUNDLES[3]!.bundle.entry[0]!.resource.id}"`) ? outcome(422, 'A rule is broken', 'Bundle.entry[2].resource.status') : empty(asked)))
    const report = await run(server)
    expect(report.loaded).toBe(5)
    expect(report.failed).toMatchObject([{ name: BUNDLES[3]!.name, problems: ['422: A rule is broken (Bundle.entry[2].resource.status)'] }])
  })

  test('of a batch name the entry', async () => {
    const server = await stub((asked) => {
      const reply = allCreated(asked.body)
      const { entry } = reply.body as { entry: unknown[] }
      entry[1] = { response: { status: '422 Unprocessable Content', outcome: outcome(422, 'No such code', 'Location.status').body } }
      return reply
    })
    const report = await run(server, { sources: SOURCES.slice(0, 1) })
    expect(report.failed[0]?.problems).toEqual(['entry 1 (Location) 422 Unprocessable Content: No such code (Location.status)'])
  })

  test('an answer with fewer entries than were sent is one', async () => {
    const server = await stub((asked) => (asked.method === 'GET' ? searchset() : { status: 200, body: { resourceType: 'Bundle', type: 'transaction-response', entry: [] } }))
    expect((await run(server, { sources: [PATIENT] })).failed[0]?.problems).toEqual([`the server answered 0 entries of ${PATIENT_TYPES}`])
  })

  test('files that are no bundles, or could not be loaded twice, are refused before they are sent', async () => {
    const server = await stub(empty)
    const unfit: readonly object[] = [
      { resourceType: 'Patient' }, { resourceType: 'Bundle', type: 'collection' }, { resourceType: 'Bundle', type: 'transaction', entry: [] },
      { resourceType: 'Bundle', type: 'batch', entry: [{ resource: { resourceType: 'Basic' }, request: { method: 'POST', url: 'Basic' } }] }
    ]
    const report = await run(server, { sources: [...unfit.map((bundle, at) => sourceOf({ name: `${at}.json`, bundle })), { name: 'x.json', bytes: () => Promise.resolve(Buffer.from('{')) }] })
    expect(report.failed).toHaveLength(5)
    expect(server.seen).toEqual([])
  })

  test('a refused token, and a server that is not there, stop the load', async () => {
    const server = await stub(() => ({ status: 401 }))
    await expect(run(server)).rejects.toThrow('the token was refused (401)')
    expect(server.seen).toHaveLength(1)
    await server.close()
    await expect(run(server)).rejects.toThrow(/^no answer from /)
  })
})

describe('files', () => {
  test('of a folder, of its subfolder fhir and by name are found once each, hospitals and practitioners in front', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'seed-'))
    closing.push(() => rm(dir, { recursive: true }))
    await mkdir(join(dir, 'output', 'fhir'), { recursive: true })
    for (const name of ['Zoe_Z_1.json', 'practitionerInformation1.json', 'Abe_A_2.json', 'hospitalInformation1.json', 'notes.txt']) await writeFile(join(dir, 'output', 'fhir', name), '{}')
    const names = async (...paths: readonly string[]): Promise<readonly string[]> => (await sourcesIn(paths.map((path) => join(dir, path)))).map(({ name }) => name)
    const all = ['hospitalInformation1.json', 'practitionerInformation1.json', 'Abe_A_2.json', 'Zoe_Z_1.json']
    expect(await names('output')).toEqual(all)
    expect(await names('output/fhir', 'output/fhir/Zoe_Z_1.json')).toEqual(all)
    await expect(names('nothing')).rejects.toThrow('no such file or folder')
  })

  test('a number keeps its trailing zeros in a batch that is written anew', () => {
    const batch = '{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Location","id":"a","position":{"longitude":1.10,"latitude":2}},"request":{"method":"POST","url":"Location"}}]}'
    expect(String(shipmentOf(Buffer.from(batch)).body)).toContain('"longitude":1.10')
  })
})

describe('npm run seed', () => {
  const cli = async (...args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> => {
    const child = spawn('node', [join(import.meta.dirname, '../../seed/load.ts'), ...args], { env: { PATH: process.env.PATH, TOKEN: 'secret' } })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (text) => { stdout += String(text) })
    child.stderr.on('data', (text) => { stderr += String(text) })
    return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })))
  }

  test('prints a table by type to stdout and nothing to a stderr that is no terminal; a failed file makes exit code 1', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'seed-'))
    closing.push(() => rm(dir, { recursive: true }))
    for (const { name, bundle } of BUNDLES) await writeFile(join(dir, name), JSON.stringify(bundle))
    const fine = await cli(dir, '--url', (await stub(empty)).url)
    expect(fine).toMatchObject({ code: 0, stderr: '' })
    expect(fine.stdout).toMatch(/^type +created +already there\nAllergyIntolerance|^type +created +already there\nCarePlan/)
    expect(fine.stdout).toMatch(/\nPatient +4 +0\n[^]*files: 6 loaded, 0 skipped \(there already\), 0 failed\n$/)
    const failing = await cli(dir, '--url', (await stub((asked) => (asked.method === 'GET' ? searchset() : outcome(400, 'No')))).url)
    expect(failing.code).toBe(1)
    expect(failing.stdout).toContain(`failed: ${BUNDLES[2]!.name}\n  400: No`)
  })
})
