import { randomBytes } from 'node:crypto'
import { openKeyRing, type DataKey, type KeyDocumentPut, type KeyDocuments, type KeyRing } from '../../src/crypto/keys.ts'
import { KeysBroken, KeysUnavailable } from '../../src/crypto/errors.ts'
import type { KekProvider } from '../../src/crypto/providers/provider.ts'
import type { Bytes } from '../../src/model/resource.ts'

/** Documents in memory, one put at a time, every answer on a later turn so that processes interleave. */
export class MemoryDocuments implements KeyDocuments {
  readonly rows = new Map<string, { version: number; sealed: Bytes }>()
  reads: string[] = []
  puts = 0
  refused = 0
  onGet: (() => Promise<void>) | null = null

  async get(name: Bytes) {
    await Promise.resolve()
    this.reads.push(hex(name))
    const row = this.rows.get(hex(name))
    await this.onGet?.()
    return row
  }

  async put(puts: readonly KeyDocumentPut[]) {
    await new Promise((done) => setImmediate(done))
    const fits = puts.every(({ name, expect }) => expect === null || expect === (this.rows.get(hex(name))?.version ?? 0))
    if (!fits) {
      this.refused++
      return false
    }
    this.puts++
    for (const { name, sealed } of puts) {
      const version = (this.rows.get(hex(name))?.version ?? 0) + 1
      if (sealed === null) this.rows.delete(hex(name))
      else this.rows.set(hex(name), { version, sealed })
    }
    return true
  }

  snapshot(): Map<string, string> {
    return new Map([...this.rows].map(([name, { sealed }]) => [name, hex(sealed)]))
  }
}

/** A provider that can be cut off and counts what it is asked. It keeps wrapped keys in a list, as a far system would. */
export class FarProvider implements KekProvider {
  down = false
  unwraps = 0
  readonly contexts = new Set<string>()
  #version = 1
  readonly #held = new Map<string, { plain: Bytes; context: string }>()

  async generate(context: readonly string[]) {
    const plain = new Uint8Array(randomBytes(32))
    return { plain, wrapped: await this.wrap(plain, context) }
  }

  async wrap(plain: Uint8Array, context: readonly string[]) {
    this.#reach()
    this.contexts.add(context.join('/'))
    const wrapped = new Uint8Array([this.#version, ...randomBytes(16)])
    this.#held.set(hex(wrapped), { plain: Uint8Array.from(plain), context: context.join('/') })
    return wrapped
  }

  async unwrap(wrapped: Uint8Array, context: readonly string[]) {
    this.unwraps++
    this.#reach()
    const held = this.#held.get(hex(wrapped))
    if (held?.context !== context.join('/')) throw new KeysBroken('not mine')
    return Uint8Array.from(held.plain)
  }

  async rewrap(wrapped: Uint8Array, context: readonly string[]) {
    return this.wrap(await this.unwrap(wrapped, context), context)
  }

  async isNewest(wrapped: Uint8Array) {
    return wrapped[0] === this.#version
  }

  async rotate() {
    this.#reach()
    this.#version++
  }

  async health() {
    this.#reach()
  }

  #reach(): void {
    if (this.down) throw new Error('connect ECONNREFUSED kms.example')
  }
}

export interface Bench { readonly documents: MemoryDocuments; readonly provider: FarProvider; readonly clock: { ms: number }; readonly open: () => Promise<KeyRing> }

export function bench(tenant = 'clinic'): Bench {
  const [documents, provider, clock] = [new MemoryDocuments(), new FarProvider(), { ms: 1_800_000_000_000 }]
  return { documents, provider, clock, open: () => openKeyRing({ provider, documents, tenant, now: () => clock.ms }) }
}

export async function newKey(ring: KeyRing, documents: KeyDocuments, patient: string): Promise<DataKey> {
  const { key, document } = await ring.newPatientKey(patient)
  if (!(await documents.put([{ ...document, expect: 0 }]))) throw new Error('The patient has a key already')
  ring.adopt(key)
  return key
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Exact-length and not a view of a pool: safe to hand to a worker thread. */
export const isExact = (bytes: Uint8Array): boolean => !Buffer.isBuffer(bytes) && bytes.buffer.byteLength === bytes.byteLength

export { KeysBroken, KeysUnavailable }
