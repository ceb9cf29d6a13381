import { exportSPKI } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Caller } from '../../src/model/caller.ts'
import { FhirError } from '../../src/model/errors.ts'
import type { Verifier } from '../../src/oauth/verify.ts'
import { BASE, claims, forge, hmac, ISSUER, issuersOf, makeSigner, NOW, seconds, sign, signRaw, verifierOf, type Signer } from './tokens.ts'

let rsa: Signer, other: Signer, ec: Signer, unknownKey: Signer
let verifier: Verifier, lax: Verifier
const good = { alg: 'RS256', kid: 'rsa', typ: 'at+jwt' }

beforeAll(async () => {
  [rsa, other, ec, unknownKey] = await Promise.all([makeSigner('RS256', 'rsa'), makeSigner('RS256', 'rsa'), makeSigner('ES256', 'ec'), makeSigner('RS256', 'gone')])
  const jwks = { keys: [rsa.publicJwk, ec.publicJwk] }
  verifier = verifierOf(issuersOf([{ issuer: ISSUER, audience: BASE, jwks }]))
  lax = verifierOf(issuersOf([{ issuer: ISSUER, audience: BASE, jwks, requireTyp: false }]))
})

async function refusalOf(token: string, by: Verifier = verifier): Promise<FhirError> {
  try {
    await by.verify(token)
  } catch (error) {
    if (error instanceof FhirError) return error
    throw error
  }
  throw new Error('the token was accepted')
}

describe('JWT of a trusted issuer', () => {
  it('becomes the caller that its claims say', async () => {
    expect(await verifier.verify(await sign(rsa, claims()))).toEqual({
      issuer: ISSUER, subject: 'u-991', client: 'app-7', scope: 'patient/*.rs', patient: '123', encounter: null, fhirUser: 'Patient/123', roles: ['patient'], purposes: ['TREAT'],
      jti: 'j-1', expires: NOW + 600_000, ceiling: null
    } satisfies Caller)
  })

  it.each(['RS256', 'PS256', 'ES256', 'RS384', 'ES384', 'EdDSA'])('may be signed by %s', async (alg) => {
    const signer = await makeSigner(alg, 'k')
    const caller = await verifierOf(issuersOf([{ issuer: ISSUER, audience: BASE, jwks: { keys: [signer.publicJwk] } }])).verify(await sign(signer, claims()))
    expect(caller.subject).toBe('u-991')
  })

  const accepted: readonly [what: string, changes: Record<string, unknown>, expected: Partial<Caller>][] = [
    ['an aud array that holds ours', { aud: ['https://other.example', BASE] }, {}],
    ['Patient/ID as patient', { patient: 'Patient/123' }, { patient: '123' }],
    ['an absolute patient and fhirUser of ours', { patient: `${BASE}/Patient/9`, fhirUser: `${BASE}/Practitioner/7` }, { patient: '9', fhirUser: 'Practitioner/7' }],
    ['an encounter', { encounter: 'Encounter/5' }, { encounter: '5' }],
    ['roles in one string', { roles: 'nurse  billing nurse' }, { roles: ['nurse', 'billing'] }],
    ['a scope array', { scope: ['user/*.rs', 'openid'] }, { scope: 'user/*.rs openid' }],
    ['an empty scope, which grants nothing', { scope: '' }, { scope: '' }],
    ['absent optional claims as null', { patient: undefined, fhirUser: undefined, roles: undefined, purpose_of_use: undefined }, { patient: null, fhirUser: null, roles: [], purposes: [] }],
    ['azp in place of client_id', { client_id: undefined, azp: 'web' }, { client: 'web' }],
    ['purposes as codings', { purpose_of_use: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'ETREAT' }, 'TREAT'] }, { purposes: ['ETREAT', 'TREAT'] }],
    ['nbf and iat within the clock skew', { nbf: seconds(NOW) + 20, iat: seconds(NOW) + 20 }, {}],
    ['the last second before exp', { exp: seconds(NOW) + 1 }, { expires: NOW + 1_000 }]
  ]
  it.each(accepted)('is accepted with %s', async (_, changes, expected) => {
    expect(await verifier.verify(await sign(rsa, claims(changes)))).toMatchObject(expected)
  })

  const badClaims: readonly [what: string, changes: Record<string, unknown>][] = [
    ['an expired exp', { exp: seconds(NOW) }], ['an exp in the past', { exp: seconds(NOW) - 1, iat: seconds(NOW) - 60 }], ['no exp', { exp: undefined }], ['exp as text', { exp: '9999999999' }], ['a huge exp', { exp: 1e300 }],
    ['an nbf ahead', { nbf: seconds(NOW) + 60 }], ['an iat ahead', { iat: seconds(NOW) + 60 }], ['an iat after exp', { iat: seconds(NOW) + 10, exp: seconds(NOW) + 5 }], ['no iat', { iat: undefined }], ['iat as text', { iat: 'now' }],
    ['a foreign aud', { aud: 'https://other.example' }], ['an aud that only begins like ours', { aud: `${BASE}/x` }], ['an aud in other case', { aud: BASE.toUpperCase() }], ['an empty aud list', { aud: [] }], ['no aud', { aud: undefined }],
    ['an aud that is no text', { aud: { [BASE]: true } }], ['a foreign iss', { iss: 'https://evil.example' }], ['an iss with a slash more', { iss: `${ISSUER}/` }], ['iss as a list', { iss: [ISSUER] }], ['no iss', { iss: undefined }],
    ['no sub', { sub: undefined }], ['an empty sub', { sub: '' }], ['sub as a number', { sub: 7 }], ['a line break in sub', { sub: 'a\nb' }], ['no client_id', { client_id: undefined }], ['client_id null beside azp', { client_id: null, azp: 'web' }],
    ['client_id as a list', { client_id: ['app-7'] }], ['no jti', { jti: undefined }], ['jti as a number', { jti: 1 }], ['no scope', { scope: undefined }], ['scope as an object', { scope: { 'system/*.rs': true } }],
    ['scope with a number in the list', { scope: ['system/*.rs', 1] }], ['a space inside a listed scope', { scope: ['a b'] }], ['a line break in scope', { scope: 'a\nsystem/*.rs' }], ['patient as a list', { patient: ['1', '2'] }], ['patient null', { patient: null }], ['an empty patient', { patient: '' }],
    ['patient of another type', { patient: 'Group/1' }], ['patient with a search in it', { patient: '1?x=y' }], ['patient with a history', { patient: 'Patient/1/_history/2' }], ['patient of another server', { patient: 'https://evil.example/Patient/1' }],
    ['fhirUser without a type', { fhirUser: '12' }], ['fhirUser of a strange type', { fhirUser: 'Group/1' }], ['fhirUser as an object', { fhirUser: { reference: 'Practitioner/1' } }], ['an encounter of another type', { encounter: 'Patient/5' }],
    ['roles as an object', { roles: { system: true } }], ['roles with null in the list', { roles: ['nurse', null] }], ['roles as a number', { roles: 1 }], ['purpose_of_use as true', { purpose_of_use: true }],
    ['a purpose of another system', { purpose_of_use: [{ system: 'x', code: 'TREAT' }] }], ['the mark of an ID token (at_hash)', { at_hash: 'x' }], ['the mark of an ID token (nonce)', { nonce: 'x' }],
    ['the mark of a logout token (events)', { events: {} }], ['the mark of a refresh token (typ)', { typ: 'Refresh' }], ['the mark of an ID token (typ)', { typ: 'ID' }], ['the mark of an ID token (token_use)', { token_use: 'id' }],
    ['a proof that we do not check (cnf)', { cnf: { jkt: 'x' } }]
  ]
  it.each(badClaims)('is refused with %s', async (_, changes) => {
    expect((await refusalOf(await sign(rsa, claims(changes)))).status).toBe(401)
  })

  const badHeaders: readonly [what: string, header: Record<string, unknown>][] = [
    ['no typ', { typ: undefined }], ['typ JWT', { typ: 'JWT' }], ['typ of a logout token', { typ: 'logout+jwt' }], ['typ dpop+jwt', { typ: 'dpop+jwt' }], ['jku', { jku: 'https://evil.example/jwks' }],
    ['x5u', { x5u: 'https://evil.example/x' }], ['x5c', { x5c: ['AAAA'] }], ['a path as kid', { kid: '../../etc/passwd' }], ['a query as kid', { kid: "' OR 1" }], ['a kid of 10 kB', { kid: 'k'.repeat(10_240) }], ['a kid of a prototype', { kid: '__proto__' }]
  ]
  it.each(badHeaders)('is refused with a header of %s, though well signed', async (_, header) => {
    expect((await refusalOf(await sign(rsa, claims(), header))).status).toBe(401)
  })

  it.each([['jwk', { jwk: { kty: 'RSA' } }], ['crit', { crit: ['exp'] }], ['crit of b64', { crit: ['b64'], b64: false }], ['kid as a number', { kid: 1 }], ['kid as a list', { kid: ['rsa'] }], ['typ as a list', { typ: ['at+jwt'] }], ['zip', { zip: 'DEF' }]])(
    'is refused with a raw header of %s, though well signed', async (_, header) => {
      expect((await refusalOf(await signRaw(rsa, { ...good, ...header }, claims()))).status).toBe(401)
      expect(await verifier.verify(await signRaw(rsa, good, claims()))).toMatchObject({ subject: 'u-991' })
    })

  it('is refused with a kid of more than 256 characters, even one that the issuer has', async () => {
    const statusWith = async (kid: string) => {
      const by = verifierOf(issuersOf([{ issuer: ISSUER, audience: BASE, jwks: { keys: [{ ...rsa.publicJwk, kid }] } }]))
      return sign({ ...rsa, kid }, claims()).then((token) => by.verify(token)).then(() => 200, () => 401)
    }
    expect([await statusWith('k'.repeat(256)), await statusWith('k'.repeat(257))]).toEqual([200, 401])
  })

  it.each(['application/at+jwt', 'AT+JWT'])('may write its typ as %s (RFC 9068)', async (typ) => {
    expect(await verifier.verify(await sign(rsa, claims(), { typ }))).toMatchObject({ subject: 'u-991' })
  })

  it('is refused when nobody whom we trust signed it', async () => {
    const token = await sign(rsa, claims())
    const [head = '', body = '', signature = ''] = token.split('.')
    const pem = await exportSPKI(await crypto.subtle.importKey('jwk', rsa.publicJwk, { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, true, ['verify']))
    const changed = Buffer.from(JSON.stringify(claims({ scope: 'system/*.cruds' }))).toString('base64url')
    const forged = {
      'alg none': forge({ ...good, alg: 'none' }, claims(), ''), 'alg none with a signature': forge({ ...good, alg: 'none' }, claims()), 'alg None': forge({ ...good, alg: 'None' }, claims()),
      'HS256 by the PEM of the public key': forge({ ...good, alg: 'HS256' }, claims(), hmac(pem)), 'HS256 by the modulus': forge({ ...good, alg: 'HS256' }, claims(), hmac(String(rsa.publicJwk.n))),
      'ES256 under the kid of an RSA key': await sign({ ...ec, kid: 'rsa' }, claims()), 'another key under the same kid': await sign(other, claims()), 'a key that is not in the set': await sign(unknownKey, claims()),
      'RS512, which is not on the list': forge({ ...good, alg: 'RS512' }, claims(), signature), 'a changed payload': `${head}.${changed}.${signature}`, 'no signature': `${head}.${body}.`, 'two parts': `${head}.${body}`,
      'five parts (JWE)': `${token}.a.b`, 'an empty token': '', 'a word': 'token', 'white space in it': `${head}.${body}.${signature.slice(0, 9)} ${signature.slice(9)}`, 'padding': `${token}=`,
      'a payload that is no JSON': forge(good, 'x{', signature), 'a payload that is a list': forge(good, '[]', signature), 'a header that is no object': forge('"x"', claims(), signature), 'alg missing': forge({ typ: 'at+jwt' }, claims(), signature),
      'alg as a list': forge({ ...good, alg: ['RS256'] }, claims(), signature), 'more than 16 kB': await sign(rsa, claims({ pad: 'x'.repeat(16_384) })), 'the form of an opaque token': `wk_${'A'.repeat(43)}`
    }
    for (const [what, bad] of Object.entries(forged)) expect((await refusalOf(bad)).status, what).toBe(401)
    expect(await verifier.verify(token)).toMatchObject({ subject: 'u-991' })
  })

  it('is refused by one text and one challenge, whatever is wrong, and no part of it comes back', async () => {
    const canary = 'CANARY-9d1f'
    const refusals = await Promise.all([
      sign(rsa, claims({ iss: canary })), sign(rsa, claims({ patient: `${canary}?` })), sign(rsa, claims({ aud: canary })), sign(rsa, claims(), { kid: canary }), forge({ alg: canary }, claims()), canary
    ].map(async (token) => refusalOf(await token)))
    for (const { status, headers, issues, message } of refusals) {
      expect({ status, headers, issues, message }).toEqual({
        status: 401, headers: { 'WWW-Authenticate': 'Bearer realm="wardkeep", error="invalid_token"' }, message: 'The access token is not accepted',
        issues: [{ severity: 'error', code: 'login', diagnostics: 'The access token is not accepted' }]
      })
    }
  })
})

describe('issuer without requireTyp', () => {
  it.each([[undefined], ['JWT'], ['at+jwt']])('may send typ %s, and leave out jti and iat', async (typ) => {
    expect(await lax.verify(await sign(rsa, claims({ jti: undefined, iat: undefined, client_id: undefined, azp: 'web', typ: 'Bearer', nonce: 'n' }), { typ }))).toMatchObject({ client: 'web', jti: null })
  })

  it.each([['an ID token', { nonce: 'n' }, {}], ['an ID token of Keycloak', { typ: 'ID' }, {}], ['a refresh token of Keycloak', { typ: 'Refresh' }, {}], ['a token without scope', { scope: undefined }, {}], ['a logout token', {}, { typ: 'logout+jwt' }],
    ['an ID token of Cognito', { token_use: 'id' }, {}], ['a token without client', { client_id: undefined }, {}]])('still refuses %s', async (_, changes, header) => {
    expect((await refusalOf(await sign(rsa, claims(changes), { typ: 'JWT', ...header }), lax)).status).toBe(401)
  })
})

describe('issuer options', () => {
  const by = (changes: Record<string, unknown>) => verifierOf(issuersOf([{ issuer: ISSUER, audience: BASE, jwks: { keys: [rsa.publicJwk] }, ...changes }]))

  it('reads claims where `claims` says, by name or JSON Pointer, and nowhere else', async () => {
    const mapped = by({ claims: { scope: 'scp', patient: 'https://ns.example/patient', roles: '/realm_access/roles', fhirUser: 'user' } })
    const token = await sign(rsa, claims({ scope: 'system/*.cruds', scp: ['user/Patient.r'], 'https://ns.example/patient': 'Patient/77', patient: '1', realm_access: { roles: ['nurse'] }, fhirUser: 'Patient/1' }))
    expect(await mapped.verify(token)).toMatchObject({ scope: 'user/Patient.r', patient: '77', roles: ['nurse'], fhirUser: null })
    expect((await refusalOf(await sign(rsa, claims()), mapped)).status).toBe(401)
    expect((await refusalOf(await sign(rsa, claims()), by({ claims: { scope: 'constructor' } }))).status).toBe(401)
  })

  it('hands on the ceiling', async () => {
    expect(await by({ ceiling: 'patient/*.rs' }).verify(await sign(rsa, claims()))).toMatchObject({ ceiling: 'patient/*.rs' })
  })

  it('takes only the listed algorithms', async () => {
    expect((await refusalOf(await sign(rsa, claims()), by({ algorithms: ['PS256'] }))).status).toBe(401)
    expect(await by({ algorithms: ['RS256'] }).verify(await sign(rsa, claims()))).toMatchObject({ subject: 'u-991' })
  })

  it('takes only the algorithm that a JWK names for itself', async () => {
    const fixed = by({ jwks: { keys: [{ ...rsa.publicJwk, alg: 'PS256' }] } })
    expect((await refusalOf(await sign(rsa, claims()), fixed)).status).toBe(401)
  })

  it('falls back to the FHIR base as audience', async () => {
    const own = by({ audience: undefined })
    expect(await own.verify(await sign(rsa, claims()))).toMatchObject({ subject: 'u-991' })
    expect((await refusalOf(await sign(rsa, claims({ aud: 'x' })), own)).status).toBe(401)
  })

  const files: readonly [what: string, text: string][] = [
    ['what is no list', '{}'], ['an unknown field', JSON.stringify([{ issuer: 'a', jwksUri: 'https://a/j', secret: 1 }])], ['neither keys nor URL', '[{"issuer":"a"}]'],
    ['keys and URL', '[{"issuer":"a","jwksUri":"https://a/j","jwks":{"keys":[{"kty":"RSA"}]}}]'], ['http', '[{"issuer":"a","jwksUri":"http://a.example/j"}]'], ['a user in the URL', '[{"issuer":"a","jwksUri":"https://u:secret@a/j"}]'],
    ['file:', '[{"issuer":"a","jwksUri":"file:///etc/passwd"}]'], ['a private key', '[{"issuer":"a","jwks":{"keys":[{"kty":"RSA","d":"secret"}]}}]'], ['a shared secret', '[{"issuer":"a","jwks":{"keys":[{"kty":"oct","k":"secret"}]}}]'],
    ['HS256', '[{"issuer":"a","jwksUri":"https://a/j","algorithms":["HS256"]}]'], ['none', '[{"issuer":"a","jwksUri":"https://a/j","algorithms":["none"]}]'], ['no algorithm', '[{"issuer":"a","jwksUri":"https://a/j","algorithms":[]}]'],
    ['an issuer twice', '[{"issuer":"a","jwksUri":"https://a/j"},{"issuer":"a","jwksUri":"https://b/j"}]'], ['an empty issuer', '[{"issuer":"","jwksUri":"https://a/j"}]'], ['requireTyp as text', '[{"issuer":"a","jwksUri":"https://a/j","requireTyp":"false"}]']
  ]
  it.each(files)('are refused at start with one line, without values: %s', (_, text) => {
    expect(() => issuersOf(JSON.parse(text) as [])).toThrow()
    let message = ''
    try {
      issuersOf(JSON.parse(text) as [])
    } catch (error) {
      message = error instanceof Error ? error.message : ''
    }
    expect(message).not.toMatch(/[\r\n]|secret@|"secret"/)
  })

  it('may not use the name of this server', () => {
    expect(() => verifierOf(issuersOf([{ issuer: 'https://wk.example', jwks: { keys: [rsa.publicJwk] } }]))).toThrow(/TRUSTED_ISSUERS/)
  })
})
