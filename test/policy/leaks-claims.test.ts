/** DESIGN.md I6 at the door: a claim that is absent, empty or wrong never widens what a token reaches; each case beside the token that is whole. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, idsOf, startHarness, SYSTEM } from '../harness.ts'
import { makeSigner, sign, type Signer } from '../oauth/tokens.ts'
import { A, B, rowsOf, rowsOfNobody } from './world.ts'

const ISSUER = 'https://idp.example/clinic'
const dir = mkdtempSync(join(tmpdir(), 'wardkeep-claims-'))
let server: Harness
let signer: Signer
beforeAll(async () => {
  signer = await makeSigner('ES256', 'k1')
  const file = join(dir, 'issuers.json')
  writeFileSync(file, JSON.stringify([{ issuer: ISSUER, audience: 'https://wk.example/fhir/R4', jwks: { keys: [signer.publicJwk] } }]))
  server = await startHarness({ TRUSTED_ISSUERS: file })
  const entry = [...rowsOfNobody(), ...rowsOf(A), ...rowsOf(B)].map((resource) => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } }))
  const reply = await server.ask(await server.token(SYSTEM), 'POST', '', { body: { resourceType: 'Bundle', type: 'transaction', entry } })
  expect(reply.status).toBe(200)
})
afterAll(async () => {
  await server.close()
  rmSync(dir, { recursive: true, force: true })
})

type Given = Readonly<Record<string, unknown>>
const PATIENT: Given = { scope: 'patient/*.cruds', patient: 'a', fhirUser: 'Patient/a' }
const PHYSICIAN: Given = { scope: 'user/*.cruds', roles: ['physician'], fhirUser: 'Practitioner/gp-a', purpose_of_use: 'TREAT' }
const DESK: Given = { scope: 'user/*.cruds', roles: ['front-desk'], fhirUser: 'Practitioner/gp-a' }
const MACHINE: Given = { scope: 'system/*.cruds' }

const tokenOf = (given: Given): Promise<string> => {
  const seconds = Math.floor(Date.now() / 1000)
  const all = { iss: ISSUER, sub: 'u-1', aud: 'https://wk.example/fhir/R4', exp: seconds + 600, iat: seconds - 5, jti: `j-${seconds}`, client_id: 'app', ...given }
  return sign(signer, Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)))
}

/** Everything of patients' that a token gets to see at all, by any door. */
async function reached(given: Given): Promise<readonly string[]> {
  const token = await tokenOf(given)
  const found: string[] = []
  for (const type of ['Patient', 'Observation', 'Coverage', 'Appointment', 'Encounter']) {
    found.push(...idsOf((await server.ask(token, 'GET', type)).json ?? {}))
    for (const owner of ['a', 'b']) {
      const ref = type === 'Patient' ? `Patient/${owner}` : `${type}/${owner}-${type}-0`
      for (const path of [ref, `${ref}/_history`, `${ref}/_history/1`]) if ((await server.ask(token, 'GET', path)).status === 200) found.push(ref)
    }
    const total = (await server.ask(token, 'GET', `${type}?_summary=count`)).json?.total
    if (total !== undefined) expect([type, total]).toEqual([type, new Set(found.filter((ref) => ref.startsWith(`${type}/`))).size])
  }
  const ofEach = { resourceType: 'Bundle', type: 'batch', entry: ['Patient/b', 'Patient/a'].map((url) => ({ request: { method: 'GET', url } })) }
  const batch = await server.ask(token, 'POST', '', { body: ofEach })
  for (const { resource } of batch.json?.entry ?? []) if (resource !== undefined) found.push(`Patient/${resource.id}`)
  return [...new Set(found)].sort()
}

const owners = (refs: readonly string[]): string => [...new Set(refs.map((ref) => ref.split('/')[1]![0]!))].sort().join('')

describe('a whole token reaches what it should (positive control)', () => {
  test.each([['a patient', PATIENT, 'a'], ['a physician', PHYSICIAN, 'a'], ['the front desk', DESK, 'ab'], ['a machine', MACHINE, 'ab']] as const)('%s', async (_who, given, who) => {
    const refs = await reached(given)
    expect(owners(refs)).toBe(who)
    expect(refs.length).toBeGreaterThan(4)
  })
})

const WRONG: readonly (readonly [string, unknown])[] = [
  ['absent', undefined], ['empty', ''], ['null', null], ['a number', 1], ['true', true], ['an empty list', []], ['a list of one', ['b']], ['an object', { id: 'b' }], ['a wildcard', '*'], ['blank', ' '], ['a list of two', ['a', 'b']], ['a list of an empty text', ['']]
]

describe('nothing is reached where', () => {
  test.each(WRONG)('patient is %s', async (_how, patient) => {
    expect(await reached({ ...PATIENT, patient })).toEqual([])
  })
  test.each([...WRONG, ['of another type', 'Practitioner/gp-a'], ['two', 'a b'], ['two by comma', 'a,b'], ['of another server', 'https://evil.example/fhir/R4/Patient/b'], ['absent in the store', 'nobody']] as const)('patient is %s and the user is a physician', async (_how, patient) => {
    expect(await reached({ ...PHYSICIAN, scope: 'patient/*.cruds', patient })).toEqual([])
  })
  test.each([...WRONG.filter(([how]) => how !== 'a list of one' && how !== 'a list of two'), ['unknown', ['wizard']], ['in other letters', ['Physician']], ['an own name of all objects', ['__proto__', 'constructor', 'toString']], ['system', ['system']], ['patient', ['patient']]] as const)('roles is %s', async (_how, roles) => {
    expect(await reached({ ...PHYSICIAN, roles })).toEqual([])
  })
  test.each([...WRONG, ['a Patient', 'Patient/a'], ['a name', 'gp-a'], ['versioned', 'Practitioner/gp-a/_history/1'], ['in other letters', 'practitioner/gp-a'], ['of another server', 'https://evil.example/fhir/R4/Practitioner/gp-a'], ['unknown', 'Practitioner/nobody']] as const)('fhirUser is %s, for a physician', async (_how, fhirUser) => {
    expect(await reached({ ...PHYSICIAN, fhirUser })).toEqual([])
  })
  test.each([...WRONG, ['of an unknown context', 'group/*.cruds'], ['misspelt', 'patients/*.read patient/*.Read patient/observation.rs patient/*.sr'], ['launch alone', 'openid fhirUser launch/patient'], ['with a constraint that no type has', 'patient/*.rs?nosuch=x'],
    ['with an empty constraint', 'patient/*.rs?patient= patient/Observation.rs?'], ['another context than the token is for', 'user/*.cruds'], ['system for a role', 'patient/*']] as const)('scope is %s', async (_how, scope) => {
    expect(await reached({ ...PATIENT, scope })).toEqual([])
  })
  test.each([['unknown', 'HMARKT'], ['a number', 1], ['an object', { code: 'TREAT' }], ['of another system', [{ system: 'urn:x', code: 'TREAT' }]], ['null', null]] as const)('purpose_of_use is %s, for a physician', async (_how, purpose) => {
    expect(await reached({ ...PHYSICIAN, purpose_of_use: purpose })).toEqual([])
  })
  test.each([['another role', ['front-desk']], ['only unknown roles', ['wizard']], ['a physician', ['physician']]] as const)('system scopes come with %s', async (_how, roles) => {
    expect(await reached({ ...MACHINE, roles })).toEqual([])
  })
})

test('scopes of one type open that type, and write scopes open no reading', async () => {
  expect((await reached({ ...PATIENT, scope: 'patient/Observation.rs' })).every((ref) => ref.startsWith('Observation/a'))).toBe(true)
  expect((await reached({ ...PATIENT, scope: 'patient/Observation.r' }))).toEqual(['Observation/a-Observation-0'])
  expect(await reached({ ...PATIENT, scope: 'patient/*.write patient/*.cud' })).toEqual([])
})
