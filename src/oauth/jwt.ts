import { createLocalJWKSet, createRemoteJWKSet, customFetch, decodeJwt, decodeProtectedHeader, errors, jwtVerify } from 'jose'
import type { JSONWebKeySet, JWTVerifyGetKey } from 'jose'
import type { Caller } from '../model/caller.ts'
import { tokenRefused, verificationUnavailable } from './challenge.ts'
import { callerOf, timeClaim } from './claims.ts'
import type { TrustedIssuer } from './issuers.ts'

/** Fetches a JWK set; `init` asks for manual redirects and carries the time-out. */
export type FetchKeys = (url: string, init: RequestInit) => Promise<Response>

export interface JwtOptions {
  readonly issuers: readonly TrustedIssuer[]
  readonly bases: readonly string[]
  readonly now: () => number
  readonly fetch: FetchKeys | undefined
}

const CLOCK_SKEW_SECONDS = 30
const KEY_ID_LENGTH_MAX = 256
const KEYS_TIMEOUT_MS = 3_000
const KEYS_COOLDOWN_MS = 30_000
const KEYS_AGE_MS_MAX = 600_000
const KEYS_BYTES_MAX = 1_048_576
/** After a failed fetch nobody asks the issuer again for this long, so that an outage is not made worse. */
const KEYS_RETRY_MS = 5_000

/** Returns a function JWT → Caller. It rejects with FhirError 401 or 503, or with an error that its caller must turn into a 401. */
export function openJwtVerifier(options: JwtOptions): (token: string) => Promise<Caller> {
  const issuers = new Map(options.issuers.map((issuer) => [issuer.issuer, { issuer, key: keySource(issuer, options) }]))
  return async (token) => {
    if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) throw tokenRefused()
    const named = decodeJwt(token).iss
    const trusted = typeof named === 'string' ? issuers.get(named) : undefined
    if (trusted === undefined) throw tokenRefused()
    const { issuer, key } = trusted
    checkHeader(token, issuer)
    const { payload } = await jwtVerify(token, key, {
      algorithms: [...issuer.algorithms], issuer: issuer.issuer, audience: [...issuer.audience ?? options.bases],
      requiredClaims: ['iss', 'aud', 'exp', 'sub'], clockTolerance: CLOCK_SKEW_SECONDS, currentDate: new Date(options.now())
    })
    checkTimes(payload, { now: options.now(), strict: issuer.requireTyp })
    checkUse(payload)
    return callerOf(payload, { names: issuer.claims, bases: options.bases, ceiling: issuer.ceiling, strict: issuer.requireTyp })
  }
}

/**
 * RFC 8725 §3.1, §3.10, §3.11: the algorithm is one of the issuer's, the type is that of an access token, and no header member may bring
 * its own key or an extension that we do not know.
 */
function checkHeader(token: string, issuer: TrustedIssuer): void {
  const header = decodeProtectedHeader(token)
  if (typeof header.alg !== 'string' || !issuer.algorithms.includes(header.alg)) throw tokenRefused()
  for (const name of ['jku', 'jwk', 'x5u', 'x5c', 'crit', 'b64', 'zip', 'enc']) if (Object.hasOwn(header, name)) throw tokenRefused()
  if (header.kid !== undefined && (typeof header.kid !== 'string' || header.kid.length > KEY_ID_LENGTH_MAX)) throw tokenRefused()
  const typ: unknown = header.typ
  if (typ !== undefined && typeof typ !== 'string') throw tokenRefused()
  const type = typ?.toLowerCase().replace(/^application\//, '')
  if (type !== 'at+jwt' && (issuer.requireTyp || (type !== undefined && type !== 'jwt'))) throw tokenRefused()
}

/** Expiry has no tolerance: a token is dead at its `exp`. The clock skew is for `nbf` and `iat` only. */
function checkTimes(claims: Readonly<Record<string, unknown>>, at: { readonly now: number; readonly strict: boolean }): void {
  const expires = timeClaim(claims['exp'], 'exp')
  if (expires * 1000 <= at.now) throw tokenRefused()
  if (claims['iat'] === undefined && !at.strict) return
  const issued = timeClaim(claims['iat'], 'iat')
  if (issued > at.now / 1000 + CLOCK_SKEW_SECONDS || issued >= expires) throw tokenRefused()
}

/** ID, refresh and logout tokens are refused by their marks, and so are sender-constrained tokens, whose proof we do not check (RFC 9449 §7.1). */
function checkUse(claims: Readonly<Record<string, unknown>>): void {
  const { typ, token_use: use, nonce } = claims
  if (['at_hash', 'c_hash', 's_hash', 'events', 'cnf'].some((name) => claims[name] !== undefined)) throw tokenRefused()
  if (typ !== undefined && (typeof typ !== 'string' || typ.toLowerCase() !== 'bearer')) throw tokenRefused()
  if (use !== undefined && use !== 'access') throw tokenRefused()
  if (nonce !== undefined && typ === undefined) throw tokenRefused()
}

function keySource(issuer: TrustedIssuer, options: JwtOptions): JWTVerifyGetKey {
  if ('jwks' in issuer.keys) return createLocalJWKSet(issuer.keys.jwks as unknown as JSONWebKeySet)
  const remote = createRemoteJWKSet(new URL(issuer.keys.jwksUri), {
    timeoutDuration: KEYS_TIMEOUT_MS, cooldownDuration: KEYS_COOLDOWN_MS, cacheMaxAge: KEYS_AGE_MS_MAX, [customFetch]: boundedFetch(options.fetch ?? fetch, options.now)
  })
  return async (header, token) => {
    try {
      return await remote(header, token)
    } catch (error) {
      throw isKeyMiss(error) ? error : verificationUnavailable(error)
    }
  }
}

const isKeyMiss = (error: unknown): boolean =>
  error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys || error instanceof errors.JOSENotSupported

function boundedFetch(fetchKeys: FetchKeys, now: () => number): FetchKeys {
  let failedAt = -Infinity
  return async (url, init) => {
    if (now() - failedAt < KEYS_RETRY_MS) throw new Error('the key set could not be fetched a moment ago')
    try {
      const response = await fetchKeys(url, init)
      if (response.status !== 200) throw new Error('the key set was not answered with 200')
      return new Response(await readBounded(response), { status: 200 })
    } catch (error) {
      failedAt = now()
      throw error
    }
  }
}

async function readBounded(response: Response): Promise<Blob> {
  const parts: Uint8Array<ArrayBuffer>[] = []
  let size = 0
  for await (const part of response.body ?? []) {
    size += part.byteLength
    if (size > KEYS_BYTES_MAX) throw new Error('the key set is too big')
    parts.push(new Uint8Array(part))
  }
  return new Blob(parts)
}
