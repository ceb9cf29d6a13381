/** What of R4's CodeSystem and ValueSet the terminology reads (https://hl7.org/fhir/R4/terminology-module.html). */
export interface CodeSystem {
  readonly resourceType?: string
  readonly url?: string
  readonly version?: string
  readonly name?: string
  readonly title?: string
  /** `complete` alone lists every code. */
  readonly content?: string
  readonly caseSensitive?: boolean
  readonly property?: readonly { readonly code: string; readonly uri?: string }[]
  readonly concept?: readonly Concept[]
}

export interface Concept {
  readonly code: string
  readonly display?: string
  readonly definition?: string
  readonly designation?: readonly Designation[]
  readonly concept?: readonly Concept[]
  readonly property?: readonly ConceptProperty[]
}

export interface ConceptProperty {
  readonly code: string
  readonly [value: `value${string}`]: unknown
}

export interface Designation {
  readonly language?: string
  readonly use?: unknown
  readonly value?: string
}

export interface ValueSet {
  readonly resourceType?: string
  readonly url?: string
  readonly version?: string
  readonly name?: string
  readonly compose?: Compose
  readonly expansion?: { readonly total?: unknown; readonly contains?: readonly Contained[] }
  readonly [element: string]: unknown
}

export interface Compose {
  readonly inactive?: boolean
  readonly include?: readonly ValueSetPart[]
  readonly exclude?: readonly ValueSetPart[]
}

export interface ValueSetPart {
  readonly system?: string
  readonly version?: string
  readonly valueSet?: readonly string[]
  readonly concept?: readonly ListedConcept[]
  readonly filter?: readonly ConceptFilter[]
}

export interface ListedConcept {
  readonly code: string
  readonly display?: string
  readonly designation?: readonly Designation[]
}

export interface ConceptFilter {
  readonly property: string
  readonly op: string
  readonly value: string
}

/** A code of an expansion that came with its value set. */
export interface Contained {
  readonly system?: string
  readonly version?: string
  readonly code?: string
  readonly display?: string
  readonly abstract?: boolean
  readonly inactive?: boolean
  readonly designation?: readonly Designation[]
  readonly contains?: readonly Contained[]
}
