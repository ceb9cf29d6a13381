/**
 * The canonical bytes of a record: JSON with sorted two-letter keys, defaults left out, patients named once and then by number.
 * The same record always has the same bytes. Format 1, which is read still, had resources as arrays.
 */
import type { Interaction } from '../model/interaction.ts'
import type { AccessRecord, Action, AuditedInteraction, EntryAccess, NamedHead, Outcome, StoreCopy, Touched, WrittenVersion } from './record.ts'
import { disclosedText, numbering, patientsOf, touchedIn, touchedText } from './touched-text.ts'

/** JSON text of a record; `at` replaces the record's own time where the ledger had to move it forward. */
export function encodeRecord(record: AccessRecord, at: number = record.at): string {
  const patients = [...record.patients]
  const numbers = numbering(patients)
  const some = <T>(list: readonly T[]): readonly T[] | undefined => (list.length === 0 ? undefined : list)
  const text = (value: string | null): string | undefined => (value === null ? undefined : value)
  const entries = some(record.entries.map((entry): EntryWire => [
    entry.interaction, entry.type, entry.id, entry.status, entry.query, touchedText(entry.resources, numbers)
  ]))
  const resources = disclosedText(record.resources, numbers)
  const written = some(record.written.map((one): WrittenWire => [one.key, one.hash, one.deleted ? 1 : 0, ...touchedWire(one, numbers)]))
  const wire: Wire = {
    ac: record.action,
    ad: record.address,
    at,
    cl: text(record.client),
    cn: record.count === 1 ? undefined : record.count,
    co: record.copy === null ? undefined : [record.copy.command, record.copy.begun ? 1 : 0, record.copy.place, record.copy.manifest],
    cr: text(record.clientRequestId),
    en: entries,
    er: some(record.erased),
    fu: text(record.fhirUser),
    hd: some(record.heads.map((head) => [head.log, head.seq, head.link])),
    id: text(record.id),
    in: record.interaction,
    is: text(record.issuer),
    ji: text(record.jti),
    op: text(record.operation),
    ou: record.outcome,
    pa: some(patients),
    pu: some(record.purposes),
    qu: text(record.query),
    re: resources === '' ? undefined : resources,
    ri: record.requestId,
    ro: some(record.roles),
    sc: text(record.scope),
    st: record.status,
    su: text(record.subject),
    ty: text(record.type),
    v: 2,
    wh: text(record.why),
    wr: written
  }
  return JSON.stringify(wire)
}

/** The record of bytes that were authenticated before; throws on another version. */
export function decodeRecord(json: string): AccessRecord {
  const wire = JSON.parse(json) as Wire
  if (wire.v !== 1 && wire.v !== 2) throw new Error('A ledger entry has a format that this version does not know')
  const patients = wire.pa ?? []
  return {
    v: 1,
    at: wire.at,
    requestId: wire.ri,
    clientRequestId: wire.cr ?? null,
    address: wire.ad,
    interaction: wire.in,
    action: wire.ac,
    outcome: wire.ou,
    status: wire.st,
    client: wire.cl ?? null,
    issuer: wire.is ?? null,
    subject: wire.su ?? null,
    fhirUser: wire.fu ?? null,
    roles: wire.ro ?? [],
    purposes: wire.pu ?? [],
    jti: wire.ji ?? null,
    scope: wire.sc ?? null,
    type: wire.ty ?? null,
    id: wire.id ?? null,
    operation: wire.op ?? null,
    query: wire.qu ?? null,
    resources: resourcesOf(wire.re ?? '', patients),
    patients,
    written: (wire.wr ?? []).map((one) => writtenOf(one, patients)),
    entries: (wire.en ?? []).map((one) => entryOf(one, patients)),
    erased: wire.er ?? [],
    count: wire.cn ?? 1,
    why: wire.wh ?? null,
    heads: (wire.hd ?? []).map(([log, seq, link]): NamedHead => ({ log, seq, link })),
    copy: wire.co === undefined ? null : copyOf(wire.co)
  }
}

type TouchedWire = readonly [type: string, id: string, version: number, ...patients: number[]]
type WrittenWire = readonly [key: string, hash: string, deleted: number, ...touched: TouchedWire]
type EntryWire = readonly [interaction: Interaction, type: string | null, id: string | null, status: number, query: string | null, resources: ResourcesWire]
/** Of format 1: arrays. */
type ResourcesWire = string | readonly TouchedWire[]
type CopyWire = readonly [command: StoreCopy['command'], begun: number, place: string, manifest: string | null]

/** Keys stay sorted: JSON.stringify writes them in the order of the literal above. */
interface Wire {
  readonly ac: Action
  readonly ad: string
  readonly at: number
  readonly cl: string | undefined
  readonly cn: number | undefined
  readonly co: CopyWire | undefined
  readonly cr: string | undefined
  readonly en: readonly EntryWire[] | undefined
  readonly er: readonly string[] | undefined
  readonly fu: string | undefined
  readonly hd: readonly (readonly [string, number, string])[] | undefined
  readonly id: string | undefined
  readonly in: AuditedInteraction
  readonly is: string | undefined
  readonly ji: string | undefined
  readonly op: string | undefined
  readonly ou: Outcome
  readonly pa: readonly string[] | undefined
  readonly pu: readonly string[] | undefined
  readonly qu: string | undefined
  readonly re: ResourcesWire | undefined
  readonly ri: string
  readonly ro: readonly string[] | undefined
  readonly sc: string | undefined
  readonly st: number
  readonly su: string | undefined
  readonly ty: string | undefined
  readonly v: 1 | 2
  readonly wh: string | undefined
  readonly wr: readonly WrittenWire[] | undefined
}

function touchedWire(one: Touched, number: (patient: string) => number): TouchedWire {
  const wire: [string, string, number, ...number[]] = [one.type, one.id, one.version]
  for (const patient of one.patients) wire.push(number(patient))
  return wire
}

const resourcesOf = (resources: ResourcesWire, patients: readonly string[]): readonly Touched[] =>
  typeof resources === 'string' ? touchedIn(resources, patients) : resources.map((one) => touchedOf(one, patients))

function touchedOf([type, id, version, ...numbers]: TouchedWire, patients: readonly string[]): Touched {
  return { type, id, version, patients: patientsOf(numbers, patients) }
}

function writtenOf([key, hash, deleted, ...rest]: WrittenWire, patients: readonly string[]): WrittenVersion {
  return { ...touchedOf(rest, patients), key, hash, deleted: deleted === 1 }
}

const copyOf = ([command, begun, place, manifest]: CopyWire): StoreCopy => ({ command, begun: begun === 1, place, manifest })

function entryOf([interaction, type, id, status, query, resources]: EntryWire, patients: readonly string[]): EntryAccess {
  return { interaction, type, id, status, query, resources: resourcesOf(resources, patients) }
}
