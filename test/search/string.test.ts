import { describe, expect, test } from 'vitest'
import { fold, foldString } from '../../src/search/types/text.ts'
import { finds, refusal } from './asking.ts'

const eve = { resourceType: 'Patient', name: [{ family: 'Everdeen-Smith', given: ['Eve', 'Mary  Ann'], prefix: ['Dr'], suffix: ['III'], text: 'Doctor Eve' }] }
const munoz = { resourceType: 'Patient', name: [{ family: 'Muñoz', given: ['Şule'] }] }
const carreno = { resourceType: 'Patient', name: [{ family: 'Carreno de Quinones', given: ['Mary-Lou'] }] }
const obrien = { resourceType: 'Patient', name: [{ family: "O'Brien", given: ['Eve-Lyn'] }], address: [{ line: ['12, Main St.'] }] }
const lodz = { resourceType: 'Patient', name: [{ family: 'Łódź', given: ['Søren', 'Ægir', 'Weiß'] }] }
const home = { resourceType: 'Patient', address: [{ line: ['1 Main St', 'Flat 2'], city: 'Boston', district: 'Suffolk', state: 'MA', postalCode: '02101', country: 'US', text: 'Home, sweet' }] }

describe('string search', () => {
  test.each([
    // R4: "any patients with a name containing a given part with "eve" at the start of the name"
    ['given=eve', eve, true], ['given=ev', eve, true], ['given=ve', eve, false], ['given=evelyn', eve, false],
    ['given=mary ann', eve, true], ['given=ann', eve, false], ['given=MARY', eve, true],
    ['family=everdeen-s', eve, true], ['family=everdeensmith', eve, true], ['family=everdeen smith', eve, false],
    // R4: "searching either Carreno or Quinones should match a family name of Carreno Quinones"; not where all of it is asked for.
    ['family=quinones', carreno, true], ['name=quinones', carreno, true], ['family=de quin', carreno, true], ['family=carreno', carreno, true], ['family=uinones', carreno, false], ['given=lou', carreno, false],
    ['family=smith', eve, true], ['name=smith', eve, true], ['family=mith', eve, false], ['family:exact=Quinones', carreno, false], ['family:contains=quinones', carreno, true], ['given=mary', carreno, true],
    // R4: "Punctuation and non-significant whitespace should also be ignored".
    ['family=obrien', obrien, true], ["family=o'brien", obrien, true], ['family=O’Brien', obrien, true], ['family=O´Brien', obrien, true], ['given=evelyn', obrien, true], ['given=eve-lyn', obrien, true], ['family:exact=OBrien', obrien, false], ["family:exact=O'Brien", obrien, true],
    ['family:contains=brien', obrien, true], ['family:contains=bri.en', obrien, true], ['address=12 main st', obrien, true], ['name=-', obrien, false], ['name=-', { resourceType: 'Patient', name: [{ text: '--' }] }, true],
    // Letters that have no decomposition.
    ['family=lodz', lodz, true], ['family=łódź', lodz, true], ['given=soren', lodz, true], ['given=aegir', lodz, true], ['given=weiss', lodz, true], ['given=Weiß', lodz, true], ['given=weis', lodz, true], ['given=waiss', lodz, false],
    // R4: `name` looks at every part of a HumanName.
    ['name=dr', eve, true], ['name=iii', eve, true], ['name=doctor', eve, true], ['name=everdeen', eve, true], ['name=octor', eve, false],
    ['given=everdeen', eve, false], ['family=eve', eve, true], ['family=dr', eve, false],
    // Accents and case make no difference, in the query or in the record.
    ['family=munoz', munoz, true], ['family=MUÑOZ', munoz, true], ['family=Mun\u0303oz', munoz, true], ['given=sule', munoz, true], ['family=monoz', munoz, false],
    // R4: "any patients with a name with a given part containing "eve" at any position"
    ['given:contains=ve', eve, true], ['given:contains=VE', eve, true], ['family:contains=deen', eve, true], ['given:contains=xx', eve, false],
    // R4: "Note: Eve matches, and eve or EVE do not"
    ['given:exact=Eve', eve, true], ['given:exact=eve', eve, false], ['given:exact=Ev', eve, false], ['family:exact=Munoz', munoz, false], ['family:exact=Muñoz', munoz, true],
    // Addresses: every part.
    ['address=main', home, false], ['address=1 main', home, true], ['address=flat', home, true], ['address=bos', home, true], ['address=suff', home, true],
    ['address=ma', home, true], ['address=021', home, true], ['address=us', home, true], ['address=home', home, true], ['address=sweet', home, false],
    ['address-city=boston', home, true], ['address-city=suffolk', home, false], ['address-postalcode=02101', home, true], ['address-state=bo', home, false],
    // OR by comma, AND by repetition, escapes.
    ['given=adam,eve', eve, true], ['given=adam,bob', eve, false], ['given=eve&family=ever', eve, true], ['given=eve&family=mith', eve, false],
    ['given=eve&given=mary', eve, true], ['address=home\\, sweet', home, true], ['address=home\\,x', home, false],
    // Presence.
    ['family:missing=false', eve, true], ['family:missing=true', eve, false], ['family:missing=true', home, true], ['family:missing=false', home, false]
  ] as const)('%s on %j: %s', (query, resource, expected) => {
    expect(finds(query, resource)).toBe(expected)
  })

  test.each(['family:text=x', 'family:not=x', 'family:above=x', 'family:Exact=x', 'family:exact:contains=x', 'family:='])('%s is refused by name', (query) => {
    const error = refusal('Patient', query)
    expect(error.status).toBe(400)
    expect(error.issues[0]!.diagnostics).toContain('family')
  })

  test('the fold of a prefix is a prefix of the fold, whatever the script', () => {
    const words = ['Straße', 'İstanbul', 'ΟΔΟΣ', 'Ἀθῆναι', '山田 太郎', 'Zoë  van  Dyk', 'a\u0301\u0301b', 'ﬁn', 'Ǆ', '\u{1d4d0}b', 'ŉ']
    for (const word of words) {
      for (let n = 1; n <= word.length; n++) expect(fold(word).startsWith(fold(word.slice(0, n))), `${word} ${n}`).toBe(true)
      expect(fold(fold(word))).toBe(fold(word))
    }
    for (const word of [...words, "O'Brien-Łódź", '¡Hola!', 'Æsir', 'a, b; c']) expect([foldString(foldString(word)), foldString(`${word} x`).startsWith(foldString(word))]).toEqual([foldString(word), true])
    expect(fold('  Zoë \t van\nDYK ')).toBe('zoe van dyk')
    expect(fold('ΟΔΟΣ')).toBe(fold('οδος'))
  })
})
