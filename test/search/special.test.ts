/** `_text`, `_content`, `near` and `_list`. */
import { describe, expect, test } from 'vitest'
import type { Resource } from '../../src/model/resource.ts'
import { matches } from '../../src/search/match.ts'
import { parseSearch } from '../../src/search/parse.ts'
import { BASE, finds, FULL, OPTIONS, refusal } from './asking.ts'

const condition = {
  resourceType: 'Condition', id: 'c', text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml"><p>Metastases of the <b>liver</b>,&nbsp;not the bone marrow</p></div>' },
  code: { text: 'Néoplasie maligne' }, note: [{ text: 'Seen by Dr. Zoë' }], subject: { reference: 'Patient/1' }
} as Resource

describe('_text', () => {
  test.each([
    ['liver', true], ['LIVER', true], ['metastases liver', true], ['kidney', false], ['liver kidney', false], ['liver or kidney', true], ['(bone OR kidney) AND metastases', true], ['(spleen or kidney) and metastases', false],
    ['not kidney', true], ['not liver', false], ['metastases and not liver', false], ['"bone marrow"', true], ['"marrow bone"', false], ['"of the liver"', true], ['metast*', true], ['metast', false], ['mali*', false],
    ['div', false], ['nbsp', false], ['xhtml', false], ['generated', true]
  ])('%s: %s', (words, expected) => {
    expect(finds(`_text=${words}`, condition, FULL)).toBe(expected)
  })

  test.each(['"', '()', '(liver', 'liver)', 'not', 'or liver', 'liver or', '***', `${'a '.repeat(40)}`, `${'('.repeat(20)}a${')'.repeat(20)}`])('%s is malformed: refused', (words) => {
    expect(refusal('Condition', `_text=${words}`, FULL)).toMatchObject({ status: 400 })
  })

  test('a resource without a narrative has none, and :missing says so', () => {
    const { text: _text, ...bare } = condition
    expect([finds('_text=not liver', bare as Resource, FULL), finds('_text:missing=true', bare as Resource, FULL), finds('_text:missing=true', condition, FULL)]).toEqual([false, true, false])
  })
})

describe('_content', () => {
  test.each([['neoplasie', true], ['zoe', true], ['liver and "seen by"', true], ['kidney', false], ['seen maligne', true], ['"maligne seen"', false]])('%s: %s', (words, expected) => {
    expect(finds(`_content=${words}`, condition, FULL)).toBe(expected)
  })

  test('files in base64 are no text, and cost nothing', () => {
    const file = { resourceType: 'DocumentReference', description: 'scan', content: [{ attachment: { data: 'QUJD'.repeat(5_000) } }] } as unknown as Resource
    expect([finds('_content=scan', file, FULL), finds('_content=qujd*', file, FULL)]).toEqual([true, false])
  })

  test('more characters than TEXT_CHARS_MAX are refused by that name', () => {
    const long = { ...condition, note: [{ text: 'word '.repeat(300) }] } as Resource
    expect(() => finds('_content=word', long, FULL)).toThrow(expect.objectContaining({ status: 422, message: expect.stringContaining('TEXT_CHARS_MAX') }))
    expect(finds('_text=liver', long, FULL)).toBe(true)
    expect(refusal('Condition', '_content=x', OPTIONS).status).toBe(400)
  })
})

describe('near', () => {
  const at = (latitude: number, longitude: number): Resource => ({ resourceType: 'Location', position: { latitude, longitude } }) as Resource
  const vienna = at(48.2082, 16.3738)
  test.each([
    // Vienna and Bratislava are 54.8 km apart, Vienna and Sydney 15,980.
    ['48.1486|17.1077|55|km', vienna, true], ['48.1486|17.1077|54|km', vienna, false], ['48.1486|17.1077|55', vienna, true], ['48.1486|17.1077|55000|m', vienna, true], ['48.1486|17.1077|54000|m', vienna, false],
    ['48.1486|17.1077|34.5|[mi_i]', vienna, true], ['48.1486|17.1077|33|[mi_i]', vienna, false], ['48.21|16.38', vienna, true], ['48.1486|17.1077', vienna, false], ['48.21|16.38||m', vienna, true],
    ['-33.8688|151.2093|16100|km', vienna, true], ['-33.8688|151.2093|15900|km', vienna, false], ['0|179.9|30|km', at(0, -179.9), true], ['90|0|1|m', at(90, 120), true], ['48.2082|16.3738|0|m', vienna, true],
    ['48.21|16.38|20000|km', { resourceType: 'Location' } as Resource, false]
  ] as const)('%s', (value, location, expected) => {
    expect(finds(`near=${value}`, location)).toBe(expected)
  })

  test.each(['48', '48|', 'x|y', '91|0', '0|181', '1|2|-3|km', '1|2|3|kg', '1|2|3|miles', '1|2|3|km|4', '1e1|2'])('%s is refused', (value) => {
    expect(refusal('Location', `near=${value}`).status).toBe(400)
  })

  test(':missing', () => {
    expect([finds('near:missing=true', vienna), finds('near:missing=false', vienna)]).toEqual([false, true])
  })
})

describe('comparing in one resource is bounded', () => {
  const code = Array.from({ length: 500 }, (_, at) => ({ coding: [{ code: `c${at}` }] }))
  const values = Array.from({ length: 200 }, (_, at) => `v${at}`).join()
  const within = (query: string, resource: object, max: number) => (): boolean =>
    matches(parseSearch((resource as Resource).resourceType, [query.split('=') as [string, string]], OPTIONS).filter, resource as Resource, { base: BASE, work: { left: max, max } })
  const tooMuch = expect.objectContaining({ status: 422, message: expect.stringContaining('MATCH_WORK_MAX') })
  test('values times codings, and values times characters where they are looked for in the middle', () => {
    expect(within(`category=${values}`, { resourceType: 'Observation', category: code }, 99_999)).toThrow(tooMuch)
    expect(within(`category=${values}`, { resourceType: 'Observation', category: code }, 100_000)()).toBe(false)
    const long = { resourceType: 'Library', description: 'é '.repeat(50_000) }
    expect(within(`description:contains=${values}`, long, 500_000)).toThrow(tooMuch)
    expect(within('description:contains=x', long, 500_000)()).toBe(false)
    expect(within(`description=${values}`, long, 500)()).toBe(false)
    expect(within(`description:exact=${values}`, long, 500)()).toBe(false)
  })
})
