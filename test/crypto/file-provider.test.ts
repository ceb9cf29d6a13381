import { chmodSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { platform } from 'node:process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openKeyRing } from '../../src/crypto/keys.ts'
import { openFileProvider } from '../../src/crypto/providers/file.ts'
import { hex, isExact, KeysBroken, KeysUnavailable, MemoryDocuments, newKey } from './memory-documents.ts'

const CONTEXT = ['wardkeep', 'clinic', 'branch', '1']
let home: string
let dir: string

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'wardkeep-keys-'))
  dir = join(home, 'data', 'keys')
})
afterEach(() => rmSync(home, { recursive: true }))

const files = () => readdirSync(dir).sort()

describe('the file provider', () => {
  test('makes its folder and first key once, says so, and leaves no temporary file', () => {
    expect(openFileProvider(dir).created).toBe(true)
    expect(openFileProvider(dir).created).toBe(false)
    expect(files().length).toBe(1)
    expect(files()[0]).toMatch(/^kek-000001-[0-9a-f]{16}\.key$/)
  })

  test.skipIf(platform === 'win32')('gives the folder mode 0700 and the file 0600, and refuses either when others may read', () => {
    openFileProvider(dir)
    const file = join(dir, files()[0]!)
    expect(statSync(dir).mode & 0o777).toBe(0o700)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    for (const [path, bad, good] of [[file, 0o640, 0o600], [file, 0o604, 0o600], [dir, 0o750, 0o700], [dir, 0o707, 0o700]] as const) {
      chmodSync(path, bad)
      expect(() => openFileProvider(dir)).toThrow(/^Others may read [^\n]+$/)
      chmodSync(path, good)
      expect(() => openFileProvider(dir)).not.toThrow()
    }
  })

  test('wraps and unwraps under its context only, and finds every changed byte', async () => {
    const provider = openFileProvider(dir)
    const { plain, wrapped } = await provider.generate(CONTEXT)
    expect(hex(await provider.unwrap(wrapped, CONTEXT))).toBe(hex(plain))
    expect([plain, wrapped, await provider.unwrap(wrapped, CONTEXT)].every(isExact)).toBe(true)
    expect(Buffer.from(wrapped).includes(plain)).toBe(false)
    for (const context of [[], ['wardkeep', 'clinic', 'branch'], ['wardkeep', 'clinic2', 'branch', '1'], ['wardkeepclinic', '', 'branch', '1'], [...CONTEXT, '']]) {
      await expect(provider.unwrap(wrapped, context)).rejects.toBeInstanceOf(KeysBroken)
    }
    for (let index = 0; index < wrapped.length; index++) {
      await expect(provider.unwrap(Uint8Array.from(wrapped, (byte, i) => (i === index ? byte ^ 1 : byte)), CONTEXT)).rejects.toBeInstanceOf(KeysBroken)
      await expect(provider.unwrap(wrapped.subarray(0, index), CONTEXT)).rejects.toBeInstanceOf(KeysBroken)
    }
  })

  test('rotation adds a version; the old one unwraps, rewrap moves to the new, in other processes too', async () => {
    const [provider, other] = [openFileProvider(dir), openFileProvider(dir)]
    const old = await provider.wrap(new Uint8Array(32).fill(7), CONTEXT)
    const [first] = files()
    await provider.rotate()
    expect(files().length).toBe(2)
    const fresh = await other.rewrap(old, CONTEXT)
    expect(hex(fresh.subarray(1, 9))).not.toBe(hex(old.subarray(1, 9)))
    for (const each of [provider, other]) for (const wrapped of [old, fresh]) expect(hex(await each.unwrap(wrapped, CONTEXT))).toBe('07'.repeat(32))
    rmSync(join(dir, first!))
    expect(hex(await provider.unwrap(fresh, CONTEXT))).toBe('07'.repeat(32))
    await expect(provider.unwrap(old, CONTEXT)).rejects.toThrow('does not hold the key')
  })

  test('two processes that both make version 1 overwrite nothing and agree afterwards', async () => {
    const away = join(home, 'away')
    const [a, b] = [openFileProvider(dir), openFileProvider(away)]
    const [byA, byB] = [await a.wrap(new Uint8Array(32).fill(1), CONTEXT), await b.wrap(new Uint8Array(32).fill(2), CONTEXT)]
    cpSync(away, dir, { recursive: true })
    expect(files().length).toBe(2)
    expect(hex(await a.unwrap(byA, CONTEXT))).toBe('01'.repeat(32))
    expect(hex(await a.unwrap(byB, CONTEXT))).toBe('02'.repeat(32))
    const newest = (await openFileProvider(dir).wrap(byA, CONTEXT)).subarray(1, 9)
    expect(hex((await a.wrap(byA, CONTEXT)).subarray(1, 9))).toBe(hex(newest))
  })

  test('a folder taken away is an outage, brought back it serves again', async () => {
    const provider = openFileProvider(dir)
    const { wrapped } = await provider.generate(CONTEXT)
    await expect(provider.health()).resolves.toBeUndefined()
    renameSync(dir, `${dir}-away`)
    await expect(provider.health()).rejects.toBeInstanceOf(KeysUnavailable)
    await expect(provider.unwrap(wrapped, CONTEXT)).rejects.not.toBeInstanceOf(KeysBroken)
    expect(existsSync(dir)).toBe(false)
    renameSync(`${dir}-away`, dir)
    await expect(provider.unwrap(wrapped, CONTEXT)).resolves.toBeDefined()
  })

  test('a damaged key file is named, not used', () => {
    openFileProvider(dir)
    const file = join(dir, files()[0]!)
    const line = readFileSync(file, 'latin1')
    const secret = line.split(' ')[3]!
    for (const bad of ['', line.slice(0, 40), line.replace(secret, secret.startsWith('A') ? `B${secret.slice(1)}` : `A${secret.slice(1)}`), line.replace('-1 1 ', '-1 2 ')]) {
      writeFileSync(file, bad)
      expect(() => openFileProvider(dir)).toThrow(KeysBroken)
    }
    writeFileSync(file, line)
    expect(() => openFileProvider(dir)).not.toThrow()
  })

  test('a half-written file of a crash is passed over', () => {
    openFileProvider(dir)
    writeFileSync(join(dir, '.kek-000009-0000000000000000.key.new'), 'wardkeep')
    expect(() => openFileProvider(dir)).not.toThrow()
  })

  test('carries a ring over restart and rotation, and another folder opens nothing', async () => {
    const documents = new MemoryDocuments()
    const open = (folder: string) => openKeyRing({ provider: openFileProvider(folder), documents, tenant: 'clinic', now: () => 0 })
    const ring = await open(dir)
    const key = await newKey(ring, documents, 'anna')
    await ring.rotate()
    const again = (await (await open(dir)).patientKey('anna'))!
    expect(hex(again.seal.export())).toBe(hex(key.seal.export()))
    await expect(open(join(home, 'other'))).rejects.toThrow('does not hold the key')
  })
})
