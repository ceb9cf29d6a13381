/**
 * DESIGN.md I2 at histories of types and of the system, at operations and at patches: what A may not see changes no answer, and is there for
 * the system.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Json, SYSTEM } from '../harness.ts'
import { hiddenRefs, seenByA } from './mixed.ts'
import { A, type Ask, B, clock, differences, ofPatients, openLeakWorld, pagesOf, PATIENT_A, rowsOf, shown, type Twins } from './world.ts'

let twins: Twins
beforeAll(async () => { twins = await openLeakWorld() })
afterAll(() => twins.close())

const refOf = ({ resourceType, id }: Json): string => `${resourceType}/${id}`
const hidden = [...rowsOf(B).map(refOf), ...hiddenRefs]
const own = [...rowsOf(A), ...seenByA].map(refOf)
const refsIn = (pages: readonly { readonly json: Json }[]): readonly string[] => pages.flatMap(({ json }) => json.entry ?? []).map((one: Json) => one.fullUrl.split('/').slice(-2).join('/'))
const since = new Date(clock.now - 8 * 60_000).toISOString()

describe('histories', () => {
  const types = ['Patient', ...ofPatients.filter((type) => type !== 'AuditEvent')]
  /** Ids of the ledger's own AuditEvents count all accesses, those of the world's making too. */
  const A_WITHOUT_AUDIT = { ...PATIENT_A, scope: types.map((type) => `patient/${type}.cruds`).join(' ') }
  const asks: readonly Ask[] = ['', ...types].flatMap((type) => ['', '?_count=1', '?_count=3&_sort=_lastUpdated', `?_since=${since}`, `?_at=${since}`].map((rest) => ({ path: `${type === '' ? '' : `${type}/`}_history${rest}` })))

  test('answer as in a world without what A may not see', async () => {
    expect(await differences(twins, A_WITHOUT_AUDIT, asks)).toEqual([])
  })

  test('page by page, the same and each version once, while the system finds the hidden ones (positive control)', async () => {
    for (const path of ['_history?_count=7', '_history?_count=7&_sort=_lastUpdated', 'Observation/_history?_count=2']) {
      const [full, bare] = [await pagesOf(twins.full, A_WITHOUT_AUDIT, path), await pagesOf(twins.bare, A_WITHOUT_AUDIT, path)]
      expect(full.map(shown)).toEqual(bare.map(shown))
      expect(refsIn(full).filter((ref) => hidden.includes(ref))).toEqual([])
      const versions = full.flatMap(({ json }) => json.entry).map((one: Json) => `${one.fullUrl} ${one.response.etag}`)
      expect(new Set(versions).size).toBe(versions.length)
    }
    const found = new Set(refsIn(await pagesOf(twins.full, { ...SYSTEM, scope: A_WITHOUT_AUDIT.scope.replaceAll('patient/', 'system/') }, '_history?_count=1000')))
    expect(hidden.filter((ref) => !found.has(ref) && !ref.startsWith('AuditEvent/'))).toEqual([])
  })
})

describe('$everything, $lastn, $meta and $validate', () => {
  const ofRow = (ref: string): readonly Ask[] => [{ path: `${ref}/$meta` }, { method: 'POST', path: `${ref}/$meta` }, { path: `${ref}/$validate` }]
  const asks: readonly Ask[] = [
    ...['a', 'b', 'zz'].flatMap((id) => ['', '?_count=1', '?_type=Observation,Provenance', `?_since=${since}`, '?start=2020', '?end=2021'].map((rest) => ({ path: `Patient/${id}/$everything${rest}` }))),
    ...[...own, ...hidden].filter((ref) => ref.startsWith('Encounter/')).map((ref) => ({ path: `${ref}/$everything` })),
    ...['patient=a', 'patient=b', 'subject=Patient/a&max=9', 'patient=a,b&max=3'].map((query) => ({ path: `Observation/$lastn?${query}` })),
    ...hidden.flatMap(ofRow), ...own.slice(0, 30).flatMap(ofRow)
  ]

  test('answer as in a world without what A may not see', async () => {
    expect(await differences(twins, PATIENT_A, asks)).toEqual([])
    const batch: Ask = { method: 'POST', path: '', body: { resourceType: 'Bundle', type: 'batch', entry: asks.slice(0, 40).map(({ method = 'GET', path }) => ({ request: { method, url: path } })) } }
    expect(await differences(twins, PATIENT_A, [batch])).toEqual([])
  })

  test('page by page $everything is what A may search of the patient and nothing else; the system gets more (positive control)', async () => {
    const [full, bare] = [await pagesOf(twins.full, PATIENT_A, 'Patient/a/$everything?_count=9'), await pagesOf(twins.bare, PATIENT_A, 'Patient/a/$everything?_count=9')]
    expect(full.map(shown)).toEqual(bare.map(shown))
    const refs = refsIn(full)
    expect(refs.filter((ref) => hidden.includes(ref))).toEqual([])
    expect(rowsOf(A).map(refOf).filter((ref) => !refs.includes(ref) && !/^(AuditEvent|Device|Slot)\//.test(ref))).toEqual([])
    expect(refsIn(await pagesOf(twins.full, SYSTEM, 'Patient/b/$everything')).length).toBeGreaterThan(50)
  })
})

describe('patches', () => {
  const body = [{ op: 'test', path: '/resourceType', value: 'Shoe' }]
  const asks: readonly Ask[] = [
    ...[...hidden, 'Observation/zz', 'Patient/zz'].flatMap((ref): readonly Ask[] => [{}, { 'if-match': 'W/"1"' }].map((headers) => ({
      method: 'PATCH', path: ref, headers: { 'content-type': 'application/json-patch+json', ...headers }, body
    }))),
    ...['Observation?patient=b', 'Observation?status=final', 'Patient?_id=b', 'QuestionnaireResponse?status=completed', 'Patient?_id=a'].map((path): Ask => ({ method: 'PATCH', path, headers: { 'content-type': 'application/json-patch+json' }, body })),
    ...hidden.slice(0, 60).map((ref): Ask => ({ method: 'POST', path: `${ref}/$meta-add`, body: { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta: { tag: [{ code: 'x' }] } }] } }))
  ]

  test('answer as in a world without what A may not see, and change nothing', async () => {
    const before = (await twins.full.ask(SYSTEM, { path: 'Patient/b/_history' })).text
    expect(await differences(twins, PATIENT_A, asks, true)).toEqual([])
    expect((await twins.full.ask(SYSTEM, { path: 'Patient/b/_history' })).text).toBe(before)
    expect((await twins.full.ask(SYSTEM, { method: 'PATCH', path: 'Patient/b', headers: { 'content-type': 'application/json-patch+json' }, body })).status).toBe(422)
  })
})
