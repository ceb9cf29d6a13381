/**
 * A log belongs to a slot: `server-1`, `server-2` …, `cli`. Its 8 bytes in the store are six letters and a number; AuditEvent ids start with
 * its name.
 */
import type { Bytes } from '../model/resource.ts'

const SLOT = /^([a-z]{1,6})(?:-([1-9][0-9]{0,4}))?$/
const ROW_ID = /^([a-z]{1,6}(?:-[1-9][0-9]{0,4})?)-([1-9][0-9]{0,12})-(0|[1-9][0-9]{0,6})$/
const NUMBER_MAX = 0xffff
const SEQ_MAX = 2 ** 40 - 1
const PART_MAX = 2 ** 24 - 1

/** 8 bytes of a slot name; throws on a name that is none. */
export function logOf(slot: string): Bytes {
  const [, letters, number] = SLOT.exec(slot) ?? []
  if (letters === undefined || Number(number ?? 0) > NUMBER_MAX) throw new Error('A ledger slot is one to six small letters and, after a hyphen, a number up to 65535')
  const log = new Uint8Array(8)
  for (let at = 0; at < letters.length; at++) log[at] = letters.charCodeAt(at)
  new DataView(log.buffer).setUint16(6, Number(number ?? 0))
  return log
}

/** The name of a log; null when the bytes name none. */
export function slotOf(log: Uint8Array): string | null {
  if (log.length !== 8) return null
  const letters = Buffer.from(log.subarray(0, 6)).toString('latin1').replace(/\0+$/, '')
  const number = log[6]! * 256 + log[7]!
  const slot = number === 0 ? letters : `${letters}-${number}`
  return SLOT.test(slot) ? slot : null
}

/** Slots to try in turn: a numbered name is itself only, a bare one its first 64 numbers (`server`, of whole machines of workers, 256), `cli` itself before them. */
export function slotsFor(name: string): readonly string[] {
  if (name.includes('-')) return [name]
  const numbered = Array.from({ length: name === 'server' ? 256 : 64 }, (_, index) => `${name}-${index + 1}`)
  return name === 'cli' ? ['cli', ...numbered] : numbered
}

/** One projected AuditEvent: entry `seq` of a log, part `part` of its projections. */
export interface RowPlace { readonly log: Bytes; readonly seq: number; readonly part: number }

export const rowId = (slot: string, seq: number, part: number): string => `${slot}-${seq}-${part}`

/** The place that an AuditEvent id names; null when the id is not of the ledger's form. */
export function placeOf(id: string): RowPlace | null {
  const [, slot, seq, part] = ROW_ID.exec(id) ?? []
  if (slot === undefined || Number(seq) > SEQ_MAX || Number(part) > PART_MAX) return null
  const number = Number(slot.split('-')[1] ?? 0)
  return number > NUMBER_MAX ? null : { log: logOf(slot), seq: Number(seq), part: Number(part) }
}

/** 16 bytes that order rows of one millisecond: log, sequence number, part. */
export function rowKey({ log, seq, part }: RowPlace): Bytes {
  const key = new Uint8Array(16)
  key.set(log, 0)
  const view = new DataView(key.buffer)
  view.setUint8(8, Math.floor(seq / 2 ** 32))
  view.setUint32(9, seq >>> 0)
  view.setUint8(13, part >>> 16)
  view.setUint16(14, part & 0xffff)
  return key
}

/** The inverse of rowKey; null for keys of other stores. */
export function placeOfKey(key: Uint8Array): RowPlace | null {
  if (key.length !== 16 || slotOf(key.subarray(0, 8)) === null) return null
  const view = new DataView(key.buffer, key.byteOffset, 16)
  return { log: key.slice(0, 8), seq: view.getUint8(8) * 2 ** 32 + view.getUint32(9), part: view.getUint8(13) * 65536 + view.getUint16(14) }
}
