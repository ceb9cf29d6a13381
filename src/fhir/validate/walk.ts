import type { Issue, IssueCode } from '../../model/errors.ts'

/** Issues reported for one body at most. */
export const ISSUES_MAX = 50

/** Thrown when the report is full; only validate.ts catches it. */
export class ReportFull extends Error {}

export type Json = Readonly<Record<string, unknown>>

/** The resource that holds the contained ones, and what its references inside it (`#x`) say. */
export interface Container {
  readonly resource: Json
  /** Fragment ids that references must find, with the path of each. */
  readonly references: { readonly id: string; readonly expression: string; readonly targets: ReadonlySet<string> | null }[]
  /** Every `#x` of a reference, canonical, uri or url. */
  readonly fragments: Set<string>
}

/** One validation: where it is, what it found. */
export class Walk {
  readonly issues: Issue[] = []
  readonly path: (string | number)[] = []
  container: Container
  /** The resource that `%resource` names in a rule: a contained resource while inside it. */
  resource: Json
  inContained = false
  structural = false
  readonly entryResources: boolean

  constructor(root: Json, entryResources: boolean) {
    this.container = { resource: root, references: [], fragments: new Set() }
    this.resource = root
    this.entryResources = entryResources
  }

  /** FHIRPath of the present place, with one more step if given. */
  expression(step?: string): string {
    let text = ''
    for (const part of this.path) text += typeof part === 'number' ? `[${part}]` : text === '' ? part : `.${part}`
    return step === undefined ? text : `${text}.${step}`
  }

  /** The body cannot be read as R4: answered 400. */
  structure(code: IssueCode, diagnostics: string, expression = this.expression()): void {
    this.structural = true
    this.#add(code, diagnostics, expression)
  }

  /** The body is R4 in form and breaks one of its rules: answered 422. */
  rule(code: IssueCode, diagnostics: string, expression = this.expression()): void {
    this.#add(code, diagnostics, expression)
  }

  #add(code: IssueCode, diagnostics: string, expression: string): void {
    this.issues.push({ severity: 'error', code, diagnostics, expression: [expression] })
    if (this.issues.length >= ISSUES_MAX) throw new ReportFull()
  }
}

export const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
