import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { FhirError } from '../../src/model/errors.ts'
import { parseJson, parseOwnJson } from '../../src/model/json.ts'
import { dataDir } from '../data.ts'

const bounds = { depthMax: 100 }
const parse = (text: string): unknown => parseJson(Buffer.from(text), bounds)
const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)

function refusal(bytes: Uint8Array): FhirError | null {
  try {
    parseJson(bytes, bounds)
    return null
  } catch (error) {
    if (error instanceof FhirError) return error
    throw error
  }
}

const manyKeys = Array.from({ length: 50 }, (_, n) => `"k${n}":1`).join()

const REFUSED: readonly (readonly [title: string, bad: string, good: string])[] = [
  ['the same key twice', '{"a":1,"b":2,"a":3}', '{"a":1,"b":2,"c":3}'],
  ['the same key twice, once escaped', '{"a":1,"\\u0061":2}', '{"a":1,"\\u0062":2}'],
  ['the same key twice in a nested object', '[{"x":{"k":1,"l":[],"k":{}}}]', '[{"k":{"k":1},"l":[]},{"k":1}]'],
  ['the same key twice among many', `{${manyKeys},"k3":2}`, `{${manyKeys}}`],
  ['the key __proto__', '{"__proto__":{"admin":true}}', '{"_proto_":{"admin":true}}'],
  ['the key __proto__ written with an escape', '{"__pr\\u006fto__":1}', '{"__pr\\u006ft__":1}'],
  ['the key constructor', '{"a":{"constructor":{}}}', '{"a":"constructor"}'],
  ['the key prototype', '{"prototype":1}', '{"prototypes":1}'],
  ['101 levels', nested(101), nested(100)],
  ['trailing bytes', '{"a":1}x', '{"a":1} \n'],
  ['a second value', '{} {}', '[{}, {}]'],
  ['half of a surrogate pair', '["\\ud83d"]', '["\\ud83d\\ude00"]'],
  ['the second half alone', '["\\ude00\\ud83d"]', '["\\u00e9"]'],
  ['half of a surrogate pair in a key', '{"\\ud83d":1}', '{"\\ud83d\\ude00":1}'],
  ['a number beyond a double', '[1e999]', '[1e99]'],
  ['a negative number beyond a double', '{"v":-1E400}', '{"v":-1E40}'],
  ['a number of 65 characters', `[0.${'1'.repeat(63)}]`, `[0.${'1'.repeat(62)}]`],
  ['a leading zero', '[012]', '[0.12]'],
  ['a single quote', "{'a':1}", '{"a":1}'],
  ['an empty body', '', 'null'],
  ['an unclosed string', '"abc', '"abc"'],
  ['a closing bracket alone', ']', '[]'],
  ['a control character in a string', '"a\nb"', '"a\\nb"']
]

describe('parseJson', () => {
  it.each(REFUSED)('refuses %s with 400 and takes its corrected twin', (_title, bad, good) => {
    const error = refusal(Buffer.from(bad))
    expect(error?.status).toBe(400)
    expect(error?.issues).toHaveLength(1)
    expect(JSON.parse(JSON.stringify(parse(good)))).toEqual(JSON.parse(good))
  })

  it('says nothing of the body in a refusal', () => {
    for (const text of ['{"secret":1,"secret":2}', '{"secret" 1}', '["secret\\ud83d"]', '{"secret":1}secret', '{"__proto__":"secret"}']) {
      expect(JSON.stringify(refusal(Buffer.from(text))?.issues)).not.toContain('secret')
    }
  })

  it('refuses bytes that are not UTF-8 and drops a byte order mark', () => {
    expect(refusal(Buffer.from([0x22, 0xc3, 0x28, 0x22]))?.status).toBe(400)
    expect(refusal(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))?.status).toBe(400)
    expect(parse('\ufeff{"é":"\u{1f600}"}')).toEqual({ é: '\u{1f600}' })
  })

  it('reads a view into a larger buffer', () => {
    const bytes = Buffer.from('xx{"a":1.50}yy')
    expect(JSON.stringify(parseJson(new Uint8Array(bytes.buffer, bytes.byteOffset + 2, bytes.length - 4), bounds))).toBe('{"a":1.50}')
  })

  it('refuses 100,000 open brackets at once and without recursion', () => {
    const start = performance.now()
    expect(refusal(Buffer.from('['.repeat(100_000)))?.issues[0]?.code).toBe('structure')
    expect(refusal(Buffer.from('{"a":'.repeat(100_000)))?.issues[0]?.code).toBe('structure')
    expect(performance.now() - start).toBeLessThan(2000)
  })

  it('takes an object of 50,000 keys in linear time', () => {
    const text = `{${Array.from({ length: 50_000 }, (_, n) => `"key${n}":${n}`).join()}}`
    const start = performance.now()
    expect(Object.keys(parse(text) as object)).toHaveLength(50_000)
    expect(performance.now() - start).toBeLessThan(5000)
  })

  it('keeps the text of numbers that a double would not give back, wherever they stand', () => {
    const text = '{"a":[1,1.0,{"x":-0,"b\\u0062":1.50,"c":[[2],[0.10]]}],"n":12345678901234567890,"e":1e2,"m":0.1,"u":1e-400}'
    expect(JSON.stringify(parse(text))).toBe(text.replace('b\\u0062', 'bb'))
    expect(JSON.stringify(parse('-0.0'))).toBe('-0.0')
    expect(parse('[1.5,0.000001,-7,123456789012345]')).toEqual([1.5, 0.000001, -7, 123456789012345])
  })

  it('leaves strings that look like numbers or keys alone', () => {
    const text = '{"a":"1.0","b":"{\\"a\\":1,\\"a\\":2}","c":"\\\\","d":["a","a"]}'
    expect(parse(text)).toEqual(JSON.parse(text))
  })
})

const folder = dataDir()
describe.skipIf(folder === null)('parseJson on real bundles', () => {
  it('reads what JSON.parse reads, each number in its own text', () => {
    const from = join(folder as string, 'synthea')
    for (const name of readdirSync(from).slice(0, 4)) {
      const bytes = readFileSync(join(from, name))
      const value = JSON.stringify(parseJson(bytes, bounds))
      expect(JSON.parse(value)).toEqual(JSON.parse(bytes.toString('utf8')))
      expect(value.match(/:\d+\.\d*0[,}]/g)?.length).toBe(bytes.toString('utf8').match(/: \d+\.\d*0[,\s}]/g)?.length)
    }
  })
})

describe('parseOwnJson', () => {
  const NUMBERS = [
    '0', '-0', '1.0', '1.50', '0.10', '-7.0', '10', '100', '1e3', '1E-7', '0.000001', '0.0000001', '123456789012345', '1234567890123456', '12345678901234567890',
    '123456789.123456', '1234567890.1', '99999999999999.95', '0.1234567', '0.30000000000000004', '-0.5', '-0.0', '5e-324'
  ]
  const stored = (text: string): Buffer => Buffer.from(JSON.stringify(parse(text)))
  it.each(NUMBERS)('gives %s back as it was written, wherever it stands', (number) => {
    for (const text of [`[${number}]`, `{"value":${number}}`, `{"a":[1,${number},2]}`, `{"a":"x","b":${number},"c":"y"}`]) {
      expect(JSON.stringify(parseOwnJson(stored(text)))).toBe(text)
    }
  })

  it('gives what parseJson gives for every length of whole and decimal part', () => {
    for (let whole = 1; whole <= 20; whole++) {
      for (let decimals = 0; decimals <= 12; decimals++) {
        for (const digit of ['1', '9', '5']) {
          const text = `{"v":-${digit.repeat(whole)}${decimals === 0 ? '' : `.${'3'.repeat(decimals)}`}}`
          expect(JSON.stringify(parseOwnJson(stored(text)))).toBe(text)
        }
      }
    }
  })
})
