/** Vital signs, laboratory panels and questionnaires. */
import { CATEGORY } from './codes.ts'
import { type Code, loinc, snomed } from './parts.ts'

export interface Measure {
  readonly code: Code
  /** UCUM. */
  readonly unit: string
  /** Usual values, and how many decimals they are written with. */
  readonly range: readonly [min: number, max: number]
  readonly places: number
  readonly profile: string
}

export interface Panel {
  readonly code: Code
  readonly category: Code
  readonly laboratory: boolean
  readonly measures: readonly Measure[]
}

const measure = (profile: string) => (code: string, display: string, unit: string, min: number, max: number, places: number): Measure =>
  ({ code: loinc(code, display), unit, range: [min, max], places, profile })

const lab = measure('us-core-observation-lab')
const survey = measure('us-core-observation-survey')

export const VITALS: readonly Measure[] = [
  measure('us-core-heart-rate')('8867-4', 'Heart rate', '/min', 56, 104, 0),
  measure('us-core-respiratory-rate')('9279-1', 'Respiratory rate', '/min', 11, 20, 0),
  measure('us-core-body-temperature')('8310-5', 'Body temperature', 'Cel', 36.2, 38.4, 2)
]
export const PAIN = survey('72514-3', 'Pain severity - 0-10 verbal numeric rating [Score] - Reported', '{score}', 0, 6, 0)
export const HEIGHT = measure('us-core-body-height')('8302-2', 'Body Height', 'cm', 0, 0, 1)
export const WEIGHT = measure('us-core-body-weight')('29463-7', 'Body Weight', 'kg', 0, 0, 2)
export const BMI = measure('us-core-bmi')('39156-5', 'Body mass index (BMI) [Ratio]', 'kg/m2', 0, 0, 2)

export const PRESSURE = loinc('85354-9', 'Blood pressure panel with all children optional')
export const DIASTOLIC = loinc('8462-4', 'Diastolic Blood Pressure')
export const SYSTOLIC = loinc('8480-6', 'Systolic Blood Pressure')

export const SMOKING = loinc('72166-2', 'Tobacco smoking status')
export const SMOKING_VALUES: readonly Code[] = [
  snomed('266919005', 'Never smoked tobacco (finding)'), snomed('8517006', 'Ex-smoker (finding)'),
  snomed('449868002', 'Smokes tobacco daily (finding)')
]

/** Questions of the PRAPARE survey and their answers. */
export const PRAPARE = loinc('93025-5', "Protocol for Responding to and Assessing Patients' Assets, Risks, and Experiences [PRAPARE]")
export const PRAPARE_QUESTIONS: readonly { readonly code: Code; readonly answers: readonly Code[] }[] = [
  { code: loinc('93027-1', 'Are you a refugee?'), answers: [loinc('LA32-8', 'No'), loinc('LA33-6', 'Yes')] },
  { code: loinc('71802-3', 'Housing status'), answers: [loinc('LA30189-7', 'I have housing'),
    loinc('LA30190-5', 'I do not have housing')] },
  { code: loinc('93026-3', 'Do you feel physically and emotionally safe where you currently live?'),
    answers: [loinc('LA33-6', 'Yes'), loinc('LA32-8', 'No')] },
  { code: loinc('76501-6', 'Within the last year, have you been afraid of your partner or ex-partner?'),
    answers: [loinc('LA32-8', 'No'), loinc('LA33-6', 'Yes')] }
]

const panel = (code: Code, laboratory: boolean, measures: readonly Measure[]): Panel =>
  ({ code, laboratory, measures, category: laboratory ? CATEGORY.laboratory : CATEGORY.survey })

export const PANELS: readonly Panel[] = [
  panel(loinc('24321-2', 'Basic metabolic 2000 panel - Serum or Plasma'), true, [
    lab('2345-7', 'Glucose [Mass/volume] in Serum or Plasma', 'mg/dL', 68, 140, 2),
    lab('3094-0', 'Urea nitrogen [Mass/volume] in Serum or Plasma', 'mg/dL', 7, 22, 2),
    lab('2160-0', 'Creatinine [Mass/volume] in Serum or Plasma', 'mg/dL', 0.6, 1.6, 2),
    lab('17861-6', 'Calcium [Mass/volume] in Serum or Plasma', 'mg/dL', 8.5, 10.3, 2),
    lab('2951-2', 'Sodium [Moles/volume] in Serum or Plasma', 'mmol/L', 135, 146, 1),
    lab('2823-3', 'Potassium [Moles/volume] in Serum or Plasma', 'mmol/L', 3.5, 5.3, 2),
    lab('2075-0', 'Chloride [Moles/volume] in Serum or Plasma', 'mmol/L', 98, 112, 1),
    lab('2028-9', 'Carbon dioxide, total [Moles/volume] in Serum or Plasma', 'mmol/L', 20, 29, 1)
  ]),
  panel(loinc('57698-3', 'Lipid panel with direct LDL - Serum or Plasma'), true, [
    lab('2093-3', 'Cholesterol [Mass/volume] in Serum or Plasma', 'mg/dL', 150, 250, 2),
    lab('2571-8', 'Triglycerides', 'mg/dL', 90, 210, 2),
    lab('18262-6', 'Low Density Lipoprotein Cholesterol', 'mg/dL', 60, 170, 2),
    lab('2085-9', 'Cholesterol in HDL [Mass/volume] in Serum or Plasma', 'mg/dL', 35, 80, 2)
  ]),
  panel(loinc('58410-2', 'CBC panel - Blood by Automated count'), true, [
    lab('6690-2', 'Leukocytes [#/volume] in Blood by Automated count', '10*3/uL', 4, 11, 4),
    lab('789-8', 'Erythrocytes [#/volume] in Blood by Automated count', '10*6/uL', 4, 5.6, 4),
    lab('718-7', 'Hemoglobin [Mass/volume] in Blood', 'g/dL', 11.5, 17.4, 3),
    lab('4544-3', 'Hematocrit [Volume Fraction] of Blood by Automated count', '%', 35, 49, 2),
    lab('787-2', 'MCV [Entitic volume] by Automated count', 'fL', 80, 95, 2),
    lab('777-3', 'Platelets [#/volume] in Blood by Automated count', '10*3/uL', 150, 450, 1)
  ]),
  panel(loinc('24357-6', 'Urinalysis macro (dipstick) panel - Urine'), true, [
    lab('5811-5', 'Specific gravity of Urine by Test strip', '{nominal}', 1, 1.04, 3),
    lab('5803-2', 'pH of Urine by Test strip', '[pH]', 5, 7, 2),
    lab('5792-7', 'Glucose [Mass/volume] in Urine by Test strip', 'mg/dL', 0, 3, 4),
    lab('5804-0', 'Protein [Mass/volume] in Urine by Test strip', 'mg/dL', 0, 30, 2)
  ]),
  panel(loinc('55757-9', 'Patient Health Questionnaire 2 item (PHQ-2) [Reported]'), false, [
    survey('55758-7', 'Patient Health Questionnaire 2 item (PHQ-2) total score [Reported]', '{score}', 0, 6, 0)
  ]),
  panel(loinc('69737-5', 'Generalized anxiety disorder 7 item (GAD-7)'), false, [
    survey('70274-6', 'Generalized anxiety disorder 7 item (GAD-7) total score [Reported.PHQ]', '{score}', 0, 21, 0)
  ]),
  panel(loinc('72109-2', 'Alcohol Use Disorder Identification Test - Consumption [AUDIT-C]'), false, [
    survey('75626-2', 'Total score [AUDIT-C]', '{score}', 0, 12, 0)
  ])
]
export const HBA1C = lab('4548-4', 'Hemoglobin A1c/Hemoglobin.total in Blood', '%', 5.1, 8.9, 2)
