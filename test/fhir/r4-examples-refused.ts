/**
 * Which of HL7's R4 examples are refused, by the text of the first issue. Each was looked at: the fault is the example's, but for the one
 * group that says otherwise. FAULTS says it in words; docs/CONFORMANCE.md lists both.
 */
export const REFUSED_EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  // A canonical that is not an absolute URL.
  'This is not a valid canonical': [
    'ActivityDefinition-administer-zika-virus-exposure-assessment.json', 'ActivityDefinition-provide-mosquito-prevention-advice.json',
    'ActivityDefinition-referralPrimaryCareMentalHealth-initial.json', 'ActivityDefinition-referralPrimaryCareMentalHealth.json',
    'ActivityDefinition-serum-zika-dengue-virus-igm.json', 'CapabilityStatement-example.json',
    'CapabilityStatement-knowledge-repository.json', 'CapabilityStatement-measure-processor.json',
    'CapabilityStatement-messagedefinition.json', 'CapabilityStatement-terminology-server.json', 'Library-composition-example.json',
    'Library-example.json', 'Library-library-cms146-example.json', 'Library-library-exclusive-breastfeeding-cds-logic.json',
    'Library-library-exclusive-breastfeeding-cqm-logic.json', 'Library-library-fhir-helpers-predecessor.json',
    'Library-library-fhir-helpers.json', 'Library-omtk-logic.json', 'Library-opioidcds-common.json',
    'Library-opioidcds-recommendation-04.json', 'Library-opioidcds-recommendation-05.json', 'Library-opioidcds-recommendation-07.json',
    'Library-opioidcds-recommendation-08.json', 'Library-opioidcds-recommendation-10.json', 'Library-opioidcds-recommendation-11.json',
    'Library-suiciderisk-orderset-logic.json', 'Library-zika-virus-intervention-logic.json', 'Measure-composite-example.json',
    'Measure-measure-cms146-example.json', 'Measure-measure-exclusive-breastfeeding.json', 'Measure-measure-predecessor-example.json',
    'MeasureReport-measurereport-cms146-cat1-example.json', 'MeasureReport-measurereport-cms146-cat2-example.json',
    'MeasureReport-measurereport-cms146-cat3-example.json', 'MessageDefinition-patient-link-notification.json',
    'MessageDefinition-patient-link-response.json', 'PlanDefinition-chlamydia-screening-intervention.json',
    'PlanDefinition-exclusive-breastfeeding-intervention-01.json', 'PlanDefinition-exclusive-breastfeeding-intervention-02.json',
    'PlanDefinition-exclusive-breastfeeding-intervention-03.json', 'PlanDefinition-exclusive-breastfeeding-intervention-04.json',
    'PlanDefinition-low-suicide-risk-order-set.json', 'PlanDefinition-opioidcds-04.json', 'PlanDefinition-opioidcds-05.json',
    'PlanDefinition-opioidcds-07.json', 'PlanDefinition-opioidcds-08.json', 'PlanDefinition-opioidcds-10.json',
    'PlanDefinition-opioidcds-11.json', 'PlanDefinition-zika-virus-intervention-initial.json',
    'PlanDefinition-zika-virus-intervention.json', 'Procedure-f201.json', 'Questionnaire-phq-9-questionnaire.json',
    'QuestionnaireResponse-gcs.json', 'QuestionnaireResponse-ussg-fht-answers.json', 'RequestGroup-kdn5-example.json',
    'TestScript-testscript-example-history.json', 'TestScript-testscript-example-multisystem.json',
    'TestScript-testscript-example-readtest.json', 'TestScript-testscript-example-search.json',
    'TestScript-testscript-example-update.json', 'TestScript-testscript-example.json'
  ],
  // A narrative without content.
  'txt-2: the narrative has no content': [
    'ActivityDefinition-blood-tubes-supply.json', 'ActivityDefinition-heart-valve-replacement.json', 'EventDefinition-example.json',
    'Questionnaire-zika-virus-exposure-assessment.json'
  ],
  // A MIME type whose parameter has a space outside quotes.
  'The code is not in http://hl7.org/fhir/ValueSet/mimetypes': [
    'Bundle-b0a5e4277-83c4-4adb-87e2-e3efe3369b6f.json'
  ],
  // Stricter than R4: url() in a narrative style is refused here.
  'txt-1: the narrative has a style that loads or runs something': [
    'Bundle-types.json'
  ],
  // A reference to a type that the element does not allow.
  'A reference to this type of resource is not allowed here': [
    'DeviceMetric-example.json', 'DeviceUseStatement-example.json', 'MedicationRequest-medrx0301.json', 'Observation-clinical-gender.json'
  ],
  // A reference whose id has more than 64 characters.
  'This is not a valid reference': [
    'ImplementationGuide-fhir.json', 'ig-r4.json'
  ],
  // A fullUrl of another resource than the one beside it.
  'fullUrl: The fullUrl agrees with the type and the id of the resource': [
    'Bundle-10bb101f-a121-4264-a920-67be9cb82c74.json', 'Bundle-3a0707d3-549e-4467-b8b8-5a2ab3800efe.json', 'Bundle-lri-example.json'
  ],
  // Items without linkId.
  'A required element is missing': [
    'Questionnaire-qs1.json'
  ]
}

/** Each fault in words, with where R4 says so. */
export const FAULTS: Readonly<Record<keyof typeof REFUSED_EXAMPLES, string>> = {
  'This is not a valid canonical': 'A canonical is an absolute URL or a fragment; these name resources by relative references (https://hl7.org/fhir/R4/datatypes.html#canonical)',
  'txt-2: the narrative has no content': 'The div of the narrative is empty (https://hl7.org/fhir/R4/narrative.html#xhtml)',
  'The code is not in http://hl7.org/fhir/ValueSet/mimetypes': 'A MIME type with a space outside quotes (RFC 2045)',
  'txt-1: the narrative has a style that loads or runs something': 'Stricter than R4: a style with `url()` is refused, since clients put the div into pages',
  'A reference to this type of resource is not allowed here': 'The element does not allow references to that type',
  'This is not a valid reference': 'The id in a reference has more than 64 characters (https://hl7.org/fhir/R4/datatypes.html#id)',
  'fullUrl: The fullUrl agrees with the type and the id of the resource': 'The fullUrl SHALL NOT disagree with the id in the resource (https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.fullUrl)',
  'A required element is missing': 'Items of a Questionnaire without linkId'
}
