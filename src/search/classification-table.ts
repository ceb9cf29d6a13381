/**
 * Whom the records of a type belong to (DESIGN.md §5 "Types"). Whatever its kind, a record that names a patient is that patient's,
 * and a record of kind `compartment` or `derived` that names none is no patient caller's.
 */
export interface Classification {
  /**
   * - `patient`: Patient; its compartment patient is itself.
   * - `compartment`: in R4's Patient compartment by the parameters `codes`.
   * - `derived`: belongs to the patients of the records that `from` points to.
   * - `shared`: of no patient; every caller whose scopes have the type may search it.
   * - `by-reference`: patient callers reach it by id or include, not by search.
   * - `restricted`: never for patient callers.
   */
  readonly kind: 'patient' | 'compartment' | 'derived' | 'shared' | 'by-reference' | 'restricted'
  /** Parameters of R4's own CompartmentDefinition for Patient, empty for types outside it. */
  readonly codes: readonly string[]
  /** Search parameter that names whom the record is about; null where there is none. */
  readonly subject: string | null
  /** Whether a patient context sees records that also name another patient. */
  readonly sharing: boolean
  /** Elements whose targets' patients are this record's too, each with its search parameter where R4 has one. */
  readonly from: readonly { readonly path: string; readonly code: string | null }[]
}

/**
 * The one table of types. Rules behind it:
 * - `sharing` is yes only where the second patient is a party to the record by right: who pays or is paid, who reported it, who sent
 *   or was sent it. It is no where the record is a list of several people (Group, List, Appointment, Schedule, Person, Account), and
 *   where the second patient merely did or wrote something (`performer`, `author`, `participant`, `receiver`):
 *   the record is about the other.
 * - A record outside R4's compartment that is about a patient is `derived`, never shared.
 */
const within = (codes: string, subject: string, sharing: 'sharing' | 'alone' = 'alone'): Classification =>
  ({ kind: 'compartment', codes: codes.split(' '), subject, sharing: sharing === 'sharing', from: [] })

/** `from`: `element` or `element=code`, the code where it differs from the element; `element=` where R4 has no parameter for it. */
const derived = (type: string, from: string, subject: string | null = null, codes: readonly string[] = []): Classification =>
  ({ kind: 'derived', codes, subject, sharing: false, from: sources(type, from) })

const outside = (kind: 'shared' | 'by-reference' | 'restricted', type = '', from = '', subject: string | null = null): Classification =>
  ({ kind, codes: [], subject, sharing: false, from: sources(type, from) })

const sources = (type: string, from: string): Classification['from'] =>
  from.split(' ').filter((each) => each !== '').map((each) => {
    const [element = '', code = element] = each.split('=')
    return { path: `${type}.${element}`, code: code === '' ? null : code }
  })

const compartment: readonly (readonly [string, Classification])[] = [
  ['Account', within('subject', 'subject')],
  ['AdverseEvent', within('subject', 'subject')],
  ['AllergyIntolerance', within('patient recorder asserter', 'patient', 'sharing')],
  ['Appointment', within('actor', 'actor')],
  ['AppointmentResponse', within('actor', 'actor')],
  ['Basic', within('patient author', 'patient')],
  ['BodyStructure', within('patient', 'patient')],
  ['CarePlan', within('patient performer', 'patient')],
  ['CareTeam', within('patient participant', 'patient')],
  ['ChargeItem', within('subject', 'subject')],
  ['Claim', within('patient payee', 'patient', 'sharing')],
  ['ClaimResponse', within('patient', 'patient')],
  ['ClinicalImpression', within('subject', 'subject')],
  ['Communication', within('subject sender recipient', 'subject', 'sharing')],
  ['CommunicationRequest', within('subject sender recipient requester', 'subject', 'sharing')],
  ['Composition', within('subject author attester', 'subject')],
  ['Condition', within('patient asserter', 'patient', 'sharing')],
  ['Consent', within('patient', 'patient')],
  ['Coverage', within('policy-holder subscriber beneficiary payor', 'beneficiary', 'sharing')],
  ['CoverageEligibilityRequest', within('patient', 'patient')],
  ['CoverageEligibilityResponse', within('patient', 'patient')],
  ['DetectedIssue', within('patient', 'patient')],
  ['DeviceRequest', within('subject performer', 'subject')],
  ['DeviceUseStatement', within('subject', 'subject')],
  ['DiagnosticReport', within('subject', 'subject')],
  ['DocumentManifest', within('subject author recipient', 'subject')],
  ['DocumentReference', within('subject author', 'subject')],
  ['Encounter', within('patient', 'patient')],
  ['EnrollmentRequest', within('subject', 'subject')],
  ['EpisodeOfCare', within('patient', 'patient')],
  ['ExplanationOfBenefit', within('patient payee', 'patient', 'sharing')],
  ['FamilyMemberHistory', within('patient', 'patient')],
  ['Flag', within('patient', 'patient')],
  ['Goal', within('patient', 'patient')],
  ['Group', within('member', 'member')],
  ['ImagingStudy', within('patient', 'patient')],
  ['Immunization', within('patient', 'patient')],
  ['ImmunizationEvaluation', within('patient', 'patient')],
  ['ImmunizationRecommendation', within('patient', 'patient')],
  ['Invoice', within('subject patient recipient', 'subject', 'sharing')],
  ['List', within('subject source', 'subject')],
  ['MeasureReport', within('patient', 'patient')],
  ['Media', within('subject', 'subject')],
  ['MedicationAdministration', within('patient performer subject', 'patient')],
  ['MedicationDispense', within('subject patient receiver', 'subject')],
  ['MedicationRequest', within('subject', 'subject')],
  ['MedicationStatement', within('subject', 'subject')],
  ['MolecularSequence', within('patient', 'patient')],
  ['NutritionOrder', within('patient', 'patient')],
  ['Observation', within('subject performer', 'subject')],
  ['Person', within('patient', 'patient')],
  ['Procedure', within('patient performer', 'patient')],
  ['QuestionnaireResponse', within('subject author', 'subject')],
  ['RelatedPerson', within('patient', 'patient')],
  ['RequestGroup', within('subject participant', 'subject')],
  ['ResearchSubject', within('individual', 'individual')],
  ['RiskAssessment', within('subject', 'subject')],
  ['Schedule', within('actor', 'actor')],
  ['ServiceRequest', within('subject performer', 'subject')],
  ['Specimen', within('subject', 'subject')],
  ['SupplyDelivery', within('patient', 'patient')],
  ['SupplyRequest', within('subject', 'subject')],
  ['VisionPrescription', within('patient', 'patient')]
]

const others: readonly (readonly [string, Classification])[] = [
  // R4 puts the patients that `link` names into the compartment too; a merge would then open one patient's record to another.
  ['Patient', { kind: 'patient', codes: ['link'], subject: null, sharing: false, from: [] }],
  ['AuditEvent', derived('AuditEvent', 'entity.what=entity', 'patient', ['patient'])],
  ['Provenance', derived('Provenance', 'target', 'patient', ['patient'])],
  ['Binary', derived('Binary', 'securityContext=')],
  // The donor is a patient, and R4 has no search parameter for the type.
  ['BiologicallyDerivedProduct', derived('BiologicallyDerivedProduct', 'collection.source= request= parent=')],
  ['Contract', derived('Contract', 'subject', 'patient')],
  // A metric is its device's, and a device may be a patient's implant.
  ['DeviceMetric', derived('DeviceMetric', 'source parent')],
  ['EnrollmentResponse', derived('EnrollmentResponse', 'request')],
  ['GuidanceResponse', derived('GuidanceResponse', 'subject encounter=', 'patient')],
  ['PaymentNotice', derived('PaymentNotice', 'request response')],
  // By whom it is for and what it is about; owner and requester are workers, also where they are patients.
  ['Task', derived('Task', 'for=subject focus basedOn=based-on encounter', 'patient')],

  ['Device', outside('by-reference', 'Device', 'patient', 'patient')],
  ['Location', outside('by-reference')],
  ['Medication', outside('by-reference')],
  ['Substance', outside('by-reference')],

  // These carry other records, or speak of several patients at once, or of the server's own traffic.
  ...names('Bundle Linkage MessageHeader OperationOutcome Parameters PaymentReconciliation Subscription TestReport VerificationResult')
    .map((type): readonly [string, Classification] => [type, outside('restricted')]),

  // Free and busy times are for everyone, but those of a patient's own schedule are that patient's.
  ['Slot', outside('shared', 'Slot', 'schedule')],
  // Who works here, what is offered, definitions, terminology and conformance.
  ...names(`Endpoint HealthcareService InsurancePlan Organization OrganizationAffiliation Practitioner PractitionerRole
    ActivityDefinition CatalogEntry ChargeItemDefinition DeviceDefinition EffectEvidenceSynthesis EventDefinition Evidence
    EvidenceVariable ExampleScenario Library Measure MedicationKnowledge MedicinalProduct MedicinalProductAuthorization
    MedicinalProductContraindication MedicinalProductIndication MedicinalProductIngredient MedicinalProductInteraction
    MedicinalProductManufactured MedicinalProductPackaged MedicinalProductPharmaceutical MedicinalProductUndesirableEffect
    ObservationDefinition PlanDefinition Questionnaire ResearchDefinition ResearchElementDefinition ResearchStudy
    RiskEvidenceSynthesis SpecimenDefinition SubstanceNucleicAcid SubstancePolymer SubstanceProtein SubstanceReferenceInformation
    SubstanceSourceMaterial SubstanceSpecification CapabilityStatement CodeSystem CompartmentDefinition ConceptMap
    GraphDefinition ImplementationGuide MessageDefinition NamingSystem OperationDefinition SearchParameter StructureDefinition
    StructureMap TerminologyCapabilities TestScript ValueSet`)
    .map((type): readonly [string, Classification] => [type, outside('shared')])
]

export const rows: readonly (readonly [string, Classification])[] = [...compartment, ...others]

function names(text: string): readonly string[] {
  return text.split(/\s+/)
}
