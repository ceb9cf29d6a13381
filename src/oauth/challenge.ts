import { FhirError } from '../model/errors.ts'

/* Refusals of credentials (RFC 6750 §3). Their texts are fixed: no part of a token, claim or key is ever in them. */

const REALM = 'Bearer realm="wardkeep"'

/** No credentials were sent: the challenge names no error (RFC 6750 §3.1). */
export const credentialsMissing = (): FhirError => refusal('A bearer token is required', REALM)

/** The token is malformed, expired, revoked, or not one that this server trusts; which of them is not said. */
export const tokenRefused = (cause?: unknown): FhirError => refusal('The access token is not accepted', `${REALM}, error="invalid_token"`, cause)

/** Credentials came twice, in the URL or in a form, or in another scheme. */
export const credentialsMisplaced = (): FhirError =>
  refusal('Send one bearer token, in one Authorization header and nowhere else', `${REALM}, error="invalid_request"`)

/** Keys or grants could not be read: never an acceptance, and not the client's fault. */
export const verificationUnavailable = (cause?: unknown): FhirError => new FhirError(503,
  [{ severity: 'error', code: 'transient', diagnostics: 'Access tokens cannot be verified at the moment' }], { cause, headers: { 'Retry-After': '5' } })

const refusal = (diagnostics: string, challenge: string, cause?: unknown): FhirError =>
  new FhirError(401, [{ severity: 'error', code: 'login', diagnostics }], { cause, headers: { 'WWW-Authenticate': challenge } })
