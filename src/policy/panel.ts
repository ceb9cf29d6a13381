import type { Resource } from '../model/resource.ts'
import { subjectPatients } from '../search/compartment.ts'
import { matches } from '../search/match.ts'
import { searchParam } from '../search/parameters.ts'
import { and, type Filter, type ParamValue } from '../search/query.ts'
import { referencesIn } from '../search/references.ts'
import type { Position, ResourceStore, Row } from '../store/ports.ts'
import { criteriaOnce, userOf } from './criteria.ts'

export interface Panel {
  /** Ids of the patients in the care of a fhirUser such as `Practitioner/12`, sorted; the same array while they stay the same. */
  panel(fhirUser: string): Promise<readonly string[]>
  /** Tell it of every written resource (of a delete, its last content) once the write is durable. */
  touched(type: string, resource: Resource): void
  /** Somebody's panel is kept. */
  watching(): boolean
  /** Another thread may have written anything: all is read again when it is next asked for. */
  forget(): void
}

export interface PanelOptions {
  /** The server's FHIR base, so that absolute references to it count. */
  readonly base?: string
  /** More patients than this are left out, newest records first in. */
  readonly patientsMax?: number
  /** Rows that may be opened for one source. */
  readonly scanRecordsMax?: number
}

/**
 * `%patients`: the patients of active CareTeams, Encounters of the last 90 days and Patient.generalPractitioner that name the user.
 * Read again after 60 s, and at once after a write that names the user or a patient of the panel.
 */
export function makePanel(store: ResourceStore, now: () => number, options: PanelOptions = {}): Panel {
  const { base = '', patientsMax = 4_096, scanRecordsMax = 50_000 } = options
  const entries = new Map<string, Entry>()

  return {
    panel: async (fhirUser) => {
      const user = userOf(fhirUser)
      if (user === null) return NOBODY
      const entry = entries.get(fhirUser)
      if (entry !== undefined && !entry.stale && now() - entry.asked < AGE_MAX) return entry.patients
      return load(fhirUser, user)
    },
    touched: (type, resource) => {
      if (entries.size === 0 || !SOURCES.some((source) => source.type === type)) return
      const named = new Set(referencesIn(resource).map(({ reference }) => relative(reference, base)))
      const patients = subjectPatients(resource, base)
      for (const [fhirUser, entry] of entries) {
        if (named.has(fhirUser) || entry.loading || patients.some((patient) => entry.members.has(patient))) entry.stale = true
      }
    },
    watching: () => entries.size > 0,
    forget: () => {
      for (const entry of entries.values()) entry.stale = true
    }
  }

  /** One read at a time for one user, unless a write came in between: its reader must not get what was read before it. */
  function load(fhirUser: string, user: User): Promise<readonly string[]> {
    const before = entries.get(fhirUser)
    const members = before?.members ?? new Set<string>()
    const entry: Entry = { asked: now(), stale: false, loading: true, members, patients: Promise.resolve(NOBODY) }
    entry.patients = Promise.all([before?.patients.catch(() => NOBODY) ?? NOBODY, readPatients(user)]).then(([old, found]) => {
      entry.members = new Set(found)
      return sameList(old, found) ? old : found
    }).finally(() => { entry.loading = false })
    entry.patients.catch(() => { entry.stale = true })
    if (before === undefined && entries.size >= USERS_MAX) entries.delete(entries.keys().next().value!)
    entries.set(fhirUser, entry)
    return entry.patients
  }

  async function readPatients(user: User): Promise<readonly string[]> {
    const found = new Set<string>()
    for (const source of SOURCES) {
      const filter = and([namesUser(source, user), ...sourceFilter(source, now(), base)])
      for await (const row of rowsOf(store, source.type, filter, base, scanRecordsMax)) {
        for (const patient of subjectPatients(row.resource(), base)) {
          if (found.size < patientsMax) found.add(patient)
        }
        if (found.size >= patientsMax) break
      }
    }
    return [...found].sort()
  }
}

interface User { readonly type: string; readonly id: string }
interface Entry {
  readonly asked: number
  stale: boolean
  loading: boolean
  members: ReadonlySet<string>
  patients: Promise<readonly string[]>
}
interface Source { readonly type: string; readonly code: string; readonly where: ((now: number) => string) | null }

const AGE_MAX = 60_000
const USERS_MAX = 10_000
const PAGE = 500
const DAY = 86_400_000
const NOBODY: readonly string[] = []

const iso = (ms: number): string => new Date(ms).toISOString()

const SOURCES: readonly Source[] = [
  { type: 'Patient', code: 'general-practitioner', where: null },
  { type: 'CareTeam', code: 'participant', where: () => 'status=active' },
  {
    type: 'Encounter',
    code: 'participant',
    where: (now) => `date=ge${iso(now - 90 * DAY)}&date=le${iso(now)}&status:not=entered-in-error&status:not=cancelled`
  }
]

/** Types whose writes may change a panel. */
export const PANEL_SOURCES: readonly string[] = SOURCES.map(({ type }) => type)

function namesUser(source: Source, { type, id }: User): Filter {
  const param = searchParam(source.type, source.code)
  const value: ParamValue = { kind: 'reference', type, id, url: null, version: null }
  return param === undefined ? { kind: 'none' } : { kind: 'clause', param, modifier: null, values: [value] }
}

function sourceFilter(source: Source, now: number, base: string): readonly Filter[] {
  return source.where === null ? [] : [criteriaOnce(source.type, source.where(now), base) ?? { kind: 'none' }]
}

async function* rowsOf(store: ResourceStore, type: string, filter: Filter, base: string, scanRecordsMax: number): AsyncGenerator<Row> {
  const accept = (row: Row): boolean => !row.deleted && matches(filter, row.resource(), { base, updated: row.updated })
  let after: Position | null = null
  do {
    const page = await store.find({ type, reach: { kind: 'all' }, filter, accept, order: 'newest', after, limit: PAGE, scanRecordsMax })
    yield* page.rows
    after = page.next
  } while (after !== null)
}

const relative = (reference: string, base: string): string =>
  base !== '' && reference.startsWith(`${base}/`) ? reference.slice(base.length + 1) : reference

const sameList = (a: readonly string[], b: readonly string[]): boolean => a.length === b.length && a.every((item, at) => item === b[at])
