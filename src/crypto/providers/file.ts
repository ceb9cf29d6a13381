import { createHmac, createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import { closeSync, constants, fstatSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { readdirSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { platform } from 'node:process'
import type { Bytes } from '../../model/resource.ts'
import { AES_GCM, nonceOf, TAG_BYTES } from '../aead.ts'
import { exact, joined, lengthPrefixed, utf8 } from '../bytes.ts'
import { KeysBroken, KeysUnavailable } from '../errors.ts'
import type { KekProvider } from './provider.ts'

export interface FileProvider extends KekProvider {
  /** The folder held no key and this call made the first: start says so loudly. */
  readonly created: boolean
}

/**
 * `file:` provider: a folder (mode 0700) of versioned KEK files (mode 0600), one line of text each. Files are never changed or
 * overwritten. Nothing is kept in memory between calls, so taking the folder away takes the keys away when the branch cache ends.
 * Throws one line when the folder or a file may be read by others.
 */
export function openFileProvider(dir: string): FileProvider {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const created = readFolder(dir).length === 0
  if (created) addKek(dir, 1)
  newest(dir)
  const wrap = async (plain: Uint8Array, context: readonly string[]) => sealed(newest(dir), plain, context)
  const unwrap = async (wrapped: Uint8Array, context: readonly string[]) => opened(dir, wrapped, context)
  return {
    created,
    wrap,
    unwrap,
    async generate(context) {
      const plain = exact(randomBytes(32))
      return { plain, wrapped: await wrap(plain, context) }
    },
    async rewrap(wrapped, context) {
      const plain = await unwrap(wrapped, context)
      const again = await wrap(plain, context)
      plain.fill(0)
      return again
    },
    isNewest: async (wrapped) => newest(dir).id === kekId(wrapped),
    async rotate() {
      addKek(dir, newest(dir).version + 1)
    },
    async health() {
      newest(dir)
    }
  }
}

interface Kek { readonly version: number; readonly id: string; readonly key: KeyObject }

const FORMAT = 1
const ID_BYTES = 8
const FILE_NAME = /^kek-(\d{6})-([0-9a-f]{16})\.key$/

/**
 * The random id in the name keeps two processes that start at once from overwriting each other: both files stay, both unwrap,
 * and both processes take the one that sorts last.
 */
function addKek(dir: string, version: number): void {
  const id = randomBytes(ID_BYTES).toString('hex')
  const key = createSecretKey(randomBytes(32))
  const line = `wardkeep-kek-1 ${version} ${id} ${key.export().toString('base64url')} ${check(key, version, id)}\n`
  const name = `kek-${String(version).padStart(6, '0')}-${id}.key`
  const fresh = join(dir, `.${name}.new`)
  withFile(fresh, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, (file) => {
    writeSync(file, line)
    fsyncSync(file)
  })
  renameSync(fresh, join(dir, name))
  // Windows cannot open a folder to sync it.
  if (platform !== 'win32') withFile(dir, constants.O_RDONLY, fsyncSync)
}

function newest(dir: string): Kek {
  const name = readFolder(dir).at(-1)
  if (name === undefined) throw new KeysUnavailable('The key folder holds no key')
  return readKek(dir, name)
}

/** Names of the KEK files, oldest first. */
function readFolder(dir: string): string[] {
  try {
    refuseOpenToOthers(statSync(dir).mode, dir)
    return readdirSync(dir).filter((name) => FILE_NAME.test(name)).sort()
  } catch (error) {
    throw unavailable(error)
  }
}

function readKek(dir: string, name: string): Kek {
  try {
    return withFile(join(dir, name), constants.O_RDONLY, (file) => {
      refuseOpenToOthers(fstatSync(file).mode, join(dir, name))
      return parseKek(readFileSync(file, 'latin1'), name)
    })
  } catch (error) {
    throw unavailable(error)
  }
}

function parseKek(line: string, name: string): Kek {
  const [head, version, id = '', secret = '', sum] = line.trimEnd().split(' ')
  const bytes = Buffer.from(secret, 'base64url')
  const whole = head === 'wardkeep-kek-1' && bytes.length === 32 && FILE_NAME.exec(name)?.[2] === id
  if (!whole) throw new KeysBroken(`Not a key file: ${name}`)
  const kek = { version: Number(version), id, key: createSecretKey(bytes) }
  if (check(kek.key, kek.version, id) !== sum) throw new KeysBroken(`Damaged key file: ${name}`)
  return kek
}

const check = (key: KeyObject, version: number, id: string): string =>
  createHmac('sha256', key).update(lengthPrefixed(['wardkeep-kek-check', String(version), id])).digest('hex').slice(0, 16)

/** format ‖ KEK id ‖ nonce ‖ ciphertext ‖ tag. */
function sealed(kek: Kek, plain: Uint8Array, context: readonly string[]): Bytes {
  const nonce = nonceOf(AES_GCM.nonceBytes)
  const body = new Uint8Array(plain.length + TAG_BYTES)
  AES_GCM.seal(kek.key, nonce, additional(kek.id, context), plain, body, 0)
  return joined([new Uint8Array([FORMAT]), Buffer.from(kek.id, 'hex'), nonce, body])
}

function opened(dir: string, wrapped: Uint8Array, context: readonly string[]): Bytes {
  const start = 1 + ID_BYTES
  const id = kekId(wrapped)
  const whole = wrapped[0] === FORMAT && wrapped.length >= start + AES_GCM.nonceBytes + TAG_BYTES
  if (!whole) throw new KeysBroken('Not a wrapped key of this provider')
  const name = readFolder(dir).find((file) => FILE_NAME.exec(file)?.[2] === id)
  if (name === undefined) throw new KeysBroken('The key folder does not hold the key that this store was sealed with')
  const body = start + AES_GCM.nonceBytes
  const plain = AES_GCM.open(readKek(dir, name).key, wrapped.subarray(start, body), additional(id, context), wrapped.subarray(body))
  if (plain === undefined) throw new KeysBroken('A wrapped key is not authentic')
  const out = exact(plain)
  plain.fill(0)
  return out
}

const kekId = (wrapped: Uint8Array): string => Buffer.from(wrapped.subarray(1, 1 + ID_BYTES)).toString('hex')

const additional = (id: string, context: readonly string[]): Bytes => utf8(lengthPrefixed(['wardkeep-kek', String(FORMAT), id, ...context]))

/** Windows keeps no such bits; there the folder's access list decides. */
function refuseOpenToOthers(mode: number, path: string): void {
  if (platform !== 'win32' && (mode & 0o077) !== 0) {
    throw new KeysBroken(`Others may read ${path}: set mode 0700 on the key folder and 0600 on its files`)
  }
}

function unavailable(error: unknown): KeysUnavailable {
  return error instanceof KeysUnavailable ? error : new KeysUnavailable('The key folder cannot be read', { cause: error })
}

function withFile<T>(path: string, flags: number, use: (file: number) => T): T {
  const file = openSync(path, flags, 0o600)
  try {
    return use(file)
  } finally {
    closeSync(file)
  }
}
