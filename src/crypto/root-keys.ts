import { createHash, type KeyObject } from 'node:crypto'
import type { Bytes } from '../model/resource.ts'
import { compareBytes, exact, joined, lengthPrefixed } from './bytes.ts'
import { KeysBroken, KeysUnavailable } from './errors.ts'
import { checkValue, derive } from './mac.ts'
import type { KekProvider } from './providers/provider.ts'

/**
 * The two keys that the KEK wraps. `branch` wraps data keys and is asked for again and again; `index` makes names and terms, lives as
 * long as the store and must never change, or nothing would be found.
 */
export type RootName = 'branch' | 'index'
export const ROOT_NAMES: readonly RootName[] = ['branch', 'index']

export interface KeyDocumentPut { readonly name: Bytes; readonly expect: number | null; readonly sealed: Bytes | null }

/** Where wrapped keys lie. `put`: all or nothing; false when a version was not as expected (0 = must be absent). */
export interface KeyDocuments {
  get(name: Bytes): Promise<{ readonly version: number; readonly sealed: Bytes } | undefined>
  put(puts: readonly KeyDocumentPut[]): Promise<boolean>
}

export interface RootPlace { readonly provider: KekProvider; readonly documents: KeyDocuments; readonly tenant: string }

/** Keys derived from the index key, one for each use. */
export interface TenantKeys {
  readonly record: KeyObject
  readonly document: KeyObject
  readonly terms: KeyObject
  readonly link: KeyObject
  readonly small: KeyObject
}

/** Name of a root key's document. Not keyed, as no key is known before it is read. */
export const rootDocument = (tenant: string, name: RootName): Bytes =>
  exact(createHash('sha256').update(lengthPrefixed(['wardkeep-root', tenant, name])).digest().subarray(0, 16))

/** A new root key and its document: format ‖ check value (16) ‖ wrapped by the provider. */
export async function makeRoot(place: RootPlace, name: RootName): Promise<{ readonly secret: Bytes; readonly document: Bytes }> {
  const { plain, wrapped } = await asked(place.provider.generate(contextOf(place, name)))
  return { secret: plain, document: joined([FORMAT_BYTE, checkValue(plain), wrapped]) }
}

/** Whether a store has keys already: opening its key ring would make them. */
export async function holdsKeys(documents: { document: KeyDocuments['get'] }, tenant: string): Promise<boolean> {
  return await documents.document(rootDocument(tenant, 'index')) !== undefined
}

/** False where the KEK was rotated since the store wrapped its keys: the store is older than its keys. */
export async function isUnderNewestKek(place: RootPlace): Promise<boolean> {
  const document = await place.documents.get(rootDocument(place.tenant, 'branch'))
  return document !== undefined && asked(place.provider.isNewest(wrappedOf(document.sealed)))
}

/** Unwraps a root key through the provider; undefined when its document is absent. The caller overwrites it after use. */
export async function readRoot(place: RootPlace, name: RootName): Promise<Bytes | undefined> {
  const document = await place.documents.get(rootDocument(place.tenant, name))
  if (document === undefined) return undefined
  const secret = await asked(place.provider.unwrap(wrappedOf(document.sealed), contextOf(place, name)))
  if (compareBytes(checkValue(secret), checkOf(document.sealed)) !== 0) throw new KeysBroken('A branch key does not fit its check value')
  return secret
}

/** Makes a new KEK and wraps the root keys under it. Nothing else in the store changes. Answers how many were wrapped anew. */
export async function rotateRoots(place: RootPlace): Promise<number> {
  await asked(place.provider.rotate())
  for (let attempt = 0; attempt < ROTATE_ATTEMPTS; attempt++) {
    if (await place.documents.put(await Promise.all(ROOT_NAMES.map((name) => rewrapped(place, name))))) return ROOT_NAMES.length
  }
  throw new KeysUnavailable('Other processes keep changing the branch keys')
}

export function tenantKeys(secret: Uint8Array): TenantKeys {
  return {
    record: derive(secret, 'record'),
    document: derive(secret, 'document'),
    terms: derive(secret, 'terms'),
    link: derive(secret, 'link'),
    small: derive(secret, 'small')
  }
}

const FORMAT = 1
const FORMAT_BYTE = new Uint8Array([FORMAT])
const WRAPPED_AT = 17
const ROTATE_ATTEMPTS = 5

async function rewrapped(place: RootPlace, name: RootName) {
  const id = rootDocument(place.tenant, name)
  const document = await place.documents.get(id)
  if (document === undefined) throw new KeysBroken('A branch key is missing')
  const wrapped = await asked(place.provider.rewrap(wrappedOf(document.sealed), contextOf(place, name)))
  return { name: id, expect: document.version, sealed: joined([FORMAT_BYTE, checkOf(document.sealed), wrapped]) }
}

function wrappedOf(sealed: Uint8Array): Uint8Array {
  if (sealed[0] !== FORMAT || sealed.length <= WRAPPED_AT) throw new KeysBroken('Not a branch key')
  return sealed.subarray(WRAPPED_AT)
}

const checkOf = (sealed: Uint8Array): Uint8Array => sealed.subarray(1, WRAPPED_AT)
const contextOf = (place: RootPlace, name: RootName): string[] => ['wardkeep', place.tenant, name, String(FORMAT)]

/** Whatever a provider throws becomes an error of keys, so that no driver's text travels further. */
async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw error instanceof KeysUnavailable ? error : new KeysUnavailable('The key provider does not answer', { cause: error })
  }
}
