import { createHmac, createSecretKey, hkdfSync, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { AES_GCM, nonceOf, XAES_GCM } from '../../src/crypto/aead.ts'
import { lengthPrefixed } from '../../src/crypto/bytes.ts'
import { derive, hmac256, hmac512 } from '../../src/crypto/mac.ts'
import { hex } from './memory-documents.ts'

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))
const keyOf = (text: string) => createSecretKey(bytes(text))

describe('HMAC', () => {
  test('both digests equal createHmac for every length around the block and scratch bounds, and for text beyond ASCII', () => {
    const texts = ['', 'Müller', '山田太郎', '😀', '\u0000\u00ff', ...[1, 55, 56, 63, 64, 65, 119, 127, 128, 1365, 1366, 5000].map((n) => 'a'.repeat(n))]
    for (const size of [16, 32, 64]) {
      const key = createSecretKey(randomBytes(size))
      for (const text of texts) {
        expect(hex(hmac256(key, text))).toBe(createHmac('sha256', key).update(text).digest('hex'))
        expect(hex(hmac512(key, text))).toBe(createHmac('sha512', key).update(text).digest('hex'))
        expect(hex(hmac256(key, Buffer.from(text)))).toBe(createHmac('sha256', key).update(text).digest('hex'))
      }
    }
  })

  test('RFC 4231 test case 2', () => {
    const key = createSecretKey(Buffer.from('Jefe'))
    expect(hex(hmac256(key, 'what do ya want for nothing?'))).toBe('5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843')
    expect(hex(hmac512(key, 'what do ya want for nothing?')).slice(0, 32)).toBe('164b7a7bfcf819e2e395fbe73b56e0a3')
  })

  test('two keys used in turn do not disturb each other', () => {
    const [a, b] = [createSecretKey(randomBytes(32)), createSecretKey(randomBytes(32))]
    const first = hex(hmac256(a, 'x'))
    expect(hex(hmac256(b, 'x'))).not.toBe(first)
    expect(hex(hmac256(a, 'x'))).toBe(first)
  })

  test('a key is HKDF-SHA-256 of the secret under its label', () => {
    const secret = randomBytes(32)
    const expected = Buffer.from(hkdfSync('sha256', secret, '', 'wardkeep/1/seal', 32)).toString('hex')
    expect(hex(derive(secret, 'seal').export())).toBe(expected)
    expect(hex(derive(secret, 'index').export())).not.toBe(expected)
  })

  test('length prefixes keep lists apart that join to the same text', () => {
    const lists = [['ab', 'c'], ['a', 'bc'], ['abc'], ['', 'abc'], ['abc', ''], ['1:a', 'bc'], ['a1:b', 'c']]
    expect(new Set(lists.map(lengthPrefixed)).size).toBe(lists.length)
  })
})

describe('AEAD', () => {
  const sealed = (aead: typeof AES_GCM, key: string, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): string => {
    const out = new Uint8Array(plain.length + 16)
    aead.seal(keyOf(key), nonce, aad, plain, out, 0)
    expect(hex(aead.open(keyOf(key), nonce, aad, out)!)).toBe(hex(plain))
    out[0]! ^= 1
    expect(aead.open(keyOf(key), nonce, aad, out)).toBeUndefined()
    out[0]! ^= 1
    return hex(out)
  }

  test('AES-256-GCM gives test case 16 of the GCM specification', () => {
    const plain = 'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39'
    const out = sealed(AES_GCM, 'feffe9928665731c6d6a8f9467308308'.repeat(2), bytes('cafebabefacedbaddecaf888'), bytes('feedfacedeadbeeffeedfacedeadbeefabaddad2'), bytes(plain))
    expect(out).toBe('522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662'
      + '76fc6ece0f4e1768cddf8853bb2d551b')
  })

  test('XAES-256-GCM gives both vectors of C2SP, one for each value of the top bit', () => {
    const [nonce, plain] = [Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWX'), Buffer.from('XAES-256-GCM')]
    expect(sealed(XAES_GCM, '01'.repeat(32), nonce, new Uint8Array(0), plain)).toBe('ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271')
    expect(sealed(XAES_GCM, '03'.repeat(32), nonce, Buffer.from('c2sp.org/XAES-256-GCM'), plain)).toBe('986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d')
  })

  test('a shortened tag is refused, however short', () => {
    const [key, nonce, aad] = [keyOf('07'.repeat(32)), new Uint8Array(12), new Uint8Array(0)]
    const out = new Uint8Array(20)
    AES_GCM.seal(key, nonce, aad, new Uint8Array(4), out, 0)
    for (let length = 0; length < 20; length++) expect(AES_GCM.open(key, nonce, aad, out.subarray(0, length))).toBeUndefined()
    expect(AES_GCM.open(key, nonce, aad, out)).toBeDefined()
  })

  test('nonces do not repeat across refills of the pool and are copies of it', () => {
    const nonces = Array.from({ length: 3000 }, () => nonceOf(12))
    expect(new Set(nonces.map(hex)).size).toBe(3000)
    expect(nonces.every((nonce) => nonce.buffer.byteLength === 12)).toBe(true)
  })
})
