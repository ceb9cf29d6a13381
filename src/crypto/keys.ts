import { createSecretKey, type KeyObject } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Bytes } from '../model/resource.ts'
import { compareBytes, exact, lengthPrefixed } from './bytes.ts'
import { CLASS_KINDS, dataKeyName, isDataKeyName, lifeOf, lifeOfDocument, makeDataKey, openDataKey } from './data-keys.ts'
import type { ClassKind, DataKey, DataKeyPlace, NewDataKey } from './data-keys.ts'
import { KeysBroken, SealBroken } from './errors.ts'
import { CACHE_MS, isFresh, makeKeyCache, type KeyCache } from './key-cache.ts'
import { hmac256 } from './mac.ts'
import { recordKeys } from './record-keys.ts'
import { openRoots } from './first-keys.ts'
import { readRoot, rotateRoots, tenantKeys, type RootPlace, type TenantKeys } from './root-keys.ts'
import { openWith, sealWith } from './small.ts'

export type { ClassKind, DataKey, NewDataKey } from './data-keys.ts'
export type { KeyDocumentPut, KeyDocuments } from './root-keys.ts'

/**
 * The keys of one tenant. What is sync needs no provider; what answers a promise may throw KeysUnavailable (503) when the branch key
 * is older than 15 minutes and the provider does not answer, and whatever `documents` throws.
 */
export interface KeyRing {
  /** 16 bytes, HMAC(type, id). */
  recordKey(type: string, id: string): Bytes
  /** 16 bytes, HMAC(label, text). */
  documentName(label: string, text: string): Bytes
  /** Sync when cached; undefined when the patient has no key yet or was erased. */
  patientKey(patient: string): DataKey | undefined | Promise<DataKey | undefined>
  /** Name of the document that holds a patient's key; removing it erases what the key sealed. */
  patientKeyName(patient: string): Bytes
  /** The caller puts the document with expect 0 in its commit and then adopts the key. */
  newPatientKey(patient: string): Promise<NewDataKey>
  adopt(key: DataKey): void
  forget(patient: string): void
  classKey(kind: ClassKind): Promise<DataKey>
  /** Sync when cached; undefined when its document is gone (erased); SealBroken when the id was never one of ours. */
  keyById(id: Uint8Array): DataKey | undefined | Promise<DataKey | undefined>
  /** The key as its document stands now: another process may have erased its patient and made it anew. The very same where nothing changed. */
  renewed(key: DataKey): Promise<DataKey | undefined>
  /** Rises whenever keys are dropped: what they opened must not be kept any longer either. */
  readonly drops: number
  /** Whether a key of this id ever had this life. */
  hadLife(id: Uint8Array, life: Uint8Array): boolean
  /** To be awaited before serving. At most once a second it reads the generation document and drops cached keys when it changed. */
  refresh(): Promise<void>
  /** The generation that the cached keys belong to: a commit sealed with them relies on this document. */
  generation(): { readonly name: Bytes; readonly version: number }
  /** The next `refresh` reads the generation, whatever the time. */
  recheck(): void
  /** The document put that tells every process of an erasure; part of the erasing commit. */
  generationBump(): Promise<{ readonly name: Bytes; readonly expect: number; readonly sealed: Bytes }>
  /** New KEK, branch keys wrapped anew under it, nothing else. */
  rotate(): Promise<{ readonly branchKeys: number }>
  /** HMAC key of the ledger chain. */
  linkKey(): KeyObject
  sealSmall(label: string, plain: Uint8Array): Bytes
  openSmall(label: string, sealed: Uint8Array): Bytes | undefined
  /** HMAC key of blind-index.ts, and the epoch that its terms carry. */
  readonly terms: KeyObject
  readonly epoch: number
}

export interface KeyRingOptions extends RootPlace {
  readonly now: () => number
  /** 1 to 255. Nothing raises it yet; `reindex` writes terms of the one that it is given. */
  readonly epoch?: number
  /** Opened data keys held at once. */
  readonly cacheMax?: number
}

/** Opens the store's keys, and makes them where there are none. Of processes that start at once on an empty store, one wins. */
export async function openKeyRing(options: KeyRingOptions): Promise<KeyRing> {
  const at = options.now()
  const { branch, index } = await openRoots(options)
  const ring = new Ring(options, tenantKeys(index), createSecretKey(branch), at)
  branch.fill(0)
  index.fill(0)
  await ring.refresh()
  for (const kind of CLASS_KINDS) await ring.classKey(kind)
  return ring
}

const REFRESH_MS = 1000
const GENERATION = 'generation'

class Ring implements KeyRing {
  readonly recordKey: KeyRing['recordKey']
  readonly terms: KeyObject
  readonly epoch: number
  readonly #options: KeyRingOptions
  readonly #tenant: TenantKeys
  readonly #cache: KeyCache
  readonly #names: LRUCache<string, Bytes>
  readonly #loads = new Map<string, Promise<DataKey | undefined>>()
  /** Keys not yet committed: when their branch key was unwrapped, and the cache's drops at their birth. */
  readonly #births = new WeakMap<DataKey, { readonly at: number; readonly drops: number }>()
  #branch: { readonly key: KeyObject; readonly at: number }
  #renewal: Promise<void> | null = null
  #check: Promise<void> | null = null
  #checked = Number.NEGATIVE_INFINITY
  #generation = 0
  /** Each commit relies on it. */
  #generationNamed: Bytes | null = null
  #generationVersion = 0

  constructor(options: KeyRingOptions, tenant: TenantKeys, branch: KeyObject, at: number) {
    const max = options.cacheMax ?? 20_000
    this.#options = options
    this.#tenant = tenant
    this.#branch = { key: branch, at }
    this.#cache = makeKeyCache(max, options.now)
    this.#names = new LRUCache({ max })
    this.recordKey = recordKeys(tenant.record, max)
    this.terms = tenant.terms
    this.epoch = options.epoch ?? 1
    if (!Number.isInteger(this.epoch) || this.epoch < 1 || this.epoch > 255) throw new RangeError('The epoch of terms is 1 to 255')
  }

  documentName(label: string, text: string): Bytes {
    return exact(hmac256(this.#tenant.document, lengthPrefixed(['document', label, text])).subarray(0, 16))
  }

  patientKeyName(patient: string): Bytes {
    let name = this.#names.get(patient)
    if (name === undefined) {
      name = dataKeyName(this.#tenant.document, { kind: 'patient', name: patient })
      this.#names.set(patient, name)
    }
    return exact(name)
  }

  patientKey(patient: string): DataKey | undefined | Promise<DataKey | undefined> {
    return this.keyById(this.patientKeyName(patient))
  }

  async newPatientKey(patient: string): Promise<NewDataKey> {
    const drops = this.#cache.drops
    const { place, at } = await this.#place()
    const made = makeDataKey(place, { kind: 'patient', name: patient })
    this.#births.set(made.key, { at, drops })
    return made
  }

  adopt(key: DataKey): void {
    const birth = this.#births.get(key)
    if (birth !== undefined && birth.drops === this.#cache.drops) this.#cache.add(key, birth.at)
  }

  forget(patient: string): void {
    this.#cache.forget(this.patientKeyName(patient))
  }

  async classKey(kind: ClassKind): Promise<DataKey> {
    const key = await this.keyById(dataKeyName(this.#tenant.document, { kind: 'class', name: kind }))
    if (key === undefined) throw new KeysBroken('A class key is missing')
    return key
  }

  keyById(id: Uint8Array): DataKey | undefined | Promise<DataKey | undefined> {
    return this.#cache.get(id) ?? this.#load(exact(id))
  }

  async renewed(key: DataKey): Promise<DataKey | undefined> {
    const document = await this.#options.documents.get(key.id)
    if (document !== undefined && compareBytes(lifeOfDocument(this.#tenant.document, key.id, document.sealed), key.life) === 0) return key
    if (this.#cache.get(key.id) === key) this.#cache.forget(key.id)
    return this.keyById(key.id)
  }

  hadLife(id: Uint8Array, life: Uint8Array): boolean {
    return compareBytes(lifeOf(this.#tenant.document, id, life), life) === 0
  }

  get drops(): number {
    return this.#cache.drops
  }

  async refresh(): Promise<void> {
    if (this.#check === null) {
      if (isFresh(this.#checked, this.#options.now(), REFRESH_MS)) return
      this.#check = this.#compare().finally(() => { this.#check = null })
    }
    await this.#check
  }

  generation() {
    return { name: this.#generationName(), version: this.#generationVersion }
  }

  recheck(): void {
    this.#checked = Number.NEGATIVE_INFINITY
  }

  async generationBump() {
    const { version, number } = await this.#readGeneration()
    const next = new Uint8Array(8)
    new DataView(next.buffer).setFloat64(0, number + 1)
    return { name: this.#generationName(), expect: version, sealed: this.sealSmall(GENERATION, next) }
  }

  async rotate() {
    return { branchKeys: await rotateRoots(this.#options) }
  }

  linkKey(): KeyObject {
    return this.#tenant.link
  }

  sealSmall(label: string, plain: Uint8Array): Bytes {
    return sealWith(this.#tenant.small, this.#options.tenant, label, plain)
  }

  openSmall(label: string, sealed: Uint8Array): Bytes | undefined {
    return openWith(this.#tenant.small, this.#options.tenant, label, sealed)
  }

  /** One load for one id at a time, however many ask. */
  #load(id: Bytes): Promise<DataKey | undefined> {
    const text = Buffer.from(id).toString('latin1')
    const running = this.#loads.get(text)
    if (running !== undefined) return running
    const load = this.#read(id).finally(() => this.#loads.delete(text))
    this.#loads.set(text, load)
    return load
  }

  async #read(id: Bytes): Promise<DataKey | undefined> {
    for (;;) {
      const drops = this.#cache.drops
      const { place, at } = await this.#place()
      const document = await this.#options.documents.get(id)
      // An erasure was noticed meanwhile: what was read may be older than it.
      if (drops !== this.#cache.drops) continue
      if (document !== undefined) {
        const key = openDataKey(place, id, document.sealed)
        this.#cache.add(key, at)
        return key
      }
      if (!isDataKeyName(this.#tenant.document, id)) throw new SealBroken('key id')
      return undefined
    }
  }

  async #place(): Promise<{ readonly place: DataKeyPlace; readonly at: number }> {
    if (!isFresh(this.#branch.at, this.#options.now())) await this.#renew()
    const { key, at } = this.#branch
    return { place: { branch: key, tenant: this.#options.tenant, names: this.#tenant.document }, at }
  }

  #renew(): Promise<void> {
    this.#renewal ??= this.#unwrapBranch().finally(() => { this.#renewal = null })
    return this.#renewal
  }

  async #unwrapBranch(): Promise<void> {
    const at = this.#options.now()
    const secret = await readRoot(this.#options, 'branch')
    if (secret === undefined) throw new KeysBroken('A branch key is missing')
    this.#branch = { key: createSecretKey(secret), at }
    secret.fill(0)
  }

  async #compare(): Promise<void> {
    const at = this.#options.now()
    const { number, version } = await this.#readGeneration()
    this.#generationVersion = version
    if (number !== this.#generation) {
      this.#generation = number
      this.#cache.clear()
    }
    // Renewed ahead of its end, so that an outage of the provider is bridged for half the time at least.
    if (!isFresh(this.#branch.at, at)) await this.#renew()
    else if (!isFresh(this.#branch.at, at, CACHE_MS / 2)) this.#renew().catch(() => undefined)
    this.#checked = at
  }

  async #readGeneration(): Promise<{ readonly version: number; readonly number: number }> {
    const document = await this.#options.documents.get(this.#generationName())
    if (document === undefined) return { version: 0, number: 0 }
    const plain = this.openSmall(GENERATION, document.sealed)
    if (plain === undefined) throw new KeysBroken('The generation document is not authentic')
    return { version: document.version, number: new DataView(plain.buffer, plain.byteOffset).getFloat64(0) }
  }

  #generationName(): Bytes {
    return (this.#generationNamed ??= this.documentName('keys', GENERATION))
  }
}
