import { beforeAll, describe, expect, it } from 'vitest'
import type { Caller } from '../../src/model/caller.ts'
import { FhirError } from '../../src/model/errors.ts'
import { loadIssuers } from '../../src/oauth/issuers.ts'
import type { OpaqueGrant } from '../../src/oauth/opaque.ts'
import { tokenHash } from '../../src/oauth/opaque.ts'
import { claims, ISSUER, issuersOf, makeSigner, NOW, seconds, sign, verifierOf, type Signer } from './tokens.ts'

let signer: Signer, next: Signer
const URI = 'https://idp.example/jwks'
const remote = () => issuersOf([{ issuer: ISSUER, jwksUri: URI }])
const statusOf = async (work: () => unknown): Promise<number> => {
  try {
    await work()
    return 200
  } catch (error) {
    return error instanceof FhirError ? error.status : 0
  }
}

beforeAll(async () => { [signer, next] = await Promise.all([makeSigner('ES256', 'k1'), makeSigner('ES256', 'k2')]) })

describe('verified tokens', () => {
  it('come from the cache synchronously, until exp or five minutes', async () => {
    let now = NOW
    const verifier = verifierOf(issuersOf([{ issuer: ISSUER, jwks: { keys: [signer.publicJwk] } }]), { now: () => now })
    const short = await sign(signer, claims({ exp: seconds(NOW) + 60 }))
    const long = await sign(signer, claims({ exp: seconds(NOW) + 3_600 }))
    const first = await verifier.verify(short)
    await verifier.verify(long)
    expect(verifier.verify(short)).toBe(first)
    now = NOW + 59_999
    expect(verifier.verify(short)).toBe(first)
    now = NOW + 60_000
    expect(await statusOf(() => verifier.verify(short))).toBe(401)
    now = NOW + 299_999
    expect(verifier.verify(long)).not.toBeInstanceOf(Promise)
    now = NOW + 300_000
    expect(verifier.verify(long)).toBeInstanceOf(Promise)
  })

  it('cost a few microseconds each on a hit', async () => {
    const verifier = verifierOf(issuersOf([{ issuer: ISSUER, jwks: { keys: [signer.publicJwk] } }]))
    const token = await sign(signer, claims())
    await verifier.verify(token)
    const started = process.cpuUsage()
    for (let round = 0; round < 20_000; round++) void verifier.verify(token)
    const { user, system } = process.cpuUsage(started)
    expect((user + system) / 20_000).toBeLessThan(25)
  })

  it('do not make a refused token cheaper to accept: refusals are never cached as callers', async () => {
    const verifier = verifierOf(issuersOf([{ issuer: ISSUER, jwks: { keys: [signer.publicJwk] } }]))
    const bad = await sign(next, claims())
    for (let round = 0; round < 3; round++) expect(await statusOf(() => verifier.verify(bad))).toBe(401)
  })
})

describe('keys of an issuer behind a URL', () => {
  const answer = (...signers: Signer[]) => async () => Response.json({ keys: signers.map(({ publicJwk }) => publicJwk) })

  it('are fetched once and verify', async () => {
    const asked: string[] = []
    const verifier = verifierOf(remote(), { fetch: async (url, init) => {
      asked.push(`${url} ${init.redirect}`)
      return answer(signer)()
    } })
    for (const sub of ['a', 'b', 'c']) expect(await verifier.verify(await sign(signer, claims({ sub })))).toMatchObject({ subject: sub })
    expect(asked).toEqual([`${URI} manual`])
    expect(await statusOf(async () => verifier.verify(await sign(next, claims())))).toBe(401)
    expect(asked).toHaveLength(1)
  })

  const outages: readonly [what: string, fetch: () => Promise<Response>][] = [
    ['the network is down', async () => { throw new TypeError('fetch failed') }], ['the issuer answers 500', async () => new Response('no', { status: 500 })],
    ['the issuer redirects', async () => new Response(null, { status: 302, headers: { location: 'http://169.254.169.254/' } })], ['the answer is no JSON', async () => new Response('<html>')],
    ['the answer is no key set', async () => Response.json({ keys: 'x' })], ['the answer is endless', async () => Response.json({ keys: [signer.publicJwk], pad: 'x'.repeat(1_048_577) })],
    ['the key is a private one', async () => Response.json({ keys: [{ ...signer.publicJwk, d: 'AAAA' }] })]
  ]
  it.each(outages)('are an outage (503), never an acceptance and never a 401, when %s', async (_, fetch) => {
    const verifier = verifierOf(remote(), { fetch })
    const token = await sign(signer, claims())
    for (let round = 0; round < 2; round++) expect(await statusOf(() => verifier.verify(token))).toBe(503)
  })

  it('are asked for again after an outage, but not more than every five seconds', async () => {
    let now = NOW, asked = 0, down = true
    const verifier = verifierOf(remote(), { now: () => now, fetch: async () => {
      asked += 1
      if (down) throw new TypeError('fetch failed')
      return answer(signer)()
    } })
    const token = await sign(signer, claims())
    for (let round = 0; round < 5; round++) expect(await statusOf(() => verifier.verify(token))).toBe(503)
    expect(asked).toBe(1)
    down = false
    now += 5_000
    expect(await statusOf(() => verifier.verify(token))).toBe(200)
    expect(asked).toBe(2)
  })

  it('do not matter to tokens of strangers: no fetch for an unknown issuer or an algorithm that is not listed', async () => {
    let asked = 0
    const verifier = verifierOf(remote(), { fetch: async () => {
      asked += 1
      return answer(signer)()
    } })
    expect(await statusOf(async () => verifier.verify(await sign(signer, claims({ iss: 'https://evil.example' }))))).toBe(401)
    expect(await statusOf(async () => verifier.verify(await sign(signer, claims(), { typ: 'JWT' })))).toBe(401)
    expect(asked).toBe(0)
    expect(await statusOf(async () => verifier.verify(await sign(signer, claims())))).toBe(200)
    expect(asked).toBe(1)
  })
})

describe('opaque tokens', () => {
  const token = `wk_${'A'.repeat(43)}`
  const grant: OpaqueGrant = { scope: 'system/*.rs', patient: null, fhirUser: 'Device/1', roles: ['system'], purposes: [], client: 'cli', subject: 's', expires: NOW + 10_000 }

  it('become the caller of their grant, under the name of this server', async () => {
    const verifier = verifierOf([], { opaque: { lookup: async (key) => key === tokenHash(token) ? grant : undefined } })
    const caller: Caller = await verifier.verify(token)
    expect(caller).toEqual({
      issuer: 'https://wk.example', subject: 's', client: 'cli', scope: 'system/*.rs', patient: null, encounter: null, fhirUser: 'Device/1', roles: ['system'], purposes: [],
      jti: tokenHash(token).slice(0, 22), expires: NOW + 10_000, ceiling: null
    })
    expect(await statusOf(() => verifier.verify(`wk_${'B'.repeat(43)}`))).toBe(401)
  })

  it('are dead at most one second after their revocation, also where the look-up was slow', async () => {
    let now = NOW, known: OpaqueGrant | undefined = grant, slow = 0
    const verifier = verifierOf([], { now: () => now, opaque: { lookup: async () => {
      const found = known
      now += slow
      return found
    } } })
    expect(await statusOf(() => verifier.verify(token))).toBe(200)
    known = undefined
    now += 999
    expect(await statusOf(() => verifier.verify(token))).toBe(200)
    now += 1
    expect(await statusOf(() => verifier.verify(token))).toBe(401)
    known = grant
    slow = 1_000
    expect(await statusOf(() => verifier.verify(token))).toBe(200)
    known = undefined
    slow = 0
    expect(await statusOf(() => verifier.verify(token))).toBe(401)
  })

  it('end at the ms of their expiry, cached or not', async () => {
    let now = NOW + 9_999
    const verifier = verifierOf([], { now: () => now, opaque: { lookup: async () => grant } })
    expect(await statusOf(() => verifier.verify(token))).toBe(200)
    now = NOW + 10_000
    expect(await statusOf(() => verifier.verify(token))).toBe(401)
  })

  it('are an outage (503) where the store is', async () => {
    const verifier = verifierOf([], { opaque: { lookup: async () => { throw new Error('disk') } } })
    expect(await statusOf(() => verifier.verify(token))).toBe(503)
  })
})

describe('the issuers file', () => {
  it('that is no JSON is refused with one line', () => {
    expect(() => loadIssuers('{"secret"')).toThrow(/^TRUSTED_ISSUERS is not JSON$/)
  })
})
