import type { Resource } from './resource.ts'

/** R4 issue codes that this server uses (https://hl7.org/fhir/R4/valueset-issue-type.html). */
export type IssueCode = 'invalid' | 'structure' | 'required' | 'value' | 'invariant' | 'security' | 'login' | 'unknown' | 'expired'
  | 'forbidden' | 'suppressed' | 'processing' | 'not-supported' | 'duplicate' | 'multiple-matches' | 'not-found' | 'deleted'
  | 'too-long' | 'code-invalid' | 'too-costly' | 'business-rule' | 'conflict' | 'transient' | 'no-store' | 'exception'
  | 'timeout' | 'throttled' | 'informational'

export interface Issue {
  readonly severity: 'fatal' | 'error' | 'warning' | 'information'
  readonly code: IssueCode
  /** Public text. It names parameters, elements and settings, and never holds a value that a caller sent or the store holds. */
  readonly diagnostics: string
  /** FHIRPath of the faulty element, indexes included. */
  readonly expression?: readonly string[]
}

/** The one error that reaches a client. `cause` is for logs by class name only and is never printed to a client. */
export class FhirError extends Error {
  readonly status: number
  readonly issues: readonly Issue[]
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, issues: readonly Issue[], options: { cause?: unknown; headers?: Record<string, string> } = {}) {
    super(issues[0]?.diagnostics ?? 'error', { cause: options.cause })
    this.status = status
    this.issues = issues
    this.headers = options.headers ?? {}
  }
}

/** Shorthand for an error of one issue. */
export function fault(status: number, code: IssueCode, diagnostics: string, expression?: string): FhirError {
  return new FhirError(status, [{ severity: 'error', code, diagnostics, ...(expression === undefined ? {} : { expression: [expression] }) }])
}

/** A row that is not there and a row that the caller may not see are this same error. */
export const notFound = (): FhirError => fault(404, 'not-found', 'No such resource')

export function operationOutcome(issues: readonly Issue[]): Resource {
  return { resourceType: 'OperationOutcome', issue: issues }
}
