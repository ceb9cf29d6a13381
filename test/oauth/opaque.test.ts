import { createHmac, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { tokenCommand } from '../../src/cli/token.ts'
import type { Bytes } from '../../src/model/resource.ts'
import { openTokens, tokenHash, type GrantRing, type OpaqueGrant, type TokenEvent, type Tokens } from '../../src/oauth/opaque.ts'
import type { Commit, Committed, DocumentPut } from '../../src/store/ports.ts'
import { NOW } from './tokens.ts'

const bytes = (from: Uint8Array): Bytes => new Uint8Array(from)
const hex = (from: Uint8Array): string => Buffer.from(from).toString('hex')

/** Authenticates under the label and hides nothing, so that a test can look inside. */
const ring: GrantRing = {
  documentName: (label, text) => bytes(createHmac('sha256', 'k').update(`${label} ${text}`).digest().subarray(0, 16)),
  sealSmall: (label, plain) => bytes(Buffer.concat([createHmac('sha256', 'k').update(label).update(plain).digest(), plain])),
  openSmall: (label, sealed) => hex(sealed.subarray(0, 32)) === createHmac('sha256', 'k').update(label).update(sealed.subarray(32)).digest('hex') ? bytes(sealed.subarray(32)) : undefined
}

function memory() {
  const documents = new Map<string, DocumentPut>()
  const commits: Commit[] = []
  return {
    documents, commits,
    document: async (name: Bytes) => {
      const found = documents.get(hex(name))
      return found?.sealed == null ? undefined : { version: 1, sealed: found.sealed }
    },
    commit: async (commit: Commit): Promise<Committed> => {
      commits.push(commit)
      for (const put of commit.documents) if (put.sealed === null) documents.delete(hex(put.name)); else documents.set(hex(put.name), put)
      return { kind: 'done' }
    }
  }
}

const grant: OpaqueGrant = { scope: 'user/*.rs', patient: '1', fhirUser: 'Practitioner/2', roles: ['nurse'], purposes: ['TREAT'], client: 'c', subject: 's', expires: NOW + 1_000 }

describe('opaque tokens in the store', () => {
  it('are wk_ and 256 bits, and come back as their grant until they expire', async () => {
    let now = NOW
    const store = memory()
    const tokens = openTokens({ store, ring, now: () => now, random: (count) => bytes(randomBytes(count)) })
    const token = await tokens.mint(grant)
    expect(token).toMatch(/^wk_[\w-]{43}$/)
    expect(await tokens.lookup(tokenHash(token))).toEqual(grant)
    expect(await tokens.lookup(tokenHash(`${token.slice(0, -1)}_`))).toBeUndefined()
    now += 1_000
    expect(await tokens.lookup(tokenHash(token))).toBeUndefined()
  })

  it('leave neither the token nor its hash as a document name', async () => {
    const store = memory()
    const token = await openTokens({ store, ring, now: () => NOW, random: (count) => bytes(randomBytes(count)) }).mint(grant)
    const stored = JSON.stringify([...store.documents.entries()].map(([name, put]) => [name, Buffer.from(put.sealed ?? []).toString('latin1')]))
    expect(stored).not.toContain(token.slice(3))
    expect([...store.documents.keys()]).not.toContain(Buffer.from(tokenHash(token), 'base64url').toString('hex').slice(0, 32))
    expect([...store.documents.values()][0]).toMatchObject({ expect: 0, expires: grant.expires })
  })

  it('cannot borrow the grant of another: a document moved to another name does not open', async () => {
    const store = memory()
    const tokens = openTokens({ store, ring, now: () => NOW, random: (count) => bytes(randomBytes(count)) })
    const [strong, weak] = [await tokens.mint({ ...grant, scope: 'system/*.cruds' }), await tokens.mint(grant)]
    const name = (token: string) => hex(ring.documentName('token', tokenHash(token)))
    store.documents.set(name(weak), store.documents.get(name(strong))!)
    expect(await tokens.lookup(tokenHash(weak))).toBeUndefined()
    expect(await tokens.lookup(tokenHash(strong))).toMatchObject({ scope: 'system/*.cruds' })
  })

  it('are ended by revoke, and both acts are recorded in the same commit', async () => {
    const store = memory()
    const events: TokenEvent[] = []
    const record = async (event: TokenEvent) => {
      events.push(event)
      return [{ id: bytes(randomBytes(16)), sealed: bytes(randomBytes(4)) }]
    }
    const tokens = openTokens({ store, ring, now: () => NOW, random: (count) => bytes(randomBytes(count)), record })
    const token = await tokens.mint(grant)
    expect(await tokens.revoke(`wk_${'A'.repeat(43)}`)).toBe(false)
    expect(await tokens.revoke('nonsense')).toBe(false)
    expect(await tokens.revoke(token)).toBe(true)
    expect(await tokens.lookup(tokenHash(token))).toBeUndefined()
    expect(events.map(({ kind, grant: of }) => [kind, of?.client])).toEqual([['issued', 'c'], ['revoked', 'c']])
    expect(store.commits.map(({ outbox, documents }) => [outbox.length, documents.length])).toEqual([[1, 1], [1, 1]])
  })
})

describe('wardkeep token', () => {
  async function run(...args: string[]): Promise<{ readonly lines: string[]; readonly grants: OpaqueGrant[]; readonly closed: number; readonly error: string; readonly warnings: string[] }> {
    const lines: string[] = [], warnings: string[] = [], grants: OpaqueGrant[] = []
    let closed = 0, error = ''
    const tokens: Tokens = { mint: async (asked) => (grants.push(asked), 'wk_x'), lookup: async () => undefined, revoke: async (token) => token === 'known' }
    const command = tokenCommand({ open: async () => ({ tokens, doubts: async () => ['x counts for nothing'], close: async () => { closed += 1 } }), now: () => NOW, print: (line) => lines.push(line), warn: (line) => warnings.push(line) })
    for (const each of [command, ...command.commands]) each.exitOverride().configureOutput({ writeErr: (text) => { error += text } })
    await command.parseAsync(args, { from: 'user' }).catch(() => undefined)
    return { lines, grants, closed, error, warnings }
  }

  it('prints the token and nothing else, and closes the store', async () => {
    const done = await run('--scope', 'user/*.rs  openid', '--patient', 'Patient/7', '--fhir-user', 'Practitioner/2', '--roles', 'nurse,billing', '--purpose', 'TREAT', '--client', 'app', '--expires-in', '60')
    expect(done).toEqual({ lines: ['wk_x'], closed: 1, error: '', warnings: ['warning: x counts for nothing'], grants: [{
      scope: 'user/*.rs openid', patient: '7', fhirUser: 'Practitioner/2', roles: ['nurse', 'billing'], purposes: ['TREAT'], client: 'app', subject: 'Practitioner/2', expires: NOW + 60_000
    }] })
  })

  it('lives one hour by default and needs no more than a scope', async () => {
    expect((await run('--scope', 'system/*.read')).grants).toEqual([{ scope: 'system/*.read', patient: null, fhirUser: null, roles: [], purposes: [], client: 'cli', subject: 'cli', expires: NOW + 3_600_000 }])
  })

  it.each([[[]], [['--scope', '']], [['--scope', 'Patient.read']], [['--scope', 'patient/Patient.']], [['--scope', 'patient/Patient.sr']], [['--scope', 'admin/*.*']], [['--scope', 'user/*.rs', '--patient', 'a b']], [['--scope', 'user/*.rs', '--patient', 'Group/1']],
    [['--scope', 'user/*.rs', '--fhir-user', '12']], [['--scope', 'user/*.rs', '--expires-in', '0']], [['--scope', 'user/*.rs', '--expires-in', '1h']], [['--scope', 'user/*.rs', 'extra']]])('refuses %j without minting', async (args) => {
    const { grants, lines, error } = await run(...args)
    expect({ grants, lines }).toEqual({ grants: [], lines: [] })
    expect(error).toMatch(/^error: /)
  })

  it('revokes, and fails for a token that is not there', async () => {
    expect(await run('revoke', 'known')).toMatchObject({ closed: 1, error: '', grants: [] })
    expect(await run('revoke', 'other')).toMatchObject({ closed: 1, error: expect.stringMatching(/^error: /) })
  })
})
