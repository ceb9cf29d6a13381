import { describe, expect, it } from 'vitest'
import { auditEvent, type ProjectionContext, projections } from '../../src/audit/audit-event.ts'
import { type AccessInput, accessRecord, type AccessRecord, copyRecord, entryAccess, erasureRecord, headsRecord, outcomeOf, refusedRecord, tokenRecord } from '../../src/audit/record.ts'
import { refusals } from '../../src/audit/refusals.ts'
import { logOf, placeOf, placeOfKey, rowId, rowKey, slotOf } from '../../src/audit/slot.ts'
import { validateResource } from '../../src/fhir/validate/validate.ts'
import type { Interaction } from '../../src/model/interaction.ts'
import { ID_PATTERN } from '../../src/model/resource.ts'
import { asked, CALLER, row } from './bench.ts'

const AT = Date.UTC(2026, 8, 1, 8, 0, 0, 123)
const CONTEXT: ProjectionContext = { base: 'https://fhir.example.org/fhir/R4', site: 'fhir.example.org', withQuery: false }

function events(record: AccessRecord, context: Partial<ProjectionContext> = {}): readonly Record<string, unknown>[] {
  return projections(record).map((projection, part) => {
    const event = auditEvent(record, projection, rowId('server-1', 48213, part), AT + 5, { ...CONTEXT, ...context })
    validateResource(JSON.parse(JSON.stringify(event)), 'AuditEvent')
    expect(event.id).toMatch(ID_PATTERN)
    return event
  })
}

const made = (input: Partial<AccessInput> & Pick<AccessInput, 'request'>): AccessRecord => accessRecord({ at: AT, caller: CALLER, status: 200, ...input })
const BALP = 'https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.'
const TOKEN = `${BALP}OAUTHaccessTokenUse.Comprehensive`
const dcm = (code: string) => ({ coding: [{ system: 'http://dicom.nema.org/resources/ontology/DCM', code }] })
const part = (code: string) => ({ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code }] })

interface Agent { readonly type: { readonly coding: readonly [{ readonly code: string }] }; readonly requestor: boolean }
const agentCodes = (event: Record<string, unknown>): readonly string[] => (event.agent as readonly Agent[]).map((agent) => agent.type.coding[0].code)
const profiles = (event: Record<string, unknown>): unknown => (event.meta as { profile?: unknown }).profile
interface Entity { readonly type: { readonly code: string }; readonly what?: { readonly reference?: string }; readonly query?: string }
const entities = (event: Record<string, unknown>): readonly Entity[] => (event.entity ?? []) as readonly Entity[]

const WRITTEN = [{ ref: { type: 'Observation', id: 'o-1' }, version: 1, deleted: false, patients: ['42'], key: new Uint8Array(16), hash: new Uint8Array(32) }]

it('a search is projected as BALP has it, whole', () => {
  const params = [['patient', '42']] as const
  const [event, ...others] = events(made({ request: asked('search-type', { params }), disclosed: [row('Observation', 'o-1', ['42'], 3)] }), { withQuery: true })
  expect(others).toEqual([])
  expect(event).toEqual({
    resourceType: 'AuditEvent', id: 'server-1-48213-0',
    meta: { versionId: '1', lastUpdated: '2026-09-01T08:00:00.128Z', profile: [`${BALP}PatientQuery`, TOKEN] },
    type: { system: 'http://terminology.hl7.org/CodeSystem/audit-event-type', code: 'rest' },
    subtype: [{ system: 'http://hl7.org/fhir/restful-interaction', code: 'search-type' }],
    action: 'E', recorded: '2026-09-01T08:00:00.123Z', outcome: '0',
    agent: [
      { type: dcm('110153'), who: { identifier: { value: 'client-app-7' } }, requestor: false, network: { address: '203.0.113.9', type: '2' } },
      { type: dcm('110152'), who: { identifier: { value: 'fhir.example.org' } }, requestor: false, network: { address: 'https://fhir.example.org/fhir/R4', type: '5' } },
      { type: dcm('110150'), who: { identifier: { value: 'client-app-7' } }, requestor: false },
      {
        type: part('IRCP'), role: [{ text: 'physician' }], who: { reference: 'Practitioner/12', identifier: { system: 'https://id.example.org', value: 'u-991' } }, requestor: true,
        policy: ['urn:ietf:params:oauth:jti:5f0c'], purposeOfUse: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'TREAT' }] }]
      }
    ],
    source: { observer: { identifier: { value: 'fhir.example.org' } }, type: [{ system: 'http://terminology.hl7.org/CodeSystem/security-source-type', code: '4' }] },
    entity: [
      { type: { system: 'http://terminology.hl7.org/CodeSystem/audit-entity-type', code: '2' }, role: { system: 'http://terminology.hl7.org/CodeSystem/object-role', code: '24' }, query: Buffer.from('GET /Observation?patient=42').toString('base64') },
      { what: { reference: 'Observation/o-1/_history/3' }, type: { system: 'http://hl7.org/fhir/resource-types', code: 'Observation' }, role: { system: 'http://terminology.hl7.org/CodeSystem/object-role', code: '4' } },
      { what: { reference: 'Patient/42' }, type: { system: 'http://terminology.hl7.org/CodeSystem/audit-entity-type', code: '1' }, role: { system: 'http://terminology.hl7.org/CodeSystem/object-role', code: '1' } },
      { what: { identifier: { value: 'r-1' } }, type: { system: 'https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType', code: 'XrequestId' } }
    ]
  })
})

describe('each interaction has the agents and the action of its row', () => {
  const touched = [row('Observation', 'o-1', ['42'])]
  const cases: readonly (readonly [Interaction, string, readonly string[], string | null])[] = [
    ['read', 'R', ['110152', '110153', '110150', 'IRCP'], 'PatientRead'],
    ['vread', 'R', ['110152', '110153', '110150', 'IRCP'], 'PatientRead'],
    ['history-instance', 'R', ['110152', '110153', '110150', 'IRCP'], null],
    ['history-type', 'R', ['110152', '110153', '110150', 'IRCP'], null],
    ['search-type', 'E', ['110153', '110152', '110150', 'IRCP'], 'PatientQuery'],
    ['search-system', 'E', ['110153', '110152', '110150', 'IRCP'], 'PatientQuery'],
    ['create', 'C', ['110153', '110152', '110150', 'AUT'], 'PatientCreate'],
    ['update', 'U', ['110153', '110152', '110150', 'AUT'], 'PatientUpdate'],
    ['patch', 'U', ['110153', '110152', '110150', 'AUT'], 'PatientUpdate'],
    ['delete', 'D', ['110150', 'custodian', 'AUT'], 'PatientDelete'],
    ['operation', 'E', ['110153', '110152', '110150', 'IRCP'], null]
  ]
  it.each(cases)('%s', (interaction, action, agents, profile) => {
    const done = interaction === 'create' || interaction === 'delete' ? { written: WRITTEN } : { disclosed: touched }
    const [event] = events(made({ request: asked(interaction, { id: 'o-1' }), ...done, operation: '$everything' }), { withQuery: true })
    expect(event).toMatchObject({ action, outcome: '0', subtype: [{ code: interaction }] })
    expect(agentCodes(event!)).toEqual(agents)
    expect((event!.agent as readonly Agent[]).filter((agent) => agent.requestor)).toHaveLength(1)
    expect(profiles(event!)).toEqual(profile === null ? [TOKEN] : [`${BALP}${profile}`, TOKEN])
    expect(entities(event!).filter((entity) => entity.type.code === '1').map((entity) => entity.what)).toEqual([{ reference: 'Patient/42' }])
    expect(entities(event!).filter((entity) => entity.type.code === '2')).toHaveLength(interaction === 'operation' || interaction.startsWith('history') ? 0 : 1)
    expect(entities(event!).some((entity) => entity.what?.reference === 'Observation/o-1/_history/1')).toBe(true)
  })

  it('a record of no patient claims the profile without one', () => {
    const [event] = events(made({ request: asked('read', { type: 'Organization', id: 'x' }), disclosed: [row('Organization', 'x', [])] }))
    expect(profiles(event!)).toEqual([`${BALP}Read`, TOKEN])
    expect(entities(event!).map((entity) => entity.type.code)).toEqual(['2', 'XrequestId'])
  })

  it('a client without a user asks itself', () => {
    const [event] = events(made({ request: asked('read', { id: 'o-1' }), disclosed: touched, caller: { ...CALLER, subject: CALLER.client } }))
    expect((event!.agent as readonly Agent[]).filter((agent) => agent.requestor).map((agent) => agent.type.coding[0].code)).toEqual(['110152'])
  })
})

describe('a write that succeeds and changes nothing says so', () => {
  it('a conditional create that found what there is', () => {
    const found = events(made({ request: asked('create'), status: 200, disclosed: [row('Observation', 'o-1', ['42'])] }))[0]!
    const created = events(made({ request: asked('create'), status: 201, disclosed: [row('Observation', 'o-1', ['42'])], written: WRITTEN }))[0]!
    expect([found.outcome, found.outcomeDesc, profiles(found)]).toEqual(['0', 'nothing was changed', [TOKEN]])
    expect([created.outcome, created.outcomeDesc, profiles(created)]).toEqual(['0', undefined, [`${BALP}PatientCreate`, TOKEN]])
  })
  it('a deletion of what is not there', () => {
    const [event] = events(made({ request: asked('delete', { id: 'hidden' }), status: 204 }))
    expect(event).toMatchObject({ action: 'D', outcome: '0', outcomeDesc: 'nothing was changed' })
    expect(events(made({ request: asked('delete', { id: 'o-1' }), status: 204, written: [{ ...WRITTEN[0]!, deleted: true }] }))[0]!.outcomeDesc).toBe(undefined)
  })
})

describe('what was asked is in the event of whoever may see queries', () => {
  const queries = (input: Parameters<typeof made>[0], withQuery = true) =>
    events(made(input), { withQuery }).flatMap(entities).flatMap(({ query }) => (query === undefined ? [] : [Buffer.from(query, 'base64').toString()]))
  const conditional: readonly (readonly [Interaction, string])[] = [['update', 'PUT'], ['patch', 'PATCH'], ['delete', 'DELETE']]
  it.each(conditional)('the criteria of a conditional %s', (interaction, method) => {
    const request = asked(interaction, { params: [['code', 'hiv']] })
    expect(queries({ request, status: 412 })).toEqual([`${method} /Observation?code=hiv`])
    expect(queries({ request, status: 412 }, false)).toEqual([])
  })
  it('those of a conditional create', () => {
    const request = asked('create', { headers: { ifNoneExist: 'patient=a&code=hiv' } })
    expect([queries({ request, status: 412 }), queries({ request, status: 412 }, false)]).toEqual([['POST /Observation?patient=a&code=hiv'], []])
  })
  it.each(['history-instance', 'operation'] as const)('the target of a refused %s', (interaction) => {
    const [event, ...others] = events(made({ request: asked(interaction, { type: 'Patient', id: 'b' }), status: 404 }))
    expect([others, entities(event!).map(({ what }) => what?.reference)]).toEqual([[], ['Patient/b', undefined]])
  })
})

describe('what failed', () => {
  it.each([[200, 0], [304, 0], [404, 4], [422, 4], [401, 8], [403, 8], [500, 8], [503, 8]])('%i has outcome %i', (status, outcome) => {
    expect(outcomeOf(status)).toBe(outcome)
  })
  it('claims no REST profile, says why, and names what was asked to nobody but readers of every event', () => {
    const record = made({ request: asked('read', { type: 'Patient', id: '42' }), status: 403, why: 'scope' })
    expect(record.patients).toEqual([])
    const [event] = events(record)
    expect(event).toMatchObject({ outcome: '8', outcomeDesc: 'scope', entity: [{ what: { reference: 'Patient/42' } }, {}] })
    expect(profiles(event!)).toEqual([TOKEN])
  })
})

describe('a patient sees nothing of others', () => {
  const record = made({
    request: asked('search-type', { params: [['patient', '42,43']], clientRequestId: 'mine-43' }),
    disclosed: [row('Observation', 'of-42', ['42']), row('Observation', 'of-43', ['43']), row('Appointment', 'both', ['42', '43']), row('Practitioner', 'p', [])]
  })
  it('neither patients nor their resources nor the query', () => {
    const [of42, of43, of0, ...rest] = events(record).map((event) => JSON.stringify(event))
    expect(rest).toEqual([])
    expect(of42).toMatch(/of-42.*Appointment\/both.*Patient\/42/)
    expect(of43).toMatch(/of-43.*Appointment\/both.*Patient\/43/)
    expect(of0).toMatch(/Practitioner\/p/)
    for (const foreign of ['of-43', 'Patient/43', 'Practitioner/p', 'mine-43', '"query"']) expect(of42).not.toContain(foreign)
    for (const foreign of ['of-42', 'Patient/42', 'Practitioner/p', 'mine-43', '"query"']) expect(of43).not.toContain(foreign)
    for (const foreign of ['of-4', 'Patient/4', 'both', '"query"']) expect(of0).not.toContain(foreign)
  })
  it('and a reader who may sees the query in each', () => {
    for (const event of events(record, { withQuery: true })) expect(entities(event).filter((entity) => entity.query !== undefined)).toHaveLength(1)
  })
})

it('a transaction is one event per patient and one per entry and patient', () => {
  const record = made({
    request: asked('transaction', { type: null }),
    entries: [entryAccess(asked('create'), 201, [row('Observation', 'o-1', ['42'])]), entryAccess(asked('delete', { id: 'o-2' }), 204, [row('Observation', 'o-2', ['43'])]), entryAccess(asked('read', { id: 'gone' }), 404, [])]
  })
  const all = events(record)
  expect(all.map((event) => [(event.subtype as readonly { code: string }[])[0]!.code, event.action, event.outcome, entities(event).map((entity) => entity.what?.reference).filter((reference) => reference !== undefined)])).toEqual([
    ['transaction', 'E', '0', ['Observation/o-1/_history/1', 'Patient/42']],
    ['transaction', 'E', '0', ['Observation/o-2/_history/1', 'Patient/43']],
    ['create', 'C', '0', ['Observation/o-1/_history/1', 'Patient/42']],
    ['delete', 'D', '0', ['Observation/o-2/_history/1', 'Patient/43']],
    ['read', 'R', '4', ['Observation/gone']]
  ])
  expect(all.map((event) => event.id)).toEqual([0, 1, 2, 3, 4].map((n) => `server-1-48213-${n}`))
})

it('events that are no FHIR interaction are valid too', () => {
  const from = { at: AT, requestId: 'r-2', clientRequestId: null, address: '203.0.113.9' }
  const [token] = events(tokenRecord({ ...from, caller: { ...CALLER, patient: '42' }, status: 200 }))
  expect(token).toMatchObject({ action: 'E', type: { code: '110114' }, subtype: [{ system: 'urn:ihe:event-type-code', code: 'ITI-71' }], outcome: '0' })
  const [refused] = events(refusedRecord({ ...from, client: null, status: 401, why: 'invalid_token', count: 7 }))
  expect(refused).toMatchObject({ outcome: '8', outcomeDesc: 'invalid_token', entity: [{ detail: [{ type: 'count', valueString: '7' }] }, {}] })
  const [erased] = events(erasureRecord({ ...from, caller: null, patient: '42', keys: [new Uint8Array(16)] }))
  expect(erased).toMatchObject({ action: 'D', entity: [{ what: { reference: 'Patient/42' }, lifecycle: { code: '15' } }, {}] })
  expect(events(headsRecord(AT, 'ledger-start', []))).toHaveLength(1)
  expect(events(headsRecord(AT, 'ledger-heads', []))).toEqual([])
})

it('a copy of the whole store is an export where it is taken and an import where it is put, of no patient', () => {
  const manifest = 'ab'.repeat(32)
  const about = (event: 'export' | 'import', copy: Partial<Parameters<typeof copyRecord>[0]['copy']>) =>
    copyRecord({ at: AT, requestId: 'r-3', event, account: 'operator', copy: { command: 'backup', begun: false, place: '/backups/one', manifest: null, ...copy } })
  const user = { type: part('CST'), who: { identifier: { value: 'operator' } }, requestor: true }
  const request = { what: { identifier: { value: 'r-3' } }, type: { system: 'https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType', code: 'XrequestId' } }
  const iso = (code: string) => [{ system: 'http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle', code }]
  const [exported, ...others] = events(about('export', { manifest }))
  expect([others, projections(about('export', {}))]).toEqual([[], [{ patient: null, entry: null }]])
  expect(exported).toEqual({
    resourceType: 'AuditEvent', id: 'server-1-48213-0', meta: { versionId: '1', lastUpdated: '2026-09-01T08:00:00.128Z' },
    type: dcm('110106').coding[0], subtype: iso('archive'), action: 'R', recorded: '2026-09-01T08:00:00.123Z', outcome: '0',
    agent: [
      { type: dcm('110154'), name: '/backups/one', requestor: false },
      { type: dcm('110153'), who: { identifier: { value: 'fhir.example.org' } }, requestor: false, network: { address: 'https://fhir.example.org/fhir/R4', type: '5' } },
      user
    ],
    source: { observer: { identifier: { value: 'fhir.example.org' } }, type: [{ system: 'http://terminology.hl7.org/CodeSystem/security-source-type', code: '4' }] },
    entity: [{
      type: { system: 'http://terminology.hl7.org/CodeSystem/audit-entity-type', code: '2' }, role: { system: 'http://terminology.hl7.org/CodeSystem/object-role', code: '20' },
      lifecycle: { system: 'http://terminology.hl7.org/CodeSystem/dicom-audit-lifecycle', code: '10' }, name: 'backup of the whole store', detail: [{ type: 'manifest-sha256', valueString: manifest }]
    }, request]
  })
  const [begun] = events(about('export', { begun: true, command: 'move' }))
  expect(begun).toMatchObject({ outcome: '0', outcomeDesc: 'begun', subtype: iso('transmit'), entity: [{ name: 'move of the whole store' }, request] })
  const [imported] = events(about('import', { command: 'move', place: 'mongodb://db/clinic' }))
  expect(imported).toMatchObject({ type: { code: '110107' }, subtype: iso('receive'), action: 'C', agent: [{ type: dcm('110155'), name: 'mongodb://db/clinic' }, { type: dcm('110152') }, user], entity: [{ lifecycle: { code: '2' } }, request] })
  expect(events(about('import', { command: 'restore' }))[0]).toMatchObject({ subtype: iso('restore'), entity: [{ name: 'restore of the whole store' }, request] })
})

describe('refused credentials', () => {
  it('are recorded once per address, client and second, the rest of the second as a count', () => {
    let ms = 10_000
    const one = refusals(() => ms)
    const refuse = (address: string, client: string | null = null) => one.refused({ requestId: 'r', clientRequestId: null, address, client, status: 401, why: 'invalid_token' })
    expect(refuse('a')).toMatchObject([{ count: 1, address: 'a', at: 10_000 }])
    ms += 10
    expect([refuse('a'), refuse('a')]).toEqual([[], []])
    expect(refuse('b')).toMatchObject([{ count: 1, address: 'b' }])
    expect(refuse('a', 'app')).toMatchObject([{ count: 1, client: 'app' }])
    expect(one.flush()).toEqual([])
    ms += 1000
    expect(refuse('a')).toMatchObject([{ count: 2, address: 'a', client: null, at: 10_010 }, { count: 1, address: 'a', at: 11_010 }])
    expect(one.flush(true)).toEqual([])
  })
  it('from ever new addresses are counted together, and none is lost', () => {
    let ms = 0
    const one = refusals(() => ms, 10)
    const records = Array.from({ length: 1000 }, (_, index) => one.refused({ requestId: 'r', clientRequestId: null, address: `a-${index}`, client: null, status: 401, why: 'x' })).flat()
    expect(records).toHaveLength(11)
    ms = 1000
    expect([...records, ...one.flush()].reduce((sum, record) => sum + record.count, 0)).toBe(1000)
  })
})

describe('places', () => {
  it.each(['server-1', 'server-65535', 'cli', 'cli-7'])('%s and its rows keep their names', (slot) => {
    const log = logOf(slot)
    expect(slotOf(log)).toBe(slot)
    for (const seq of [1, 48213, 2 ** 40 - 1]) for (const n of [0, 70_000]) {
      expect(placeOf(rowId(slot, seq, n))).toEqual({ log, seq, part: n })
      expect(placeOfKey(rowKey({ log, seq, part: n }))).toEqual({ log, seq, part: n })
    }
  })
  it.each(['', 'server-1', 'server-1-0-0', 'server-1-1-01', 'server-99999-1-0', '1-1-1', 'Server-1-1-0', 'server-1-1-0-0', 'a-2-9999999999999-1'])('%s is no row of the ledger', (id) => {
    expect(placeOf(id)).toBeNull()
  })
})
