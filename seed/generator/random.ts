import { hash } from 'node:crypto'
import { rawNumber, type RawJson } from '../../src/model/decimal.ts'

/** A stream of chance that its name alone decides: the same name gives the same stream on every machine. */
export interface Random {
  /** From 0, inclusive, to 1, exclusive. */
  next(): number
  /** A whole number, both ends included. */
  whole(min: number, max: number): number
  chance(probability: number): boolean
  pick<T>(items: readonly T[]): T
  /** `count` different items, in their own order; all where there are fewer. */
  some<T>(items: readonly T[], count: number): readonly T[]
  digits(count: number): string
  uuid(): string
  /** A JSON number with exactly `places` decimals, such as 1.10. */
  decimal(min: number, max: number, places: number): number | RawJson
}

/** sfc32, seeded by the SHA-256 of the name. Good enough for made-up patients and never used for secrets. */
export function makeRandom(name: string): Random {
  const seed = hash('sha256', name, 'buffer')
  let [a, b, c, d] = [0, 4, 8, 12].map((at) => seed.readInt32LE(at)) as [number, number, number, number]
  const next = (): number => {
    const sum = (a + b + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum | 0
    return (sum >>> 0) / 4_294_967_296
  }
  const whole = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1))
  const letters = (alphabet: string, count: number): string => Array.from({ length: count },
    () => alphabet[whole(0, alphabet.length - 1)]).join('')
  return {
    next, whole,
    chance: (probability) => next() < probability,
    pick: <T>(items: readonly T[]): T => items[whole(0, items.length - 1)]!,
    some<T>(items: readonly T[], count: number) {
      const left = items.map((_, at) => at)
      while (left.length > count) left.splice(whole(0, left.length - 1), 1)
      return left.map((at) => items[at]!)
    },
    digits: (count) => letters('0123456789', count),
    uuid() {
      const hex = letters('0123456789abcdef', 30)
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(12, 15)}-${'89ab'[whole(0, 3)]}${hex.slice(15, 18)}-${hex.slice(18, 30)}`
    },
    decimal: (min, max, places) => decimalOf(min + next() * (max - min), places)
  }
}

/** `272.8` with two places is written 272.80; where a plain number has the same text it stays a plain number. */
export function decimalOf(value: number, places: number): number | RawJson {
  const text = value.toFixed(places)
  return text === String(Number(text)) ? Number(text) : rawNumber(text)
}
