import { at, coded, count, distinct, has, hasChoice, implies, inOrder, number, objectsAt, type Test } from './words.ts'
import { UCUM } from './datatypes.ts'
import { isObject, type Json } from '../walk.ts'

const TERMINOLOGY = 'http://terminology.hl7.org/CodeSystem'
const percent = (x: unknown): boolean => !isObject(x) || (x.code === '%' && x.system === UCUM)
const patientConsent = (code: string): Test => (x) => has(x, 'patient') || !coded(x, 'scope', 'something', [code])
const notHome: Test = (x) => x.use !== 'home'

/** Invariants of the clinical, administrative and financial resources, by key, or by key and path where a key has two meanings. */
export const CLINICAL_RULES: Readonly<Record<string, Test>> = {
  'ait-1': (x) => coded(x, 'verificationStatus', `${TERMINOLOGY}/allergyintolerance-verification`, ['entered-in-error'])
    || has(x, 'clinicalStatus'),
  'ait-2': (x) => !coded(x, 'verificationStatus', `${TERMINOLOGY}/allergyintolerance-verification`, ['entered-in-error'])
    || !has(x, 'clinicalStatus'),
  'app-1': (x) => has(x, 'type') || has(x, 'actor'),
  'app-2': (x) => has(x, 'start') === has(x, 'end'),
  'app-3': (x) => (has(x, 'start') && has(x, 'end')) || ['proposed', 'cancelled', 'waitlist'].includes(x.status as string),
  'app-4': (x) => implies(has(x, 'cancelationReason'), x.status === 'noshow' || x.status === 'cancelled'),
  'apr-1': (x) => has(x, 'participantType') || has(x, 'actor'),
  'ces-1': (x) => has(x, 'category') !== has(x, 'productOrService'),
  'cmp-1': (x) => has(x, 'text') || has(x, 'entry') || has(x, 'section'),
  'cmp-2': (x) => !has(x, 'emptyReason') || !has(x, 'entry'),
  'con-1': (x) => has(x, 'summary') || has(x, 'assessment'),
  'con-2': (x) => has(x, 'code') || has(x, 'detail'),
  'con-4': (x) => !hasChoice(x, 'abatement')
    || coded(x, 'clinicalStatus', `${TERMINOLOGY}/condition-clinical`, ['resolved', 'remission', 'inactive']),
  'con-5': (x) => !coded(x, 'verificationStatus', `${TERMINOLOGY}/condition-ver-status`, ['entered-in-error']) || !has(x, 'clinicalStatus'),
  'cpl-3': (x) => !has(x, 'detail') || !has(x, 'reference'),
  'ctm-1': (x) => !has(x, 'onBehalfOf') || !at(x, 'member.reference').some(namesOtherThanPractitioner),
  'fhs-1': (x) => !hasChoice(x, 'age') || !hasChoice(x, 'born'),
  'fhs-2': (x) => hasChoice(x, 'age') || !has(x, 'estimatedAge'),
  'gol-1': (x) => !hasChoice(x, 'detail') || has(x, 'measure'),
  'grp-1': (x) => !has(x, 'member') || x.actual === true,
  'imm-1': (x) => has(x, 'documentType') || has(x, 'reference'),
  'imr-1': (x) => has(x, 'vaccineCode') || has(x, 'targetDisease'),
  'inv-1@Task': (x) => inOrder(x.authoredOn, x.lastModified),
  'inv-1@Parameters.parameter': (x) => {
    const [part, value, resource] = [has(x, 'part'), hasChoice(x, 'value'), has(x, 'resource')]
    return part ? !value && !resource : value !== resource
  },
  'ipn-1': (x) => count(x, 'identifier') + count(x, 'name') > 0,
  'lnk-1': (x) => count(x, 'item') > 1,
  'lst-1': (x) => !has(x, 'emptyReason') || !has(x, 'entry'),
  'lst-2': (x) => x.mode === 'changes' || objectsAt(x, 'entry').every((entry) => !has(entry, 'deleted')),
  'lst-3': (x) => x.mode === 'working' || objectsAt(x, 'entry').every((entry) => !has(entry, 'date')),
  'mad-1': (x) => has(x, 'dose') || hasChoice(x, 'rate'),
  'mdd-1': (x) => inOrder(x.whenPrepared, x.whenHandedOver),
  'mrp-1': (x) => x.type !== 'data-collection' || !has(x, 'group'),
  'mrp-2': (x) => objectsAt(x, 'group.stratifier.stratum').every((one) => has(one, 'value') !== has(one, 'component')),
  'msq-3': (x) => number(x.coordinateSystem) === 1 || number(x.coordinateSystem) === 0,
  'msq-5': (x) => has(x, 'chromosome') === has(x, 'genomeBuild'),
  'msq-6': (x) =>
    ['genomeBuild', 'referenceSeqId', 'referenceSeqPointer', 'referenceSeqString'].filter((name) => has(x, name)).length === 1,
  'obs-3': (x) => has(x, 'low') || has(x, 'high') || has(x, 'text'),
  'obs-6': (x) => x.dataAbsentReason === undefined || !hasChoice(x, 'value'),
  'obs-7': (x) => x.component === undefined || !hasChoice(x, 'value') || !sharesCode(x),
  'org-1': (x) => has(x, 'identifier') || has(x, 'name'),
  'org-2': notHome,
  'org-3': notHome,
  'pat-1': (x) => has(x, 'name') || has(x, 'telecom') || has(x, 'address') || has(x, 'organization'),
  'ppc-1': (x) => has(x, 'policy') || has(x, 'policyRule'),
  'ppc-2': patientConsent('patient-privacy'),
  'ppc-3': patientConsent('research'),
  'ppc-4': patientConsent('adr'),
  'ppc-5': patientConsent('treatment'),
  'prr-1': (x) => !has(x, 'orderDetail') || has(x, 'code'),
  'qrs-1': (x) => !has(x, 'answer') || !has(x, 'item'),
  'ras-1': (x) => percent((x as Json | undefined)?.low) && percent((x as Json | undefined)?.high),
  'ras-2': (x) => (number(x.probabilityDecimal) ?? 0) <= 100,
  'rqg-1': (x) => has(x, 'resource') !== has(x, 'action'),
  'sev-1': (x) => !has(x, 'name') || !has(x, 'query'),
  'nsd-1': (x) => x.kind !== 'root' || objectsAt(x, 'uniqueId').every((one) => one.type !== 'uuid'),
  'nsd-2': (x) => distinct(objectsAt(x, 'uniqueId').filter((one) => one.preferred === true).map((one) => one.type))
}

const LOCAL_REFERENCE = /(?:^|\/)([A-Z][A-Za-z]+)\/[A-Za-z0-9\-.]{1,64}(?:\/_history\/[A-Za-z0-9\-.]{1,64})?$/

/** ctm-1 resolves the reference; here its own text says the type. */
function namesOtherThanPractitioner(reference: unknown): boolean {
  const type = typeof reference === 'string' ? LOCAL_REFERENCE.exec(reference)?.[1] : undefined
  return type !== undefined && type !== 'Practitioner'
}

/** True when a component has a coding that equals one of the Observation's own code. */
function sharesCode(x: Json): boolean {
  const own = new Set(objectsAt(x, 'code.coding').map(codingText))
  return objectsAt(x, 'component.code.coding').some((coding) => own.has(codingText(coding)))
}

/** Two codings intersect when they are equal as a whole (FHIRPath `=`). */
const codingText = (coding: Json): string => JSON.stringify(Object.entries(coding).sort(([a], [b]) => (a < b ? -1 : 1)))
