import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { checkValue } from '../../src/crypto/mac.ts'
import { dataKeyName, makeDataKey, openDataKey, type DataKeyPlace } from '../../src/crypto/data-keys.ts'
import { open, seal, SealBroken, type Header } from '../../src/crypto/envelope.ts'
import { encodeHeader } from '../../src/crypto/header.ts'
import type { DataKey, KeyRing } from '../../src/crypto/keys.ts'
import type { KeyObject } from 'node:crypto'
import { bench, hex, newKey } from './memory-documents.ts'

/** The bytes as the docs describe them, made and read here without the code under test: each field of the AAD has its own place. */
const short = (bytes: Uint8Array) => Buffer.concat([Buffer.from([bytes.length]), bytes])
const text = (value: string) => Buffer.concat([Buffer.from([value.length & 255, value.length >> 8]), Buffer.from(value)])
const prefixed = (parts: string[]) => Buffer.from(parts.map((part) => `${part.length}:${part}`).join(''))

function gcmSeal(key: KeyObject, aad: Uint8Array, plain: Uint8Array): Buffer {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad)
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

function gcmOpen(key: KeyObject, aad: Uint8Array, sealed: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12)).setAAD(aad).setAuthTag(sealed.subarray(-16))
  return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])
}

describe('the envelope', () => {
  const header: Header = { type: 'Observation', id: 'obs-1', version: 3, updated: 5, deleted: false, patients: ['anna'], labels: ['a|b'], references: ['Patient/anna'] }
  const body = Buffer.from('{"x":1}')
  let ring: KeyRing
  let key: DataKey

  beforeAll(async () => {
    const place = bench()
    ring = await place.open()
    key = await newKey(ring, place.documents, 'anna')
  })

  const recordKey = () => ring.recordKey('Observation', 'obs-1')
  const aad = (format: number, algorithm: number) => {
    const version = Buffer.alloc(8)
    version.writeDoubleLE(3)
    return Buffer.concat([short(Buffer.from([format, algorithm])), text('clinic'), text('Observation'), short(recordKey()), short(version), short(Buffer.concat([key.id, key.life]))])
  }
  const content = (of: Header, change: (plain: Buffer) => void = () => undefined) => {
    const encoded = encodeHeader(of, body.length)
    const plain = Buffer.alloc(512)
    encoded.write(plain)
    plain.set(body, encoded.bytes)
    change(plain)
    return plain
  }
  const forged = (plain: Uint8Array, format = 1, algorithm = 1) => Buffer.concat([Buffer.from([format, algorithm]), key.id, key.life, gcmSeal(key.seal, aad(format, algorithm), plain)])
  const opened = (sealed: Uint8Array) => open({ sealed, recordKey: recordKey(), type: 'Observation', version: 3, tenant: 'clinic', ring })

  test('is AES-256-GCM with an AAD of format, algorithm, tenant, type, record key, version, data key id and its life', async () => {
    const sealed = seal({ header, body, key, recordKey: recordKey(), tenant: 'clinic' })
    expect(hex(sealed.subarray(0, 26))).toBe(`0101${hex(key.id)}${hex(key.life)}`)
    expect(hex(gcmOpen(key.seal, aad(1, 1), sealed.subarray(26)))).toBe(hex(content(header)))
    expect((await opened(forged(content(header))))?.header).toEqual(header)
  })

  test('of another format or algorithm is refused though its tag is right', () => {
    expect(() => opened(forged(content(header), 2, 1))).toThrow(SealBroken)
    expect(() => opened(forged(content(header), 1, 2))).toThrow(SealBroken)
    expect(() => opened(forged(content(header), 1, 3))).toThrow(SealBroken)
  })

  test('with a right tag but a header of another id, type, version or patient is refused', () => {
    const others: Partial<Header>[] = [{ id: 'obs-2' }, { type: 'Condition' }, { version: 4 }, { patients: ['bert'] }, { patients: [] }, { patients: ['anna', 'bert'] }]
    for (const other of others) expect(() => opened(forged(content({ ...header, ...other })))).toThrow(SealBroken)
  })

  test('with a right tag but lengths that do not add up is refused', () => {
    const changes: ((plain: Buffer) => void)[] = [
      (plain) => plain.writeUInt8(2, 0), (plain) => plain.writeUInt32LE(513, 14), (plain) => plain.writeUInt32LE(0xffffffff, 18), (plain) => plain.writeUInt32LE(0xffffffff, 6),
      (plain) => plain.writeUInt32LE(11, 46), (plain) => plain.writeUInt16LE(2, 2)
    ]
    for (const change of changes) expect(() => opened(forged(content(header, change)))).toThrow(SealBroken)
    expect(() => opened(forged(new Uint8Array(10)))).toThrow(SealBroken)
  })
})

describe('a data key’s document', () => {
  const place: DataKeyPlace = { branch: createSecretKey(randomBytes(32)), tenant: 'clinic', names: createSecretKey(randomBytes(32)) }
  const anna = { kind: 'patient', name: 'anna' } as const
  const aad = (id: Uint8Array, head: Uint8Array) => Buffer.concat([prefixed(['wardkeep-data-key', 'clinic']), id, head])
  const forged = (id: Uint8Array, head: Uint8Array, plain: Uint8Array) => new Uint8Array(Buffer.concat([head, gcmSeal(place.branch, aad(id, head), plain)]))

  test('is AES-256-GCM under the branch key with an AAD of tenant, key id, format, branch and check value', () => {
    const { key, document } = makeDataKey(place, anna)
    const head = document.sealed.subarray(0, 18)
    const plain = gcmOpen(place.branch, aad(key.id, head), document.sealed.subarray(18))
    expect(hex(head)).toBe(`0101${hex(checkValue(plain.subarray(0, 32)))}`)
    expect(plain.subarray(32).toString('latin1')).toBe(`\u0000\u0004anna${'\u0000'.repeat(60)}`)
    expect(openDataKey(place, key.id, forged(key.id, head, plain)).patient).toBe('anna')
  })

  test('is refused with a right tag but the check value of another key, another holder or a class that is none', () => {
    const { key, document } = makeDataKey(place, anna)
    const head = document.sealed.subarray(0, 18)
    const plain = gcmOpen(place.branch, aad(key.id, head), document.sealed.subarray(18))
    const otherCheck = Uint8Array.from(head, (byte, i) => (i === 17 ? byte ^ 1 : byte))
    expect(() => openDataKey(place, key.id, forged(key.id, otherCheck, plain))).toThrow('key check value')
    const bert = dataKeyName(place.names, { kind: 'patient', name: 'bert' })
    expect(() => openDataKey(place, bert, forged(bert, head, plain))).toThrow('key holder')
    for (const kind of [1, 2]) {
      const changed = Buffer.from(plain)
      changed[32] = kind
      expect(() => openDataKey(place, key.id, forged(key.id, head, changed))).toThrow('key holder')
    }
  })

  test('opens under no other tenant or branch key', () => {
    const { key, document } = makeDataKey(place, anna)
    expect(openDataKey(place, key.id, document.sealed).patient).toBe('anna')
    expect(() => openDataKey({ ...place, tenant: 'clinic2' }, key.id, document.sealed)).toThrow(SealBroken)
    expect(() => openDataKey({ ...place, branch: createSecretKey(randomBytes(32)) }, key.id, document.sealed)).toThrow(SealBroken)
  })
})
