import { z } from 'zod'

/** One issuer whose JWT access tokens are accepted (the TRUSTED_ISSUERS file). */
export interface TrustedIssuer {
  /** Compared as exact text with the `iss` claim. */
  readonly issuer: string
  /** One of these must be in `aud`; null = the FHIR bases of this server. */
  readonly audience: readonly string[] | null
  readonly keys: { readonly jwks: { readonly keys: readonly Jwk[] } } | { readonly jwksUri: string }
  readonly algorithms: readonly string[]
  /** The header `typ` must be `at+jwt` (RFC 9068 §4). */
  readonly requireTyp: boolean
  /** Scopes that this issuer may ever confer; null = no ceiling. */
  readonly ceiling: string | null
  readonly claims: ClaimNames
}

/** Where claims lie: a top-level name, or a JSON Pointer (RFC 6901) where it starts with `/`. */
export interface ClaimNames {
  readonly scope: string
  readonly patient: string
  readonly fhirUser: string
  readonly roles: string
}

export type Jwk = Readonly<Record<string, unknown>> & { readonly kty: string }

export const algorithmsDefault = ['RS256', 'PS256', 'ES256', 'RS384', 'ES384', 'EdDSA'] as const
const algorithmsKnown = [...algorithmsDefault, 'PS384', 'RS512', 'PS512', 'ES512', 'Ed25519'] as const

/** Parses the TRUSTED_ISSUERS file; throws an Error of one line that names the place and no value. */
export function loadIssuers(text: string): readonly TrustedIssuer[] {
  const parsed = fileSchema.safeParse(jsonOf(text))
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new Error(`TRUSTED_ISSUERS ${issue === undefined ? '' : `at /${issue.path.map(String).join('/')}: ${issue.message}`}`)
  }
  return parsed.data.map(({ jwks, jwksUri, ...issuer }) => ({ ...issuer, keys: jwks === undefined ? { jwksUri: jwksUri ?? '' } : { jwks } }))
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error('TRUSTED_ISSUERS is not JSON')
  }
}

const claimName = z.string('must be a claim name').min(1, 'must be a claim name').max(256, 'must be a claim name')

/** Private and symmetric keys have no place here: with them the server could sign what it verifies. */
const jwk = z.looseObject({ kty: z.enum(['RSA', 'EC', 'OKP'], 'must be a public RSA, EC or OKP key') }, 'must be a JWK')
  .refine((key) => !['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'].some((part) => part in key), 'must be a public key')

const jwks = z.object({ keys: z.array(jwk, 'must be a list of keys').min(1, 'must not be empty').max(100, 'must have at most 100 keys') }, 'must be a JWK set')
  .refine(({ keys }) => new Set(keys.map((key) => key['kid'])).size === keys.length || keys.every((key) => key['kid'] === undefined), 'must not use a kid twice')

const jwksUri = z.string('must be a URL').refine(isKeyUrl, 'must be an https URL without user or fragment (http only for a loopback host)')

function isKeyUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  const loopback = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  return url.username === '' && url.password === '' && url.hash === '' && (url.protocol === 'https:' || (url.protocol === 'http:' && loopback))
}

const text = z.string('must be a string').min(1, 'must not be empty').max(2_048, 'must have at most 2,048 characters')

const issuerSchema = z.strictObject({
  issuer: text,
  audience: z.union([text.transform((one) => [one]), z.array(text).min(1)], 'must be a string or a list of strings').nullable().default(null),
  jwks: jwks.optional(),
  jwksUri: jwksUri.optional(),
  algorithms: z.array(z.enum(algorithmsKnown, 'must be an asymmetric signature algorithm'), 'must be a list').min(1, 'must not be empty').default([...algorithmsDefault]),
  requireTyp: z.boolean('must be true or false').default(true),
  ceiling: z.string('must be a string of scopes').nullable().default(null),
  claims: z.strictObject({
    scope: claimName.default('scope'), patient: claimName.default('patient'), fhirUser: claimName.default('fhirUser'), roles: claimName.default('roles')
  }, 'must be an object with scope, patient, fhirUser or roles').prefault({})
}, 'has an unknown or missing field').refine((issuer) => (issuer.jwks === undefined) !== (issuer.jwksUri === undefined), 'needs either jwks or jwksUri')

const fileSchema = z.array(issuerSchema, 'must be a list of issuers').max(100, 'must have at most 100 issuers')
  .refine((issuers) => new Set(issuers.map(({ issuer }) => issuer)).size === issuers.length, 'must not name an issuer twice')
