/** The guard by itself: what the interactions above it refuse too, it refuses without them. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Resource } from '../../src/model/resource.ts'
import { guard } from '../../src/policy/guard.ts'
import { searchParam } from '../../src/search/parameters.ts'
import { parseCriteria } from '../../src/search/parse.ts'
import type { GuardedStore, ResourceStore, Row } from '../../src/store/ports.ts'
import { stagedStore } from '../../src/store/staged-store.ts'
import { turnsDuring } from '../turns-during.ts'
import { BASE, policyOf, rolesWith } from './callers.ts'

afterEach(() => { vi.restoreAllMocks() })

const row = (id: string, patients: readonly string[], content: object = {}): Row => {
  const resource = { resourceType: 'Observation', id, meta: { versionId: '1' }, status: 'final', code: { text: 'x' }, ...content } as Resource
  return { type: 'Observation', id, version: 1, updated: 1, deleted: false, patients, labels: [], json: Buffer.from(JSON.stringify(resource)), memo: [], resource: () => resource }
}
const rows = [row('of-a', ['a'], { subject: { reference: 'Patient/a' } }), row('of-b', ['b'], { subject: { reference: 'Patient/b' } })]

/** Gives every row of the type for every search, and asks `accept` as the sealed store does. */
const store = {
  read: async (refs) => refs.map((ref) => rows.find(({ type, id }) => type === ref.type && id === ref.id)),
  version: async (ref, version) => (version === 1 ? rows.find(({ id }) => id === ref.id) : undefined),
  versions: async (ref) => rows.filter(({ id }) => id === ref.id),
  find: async (ask) => ({ rows: (await Promise.all(rows.map(async (each) => [each, await ask.accept(each)] as const))).filter(([, yes]) => yes === true).map(([each]) => each), next: null }),
  position: (each) => ({ updated: each.updated, key: Uint8Array.from(Buffer.from(each.id)) }),
  findVersions: async (ask) => ({ found: rows.filter((row) => ask.accept(row, row)).map((row) => ({ row, position: { updated: row.updated, key: new Uint8Array(20) } })), more: false }),
  lockVersion: async () => 0,
  patientsOf: async (resource) => [(resource as { subject?: { reference: string } }).subject?.reference.split('/')[1] ?? ''].filter((id) => id !== '')
} as Partial<ResourceStore> as ResourceStore

const CONTEXT = { base: BASE, now: 0, newId: () => 'new', scanRecordsMax: 10, chainMatchesMax: 10, chainSearchesMax: 10, sortRecordsMax: 10, includedRecordsMax: 10, matchWorkMax: 1000 }

const guarded = async (scope: string): Promise<GuardedStore> =>
  guard(stagedStore(store, 0, BASE), await policyOf({ scope, patient: 'a', fhirUser: 'Patient/a' }), CONTEXT)
const search = { type: 'Observation', filter: parseCriteria('Observation', 'status=final', { base: BASE, countMax: 1, countDefault: 1, orValuesMax: 1, lenient: false }), codes: ['status'], order: 'newest', after: null, limit: 10 } as const
const versions = { order: 'newest', after: null, limit: 5, from: 0, at: null } as const
const ref = { type: 'Observation', id: 'of-a' }
const content = { ...rows[0]!.resource(), id: 'of-a' }
const SUBSETTED = { meta: { tag: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' }] } }

test('what a page includes is read no further than to the first row too many of those that the caller sees', async () => {
  const performers = Array.from({ length: 3_000 }, (_, n) => ({ reference: `Practitioner/p-${n}` }))
  const page = row('many', ['a'], { subject: { reference: 'Patient/a' }, performer: performers })
  const practitioner = (id: string): Row => ({ ...row(id, []), type: 'Practitioner', resource: () => ({ resourceType: 'Practitioner', id }) })
  const asking = async (isThere: (n: number) => boolean) => {
    let read = 0
    const counting = { ...store, read: async (refs) => refs.map((each) => (read++, each.type !== 'Practitioner' ? page : isThere(Number(each.id.slice(2))) ? practitioner(each.id) : undefined)) } as ResourceStore
    const each = guard(stagedStore(counting, 0, BASE), await policyOf({ scope: 'system/*.rs', patient: 'a', fhirUser: 'Patient/a' }), CONTEXT)
    const seen = (await each.read({ type: 'Observation', id: 'many' }))!
    const included = await each.included([seen], [{ source: 'Observation', param: searchParam('Observation', 'performer')!, target: null, reverse: false, iterate: false }]).then((all) => all.map((one) => one.row.id), (error: Error) => error)
    return { included, read: read - 1 }
  }
  expect(await asking(() => true)).toEqual({ included: expect.objectContaining({ status: 422, issues: [expect.objectContaining({ diagnostics: expect.stringContaining('INCLUDED_RECORDS_MAX') })] }), read: 256 })
  // What is not there, or not for this caller, uses up nothing.
  expect(await asking((n) => n % 300 === 299)).toEqual({ included: Array.from({ length: 10 }, (_, i) => `p-${i * 300 + 299}`), read: 3_000 })
})

test('references to what is not there are read in turns', async () => {
  const empty = { ...store, read: async (refs) => refs.map(() => undefined) } as ResourceStore
  const each = guard(stagedStore(empty, 0, BASE), await policyOf({ scope: 'system/*.rs' }), CONTEXT)
  const refs = Array.from({ length: 5_000 }, (_, n) => ({ type: 'Practitioner', id: `p-${n}` }))
  expect(await turnsDuring(async () => { expect(await each.readAll(refs, () => true)).toEqual([]) })).toBeGreaterThan(1_000)
})

describe('a right that the caller lacks is 403 at each of its doors', () => {
  const doors: readonly (readonly [string, string, (store: GuardedStore) => Promise<unknown>])[] = [
    ['r', 'read', (each) => each.read(ref)], ['r', 'version', (each) => each.version(ref, 1)], ['r', 'history', (each) => each.history(ref, versions)],
    ['s', 'history of the type', (each) => each.history('Observation', versions)], ['s', 'history of the system', (each) => each.history(null, versions)],
    ['s', 'search', (each) => each.search(search)], ['s', 'search for all', (each) => each.search({ ...search, filter: { kind: 'all' }, codes: [] })], ['s', 'count', (each) => each.count(search, 10)],
    ['s', 'searchAll', (each) => each.searchAll([search])], ['s', 'sorted', (each) => each.sorted({ ...search, keys: [], after: null })],
    ['s', 'resolve', (each) => each.resolve('Patient', { kind: 'has', param: searchParam('Observation', 'patient')!, of: search.filter })],
    ['s', 'choose', (each) => each.choose(search, (all) => all)],
    ['c', 'create', (each) => each.create(content)], ['u', 'update', (each) => each.update(content, null)], ['d', 'remove', (each) => each.remove(ref, null)]
  ]
  test.each(doors)('%s: %s', async (right, _name, ask) => {
    const others = [...'cruds'].filter((each) => each !== right).join('')
    await expect(ask(await guarded(`system/Observation.${others}`))).rejects.toMatchObject({ status: 403 })
    await expect(ask(await guarded(`system/Observation.${right}`))).resolves.toBeDefined()
  })
})

test('rows of others are neither given nor counted, and none is disclosed', async () => {
  const each = await guarded('patient/*.cruds')
  expect([await each.read({ type: 'Observation', id: 'of-b' }), await each.version({ type: 'Observation', id: 'of-b' }, 1), await each.history({ type: 'Observation', id: 'of-b' }, versions)]).toEqual([undefined, undefined, undefined])
  expect((await each.count(search, 10)).count).toBe(1)
  expect(each.disclosed()).toEqual([])
  expect((await each.search(search)).rows.map((seen) => seen.row.id)).toEqual(['of-a'])
  expect(each.disclosed().map(({ id }) => id)).toEqual(['of-a'])
})

test('what is marked SUBSETTED is not written, also by those who see everything', async () => {
  const each = await guarded('system/*.cruds')
  await expect(each.create({ ...content, ...SUBSETTED })).rejects.toMatchObject({ status: 422 })
  await expect(each.update({ ...content, ...SUBSETTED }, null)).rejects.toMatchObject({ status: 422 })
  await expect(each.update(content, null)).resolves.toMatchObject({ created: false })
})

test('If-Match that names another version is 412, on rows that are hidden or absent too', async () => {
  const each = await guarded('system/*.cruds')
  await expect(each.update(content, 2)).rejects.toMatchObject({ status: 412 })
  await expect(each.remove(ref, 2)).rejects.toMatchObject({ status: 412 })
  await expect(each.remove({ type: 'Observation', id: 'never' }, 1)).rejects.toMatchObject({ status: 412 })
  await expect(each.update(content, 1)).resolves.toMatchObject({ created: false })
  await expect(each.remove(ref, null)).resolves.toMatchObject({ deleted: true })
})

describe('an update', () => {
  const byRules = async (rules: readonly object[]): Promise<GuardedStore> => {
    const policy = await policyOf({ scope: 'user/*.cruds', roles: ['clerk'] }, [], rolesWith({ clerk: { patients: 'all', labelMax: 'V', rules: [{ types: ['*'], do: 'crs' }, ...rules] } }))
    return guard(stagedStore(store, 0, BASE), policy, CONTEXT)
  }
  const rule = (rest: object): object => ({ types: ['Observation'], do: 'u', ...rest })
  const amended = { ...content, status: 'amended' }

  test('that moves the row to another patient needs the right to move', async () => {
    const moved = { ...content, subject: { reference: 'Patient/b' } }
    await expect((await byRules([rule({})])).update(moved, null)).rejects.toMatchObject({ status: 403, issues: [{ diagnostics: expect.stringContaining('right to move') }] })
    await expect((await guarded('system/*.cruds')).update(moved, null)).resolves.toMatchObject({ created: false })
  })

  test('stays within a rule that allowed the row before: another rule that would allow the result is not enough', async () => {
    await expect((await byRules([rule({ where: 'status=final' }), rule({ where: 'status=amended' })])).update(amended, null)).rejects.toMatchObject({ status: 403 })
    await expect((await byRules([rule({ where: 'status=final,amended' })])).update(amended, null)).resolves.toMatchObject({ created: false })
  })

  test('changes no more than the rules that allow its result let be changed', async () => {
    const rules = [rule({ where: 'status=final' }), rule({ writable: ['Observation.note'] })]
    await expect((await byRules(rules)).update(amended, null)).rejects.toMatchObject({ status: 403 })
    await expect((await byRules(rules)).update({ ...content, code: { text: 'y' } }, null)).resolves.toMatchObject({ created: false })
    await expect((await byRules(rules)).update({ ...content, note: [{ text: 'y' }] }, null)).resolves.toMatchObject({ created: false })
  })
})
