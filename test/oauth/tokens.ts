import { createHmac } from 'node:crypto'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'
import { loadIssuers, type TrustedIssuer } from '../../src/oauth/issuers.ts'
import type { Verifier, VerifierOptions } from '../../src/oauth/verify.ts'
import { openVerifier } from '../../src/oauth/verify.ts'

export const BASE = 'https://wk.example/fhir/R4'
export const ISSUER = 'https://idp.example/realms/clinic'
export const NOW = Date.parse('2026-06-01T12:00:00Z')
export const seconds = (ms: number): number => Math.floor(ms / 1000)

export interface Signer { readonly alg: string; readonly kid: string; readonly privateKey: CryptoKey; readonly publicJwk: JWK & { kty: string } }

export async function makeSigner(alg: string, kid: string): Promise<Signer> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { alg, kid, privateKey, publicJwk: { ...await exportJWK(publicKey), kid } as JWK & { kty: string } }
}

export const claims = (changes: Record<string, unknown> = {}): Record<string, unknown> => {
  const all: Record<string, unknown> = {
    iss: ISSUER, sub: 'u-991', aud: BASE, exp: seconds(NOW) + 600, iat: seconds(NOW) - 5, jti: 'j-1', client_id: 'app-7', scope: 'patient/*.rs', patient: '123',
    fhirUser: 'Patient/123', roles: ['patient'], purpose_of_use: 'TREAT', ...changes
  }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

export const sign = (signer: Signer, payload: Record<string, unknown>, header: Record<string, unknown> = {}): Promise<string> =>
  new SignJWT(payload).setProtectedHeader({ alg: signer.alg, kid: signer.kid, typ: 'at+jwt', ...header }).sign(signer.privateKey)

const encode = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** A token of any header at all, with a signature of the caller's choice. */
export const forge = (header: unknown, payload: unknown, signature: string | ((input: string) => string) = 'AAAA'): string => {
  const input = `${encode(header)}.${encode(payload)}`
  return `${input}.${typeof signature === 'string' ? signature : signature(input)}`
}

export const hmac = (key: string) => (input: string): string => createHmac('sha256', key).update(input).digest('base64url')

/** Signs exactly these header and payload texts, which SignJWT would refuse to make. */
export async function signRaw(signer: Signer, header: unknown, payload: unknown): Promise<string> {
  const input = `${encode(header)}.${encode(payload)}`
  const bytes = await crypto.subtle.sign({ name: 'RSASSA-PKCS1-v1_5' }, signer.privateKey, Buffer.from(input))
  return `${input}.${Buffer.from(bytes).toString('base64url')}`
}

export const issuersOf = (entries: readonly Record<string, unknown>[]): readonly TrustedIssuer[] => loadIssuers(JSON.stringify(entries))

export const verifierOf = (issuers: readonly TrustedIssuer[], changes: Partial<VerifierOptions> = {}): Verifier =>
  openVerifier({ issuers, ownIssuer: 'https://wk.example', opaque: { lookup: async () => undefined }, audience: BASE, now: () => NOW, ...changes })
