/**
 * An access record as IHE BALP AuditEvents (R4), one per patient. A patient's event names no other patient, and the query only where the
 * reader may see it. A bundle gives a parent event per patient and one per entry and patient, joined by the request id.
 * https://profiles.ihe.net/ITI/BALP/
 */
import type { Interaction } from '../model/interaction.ts'
import type { Coding, Resource } from '../model/resource.ts'
import { agentsIn, requestEntity } from './audit-agents.ts'
import * as codes from './audit-codes.ts'
import { type AccessRecord, type Action, actionOf, type AuditedInteraction, type EntryAccess, type Outcome, outcomeOf, type StoreCopy, type Touched } from './record.ts'

export interface ProjectionContext {
  /** FHIR base URL of this server. */
  readonly base: string
  /** Host name by which this server is known in events. */
  readonly site: string
  /** The reader may see raw queries (privacy officer). */
  readonly withQuery: boolean
}

/** One event of a record: of one patient or of none, of the whole request or of one bundle entry. */
export interface Projection { readonly patient: string | null; readonly entry: EntryAccess | null }

/** The events of a record, in an order that never changes: the last number of an AuditEvent's id counts them. */
export function projections(record: AccessRecord): readonly Projection[] {
  if (record.interaction === 'ledger-heads') return []
  const all = [...record.written, ...record.resources]
  const found: Projection[] = parties(record.patients, all).map((patient) => ({ patient, entry: null }))
  for (const entry of record.entries) {
    const patients = [...new Set(entry.resources.flatMap((one) => one.patients))]
    for (const patient of parties(patients, entry.resources)) found.push({ patient, entry })
  }
  return found
}

/** `id`: `<slot>-<seq>-<n>`. `updated`: ms at which the entry was numbered. */
export function auditEvent(record: AccessRecord, projection: Projection, id: string, updated: number, context: ProjectionContext): Resource {
  const event = eventOf(record, projection)
  const entities = entitiesOf(event, record, context)
  const agents = agentsIn(record, event.interaction, context)
  const note = record.copy?.begun === true ? 'begun' : changedNothing(event, record, projection) ? NOTHING : record.why
  const profile = profilesOf(event, record, { note, comprehensive: agents.comprehensive, withQuery: context.withQuery })
  const kind = kindOf(event.interaction, record)
  return {
    resourceType: 'AuditEvent',
    id,
    meta: { versionId: '1', lastUpdated: new Date(updated).toISOString(), ...(profile.length === 0 ? {} : { profile }) },
    type: kind.type,
    ...(kind.subtype === null ? {} : { subtype: [kind.subtype] }),
    action: event.action,
    recorded: new Date(record.at).toISOString(),
    outcome: String(event.outcome),
    ...(note === null ? {} : { outcomeDesc: note }),
    agent: agents.list,
    source: { observer: { identifier: { value: context.site } }, type: [codes.APPLICATION_SERVER] },
    ...(entities.length === 0 ? {} : { entity: entities })
  }
}

const NOTHING = 'nothing was changed'

/** A conditional create that found a resource, and a deletion of what is not there or not for this caller: they succeed, and write nothing. */
const changedNothing = ({ interaction, outcome }: Event, { written }: AccessRecord, { entry }: Projection): boolean =>
  outcome === 0 && entry === null && written.length === 0 && (interaction === 'create' || interaction === 'delete')

interface Event {
  readonly interaction: AuditedInteraction
  readonly action: Action
  readonly outcome: Outcome
  readonly patient: string | null
  readonly type: string | null
  readonly id: string | null
  readonly query: string | null
  /** What this patient's (or nobody's) share of the request was. */
  readonly touched: readonly Touched[]
}

/** Patients, then null where something belongs to none or nothing was touched at all. */
function parties(patients: readonly string[], touched: readonly Touched[]): readonly (string | null)[] {
  return patients.length === 0 || touched.some((one) => one.patients.length === 0) ? [...patients, null] : patients
}

function eventOf(record: AccessRecord, { patient, entry }: Projection): Event {
  const all = entry?.resources ?? [...record.written, ...record.resources, ...record.entries.flatMap((one) => one.resources)]
  const touched = all.filter((one) => (patient === null ? one.patients.length === 0 : one.patients.includes(patient)))
  if (entry === null) {
    const { interaction, action, outcome, type, id, query } = record
    return { interaction, action, outcome, patient, type, id, query, touched }
  }
  const { interaction, type, id, query, status } = entry
  return { interaction, action: actionOf(interaction), outcome: outcomeOf(status), patient, type, id, query, touched }
}

const ONE_DATA: ReadonlySet<string> = new Set(['read', 'vread', 'create', 'update', 'patch', 'delete'])
const isSearch = (interaction: string): boolean => interaction === 'search-type' || interaction === 'search-system'

function entitiesOf(event: Event, record: AccessRecord, { withQuery }: ProjectionContext): readonly object[] {
  const entities: object[] = []
  const [one] = event.touched
  // What was asked for and not given: somebody may look for who tried.
  const asked = one === undefined && event.patient === null && event.type !== null && event.id !== null ? `${event.type}/${event.id}` : null
  if (withQuery && (event.query !== null || isSearch(event.interaction))) entities.push(queryEntity(event))
  if (asked !== null) entities.push({ what: { reference: asked }, type: codes.entityType('2'), role: codes.objectRole('4') })
  if (ONE_DATA.has(event.interaction)) {
    if (one !== undefined) entities.push({ what: { reference: versioned(one) }, type: codes.entityType('2'), role: codes.objectRole('4') })
  } else {
    // BALP has one "system object" per event; what a search or a history disclosed is listed by resource type beside it.
    for (const reference of new Set(event.touched.map(versioned))) {
      const type = reference.slice(0, reference.indexOf('/'))
      entities.push({ what: { reference }, type: codes.resourceTypeCode(type), role: codes.objectRole('4') })
    }
  }
  if (event.interaction === 'token' && record.jti !== null) {
    entities.push({ what: { identifier: { value: codes.jtiUrn(record.jti) } }, type: codes.entityType('2'), role: codes.objectRole('13') })
  }
  if (record.copy !== null && (event.interaction === 'export' || event.interaction === 'import')) entities.push(copyEntity(record.copy, event.interaction))
  if (record.count > 1) entities.push({ type: codes.entityType('4'), name: 'refused requests', detail: [{ type: 'count', valueString: String(record.count) }] })
  if (event.patient !== null) {
    const lifecycle = event.interaction === 'erase' ? { lifecycle: codes.PERMANENT_ERASURE } : {}
    entities.push({ what: { reference: `Patient/${event.patient}` }, type: codes.entityType('1'), role: codes.objectRole('1'), ...lifecycle })
  }
  return record.requestId === '' ? entities : [...entities, requestEntity(record, withQuery)]
}

/** All that the store holds; its backup is named by the hash of its manifest. */
function copyEntity(copy: StoreCopy, event: 'export' | 'import'): object {
  const detail = copy.manifest === null ? {} : { detail: [{ type: 'manifest-sha256', valueString: copy.manifest }] }
  return { type: codes.entityType('2'), role: codes.objectRole('20'), lifecycle: codes.lifecyclesOf(copy, event).dicom, name: `${copy.command} of the whole store`, ...detail }
}

const versioned = ({ type, id, version }: Touched): string => `${type}/${id}/_history/${version}`

const METHODS: Readonly<Record<string, string | undefined>> = { create: 'POST', update: 'PUT', patch: 'PATCH', delete: 'DELETE' }

function queryEntity({ interaction, type, query }: Event): object {
  const text = `${METHODS[interaction] ?? 'GET'} /${type ?? ''}${query === null ? '' : `?${query}`}`
  return { type: codes.entityType('2'), role: codes.objectRole('24'), query: Buffer.from(text).toString('base64') }
}

function kindOf(interaction: AuditedInteraction, { operation, copy }: AccessRecord): { readonly type: Coding; readonly subtype: Coding | null } {
  switch (interaction) {
    case 'export': case 'import': return { ...codes.OWN_EVENTS[interaction], subtype: copy === null ? null : codes.lifecyclesOf(copy, interaction).iso }
    case 'token': case 'refused': case 'erase': case 'ledger-start': case 'ledger-heads': return codes.OWN_EVENTS[interaction]
    default: return { type: codes.REST, subtype: restSubtype(interaction, operation) }
  }
}

function restSubtype(interaction: Interaction, operation: string | null): Coding {
  const subtype = codes.restful(interaction)
  return interaction === 'operation' && operation !== null ? { ...subtype, display: operation } : subtype
}

/** BALP profiles successes only, and demands what a record may lack: then its profile is not claimed. */
function profilesOf(event: Event, record: AccessRecord, { note, comprehensive, withQuery }: { readonly note: string | null; readonly comprehensive: boolean; readonly withQuery: boolean }): readonly string[] {
  const profiles: string[] = []
  const named = record.client !== null && record.address !== ''
  const complete = ONE_DATA.has(event.interaction) ? event.touched.length > 0 && note !== NOTHING : withQuery
  const profile = event.outcome === 0 && named && complete ? codes.balpProfile(event.interaction, event.patient !== null) : null
  if (profile !== null) profiles.push(profile)
  if (comprehensive) profiles.push(codes.TOKEN_PROFILE)
  return profiles
}
