/**
 * DESIGN.md I2 by writes: what A writes to a row of B, or on criteria that only B's rows meet, is answered as where that row never was, and
 * leaves it as it is. The patient role may write every type here, so that rows are what refuses, not types.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { classify } from '../../src/search/classification.ts'
import { type Claims, type Json, SYSTEM } from '../harness.ts'
import { hiddenRefs } from './mixed.ts'
import { makeRow, rowId } from './rows.ts'
import { A, type Ask, B, clock, differences, inTurns, ofPatients, openLeakWorld, PATIENT_A, PATIENT_B, rowsOf, type Twins } from './world.ts'

const dir = mkdtempSync(join(tmpdir(), 'wardkeep-policy-'))
let twins: Twins
beforeAll(async () => {
  const file = join(dir, 'policy.json')
  writeFileSync(file, JSON.stringify({
    version: 1, roles: {
      patient: { patients: 'launch', labelMax: 'V', rules: [{ types: ['*'], do: 'cruds' }] },
      'mover-not': { patients: 'all', labelMax: 'V', rules: [{ types: ['*'], do: 'cruds' }] },
      system: { patients: 'all', labelMax: 'V', largeBundles: true, relabel: true, move: true, rules: [{ types: ['*'], do: 'cruds' }] }
    }
  }))
  twins = await openLeakWorld({ POLICY_FILE: file })
})
afterAll(async () => {
  await twins.close()
  rmSync(dir, { recursive: true, force: true })
})
// Writes of one test are newer than those of the one before.
beforeEach(() => { clock.now += 1000 })

const types = ofPatients.filter((type) => !['AuditEvent', 'Device', 'Slot'].includes(type))
const refOf = ({ resourceType, id }: Json): string => `${resourceType}/${id}`
const hidden = [...rowsOf(B).map(refOf), ...hiddenRefs].filter((ref) => !/^(AuditEvent|Device|Slot)/.test(ref))
const typeOf = (ref: string): string => ref.split('/')[0]!
/** A's own content under any id: what an honest update of that id by A would hold. */
const asA = (ref: string): Json => ({ ...makeRow(typeOf(ref), A), id: ref.split('/')[1] })
const entry = (method: string, url: string, resource?: Json, more: Json = {}): Json => ({ request: { method, url, ...more }, ...(resource === undefined ? {} : { resource }) })
const bundle = (type: string, ...entries: readonly Json[]): Ask => ({ method: 'POST', path: '', body: { resourceType: 'Bundle', type, entry: entries } })
const statesOf = async (): Promise<readonly string[]> => {
  const states: string[] = []
  await inTurns(hidden, 8, async (ref) => { states.push((await twins.full.ask(SYSTEM, { path: `${ref}/_history` })).text) })
  return states.sort()
}

describe('on the id of a hidden row', () => {
  test('PUT and DELETE, conditional or not, alone or in a bundle, answer as on an absent id and change nothing', async () => {
    const before = await statesOf()
    const asks = hidden.flatMap((ref): Ask[] => {
      const body = asA(ref)
      const one = [
        { method: 'PUT', path: ref, body }, { method: 'PUT', path: ref, body, headers: { 'if-match': 'W/"1"' } }, { method: 'PUT', path: ref, body, headers: { 'if-none-match': '*' } },
        { method: 'DELETE', path: ref }, { method: 'DELETE', path: ref, headers: { 'if-match': 'W/"1"' } }]
      const two = [
        bundle('batch', entry('PUT', ref, body), entry('DELETE', ref), entry('PUT', ref, body, { ifMatch: 'W/"1"' }), entry('DELETE', ref, undefined, { ifMatch: 'W/"1"' })),
        bundle('transaction', entry('PUT', ref, body)), bundle('transaction', entry('DELETE', ref), entry('GET', ref)), bundle('transaction', entry('DELETE', ref, undefined, { ifMatch: 'W/"1"' }))]
      return [...one, ...(ref.endsWith('-1') ? [] : two)]
    })
    expect(await differences(twins, PATIENT_A, asks)).toEqual([])
    expect(await statesOf()).toEqual(before)
  })

  test('the answers are 404, 412 and 204, of B itself 200 and 204 (positive control)', async () => {
    const status = async (claims: typeof PATIENT_A, ask: Ask): Promise<number> => (await twins.full.ask(claims, ask)).status
    const ref = `Observation/${rowId('Observation', 'b')}`
    const put = (headers = {}): Ask => ({ method: 'PUT', path: ref, body: makeRow('Observation', B), headers })
    expect(await Promise.all([put(), put({ 'if-match': 'W/"1"' }), { method: 'DELETE', path: ref }, { method: 'DELETE', path: ref, headers: { 'if-match': 'W/"1"' } }].map((ask) => status(PATIENT_A, ask)))).toEqual([404, 412, 204, 412])
    expect(await status(PATIENT_B, put({ 'if-match': 'W/"1"' }))).toBe(200)
    expect(await status(PATIENT_B, { method: 'DELETE', path: ref, headers: { 'if-match': 'W/"2"' } })).toBe(204)
    expect(await status(SYSTEM, { path: ref })).toBe(410)
  })
})

describe('on criteria that only hidden rows meet', () => {
  const criteria = ['identifier=urn:ids|id-b', 'code=urn:codes|code-b', 'subject=Patient/b', `_id=${rowId('Observation', 'b', 1)}`, 'performer=Patient/b', 'identifier=id-lost']
  const fresh = (): Json => ({ resourceType: 'Observation', status: 'final', code: { text: 'new' }, subject: { reference: 'Patient/a' } })

  test('the system finds one or several rows with each (positive control)', async () => {
    for (const text of criteria) expect([text, (await twins.full.ask(SYSTEM, { path: `Observation?${text}` })).json.total]).not.toEqual([text, 0])
    const several = await twins.full.ask(SYSTEM, { method: 'POST', path: 'Observation', body: fresh(), headers: { 'if-none-exist': 'subject=Patient/b' } })
    expect(several.status).toBe(412)
    const one = await twins.full.ask(PATIENT_B, { method: 'POST', path: 'Observation', body: makeRow('Observation', B), headers: { 'if-none-exist': `_id=${rowId('Observation', 'b', 1)}` } })
    expect(one.status).toBe(200)
  })

  test('creates, updates and deletes find nothing: created, 404 or created, 204', async () => {
    const asks = criteria.flatMap((text): Ask[] => [
      { method: 'POST', path: 'Observation', body: fresh(), headers: { 'if-none-exist': text } }, { method: 'PUT', path: `Observation?${text}`, body: fresh() },
      { method: 'PUT', path: `Observation?${text}`, body: fresh(), headers: { 'if-match': 'W/"1"' } }, { method: 'PUT', path: `Observation?${text}`, body: { ...fresh(), id: rowId('Observation', 'b', 1) } },
      { method: 'DELETE', path: `Observation?${text}` }, bundle('transaction', entry('POST', 'Observation', fresh(), { ifNoneExist: text }), entry('DELETE', `Observation?${text}`)),
      bundle('batch', entry('PUT', `Observation?${text}`, fresh()), entry('GET', `Observation?${text}`)), bundle('transaction', entry('PUT', `Observation?${text}`, fresh()))])
    const before = await statesOf()
    for (const ask of asks) {
      clock.now += 10
      expect(await differences(twins, PATIENT_A, [ask])).toEqual([])
    }
    expect(await statesOf()).toEqual(before)
    expect((await twins.full.ask(PATIENT_A, { path: 'Observation?code:text=new&_summary=count' })).json.total).toBeGreaterThan(criteria.length * 3)
  })

  test('conditional references find nothing, alone and in a transaction', async () => {
    const point = (reference: string): Json => ({ ...fresh(), focus: [{ reference }] })
    const asks = ['Patient?identifier=urn:ssn|ssn-b', `Observation?_id=${rowId('Observation', 'b', 1)}`, 'Encounter?identifier=urn:ids|id-b', 'Observation?subject=Patient/b'].flatMap((text) => [
      bundle('transaction', entry('POST', 'Observation', point(text))), { method: 'POST', path: 'Observation', body: point(text) }])
    for (const ask of asks) {
      clock.now += 10
      expect(await differences(twins, PATIENT_A, [ask])).toEqual([])
      if (ask.path === '') expect((await twins.full.ask(PATIENT_A, ask)).status).toBe(412)
    }
    const found = await twins.full.ask(SYSTEM, bundle('transaction', entry('POST', 'Observation', point('Patient?identifier=urn:ssn|ssn-b'))))
    expect(found.json.entry[0].response.status).toBe('201 Created')
  })
})

describe('what names B', () => {
  test('A cannot create, in any type, alone or beside A; of A alone it can (positive control)', async () => {
    await inTurns(types, 4, async (type) => {
      const { id: _id, ...foreign } = makeRow(type, B)
      const refused = await twins.full.ask(PATIENT_A, { method: 'POST', path: type, body: foreign })
      expect([type, refused.status, refused.json.issue[0].code]).toEqual([type, 403, 'forbidden'])
      const { id: _own, ...body } = makeRow(type, A)
      const created = await twins.full.ask(PATIENT_A, { method: 'POST', path: type, body })
      expect([type, created.status]).toEqual([type, 201])
      const ref = `${type}/${created.json.id}`
      // The row keeps its kind but names B in one more place.
      for (const both of withB(created.json)) {
        for (const ask of [{ method: 'PUT', path: ref, body: both }, { method: 'POST', path: type, body: both }]) expect([type, (await twins.full.ask(PATIENT_A, ask)).status]).toEqual([type, 403])
      }
      expect([type, (await twins.full.ask(PATIENT_A, { method: 'PUT', path: ref, body: { ...foreign, id: created.json.id } })).status]).toEqual([type, 403])
      expect((await twins.full.ask(SYSTEM, { path: ref })).json.meta.versionId).toBe('1')
    })
  })

  test('in whatever form the reference is written', async () => {
    const body = (subject: string, more: Json = {}): Json => ({ resourceType: 'Observation', status: 'final', code: { text: 'x' }, subject: { reference: subject }, ...more })
    const base = 'http://clinic.test/fhir/R4'
    const refused = ['Patient/b', `${base}/Patient/b`, 'HTTP://clinic.TEST:80/fhir/R4/Patient/b', 'Patient/b/_history/1', `${base}/Patient/b/_history/9`, `${base}/./Patient/b`, `${base}/x/../Patient/b`,
      `${base}/Patient/b/`, `${base}//Patient/b`, `${base}/Patient/%62`, `${base}/Patient/b#x`, `${base}/Patient/b?x=y`, 'Patient/b/', 'patient/b', '/Patient/b', 'Patient?identifier=urn:ssn|ssn-b']
    for (const subject of refused) {
      const { status } = await twins.full.ask(PATIENT_A, { method: 'POST', path: 'Observation', body: body(subject, { performer: [{ reference: 'Patient/a' }] }) })
      expect([subject, status >= 400 && status < 500 || subject.includes('?identifier')]).toEqual([subject, true])
    }
    for (const subject of ['Patient/a', `${base}/Patient/a`, 'Patient/a/_history/1', `${base}/./Patient/a`]) {
      expect([subject, (await twins.full.ask(PATIENT_A, { method: 'POST', path: 'Observation', body: body(subject) })).status]).toEqual([subject, 201])
    }
    // Not one of them is in anybody's record: neither A's nor B's searches find more than what was just allowed.
    for (const subject of [`${base}/Patient/b/`, `${base}//Patient/b`, `${base}/Patient/%62`, `${base}/Patient/b#x`]) {
      expect([subject, (await twins.full.ask(SYSTEM, { method: 'POST', path: 'Observation', body: body(subject) })).status]).toEqual([subject, 422])
    }
  })

  test('a transaction with one entry that names B writes nothing; a batch writes the rest', async () => {
    const mine = { resourceType: 'Observation', status: 'final', code: { text: 'beside' }, subject: { reference: 'Patient/a' } }
    const foreign = { ...mine, subject: { reference: 'Patient/b' } }
    const count = async (): Promise<number> => (await twins.full.ask(SYSTEM, { path: 'Observation?code:text=beside&_summary=count' })).json.total
    expect((await twins.full.ask(PATIENT_A, bundle('transaction', entry('POST', 'Observation', mine), entry('POST', 'Observation', foreign)))).status).toBe(403)
    expect(await count()).toBe(0)
    const { json } = await twins.full.ask(PATIENT_A, bundle('batch', entry('POST', 'Observation', mine), entry('POST', 'Observation', foreign)))
    expect(json.entry.map(({ response }: Json) => response.status)).toEqual(['201 Created', '403 Forbidden'])
    expect(await count()).toBe(1)
  })

  test('and what takes its patients from other records may not point at hidden ones, nor tell them from absent ones', async () => {
    const point = (reference: string): readonly Json[] => [
      { resourceType: 'Task', status: 'requested', intent: 'order', for: { reference: 'Patient/a' }, focus: { reference } },
      { resourceType: 'Provenance', target: [{ reference: 'Observation/a-Observation-1' }, { reference }], recorded: '2024-01-01T00:00:00Z', agent: [{ who: { display: 'x' } }] },
      { resourceType: 'GuidanceResponse', moduleUri: 'urn:x', status: 'success', subject: { reference: 'Patient/a' }, encounter: { reference: reference.replace(/^\w+/, 'Encounter') } }]
    const targets = ['Observation/b-Observation-1', 'Encounter/b-Encounter-1', 'Observation/lost', 'Observation/b-gone', 'Provenance/of-both', 'Binary/without-context', 'Subscription/a-Subscription-0', 'Observation/never-was']
    for (const body of targets.flatMap(point)) {
      const ask = { method: 'POST', path: body.resourceType, body }
      expect([body, (await twins.full.ask(PATIENT_A, ask)).status]).toEqual([body, 403])
      expect(await differences(twins, PATIENT_A, [ask])).toEqual([])
    }
    for (const body of [...point('Observation/a-Observation-0').slice(0, 2), point('Encounter/a-Encounter-0')[2]!]) {
      expect([body, (await twins.full.ask(PATIENT_A, { method: 'POST', path: body.resourceType, body })).status]).toEqual([body, 201])
    }
  })
})

test('an id that passes to another patient, after a deletion too, takes along what hangs on it, and needs the right to move', async () => {
  const subject = (id: string): Json => ({ resourceType: 'Observation', id: 'passed', status: 'final', code: { text: 'x' }, subject: { reference: `Patient/${id}` } })
  const note = { resourceType: 'Provenance', id: 'of-passed', target: [{ reference: 'Observation/passed' }], recorded: '2024-01-01T00:00:00Z', agent: [{ who: { display: 'x' } }] }
  const status = async (claims: typeof PATIENT_A): Promise<readonly number[]> =>
    Promise.all(['Observation/passed', 'Provenance/of-passed', 'Observation/passed/_history'].map(async (path) => (await twins.full.ask(claims, { path })).status))
  const both: Claims = { scope: 'user/*.cruds', roles: ['mover-not'], fhirUser: 'Practitioner/x' }
  await twins.full.load([subject('a')])
  await twins.full.load([note])
  expect([await status(PATIENT_A), await status(PATIENT_B)]).toEqual([[200, 200, 200], [404, 404, 404]])
  expect((await twins.full.ask(both, { method: 'PUT', path: 'Observation/passed', body: subject('b') })).status).toBe(403)
  await twins.full.load([subject('b')])
  expect([await status(PATIENT_A), await status(PATIENT_B)]).toEqual([[404, 404, 404], [200, 200, 200]])
  await twins.full.remove('Observation/passed')
  expect((await twins.full.ask(both, { method: 'PUT', path: 'Observation/passed', body: subject('a') })).status).toBe(403)
  expect((await twins.full.ask(both, { method: 'PUT', path: 'Observation/passed', body: subject('b') })).status).toBe(201)
  await twins.full.remove('Observation/passed')
  await twins.full.load([subject('a')])
  expect([await status(PATIENT_A), await status(PATIENT_B)]).toEqual([[200, 200, 200], [404, 404, 404]])
})

/** Copies that name B as well, by each of R4's compartment parameters that the row leaves room for. */
function withB(row: Json): readonly Json[] {
  const copies: Json[] = []
  for (const name of Object.keys(row)) {
    const value = row[name]
    if (JSON.stringify(value)?.includes('"Patient/a"') !== true || !inCompartment(row.resourceType, name)) continue
    const foreign = JSON.parse(JSON.stringify(value).replaceAll('"Patient/a"', '"Patient/b"'))
    copies.push({ ...row, [name]: Array.isArray(value) ? [...value, ...foreign] : foreign })
  }
  return copies
}

/** `performer` of an Observation puts it into a compartment, its `focus` does not. */
const inCompartment = (type: string, element: string): boolean => {
  const codes = classify(type)!.codes
  return codes.includes(element) || (element === 'subject' && codes.includes('patient'))
}
