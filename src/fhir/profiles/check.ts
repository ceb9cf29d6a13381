/** Checks a resource, valid R4 already, against a profile: cardinality, types, fixed values, bindings, slices, references, rules. */
import type { Issue, IssueCode } from '../../model/errors.ts'
import { referencedType } from '../../search/references.ts'
import { isResourceType } from '../../search/classification.ts'
import type { Answer } from '../terminology/value-set.ts'
import { isObject, type Json } from '../validate/walk.ts'
import { type Profile, type ProfileNode } from './compile.ts'
import { isKept } from './invariants.ts'
import { isInSlice, type SliceContext } from './slices.ts'
import { isOfType, isWanted, type Item, itemsOf } from './values.ts'

/** Issues of one resource, at most. */
export const ISSUES_MAX = 50

export interface CheckContext {
  /** By canonical URL; null: not known here, or nothing to check by. */
  profile(url: string): Profile | null
  /** Whether a code is in a value set; system null: implied by the element. */
  contains(valueSet: string, system: string | null, code: string): Answer
}

/** Errors break the profile; warnings are codes outside extensible value sets, and rules that only warn. */
export function checkProfile(profile: Profile, resource: Json, context: CheckContext): readonly Issue[] {
  const check = new Check(profile, resource, context)
  check.element(profile.root, { value: resource, type: null, step: '' }, String(resource.resourceType ?? profile.type))
  return check.issues
}

class Check {
  readonly issues: Issue[] = []
  readonly #profile: Profile
  readonly #resource: Json
  readonly #context: CheckContext
  readonly #slices: SliceContext

  constructor(profile: Profile, resource: Json, context: CheckContext) {
    this.#profile = profile
    this.#resource = resource
    this.#context = context
    this.#slices = {
      profile: context.profile,
      keeps: (valueSet, value) => {
        const answer = this.#bound(valueSet, value)
        return answer === 'unknown' ? null : answer === 'in'
      },
      conforms: (other, value) => {
        const inner = new Check(other, this.#resource, context)
        inner.element(other.root, { value, type: null, step: '' }, '')
        return inner.issues.every(({ severity }) => severity !== 'error')
      },
      targetType: (reference) => this.#targetType(reference)
    }
  }

  /** One value of an element, and all below it. */
  element(node: ProfileNode, item: Item, path: string): void {
    const { value } = item
    if (value === undefined || this.issues.length >= ISSUES_MAX) return
    this.#value(node, value, path)
    for (const constraint of node.constraints) {
      if (isKept(constraint, node.path + (item.type ?? ''), value, this.#resource) === false) this.#add(constraint.severity === 'error' ? 'error' : 'warning', 'invariant', `${constraint.key}: ${constraint.human}`, path)
    }
    if (!isObject(value)) return
    for (const child of node.children) this.#children(child, value, path)
    if (node !== this.#profile.root) this.#typeProfiles(node, item, value, path)
  }

  #children(node: ProfileNode, parent: Json, path: string): void {
    const items = itemsOf(parent, node.name)
    if (items.length === 0 && node.mayLack) return
    const at = (item: Item): string => `${path}.${item.step}`
    this.#count(node, items.length, path, 'element')
    for (const item of items) {
      if (item.type !== null && node.types.length > 0 && !node.types.some(({ code }) => isOfType(item, code))) this.#add('error', 'structure', 'This type is not allowed here', at(item))
      this.element(node, item, at(item))
    }
    if (node.slices.length === 0) return
    const unmatched = new Set(items)
    for (const slice of node.slices) {
      const own = items.filter((item) => isInSlice(slice, node, item, this.#slices))
      this.#count(slice, own.length, path, 'slice')
      for (const item of own) {
        unmatched.delete(item)
        this.element(slice, item, at(item))
        this.#slicesOf(slice, item, at(item))
      }
    }
    if (node.slicing?.rules === 'closed') for (const item of unmatched) this.#add('error', 'structure', 'This value is in no slice, and no others are allowed', at(item))
  }

  /** Slices of a slice. */
  #slicesOf(slice: ProfileNode, item: Item, path: string): void {
    for (const part of slice.slices) if (isInSlice(part, slice, item, this.#slices)) this.element(part, item, path)
  }

  #count({ min, max, name, sliceName }: ProfileNode, count: number, parent: string, kind: 'element' | 'slice'): void {
    if (count >= min && count <= max) return
    const what = kind === 'element' ? kind : `slice ${sliceName}`
    const path = `${parent}.${name.replace('[x]', '')}`
    if (count < min) this.#add('error', 'required', `The ${what} is missing: at least ${min} needed, ${count} found`, path)
    if (count > max) this.#add('error', 'structure', `The ${what} occurs ${count} times: at most ${max} allowed`, path)
  }

  #value(node: ProfileNode, value: unknown, path: string): void {
    if (node.wanted !== null && !isWanted(node.wanted, value)) this.#add('error', 'value', node.wanted.kind === 'fixed' ? 'The value is not the one that is fixed' : 'The value does not hold the pattern', path)
    if (node.binding !== null && (node.binding.strength === 'required' || node.binding.strength === 'extensible')) {
      const { strength, valueSet } = node.binding
      const isText = strength === 'extensible' && codesIn(value).length === 0
      if (!isText && this.#bound(valueSet, value) === 'out') this.#add(strength === 'required' ? 'error' : 'warning', 'code-invalid', `No code is from ${valueSet}`, path)
    }
    if (isObject(value) && typeof value.reference === 'string') this.#target(node, value, path)
  }

  #bound(valueSet: string, value: unknown): Answer {
    let answer: Answer = 'out'
    for (const { system, code } of codesIn(value)) {
      const one = this.#context.contains(valueSet, system, code)
      if (one === 'in') return 'in'
      if (one === 'unknown') answer = 'unknown'
    }
    return answer
  }

  #target({ types }: ProfileNode, reference: Json, path: string): void {
    const allowed = types.filter(({ code }) => code === 'Reference').flatMap(({ targetProfile = [] }) => targetProfile).map((url) => this.#context.profile(url)?.type ?? url.split('|')[0]!.split('/').at(-1)!)
    const type = this.#targetType(reference)
    // A profile that is not known here may be of any type.
    if (type === null || allowed.length === 0 || allowed.some((each) => each === 'Resource' || each === type || !isResourceType(each))) return
    this.#add('error', 'value', 'A reference to this type of resource is not allowed here', `${path}.reference`)
  }

  #targetType(reference: unknown): string | null {
    if (!isObject(reference) || typeof reference.reference !== 'string') return null
    const { reference: text, type } = reference
    if (!text.startsWith('#')) return text.startsWith('urn:') ? (typeof type === 'string' ? type : null) : referencedType(text)
    const contained = Array.isArray(this.#resource.contained) ? (this.#resource.contained as readonly unknown[]) : []
    const found = contained.find((each) => isObject(each) && each.id === text.slice(1))
    return isObject(found) && typeof found.resourceType === 'string' ? found.resourceType : null
  }

  /** Extensions and data types that are profiled for themselves: one of the profiles of the value's type. */
  #typeProfiles({ types }: ProfileNode, item: Item, value: Json, path: string): void {
    const own = types.filter(({ code }) => isOfType(item, code))
    const urls = own.length === 1 ? own[0]!.profile ?? [] : []
    const profiles = urls.map((url) => this.#context.profile(url))
    if (profiles.length === 0 || profiles.includes(null)) return
    const found = profiles.map((profile) => {
      const inner = new Check(profile!, this.#resource, this.#context)
      inner.element(profile!.root, { ...item, value }, path)
      return inner.issues
    })
    const best = found.find((issues) => issues.every(({ severity }) => severity !== 'error')) ?? found[0]!
    this.issues.push(...best.slice(0, ISSUES_MAX - this.issues.length))
  }

  #add(severity: Issue['severity'], code: IssueCode, diagnostics: string, path: string): void {
    if (this.issues.length < ISSUES_MAX) this.issues.push({ severity, code, diagnostics: `${diagnostics} (profile ${this.#profile.url})`, expression: [path] })
  }
}

interface Code { readonly system: string | null; readonly code: string }

/** The codes of a code, Coding, CodeableConcept or Quantity. */
function codesIn(value: unknown): readonly Code[] {
  if (typeof value === 'string') return [{ system: null, code: value }]
  if (!isObject(value)) return []
  const codings = Array.isArray(value.coding) ? (value.coding as readonly unknown[]) : [value]
  return codings.flatMap((coding) => (isObject(coding) && typeof coding.code === 'string' ? [{ system: typeof coding.system === 'string' ? coding.system : '', code: coding.code }] : []))
}
