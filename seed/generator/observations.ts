import type { RawJson } from '../../src/model/decimal.ts'
import { CATEGORY } from './codes.ts'
import { toOrganization } from './facilities.ts'
import {
  BMI, DIASTOLIC, HEIGHT, type Measure, PAIN, type Panel, PRAPARE, PRAPARE_QUESTIONS, PRESSURE, SMOKING, SMOKING_VALUES, SYSTOLIC, VITALS,
  WEIGHT
} from './measures.ts'
import { type Code, coded, concept, dateTime, hl7, instant, profile, quantity, toEntry } from './parts.ts'
import { ageAt } from './person.ts'
import { decimalOf } from './random.ts'
import type { Visit } from './story.ts'

/** The vital signs of a visit; all of them with body measures, blood pressure and smoking status, or just the few of a sick visit. */
export function observeVitals(visit: Visit, full: boolean): void {
  const { random } = visit
  const measures = full && !visit.brief ? [...VITALS.slice(0, 2), PAIN] : VITALS.slice(0, 1)
  for (const each of measures) observeMeasure(visit, each, CATEGORY.vitals, random.decimal(...each.range, each.places))
  if (!full) {
    observeMeasure(visit, VITALS[2]!, CATEGORY.vitals, random.decimal(37.2, 39.2, 2))
    return
  }
  observeBody(visit)
  observe(visit, PRESSURE, CATEGORY.vitals, 'us-core-blood-pressure', {
    component: [[DIASTOLIC, random.whole(62, 96)] as const, [SYSTOLIC, random.whole(98, 158)] as const]
      .map(([code, value]) => ({ code: concept(code), valueQuantity: quantity(value, 'mm[Hg]') }))
  })
  if (visit.brief) return
  observe(visit, SMOKING, CATEGORY.social, 'us-core-smokingstatus', { valueCodeableConcept: concept(random.pick(SMOKING_VALUES)) })
  if (ageAt(visit.person, visit.start) >= 18 && random.chance(0.5)) observeSurvey(visit)
}

function observeBody(visit: Visit): void {
  const { random, person, start } = visit
  const grown = Math.min(1, 0.45 + ageAt(person, start) * 0.031)
  const height = Number(((person.gender === 'male' ? 176 : 163) * grown + random.whole(-6, 6)).toFixed(1))
  const weight = Number((height * height * 0.0001 * (17 + 9 * grown * random.next() + 3 * grown)).toFixed(2))
  const bmi = weight / ((height / 100) * (height / 100))
  for (const [each, value] of [[HEIGHT, height], [WEIGHT, weight], [BMI, bmi]] as const) observeMeasure(visit, each, CATEGORY.vitals,
    decimalOf(value, each.places))
}

function observeSurvey(visit: Visit): void {
  const component = PRAPARE_QUESTIONS.map(({ code, answers }) => ({ code: concept(code),
    valueCodeableConcept: concept(answers[visit.random.chance(0.9) ? 0 : 1]!) }))
  observe(visit, PRAPARE, CATEGORY.survey, 'us-core-observation-survey', { component })
}

/** The observations of a panel and the report that names them. */
export function observePanel(visit: Visit, panel: Panel): void {
  const { random, draft, person, start } = visit
  const results = panel.measures.map((each) => ({
    ...toEntry(observeMeasure(visit, each, panel.category, random.decimal(...each.range, each.places))), display: each.code[2]
  }))
  draft.post({
    resourceType: 'DiagnosticReport', id: random.uuid(), status: 'final',
    ...(panel.laboratory ? { meta: profile('us-core-diagnosticreport-lab'), category: [coded(hl7('v2-0074', 'LAB', 'Laboratory'))],
      performer: [toOrganization(visit.facility)] } : {}),
    code: concept(panel.code), subject: toEntry(person.id), encounter: toEntry(visit.encounter), effectiveDateTime: dateTime(start),
    issued: instant(start), result: results
  })
}

const observeMeasure = (visit: Visit, measure: Measure, category: Code, value: number | RawJson): string =>
  observe(visit, measure.code, category, measure.profile, { valueQuantity: quantity(value, measure.unit) })

function observe(visit: Visit, code: Code, category: Code, name: string, value: object): string {
  const { random, draft, person, start } = visit
  return draft.post({
    resourceType: 'Observation', id: random.uuid(), meta: profile(name), status: 'final', category: [coded(category)],
    code: concept(code), subject: toEntry(person.id),
    encounter: toEntry(visit.encounter), effectiveDateTime: dateTime(start), issued: instant(start), ...value
  })
}
