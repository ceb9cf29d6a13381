import { createCipheriv, createDecipheriv, randomFillSync, type KeyObject } from 'node:crypto'
import type { Bytes } from '../model/resource.ts'

/**
 * AES-256-GCM (NIST SP 800-38D) with a nonce of 96 random bits: at most 2^32 messages under one key, so for keys of one patient and
 * for wrapped keys. XAES-256-GCM (C2SP) takes 192 bits and has no such bound: for keys that a whole tenant shares for years.
 */
export interface Aead {
  readonly nonceBytes: number
  /** ciphertext ‖ 16-byte tag, written to `out` at `at`. */
  seal(key: KeyObject, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array, out: Uint8Array, at: number): void
  /** Plain bytes in a buffer of their own, or undefined when the tag does not fit. `sealed` = ciphertext ‖ tag. */
  open(key: KeyObject, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array<ArrayBuffer> | undefined
}

export const TAG_BYTES = 16

export const AES_GCM: Aead = { nonceBytes: 12, seal: sealGcm, open: openGcm }

export const XAES_GCM: Aead = {
  nonceBytes: 24,
  seal: (key, nonce, aad, plain, out, at) => sealGcm(messageKey(key, nonce), nonce.subarray(12), aad, plain, out, at),
  open: (key, nonce, aad, sealed) => openGcm(messageKey(key, nonce), nonce.subarray(12), aad, sealed)
}

/** Random bytes for nonces, drawn from the system some kilobytes at a time. Not for keys. */
export function nonceOf(length: number): Bytes {
  if (used + length > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += length
  return pool.slice(used - length, used)
}

const pool = new Uint8Array(6144)
let used = pool.length

type AesKey = KeyObject | Uint8Array

function sealGcm(key: AesKey, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array, out: Uint8Array, at: number): void {
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(aad)
  out.set(cipher.update(plain), at)
  cipher.final()
  out.set(cipher.getAuthTag(), at + plain.length)
}

function openGcm(key: AesKey, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const end = sealed.length - TAG_BYTES
  if (end < 0) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key, nonce)
  decipher.setAAD(aad)
  // Always all 16 bytes of it: a shorter tag would be easier to forge.
  decipher.setAuthTag(sealed.subarray(end))
  const plain = decipher.update(sealed.subarray(0, end))
  try {
    decipher.final()
  } catch {
    return undefined
  }
  return plain
}

/** XAES-256-GCM: the message key is CMAC_AES(key, [1 and 2] ‖ "X" ‖ 0 ‖ first 12 bytes of the nonce). */
function messageKey(key: KeyObject, nonce: Uint8Array): Uint8Array {
  const mask = masks.get(key) ?? makeMask(key)
  const blocks = new Uint8Array(32)
  for (let block = 0; block < 2; block++) {
    blocks.set([0, block + 1, 0x58, 0], block * 16)
    blocks.set(nonce.subarray(0, 12), block * 16 + 4)
  }
  for (let i = 0; i < 32; i++) blocks[i]! ^= mask[i & 15]!
  return aesBlocks(key, blocks)
}

const masks = new WeakMap<KeyObject, Uint8Array>()

/** K1 of CMAC (NIST SP 800-38B): AES(key, 0) doubled in GF(2^128). */
function makeMask(key: KeyObject): Uint8Array {
  const zero = aesBlocks(key, new Uint8Array(16))
  const mask = new Uint8Array(16)
  for (let i = 0; i < 16; i++) mask[i] = (zero[i]! << 1) | ((zero[i + 1] ?? 0) >> 7)
  if (zero[0]! > 127) mask[15]! ^= 0x87
  masks.set(key, mask)
  return mask
}

function aesBlocks(key: KeyObject, blocks: Uint8Array): Uint8Array {
  return createCipheriv('aes-256-ecb', key, null).setAutoPadding(false).update(blocks)
}
