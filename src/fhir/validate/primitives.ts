import { isNumberValue, numberText } from '../../model/decimal.ts'
import { ID_PATTERN } from '../../model/resource.ts'

/** Characters of a string, markdown or xhtml value at most: R4 says 1 MB (https://hl7.org/fhir/R4/datatypes.html#string). */
const STRING_MAX = 1_048_576

/** True when a JSON value is a value of the primitive type. The rules are R4's (https://hl7.org/fhir/R4/datatypes.html#primitive). */
export type PrimitiveCheck = (value: unknown) => boolean

/** The check for a primitive type; undefined = not a primitive type. */
export const primitiveCheck = (type: string): PrimitiveCheck | undefined => CHECKS.get(type)

const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/
const SPACE = /\s/
const CODE_SPACES = /^\s|\s\s|\s$|[\t\n\r\f\v]/
const OID = /^urn:oid:[0-2](\.(0|[1-9][0-9]*))+$/
const UUID = /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const ANY_CASE_UUID = new RegExp(UUID, 'i')
const ABSOLUTE = /^[A-Za-z][A-Za-z0-9+.-]*:./
const INTEGER = /^(0|-?[1-9][0-9]{0,9})$/
const YEAR = '^(\\d{4})'
const MONTH = '-(0[1-9]|1[0-2])'
const DAY = '-(0[1-9]|[12]\\d|3[01])'
const CLOCK = '(?:[01]\\d|2[0-3]):[0-5]\\d:(?:[0-5]\\d|60)(?:\\.\\d+)?'
const ZONE = '(?:Z|[+-](?:(?:0\\d|1[0-3]):[0-5]\\d|14:00))'
const DATE = new RegExp(`${YEAR}(?:${MONTH}(?:${DAY})?)?$`)
const DATE_TIME = new RegExp(`${YEAR}(?:${MONTH}(?:${DAY}(?:T${CLOCK}${ZONE})?)?)?$`)
const INSTANT = new RegExp(`${YEAR}${MONTH}${DAY}T${CLOCK}${ZONE}$`)
const TIME = new RegExp(`^${CLOCK}$`)
const DATE_TEXT_MAX = 64
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/
const INTEGER_MAX = 2_147_483_647
const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

const text = (value: unknown): value is string => typeof value === 'string' && value !== '' && value.length <= STRING_MAX
const plainText = (value: unknown): boolean => text(value) && !CONTROL.test(value) && value.isWellFormed()

function uri(value: unknown): boolean {
  if (!text(value) || SPACE.test(value) || CONTROL.test(value)) return false
  if (value.startsWith('urn:oid:')) return OID.test(value)
  if (value.startsWith('urn:uuid:')) return ANY_CASE_UUID.test(value)
  return true
}

const canonical = (value: unknown): boolean => uri(value) && (ABSOLUTE.test(value as string) || (value as string).startsWith('#'))

const code = (value: unknown): boolean => text(value) && !CODE_SPACES.test(value) && !CONTROL.test(value)

function integer(value: unknown, min: number): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && value >= min && value <= INTEGER_MAX
  if (!isNumberValue(value)) return false
  const written = numberText(value)
  return INTEGER.test(written) && Number(written) >= min && Number(written) <= INTEGER_MAX
}

function dated(value: unknown, pattern: RegExp): boolean {
  if (typeof value !== 'string' || value.length > DATE_TEXT_MAX) return false
  const match = pattern.exec(value)
  if (match === null || match[1] === '0000') return false
  return match[3] === undefined || dayExists(Number(match[1]), Number(match[2]), Number(match[3]))
}

function dayExists(year: number, month: number, day: number): boolean {
  if (month === 2 && day === 29) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  return day <= (DAYS[month - 1] as number)
}

/** Spaces go first: a pattern that allowed them beside the padding would take quadratic time. */
function base64(value: unknown): boolean {
  if (typeof value !== 'string') return false
  const digits = SPACE.test(value) ? value.replace(/\s+/g, '') : value
  return digits !== '' && digits.length % 4 === 0 && BASE64.test(digits)
}

const CHECKS: ReadonlyMap<string, PrimitiveCheck> = new Map<string, PrimitiveCheck>([
  ['boolean', (value) => typeof value === 'boolean'],
  ['integer', (value) => integer(value, -INTEGER_MAX - 1)],
  ['unsignedInt', (value) => integer(value, 0)],
  ['positiveInt', (value) => integer(value, 1)],
  ['decimal', isNumberValue],
  ['string', plainText],
  ['markdown', plainText],
  ['xhtml', text],
  ['uri', uri],
  ['url', uri],
  ['canonical', canonical],
  ['oid', (value) => typeof value === 'string' && OID.test(value)],
  ['uuid', (value) => typeof value === 'string' && UUID.test(value)],
  ['id', (value) => typeof value === 'string' && ID_PATTERN.test(value)],
  ['code', code],
  ['base64Binary', base64],
  ['date', (value) => dated(value, DATE)],
  ['dateTime', (value) => dated(value, DATE_TIME)],
  ['instant', (value) => dated(value, INSTANT)],
  ['time', (value) => typeof value === 'string' && value.length <= DATE_TEXT_MAX && TIME.test(value)],
  ['element-id', (value) => plainText(value) && !SPACE.test(value as string)]
])
