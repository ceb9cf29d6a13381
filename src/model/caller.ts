/** Who asks, as the verified token says. Made only by oauth/ (and by tests). Every absent claim is null, never a default. */
export interface Caller {
  readonly issuer: string
  readonly subject: string
  readonly client: string
  /** Space-separated SMART scopes, as granted. */
  readonly scope: string
  /** Patient id in launch context, without the type. */
  readonly patient: string | null
  readonly encounter: string | null
  /** Relative reference such as `Practitioner/12`. */
  readonly fhirUser: string | null
  /** The roles claim as given; unknown names are still in it. */
  readonly roles: readonly string[]
  /** v3-ActReason codes. */
  readonly purposes: readonly string[]
  readonly jti: string | null
  /** ms since 1970. */
  readonly expires: number
  /** Scopes that this caller's issuer may ever confer; null = no ceiling. */
  readonly ceiling: string | null
}
