/** What can happen to a made-up patient: a small list of our own in the code systems that Synthea uses. */
import { type Code, cvx, hl7, loinc, rxnorm, snomed } from './parts.ts'

export interface Illness {
  readonly code: Code
  /** Ages in years, both included. */
  readonly ages: readonly [number, number]
  /** Chronic: it stays active and gets a care plan. */
  readonly chronic: boolean
  readonly drugs: readonly Code[]
  readonly procedure: Code | null
  readonly plan: Code | null
  readonly activities: readonly Code[]
  readonly imaging: boolean
}

const acute = (code: Code, ages: readonly [number, number], drugs: readonly Code[], procedure: Code | null, imaging = false): Illness =>
  ({ code, ages, chronic: false, drugs, procedure, plan: null, activities: [], imaging })

const chronic = (code: Code, ages: readonly [number, number], drugs: readonly Code[], procedure: Code | null, plan: Code,
  activities: readonly Code[]): Illness =>
  ({ code, ages, chronic: true, drugs, procedure, plan, activities, imaging: false })

const EXERCISE = snomed('229065009', 'Exercise therapy')
const DIET = snomed('183063000', 'Low salt diet education')
const SMOKING = snomed('225323000', 'Smoking cessation education')

export const ILLNESSES: readonly Illness[] = [
  chronic(snomed('59621000', 'Essential hypertension (disorder)'), [35, 100],
    [rxnorm('310798', 'Hydrochlorothiazide 25 MG Oral Tablet'), rxnorm('314076', 'lisinopril 10 MG Oral Tablet')], null,
    snomed('443402002', 'Lifestyle education regarding hypertension'), [DIET, SMOKING, EXERCISE]),
  chronic(snomed('44054006', 'Diabetes mellitus type 2 (disorder)'), [30, 100],
    [rxnorm('860975', '24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet')],
    snomed('430193006', 'Medication Reconciliation (procedure)'), snomed('698360004', 'Diabetes self management plan'),
    [snomed('160670007', 'Diabetic diet'), EXERCISE]),
  chronic(snomed('55822004', 'Hyperlipidemia'), [30, 100], [rxnorm('314231', 'Simvastatin 10 MG Oral Tablet')], null,
    snomed('736285004', 'Hyperlipidemia clinical management plan'), [DIET, EXERCISE]),
  chronic(snomed('195967001', 'Asthma (disorder)'), [3, 60], [rxnorm('351137', 'albuterol 0.21 MG/ML Inhalation Solution')],
    snomed('127783003', 'Spirometry (procedure)'),
    snomed('699728000', 'Asthma self management'), [snomed('710818004', 'Inhaled steroid therapy'),
      snomed('371605008', 'Deep breathing and coughing exercises')]),
  chronic(snomed('370143000', 'Major depressive disorder (disorder)'), [14, 100], [rxnorm('312940', 'Sertraline 50 MG Oral Tablet')],
    snomed('171207006', 'Depression screening (procedure)'),
    snomed('384758001', 'Self-care interventions (procedure)'), [snomed('386463000', 'Prescribed activity/exercise education')]),
  acute(snomed('195662009', 'Acute viral pharyngitis (disorder)'), [1, 100], [rxnorm('313782', 'Acetaminophen 325 MG Oral Tablet')],
    snomed('117015009', 'Throat culture (procedure)')),
  acute(snomed('444814009', 'Viral sinusitis (disorder)'), [1, 100], [], null),
  acute(snomed('10509002', 'Acute bronchitis (disorder)'), [2, 100], [rxnorm('313782', 'Acetaminophen 325 MG Oral Tablet')],
    snomed('399208008', 'Plain X-ray of chest (procedure)'), true),
  acute(snomed('66383009', 'Gingivitis (disorder)'), [3, 100], [rxnorm('1535362', 'sodium fluoride 0.0272 MG/MG Oral Gel')],
    snomed('243085009', 'Oral health education (procedure)'), true),
  acute(snomed('44465007', 'Sprain of ankle (disorder)'), [5, 90], [rxnorm('198405', 'Ibuprofen 100 MG Oral Tablet')],
    snomed('229586001', 'Rest, ice, compression and elevation treatment program (regime/therapy)'), true),
  acute(snomed('73595000', 'Stress (finding)'), [14, 100], [], snomed('710841007', 'Assessment of anxiety (procedure)')),
  acute(snomed('314529007', 'Medication review due (situation)'), [0, 100], [],
    snomed('430193006', 'Medication Reconciliation (procedure)')),
  acute(snomed('160903007', 'Full-time employment (finding)'), [18, 66], [],
    snomed('710824005', 'Assessment of health and social care needs (procedure)'))
]

export const SCREENINGS: readonly Code[] = [
  snomed('428211000124100', 'Assessment of substance use (procedure)'), snomed('171207006', 'Depression screening (procedure)'),
  snomed('710841007', 'Assessment of anxiety (procedure)'),
  snomed('34043003', 'Dental consultation and report (procedure)'), snomed('225362009', 'Dental care (regime/therapy)'),
  snomed('274788003', 'Examination of gingivae (procedure)'),
  snomed('710824005', 'Assessment of health and social care needs (procedure)'),
  snomed('710839006', 'Assessment of cardiac status using monitoring device (procedure)')
]

/** Encounter class, type and minutes. */
export const VISITS: readonly { readonly kind: string; readonly code: Code; readonly minutes: number; readonly ill: boolean }[] = [
  { kind: 'AMB', code: snomed('162673000', 'General examination of patient (procedure)'), minutes: 30, ill: false },
  { kind: 'AMB', code: snomed('185349003', 'Encounter for check up (procedure)'), minutes: 15, ill: false },
  { kind: 'AMB', code: snomed('185345009', 'Encounter for symptom'), minutes: 15, ill: true },
  { kind: 'AMB', code: snomed('185347001', 'Encounter for problem (procedure)'), minutes: 30, ill: true },
  { kind: 'AMB', code: snomed('390906007', 'Follow-up encounter'), minutes: 15, ill: true },
  { kind: 'EMER', code: snomed('50849002', 'Emergency room admission (procedure)'), minutes: 180, ill: true },
  { kind: 'IMP', code: snomed('32485007', 'Hospital admission (procedure)'), minutes: 2_880, ill: true }
]
export const CHILD_VISIT = { kind: 'AMB', code: snomed('410620009', 'Well child visit (procedure)'), minutes: 15, ill: false } as const

export const FLU = cvx('140', 'Influenza, seasonal, injectable, preservative free')
export const VACCINES: readonly Code[] = [
  cvx('20', 'DTaP'), cvx('10', 'IPV'), cvx('03', 'MMR'), cvx('21', 'varicella'), cvx('133', 'Pneumococcal conjugate PCV 13'),
  cvx('115', 'Tdap'), cvx('121', 'zoster vaccine, live'),
  cvx('208', 'COVID-19, mRNA, LNP-S, PF, 30 mcg/0.3 mL dose')
]

export interface Allergy { readonly code: Code; readonly category: string; readonly reaction: Code }

const HIVES = snomed('247472004', 'Wheal (finding)')
export const ALLERGIES: readonly Allergy[] = [
  { code: rxnorm('7984', 'Penicillin V'), category: 'medication', reaction: HIVES },
  { code: snomed('762952008', 'Peanut (substance)'), category: 'food', reaction: snomed('39579001', 'Anaphylaxis (disorder)') },
  { code: snomed('735029006', 'Shellfish (substance)'), category: 'food', reaction: HIVES },
  { code: snomed('256277009', 'Grass pollen (substance)'), category: 'environment', reaction: snomed('76067001', 'Sneezing (finding)') },
  { code: snomed('260147004', 'House dust mite (organism)'), category: 'environment', reaction: snomed('267101005', 'Nose running') },
  { code: snomed('111088007', 'Latex (substance)'), category: 'environment', reaction: HIVES }
]

export const DEVICES: readonly Code[] = [
  snomed('337414009', 'Blood glucose meter (physical object)'), snomed('170615005', 'Home nebulizer (physical object)'),
  snomed('228869008', 'Manual wheelchair (physical object)'),
  snomed('702172008', 'Home continuous positive airway pressure unit (physical object)')
]
export const SUPPLIES: readonly Code[] = [
  snomed('337388004', 'Blood glucose testing strips (physical object)'), snomed('1137596000', 'Blood lancet (physical object)'),
  snomed('469020004', 'Dental floss (physical object)'),
  snomed('972002', 'Air filter, device (physical object)'), snomed('277183007', 'Dental equipment (physical object)')
]

/** Procedure, modality, body site, SOP class and its title. */
export const IMAGING: readonly { readonly procedure: Code; readonly modality: readonly [string,
  string]; readonly site: Code; readonly sop: string; readonly title: string }[] = [
  { procedure: snomed('399208008', 'Plain X-ray of chest (procedure)'), modality: ['CR', 'Computed Radiography'],
    site: snomed('51185008', 'Thoracic structure (body structure)'), sop: '1.2.840.10008.5.1.4.1.1.1',
    title: 'Computed Radiography Image' },
  { procedure: snomed('241046008', 'Dental X-ray bitewing (procedure)'), modality: ['DX', 'Digital Radiography'],
    site: snomed('700016008', 'Structure of region of internal part of mouth (body structure)'), sop: '1.2.840.10008.5.1.4.1.1.1.3',
    title: 'Digital Intra-Oral X-Ray Image' },
  { procedure: snomed('40701008', 'Echocardiography (procedure)'), modality: ['US', 'Ultrasound'],
    site: snomed('80891009', 'Heart structure (body structure)'), sop: '1.2.840.10008.5.1.4.1.1.3.1', title: 'Ultrasound Multiframe Image' }
]

export const NOTE: readonly Code[] = [loinc('34117-2', 'History and physical note'), loinc('51847-2', 'Evaluation + Plan note')]
export const CATEGORY = {
  vitals: hl7('observation-category', 'vital-signs', 'Vital signs'),
  laboratory: hl7('observation-category', 'laboratory', 'Laboratory'),
  survey: hl7('observation-category', 'survey', 'Survey'),
  social: hl7('observation-category', 'social-history', 'Social history')
} as const
