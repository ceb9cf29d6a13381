/** What of an ElementDefinition validation needs. */
export interface ElementDefinition {
  readonly id?: string
  readonly path: string
  readonly sliceName?: string
  readonly slicing?: Slicing
  readonly min: number
  readonly max: string
  readonly isSummary?: boolean
  readonly isModifier?: boolean
  readonly contentReference?: string
  readonly type?: readonly ElementType[]
  readonly binding?: { readonly strength: string; readonly valueSet?: string }
  readonly constraint?: readonly Constraint[]
  /** `fixed[x]` and `pattern[x]`, of any type. */
  readonly [valued: `fixed${string}` | `pattern${string}`]: unknown
}

export interface Slicing {
  readonly rules: string
  readonly ordered?: boolean
  readonly discriminator?: readonly { readonly type: string; readonly path: string }[]
}

/** What of a StructureDefinition validation needs. */
export interface StructureDefinition {
  readonly url: string
  readonly version?: string
  readonly type: string
  readonly derivation?: string
  readonly snapshot?: { readonly element: readonly ElementDefinition[] }
}

export interface ElementType {
  readonly code: string
  readonly profile?: readonly string[]
  readonly targetProfile?: readonly string[]
}

export interface Constraint {
  readonly key: string
  readonly severity: string
  readonly human: string
  readonly expression?: string
  /** URL of the StructureDefinition that states it first. */
  readonly source?: string
}
