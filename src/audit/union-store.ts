/**
 * AuditEvents are the union of the ledger and of what other systems sent in. Order: (updated, then the ledger's rows before the others when
 * newest come first). Everything but AuditEvent passes through.
 */
import { fault } from '../model/errors.ts'
import type { Ref } from '../model/resource.ts'
import { searchParam } from '../search/parameters.ts'
import { ALL, and, type Filter } from '../search/query.ts'
import type { FindAsk, Found, Position, ResourceStore, Row, VersionsAsk, VersionsFound } from '../store/ports.ts'
import type { LedgerRows } from './ledger-rows.ts'
import { placeOf } from './slot.ts'

export function unionStore(sealed: ResourceStore, ledger: LedgerRows): ResourceStore {
  const ofLedger = (ref: Ref): boolean => ref.type === 'AuditEvent' && placeOf(ref.id) !== null
  return {
    async read(refs) {
      const found = new Map<number, Row | undefined>()
      for (const [index, ref] of refs.entries()) if (ofLedger(ref)) found.set(index, await ledger.read(ref.id))
      if (found.size === 0) return sealed.read(refs)
      const others = (await sealed.read(refs.filter((_, index) => !found.has(index))))[Symbol.iterator]()
      return refs.map((_, index) => (found.has(index) ? found.get(index) : others.next().value))
    },
    async version(ref, version) {
      if (!ofLedger(ref)) return sealed.version(ref, version)
      return version === 1 ? ledger.read(ref.id) : undefined
    },
    async versions(ref, before, limit) {
      if (!ofLedger(ref)) return sealed.versions(ref, before, limit)
      const row = (before ?? 2) > 1 && limit > 0 ? await ledger.read(ref.id) : undefined
      return row === undefined ? [] : [row]
    },
    find: (ask) => (ask.type === 'AuditEvent' ? findBoth(sealed, ledger, ask) : sealed.find(ask)),
    position: (row) => (row.type === 'AuditEvent' ? ledger.position(row) : sealed.position(row)),
    findOfPatient: (ask) => sealed.findOfPatient(ask),
    findVersions: (ask) => (ask.type === 'AuditEvent' ? auditVersions(sealed, ledger, ask) : sealed.findVersions(ask)),
    lockVersion: (criteria) => sealed.lockVersion(criteria),
    moves: (ref) => (ref.type === 'AuditEvent' ? Promise.resolve(0) : sealed.moves(ref)),
    patientsOf: (resource, staged) => sealed.patientsOf(resource, staged),
    async commit(commit) {
      if (commit.writes.some((write) => ofLedger(write.ref))) throw fault(422, 'business-rule', 'AuditEvent ids of this form belong to the ledger of this server')
      return sealed.commit(commit)
    }
  }
}

/** An AuditEvent never changes: its versions are the events themselves. */
async function auditVersions(sealed: ResourceStore, ledger: LedgerRows, ask: VersionsAsk): Promise<VersionsFound> {
  const before = Math.min(ask.before, ask.at?.before ?? Infinity)
  const accept = (row: Row): boolean | null => (row.updated >= ask.from && row.updated < before && ask.accept(row, row) ? true : null)
  const { type, reach, order, after, limit, scanRecordsMax } = ask
  const filter = and([lastUpdated('ge', ask.from), lastUpdated('lt', before)])
  const { rows, next } = await findBoth(sealed, ledger, { type, reach, order, after, limit, scanRecordsMax, filter, accept })
  return { found: rows.map((row) => ({ row, position: ledger.position(row) })), more: next !== null }
}

function lastUpdated(prefix: 'ge' | 'lt', ms: number): Filter {
  const param = searchParam('AuditEvent', '_lastUpdated')
  if (param === undefined || ms <= 0 || ms === Infinity) return ALL
  return { kind: 'clause', param, modifier: null, values: [{ kind: 'date', prefix, range: { from: ms, before: ms + 1 } }] }
}

const LOWEST = new Uint8Array(16)
const HIGHEST = new Uint8Array(16).fill(255)

async function findBoth(sealed: ResourceStore, ledger: LedgerRows, ask: FindAsk): Promise<Found> {
  const newest = ask.order === 'newest'
  const starts = await startsOf(ledger, ask)
  const [own, other] = await Promise.all([
    ledger.find({ ...ask, after: starts.ledger }),
    sealed.find({ ...ask, after: starts.sealed, accept: (row) => starts.stillOwed(row) && ask.accept(row) })
  ])
  const rows: Row[] = []
  let [fromOwn, fromOther] = [0, 0]
  while (rows.length < ask.limit && (fromOwn < own.rows.length || fromOther < other.rows.length)) {
    const [left, right] = [own.rows[fromOwn], other.rows[fromOther]]
    const takeOwn = right === undefined || (left !== undefined && (newest ? left.updated >= right.updated : left.updated < right.updated))
    rows.push(takeOwn ? left! : right)
    if (takeOwn) fromOwn += 1
    else fromOther += 1
  }
  const more = fromOwn < own.rows.length || fromOther < other.rows.length || own.next !== null || other.next !== null
  const last = rows.at(-1)
  return { rows, next: more && last !== undefined ? ledger.position(last) : null }
}

/** Where each side goes on after a page that stopped at a row of one of them. */
async function startsOf(ledger: LedgerRows, { after, order }: FindAsk): Promise<{ ledger: Position | null; sealed: Position | null; stillOwed: (row: Row) => boolean }> {
  const all = (): boolean => true
  if (after === null) return { ledger: null, sealed: null, stillOwed: all }
  const { updated } = after
  const newest = order === 'newest'
  if (!(await ledger.owns(after))) {
    // The ledger's rows of this millisecond came before it, or are all still to come.
    return { ledger: newest ? { updated, key: LOWEST } : { updated: updated - 1, key: HIGHEST }, sealed: after, stillOwed: all }
  }
  return newest
    ? { ledger: after, sealed: { updated: updated + 1, key: LOWEST }, stillOwed: (row) => row.updated <= updated }
    : { ledger: after, sealed: { updated, key: HIGHEST }, stillOwed: (row) => row.updated > updated }
}
