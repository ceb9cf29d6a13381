import { fault } from '../../model/errors.ts'
import { ID_PATTERN, type Ref } from '../../model/resource.ts'
import { partOf } from '../hierarchy.ts'
import { resultTypes, type TypedValue } from '../parameters.ts'
import { type Filter, NONE, type ParamValue, type SearchParam } from '../query.ts'
import { parseReference } from '../references.ts'
import { type Form, type Kind, type MatchContext, NO_TERMS, notIndexed, type TermText, type ValueContext } from './kind.ts'
import { parseToken, tokenMatches } from './token.ts'
import { isObject, splitUnescaped, unescapeValue } from './text.ts'
import { isUnder } from './uri.ts'

type ReferenceValue = Extract<ParamValue, { kind: 'reference' }>

/**
 * `123`, `Patient/123`, an absolute URL, a urn, each with a version or not; canonicals as `url|version`.
 * https://hl7.org/fhir/R4/search.html#reference
 */
export const referenceKind: Kind = {
  plain: { parse: parseReferenceValue, matches: referenceMatches, asks: referenceAsks },
  modifiers: {
    identifier: {
      parse: parseToken,
      matches: (value, typed) => isObject(typed.value) && isObject(typed.value.identifier)
        && tokenMatches(value, { type: 'Identifier', value: typed.value.identifier }),
      asks: notIndexed
    },
    above: around('above'),
    below: around('below')
  },
  terms: (typed, { base }) => {
    const target = readTarget(typed.value, base)
    if (target === null) return NO_TERMS
    const { type, id, url } = target
    return [url === null ? { text: `r:${type}/${id}`, target: type } : { text: `r:${url}`, target: null }]
  }
}

/** Marks a record with so many values of a parameter that none of them is indexed: of references, and of whatever packages bring. */
export const CROWDED = 'r:*'

/**
 * A row and all that it is part of, or all its parts; of a canonical all versions, or paths of the URL, above or below it
 * (https://hl7.org/fhir/R4/search.html#reference). The guard replaces the rows by those that its caller reaches (policy/resolve-links.ts).
 */
function around(direction: 'above' | 'below'): Form {
  return {
    parse: (text, param, context) => parseAround(text, param, context),
    matches: (value, typed, context) => {
      if (value.kind !== 'reference' || value.url === null) throw new Error('A hierarchy of rows is resolved before it is matched')
      const target = readTarget(typed.value, context.base)
      if (target === null || target.url === null) return false
      // A reference to a row of another server: what it is part of is not known here.
      if (isObject(typed.value)) return value.version === null && target.url === value.url
      const [top, part] = direction === 'below' ? [value, target] : [target, value]
      if (value.version === null) return isUnder(part.url!, top.url!)
      return part.url === top.url && part.version !== null && top.version !== null && isWithin(part.version, top.version)
    },
    asks: (value) => (value.kind === 'reference' && value.url !== null && value.version !== null ? [{ text: `r:${value.url}`, target: null }] : null)
  }
}

/** Version 1.2.3 lies within 1.2. */
const isWithin = (version: string, top: string): boolean => version === top || version.startsWith(`${top}.`)

/** Rows of a type that has a hierarchy, where links may be followed at all, and URLs. */
function parseAround(text: string, param: SearchParam, context: ValueContext): ReferenceValue | null {
  const value = parseReferenceValue(text, param, context)
  if (value === null || value.url !== null) return value
  if (value.version !== null || value.type === null || partOf(value.type) === undefined) return null
  if (context.chainDepthMax === undefined) throw fault(400, 'not-supported', 'Hierarchies of resources are searched by where chains are: in searches, not in scopes and policies')
  return value
}

/** Under `:Type`, an id or a reference of that type; null when malformed or of another type. */
export function parseTypedReference(type: string, text: string, param: SearchParam, context: ValueContext): ParamValue | null {
  const value = parseReferenceValue(text, param, context)
  if (value === null || (value.type !== null && value.type !== type) || value.url !== null) return null
  return { ...value, type }
}

/**
 * The types a parameter's references may point to. R4 shares the definitions of `patient` and `encounter` between types and names
 * targets that hardly any of the elements allow: of `patient` only patients, of `encounter` an EpisodeOfCare only on DocumentReference.
 */
export function referenceTargets(param: SearchParam): readonly string[] {
  if (param.code === 'patient' && param.target.includes('Patient')) return PATIENT
  return param.code === 'encounter' && param.type !== 'DocumentReference' && param.target.includes('Encounter') ? ENCOUNTER : param.target
}

const PATIENT: readonly string[] = ['Patient']
const ENCOUNTER: readonly string[] = ['Encounter']

function parseReferenceValue(text: string, param: SearchParam, context: ValueContext): ReferenceValue | null {
  const parts = splitUnescaped(text, '|')
  if (parts.length > 2) return null
  const plain = unescapeValue(parts[0]!)
  const version = parts.length === 2 ? unescapeValue(parts[1]!) : null
  if (version === '') return null
  if (ID_PATTERN.test(plain)) {
    const targets = referenceTargets(param)
    if (version !== null) return null
    return { kind: 'reference', type: targets.length === 1 ? targets[0]! : null, id: plain, url: null, version }
  }
  const parsed = parseReference(plain, context.base)
  if (parsed === null || plain.startsWith('#')) return null
  if ('url' in parsed) return { kind: 'reference', type: null, id: null, url: parsed.url, version }
  return { kind: 'reference', type: parsed.type, id: parsed.id, url: null, version: version ?? parsed.version }
}

function referenceMatches(value: ParamValue, typed: TypedValue, context: MatchContext): boolean {
  if (value.kind !== 'reference') return false
  const text = isObject(typed.value) ? typed.value.reference : typed.value
  if (value.type !== null && typeof text === 'string' && isPlain(text)) {
    const { type, id } = value
    return value.version === null && text.length === type.length + 1 + id!.length && text.startsWith(type) && text[type.length] === '/' && text.endsWith(id!)
  }
  const target = readTarget(typed.value, context.base)
  if (target === null || (value.version !== null && value.version !== target.version)) return false
  return value.url === null ? target.id === value.id && (value.type === null || value.type === target.type) : target.url === value.url
}

/** `Type/id` with nothing else: the common case, compared without parsing. */
const isPlain = (text: string): boolean => !text.includes(':') && !text.includes('|') && !text.includes('/_')

function referenceAsks(value: ParamValue, param: SearchParam): readonly TermText[] | null {
  if (value.kind !== 'reference') return null
  if (value.url !== null) return [{ text: `r:${value.url}`, target: null }]
  const types = value.type === null ? referenceTargets(param) : [value.type]
  return types.length === 0 ? null : types.map((type) => ({ text: `r:${type}/${value.id}`, target: type }))
}

/** The row of this server that a reference names, whatever version; null where it names none. */
export function localTarget(typed: TypedValue, base: string): Ref | null {
  const target = readTarget(typed.value, base)
  return target === null || target.type === null || target.id === null ? null : { type: target.type, id: target.id }
}

/** Whether references to a type fit a reference parameter at all. */
export const mayPointTo = (param: SearchParam, type: string): boolean =>
  referenceTargets(param).length === 0 || referenceTargets(param).includes(type)

/** Whether a parameter names resources by their canonical URLs alone, which are not followed to rows. */
export function isCanonical(param: SearchParam): boolean {
  let known = canonical.get(param)
  if (known === undefined) {
    const types = resultTypes(param)
    canonical.set(param, (known = types.length > 0 && types.every((type) => type === 'canonical' || type === 'uri')))
  }
  return known
}

const canonical = new WeakMap<SearchParam, boolean>()

/** The clause that holds for rows with a reference to any of these rows. */
export const pointingAt = (param: SearchParam, refs: readonly Ref[]): Filter => refs.length === 0 ? NONE : {
  kind: 'clause', param, modifier: null, values: refs.map(({ type, id }) => ({ kind: 'reference', type, id, url: null, version: null }))
}

type Target = Pick<ReferenceValue, 'type' | 'id' | 'url' | 'version'>

/**
 * Reads a Reference, a canonical, or a resource that stands in the reference's place (Bundle.entry). Null: no literal reference, or
 * a contained one.
 */
function readTarget(value: unknown, base: string): Target | null {
  if (isObject(value) && typeof value.resourceType === 'string') {
    return typeof value.id === 'string' ? { type: value.resourceType, id: value.id, url: null, version: null } : null
  }
  const text = isObject(value) ? value.reference : value
  if (typeof text !== 'string' || text.startsWith('#')) return null
  const bar = text.indexOf('|')
  const bare = bar < 0 ? text : text.slice(0, bar)
  const version = bar < 0 ? null : text.slice(bar + 1)
  const parsed = parseReference(bare, base)
  if (parsed === null) return { type: null, id: null, url: bare, version }
  if ('url' in parsed) return { type: null, id: null, url: parsed.url, version }
  return { type: parsed.type, id: parsed.id, url: null, version: version ?? parsed.version }
}
