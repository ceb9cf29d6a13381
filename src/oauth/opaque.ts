import { hash } from 'node:crypto'
import { z } from 'zod'
import type { Bytes } from '../model/resource.ts'
import { ID_PATTERN } from '../model/resource.ts'
import type { OutboxEntry, RecordStore } from '../store/ports.ts'

/** What an opaque access token confers. Times in ms since 1970. */
export interface OpaqueGrant {
  /** Space-separated SMART scopes. */
  readonly scope: string
  /** Patient id in launch context, without the type. */
  readonly patient: string | null
  /** Relative reference such as `Practitioner/12`. */
  readonly fhirUser: string | null
  readonly roles: readonly string[]
  /** v3-ActReason codes. */
  readonly purposes: readonly string[]
  readonly client: string
  readonly subject: string
  readonly expires: number
}

/** The part of the key ring that grants need. */
export interface GrantRing {
  documentName(label: string, text: string): Bytes
  sealSmall(label: string, plain: Uint8Array): Bytes
  openSmall(label: string, sealed: Uint8Array): Uint8Array | undefined
}

export interface TokensOptions {
  readonly store: Pick<RecordStore, 'document' | 'commit'>
  readonly ring: GrantRing
  readonly now: () => number
  /** `count` random bytes. */
  readonly random: (count: number) => Bytes
  /** Ledger entries committed together with the grant or its removal. */
  readonly record?: (event: TokenEvent) => Promise<readonly OutboxEntry[]>
}

export interface TokenEvent {
  readonly kind: 'issued' | 'revoked'
  readonly tokenHash: string
  /** Of a revoked token whose grant was already gone: null. */
  readonly grant: OpaqueGrant | null
}

export interface Tokens {
  /** Stores the grant and returns the token: the only time that it exists outside the client. */
  mint(grant: OpaqueGrant): Promise<string>
  /** `tokenHash`: SHA-256 of the token, base64url. */
  lookup(tokenHash: string): Promise<OpaqueGrant | undefined>
  /** False where there was no such token. */
  revoke(token: string): Promise<boolean>
}

const PREFIX = 'wk_'
const TOKEN_BYTES = 32
const LABEL = 'token'
const COMMIT_ID_BYTES = 16

/** `wk_` and 256 random bits in base64url. */
export const isOpaqueToken = (token: string): boolean => /^wk_[\w-]{43}$/.test(token)

export const tokenHash = (token: string): string => hash('sha256', token, 'base64url')

/** Opaque tokens in the record store: only the hash of a token is known there, and its grant is sealed. */
export function openTokens(options: TokensOptions): Tokens {
  const { store, ring, now } = options
  const nameOf = (key: string): Bytes => ring.documentName(LABEL, key)
  const commit = async (name: Bytes, put: { expect: number | null; expires: number | null; sealed: Bytes | null }, event: TokenEvent): Promise<void> => {
    const outbox = await options.record?.(event) ?? []
    const done = await store.commit({ id: options.random(COMMIT_ID_BYTES), expect: [], puts: [], rewrites: [], erase: [], documents: [{ name, ...put }], outbox })
    if (done.kind !== 'done') throw new Error('the token was not stored')
  }
  const lookup = async (key: string): Promise<OpaqueGrant | undefined> => {
    const document = await store.document(nameOf(key))
    const grant = document === undefined ? undefined : openGrant(ring, key, document.sealed)
    return grant === undefined || grant.expires <= now() ? undefined : grant
  }
  return {
    lookup,
    async mint(grant) {
      const token = PREFIX + Buffer.from(options.random(TOKEN_BYTES)).toString('base64url')
      const key = tokenHash(token)
      await commit(nameOf(key), { expect: 0, expires: grant.expires, sealed: sealGrant(ring, key, grant) }, { kind: 'issued', tokenHash: key, grant })
      return token
    },
    async revoke(token) {
      const key = tokenHash(token)
      if (!isOpaqueToken(token) || await store.document(nameOf(key)) === undefined) return false
      await commit(nameOf(key), { expect: null, expires: null, sealed: null }, { kind: 'revoked', tokenHash: key, grant: await lookup(key) ?? null })
      return true
    }
  }
}

/** The token's hash is sealed with its grant: who writes to the database cannot put one token's grant under another's name. */
export function sealGrant(ring: GrantRing, key: string, grant: OpaqueGrant): Bytes {
  return ring.sealSmall(LABEL, new TextEncoder().encode(JSON.stringify({ token: key, ...grantSchema.parse(grant) })))
}

export function openGrant(ring: GrantRing, key: string, sealed: Uint8Array): OpaqueGrant | undefined {
  const plain = ring.openSmall(LABEL, sealed)
  if (plain === undefined) return undefined
  const parsed = sealedSchema.safeParse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(plain)))
  if (!parsed.success || parsed.data.token !== key) return undefined
  const { token: _, ...grant } = parsed.data
  return grant
}

const words = z.array(z.string().min(1)).readonly()

const grantSchema = z.object({
  scope: z.string(), patient: z.string().regex(ID_PATTERN).nullable(), fhirUser: z.string().nullable(), roles: words, purposes: words,
  client: z.string().min(1), subject: z.string().min(1), expires: z.number().int().positive()
})

const sealedSchema = grantSchema.extend({ token: z.string() })
