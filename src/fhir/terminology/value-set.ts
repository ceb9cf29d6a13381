/** What is in a value set (https://hl7.org/fhir/R4/valueset.html#compositions): asked of one code, or of all. */
import { fault, type FhirError } from '../../model/errors.ts'
import { type CodeNode, type Codes, codesOf } from './code-system.ts'
import { costOf, filterTest } from './filters.ts'
import type { Library } from './library.ts'
import type { Contained, Designation, ListedConcept, ValueSet, ValueSetPart } from './resources.ts'

/** `unknown`: a code system, a value set or a filter that it depends on is not here. Never a yes, never a no. */
export type Answer = 'in' | 'out' | 'unknown'

/** One code of an expansion. */
export interface Member {
  readonly system: string
  readonly code: string
  readonly display: string | undefined
  readonly designation: readonly Designation[]
  readonly version: string | undefined
  readonly abstract: boolean
  readonly inactive: boolean
}

/** Concepts that one question may still look at; past it FhirError 422 too-costly. */
export interface Budget {
  left: number
}

export const tooCostly = (): FhirError => fault(422, 'too-costly', 'The value set asks for more concepts than one request may look at (EXPANSION_CODES_MAX)')

/** Why a value set cannot be listed. Urls of definitions are named where they are of the definitions that everybody has. */
const notListed = (why: string): FhirError => fault(422, 'not-supported', `The value set cannot be expanded: ${why}`)

/** Value sets that import one another, in a row. */
const IMPORT_DEPTH_MAX = 32

/** A system null: any that the value set names, as for elements of type code, whose system is implied. */
export interface Asked {
  readonly system: string | null
  readonly code: string
  /** Codes that are for grouping only count too. */
  readonly abstract?: boolean
}

export class Terminology {
  readonly #library: Library
  readonly #budget: Budget

  constructor(library: Library, budget: Budget) {
    this.#library = library
    this.#budget = budget
  }

  /** Whether a code is in a value set. */
  contains(set: ValueSet, asked: Asked, open: readonly ValueSet[] = []): Answer {
    this.#spend(1)
    if (open.includes(set) || open.length >= IMPORT_DEPTH_MAX) return 'unknown'
    const within = [...open, set]
    const { compose } = set
    if (compose?.include === undefined) return containedIn(set, asked)
    const included = any(compose.include.map((part) => () => this.#partContains(part, asked, within, compose.inactive !== false)))
    if (included === 'out') return 'out'
    const excluded = any((compose.exclude ?? []).map((part) => () => this.#partContains(part, asked, within, true)))
    return excluded === 'in' ? 'out' : excluded === 'unknown' ? 'unknown' : included
  }

  /** All codes, each once, in the order of the definition. FhirError 422 where they cannot be listed. */
  expand(set: ValueSet, open: readonly ValueSet[] = []): readonly Member[] {
    if (open.includes(set)) throw notListed('it imports itself')
    if (open.length >= IMPORT_DEPTH_MAX) throw tooCostly()
    const { compose } = set
    if (compose?.include === undefined) return this.#listed(set)
    const within = [...open, set]
    const found = new Map<string, Member>()
    for (const part of compose.include) for (const member of this.#partMembers(part, within)) {
      const name = `${member.system}|${member.code}`
      if (!found.has(name) && !(member.inactive && compose.inactive === false)) found.set(name, member)
    }
    const { exclude = [] } = compose
    if (exclude.length === 0) return [...found.values()]
    return [...found.values()].filter(({ system, code }) => {
      const answer = any(exclude.map((part) => () => this.#partContains(part, { system, code, abstract: true }, within, true)))
      if (answer === 'unknown') throw notListed('what it excludes depends on a code system, a value set or a filter that is not known here')
      return answer === 'out'
    })
  }

  #spend(concepts: number): void {
    this.#budget.left -= concepts
    if (this.#budget.left < 0) throw tooCostly()
  }

  #partContains(part: ValueSetPart, asked: Asked, open: readonly ValueSet[], withInactive: boolean): Answer {
    this.#spend(1 + (part.concept?.length ?? 0) + 10 * (part.filter?.length ?? 0))
    const tests: (() => Answer)[] = []
    if (part.system !== undefined) tests.push(() => this.#systemContains(part, asked, withInactive))
    for (const canonical of part.valueSet ?? []) {
      const set = this.#library.valueSet(canonical)
      tests.push(() => (set === undefined ? 'unknown' : this.contains(set, asked, open)))
    }
    return tests.length === 0 ? 'unknown' : all(tests)
  }

  #systemContains(part: ValueSetPart, { system, code, abstract = false }: Asked, withInactive: boolean): Answer {
    if (system !== null && system !== part.system) return 'out'
    if (part.concept !== undefined) return part.concept.some((concept) => concept.code === code) ? 'in' : 'out'
    const codes = this.#codes(part)
    if (codes === undefined) return 'unknown'
    const node = codes.find(code)
    if (node === undefined) return codes.complete ? 'out' : 'unknown'
    if ((node.abstract && !abstract) || (node.inactive && !withInactive)) return 'out'
    return all((part.filter ?? []).map((filter) => () => {
      const test = filterTest(filter, codes)
      const takes = test?.(node)
      // What an incomplete code system does not say of a code may be so all the same.
      return takes === undefined ? 'unknown' : takes ? 'in' : codes.complete ? 'out' : 'unknown'
    }))
  }

  #codes({ system, version }: ValueSetPart): Codes | undefined {
    const found = this.#library.codeSystem(version === undefined ? system! : `${system}|${version}`)
    return found === undefined || found.content === 'not-present' || found.content === 'supplement' ? undefined : codesOf(found)
  }

  #partMembers(part: ValueSetPart, open: readonly ValueSet[]): readonly Member[] {
    const [first, ...others] = (part.valueSet ?? []).map((canonical) => this.#imported(canonical))
    const own = part.system === undefined ? null : this.#systemMembers(part, first !== undefined)
    const members = own ?? (first === undefined ? [] : this.expand(first, open))
    const sets = own === null ? others : [first, ...others].filter((set) => set !== undefined)
    this.#spend(1)
    return members.filter(({ system, code }) => {
      if (part.system !== undefined && system !== part.system) return false
      const answer = all(sets.map((set) => () => this.contains(set, { system, code, abstract: true }, open)))
      if (answer === 'unknown') throw notListed('a value set that it imports depends on what is not known here')
      return answer === 'in'
    })
  }

  #imported(canonical: string): ValueSet {
    const found = this.#library.valueSet(canonical)
    if (found === undefined) throw notListed('a value set that it imports is not known here')
    return found
  }

  /** Null: the code system is not here, and an imported value set lists the codes instead. */
  #systemMembers(part: ValueSetPart, isImporting: boolean): readonly Member[] | null {
    const codes = this.#codes(part)
    if (part.concept !== undefined) {
      this.#spend(part.concept.length)
      return part.concept.map((concept) => member(part, concept, codes))
    }
    if (codes === undefined || !codes.complete) {
      if (isImporting && part.filter === undefined) return null
      throw notListed('a code system that it draws on is not here in full')
    }
    const tests = (part.filter ?? []).map((filter) => filterTest(filter, codes))
    this.#spend((part.filter ?? []).reduce((sum, filter) => sum + costOf(filter, codes), codes.nodes.length))
    const known = tests.filter((test) => test !== null)
    if (known.length < tests.length) throw notListed('a filter of it is not known here')
    return codes.nodes.filter((node) => known.every((test) => test(node))).map((node) => member(part, node.concept, codes))
  }

  #listed(set: ValueSet): readonly Member[] {
    if (!isWholeExpansion(set)) throw notListed('it does not say what it holds')
    const listed = flat(set.expansion?.contains ?? [])
    this.#spend(listed.length)
    return listed.flatMap(({ system, code, display, version, designation = [], abstract = false, inactive = false }) =>
      (system === undefined || code === undefined ? [] : [{ system, code, display, designation, version, abstract, inactive }]))
  }
}

function member({ system }: ValueSetPart, concept: ListedConcept, codes: Codes | undefined): Member {
  const node: CodeNode | undefined = codes?.find(concept.code)
  const isListed = node?.concept !== concept
  return {
    system: system!, code: node?.code ?? concept.code, display: concept.display ?? node?.concept.display, version: codes?.resource.version,
    designation: [...(concept.designation ?? []), ...(isListed ? node?.concept.designation ?? [] : [])], abstract: !isListed && (node?.abstract ?? false), inactive: node?.inactive ?? false
  }
}

/** OR over three values. */
function any(tests: readonly (() => Answer)[]): Answer {
  let answer: Answer = 'out'
  for (const test of tests) {
    const one = test()
    if (one === 'in') return 'in'
    if (one === 'unknown') answer = 'unknown'
  }
  return answer
}

/** AND over three values; of nothing it is `in`. */
function all(tests: readonly (() => Answer)[]): Answer {
  let answer: Answer = 'in'
  for (const test of tests) {
    const one = test()
    if (one === 'out') return 'out'
    if (one === 'unknown') answer = 'unknown'
  }
  return answer
}

function containedIn(set: ValueSet, { system, code, abstract = false }: Asked): Answer {
  const found = flat(set.expansion?.contains ?? []).some((each) => each.code === code && (system === null || each.system === system) && (abstract || each.abstract !== true))
  return found ? 'in' : isWholeExpansion(set) ? 'out' : 'unknown'
}

/** A page of an expansion is not the whole of it. */
function isWholeExpansion({ expansion }: ValueSet): boolean {
  if (expansion === undefined) return false
  return expansion.total === undefined || Number(expansion.total) <= flat(expansion.contains ?? []).length
}

const flat = (contains: readonly Contained[]): readonly Contained[] => contains.flatMap((each) => [each, ...flat(each.contains ?? [])])
