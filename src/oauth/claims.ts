import type { Caller } from '../model/caller.ts'
import { ID_PATTERN } from '../model/resource.ts'
import type { ClaimNames } from './issuers.ts'

/** Thrown for a claim of a wrong type or form. It names the claim only; a client never sees it. */
export class ClaimRefused extends Error {}

export interface ClaimContext {
  readonly names: ClaimNames
  /** Absolute fhirUser and patient references must start with one of these. */
  readonly bases: readonly string[]
  readonly ceiling: string | null
  /** RFC 9068 §2.2 requires iat, jti and client_id; issuers without `typ` may lack them. */
  readonly strict: boolean
}

type Claims = Readonly<Record<string, unknown>>

/**
 * Claims of a verified token → Caller (RFC 9068 §2.2, SMART App Launch 2.2). An absent claim is null or empty; a claim of a wrong type
 * refuses the token, for half a token could be a wider one.
 */
export function callerOf(claims: Claims, context: ClaimContext): Caller {
  const { names, bases, strict } = context
  const reference = (name: string, types: readonly string[]) => referenceClaim(claimAt(claims, name), { name, types, bases })
  const jti = textClaim(claims['jti'], 'jti')
  if (strict && jti === null) throw new ClaimRefused('jti')
  return Object.freeze({
    issuer: required(claims['iss'], 'iss'),
    subject: required(claims['sub'], 'sub'),
    client: required(claims[clientNames.find((name) => Object.hasOwn(claims, name)) ?? 'client_id'], 'client_id'),
    scope: scopeClaim(claimAt(claims, names.scope)),
    patient: reference(names.patient, ['Patient'])?.split('/')[1] ?? null,
    encounter: reference('encounter', ['Encounter'])?.split('/')[1] ?? null,
    fhirUser: reference(names.fhirUser, userTypes),
    roles: wordsClaim(claimAt(claims, names.roles), 'roles'),
    purposes: purposesClaim(claims['purpose_of_use']),
    jti,
    expires: Math.floor(timeClaim(claims['exp'], 'exp') * 1000),
    ceiling: context.ceiling
  })
}

/** Types that a person or machine behind a token may be (SMART App Launch 2.2 "fhirUser"). */
const userTypes = ['Patient', 'Practitioner', 'PractitionerRole', 'RelatedPerson', 'Person', 'Device'] as const

/** RFC 9068 first; then what OpenID Connect, Okta and Entra ID call it. */
const clientNames = ['client_id', 'azp', 'cid', 'appid'] as const

/** NumericDate of RFC 7519 §2: seconds since 1970. */
export function timeClaim(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0 || value > 253_402_300_799) throw new ClaimRefused(name)
  return value
}

/** Own properties only: `__proto__` or `constructor` as a claim name finds nothing. */
function claimAt(claims: Claims, name: string): unknown {
  const path = name.startsWith('/') ? name.slice(1).split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~')) : [name]
  let value: unknown = claims
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    value = (value as Claims)[part]
  }
  return value
}

function textClaim(value: unknown, name: string): string | null {
  if (value === undefined) return null
  if (typeof value !== 'string' || value === '' || value.length > 1_024 || /[\0-\x1f\x7f]/.test(value)) throw new ClaimRefused(name)
  return value
}

function required(value: unknown, name: string): string {
  const text = textClaim(value, name)
  if (text === null) throw new ClaimRefused(name)
  return text
}

/** RFC 6749 §3.3 grammar; a token without the claim is no access token for this server. */
function scopeClaim(value: unknown): string {
  const given = Array.isArray(value) && value.every((one) => typeof one === 'string' && one !== '' && !one.includes(' ')) ? value.join(' ') : value
  if (typeof given !== 'string' || !/^[\x21\x23-\x5b\x5d-\x7e ]*$/.test(given)) throw new ClaimRefused('scope')
  return given.split(' ').filter((scope) => scope !== '').join(' ')
}

/** `123`, `Patient/123` or an absolute URL of this server → `Patient/123`. A bare id only where one type is possible. */
function referenceClaim(value: unknown, rule: { readonly name: string; readonly types: readonly string[]; readonly bases: readonly string[] }): string | null {
  const text = textClaim(value, rule.name)
  if (text === null) return null
  const base = rule.bases.find((one) => text.startsWith(`${one}/`))
  const relative = base === undefined ? text : text.slice(base.length + 1)
  const parts = relative.split('/')
  const only = rule.types.length === 1 ? rule.types[0] : undefined
  const [type, id] = parts.length === 1 && base === undefined && only !== undefined ? [only, parts[0]] : parts
  if (parts.length > 2 || type === undefined || id === undefined || !rule.types.includes(type) || !ID_PATTERN.test(id)) throw new ClaimRefused(rule.name)
  return `${type}/${id}`
}

/** An array of strings, or one string separated by spaces. */
function wordsClaim(value: unknown, name: string): readonly string[] {
  if (value === undefined) return []
  const words = typeof value === 'string' ? value.split(' ').filter((word) => word !== '') : value
  if (!Array.isArray(words) || words.length > 256 || !words.every(isWord)) throw new ClaimRefused(name)
  return Object.freeze([...new Set(words)])
}

const isWord = (word: unknown): word is string => typeof word === 'string' && word.length <= 256 && /^[\x21-\x7e]+( [\x21-\x7e]+)*$/.test(word)

const ACT_REASON = 'http://terminology.hl7.org/CodeSystem/v3-ActReason'

/** Codes of v3-ActReason, plain or as codings of that system (IHE IUA writes codings). */
function purposesClaim(value: unknown): readonly string[] {
  const codes = Array.isArray(value) ? value.map((one: unknown) => isReason(one) ? one.code : one) : value
  const words = wordsClaim(codes, 'purpose_of_use')
  if (!words.every((word) => /^[A-Za-z0-9_-]{1,64}$/.test(word))) throw new ClaimRefused('purpose_of_use')
  return words
}

const isReason = (value: unknown): value is { readonly code: unknown } =>
  typeof value === 'object' && value !== null && 'code' in value && 'system' in value && value.system === ACT_REASON
