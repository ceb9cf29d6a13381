import { ALLERGIES } from './codes.ts'
import { toClinician, toOrganization } from './facilities.ts'
import { type Code, coded, concept, dateTime, hl7, profile, snomed, toEntry } from './parts.ts'
import { displayName } from './person.ts'
import type { Visit } from './story.ts'

export interface Plan {
  readonly plan: Code
  readonly activities: readonly Code[]
  readonly reason: Code
  /** Entry of the Condition. */
  readonly condition: string
}

/** The CareTeam and the CarePlan of a chronic illness. The visit's clinician is on the team. */
export function carePlan(visit: Visit, { plan, activities, reason, condition }: Plan): void {
  const { random, draft, person, start } = visit
  const base = { subject: toEntry(person.id), encounter: toEntry(visit.encounter), period: { start: dateTime(start) } }
  const team = draft.post({
    resourceType: 'CareTeam', id: random.uuid(), meta: profile('us-core-careteam'), status: 'active', ...base,
    participant: [
      { role: [concept(snomed('116154003', 'Patient'))], member: { ...toEntry(person.id), display: displayName(person) } },
      { role: [concept(snomed('223366009', 'Healthcare professional (occupation)'))], member: toClinician(visit.clinician) },
      { role: [concept(snomed('224891009', 'Healthcare services (qualifier value)'))], member: toOrganization(visit.facility) }
    ],
    reasonCode: [concept(reason)], managingOrganization: [toOrganization(visit.facility)]
  })
  const items = activities.map(([, , name]) => `<li>${name}</li>`).join('')
  draft.post({
    resourceType: 'CarePlan', id: random.uuid(), meta: profile('us-core-careplan'),
    text: { status: 'generated',
      div: `<div xmlns="http://www.w3.org/1999/xhtml">Care Plan for ${plan[2]}.<br/>Activities: <ul>${items}</ul></div>` },
    status: 'active', intent: 'order', category: [coded(['http://hl7.org/fhir/us/core/CodeSystem/careplan-category', 'assess-plan', '']),
      concept(plan)], ...base,
    careTeam: [toEntry(team)], addresses: [toEntry(condition)],
    activity: activities.map((code) => ({
      detail: { code: concept(code), reasonReference: [toEntry(condition)], status: 'in-progress',
        location: { display: visit.facility.name } }
    }))
  })
}

export function addAllergies(visit: Visit, count: number): void {
  const { random, draft, person, start } = visit
  for (const allergy of random.some(ALLERGIES, count)) {
    draft.post({
      resourceType: 'AllergyIntolerance', id: random.uuid(), meta: profile('us-core-allergyintolerance'),
      clinicalStatus: coded(hl7('allergyintolerance-clinical', 'active', '')),
      verificationStatus: coded(hl7('allergyintolerance-verification', 'confirmed', '')),
      type: 'allergy', category: [allergy.category], criticality: 'low', code: concept(allergy.code), patient: toEntry(person.id),
      recordedDate: dateTime(start),
      reaction: [{ manifestation: [concept(allergy.reaction)], severity: random.pick(['mild', 'moderate', 'severe']) }]
    })
  }
}
