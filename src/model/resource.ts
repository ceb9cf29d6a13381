/** A FHIR resource as parsed JSON. Numbers may be `JSON.rawJSON` objects where their text would not survive a double (see json.ts). */
export interface Resource {
  readonly resourceType: string
  readonly id?: string
  readonly meta?: Meta
  readonly [element: string]: unknown
}

export interface Meta {
  readonly versionId?: string
  readonly lastUpdated?: string
  readonly profile?: readonly string[]
  readonly source?: string
  readonly security?: readonly Coding[]
  readonly tag?: readonly Coding[]
  readonly [element: string]: unknown
}

export interface Coding {
  readonly system?: string
  readonly code?: string
  readonly display?: string
  readonly version?: string
  readonly [element: string]: unknown
}

/** A resource's place on this server. */
export interface Ref {
  readonly type: string
  readonly id: string
}

/** Exact-length bytes, never a view of a pooled Buffer where they cross a thread. */
export type Bytes = Uint8Array<ArrayBuffer>

/** FHIR R4 `id`: 1 to 64 of A-Z a-z 0-9 - . (https://hl7.org/fhir/R4/datatypes.html#id). */
export const ID_PATTERN = /^[A-Za-z0-9\-.]{1,64}$/

export const refText = (ref: Ref): string => `${ref.type}/${ref.id}`
