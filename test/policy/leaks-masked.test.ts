/**
 * DESIGN.md I2 for elements: what a role does not see of a row changes no answer. Two worlds hold the same rows at the same times; in one the rows
 * also hold everything that the role may not see. Whatever the front desk or billing asks, both must answer alike.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Resource } from '../../src/model/resource.ts'
import { type Claims, idsOf, type Json, SYSTEM } from '../harness.ts'
import { batchOf, queriesOf, slices, urlOf } from './queries.ts'
import { makeRow, rowId } from './rows.ts'
import { A, type Ask, B, clock, differences, openTwins, shown, type Twins } from './world.ts'

const DESK: Claims = { scope: 'user/*.cruds', roles: ['front-desk'], fhirUser: 'Practitioner/desk' }
const BILLING: Claims = { scope: 'user/*.cruds', roles: ['billing'], fhirUser: 'Practitioner/bill' }

/** What every masked row holds besides: nothing of it is on any list. */
const extras = (id: string): Json => ({
  language: 'en', implicitRules: `http://example.org/${id}`, text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">Canary ${id}</div>` },
  extension: [{ url: 'http://example.org/canary', valueString: `Canary ${id}` }],
  contained: [{ resourceType: 'Basic', id: 'inside', code: { text: `Canary ${id}` }, subject: { reference: '#' } }]
})
const words = (id: string): Json => ({ text: `Canary ${id}`, coding: [{ system: 'urn:canary', code: `canary-${id}` }] })
const pointer = (id: string): Json => ({ reference: `Condition/canary-${id}`, display: `Canary ${id}` })

/** By role and type: the elements of a row that the role may not see, beside `extras`. Written down here, not read from the policy. */
const DESK_HIDDEN: Readonly<Record<string, (id: string) => Json>> = {
  Patient: (id) => ({ maritalStatus: words(id), multipleBirthBoolean: true, link: [{ other: { reference: `Patient/canary-${id}` }, type: 'seealso' }] }),
  Encounter: (id) => ({
    reasonCode: [words(id)], reasonReference: [pointer(id)], diagnosis: [{ condition: pointer(id) }], hospitalization: { dischargeDisposition: words(id) },
    account: [{ reference: `Account/canary-${id}` }], basedOn: [{ reference: `ServiceRequest/canary-${id}` }], episodeOfCare: [{ reference: `EpisodeOfCare/canary-${id}` }], partOf: { reference: `Encounter/canary-${id}` }
  })
}
const BILLING_HIDDEN: Readonly<Record<string, (id: string) => Json>> = {
  Patient: (id) => ({ ...DESK_HIDDEN.Patient!(id), active: true, generalPractitioner: [{ reference: `Practitioner/canary-${id}` }], managingOrganization: { reference: `Organization/canary-${id}` }, photo: [{ title: `Canary ${id}` }] }),
  Encounter: (id) => ({ ...DESK_HIDDEN.Encounter!(id), diagnosis: undefined, account: undefined, priority: words(id), serviceType: words(id), appointment: [{ reference: `Appointment/canary-${id}` }] }),
  Condition: (id) => ({ severity: words(id), bodySite: [words(id)], note: [{ text: `Canary ${id}` }], stage: [{ summary: words(id) }], evidence: [{ code: [words(id)], detail: [pointer(id)] }], asserter: { reference: `Practitioner/canary-${id}` }, onsetString: `Canary ${id}` }),
  Procedure: (id) => ({ reasonCode: [words(id)], reasonReference: [pointer(id)], bodySite: [words(id)], outcome: words(id), note: [{ text: `Canary ${id}` }], complication: [words(id)], followUp: [words(id)], partOf: [{ reference: `Procedure/canary-${id}` }] }),
  Claim: (id) => ({ supportingInfo: [{ sequence: 1, category: words(id), valueString: `Canary ${id}` }], prescription: { reference: `MedicationRequest/canary-${id}` } }),
  ExplanationOfBenefit: (id) => ({ supportingInfo: [{ sequence: 1, category: words(id) }], processNote: [{ text: `Canary ${id}` }], prescription: { reference: `MedicationRequest/canary-${id}` } })
}

/** The row with nothing that the role may not see. */
function bareRow(type: string, owner: typeof A, hidden: Json): Json {
  const { meta: _meta, ...row } = makeRow(type, owner) as Json
  for (const name of [...Object.keys(hidden), ...Object.keys(extras(''))]) delete row[name]
  if (type === 'Patient') row.identifier = row.identifier.filter(({ type: kind }: Json) => kind.coding[0].code === 'MR')
  const own = TRIMMED[type]
  return own === undefined ? row : own(row)
}

/** Elements that billing sees in part only. */
const coded = ({ coding }: Json): Json => ({ coding })
const TRIMMED: Readonly<Record<string, (row: Json) => Json>> = {
  Condition: ({ code, category, clinicalStatus, verificationStatus, ...row }) => {
    for (const name of Object.keys(row)) if (!/^(resourceType|id|identifier|subject|encounter|recordedDate)$/.test(name)) delete row[name]
    return { ...row, code: coded(code), category: category.map(coded), clinicalStatus: coded(clinicalStatus), ...(verificationStatus === undefined ? {} : { verificationStatus: coded(verificationStatus) }) }
  },
  Procedure: ({ code, category, ...row }) => {
    for (const name of Object.keys(row)) if (!/^(resourceType|id|identifier|status|subject|encounter|performedDateTime|performer|location)$/.test(name)) delete row[name]
    return { ...row, code: coded(code), ...(category === undefined ? {} : { category: coded(category) }) }
  }
}

const defined = (row: Json): Resource => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)) as Resource

function fullRow(type: string, owner: typeof A, bare: Json, hidden: Json): Resource {
  const { id } = owner
  const row: Json = { ...bare, ...extras(id), ...hidden, meta: { source: `http://example.org/canary-${id}` } }
  if (type === 'Patient') {
    row.identifier = [...row.identifier, { type: { coding: [{ code: 'SS' }] }, system: 'urn:ssn', value: `ssn-${id}` }, { system: 'urn:ssn', value: `untyped-${id}` }]
    row._birthDate = { extension: [{ url: 'http://example.org/canary', valueString: `Canary ${id}` }] }
    row.name = row.name.map((name: Json) => ({ ...name, extension: [{ url: 'http://example.org/canary', valueString: `Canary ${id}` }] }))
  }
  if (type === 'Condition' || type === 'Procedure') row.code = { ...row.code, text: `Canary ${id}` }
  return defined(row)
}

interface World { readonly twins: Twins; readonly full: readonly Resource[] }

/** The same rows in both worlds at the same times, in one of them with what the role may not see. */
async function openMasked(hidden: typeof DESK_HIDDEN): Promise<World> {
  const rows = Object.entries(hidden).flatMap(([type, of]) => [A, B].map((owner) => ({ type, owner, hidden: of(owner.id), bare: bareRow(type, owner, of(owner.id)) })))
  const full = rows.map(({ type, owner, bare, hidden: more }) => fullRow(type, owner, bare, more))
  const twins = await openTwins(async () => undefined, async (side) => {
    for (const row of full) {
      clock.now += 10
      await side.load([row])
    }
  })
  clock.now -= 10 * full.length
  for (const { bare } of rows) {
    clock.now += 10
    await twins.bare.load([defined(bare)])
  }
  return { twins, full }
}

const roles = [['the front desk', DESK, DESK_HIDDEN], ['billing', BILLING, BILLING_HIDDEN]] as const

describe.each(roles)('%s', (_who, claims, hidden) => {
  let world: World
  beforeAll(async () => { world = await openMasked(hidden) })
  afterAll(() => world.twins.close())
  const types = Object.keys(hidden)
  const rowsOf = (type: string) => world.full.filter(({ resourceType }) => resourceType === type)

  test('the system finds and reads what is hidden (positive control)', async () => {
    for (const type of types) {
      expect([type, (await world.twins.full.ask(SYSTEM, { path: `${type}/${rowId(type, 'a')}` })).text.match(/[Cc]anary/g)?.length ?? 0]).not.toEqual([type, 0])
      expect((await world.twins.bare.ask(SYSTEM, { path: `${type}/${rowId(type, 'a')}` })).text).not.toMatch(/[Cc]anary/)
    }
    expect(await differences(world.twins, SYSTEM, types.map((type) => ({ path: type })))).toHaveLength(types.length)
  })

  test('reads, versions, histories and pages show the rows, and no hidden element', async () => {
    const paths = types.flatMap((type) => [rowId(type, 'a'), rowId(type, 'b')].flatMap((id) => ['', '?_pretty=true', '/_history', '/_history/1'].map((rest) => `${type}/${id}${rest}`)).concat([type, `${type}?_count=1`]))
    for (const path of paths) {
      const reply = await world.twins.full.ask(claims, { path })
      expect([path, reply.status]).toEqual([path, 200])
      expect(reply.text).not.toMatch(/[Cc]anary|ssn-|untyped-|"div"|contained/)
      expect(reply.text).toContain('SUBSETTED')
    }
    expect(await differences(world.twins, claims, paths.map((path) => ({ path })))).toEqual([])
  })

  test('every search parameter over what is hidden, under every modifier, is refused by name or finds nothing', async () => {
    const queries = types.flatMap((type) => queriesOf(type, rowsOf(type)))
    expect(queries.length).toBeGreaterThan(300)
    const urls = queries.flatMap((query) => [urlOf(query), urlOf(query, '&_summary=count')])
    expect(await differences(world.twins, claims, [...slices(urls, 60).map(batchOf), ...queries.map((query): Ask => ({ path: urlOf(query, '&_count=1&_total=accurate') }))])).toEqual([])
    const canaries = queries.filter(({ text, plain }) => plain && /canary|Canary|ssn-|untyped-/.test(decodeURIComponent(text)))
    expect(canaries.length).toBeGreaterThan(5)
    const answers = new Map<number, number>()
    for (const query of canaries) {
      const reply = await world.twins.full.ask(claims, { path: urlOf(query) })
      answers.set(reply.status, (answers.get(reply.status) ?? 0) + 1)
      expect([urlOf(query), idsOf(reply.json)]).toEqual([urlOf(query), []])
      expect([urlOf(query), idsOf((await world.twins.full.ask(SYSTEM, { path: urlOf(query) })).json).length]).not.toEqual([urlOf(query), 0])
    }
    expect([...answers.keys()].sort()).toEqual([200, 403])
  })

  test('order, names of elements and conditional criteria tell nothing either', async () => {
    const row = { ...(await world.twins.bare.ask(SYSTEM, { path: 'Patient/a' })).json, id: undefined, meta: undefined }
    const asks: readonly Ask[] = [
      ...types.flatMap((type) => ['_sort=identifier', '_sort=-_id', '_sort=reason-code', '_elements=maritalStatus,identifier', '_summary=text', '_text=Canary', '_content=Canary', '_filter=x', '_source=http://example.org/canary-a', '_source:missing=false', '_include=*', '_has:Encounter:patient:reason-code=canary-a']
        .map((text): Ask => ({ path: `${type}?${text}` }))),
      ...['identifier=urn:ssn|ssn-a', 'identifier=untyped-a', 'link=Patient/canary-a', 'identifier=ssn-a,ssn-b'].flatMap((text): Ask[] => [
        { method: 'POST', path: 'Patient', body: row, headers: { 'if-none-exist': text, prefer: 'return=minimal' } }, { method: 'PUT', path: `Patient?${text}`, body: row }, { method: 'DELETE', path: `Patient?${text}` }])]
    for (const ask of asks) {
      clock.now += 10
      expect(await differences(world.twins, claims, [ask])).toEqual([])
    }
  })
})

describe('what the front desk writes', () => {
  let world: World
  beforeAll(async () => { world = await openMasked(DESK_HIDDEN) })
  afterAll(() => world.twins.close())

  const masked = async (): Promise<Json> => {
    const { json } = await world.twins.full.ask(DESK, { path: 'Patient/a' })
    return { ...json, meta: undefined }
  }
  const both = async (body: unknown, headers = {}) => {
    clock.now += 10
    const ask: Ask = { method: 'PUT', path: 'Patient/a', body, headers }
    const [full, bare] = [await world.twins.full.ask(DESK, ask), await world.twins.bare.ask(DESK, ask)]
    expect(shown(full)).toBe(shown(bare))
    return full
  }

  test('keeps what it does not see: a masked copy sent back changes nothing but what was changed', async () => {
    const before = (await world.twins.full.ask(SYSTEM, { path: 'Patient/a' })).json
    expect((await both({ ...(await masked()), telecom: [{ system: 'phone', value: '1' }] })).status).toBe(200)
    const after = (await world.twins.full.ask(SYSTEM, { path: 'Patient/a' })).json
    expect({ ...after, meta: { ...after.meta, versionId: '1', lastUpdated: '' }, telecom: 0 }).toEqual({ ...before, meta: { ...before.meta, lastUpdated: '' }, telecom: 0 })
    expect(after.telecom).toEqual([{ system: 'phone', value: '1' }])
  })

  test('is refused alike where it names hidden elements, is marked SUBSETTED, or sets an identifier that it may not see', async () => {
    const copy = await masked()
    const refused: readonly Json[] = [
      { ...copy, maritalStatus: { text: 'x' } }, { ...copy, link: [{ other: { reference: 'Patient/canary-a' }, type: 'seealso' }] }, { ...copy, extension: [{ url: 'urn:x', valueString: 'x' }] },
      { ...copy, meta: { tag: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' }] } }, { ...copy, multipleBirthBoolean: true }, { ...copy, identifier: [...copy.identifier, { system: 'urn:ssn', value: 'ssn-a' }] }]
    for (const body of refused) {
      const [full, bare] = [await world.twins.full.ask(DESK, { method: 'PUT', path: 'Patient/a', body }), await world.twins.bare.ask(DESK, { method: 'PUT', path: 'Patient/a', body })]
      expect([full.status, bare.status]).toEqual([422, 422])
      if (body.identifier.length === copy.identifier.length) expect(shown(full)).toBe(shown(bare))
    }
    expect((await world.twins.full.ask(DESK, { method: 'POST', path: 'Patient', body: { ...copy, id: undefined, maritalStatus: { text: 'x' } } })).status).toBe(422)
    expect((await world.twins.full.ask(DESK, { method: 'POST', path: 'Patient', body: { ...copy, id: undefined } })).status).toBe(201)
  })
})
