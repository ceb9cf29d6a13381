import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Caller } from '../model/caller.ts'
import { FhirError } from '../model/errors.ts'
import { tokenRefused, verificationUnavailable } from './challenge.ts'
import { ClaimRefused } from './claims.ts'
import type { TrustedIssuer } from './issuers.ts'
import { openJwtVerifier, type FetchKeys } from './jwt.ts'
import { isOpaqueToken, type OpaqueGrant } from './opaque.ts'

export interface VerifierOptions {
  readonly issuers: readonly TrustedIssuer[]
  /** BASE_URL: the issuer of opaque tokens. No trusted issuer may bear the same name. */
  readonly ownIssuer: string
  /** `tokenHash`: SHA-256 of the token, base64url. A grant that has expired or was revoked is undefined. */
  readonly opaque: { lookup(tokenHash: string): Promise<OpaqueGrant | undefined> }
  /** FHIR base URLs of this server: the audience of issuers that name none, and what absolute references start with. */
  readonly audience: string | readonly string[]
  /** ms since 1970. */
  readonly now: () => number
  readonly fetch?: FetchKeys
}

export interface Verifier {
  /** Token → Caller; synchronous where the token is cached. Throws or rejects with FhirError 401 or, when keys or grants cannot be read, 503. */
  verify(token: string): Caller | Promise<Caller>
}

export const TOKEN_BYTES_MAX = 16_384
const CACHED_TOKENS_MAX = 50_000
/** No issuer pushes revocations of its JWTs, so this is how late one can be seen. */
const JWT_CACHE_MS = 300_000
/** The revocation of an opaque token is seen within this time, measured from before the look-up. */
const OPAQUE_CACHE_MS = 1_000

interface Cached { readonly caller: Caller; readonly until: number }

/** Verifies opaque tokens of this server and JWTs of trusted issuers (RFC 9068, RFC 8725, RFC 6750). */
export function openVerifier(options: VerifierOptions): Verifier {
  const { now, opaque, ownIssuer } = options
  if (options.issuers.some(({ issuer }) => issuer === ownIssuer)) throw new Error('TRUSTED_ISSUERS names the issuer of this server itself')
  const bases = typeof options.audience === 'string' ? [options.audience] : options.audience
  const jwt = openJwtVerifier({ issuers: options.issuers, bases, now, fetch: options.fetch })
  const cache = new LRUCache<string, Cached>({ max: CACHED_TOKENS_MAX })

  const remember = (key: string, caller: Caller, until: number): Caller => {
    const end = Math.min(until, caller.expires)
    if (end > now()) cache.set(key, { caller, until: end })
    return caller
  }
  const verifyOpaque = async (key: string): Promise<Caller> => {
    const started = now()
    const grant = await opaque.lookup(key).catch((cause: unknown) => { throw verificationUnavailable(cause) })
    if (grant === undefined || grant.expires <= now()) throw tokenRefused()
    return remember(key, grantCaller(grant, { issuer: ownIssuer, tokenHash: key }), started + OPAQUE_CACHE_MS)
  }
  const verifyJwt = async (key: string, token: string): Promise<Caller> => {
    const started = now()
    return remember(key, await jwt(token), started + JWT_CACHE_MS)
  }

  return {
    verify(token) {
      if (token.length > TOKEN_BYTES_MAX) throw tokenRefused()
      const key = hash('sha256', token, 'base64url')
      const cached = cache.get(key)
      if (cached !== undefined) {
        if (cached.until > now()) return cached.caller
        cache.delete(key)
      }
      return (isOpaqueToken(token) ? verifyOpaque(key) : verifyJwt(key, token)).catch(refuse)
    }
  }
}

/** Whatever was wrong with the token, the client learns one thing; an outage stays an outage. */
function refuse(cause: unknown): never {
  if (cause instanceof FhirError) throw cause
  throw tokenRefused(cause instanceof ClaimRefused ? undefined : cause)
}

export function grantCaller(grant: OpaqueGrant, place: { readonly issuer: string; readonly tokenHash: string }): Caller {
  const { scope, patient, fhirUser, roles, purposes, client, subject, expires } = grant
  return Object.freeze({
    issuer: place.issuer, subject, client, scope, patient, encounter: null, fhirUser, roles, purposes,
    jti: place.tokenHash.slice(0, 22), expires, ceiling: null
  })
}
