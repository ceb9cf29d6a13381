import { addAllergies } from './care.ts'
import { CHILD_VISIT, ILLNESSES, VISITS } from './codes.ts'
import { type Facility, toClinician, toOrganization } from './facilities.ts'
import { concept, DAY, type Draft, hl7, instant, makeDraft, MINUTE, profile, type SeedBundle, urn } from './parts.ts'
import { ageAt, makePerson, patientResource, type Person } from './person.ts'
import { makeRandom, type Random } from './random.ts'
import type { Course, Visit } from './story.ts'
import { addVisit } from './visit.ts'

export type Size = 'full' | 'small'

const HISTORY_DAYS = 3 * 365
/** The latest visit lies within the 90 days in which it makes the patient one of the clinician's own. */
const LATEST_DAYS_MAX = 75

/** One patient with three years of history before `now` (ms since 1970), as one transaction. */
export function patientBundle(name: string, home: Facility, now: number,
  size: Size): { readonly person: Person; readonly bundle: SeedBundle } {
  const random = makeRandom(name)
  const person = makePerson(random, home, now)
  const draft = makeDraft()
  draft.post(patientResource(random, person, now))
  const visits = visitsOf(random, draft, person, now, size)
  const course: Course = { active: new Map(),
    waiting: [...random.some(fitting(person, now, true), random.whole(size === 'small' ? 1 : 0, size === 'small' ? 1 : 2))] }
  if (random.chance(size === 'small' ? 0.2 : 0.25)) addAllergies(visits[0]!, random.whole(1, size === 'small' ? 1 : 5))
  for (const visit of visits) addVisit(visit, illnessOf(visit, course), course)
  addProvenance(draft, random, visits.at(-1)!, now)
  return { person, bundle: { resourceType: 'Bundle', type: 'transaction', entry: draft.entries } }
}

function visitsOf(random: Random, draft: Draft, person: Person, now: number, size: Size): readonly Visit[] {
  const count = size === 'small' ? 1 : random.whole(5, 15)
  const days = [random.whole(2, LATEST_DAYS_MAX), ...Array.from({ length: count - 1 },
    () => random.whole(LATEST_DAYS_MAX + 1, HISTORY_DAYS))].sort((a, b) => b - a)
  return days.map((before, at) => {
    const start = now - before * DAY + random.whole(7 * 60, 17 * 60) * MINUTE + random.whole(0, 59) * 1000 + 321
    const child = ageAt(person, start) < 18
    const known = size === 'small' ? VISITS[0]! : kindOf(random)
    const type = child && !known.ill ? CHILD_VISIT : known
    return {
      random, draft, person, facility: person.home,
      clinician: random.chance(0.7) ? person.home.clinicians[0]! : random.pick(person.home.clinicians),
      type, start, end: start + type.minutes * MINUTE, encounter: random.uuid(), latest: at === days.length - 1, brief: size === 'small'
    }
  })
}

/** Mostly sick visits to the practice; an emergency or a stay in hospital now and then. */
function kindOf(random: Random): (typeof VISITS)[number] {
  if (random.chance(0.25)) return VISITS[0]!
  if (random.chance(0.2)) return VISITS[1]!
  return random.pick(VISITS.slice(2, random.chance(0.1) ? 7 : 5))
}

/** A chronic illness that has not shown itself yet comes first; a sick visit is for something acute or for what is already known. */
function illnessOf(visit: Visit, course: Course): (typeof ILLNESSES)[number] | null {
  const { random } = visit
  const next = course.waiting.pop()
  if (next !== undefined) return next
  const known = [...course.active.keys()]
  if (known.length > 0 && random.chance(0.4)) return random.pick(known)
  return visit.type.ill || random.chance(0.5) ? random.pick(fitting(visit.person, visit.start, false)) : null
}

const fitting = (person: Person, at: number, chronic: boolean) =>
  ILLNESSES.filter((each) => each.chronic === chronic && each.ages[0] <= ageAt(person, at) && ageAt(person, at) <= each.ages[1])

function addProvenance(draft: Draft, random: Random, latest: Visit, now: number): void {
  const agent = (code: string, display: string, system: string): object =>
    ({ type: concept([system, code, display]), who: toClinician(latest.clinician), onBehalfOf: toOrganization(latest.facility) })
  const [author] = hl7('provenance-participant-type', '', '')
  draft.post({
    resourceType: 'Provenance', id: random.uuid(), meta: profile('us-core-provenance'),
    target: draft.entries.map(({ resource }) => ({ reference: urn(resource.id) })),
    recorded: instant(now),
    agent: [agent('author', 'Author', author), agent('transmitter', 'Transmitter',
      'http://hl7.org/fhir/us/core/CodeSystem/us-core-provenance-participant-type')]
  })
}
