import { randomBytes } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { open, paddedBytes, seal, SealBroken, type Header, type Opened } from '../../src/crypto/envelope.ts'
import type { DataKey, KeyRing } from '../../src/crypto/keys.ts'
import type { Bytes } from '../../src/model/resource.ts'
import { bench, hex, isExact, newKey, type Bench } from './memory-documents.ts'

const TENANT = 'clinic'
const body = new Uint8Array(Buffer.from('{"resourceType":"Observation","id":"obs-1","subject":{"reference":"Patient/anna"}}'))
const header: Header = {
  type: 'Observation', id: 'obs-1', version: 3, updated: 1_800_000_000_123, deleted: false,
  patients: ['anna'], labels: ['http://terminology.hl7.org/CodeSystem/v3-Confidentiality|R', '|ümlaut😀'], references: ['Patient/anna', 'Encounter/e1', 'Practitioner/山田']
}

let place: Bench
let ring: KeyRing
let anna: DataKey
let shared: DataKey

beforeAll(async () => {
  place = bench(TENANT)
  ring = await place.open()
  anna = await newKey(ring, place.documents, 'anna')
  await newKey(ring, place.documents, 'bert')
  shared = await ring.classKey('shared')
})

const keyOf = (of: Header) => ring.recordKey(of.type, of.id)
const sealOf = (of: Header = header, key = anna, recordKey = keyOf(of)) => seal({ header: of, body, key, recordKey, tenant: TENANT })
const at = (sealed: Uint8Array, change: Partial<{ recordKey: Uint8Array; type: string; version: number; tenant: string; ring: KeyRing }> = {}) =>
  ({ sealed, recordKey: keyOf(header), type: header.type, version: header.version, tenant: TENANT, ring, ...change })
const flipped = (sealed: Uint8Array, index: number, bit = 1) => Uint8Array.from(sealed, (byte, i) => (i === index ? byte ^ bit : byte))
const broken = async (input: Parameters<typeof open>[0]) => expect((async () => open(input))()).rejects.toBeInstanceOf(SealBroken)

describe('a sealed record', () => {
  test('gives back header and body, at once when its key is cached', () => {
    const opened = open(at(sealOf())) as Opened
    expect(opened).not.toBeInstanceOf(Promise)
    expect(opened.header).toEqual(header)
    expect(hex(opened.body)).toBe(hex(body))
  })

  test('gives back every header, with no text, empty text, many references, a deleted one, and both kinds of key', async () => {
    const references = Array.from({ length: 70_000 }, (_, i) => `Patient/${i}`)
    const headers: Header[] = [
      { ...header, deleted: true, updated: 0, version: 4_000_000_000 },
      { ...header, patients: [], labels: ['', ''], references: [] },
      { ...header, type: 'Group', patients: ['anna', 'bert'], labels: [], references }
    ]
    for (const each of headers) {
      const sealed = sealOf(each, each.patients.length === 1 ? anna : shared)
      const opened = await open(at(sealed, { type: each.type, version: each.version, recordKey: keyOf(each) }))
      expect(opened?.header).toEqual(each)
      expect(hex(opened!.body)).toBe(hex(body))
    }
  })

  test('gives back bodies of 0 bytes, at a bucket edge and past the scratch buffer; the body is a view, the sealed bytes are exact', async () => {
    for (const size of [0, 1, 300, 60_000, 66_000, 3_000_000]) {
      const content = new Uint8Array(randomBytes(size))
      const sealed = seal({ header, body: content, key: anna, recordKey: keyOf(header), tenant: TENANT })
      const opened = (await open(at(sealed)))!
      expect(Buffer.compare(opened.body, content)).toBe(0)
      expect(opened.body.buffer.byteLength).toBeGreaterThan(size)
      expect(isExact(sealed)).toBe(true)
    }
  })

  test('holds nothing of the content in the clear and never the same bytes twice', () => {
    const [a, b] = [sealOf(), sealOf()]
    for (const word of ['obs-1', 'anna', 'Observation', 'Confidentiality']) expect(Buffer.from(a).includes(word)).toBe(false)
    expect(hex(a.subarray(0, 26))).toBe(hex(b.subarray(0, 26)))
    expect(hex(a.subarray(26, 58))).not.toBe(hex(b.subarray(26, 58)))
  })

  test('an earlier, longer content leaves nothing in the padding of a later one', async () => {
    seal({ header, body: new Uint8Array(5000).fill(0x41), key: anna, recordKey: keyOf(header), tenant: TENANT })
    const opened = (await open(at(sealOf())))!
    const behind = new Uint8Array(opened.body.buffer, opened.body.byteOffset + opened.body.length)
    expect(behind.length).toBeGreaterThan(0)
    expect(behind.every((byte) => byte === 0)).toBe(true)
  })

  test('takes its nonce from the given source', () => {
    const sealed = seal({ header, body, key: anna, recordKey: keyOf(header), tenant: TENANT, random: (n) => new Uint8Array(n).fill(9) })
    expect(hex(sealed.subarray(26, 38))).toBe('09'.repeat(12))
    expect(hex(sealed)).toBe(hex(seal({ header, body, key: anna, recordKey: keyOf(header), tenant: TENANT, random: (n) => new Uint8Array(n).fill(9) })))
  })
})

describe('padding', () => {
  test('sizes are 512·1.25^k: never smaller than the content, at most a quarter more, and few', () => {
    const sizes = new Set<number>()
    for (let bytes = 0; bytes < 60_000; bytes += 7) {
      const padded = paddedBytes(bytes)
      sizes.add(padded)
      expect(padded).toBeGreaterThanOrEqual(bytes)
      expect(padded).toBeLessThanOrEqual(Math.max(512, Math.ceil(bytes * 1.25) + 1))
    }
    expect([...sizes].sort((a, b) => a - b)).toEqual(Array.from({ length: sizes.size }, (_, k) => Math.ceil(512 * 1.25 ** k)))
  })

  test('records that differ by some bytes are sealed to one length, past the edge to the next', () => {
    const length = (size: number) => seal({ header, body: new Uint8Array(size), key: anna, recordKey: keyOf(header), tenant: TENANT }).length
    expect(length(1)).toBe(length(200))
    expect(length(1)).toBe(26 + 12 + 512 + 16)
    expect(length(600)).toBe(26 + 12 + 800 + 16)
  })
})

describe('a change of one thing is found', () => {
  test('the untouched record opens (control)', async () => {
    expect((await open(at(sealOf())))?.header.id).toBe('obs-1')
  })

  test('another record key, type, version or tenant', async () => {
    const sealed = sealOf()
    await broken(at(sealed, { recordKey: ring.recordKey('Observation', 'obs-2') }))
    await broken(at(sealed, { recordKey: new Uint8Array(0) }))
    await broken(at(sealed, { type: 'Condition' }))
    await broken(at(sealed, { version: 2 }))
    await broken(at(sealed, { version: 4 }))
    await broken(at(sealed, { tenant: 'clinic2' }))
  })

  test('one bit in any byte: format, algorithm, key id, nonce, ciphertext, tag', async () => {
    for (const [key, of] of [[anna, header], [shared, { ...header, patients: [] }]] as const) {
      const sealed = sealOf(of, key)
      for (let index = 0; index < sealed.length; index++) await broken(at(flipped(sealed, index, 1 << (index % 8))))
    }
  })

  test('cut at any length, or longer by a byte', async () => {
    const sealed = sealOf()
    for (let length = 0; length < sealed.length; length += 5) await broken(at(sealed.subarray(0, length)))
    await broken(at(sealed.subarray(0, sealed.length - 1)))
    await broken(at(Uint8Array.from([...sealed, 0])))
  })

  test('the key id of another patient, of a class, and the algorithm of the other kind of key', async () => {
    const sealed = sealOf()
    for (const other of [(await ring.patientKey('bert'))!, shared]) {
      const swapped = Uint8Array.from(sealed)
      swapped.set(other.id, 2)
      await broken(at(swapped))
      swapped[1] = 2
      await broken(at(swapped))
    }
  })

  test('a header whose id, type or version is not that of the place, though sealed by a right key for that place', async () => {
    await broken(at(sealOf({ ...header, id: 'obs-2' }, anna, keyOf(header))))
    const other = seal({ header: { ...header, id: 'x' }, body, key: anna, recordKey: keyOf({ ...header, id: 'x' }), tenant: TENANT })
    await broken(at(other))
  })

  test('a record sealed by a patient key for somebody else cannot be made', () => {
    expect(() => sealOf({ ...header, patients: ['bert'] })).toThrow(RangeError)
    expect(() => sealOf({ ...header, patients: ['anna', 'bert'] })).toThrow(RangeError)
    expect(() => sealOf({ ...header, patients: [] })).toThrow(RangeError)
    expect(() => sealOf(header)).not.toThrow()
  })

  test('the same record of another store with the same names', async () => {
    const other = bench(TENANT)
    const otherRing = await other.open()
    const key = await newKey(otherRing, other.documents, 'anna')
    const sealed: Bytes = seal({ header, body, key, recordKey: otherRing.recordKey('Observation', 'obs-1'), tenant: TENANT })
    await broken(at(sealed))
    expect((await open(at(sealed, { ring: otherRing, recordKey: otherRing.recordKey('Observation', 'obs-1') })))?.header.id).toBe('obs-1')
  })
})

describe('a key that is made anew for an erased patient', () => {
  test('leaves what the old one sealed erased, not broken, and opens its own', async () => {
    const other = bench(TENANT)
    const otherRing = await other.open()
    const recordKey = otherRing.recordKey('Observation', 'obs-1')
    const old = await newKey(otherRing, other.documents, 'anna')
    const before = seal({ header, body, key: old, recordKey, tenant: TENANT })
    await other.documents.put([{ name: old.id, expect: null, sealed: null }])
    otherRing.forget('anna')
    expect(await open(at(before, { ring: otherRing, recordKey }))).toBeUndefined()
    const fresh = await newKey(otherRing, other.documents, 'anna')
    expect([hex(fresh.id), hex(fresh.life) === hex(old.life)]).toEqual([hex(old.id), false])
    expect(await open(at(before, { ring: otherRing, recordKey }))).toBeUndefined()
    const after = seal({ header, body, key: fresh, recordKey, tenant: TENANT })
    expect((await open(at(after, { ring: otherRing, recordKey })))?.header.id).toBe('obs-1')
    const relabelled = Uint8Array.from(before)
    relabelled.set(fresh.life, 18)
    await broken(at(relabelled, { ring: otherRing, recordKey }))
    for (let index = 18; index < 26; index++) await broken(at(flipped(before, index), { ring: otherRing, recordKey }))
  })
})
