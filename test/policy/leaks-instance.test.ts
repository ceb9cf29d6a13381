/**
 * DESIGN.md I2 at the doors of one row: read, vread, history, with and without conditional headers, alone and inside a batch or transaction. Each
 * row that A may not see answers like one that never was, while the system reads it.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Json, SYSTEM } from '../harness.ts'
import { hiddenRefs, seenByA } from './mixed.ts'
import { BASE } from './rows.ts'
import { A, type Ask, B, clock, differences, inTurns, openLeakWorld, PATIENT_A, PATIENT_B, rowsOf, shown, type Twins } from './world.ts'

let twins: Twins
beforeAll(async () => { twins = await openLeakWorld() })
afterAll(() => twins.close())

const refOf = ({ resourceType, id }: Json): string => `${resourceType}/${id}`
const hidden = [...rowsOf(B).map(refOf), ...hiddenRefs]
const own = [...rowsOf(A), ...seenByA].map(refOf)
const gone = new Set(['Observation/lost-and-gone', 'Observation/b-gone'])
/** Of the same length, so that replies may be compared to the byte. */
const absent = (ref: string): string => ref.replace(/\/(.*)$/, (_, id: string) => `/${'z'.repeat(id.length)}`)

const doors: readonly ((ref: string) => Ask)[] = [
  (ref) => ({ path: ref }), (ref) => ({ path: `${ref}?_pretty=true` }), (ref) => ({ method: 'HEAD', path: ref }), (ref) => ({ path: `${ref}/` }),
  (ref) => ({ path: ref, headers: { 'if-none-match': 'W/"1"' } }), (ref) => ({ path: ref, headers: { 'if-none-match': '*' } }),
  (ref) => ({ path: ref, headers: { 'if-modified-since': new Date(clock.now + 1e6).toUTCString() } }), (ref) => ({ path: ref, headers: { accept: 'text/plain' } }),
  ...['1', '2', '3', '99', '0', 'x', '01'].map((version) => (ref: string): Ask => ({ path: `${ref}/_history/${version}` })),
  ...['', '?_count=1', '?_since=2020-01-01T00:00:00Z', '?_page=x'].map((rest) => (ref: string): Ask => ({ path: `${ref}/_history${rest}` })),
  (ref) => ({ method: 'DELETE', path: `${ref}/_history` }), (ref) => ({ path: `${ref}/$everything` }), (ref) => ({ path: `Patient/b/${ref}` })
]
/** Second rows of a type go through the first doors only. */
const doorsOf = (ref: string): typeof doors => (ref.endsWith('-1') ? doors.slice(0, 3) : doors)
const bundle = (type: string, asks: readonly Ask[]): Ask => ({
  method: 'POST', path: '', body: {
    resourceType: 'Bundle', type, entry: asks.map(({ method = 'GET', path, headers = {} }) => ({
      request: { method, url: path, ...(headers['if-none-match'] === undefined ? {} : { ifNoneMatch: headers['if-none-match'] }), ...(headers['if-modified-since'] === undefined ? {} : { ifModifiedSince: headers['if-modified-since'] }) }
    }))
  }
})

describe('rows that A may not see', () => {
  test('are there: the system reads each and its history (positive control)', async () => {
    await inTurns(hidden, 8, async (ref) => {
      expect([ref, (await twins.full.ask(SYSTEM, { path: ref })).status]).toEqual([ref, gone.has(ref) ? 410 : 200])
      expect([ref, (await twins.full.ask(SYSTEM, { path: `${ref}/_history` })).json.entry.length]).toEqual([ref, ref === 'Observation/lost-and-gone' || ref === 'Observation/b-gone' ? 3 : ref === 'Observation/lost' ? 2 : 1])
      expect([ref, (await twins.bare.ask(SYSTEM, { path: ref })).status]).toEqual([ref, 404])
    })
  })

  test('answer at every door as in a world without them', async () => {
    expect(await differences(twins, PATIENT_A, hidden.flatMap((ref) => doorsOf(ref).map((door) => door(ref))))).toEqual([])
  })

  test('answer as an id that never was', async () => {
    await inTurns(hidden.filter((_, index) => index % 4 === 0), 8, async (ref) => {
      for (const door of doors) {
        const [there, never] = [await twins.full.ask(PATIENT_A, door(ref)), await twins.full.ask(PATIENT_A, door(absent(ref)))]
        expect([door(ref), shown(there)]).toEqual([door(ref), shown(never)])
        expect([door(ref), there.status]).not.toEqual([door(ref), 200])
      }
    })
  })

  test('answer so inside a batch and inside a transaction', async () => {
    const inner = hidden.flatMap((ref) => doors.slice(0, 19).map((door) => door(ref))).filter(({ method }) => method !== 'HEAD')
    const batches = Array.from({ length: Math.ceil(inner.length / 100) }, (_, at) => bundle('batch', inner.slice(at * 100, at * 100 + 100)))
    const transactions = hidden.flatMap((ref) => [bundle('transaction', [{ path: 'Observation/a-Observation-0' }, { path: ref }]), bundle('transaction', [{ path: `Observation?_id=${ref.split('/')[1]}` }])])
    expect(await differences(twins, PATIENT_A, [...batches, ...transactions])).toEqual([])
    const { json } = await twins.full.ask(PATIENT_A, bundle('batch', [{ path: hidden[0]! }, { path: 'Patient/a' }]))
    expect(json.entry.map(({ response }: Json) => response.status)).toEqual(['404 Not Found', '200 OK'])
    expect((await twins.full.ask(SYSTEM, bundle('batch', [{ path: hidden[0]! }]))).json.entry[0].resource.id).toBe('b')
  })
})

describe('rows that A may see', () => {
  test('are read, by version and by history, where B gets the answer of an absent row', async () => {
    const shared = /coverage-|allergy-|message-/
    await inTurns(own, 8, async (ref) => {
      for (const path of [ref, `${ref}/_history/1`, `${ref}/_history`]) expect([path, (await twins.full.ask(PATIENT_A, { path })).status]).toEqual([path, 200])
      expect([ref, (await twins.full.ask(PATIENT_B, { path: ref })).status]).toEqual([ref, shared.test(ref) || ref === 'Device/device-free' ? 200 : 404])
    })
  })

  test('that were another\'s before show their own versions only', async () => {
    const { json } = await twins.full.ask(PATIENT_A, { path: 'Observation/gained/_history' })
    expect(json.entry.map(({ resource }: Json) => [resource.meta.versionId, resource.subject.reference])).toEqual([['2', 'Patient/a']])
    const paged = await twins.full.ask(PATIENT_A, { path: 'Observation/gained/_history?_count=1' })
    expect(paged.json.link.map(({ relation }: Json) => relation)).toEqual(['self'])
    const first = await twins.full.ask(PATIENT_A, { path: 'Observation/gained/_history/1' })
    expect(shown(first)).toBe(shown(await twins.full.ask(PATIENT_A, { path: 'Observation/gained/_history/7' })))
    for (const path of ['Observation/gained', 'Observation/gained/_history', 'Observation/gained/_history/1']) expect((await twins.full.ask(PATIENT_B, { path })).status).toBe(404)
    expect((await twins.full.ask(SYSTEM, { path: 'Observation/gained/_history/1' })).json.valueString).toBe('when it was of b')
  })

  test('that went are 410 for A and 404 for B', async () => {
    expect((await twins.full.ask(PATIENT_A, { path: 'Condition/a-gone' })).status).toBe(410)
    expect((await twins.full.ask(PATIENT_A, { path: 'Condition/a-gone/_history' })).json.entry).toHaveLength(2)
    expect((await twins.full.ask(PATIENT_B, { path: 'Condition/a-gone' })).status).toBe(404)
    expect((await twins.full.ask(PATIENT_B, { path: 'Observation/lost-and-gone' })).status).toBe(410)
  })
})

describe('a page link', () => {
  const next = async (claims: typeof PATIENT_A, path: string): Promise<string> =>
    (await twins.full.ask(claims, { path })).json.link.find(({ relation }: Json) => relation === 'next').url.slice(BASE.length + 1)

  test('of B opens for B alone: for A, and for B under another scope or client, it is as one that nobody made', async () => {
    for (const path of ['Observation?_count=1', 'Coverage?_count=1&_total=accurate']) {
      const link = await next(PATIENT_B, path)
      expect((await twins.full.ask(PATIENT_B, { path: link })).status).toBe(200)
      const forged = await twins.full.ask(PATIENT_A, { path: `${link.split('=')[0]}=AAAA` })
      expect(forged.status).toBe(404)
      const others = [PATIENT_A, { ...PATIENT_B, scope: 'patient/Observation.rs patient/Coverage.rs' }, { ...PATIENT_B, client: 'other' }, { ...PATIENT_B, subject: 'other' }, { ...PATIENT_A, subject: 'Patient/b', fhirUser: 'Patient/b' }, SYSTEM]
      for (const claims of others) expect(shown(await twins.full.ask(claims, { path: link }))).toBe(shown(forged))
      expect(shown(await twins.full.ask(PATIENT_B, { path: link.replace(/^\w+/, 'Condition') }))).toBe(shown(forged))
    }
  })

  test('that was changed in one character, or joined to another parameter, opens nothing', async () => {
    const link = await next(PATIENT_B, 'Observation?_count=1')
    const [path, token] = link.split('=') as [string, string]
    for (const at of [0, 1, 20, Math.floor(token.length / 2), token.length - 2]) {
      const changed = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
      expect((await twins.full.ask(PATIENT_B, { path: `${path}=${changed}` })).status).toBe(404)
    }
    for (const rest of ['&patient=b', '&_count=100', '&_id=x']) expect((await twins.full.ask(PATIENT_B, { path: link + rest })).status).toBe(400)
  })

  test('ends after an hour', async () => {
    const link = await next(PATIENT_B, 'Observation?_count=1')
    const before = clock.now
    try {
      clock.now = before + 3_599_000
      expect((await twins.full.ask(PATIENT_B, { path: link })).status).toBe(200)
      clock.now = before + 3_600_000
      // The token ends at the same moment: another of the same caller is needed to ask at all.
      expect((await twins.full.ask({ ...PATIENT_B, purposes: [] }, { path: link })).status).toBe(404)
    } finally {
      clock.now = before
    }
  })

  test('of a history is bound in the same way', async () => {
    const link = await next(SYSTEM, 'Observation/lost/_history?_count=1')
    expect((await twins.full.ask(SYSTEM, { path: link })).json.entry[0].resource.meta.versionId).toBe('1')
    expect((await twins.full.ask(PATIENT_A, { path: link })).status).toBe(404)
    expect((await twins.full.ask(SYSTEM, { path: link.replace('lost', 'gained') })).status).toBe(404)
  })
})
