import type { Bytes } from '../model/resource.ts'

/** Each text after its length, so that no two lists give the same text (`['a', 'bc']` and `['ab', 'c']` differ). */
export function lengthPrefixed(texts: readonly string[]): string {
  let out = ''
  for (const text of texts) out += `${text.length}:${text}`
  return out
}

/** Bytes as text, one character of U+0000 to U+00FF a byte: a map key, or a part of a message. */
export function byteText(bytes: Uint8Array): string {
  // Keys and ids have 16 bytes: in one call it is half the work.
  if (bytes.length === 16) {
    return String.fromCharCode(
      bytes[0]!, bytes[1]!, bytes[2]!, bytes[3]!, bytes[4]!, bytes[5]!, bytes[6]!, bytes[7]!,
      bytes[8]!, bytes[9]!, bytes[10]!, bytes[11]!, bytes[12]!, bytes[13]!, bytes[14]!, bytes[15]!
    )
  }
  let text = ''
  for (let i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i]!)
  return text
}

/** UTF-8 bytes in an ArrayBuffer of their own. */
export function utf8(text: string): Bytes {
  return exact(Buffer.from(text, 'utf8'))
}

/** A copy in an ArrayBuffer of exactly its length, as other threads need it. */
export function exact(bytes: Uint8Array): Bytes {
  const out = new Uint8Array(bytes.length)
  out.set(bytes)
  return out
}

/** Parts one after the other. */
export function joined(parts: readonly Uint8Array[]): Bytes {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Order of bytes as numbers; 0 when equal. For terms and names, not for secrets. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = a[i]! - b[i]!
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
