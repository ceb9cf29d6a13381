/** What of an ElementDefinition validation needs. */
export interface ElementDefinition {
  readonly path: string
  readonly min: number
  readonly max: string
  readonly isSummary?: boolean
  readonly isModifier?: boolean
  readonly contentReference?: string
  readonly type?: readonly ElementType[]
  readonly binding?: { readonly strength: string; readonly valueSet?: string }
  readonly constraint?: readonly Constraint[]
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
}
