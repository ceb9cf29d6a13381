/** Valid resources of every R4 type, made from the definitions: what is required, and every element that a search parameter reads. */
import type { FhirError } from '../../src/model/errors.ts'
import type { Resource } from '../../src/model/resource.ts'
import type { Concept } from '../../src/fhir/terminology/resources.ts'
import { codeSystem, valueSet } from '../../src/fhir/validate/definitions.ts'
import { type Prop, type Shape, shapeOf } from '../../src/fhir/validate/shapes.ts'
import { validateResource } from '../../src/fhir/validate/validate.ts'
import { classify } from '../../src/search/classification.ts'
import { paths, searchParams } from '../../src/search/parameters.ts'
import type { Json } from '../harness.ts'

/** FHIR base of the servers that hold the rows. */
export const BASE = 'http://clinic.test/fhir/R4'

/** Whose rows: the patient's id is also in every text, code and identifier, so that each value leads to its owner. */
export interface Owner { readonly id: string; readonly number: number }

/** Id of an owner's row; rows of types that belong to nobody have one owner, `all`. */
export const rowId = (type: string, owner: string, variant = 0): string => (type === 'Patient' && variant === 0 ? owner : `${owner}-${type}-${variant}`)

/** The same owner, type and variant always give the same resource. Throws where R4's rules leave no such resource. */
export function makeRow(type: string, owner: Owner, variant = 0): Resource {
  const maker = new Maker(owner, variant)
  const id = rowId(type, owner.id, variant)
  const build = (wanted: Tree): Resource => {
    const made = { resourceType: type, id, ...maker.fill(shapeOf(type)!, wanted), ...FIXED[type]?.(owner, variant) }
    return Object.fromEntries(Object.entries(made).filter(([, value]) => value !== undefined)) as Resource
  }
  let wanted: Tree = new Map()
  let issues = issuesOf(build(wanted))
  for (const path of readPaths(type)) {
    const more = withPath(wanted, path)
    const left = issuesOf(build(more))
    if (left <= issues) [wanted, issues] = [more, left]
  }
  if (issues > 0) throw new Error(`no valid ${type}`)
  return build(wanted)
}

type Tree = ReadonlyMap<string, Tree>

function withPath(tree: Tree, [name, ...rest]: readonly string[]): Tree {
  return name === undefined ? tree : new Map([...tree, [name, withPath(tree.get(name) ?? new Map(), rest)]])
}

const readPaths = (type: string): readonly (readonly string[])[] => [...new Set(searchParams(type).filter(({ code }) => !code.startsWith('_')).flatMap(paths))]
  .filter((path) => path.startsWith(`${type}.`)).sort().map((path) => path.split('.').slice(1))

function issuesOf(resource: Resource): number {
  try {
    validateResource(resource, resource.resourceType)
    return 0
  } catch (error) {
    return (error as FhirError).issues.length
  }
}

/** Values that R4's invariants or this test want in a certain form. */
const FIXED: Readonly<Record<string, (owner: Owner, variant: number) => Json>> = {
  Patient: ({ id, number }) => ({
    active: true, generalPractitioner: [{ reference: `Practitioner/gp-${id}` }], gender: 'female', birthDate: `19${70 + number}-02-0${number}`, name: [{ family: `Family${id}`, given: [`Given${id}`] }],
    identifier: [{ type: { coding: [{ code: 'MR' }] }, system: 'urn:mrn', value: `mr-${id}` }, { type: { coding: [{ code: 'SS' }] }, system: 'urn:ssn', value: `ssn-${id}` }]
  }),
  Binary: ({ id }) => ({ contentType: 'text/plain', data: 'c2VjcmV0', securityContext: { reference: `Observation/${rowId('Observation', id)}` } }),
  Slot: ({ id }) => ({ schedule: { reference: `Schedule/${rowId('Schedule', id)}` } }),
  Task: ({ id }) => ({ for: { reference: `Patient/${id}` } }),
  Provenance: ({ id }) => ({ target: [{ reference: `Observation/${rowId('Observation', id)}` }] }),
  DeviceMetric: ({ id }) => ({ source: { reference: `Device/${rowId('Device', id)}` } }),
  BiologicallyDerivedProduct: ({ id }) => ({ collection: { source: { reference: `Patient/${id}` } } }),
  Contract: ({ id }) => ({ subject: [{ reference: `Patient/${id}` }] }),
  Bundle: () => ({ type: 'collection', entry: [{ resource: { resourceType: 'Basic', code: { text: 'x' } } }] }),
  Consent: () => ({ policyRule: { text: 'x' } }),
  Linkage: ({ id }) => ({ item: [0, 1].map((variant) => ({ type: 'source', resource: { reference: `Observation/${rowId('Observation', id, variant)}` } })) }),
  MolecularSequence: ({ id }) => ({ coordinateSystem: 0, referenceSeq: { referenceSeqString: `acgt${id}`, windowStart: 1, windowEnd: 2 } }),
  Observation: ({ number }, variant) => variant > 0 ? {} : {
    dataAbsentReason: undefined, component: undefined, valueQuantity: { value: number, system: 'http://unitsofmeasure.org', code: 'mg' }
  },
  Group: ({ id }) => ({ actual: true, type: 'person', member: [{ entity: { reference: `Patient/${id}` } }] })
}

const CHOICES = ['CodeableConcept', 'Quantity', 'Reference', 'dateTime', 'string', 'Period', 'date', 'boolean', 'integer', 'uri']
const OF_PATIENTS: ReadonlySet<string> = new Set(['compartment', 'derived'])

class Maker {
  readonly #owner: Owner
  readonly #variant: number

  constructor(owner: Owner, variant: number) {
    this.#owner = owner
    this.#variant = variant
  }

  fill(shape: Shape, wanted: Tree): Json {
    const made: Json = {}
    const props = [...shape.props.values()]
    const names = new Set([...shape.required.map(({ element }) => element), ...wanted.keys()])
    for (const name of names) {
      const prop = shape.props.get(name) ?? this.#choice(props.filter(({ choice }) => choice === name))
      if (prop === undefined || prop.type === 'Extension' || prop.type === 'Narrative' || prop.type === 'Resource') continue
      const value = this.#value(prop, wanted.get(name) ?? new Map())
      if (value !== undefined) made[prop.key] = prop.many ? [value] : value
    }
    return made
  }

  #choice(props: readonly Prop[]): Prop | undefined {
    const rank = ({ type }: Prop): number => (CHOICES.indexOf(type) + CHOICES.length + 1) % (CHOICES.length + 1)
    return [...props].sort((a, b) => rank(a) - rank(b))[this.#variant % Math.max(1, props.length)]
  }

  #value(prop: Prop, wanted: Tree): Json {
    const { id, number } = this.#owner
    const day = `2024-03-0${number}`
    const code = prop.binding === null ? null : someCode(prop.binding.url)
    switch (prop.type) {
      case 'code': return code?.code ?? (prop.binding === null ? `code-${id}` : prop.binding.hasCode('text/plain') ? 'text/plain' : prop.binding.hasCode('USD') ? 'USD' : 'en')
      case 'Coding': return code ?? { system: 'urn:codes', code: `code-${id}` }
      case 'CodeableConcept': return code === null ? { coding: [{ system: 'urn:codes', code: 'shared' }, { system: 'urn:codes', code: `code-${id}` }], text: `Text ${id}` } : { coding: [code] }
      case 'string': case 'markdown': return `Words ${id}`
      case 'uri': case 'url': case 'canonical': return `http://example.org/${id}`
      case 'oid': return `urn:oid:1.2.${number}`
      case 'uuid': return `urn:uuid:00000000-0000-4000-8000-00000000000${number}`
      case 'id': return id
      case 'date': return day
      case 'dateTime': case 'instant': return `${day}T10:00:00Z`
      case 'time': return '10:00:00'
      case 'boolean': return true
      case 'integer': case 'unsignedInt': case 'positiveInt': return number
      case 'decimal': return number + 0.5
      case 'base64Binary': return 'c2VjcmV0'
      case 'Identifier': return { system: 'urn:ids', value: `id-${id}` }
      case 'Quantity': case 'SimpleQuantity': return { value: number, unit: 'mg', system: 'http://unitsofmeasure.org', code: 'mg' }
      case 'Age': case 'Duration': return { value: number, system: 'http://unitsofmeasure.org', code: 'a' }
      case 'Money': return { value: number, currency: 'USD' }
      case 'Period': return { start: `${day}T10:00:00Z`, end: `${day}T11:00:00Z` }
      case 'Timing': return { event: [`${day}T10:00:00Z`] }
      case 'HumanName': return { family: `Family${id}`, given: [`Given${id}`] }
      case 'ContactPoint': return { system: 'phone', value: `555-${id}`, use: 'work' }
      case 'Address': return { use: 'work', city: `City${id}`, state: 'ZZ', country: 'US', postalCode: `0000${number}` }
      case 'Attachment': return { contentType: 'text/plain', title: `Words ${id}`, url: `http://example.org/${id}` }
      case 'Reference': return { reference: this.#target(prop.targets) }
      default: return prop.shape === null ? undefined : this.fill(prop.shape(), wanted)
    }
  }

  /** The owner where the element may name a patient, else the owner's row, else what belongs to nobody. */
  #target(targets: ReadonlySet<string> | null): string {
    const { id } = this.#owner
    const isNobody = id === 'all'
    if (!isNobody && (targets === null || targets.has('Patient'))) return `Patient/${id}`
    const own = [...targets ?? []].sort().find((type) => OF_PATIENTS.has(classify(type)?.kind ?? ''))
    if (!isNobody && own !== undefined) return `${own}/${rowId(own, id)}`
    const [first = 'Practitioner'] = targets === null || targets.has('Practitioner') ? ['Practitioner'] : [...targets].sort()
    return `${first}/${rowId(first, first === 'Device' || first === 'Slot' ? id : 'all')}`
  }
}

const codes = new Map<string, { system: string; code: string } | null>()

/** Some code of a value set that can be enumerated; null where it is a grammar. */
function someCode(url: string): { system: string; code: string } | null {
  let found = codes.get(url)
  if (found === undefined) codes.set(url, (found = firstCode(url)))
  return found
}

function firstCode(url: string): { system: string; code: string } | null {
  for (const part of valueSet(url)?.compose?.include ?? []) {
    if (part.system === undefined) return part.valueSet?.[0] === undefined ? null : firstCode(part.valueSet[0].split('|')[0]!)
    const code = part.concept?.[0]?.code ?? selectable(codeSystem(part.system)?.concept ?? [])
    if (code !== undefined) return { system: part.system, code }
  }
  return null
}

function selectable(concepts: readonly Concept[]): string | undefined {
  for (const concept of concepts) {
    if (concept.property?.some(({ code, valueBoolean }) => code === 'notSelectable' && valueBoolean === true) !== true) return concept.code
    const below = selectable(concept.concept ?? [])
    if (below !== undefined) return below
  }
  return undefined
}
