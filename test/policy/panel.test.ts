import { describe, expect, it } from 'vitest'
import type { Resource } from '../../src/model/resource.ts'
import { makePanel } from '../../src/policy/panel.ts'
import type { FindAsk, Found, ResourceStore, Row } from '../../src/store/ports.ts'
import { BASE } from './callers.ts'

const NOW = Date.parse('2026-06-01T12:00:00Z')
const USER = 'Practitioner/1'
const reference = (text: string) => ({ reference: text })
const careTeam = (patient: string, user = USER, status = 'active'): Resource =>
  ({ resourceType: 'CareTeam', id: `t-${patient}`, status, subject: reference(`Patient/${patient}`), participant: [{ member: reference(user) }] })
const encounter = (patient: string, start: string, rest: object = {}): Resource =>
  ({ resourceType: 'Encounter', id: `e-${patient}`, status: 'finished', subject: reference(`Patient/${patient}`), participant: [{ individual: reference(USER) }], period: { start, end: start }, ...rest })
const patient = (id: string, user = USER): Resource => ({ resourceType: 'Patient', id, generalPractitioner: [reference(user)] })

/** A store of these resources whose reads can be counted and held back. */
function world(resources: Resource[]) {
  const state = { finds: 0, hold: Promise.resolve() as Promise<unknown>, fail: false, clock: NOW }
  const row = (resource: Resource): Row => ({
    type: resource.resourceType, id: resource.id!, version: 1, updated: NOW, deleted: resource.id!.startsWith('deleted'), patients: [], labels: [], json: new Uint8Array(), memo: [], resource: () => resource
  })
  const find = async (ask: FindAsk): Promise<Found> => {
    state.finds++
    const rows = resources.filter(({ resourceType }) => resourceType === ask.type).map(row)
    await state.hold
    if (state.fail) throw new Error('store down')
    const accepted: Row[] = []
    for (const each of rows) if (await ask.accept(each)) accepted.push(each)
    const from = ask.after === null ? 0 : ask.after.updated
    const page = accepted.slice(from, from + ask.limit)
    return { rows: page, next: from + ask.limit < accepted.length ? { updated: from + ask.limit, key: new Uint8Array(16) } : null }
  }
  const { panel, touched } = makePanel({ find } as unknown as ResourceStore, () => state.clock, { base: BASE, patientsMax: 700 })
  return { state, panel, touched, resources, write: (resource: Resource) => {
    const at = resources.findIndex(({ resourceType, id }) => resourceType === resource.resourceType && id === resource.id)
    resources.splice(at < 0 ? resources.length : at, at < 0 ? 0 : 1, resource)
    touched(resource.resourceType, resource)
  } }
}

describe('%patients', () => {
  it('are the patients of active care teams, recent encounters and general practice that name the user', async () => {
    const { panel } = world([
      careTeam('team'), careTeam('absolute', `${BASE}/Practitioner/1`), careTeam('other-user', 'Practitioner/2'), careTeam('inactive', USER, 'inactive'), careTeam('foreign', 'http://else.test/Practitioner/1'),
      encounter('recent', '2026-05-30T08:00:00Z'), encounter('edge', '2026-03-04T08:00:00Z'), encounter('old', '2026-02-20T08:00:00Z'), encounter('future', '2026-06-09T08:00:00Z'),
      encounter('still-in', '2025-01-01T08:00:00Z', { period: { start: '2025-01-01T08:00:00Z' } }), encounter('error', '2026-05-30T08:00:00Z', { status: 'entered-in-error' }),
      encounter('undated', '', { period: undefined }), patient('gp'), patient('not-gp', 'Practitioner/2'), patient('role', 'PractitionerRole/1'), patient('deleted')
    ])
    expect(await panel(USER)).toEqual(['absolute', 'edge', 'gp', 'recent', 'still-in', 'team'])
    expect(await panel('Practitioner/2')).toEqual(['not-gp', 'other-user'])
    expect(await panel('PractitionerRole/1')).toEqual(['role'])
  })

  it('are nobody for a fhirUser that is none, without asking the store', async () => {
    const { panel, state } = world([patient('a')])
    for (const user of ['', 'Practitioner', 'Practitioner/', 'Practitioner/1,Practitioner/2', '*', 'https://x.test/Practitioner/1', undefined]) expect(await panel(user as string)).toEqual([])
    expect(state.finds).toBe(0)
  })

  it('are only the subject, not other patients whom the record names', async () => {
    const { panel } = world([{ ...careTeam('a'), participant: [{ member: reference(USER) }, { member: reference('Patient/b') }] }])
    expect(await panel(USER)).toEqual(['a'])
  })

  it('are the same array for 60 s and after, while they stay the same', async () => {
    const { panel, state, resources } = world([patient('a')])
    const first = await panel(USER)
    resources.push(patient('b'))
    state.clock += 59_999
    expect(await panel(USER)).toBe(first)
    const finds = state.finds
    state.clock += 1
    expect(await panel(USER)).toEqual(['a', 'b'])
    expect(state.finds).toBe(finds + 3)
    const second = await panel(USER)
    state.clock += 60_000
    expect(await panel(USER)).toBe(second)
  })

  it('change at once with a write that names the user, one that stops naming them included, and with no other', async () => {
    const { panel, state, write } = world([careTeam('a')])
    expect(await panel(USER)).toEqual(['a'])
    write(patient('b'))
    expect(await panel(USER)).toEqual(['a', 'b'])
    write(careTeam('a', 'Practitioner/2'))
    expect(await panel(USER)).toEqual(['b'])
    const finds = state.finds
    write(careTeam('z', 'Practitioner/2'))
    write({ resourceType: 'Observation', id: 'o', performer: [reference(USER)] })
    expect(await panel(USER)).toEqual(['b'])
    expect(state.finds).toBe(finds)
  })

  it('are read anew by who asks after a write, even while an older read is under way', async () => {
    const { panel, state, write } = world([careTeam('a')])
    let release = (): void => {}
    state.hold = new Promise<void>((resolve) => { release = resolve })
    const before = panel(USER)
    write(patient('b'))
    state.hold = Promise.resolve()
    const after = panel(USER)
    release()
    expect(await after).toEqual(['a', 'b'])
    await before
    expect(await panel(USER)).toEqual(['a', 'b'])
  })

  it('are not kept when a write during the read may have changed them', async () => {
    const { panel, state, write } = world([patient('a')])
    let release = (): void => {}
    state.hold = new Promise<void>((resolve) => { release = resolve })
    const before = panel(USER)
    write(patient('a', 'Practitioner/2'))
    release()
    expect(await before).toEqual(['a'])
    expect(await panel(USER)).toEqual([])
  })

  it('are read once for callers who ask at the same time', async () => {
    const { panel, state } = world([careTeam('a')])
    const [one, two] = await Promise.all([panel(USER), panel(USER)])
    expect(one).toBe(two)
    expect(state.finds).toBe(3)
  })

  it('are not guessed when the store fails, and are read again afterwards', async () => {
    const { panel, state } = world([careTeam('a')])
    state.fail = true
    await expect(panel(USER)).rejects.toThrow('store down')
    state.fail = false
    expect(await panel(USER)).toEqual(['a'])
    state.clock += 60_000
    state.fail = true
    await expect(panel(USER)).rejects.toThrow('store down')
  })

  it('are bounded, over several pages', async () => {
    const { panel } = world(Array.from({ length: 650 }, (_, at) => patient(`p${at}`)))
    expect(await panel(USER)).toHaveLength(650)
    const many = world(Array.from({ length: 1_200 }, (_, at) => patient(`p${at}`)))
    expect(await many.panel(USER)).toHaveLength(700)
  })
})
