import type { KeyObject } from 'node:crypto'
import type { Bytes } from '../model/resource.ts'
import { nonceOf, TAG_BYTES, XAES_GCM } from './aead.ts'
import { exact, lengthPrefixed, utf8 } from './bytes.ts'

/** Seals a page link or token: format ‖ nonce (24) ‖ ciphertext ‖ tag. What was sealed for one label opens for no other. */
export function sealWith(key: KeyObject, tenant: string, label: string, plain: Uint8Array): Bytes {
  const nonce = nonceOf(XAES_GCM.nonceBytes)
  const out = new Uint8Array(BODY_AT + plain.length + TAG_BYTES)
  out[0] = FORMAT
  out.set(nonce, 1)
  XAES_GCM.seal(key, nonce, additional(tenant, label), plain, out, BODY_AT)
  return out
}

/** Undefined for anything that was not sealed with this key for this label. */
export function openWith(key: KeyObject, tenant: string, label: string, sealed: Uint8Array): Bytes | undefined {
  if (sealed[0] !== FORMAT || sealed.length < BODY_AT + TAG_BYTES) return undefined
  const plain = XAES_GCM.open(key, sealed.subarray(1, BODY_AT), additional(tenant, label), sealed.subarray(BODY_AT))
  return plain === undefined ? undefined : exact(plain)
}

const FORMAT = 1
const BODY_AT = 1 + XAES_GCM.nonceBytes

const additional = (tenant: string, label: string): Bytes => utf8(lengthPrefixed(['wardkeep-small', String(FORMAT), tenant, label]))
