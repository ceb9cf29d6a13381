/**
 * $everything of a Patient (https://hl7.org/fhir/R4/patient-operation-everything.html) and of an Encounter: what the caller may search in
 * the patient's compartment, newest first, and what of no patient it refers to. Rows are sent as they are stored; nothing is parsed
 * where nothing is hidden and no care dates are asked for. The audit log is not part of a record: no AuditEvents.
 */
import { fault, notFound } from '../../model/errors.ts'
import { type Ref, refText } from '../../model/resource.ts'
import { isResourceType } from '../../search/classification.ts'
import { matches } from '../../search/match.ts'
import { searchParam } from '../../search/parameters.ts'
import { parseCriteria } from '../../search/parse.ts'
import { and, type Filter, or } from '../../search/query.ts'
import { dateRange } from '../../search/types/date-text.ts'
import type { Position, Seen } from '../../store/ports.ts'
import { type Exchange, linkTo, openPosition, pageToken, selfLink } from '../exchange.ts'
import { searchset } from '../searchset.ts'
import type { Arguments, OperationCall, OperationDefinition, OperationParameter } from './operation.ts'
import { referencesBeside } from './row-references.ts'

const SHARED: readonly OperationParameter[] = [
  { name: '_since', type: 'instant', min: 0, max: '1' }, { name: '_type', type: 'code', min: 0, max: '*' }, { name: '_count', type: 'positiveInt', min: 0, max: '1' },
  { name: '_page', type: 'string', min: 0, max: '1' }
]

export const patientEverything: OperationDefinition = {
  code: 'everything',
  definition: 'http://hl7.org/fhir/OperationDefinition/Patient-everything',
  levels: ['instance'],
  resourceTypes: ['Patient'],
  affectsState: false,
  right: 'r',
  parameters: [{ name: 'start', type: 'date', min: 0, max: '1' }, { name: 'end', type: 'date', min: 0, max: '1' }, ...SHARED],
  handler: (call) => everything(call, (_, given, exchange) => inCare(given, exchange))
}

export const encounterEverything: OperationDefinition = {
  code: 'everything',
  definition: 'http://hl7.org/fhir/OperationDefinition/Encounter-everything',
  levels: ['instance'],
  resourceTypes: ['Encounter'],
  affectsState: false,
  right: 'r',
  parameters: SHARED,
  handler: (call) => everything(call, (encounter, _, exchange) => ofEncounter(encounter.row.id, exchange))
}

type Keep = (seen: Seen) => boolean

async function everything({ exchange, given: asked }: OperationCall, keepOf: (center: Seen, given: Arguments, exchange: Exchange) => Keep): ReturnType<OperationDefinition['handler']> {
  const { request, guarded, site } = exchange
  const ref: Ref = { type: request.type!, id: request.id! }
  const center = await guarded.read(ref)
  if (center === undefined) throw notFound()
  if (center.row.deleted) throw fault(410, 'deleted', 'The resource was deleted')
  const path = `${refText(ref)}/$everything`
  const { given, after } = pageOf(exchange, asked, path)
  const types = typesOf(given)
  const since = sinceOf(given)
  const limit = Math.min(site.bounds.countMax, Number(given.text('_count') ?? site.bounds.countMax))
  const wanted: Keep = ({ row }) => row.updated >= since && (types === null || types.has(row.type))
  const keep = keepOf(center, given, exchange)
  const first = after === null && wanted(center) ? [center] : []
  const isCenter: Keep = ({ row }) => row.type === ref.type && row.id === ref.id
  const [patient] = center.row.patients
  const page = patient === undefined ? { rows: [], next: null }
    : await guarded.ofPatient({ patient, keep: (seen) => seen.row.type !== 'AuditEvent' && wanted(seen) && !isCenter(seen) && keep(seen), after, limit: Math.max(1, limit - first.length) })
  const rows = [...first, ...page.rows]
  const isOfNobodyElse: Keep = ({ row }) => row.patients.length === 0 || (row.type === 'Patient' && row.id === patient)
  const included = await guarded.readAll(await referencesBeside([center, ...rows], site.base), (seen) => wanted(seen) && !isCenter(seen) && isOfNobodyElse(seen))
  const links = [{ relation: 'self', url: selfLink(exchange, path, given.pairs) }]
  if (page.next !== null && page.next.key.length === 0) throw fault(422, 'not-supported', "Within a transaction there is no second page: ask for more with '_count'")
  if (page.next !== null) links.push({ relation: 'next', url: linkTo(exchange, path, `_page=${pageToken(exchange, path, given.pairs, page.next)}`) })
  return searchset(exchange, { links, total: after === null && page.next === null ? rows.length : null, rows, included })
}

/** A page link carries the call that made it and stands alone. */
function pageOf(exchange: Exchange, given: Arguments, path: string): { readonly given: Arguments; readonly after: Position | null } {
  const token = given.text('_page')
  if (token === null) return { given, after: null }
  if (given.pairs.length > 1) throw fault(400, 'invalid', "'_page' stands alone")
  const { params, after } = openPosition(exchange, token, path)
  const texts = (name: string): readonly string[] => params.filter(([each]) => each === name).map(([, value]) => value)
  return { given: { ...given, pairs: params, texts, text: (name) => texts(name)[0] ?? null }, after }
}

function typesOf(given: Arguments): ReadonlySet<string> | null {
  const names = given.texts('_type').flatMap((text) => text.split(','))
  if (!names.every(isResourceType)) throw fault(400, 'value', 'The parameter _type is a list of R4 resource types')
  return names.length === 0 ? null : new Set(names)
}

const sinceOf = (given: Arguments): number => {
  const text = given.text('_since')
  return text === null ? 0 : Date.parse(text)
}

/** Rows whose care date lies between start and end. Rows of types without such dates, and those that have none, are kept. */
function inCare(given: Arguments, { site }: Exchange): Keep {
  const [start, end] = [given.text('start'), given.text('end')]
  if (start === null && end === null) return () => true
  if (start !== null && end !== null && dateRange(start)!.from >= dateRange(end)!.before) throw fault(400, 'value', "The parameter 'start' lies after 'end'")
  const filters = new Map<string, Filter | null>()
  const filterOf = (type: string): Filter | null => {
    const codes = (CARE_DATES[type] ?? ['date']).filter((code) => searchParam(type, code)?.kind === 'date')
    const options = { base: site.base, ...site.bounds, lenient: false }
    const outside = (code: string): Filter => or([start === null ? [] : `${code}=eb${start}`, end === null ? [] : `${code}=sa${end}`].flat().map((text) => parseCriteria(type, text, options)))
    // The first date that a row has decides. Where one is missing it is not outside.
    return codes.reduceRight<Filter | null>((rest, code) => {
      const within: Filter = { kind: 'not', of: outside(code) }
      return rest === null ? within : and([within, or([parseCriteria(type, `${code}:missing=false`, options), rest])])
    }, null)
  }
  return (seen) => {
    const { type } = seen.row
    if (!filters.has(type)) filters.set(type, filterOf(type))
    const filter = filters.get(type)!
    return filter === null || matches(filter, seen.resource(), { base: site.base })
  }
}

/** Search parameters that read when care happened, the most telling first; `date` where a type is not listed. */
const CARE_DATES: Readonly<Record<string, readonly string[]>> = {
  AllergyIntolerance: ['onset', 'date'], Appointment: ['date'], Claim: ['created'], ClaimResponse: ['created'], Communication: ['sent', 'received'],
  CommunicationRequest: ['occurrence', 'authored'], Condition: ['onset-date', 'recorded-date'], CoverageEligibilityRequest: ['created'], CoverageEligibilityResponse: ['created'],
  DetectedIssue: ['identified'], DeviceRequest: ['event-date', 'authored-on'], DocumentManifest: ['created'], ExplanationOfBenefit: ['created'], Goal: ['start-date'],
  ImagingStudy: ['started'], Invoice: ['date'], MeasureReport: ['period', 'date'], Media: ['created'], MedicationAdministration: ['effective-time'], MedicationDispense: ['whenhandedover', 'whenprepared'],
  MedicationRequest: ['date', 'authoredon'], MedicationStatement: ['effective'], NutritionOrder: ['datetime'], Patient: [], Person: [], Provenance: ['when', 'recorded'], QuestionnaireResponse: ['authored'],
  RelatedPerson: [], ServiceRequest: ['occurrence', 'authored'], Specimen: ['collected'], Task: ['period', 'authored-on'], VisionPrescription: ['datewritten']
}

/** Rows of the Encounter compartment: those that name the encounter in `encounter` or `context`. The bytes tell first whether a row can. */
function ofEncounter(id: string, { site }: Exchange): Keep {
  const needle = Buffer.from(`Encounter/${id}`)
  const filters = new Map<string, Filter>()
  const filterOf = (type: string): Filter => or(['encounter', 'context'].flatMap((code) => {
    const param = searchParam(type, code)
    return param?.kind === 'reference' ? [{ kind: 'clause' as const, param, modifier: null, values: [{ kind: 'reference' as const, type: 'Encounter', id, url: null, version: null }] }] : []
  }))
  return (seen) => {
    const { type } = seen.row
    if (Buffer.from(seen.row.json.buffer, seen.row.json.byteOffset, seen.row.json.byteLength).indexOf(needle) < 0) return false
    if (!filters.has(type)) filters.set(type, filterOf(type))
    return matches(filters.get(type)!, seen.resource(), { base: site.base })
  }
}
