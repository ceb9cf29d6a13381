/** What the ledger's index can do for a search of AuditEvent: a superset of the matches, confirmed afterwards. */
import type { DateRange, Filter, ParamValue, Prefix } from '../search/query.ts'
import type { Reach } from '../store/ports.ts'
import { OWN_EVENTS } from './audit-codes.ts'
import { dayOf, type TermKind } from './postings.ts'

export type LedgerAsk = readonly [kind: TermKind, value: string]

export interface LedgerPlan {
  /** Ids of AuditEvents; null = not restricted. */
  readonly ids: readonly string[] | null
  /** Entries under any of these terms; null = every entry. Empty = none. */
  readonly anyOf: readonly LedgerAsk[] | null
  /** Bounds of the time at which an entry was numbered, half-open, ms. */
  readonly from: number
  readonly before: number
}

export function planLedger(filter: Filter, reach: Reach, site: string): LedgerPlan {
  const parts = filter.kind === 'and' ? filter.of : [filter]
  const sets = parts.map((part) => setOf(part, site)).filter((set) => set !== null)
  const numbered = bounds(parts, '_lastUpdated')
  const dated = bounds(parts, 'date')
  const days = daysOf(dated)
  if (days !== null) sets.push({ rank: RANKS.day, asks: days })
  if (reach.kind === 'patients') sets.push({ rank: RANKS.patient + reach.patients.length / 1e6, asks: reach.patients.map((patient): LedgerAsk => ['patient', patient]) })
  const best = sets.sort((a, b) => a.rank - b.rank)[0]
  // An entry is numbered after the access, so a lower bound of the one holds for the other.
  return { ids: idsOf(parts), anyOf: best?.asks ?? null, from: Math.max(numbered.from, dated.from), before: numbered.before }
}

interface AskSet { readonly rank: number; readonly asks: readonly LedgerAsk[] }

/** The fewer entries a kind of term usually has, the lower its rank. */
const RANKS: Readonly<Record<TermKind, number>> = { entity: 0, patient: 1, agent: 2, outcome: 3, day: 4, kind: 5 }
/** What is no FHIR interaction is rarer than the events of a day. */
const OWN_RANK = 3.5
const DAYS_MAX = 62
const DAY_MS = 86_400_000

function setOf(filter: Filter, site: string): AskSet | null {
  switch (filter.kind) {
    case 'none': return { rank: -1, asks: [] }
    case 'and': return filter.of.map((part) => setOf(part, site)).filter((set) => set !== null).sort((a, b) => a.rank - b.rank)[0] ?? null
    case 'or': {
      const sets = filter.of.map((part) => setOf(part, site))
      if (sets.some((set) => set === null)) return null
      return { rank: Math.max(...sets.map((set) => set!.rank)), asks: sets.flatMap((set) => set!.asks) }
    }
    case 'clause': {
      const kind = KINDS[filter.param.code]
      if (kind === undefined) return null
      const asks: LedgerAsk[] = []
      for (const value of filter.values) {
        const found = asksOf(filter.param.code, filter.modifier, value, site)
        if (found === null) return null
        asks.push(...found)
      }
      return { rank: filter.param.code === 'type' ? OWN_RANK : RANKS[kind], asks }
    }
    default: return null
  }
}

const KINDS: Readonly<Record<string, TermKind>> = { patient: 'patient', entity: 'entity', agent: 'agent', subtype: 'kind', type: 'kind', outcome: 'outcome' }

/** Terms under which every match of one value stands; null where there are none. */
function asksOf(code: string, modifier: string | null, value: ParamValue, site: string): readonly LedgerAsk[] | null {
  if (code === 'agent' && modifier === 'identifier') {
    // The server itself takes part in every event, and has no term.
    if (value.kind !== 'token' || value.code === null || value.system === undefined || (value.system === null && value.code === site)) return null
    return [['agent', `${value.system ?? ''}|${value.code}`]]
  }
  if (modifier !== null) return null
  if (value.kind === 'token') {
    if (value.code === null) return null
    if (code === 'type') return ownEventsOf(value.code)
    if (code === 'subtype') return REST_CODES.has(value.code) ? [['kind', value.code]] : null
    return code === 'outcome' && value.code !== '0' ? [['outcome', value.code]] : null
  }
  if (value.kind !== 'reference' || value.id === null) return null
  if (code === 'patient') return value.type === null || value.type === 'Patient' ? [['patient', value.id]] : null
  if (value.type === null) return null
  const reference = `${value.type}/${value.id}`
  if (code === 'agent') return [['agent', reference]]
  if (code !== 'entity') return null
  return value.type === 'Patient' ? [['entity', reference], ['patient', value.id]] : [['entity', reference]]
}

/** Null for the type of all FHIR interactions, and for those that only other systems' events have. */
function ownEventsOf(type: string): readonly LedgerAsk[] | null {
  const found = Object.entries(OWN_EVENTS).filter(([, event]) => event.type.code === type).map(([kind]): LedgerAsk => ['kind', kind])
  return found.length === 0 ? null : found
}

const REST_CODES: ReadonlySet<string> = new Set([
  'read', 'vread', 'update', 'patch', 'delete', 'history-instance', 'history-type', 'history-system', 'create', 'search-type', 'search-system',
  'transaction', 'batch', 'operation'
])

function idsOf(parts: readonly Filter[]): readonly string[] | null {
  for (const part of parts) {
    if (part.kind !== 'clause' || part.param.code !== '_id' || part.modifier !== null) continue
    return part.values.map((value) => (value.kind === 'token' ? value.code : value.kind === 'string' ? value.text : null)).filter((id) => id !== null)
  }
  return null
}

function bounds(parts: readonly Filter[], code: string): DateRange {
  let from = 0
  let before = Number.POSITIVE_INFINITY
  for (const part of parts) {
    if (part.kind !== 'clause' || part.param.code !== code || part.modifier !== null || part.values.length !== 1) continue
    const [value] = part.values
    if (value?.kind !== 'date') continue
    if (FROM.has(value.prefix)) from = Math.max(from, value.range.from)
    if (value.prefix === 'eq' || value.prefix === 'le') before = Math.min(before, value.range.before)
    if (value.prefix === 'lt' || value.prefix === 'eb') before = Math.min(before, value.range.from)
  }
  return { from, before }
}

const FROM: ReadonlySet<Prefix> = new Set(['eq', 'ge', 'gt', 'sa'])

function daysOf({ from, before }: DateRange): readonly LedgerAsk[] | null {
  if (from === 0 || before - from > DAYS_MAX * DAY_MS) return null
  const days: LedgerAsk[] = []
  for (let at = Math.floor(from / DAY_MS) * DAY_MS; at < before; at += DAY_MS) days.push(['day', dayOf(at)])
  return days
}
