import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { resourceTypeNames, type Shape, shapeOf } from '../../src/fhir/validate/shapes.ts'
import { validateResource } from '../../src/fhir/validate/validate.ts'
import { isAttribute } from '../../src/fhir/xml/element-order.ts'
import { parseXml } from '../../src/fhir/xml/read-xml.ts'
import { writeXml } from '../../src/fhir/xml/write-xml.ts'
import { FhirError } from '../../src/model/errors.ts'
import { parseJson } from '../../src/model/json.ts'
import { dataDir } from '../data.ts'
import { canonical } from './canonical.ts'
import { publishedOrder } from './xml-order.ts'

const folder = dataDir()
const depth = { depthMax: 100 }
const read = (xml: string): unknown => parseXml(Buffer.from(xml), depth)
const json = (text: string): unknown => parseJson(Buffer.from(text), depth)
const wrap = (inner: string, type = 'Patient'): string => `<${type} xmlns="http://hl7.org/fhir">${inner}</${type}>`

function faultOf(xml: string | Buffer): string {
  try {
    parseXml(Buffer.from(xml), depth)
  } catch (error) {
    if (error instanceof FhirError) return `${error.status} ${error.issues[0]?.code} ${error.issues[0]?.diagnostics} @${error.issues[0]?.expression?.[0] ?? ''}`
    throw error
  }
  return 'taken'
}

describe('XML and JSON are the same model', () => {
  test.each<[string, string, string]>([
    ['text, booleans, numbers with their digits', '{"resourceType":"Observation","id":"a","valueQuantity":{"value":1.50,"unit":"a<b&\\"c\\">"}}',
      '<id value="a"/><valueQuantity><value value="1.50"/><unit value="a&lt;b&amp;&quot;c&quot;&gt;"/></valueQuantity>'],
    ['decimals of every form', '{"resourceType":"Parameters","parameter":[{"name":"a","valueDecimal":-0.0},{"name":"b","valueDecimal":1E-22},{"name":"c","valueDecimal":12345678901234567890.123},{"name":"d","valueInteger":-7}]}',
      '<parameter><name value="a"/><valueDecimal value="-0.0"/></parameter><parameter><name value="b"/><valueDecimal value="1E-22"/></parameter><parameter><name value="c"/><valueDecimal value="12345678901234567890.123"/></parameter><parameter><name value="d"/><valueInteger value="-7"/></parameter>'],
    ['line ends, tabs and what lies beyond 16 bits', '{"resourceType":"Patient","name":[{"text":"a\\nb\\r\\tc \\ud83d\\ude00"}]}', '<name><text value="a&#10;b&#13;&#9;c 😀"/></name>'],
    ['ids and extensions of primitives', '{"resourceType":"Patient","birthDate":"1970","_birthDate":{"id":"b","extension":[{"url":"http://x.example","valueBoolean":true}]},"deceasedBoolean":false}',
      '<birthDate value="1970" id="b"><extension url="http://x.example"><valueBoolean value="true"/></extension></birthDate><deceasedBoolean value="false"/>'],
    ['repeating primitives of which some have no value', '{"resourceType":"Patient","name":[{"given":[null,"B",null],"_given":[{"id":"x","extension":[{"url":"http://x.example","valueCode":"a"}]},null,{"extension":[{"url":"http://x.example","valueCode":"b"}]}]}]}',
      '<name><given id="x"><extension url="http://x.example"><valueCode value="a"/></extension></given><given value="B"/><given><extension url="http://x.example"><valueCode value="b"/></extension></given></name>'],
    ['a primitive that is only an extension', '{"resourceType":"Patient","name":[{"_given":[{"extension":[{"url":"http://x.example","valueCode":"a"}]}]}],"_birthDate":{"extension":[{"url":"http://x.example","valueCode":"a"}]}}',
      '<name><given><extension url="http://x.example"><valueCode value="a"/></extension></given></name><birthDate><extension url="http://x.example"><valueCode value="a"/></extension></birthDate>'],
    ['ids of elements', '{"resourceType":"Patient","name":[{"id":"n1","family":"A"}]}', '<name id="n1"><family value="A"/></name>'],
    ['narrative as it stands', '{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\"><p title=\'q\'>a &amp; <b>b</b> &#169;<!-- c --><br /></p>\\n</div>"}}',
      '<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><p title=\'q\'>a &amp; <b>b</b> &#169;<!-- c --><br /></p>\n</div></text>'],
    ['contained resources, and resources in Parameters', '{"resourceType":"Parameters","parameter":[{"name":"r","resource":{"resourceType":"Basic","contained":[{"resourceType":"Organization","id":"o","name":"O"},{"resourceType":"Patient","id":"p"}],"code":{"text":"t"}}}]}',
      '<parameter><name value="r"/><resource><Basic><contained><Organization><id value="o"/><name value="O"/></Organization></contained><contained><Patient><id value="p"/></Patient></contained><code><text value="t"/></code></Basic></resource></parameter>'],
    ['a Bundle', '{"resourceType":"Bundle","type":"batch","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}]}',
      '<type value="batch"/><entry><fullUrl value="urn:uuid:1"/><resource><Patient/></resource><request><method value="POST"/><url value="Patient"/></request></entry>']
  ])('%s', (_title, text, inner) => {
    const value = json(text)
    const type = (value as { resourceType: string }).resourceType
    expect(writeXml(value)).toBe(`<?xml version="1.0" encoding="UTF-8"?>\n${wrap(inner, type)}`)
    expect(canonical(read(wrap(inner, type)))).toBe(canonical(value))
    expect(canonical(read(writeXml(value, true)))).toBe(canonical(value))
  })

  test('declarations, comments, prefixes and schema locations may be there', () => {
    const expected = { resourceType: 'Patient', active: true }
    for (const xml of ['\ufeff<?xml version="1.0" encoding="utf-8" standalone="yes"?>\r\n<!-- a --><f:Patient xmlns:f="http://hl7.org/fhir"><f:active value="true"/><!-- b --></f:Patient>\n',
      '<Patient xmlns="http://hl7.org/fhir" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://hl7.org/fhir ../patient.xsd"> <active value="true" /> </Patient>']) expect(read(xml)).toEqual(expected)
  })

  test('what XML cannot hold becomes a replacement character, and no reply is broken by it', () => {
    expect(read(writeXml({ resourceType: 'Patient', name: [{ text: 'a\ufffeb\uffffc\ud800d\u0001e' }] }))).toEqual({ resourceType: 'Patient', name: [{ text: 'a\ufffdb\ufffdc\ufffdd\ufffde' }] })
  })

  test('an element that R4 does not have is never dropped in silence', () => {
    expect(() => writeXml({ resourceType: 'Patient', shoe: 4 })).toThrow()
    expect(() => writeXml({ resourceType: 'Shoe' })).toThrow()
  })

  test('elements stand in the order that HL7 publishes, attributes are the same', () => {
    const published = publishedOrder()
    const done = new Set<string>()
    const check = (shape: Shape): void => {
      if (done.has(shape.name)) return
      done.add(shape.name)
      const listed = published.get(shape.name) ?? []
      const own = [...shape.props.values()].map((prop) => ({ name: prop.choice ?? prop.key, isAttribute: isAttribute(shape, prop) })).filter(({ name }) => listed.some((other) => other.name === name))
      const distinct = own.filter(({ name }, index) => own.findIndex((other) => other.name === name) === index)
      const base = shape.name === 'Quantity' ? ['id', 'extension'] : []
      expect([shape.name, distinct.filter(({ name }) => !base.includes(name))]).toEqual([shape.name, listed.filter(({ name }) => !base.includes(name))])
      for (const prop of shape.props.values()) if (prop.shape !== null) check(prop.shape())
    }
    for (const type of resourceTypeNames()) check(shapeOf(type)!)
    expect(done.size).toBeGreaterThan(600)
  })
})

describe.skipIf(folder === null)('the R4 examples', () => {
  test('that are valid come back equal from XML, decimals with their digits, elements in the order in which HL7 wrote them', () => {
    let taken = 0
    const others: string[] = []
    for (const name of readdirSync(join(folder!, 'r4-examples')).filter((each) => each.endsWith('.json'))) {
      const value = parseJson(readFileSync(join(folder!, 'r4-examples', name)), depth)
      try {
        validateResource(value, null)
      } catch {
        continue
      }
      taken++
      const xml = writeXml(value)
      const back = read(xml)
      expect(canonical(back), name).toBe(canonical(value))
      expect(writeXml(back), name).toBe(xml)
      if (JSON.stringify(back) !== JSON.stringify(value)) others.push(name)
    }
    expect(taken).toBeGreaterThan(600)
    // This one alone was published with its keys in order of the alphabet.
    expect(others).toEqual(['Bundle-terminologies.json'])
  })
})

describe('XML that is refused', () => {
  test.each<[string, string, RegExp]>([
    ['a document type', `<!DOCTYPE Patient>${wrap('')}`, /^400 structure .*document type/],
    ['an entity of its own', `<!DOCTYPE x [<!ENTITY a "b">]>${wrap('<active value="&a;"/>')}`, /^400 structure/],
    ['an external entity', `<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>${wrap('<name><text value="x"/></name>&a;')}`, /^400 structure .*document type/],
    ['entities in entities', `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>${wrap('<id value="&b;"/>')}`, /^400 structure/],
    ['an entity that is not declared', wrap('<id value="&nbsp;"/>'), /not well-formed/],
    ['an entity in the narrative', wrap('<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">&nbsp;</div></text>'), /not well-formed/],
    ['a processing instruction', `<?xml-stylesheet href="x"?>${wrap('')}`, /processing instruction/],
    ['CDATA', wrap('<![CDATA[x]]>'), /CDATA/],
    ['text between elements', wrap('x'), /Text stands in attributes/],
    ['text in a primitive', wrap('<active>true</active>'), /ele-1|Text stands in attributes.*@Patient/],
    ['no namespace', '<Patient/>', /not an R4 resource type/],
    ['another namespace', '<Patient xmlns="urn:x"/>', /not an R4 resource type/],
    ['an element of another namespace', '<Patient xmlns="http://hl7.org/fhir" xmlns:x="urn:x"><x:active value="true"/></Patient>', /no such element/],
    ['an attribute of another namespace', '<Patient xmlns="http://hl7.org/fhir" xmlns:x="urn:x"><active x:value="true"/></Patient>', /no such attribute/],
    ['a prefix that is not declared', wrap('<x:active value="true"/>'), /not well-formed/],
    ['an unknown resource', '<Shoe xmlns="http://hl7.org/fhir"/>', /not an R4 resource type/],
    ['an abstract resource', '<DomainResource xmlns="http://hl7.org/fhir"/>', /not an R4 resource type/],
    ['an unknown element', wrap('<shoe value="4"/>'), /no such element here @Patient\.shoe$/],
    ['an unknown element inside', wrap('<name/><name><shoe value="4"/></name>'), /no such element here @Patient\.name\[1\]\.shoe$/],
    ['a key of prototypes', wrap('<__proto__ value="4"/>'), /no such element/],
    ['an unknown attribute', wrap('<active value="true" shoe="4"/>'), /no such attribute/],
    ['an attribute of the resource', '<Patient xmlns="http://hl7.org/fhir" id="a"/>', /no such attribute/],
    ['a value on what has none', wrap('<name value="a"/>'), /no such attribute/],
    ['an extension whose url is an element', wrap('<extension><url value="http://x.example"/></extension>'), /no such element/],
    ['the wrong order', wrap('<birthDate value="1970"/><active value="true"/>'), /stands after .*@Patient\.active$/],
    ['repetitions that are apart', wrap('<name><text value="a"/></name><active value="true"/><name><text value="b"/></name>'), /stands after/],
    ['an element twice', wrap('<active value="true"/><active value="true"/>'), /more than once/],
    ['two types of a choice', wrap('<deceasedBoolean value="true"/><deceasedDateTime value="1970"/>'), /more than once/],
    ['a boolean that is none', wrap('<active value="1"/>'), /not a valid boolean/],
    ['a number that is none', wrap('<multipleBirthInteger value="0x1"/>'), /not a valid integer/],
    ['a number beyond a double', wrap('<valueDecimal value="1e999"/>', 'Parameters').replace('<valueD', '<parameter><name value="a"/><valueD').replace('</Parameters>', '</parameter></Parameters>'), /not a valid decimal/],
    ['a primitive with nothing', wrap('<active/>'), /ele-1/],
    ['two resources in one place', wrap('<contained><Patient/><Patient/></contained>'), /more than one resource/],
    ['a place without its resource', wrap('<contained/>'), /must hold a resource/],
    ['a narrative with a prefix', '<Patient xmlns="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml"><text><status value="generated"/><h:div>a</h:div></text></Patient>', /declares the XHTML namespace itself/],
    ['a narrative outside XHTML', wrap('<text><status value="generated"/><div>a</div></text>'), /no such element/],
    ['a broken end', '<Patient xmlns="http://hl7.org/fhir">', /not well-formed/],
    ['two roots', wrap('') + wrap(''), /not well-formed/],
    ['nothing', '', /^400/],
    ['JSON', '{"resourceType":"Patient"}', /^400/],
    ['XML 1.1', `<?xml version="1.1"?>${wrap('')}`, /XML 1\.0/],
    ['another encoding', `<?xml version="1.0" encoding="ISO-8859-1"?>${wrap('')}`, /UTF-8/],
    ['a character that XML forbids', wrap('<id value="&#1;"/>'), /not well-formed/]
  ])('%s', (_title, xml, fault) => expect(faultOf(xml)).toMatch(fault))

  test('bytes that are not UTF-8', () => expect(faultOf(Buffer.from(wrap('<id value="é"/>'), 'latin1'))).toMatch(/UTF-8/))

  test('nesting that JSON would refuse too, to the level; and deep narrative does not cost quadratic time', () => {
    const nested = (levels: number): string => wrap(`${'<item><item>'.repeat(levels)}${'</item></item>'.repeat(levels)}`, 'Questionnaire')
    expect([faultOf(nested(24)), faultOf(nested(25))]).toEqual(['taken', '400 structure The body is nested deeper than 100 levels @'])
    const started = process.cpuUsage()
    expect(faultOf(wrap(`<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">${'<b>'.repeat(500_000)}`))).toContain('nested deeper')
    expect(faultOf(`<!DOCTYPE x [${'<!ENTITY a "b">'.repeat(100_000)}]>${wrap('')}`)).toMatch(/document type/)
    expect(faultOf(`<Patient xmlns="http://hl7.org/fhir" ${Array.from({ length: 50_000 }, (_, n) => `xmlns:a${n}="urn:${n}"`).join(' ')}/>`)).toBe('taken')
    // Time of this process alone: a busy machine is no fault of the reader.
    const { user, system } = process.cpuUsage(started)
    expect((user + system) / 1000).toBeLessThan(5_000)
  })
})
