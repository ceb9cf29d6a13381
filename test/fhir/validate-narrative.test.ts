import { describe, expect, it } from 'vitest'
import { FhirError } from '../../src/model/errors.ts'
import { validateResource } from '../../src/fhir/validate/validate.ts'

function refusal(div: string): FhirError | null {
  try {
    validateResource({ resourceType: 'Patient', text: { status: 'generated', div } }, 'Patient')
    return null
  } catch (error) {
    if (error instanceof FhirError) return error
    throw error
  }
}

const wrap = (inner: string): string => `<div xmlns="http://www.w3.org/1999/xhtml">${inner}</div>`

const REFUSED: readonly (readonly [title: string, inner: string])[] = [
  ['a script', '<script>alert(1)</script>'],
  ['a script in upper case', '<SCRIPT>alert(1)</SCRIPT>'],
  ['an event attribute', '<p onclick="x()">a</p>'],
  ['an event attribute of an image', '<img src="#a" onerror="x()"/>'],
  ['a javascript link', '<a href="javascript:x()">a</a>'],
  ['a javascript link in mixed case behind spaces', '<a href=" \tJaVa&#10;Script:x()">a</a>'],
  ['a javascript link by character references', '<a href="&#106;avascript:x()">a</a>'],
  ['a data link', '<a href="data:text/html,x">a</a>'],
  ['a vbscript link', '<a href="vbscript:x">a</a>'],
  ['an image of SVG', '<img src="data:image/svg+xml;base64,AAAA"/>'],
  ['an image from a script', '<img src="javascript:x()"/>'],
  ['a style with url()', '<p style="background: URL (http://x)">a</p>'],
  ['a style with an escape', '<p style="background: u\\72l(http://x)">a</p>'],
  ['a style with an expression', '<p style="width: expression(x)">a</p>'],
  ['a style element', '<style>p { color: red }</style>'],
  ['svg', '<svg><circle/></svg>'],
  ['a form', '<form action="x"><input/></form>'],
  ['an iframe', '<iframe src="http://x"/>'],
  ['an object', '<object data="x"/>'],
  ['another namespace', '<p xmlns="http://www.w3.org/2000/svg">a</p>'],
  ['a prefixed element', '<x:p xmlns:x="http://www.w3.org/1999/xhtml">a</x:p>'],
  ['CDATA', '<p><![CDATA[<script>x</script>]]></p>'],
  ['a comment that HTML ends early', '<p>a</p><!--><script>x</script>-->'],
  ['an instruction', '<p>a</p><?php x ?>'],
  ['no content', '<p> </p>']
]

/** No XML at all. */
const MALFORMED: typeof REFUSED = [
  ['an HTML entity', '<p>a&nbsp;b</p>'],
  ['an unclosed element', '<p>a'],
  ['a bare ampersand', '<p>a & b</p>']
]

const TAKEN: readonly (readonly [title: string, inner: string])[] = [
  ['text with the five entities and character references', '<p>a &lt; b &amp; c&#160;d &#x41;</p>'],
  ['a table', '<table border="1"><caption>c</caption><tbody><tr><td colspan="2" style="color: red; x: 9px">a</td></tr></tbody></table>'],
  ['links', '<p><a href="https://x.org/a?b=c:d">a</a> <a href="#a">b</a> <a name="x">c</a> <a href="Patient/1">d</a></p>'],
  ['an inline image', '<img src="data:image/png;base64,AAAA" alt="a"/>'],
  ['an image of the resource', '<img src="#image"/>'],
  ['a comment', '<!-- a --><p>a</p>'],
  ['languages', '<p lang="de" xml:lang="de" dir="ltr">a</p>']
]

describe('narrative', () => {
  it.each([...REFUSED.map((one) => [422, ...one] as const), ...MALFORMED.map((one) => [400, ...one] as const)])('refuses with %i %s at Patient.text.div', (status, _title, inner) => {
    const error = refusal(wrap(inner))
    expect(error?.status).toBe(status)
    expect(error?.issues.map(({ expression }) => expression)).toEqual([['Patient.text.div']])
  })

  it.each(TAKEN)('takes %s', (_title, inner) => {
    expect(refusal(wrap(inner))?.issues ?? null).toBe(null)
  })

  it('refuses what is not one div in the XHTML namespace', () => {
    for (const div of ['text', '<div>a</div>', '<p xmlns="http://www.w3.org/1999/xhtml">a</p>', `${wrap('a')}${wrap('b')}`,
      `${wrap('a')}tail`,
      `<?xml version="1.0"?>${wrap('a')}`, `<!DOCTYPE div [<!ENTITY a "b">]>${wrap('a')}`, `<!DOCTYPE div>${wrap('a')}`]) {
      expect(refusal(div), div).not.toBe(null)
    }
    expect(refusal(wrap('a'))).toBe(null)
  })
})
