import type { Row, Reach } from '../store/ports.ts'
import type { Classification } from '../search/classification.ts'
import type { Filter, SearchParam } from '../search/query.ts'
import { unionOfMasks, type Mask } from './mask.ts'
import { unionOfWritables, type Writable } from './mask-merge.ts'
import type { ScopeContext } from './scope.ts'

/** Highest confidentiality (v3-Confidentiality) that is shown: normal, restricted, very restricted. An unlabelled row is normal. */
export type Clearance = 'N' | 'R' | 'V'

/**
 * One way in which a caller has a right on a type. A row is allowed when it is within the reach, its labels are within the clearance and
 * the filter matches the whole, unmasked row. Grants of a right are OR; what narrows them is already in each.
 */
export interface Grant {
  /** The scope context and the role behind it; null while the rules have not come to them yet. */
  readonly context: ScopeContext | null
  readonly role: string | null
  readonly kind: Classification['kind']
  readonly reach: Reach
  readonly filter: Filter
  readonly clearance: Clearance
  readonly mask: Mask | null
  readonly writable: Writable | null
}

/** What of a row the grants judge by themselves; the filter is left to the caller's `matches`. */
export type GrantRow = Pick<Row, 'patients' | 'labels'>
export type MatchesFilter<R extends GrantRow> = (filter: Filter, row: R) => boolean

/** The grants that allow the row. For the same ones it is the same array again, whose mask is known. */
export function grantsFor<R extends GrantRow>(grants: readonly Grant[] | undefined, row: R, matches: MatchesFilter<R>): readonly Grant[] {
  if (grants === undefined) return NO_GRANTS
  if (grants.length > BITS_MAX) return grants.filter((grant) => allows(grant, row, matches))
  let bits = 0
  for (let i = 0; i < grants.length; i++) if (allows(grants[i]!, row, matches)) bits |= 1 << i
  return bits === 0 ? NO_GRANTS : bits === 2 ** grants.length - 1 ? grants : subsetOf(grants, bits)
}

const NO_GRANTS: readonly Grant[] = []
const BITS_MAX = 30
const subsets = new WeakMap<readonly Grant[], Map<number, readonly Grant[]>>()

function subsetOf(grants: readonly Grant[], bits: number): readonly Grant[] {
  let known = subsets.get(grants)
  if (known === undefined) subsets.set(grants, (known = new Map()))
  let subset = known.get(bits)
  if (subset === undefined) known.set(bits, (subset = grants.filter((_, i) => (bits & 1 << i) !== 0)))
  return subset
}

/** Whether any grant allows the row. Of no grants: false. */
export function allowedBy<R extends GrantRow>(grants: readonly Grant[] | undefined, row: R, matches: MatchesFilter<R>): boolean {
  return grants?.some((grant) => allows(grant, row, matches)) ?? false
}

/**
 * Whether a row of that kind of type lies within the reach. A row of no patient lies within nobody's patients, but for the types that
 * belong to no patient; even there a row that names a patient (an implanted Device) is that patient's.
 */
export function inReach(reach: Reach, row: Pick<Row, 'patients'>, kind: Classification['kind']): boolean {
  if (reach.kind === 'all') return true
  if (row.patients.length === 0) return isOfNoPatient(kind)
  const within = members(reach.patients)
  // Asked for every row: a loop makes no function for each.
  for (const patient of row.patients) if (within.has(patient) === reach.shared) return reach.shared
  return !reach.shared
}

/** The union of the grants' reaches, for planning only: a superset of the rows that they allow. Of no grants: no patients. */
export function reachOf(grants: readonly Grant[]): Reach {
  const limited: Extract<Reach, { kind: 'patients' }>[] = []
  for (const { reach, kind } of grants) {
    if (reach.kind === 'all' || isOfNoPatient(kind)) return { kind: 'all' }
    if (!limited.some((known) => known.patients === reach.patients && known.shared === reach.shared)) limited.push(reach)
  }
  const [largest, ...others] = limited.sort((a, b) => b.patients.length - a.patients.length)
  if (largest === undefined) return { kind: 'patients', patients: NOBODY, shared: false }
  const isCovered = (patient: string): boolean => members(largest.patients).has(patient)
  const covers = others.every(({ patients }) => patients === largest.patients || patients.every(isCovered))
  const patients = covers ? largest.patients : [...new Set(limited.flatMap((reach) => reach.patients))]
  return { kind: 'patients', patients, shared: limited.some(({ shared }) => shared) }
}

/** Rows within both. The array of patients stays the same one where the other side takes nothing from it. */
export function reachWithin(a: Reach, b: Reach): Reach {
  if (a.kind === 'all') return b
  if (b.kind === 'all') return a
  const shared = a.shared && b.shared
  if (a.patients === b.patients) return { kind: 'patients', patients: a.patients, shared }
  const [few, many] = a.patients.length <= b.patients.length ? [a.patients, b.patients] : [b.patients, a.patients]
  const common = few.filter((patient) => members(many).has(patient))
  return { kind: 'patients', patients: common.length === few.length ? few : common.length === 0 ? NOBODY : common, shared }
}

/** What of a row is shown: an element stays when any of the grants that allow the row lets it stay. Null: everything. */
export function maskOf(type: string, grants: readonly Grant[]): Mask | null {
  const known = masks.get(grants)
  if (known !== undefined && known.type === type) return known.mask
  const mask = unionOfMasks(type, grants.map((grant) => grant.mask))
  masks.set(grants, { type, mask })
  return mask
}

const masks = new WeakMap<readonly Grant[], { readonly type: string; readonly mask: Mask | null }>()

/** What of a row may be changed, likewise. Null: every element that is seen. */
export const writableOf = (type: string, grants: readonly Grant[]): Writable | null =>
  unionOfWritables(type, grants.map(({ writable }) => writable))

/** Whether a parameter reads only what every one of the grants hides. */
export const hiddenBy = (grants: readonly Grant[], param: SearchParam): boolean =>
  grants.every(({ mask }) => mask !== null && mask.hides(param))

/** Whether the grant allows every row of its type: only then may a caller name a new id without learning which are taken. */
export const isWholeTenant = ({ reach, filter, clearance }: Grant): boolean =>
  reach.kind === 'all' && filter.kind === 'all' && clearance === 'V'

export const isOfNoPatient = (kind: Classification['kind']): boolean => kind === 'shared' || kind === 'by-reference'

export const CONFIDENTIALITY = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality'

/** Names that the same codes go by elsewhere. */
const CONFIDENTIALITIES: ReadonlySet<string> = new Set([CONFIDENTIALITY, 'http://hl7.org/fhir/v3/Confidentiality', 'urn:oid:2.16.840.1.113883.5.25'])

const WITHIN = { N: new Set(['U', 'L', 'M', 'N']), R: new Set(['U', 'L', 'M', 'N', 'R']) }

/** Cheap checks first: the filter may have to parse the row. */
function allows<R extends GrantRow>(grant: Grant, row: R, matches: MatchesFilter<R>): boolean {
  return isCleared(grant.clearance, row.labels) && inReach(grant.reach, row, grant.kind)
    && (grant.filter.kind === 'all' || (grant.filter.kind !== 'none' && matches(grant.filter, row)))
}

/** A confidentiality code that v3 does not have is as confidential as can be; `R` and `V` are meant as such also where no system is named. */
function isCleared(clearance: Clearance, labels: readonly string[]): boolean {
  if (clearance === 'V' || labels.length === 0) return true
  return labels.every((label) => {
    const cut = label.indexOf('|')
    const [system, code] = [label.slice(0, cut), label.slice(cut + 1)]
    return WITHIN[clearance].has(code) || (system === '' ? code !== 'R' && code !== 'V' : !CONFIDENTIALITIES.has(system))
  })
}

const NOBODY: readonly string[] = []
const sets = new WeakMap<readonly string[], ReadonlySet<string>>()

function members(patients: readonly string[]): ReadonlySet<string> {
  let found = sets.get(patients)
  if (found === undefined) sets.set(patients, (found = new Set(patients)))
  return found
}
