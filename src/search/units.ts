/** Units of UCUM in base units (https://ucum.org/ucum), by the library of the U.S. National Library of Medicine. */
import { createRequire } from 'node:module'
import { LRUCache } from 'lru-cache'

export const UCUM = 'http://unitsofmeasure.org'

/** `value × factor + offset` is the value in base units; units of one dimension compare. */
export interface BaseUnit { readonly dimension: string; readonly factor: number; readonly offset: number }

/**
 * What a UCUM code is in base units; null for what is no UCUM code, for arbitrary units (`[IU]`), which compare with nothing but themselves,
 * and for logarithmic ones (`[pH]`, `dB`). Read once per code.
 */
export function baseUnit(code: string): BaseUnit | null {
  if (code.length > CODE_MAX) return null
  let found = known.get(code)
  if (found === undefined) known.set(code, (found = { unit: read(code) }))
  return found.unit
}

/** In base units, to as many digits as conversion keeps: 0.1 g is 100 mg. */
export const inBase = ({ factor, offset }: BaseUnit, value: number): number =>
  Number.isFinite(value) ? Number((value * factor + offset).toPrecision(DIGITS)) : value

/** Characters of a code; longer ones are as good as none, and cost time. */
const CODE_MAX = 64
const DIGITS = 12
const known = new LRUCache<string, { readonly unit: BaseUnit | null }>({ max: 2_000 })

interface Converted { readonly status: string; readonly magnitude?: number; readonly unitToExp?: Readonly<Record<string, number>> }
interface Converter { convertToBaseUnits(code: string, value: number): Converted }

let converter: Converter | null = null

/** Loaded when the first unit is to be compared: it reads its table of units then. */
function load(): Converter {
  const { UcumLhcUtils } = createRequire(import.meta.url)('@lhncbc/ucum-lhc') as { readonly UcumLhcUtils: { getInstance(): Converter } }
  return (converter ??= UcumLhcUtils.getInstance())
}

function read(code: string): BaseUnit | null {
  const at = (value: number): Converted => (converter ?? load()).convertToBaseUnits(code, value)
  const [zero, one, hundred] = [at(0), at(1), at(100)]
  if (zero.magnitude === undefined || one.magnitude === undefined || hundred.magnitude === undefined || one.status !== 'succeeded') return null
  const factor = one.magnitude - zero.magnitude
  const straight = zero.magnitude + 100 * factor
  if (!Number.isFinite(straight) || factor === 0 || Math.abs(straight - hundred.magnitude) > Math.abs(straight) * 1e-9) return null
  const exponents = Object.entries(one.unitToExp ?? {}).filter(([, exponent]) => exponent !== 0).sort(([a], [b]) => (a < b ? -1 : 1))
  return { dimension: exponents.map(([unit, exponent]) => unit + exponent).join('.'), factor: zero.magnitude === 0 ? one.magnitude : factor, offset: zero.magnitude }
}
