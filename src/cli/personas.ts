/** Who asks in the demo, and for what. */
import type { Resource } from '../model/resource.ts'

export interface Fetched {
  readonly status: number
  readonly body: Resource & { readonly total?: number; readonly entry?: readonly { readonly resource: Resource }[] }
}

/** GET of a path below the FHIR base, as someone who sees everything. */
export type Ask = (path: string) => Promise<Fetched>

export interface Persona {
  /** One word or two, for the token's subject. */
  readonly name: string
  readonly title: string
  readonly scope: string
  readonly patient: string | null
  readonly fhirUser: string | null
  readonly roles: readonly string[]
  readonly purposes: readonly string[]
  /** Paths below the FHIR base, each with what its answer shows. */
  readonly asks: readonly { readonly path: string; readonly shows: string }[]
  readonly notes: readonly string[]
}

/** Whom the personas are about. */
export interface Cast {
  /** `Practitioner/ID` of the clinician with the most patients of her own, and her name. */
  readonly physician: string
  readonly physicianName: string
  /** One of her patients, and one who is not hers (null where all are). */
  readonly patient: Resource
  readonly stranger: Resource | null
  readonly own: number
}

const DAY = 86_400_000
const CARE_DAYS = 90

/** `now`: ms since 1970. */
export async function castOf(ask: Ask, now: number): Promise<Cast> {
  const since = new Date(now - CARE_DAYS * DAY).toISOString().slice(0, 10)
  const visits = resources(await ask(`Encounter?date=ge${since}&_count=500`))
  const teams = resources(await ask('CareTeam?status=active&_count=500'))
  const panels = new Map<string, Set<string>>()
  for (const row of [...visits, ...teams]) {
    const subject = referenceOf(row.subject)
    for (const member of Array.isArray(row.participant) ? row.participant : []) {
      const clinician = referenceOf(member.individual ?? member.member)
      if (clinician.startsWith('Practitioner/') && subject !== '') panels.set(clinician, (panels.get(clinician) ?? new Set()).add(subject))
    }
  }
  const [physician, own] = [...panels].sort(([a, x], [b, y]) => y.size - x.size || (a < b ? -1 : 1))[0] ?? []
  if (physician === undefined || own === undefined) throw new Error('no clinician in the demo store has patients; delete it and start again')
  const patients = resources(await ask('Patient?_count=500'))
  const isOwn = ({ id }: Resource): boolean => own.has(`Patient/${id}`)
  const patient = patients.filter(isOwn).sort((a, b) => (a.id! < b.id! ? -1 : 1))[0]
  if (patient === undefined) throw new Error('the demo store has lost its patients; delete it and start again')
  const { body } = await ask(physician)
  return { physician, physicianName: nameOf(body), patient, stranger: patients.find((each) => !isOwn(each)) ?? null, own: own.size }
}

export function personas(cast: Cast): readonly Persona[] {
  return [thePatient(cast), thePhysician(cast), theFrontDesk(cast), theBilling(cast), theAuditor(cast)]
}

const thePatient = ({ patient }: Cast): Persona => ({
  name: 'patient', title: `1. Patient: ${nameOf(patient)} sees the own record and nothing of anybody else.`,
  scope: 'launch/patient patient/*.rs',
  patient: patient.id!, fhirUser: `Patient/${patient.id}`, roles: [], purposes: [],
  asks: [
    { path: 'Patient', shows: 'A search for all patients finds one' },
    { path: 'Observation?code=85354-9&_count=3', shows: 'The latest blood pressures' }
  ],
  notes: []
})

const thePhysician = ({ physician, physicianName, patient, stranger, own }: Cast): Persona => ({
  name: 'physician', title: `2. Physician: ${physicianName} works with ${own} patients, the ones in this physician's care.`,
  scope: 'user/*.cruds',
  patient: null, fhirUser: physician, roles: ['physician'], purposes: ['TREAT'],
  asks: [
    { path: 'Patient', shows: 'All patients, as far as this physician is concerned' },
    { path: `Condition?patient=${patient.id}&_count=5`, shows: `Diagnoses of ${nameOf(patient)}` }
  ],
  notes: stranger === null ? [] : [
    `Patient/${stranger.id} (${nameOf(stranger)}, not in this care), asked for by itself: 404, as for an id that never was. A search for that id finds nothing.`
  ]
})

const theFrontDesk = ({ patient }: Cast): Persona => ({
  name: 'front-desk', title: '3. Front desk: finds every patient, but no diagnosis and no social security number.', scope: 'user/*.rs',
  patient: null, fhirUser: null, roles: ['front-desk'], purposes: [],
  asks: [{ path: `Patient?name=${encodeURIComponent(familyOf(patient))}`,
    shows: `${nameOf(patient)} with name, address and record number; the tag SUBSETTED says that there is more` }],
  notes: ['Condition in place of Patient is answered 403: this role has no right to it.']
})

const theBilling = ({ patient }: Cast): Persona => ({
  name: 'billing', title: '4. Billing clerk: claims and the codes on them, without the notes.', scope: 'user/*.rs',
  patient: null, fhirUser: null, roles: ['billing'], purposes: [],
  asks: [{ path: `Claim?patient=${patient.id}&_count=2`, shows: `Claims of ${nameOf(patient)}` }],
  notes: []
})

const theAuditor = ({ patient }: Cast): Persona => ({
  name: 'auditor', title: '5. Auditor: who asked for what, the lines above included; no record of care itself.',
  scope: 'user/AuditEvent.rs',
  patient: null, fhirUser: null, roles: ['auditor'], purposes: [],
  asks: [
    { path: 'AuditEvent?_count=5', shows: 'The latest accesses' },
    { path: `AuditEvent?patient=${patient.id}&_count=5`, shows: `Who saw something of ${nameOf(patient)}` }
  ],
  notes: []
})

const resources = ({ body }: Fetched): readonly Resource[] => (body.entry ?? []).map(({ resource }) => resource)

const referenceOf = (value: unknown): string => String((value as { readonly reference?: string } | undefined)?.reference ?? '')

interface Name { readonly family?: string; readonly given?: readonly string[]; readonly prefix?: readonly string[] }

const firstName = (resource: Resource): Name => (resource.name as readonly Name[] | undefined)?.[0] ?? {}
const familyOf = (resource: Resource): string => firstName(resource).family ?? ''

function nameOf(resource: Resource): string {
  const { prefix = [], given = [], family = '' } = firstName(resource)
  return [...prefix, ...given, family].join(' ')
}
