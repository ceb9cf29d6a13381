import { allTypes, classify } from './classification.ts'
import { definitionsCache, packagedTypes, paths, resultTypes, searchParam, searchParams } from './parameters.ts'
import type { ParamType, SearchParam } from './query.ts'

/** Who may link equal values: the tenant (`population`), one patient (`patient`), nobody (`none`: confirmed after opening). */
export type Level = 'population' | 'patient' | 'none'

/** The unit of date terms: a day at population level, a month at patient level. */
export type Grain = 'day' | 'month'

/**
 * The one table of index levels: the level of a parameter on a type (DESIGN.md §5 "Index levels"). For references it is the level of
 * values that are URLs; those to a type have `targetLevel`.
 */
export function level(type: string, code: string): Level {
  return entry(type, code).level
}

/**
 * The level of a reference's terms by the type it points to. A patient is never one: the visibility terms serve that. Every other type is
 * the tenant's: under a patient's key the term of a record that points into another patient's could not be found (docs/adr/0003).
 */
export function targetLevel(type: string, code: string, target: string | null): Level {
  const own = level(type, code)
  if (own === 'none' || target === 'Patient') return 'none'
  return target !== null ? 'population' : own
}

/** The codes under which terms stand that serve a parameter: its own, or those of wider ones that hold all of its values. */
export function termCodes(type: string, code: string): readonly string[] {
  return entry(type, code).codes
}

/** Whether a record that a parameter's reference to a patient matches always has that patient among its compartment patients. */
export function namesCompartment(param: SearchParam): boolean {
  const { type, code } = param
  return type !== 'Patient' && entry(type, code).compartment
}

interface Entry { readonly level: Level; readonly codes: readonly string[]; readonly compartment: boolean }

/** Exceptions by `Type.code`, before everything else. */
const OVERRIDES: Readonly<Record<string, Level | undefined>> = {
  'Patient.identifier': 'population', 'Patient.name': 'population', 'Patient.birthdate': 'population', 'Patient.telecom': 'population',
  'Patient.address': 'population', 'Patient.general-practitioner': 'population', 'Patient.organization': 'population',
  'Appointment.date': 'population', 'Slot.start': 'population', 'Schedule.date': 'population', 'Encounter.date': 'population',
  'Task.authored-on': 'population', 'Task.modified': 'population', 'Task.period': 'population',
  // Parameters with a value per concept, item or element of a whole artefact: a record would take thousands of terms.
  'CodeSystem.code': 'none', 'Questionnaire.code': 'none', 'StructureDefinition.path': 'none', 'StructureDefinition.base-path': 'none',
  'ValueSet.code': 'none', 'ValueSet.reference': 'none', 'ConceptMap.other': 'none', 'ConceptMap.dependson': 'none', 'ConceptMap.product': 'none',
  'ImagingStudy.instance': 'none', 'ImagingStudy.series': 'none', 'ImagingStudy.dicom-class': 'none'
}

/** Tokens of few values, by code, whatever the type: a term would show their frequencies. */
const FEW_VALUES: ReadonlySet<string> = new Set(`abstract achievement-status action active actual actuality address-use agent-role agent-type appointment-type
  base business-status class class-type clinical-status combo-data-absent-reason communication component-data-absent-reason confidentiality connection-type
  content-mode content-type contenttype context context-type criticality data-absent-reason deceased derivation dose-status empty-reason entity-role
  entity-type exclude experimental ext-context fhirversion format gender id-type intended-performertype intent jurisdiction kind language lifecycle-status
  medium mode name-language operational-status outcome part-status participant-role participant-type payload payload-type payment-status performer-function
  performer-type priority purpose relation relationship resource result risk scope security-label security-service seriousness severity sex
  signature-type source-code start status status-reason subject-type subtype system target target-code use verification-status version view`.split(/\s+/))

/** Free text: its prefixes select little and cost five terms a value. */
const FREE_TEXT: ReadonlySet<string> = new Set('description phonetic publisher value-string value-markdown definition content variant'.split(' '))

/** Values that a wider parameter of the type already holds: their queries ask its terms. */
const WIDER: Readonly<Record<string, readonly string[] | undefined>> = {
  family: ['name'], given: ['name'], phone: ['telecom'], email: ['telecom'],
  'address-city': ['address'], 'address-state': ['address'], 'address-country': ['address'], 'address-postalcode': ['address'],
  'Encounter.practitioner': ['participant'], 'Appointment.practitioner': ['actor'], 'Appointment.location': ['actor'],
  'Observation.combo-code': ['code', 'component-code'], 'Observation.combo-value-concept': ['value-concept', 'component-value-concept']
}

/** Kinds of parameter that have terms at all; a composite is served by its first component. */
const TERMED: ReadonlySet<ParamType> = new Set<ParamType>(['string', 'token', 'reference', 'date', 'uri'])

const known = definitionsCache<Map<string, Entry>>()

function entry(type: string, code: string): Entry {
  let ofType = known.get(type)
  if (ofType === undefined) known.set(type, (ofType = new Map()))
  let found = ofType.get(code)
  if (found === undefined) {
    const param = searchParam(type, code)
    if (param === undefined) return { level: 'none', codes: [], compartment: false }
    ofType.set(code, (found = makeEntry(param)))
  }
  return found
}

function makeEntry(param: SearchParam): Entry {
  const { type, code } = param
  const compartment = param.kind === 'reference' && isWithinCompartment(param)
  // What a package calls `email` need not lie within R4's `telecom`.
  if (param.packaged) return { level: packagedLevels(type).get(code) ?? 'none', codes: [code], compartment }
  const wider = (WIDER[`${type}.${code}`] ?? WIDER[code] ?? []).filter((each) => searchParam(type, each) !== undefined)
  const codes = wider.length > 0 ? wider : [code]
  return { level: levelOf(searchParam(type, codes[0]!)!), codes, compartment }
}

/** Of one type that have terms: a record has room for so many marks beside all that R4 may take (search/extract.ts). */
const PACKAGED_MAX = 64

function packagedLevels(type: string): ReadonlyMap<string, Level> {
  let found = levels.get(type)
  if (found === undefined) {
    const termed = searchParams(type).filter((param) => param.packaged && !isFewOrFree(param) && levelOf(param) !== 'none')
    levels.set(type, (found = new Map(termed.slice(0, PACKAGED_MAX).map((param) => [param.code, levelOf(param)]))))
  }
  return found
}

const levels = definitionsCache<ReadonlyMap<string, Level>>()

/** Of parameters that the lists above cannot name: codes and booleans have few values, and markdown is free text. */
function isFewOrFree(param: SearchParam): boolean {
  const types = resultTypes(param)
  const isOnly = (...wanted: readonly string[]): boolean => types.length > 0 && types.every((each) => wanted.includes(each))
  return param.kind === 'token' ? isOnly('code', 'boolean') : param.kind === 'string' && isOnly('markdown', 'xhtml')
}

/** The parameters of packages on a type that have terms: each code, with the text of all that its terms follow from. */
export function packagedTerms(type: string): ReadonlyMap<string, string> {
  let found = packaged.get(type)
  if (found === undefined) {
    const termed = searchParams(type).filter((param) => param.packaged && level(type, param.code) !== 'none')
    packaged.set(type, (found = new Map(termed.map((param) => [param.code, termsText(param)]))))
  }
  return found
}

/** The texts of all types. */
export const allPackagedTerms = (): readonly { readonly type: string; readonly text: string }[] =>
  packagedTypes().flatMap((type) => [...packagedTerms(type).values()].map((text) => ({ type, text })))

/** All that the terms of a record of any type follow from, R4's definitions included. */
export const allTermsText = (): string => JSON.stringify(allTypes.flatMap((type) => searchParams(type).map((param) => [termsText(param), termCodes(type, param.code)])))

const packaged = definitionsCache<ReadonlyMap<string, string>>()

/** Raised where terms of packages' parameters are made otherwise than before. */
const PACKAGED_TERMS_FORMAT = 1

const termsText = ({ type, code, kind, expression, target }: SearchParam): string =>
  JSON.stringify([PACKAGED_TERMS_FORMAT, type, code, kind, level(type, code), expression, [...target].sort()])

function levelOf({ type, code, kind }: SearchParam): Level {
  const override = OVERRIDES[`${type}.${code}`]
  if (override !== undefined) return override
  if (!TERMED.has(kind) || type === 'Patient') return code === '_tag' ? 'population' : 'none'
  if (code.startsWith('_')) return code === '_tag' ? 'population' : 'none'
  if ((kind === 'token' && FEW_VALUES.has(code)) || (kind === 'string' && FREE_TEXT.has(code))) return 'none'
  if (code === 'identifier' || code === 'url') return 'population'
  return isOfNoPatient(type) ? 'population' : 'patient'
}

/** Types whose records are nobody's. A device may be a patient's implant: what it is stays under that patient's key. */
function isOfNoPatient(type: string): boolean {
  const kind = classify(type)?.kind
  return (kind === 'shared' || kind === 'by-reference' || kind === 'restricted') && type !== 'Device'
}

function isWithinCompartment(param: SearchParam): boolean {
  const facts = classify(param.type)
  if (facts === undefined) return false
  const covered = new Set(facts.from.map(({ path }) => path))
  for (const code of facts.codes) {
    const named = searchParam(param.type, code)
    if (named !== undefined) for (const path of paths(named)) covered.add(path)
  }
  const read = paths(param)
  return read.length > 0 && read.every((path) => covered.has(path))
}
