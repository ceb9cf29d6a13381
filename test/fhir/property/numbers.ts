/** Numbers and quantities of the reference, with a table of units of its own. */
type Fields = Readonly<Record<string, unknown>>
interface Ask { readonly kind: 'number' | 'quantity'; readonly prefix: string; readonly text: string; readonly system: string; readonly code: string }

/** Unit → dimension, factor, offset. */
const UNITS: Readonly<Record<string, readonly [string, number, number] | undefined>> = {
  mg: ['g', 1e-3, 0], g: ['g', 1, 0], kg: ['g', 1e3, 0], ug: ['g', 1e-6, 0], mm: ['m', 1e-3, 0], cm: ['m', 1e-2, 0], m: ['m', 1, 0], Cel: ['K', 1, 273.15],
  '[degF]': ['K', 5 / 9, 459.67 * 5 / 9], K: ['K', 1, 0], '%': ['1', 0.01, 0], '1': ['1', 1, 0]
}

interface Span { readonly low: number; readonly high: number; readonly lowOpen?: boolean; readonly highOpen?: boolean }

function spanOf(value: unknown): Span | null {
  if (typeof value === 'number') return { low: value, high: value }
  if (typeof value !== 'object' || value === null) return null
  const fields = value as Fields & { readonly low?: Fields; readonly high?: Fields; readonly origin?: Fields; readonly value?: number }
  if (fields.origin !== undefined) {
    const samples = (fields.data as string).split(' ').map(Number).filter((each) => !Number.isNaN(each)).map((each) => (fields.origin!.value as number) + each * ((fields.factor as number | undefined) ?? 1))
    return samples.length === 0 ? null : { low: Math.min(...samples), high: Math.max(...samples) }
  }
  if (fields.low !== undefined || fields.high !== undefined) return { low: (fields.low?.value as number | undefined) ?? -Infinity, high: (fields.high?.value as number | undefined) ?? Infinity }
  if (typeof fields.value !== 'number') return null
  switch (fields.comparator) {
    case '<': return { low: -Infinity, high: fields.value, highOpen: true }
    case '<=': return { low: -Infinity, high: fields.value }
    case '>': return { low: fields.value, high: Infinity, lowOpen: true }
    case '>=': return { low: fields.value, high: Infinity }
    default: return { low: fields.value, high: fields.value }
  }
}

const round = (value: number): number => (Number.isFinite(value) ? Number(value.toPrecision(11)) : value)

/** Half of the last digit that was typed; `1e2` is as exact as 100.0 is to ten. */
function halfStep(text: string): number {
  const [mantissa = '', exponent] = text.toLowerCase().split('e')
  const decimals = mantissa.includes('.') ? mantissa.split('.')[1]!.length : exponent === undefined ? 0 : 1
  return 0.5 * 10 ** (Number(exponent ?? 0) - decimals)
}

export function within(how: string | null, ask: Ask, { value }: { readonly value: unknown }, ucum: string): boolean {
  const span = spanOf(value)
  if (span === null) return false
  if (how === 'co') {
    if (typeof value !== 'number') return Number(ask.text) >= span.low && Number(ask.text) <= span.high
    const half = halfStep(String(value))
    return Number(ask.text) >= round(value - half) && Number(ask.text) < round(value + half)
  }
  if (ask.kind === 'number' || (ask.system === '' && ask.code === '')) return compare(ask, span, (x) => x, (x) => x)
  const fields = value as Fields & { readonly low?: Fields; readonly high?: Fields; readonly origin?: Fields }
  const unit: Fields = fields.origin ?? fields.low ?? fields.high ?? fields
  const [system, code] = typeof unit.currency === 'string' ? ['urn:iso:std:iso:4217', unit.currency] : [unit.system, unit.code]
  if (ask.system === '') return (ask.code === code || ask.code === unit.unit) && compare(ask, span, (x) => x, (x) => x)
  if (system !== ask.system) return false
  if (ask.code === '' || ask.code === code) return compare(ask, span, (x) => x, (x) => x)
  const [from, to] = [UNITS[ask.code], UNITS[code as string]]
  if (ask.system !== ucum || from === undefined || to === undefined || from[0] !== to[0]) return false
  return compare(ask, span, (x) => x * from[1] + from[2], (x) => x * to[1] + to[2])
}

function compare(ask: Ask, span: Span, ofAsk: (x: number) => number, ofGiven: (x: number) => number): boolean {
  const value = Number(ask.text)
  const half = ask.prefix === 'ap' ? Math.max(halfStep(ask.text), Math.abs(value) / 10) : halfStep(ask.text)
  const [v, from, to] = [round(ofAsk(value)), round(ofAsk(value - half)), round(ofAsk(value + half))]
  const [low, high] = [round(ofGiven(span.low)), round(ofGiven(span.high))]
  const contained = low >= from && (high < to || (span.highOpen === true && high === to))
  const same = low === v && high === v
  switch (ask.prefix) {
    case 'ne': return !contained
    case 'gt': return high > v
    case 'lt': return low < v
    case 'ge': return high > v || same
    case 'le': return low < v || same
    case 'sa': return low > v || (low === v && span.lowOpen === true)
    case 'eb': return high < v || (high === v && span.highOpen === true)
    case 'ap': return high >= from && low <= to
    default: return contained
  }
}
