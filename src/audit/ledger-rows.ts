/** The ledger as rows of type AuditEvent, so that the guard and the search see it as they see every other resource. */
import type { DataKey, KeyRing } from '../crypto/keys.ts'
import { fault } from '../model/errors.ts'
import type { Bytes, Resource } from '../model/resource.ts'
import type { FindAsk, Found, LedgerEntry, LedgerStore, Position, Reach, Row } from '../store/ports.ts'
import { auditEvent, type ProjectionContext, projections } from './audit-event.ts'
import { entryOpener } from './entry.ts'
import { planLedger } from './ledger-plan.ts'
import { scanLog } from './ledger-scan.ts'
import { blinder } from './postings.ts'
import { placeOf, rowId, rowKey, slotOf } from './slot.ts'
import { stampOf, unstamped } from './stamp.ts'
import { takingTurns } from '../model/turns.ts'

export interface LedgerRowsOptions extends ProjectionContext {
  readonly store: LedgerStore
  readonly ring: KeyRing
  /** Numbers what waits, so that a search sees what was answered before it. */
  readonly sequence?: () => Promise<void>
}

export interface LedgerRows {
  read(id: string): Promise<Row | undefined>
  find(ask: FindAsk): Promise<Found>
  /** Whether a page stopped at a row of the ledger. */
  owns(position: Position): Promise<boolean>
  /** The position of an AuditEvent, of the ledger or of another system. */
  position(row: Row): Position
}

export function ledgerRows(options: LedgerRowsOptions): LedgerRows {
  const { store, ring } = options
  const opener = entryOpener(ring)
  const blinderOf = keyed(({ index }) => blinder(index))
  const rowsOf = async (log: Bytes, entry: LedgerEntry, wanted: (part: number, patient: string | null) => boolean): Promise<PlacedRow[]> => {
    const record = await opener.open(log, entry.id, unstamped(entry.sealed))
    const updated = stampOf(entry.sealed)
    const rows: PlacedRow[] = []
    for (const [part, projection] of projections(record).entries()) {
      if (!wanted(part, projection.patient)) continue
      const id = rowId(slotOf(log) ?? '', entry.seq, part)
      const key = rowKey({ log, seq: entry.seq, part })
      rows.push({ row: lazyRow(id, updated, projection.patient, () => auditEvent(record, projection, id, updated, options)), position: { updated, key } })
    }
    return rows
  }
  const read = async (id: string): Promise<PlacedRow | undefined> => {
    const place = placeOf(id)
    if (place === null) return undefined
    const [entry] = await store.entries(place.log, place.seq, 1, 'oldest')
    if (entry?.seq !== place.seq) return undefined
    return (await rowsOf(place.log, entry, (part) => part === place.part))[0]
  }
  return {
    async read(id) {
      const found = await read(id)
      return found?.row
    },
    async find(ask) {
      await options.sequence?.()
      const plan = planLedger(ask.filter, ask.reach, options.site)
      if (ask.limit < 1 || plan.anyOf?.length === 0) return { rows: [], next: null }
      if (plan.ids !== null) return page(ask, inOrder((await Promise.all(plan.ids.map(read))).filter((row) => row !== undefined), ask.order))
      const terms = blinderOf(await ring.classKey('ledger'))
      const anyOf = plan.anyOf?.map(([kind, value]) => terms.term(kind, value)) ?? null
      const within = reachOf(ask.reach)
      const streams = (await store.logs()).map(async function* (log) {
        const scan = scanLog(store, { log, anyOf, from: plan.from, before: plan.before, after: ask.after, order: ask.order })
        for await (const entry of scan) yield* inOrder(await rowsOf(log, entry, (_, patient) => within(patient)), ask.order)
      })
      return page(ask, merged(streams, ask.order))
    },
    async owns({ key }) {
      const log = key.subarray(0, 8)
      return (await store.logs()).some((one) => Buffer.compare(one, log) === 0)
    },
    position({ id, updated }) {
      const place = placeOf(id)
      return { updated, key: place === null ? ring.recordKey('AuditEvent', id) : rowKey(place) }
    }
  }
}

/** `make`, for the key that was there last. */
function keyed<V>(make: (key: DataKey) => V): (key: DataKey) => V {
  let last: { readonly key: DataKey; readonly made: V } | null = null
  return (key) => {
    if (last?.key !== key) last = { key, made: make(key) }
    return last.made
  }
}

export interface PlacedRow { readonly row: Row; readonly position: Position }

export function comparePositions(a: Position, b: Position): number {
  return a.updated - b.updated || Buffer.compare(a.key, b.key)
}

async function page(ask: FindAsk, placed: Iterable<PlacedRow> | AsyncIterable<PlacedRow>): Promise<Found> {
  const within = reachOf(ask.reach)
  const sign = ask.order === 'newest' ? -1 : 1
  const rows: Row[] = []
  let refused = 0
  let last: Position | null = null
  const breath = takingTurns()
  for await (const { row, position } of placed) {
    if (ask.after !== null && sign * comparePositions(position, ask.after) <= 0) continue
    if (!within(row.patients[0] ?? null)) continue
    if (rows.length === ask.limit) return { rows, next: last }
    const accepted = await ask.accept(row)
    if (accepted) {
      rows.push(row)
      last = position
    } else if (accepted !== null && ++refused > ask.scanRecordsMax) throw tooCostly()
    const pause = breath()
    if (pause !== undefined) await pause
  }
  return { rows, next: null }
}

function tooCostly(): Error {
  return fault(422, 'too-costly', "SCAN_RECORDS_MAX was passed: add 'patient', 'entity', 'agent', 'date' or 'subtype', which the ledger indexes, or raise SCAN_RECORDS_MAX")
}

/** An event names one patient at most, so `shared` makes no difference; an event of nobody is in nobody's panel. */
function reachOf(reach: Reach): (patient: string | null) => boolean {
  if (reach.kind === 'all') return () => true
  const patients = new Set(reach.patients)
  return (patient) => patient !== null && patients.has(patient)
}

function inOrder(rows: readonly PlacedRow[], order: 'newest' | 'oldest'): readonly PlacedRow[] {
  const sign = order === 'newest' ? -1 : 1
  return [...rows].sort((a, b) => sign * comparePositions(a.position, b.position))
}

/** Merges streams that are each in order. */
async function* merged(streams: readonly AsyncGenerator<PlacedRow>[], order: 'newest' | 'oldest'): AsyncGenerator<PlacedRow> {
  const sign = order === 'newest' ? -1 : 1
  const heads: { row: PlacedRow; stream: AsyncGenerator<PlacedRow> }[] = []
  const pull = async (stream: AsyncGenerator<PlacedRow>): Promise<void> => {
    const next = await stream.next()
    if (next.done !== true) heads.push({ row: next.value, stream })
  }
  try {
    for (const stream of streams) await pull(stream)
    while (heads.length > 0) {
      heads.sort((a, b) => sign * comparePositions(a.row.position, b.row.position))
      const { row, stream } = heads.shift()!
      yield row
      await pull(stream)
    }
  } finally {
    for (const stream of streams) await stream.return(undefined)
  }
}

/** Events are built when somebody looks: a policy that refuses by reach never does. */
function lazyRow(id: string, updated: number, patient: string | null, build: () => Resource): Row {
  let built: Resource | null = null
  let bytes: Uint8Array | null = null
  const resource = (): Resource => (built ??= build())
  return {
    type: 'AuditEvent',
    id,
    version: 1,
    updated,
    deleted: false,
    patients: patient === null ? [] : [patient],
    labels: [],
    memo: [],
    get json() {
      return (bytes ??= new TextEncoder().encode(JSON.stringify(resource())))
    },
    resource
  }
}
