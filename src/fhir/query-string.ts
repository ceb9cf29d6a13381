import { fault } from '../model/errors.ts'

export type Pair = readonly [name: string, value: string]

/**
 * `a=1&b=2` → pairs in order, `+` as space, percent-decoding strict. There is no nesting: `a[b]=c` is a parameter named `a[b]`, and pairs
 * have no keys that could shadow a prototype. Serves queries and form bodies alike.
 */
export function parsePairs(text: string, paramsMax: number): readonly Pair[] {
  if (text === '') return []
  const pairs: Pair[] = []
  for (const part of text.split('&')) {
    if (part === '') continue
    if (pairs.length === paramsMax) throw fault(422, 'too-costly', `A request may have at most ${paramsMax} parameters (PARAMS_MAX)`)
    const equals = part.indexOf('=')
    pairs.push(equals < 0 ? [decode(part), ''] : [decode(part.slice(0, equals)), decode(part.slice(equals + 1))])
  }
  return pairs
}

function decode(text: string): string {
  if (!/[^!-$&-*,-~]/.test(text)) return text
  const decoded = decodePercent(text.includes('+') ? text.replaceAll('+', ' ') : text)
  if (decoded.includes('\0')) throw fault(400, 'invalid', 'A parameter holds a NUL character')
  return decoded
}

/** Strict: a stray `%`, bytes that are no UTF-8 and raw bytes outside ASCII are refused. */
export function decodePercent(text: string): string {
  if (/[^\x20-\x7e]/.test(text)) throw badEncoding()
  try {
    return decodeURIComponent(text)
  } catch {
    throw badEncoding()
  }
}

const badEncoding = () => fault(400, 'invalid', 'The URL or form is not percent-encoded UTF-8')
