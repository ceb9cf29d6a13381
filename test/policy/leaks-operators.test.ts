/**
 * DESIGN.md I2 by what leads from one row to others, or puts them in order: chains, _has, includes and sorts, made from the registry of search
 * parameters and the values of rows that patient A may not see, answer as in a world without those rows (pitfalls of FHIR servers: includes
 * that skip the compartment, inference by chain and sort, totals, links of later pages, chains through shared types).
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Claims, type Json, SYSTEM } from '../harness.ts'
import { seenByA } from './mixed.ts'
import { chains, hierarchies, includes, reverseIncludes, reverses, someOf, sorts } from './operators.ts'
import { batchOf, hiddenRows, slices, types } from './queries.ts'
import { A, differences, inTurns, openLeakWorld, pagesOf, PATIENT_A, rowsOf, rowsOfNobody, type Twins } from './world.ts'

let twins: Twins
beforeAll(async () => { twins = await openLeakWorld() })
afterAll(() => twins.close())

const hidden = new Set(hiddenRows.map(({ resourceType, id }) => `${resourceType}/${id}`))
const mayA = new Set([...[...rowsOf(A), ...seenByA, ...rowsOfNobody()].map(({ resourceType, id }) => `${resourceType}/${id}`), 'Observation/gained'])
const unlike = async (claims: Claims, urls: readonly string[]): Promise<readonly string[]> => differences(twins, claims, slices(urls, 40).map(batchOf))

/** Requests that the caller is answered at all: a world of refusals would be alike too. */
async function answered(claims: Claims, urls: readonly string[]): Promise<{ readonly ok: number; readonly foreign: readonly string[] }> {
  let ok = 0
  const foreign: string[] = []
  await inTurns(slices(urls, 40), 6, async (some) => {
    const { json } = await twins.full.ask(claims, batchOf(some))
    some.forEach((url, index) => {
      const bundle: Json = json.entry[index].resource
      if (json.entry[index].response.status.startsWith('200')) ok += 1
      for (const { resource } of bundle?.entry ?? []) if (resource !== undefined && !mayA.has(`${resource.resourceType}/${resource.id}`)) foreign.push(`${url} ${resource.resourceType}/${resource.id}`)
    })
  })
  return { ok, foreign }
}

describe('patient A learns nothing of hidden rows', () => {
  test.each([
    ['chains', chains, 1200], ['_has', reverses, 1500], ['_include', includes, 500], ['_revinclude', reverseIncludes, 800], ['_sort', sorts, 1000], ['hierarchies', hierarchies, 350]
  ] as const)('by %s', async (_name, urls, least) => {
    expect(urls.length).toBeGreaterThan(least)
    const asked = someOf(urls, 400)
    expect(await unlike(PATIENT_A, asked)).toEqual([])
    const { ok, foreign } = await answered(PATIENT_A, someOf(asked, 150))
    expect(foreign).toEqual([])
    expect(ok).toBeGreaterThan(someOf(asked, 150).length / 2)
  })

  test('by later pages of sorts and includes', async () => {
    for (const path of ['Observation?_sort=-code,value-quantity&_count=1&_include=*', 'Condition?_sort=code&_count=1&_revinclude=Provenance:target', 'Coverage?_sort=-_id&_count=1&_include=Coverage:payor&_total=accurate',
      'Observation?subject:Patient.family=family&_count=1', 'Encounter?_count=1&_revinclude=Observation:encounter']) {
      const [full, bare] = [await pagesOf(twins.full, PATIENT_A, path), await pagesOf(twins.bare, PATIENT_A, path)]
      const shown = (reply: Json): string => reply.text.replace(/_page=[\w-]+/g, (link: string) => `_page=(${link.length})`)
      expect([path, full.map(shown)]).toEqual([path, bare.map(shown)])
      expect(full.length).toBeGreaterThan(1)
      expect(full.flatMap(({ json }) => (json.entry ?? []).map(({ resource }: Json) => `${resource.resourceType}/${resource.id}`)).filter((ref: string) => !mayA.has(ref))).toEqual([])
    }
  })

  test('by compartments and searches of several types', async () => {
    const places = ['Patient/a', 'Patient/b', 'Patient/linked', 'Patient/never', 'Encounter/b-Encounter-0', 'Encounter/a-Encounter-0', 'Practitioner/all-Practitioner-0', 'Device/b-Device-0', 'RelatedPerson/b-RelatedPerson-0']
    const urls = [...places.flatMap((place) => [`${place}/*?_count=3&_total=accurate`, `${place}/*?_count=1000`, ...someOf(types, 25).map((type) => `${place}/${type}?_total=accurate`)]),
      '?_type=Observation,Condition,Encounter&_count=2&_total=accurate', '?_type=Patient,Observation&patient.family=Familyb', `?_type=${types.filter((type) => type !== 'Device').slice(0, 12).join(',')}&_count=1000`]
    expect(await unlike(PATIENT_A, urls)).toEqual([])
    const { ok, foreign } = await answered(PATIENT_A, urls)
    expect([foreign, ok > urls.length / 2]).toEqual([[], true])
    expect((await twins.full.ask(SYSTEM, { path: 'Patient/b/*?_count=1000' })).json.entry.length).toBeGreaterThan(50)
  })

  test('by conditional interactions whose criteria lead to hidden rows', async () => {
    const body = { resourceType: 'Basic', code: { text: 'x' }, subject: { reference: 'Patient/a' } }
    const asks = ['patient.family=Familyb', 'subject:Patient.identifier=urn:mrn|mr-b', '_has:Provenance:target:recorded=ge2000', 'author.name=x'].flatMap((criteria) => [
      { method: 'PUT', path: `Basic?${criteria}`, body }, { method: 'DELETE', path: `Basic?${criteria}` }
    ])
    expect(await differences(twins, PATIENT_A, asks, true)).toEqual([])
  })
})

describe('positive controls', () => {
  test('the same requests by the system show the worlds apart', async () => {
    for (const urls of [chains, reverses, includes, reverseIncludes, sorts]) {
      const some = someOf(urls, 60)
      const apart = await differences(twins, SYSTEM, some.map((path) => ({ path })))
      expect(apart.length).toBeGreaterThan(some.length / 5)
    }
  })

  test('chains and _has lead the system to hidden rows', async () => {
    let reached = 0
    const some = [...someOf(chains, 120), ...someOf(reverses, 120)]
    await inTurns(slices(some, 40), 3, async (part) => {
      const { json } = await twins.full.ask(SYSTEM, batchOf(part))
      for (const { resource } of json.entry) if ((resource?.entry ?? []).some((one: Json) => hidden.has(`${one.resource?.resourceType}/${one.resource?.id}`))) reached += 1
    })
    expect(reached).toBeGreaterThan(some.length / 4)
  })

  test('a hierarchy leads the system through the row that A does not see', async () => {
    const found = async (claims: Claims): Promise<readonly string[]> => (await twins.full.ask(claims, { path: 'Encounter?part-of:below=Encounter/a-Encounter-0' })).json.entry?.map(({ resource }: Json) => resource.id) ?? []
    expect(await found(SYSTEM)).toEqual(expect.arrayContaining(['hidden-part', 'part-of-hidden', 'part-of-seen', 'hidden-end']))
    expect((await found(PATIENT_A)).filter((id) => /hidden|seen/.test(id))).toEqual([])
  })

  test('A finds A\'s own by them', async () => {
    const own = async (path: string): Promise<readonly string[]> => (await twins.full.ask(PATIENT_A, { path })).json.entry?.map(({ resource }: Json) => `${resource.resourceType}/${resource.id}`) ?? []
    expect(await own('Condition?patient.family=Familya')).toEqual(expect.arrayContaining(['Condition/a-Condition-0', 'Condition/a-Condition-1']))
    expect(await own('Patient?_has:Observation:patient:_id=a-Observation-0')).toEqual(['Patient/a'])
    expect(await own('Encounter?part-of:below=Encounter/part-of-hidden')).toEqual(['Encounter/part-of-seen'])
    expect(await own('Observation?_id=focus-b&_include=*')).toEqual(['Observation/focus-b', 'Patient/a'])
    expect(await own('Patient?_revinclude=Coverage:beneficiary')).toContain('Coverage/coverage-a-b')
  })
})
