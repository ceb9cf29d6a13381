import { SealBroken } from './errors.ts'

/** What the store must know of a resource without parsing it. */
export interface Header {
  readonly type: string
  readonly id: string
  readonly version: number
  /** ms since 1970 */
  readonly updated: number
  readonly deleted: boolean
  /** Compartment patients (ids). */
  readonly patients: readonly string[]
  /** Security labels, `system|code`. */
  readonly labels: readonly string[]
  readonly references: readonly string[]
}

/**
 * Layout, little-endian: format (1) ‖ flags (1) ‖ patients (2) ‖ labels (2) ‖ references (4) ‖ version (4) ‖ body bytes (4) ‖ text
 * bytes (4) ‖ updated (8, double) ‖ length of each text in UTF-16 units (4 each) ‖ all texts in UTF-8, one after the other. So one
 * native call decodes them all.
 */
export interface Encoded {
  readonly bytes: number
  /** Writes the header at the start of `out`. */
  write(out: Buffer): void
}

export function encodeHeader(header: Header, bodyBytes: number): Encoded {
  const { patients, labels, references } = header
  if (patients.length > 0xffff || labels.length > 0xffff) throw new RangeError('Too many patients or labels in one resource')
  const texts = [header.type, header.id, ...patients, ...labels, ...references]
  const text = texts.join('')
  const textBytes = Buffer.byteLength(text, 'utf8')
  const textAt = FIXED_BYTES + 4 * texts.length
  return {
    bytes: textAt + textBytes,
    write(out) {
      out[0] = FORMAT
      out[1] = header.deleted ? DELETED : 0
      out.writeUInt16LE(patients.length, 2)
      out.writeUInt16LE(labels.length, 4)
      out.writeUInt32LE(references.length, 6)
      out.writeUInt32LE(header.version, 10)
      out.writeUInt32LE(bodyBytes, 14)
      out.writeUInt32LE(textBytes, 18)
      out.writeDoubleLE(header.updated, 22)
      let at = FIXED_BYTES
      for (const each of texts) at = out.writeUInt32LE(each.length, at)
      out.write(text, at, 'utf8')
    }
  }
}

/** SealBroken where the parts do not add up. */
export function decodeHeader(plain: Buffer): { readonly header: Header; readonly bodyAt: number; readonly bodyBytes: number } {
  if (plain.length < FIXED_BYTES || plain[0] !== FORMAT) throw new SealBroken('header format')
  const counts = [2, plain.readUInt16LE(2), plain.readUInt16LE(4), plain.readUInt32LE(6)] as const
  const textAt = FIXED_BYTES + 4 * (counts[0] + counts[1] + counts[2] + counts[3])
  const bodyAt = textAt + plain.readUInt32LE(18)
  const bodyBytes = plain.readUInt32LE(14)
  if (bodyAt + bodyBytes > plain.length) throw new SealBroken('header lengths')
  const text = plain.toString('utf8', textAt, bodyAt)
  let [lengthAt, at] = [FIXED_BYTES, 0]
  const take = (count: number): string[] => {
    const out: string[] = []
    for (let i = 0; i < count; i++, lengthAt += 4) out.push(text.slice(at, (at += plain.readUInt32LE(lengthAt))))
    return out
  }
  const [type = '', id = ''] = take(counts[0])
  const [patients, labels, references] = [take(counts[1]), take(counts[2]), take(counts[3])]
  if (at !== text.length) throw new SealBroken('header lengths')
  const [version, updated, deleted] = [plain.readUInt32LE(10), plain.readDoubleLE(22), plain[1] === DELETED]
  return { header: { type, id, version, updated, deleted, patients, labels, references }, bodyAt, bodyBytes }
}

const FORMAT = 1
const DELETED = 1
const FIXED_BYTES = 30
