import type { FhirRequest, FhirResponse } from '../../model/interaction.ts'
import type { Right } from '../../store/ports.ts'
import type { Exchange } from '../exchange.ts'

export type Level = 'system' | 'type' | 'instance'

/** Types of parameters: FHIR primitives, and `token` (`system|code`, a Coding in Parameters), come as text in a query or as a value in Parameters, the others only in Parameters. */
export type ParameterType = 'string' | 'id' | 'token' | 'code' | 'uri' | 'canonical' | 'boolean' | 'integer' | 'positiveInt' | 'date' | 'dateTime' | 'instant' | 'Meta' | 'Coding' | 'CodeableConcept' | 'Resource'

/** Those that a query cannot hold. */
export const isComplex = (type: ParameterType): type is ComplexType => (COMPLEX as readonly string[]).includes(type)

export type ComplexType = (typeof COMPLEX)[number]
const COMPLEX = ['Meta', 'Coding', 'CodeableConcept', 'Resource'] as const satisfies readonly ParameterType[]

export interface OperationParameter {
  readonly name: string
  readonly type: ParameterType
  readonly min: 0 | 1
  readonly max: '1' | '*'
}

/**
 * An operation is declared once (https://hl7.org/fhir/R4/operations.html): its routes, the check of its right and of its parameters, its
 * line in the CapabilityStatement and its audit record follow from this. A new one is a file here and a line in index.ts.
 */
export interface OperationDefinition {
  /** Name without `$`. */
  readonly code: string
  /** Canonical URL of the OperationDefinition. */
  readonly definition: string
  readonly levels: readonly Level[]
  /** Null: every type. */
  readonly resourceTypes: readonly string[] | null
  /** One that does not may be called by GET too. */
  readonly affectsState: boolean
  /** Needed on the type of the request, before anything else; null: what is asked of the store checks for itself. */
  readonly right: Right | null
  readonly parameters: readonly OperationParameter[]
  /** Search parameters of the type are taken too. */
  readonly searches?: true
  handler(call: OperationCall): Promise<FhirResponse>
}

/** Values by parameter: primitives as text, the others as parsed JSON. */
export interface Arguments {
  text(name: string): string | null
  texts(name: string): readonly string[]
  /** A complex value or a resource; resources are not validated yet. */
  value(name: string): unknown
  /** Search parameters, where the operation takes them. */
  readonly search: FhirRequest['params']
  /** All that is text, for links. */
  readonly pairs: FhirRequest['params']
}

export interface OperationCall {
  readonly exchange: Exchange
  readonly given: Arguments
}
