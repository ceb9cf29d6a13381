import { SaxesParser } from 'saxes'
import type { Walk } from './walk.ts'

/**
 * txt-1 and txt-2: Narrative.div holds one XHTML div of the elements and attributes that R4 allows, without scripts, events, entities,
 * CDATA or declarations, and with some content (https://hl7.org/fhir/R4/narrative.html#xhtml). What an HTML parser would read otherwise
 * than an XML parser does (CDATA, `<!-->`) is refused too, since clients put the div into pages. So is a style that loads something
 * (`url()`), which R4 does not forbid.
 */
export function checkNarrative(walk: Walk, div: string): void {
  try {
    new NarrativeCheck().read(div)
  } catch (error) {
    if (error instanceof Fault) walk.rule('invariant', error.message)
    else walk.structure('invalid', 'The narrative is not well-formed XHTML')
  }
}

class Fault extends Error {}

const XHTML = 'http://www.w3.org/1999/xhtml'

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '))

const ELEMENTS = words('p br div h1 h2 h3 h4 h5 h6 a span b em i strong small big tt u s strike dfn q var abbr acronym cite blockquote '
  + 'hr address bdo kbd sub sup ul ol li dl dt dd pre table caption colgroup col thead tr tfoot tbody th td code samp img map area')

const ATTRIBUTES = words('title style class id lang xml:lang dir accesskey tabindex span width align valign char charoff abbr axis '
  + 'headers scope rowspan colspan')

const OWN_ATTRIBUTES: Readonly<Record<string, ReadonlySet<string>>> = {
  div: words('xmlns'),
  a: words('href name charset type hreflang rel rev shape coords'),
  img: words('src alt border longdesc height usemap ismap'),
  map: words('name'),
  area: words('shape coords href nohref alt'),
  blockquote: words('cite'),
  q: words('cite'),
  table: words('summary border frame rules cellspacing cellpadding'),
  td: words('nowrap height'),
  th: words('nowrap height'),
  pre: words('xml:space'),
  hr: words('size noshade'),
  ol: words('start type'),
  ul: words('type'),
  li: words('value type')
}

const LINKS = words('href cite longdesc usemap')
const LINK_SCHEMES = words('http https mailto tel sms ftp urn')
const IMAGE_SCHEMES: ReadonlySet<string> = words('http https')
const INLINE_IMAGE = /^data:image\/(png|gif|jpe?g|bmp|webp);base64,[A-Za-z0-9+/=\s]*$/
const SCHEME = /^([a-z][a-z0-9+.-]*):/i
/** CSS that loads or runs something, and the escapes and comments that could hide it. */
const ACTIVE_STYLE = /\\|\/\*|url\s*\(|expression|@import|image-set|javascript:|behavior\s*:|-moz-binding/i

class NarrativeCheck {
  #depth = 0
  #content = false

  read(div: string): void {
    const parser = new SaxesParser({ xmlns: false, fragment: false, position: false })
    const foreign = (): never => refuse('has a declaration, an instruction or CDATA')
    parser.on('error', (error) => { throw error })
    parser.on('xmldecl', foreign)
    parser.on('doctype', foreign)
    parser.on('processinginstruction', foreign)
    parser.on('cdata', foreign)
    parser.on('comment', (text) => { if (/^-?>/.test(text)) foreign() })
    parser.on('text', (text) => { if (this.#depth > 0 && /\S/.test(text)) this.#content = true })
    parser.on('opentag', ({ name, attributes }) => this.#open(name, attributes as Record<string, string>))
    parser.on('closetag', () => { this.#depth-- })
    parser.write(div).close()
    if (!this.#content) throw new Fault('txt-2: the narrative has no content')
  }

  #open(name: string, attributes: Readonly<Record<string, string>>): void {
    if (this.#depth++ === 0 && (name !== 'div' || attributes.xmlns !== XHTML)) refuse('is not one div in the XHTML namespace')
    if (!ELEMENTS.has(name)) refuse('has an element that R4 does not allow')
    if (name === 'img') this.#content = true
    for (const [attribute, value] of Object.entries(attributes)) checkAttribute(name, attribute, value)
  }
}

function checkAttribute(element: string, name: string, value: string): void {
  if (!ATTRIBUTES.has(name) && OWN_ATTRIBUTES[element]?.has(name) !== true) refuse('has an attribute that R4 does not allow')
  if (name === 'xmlns' && value !== XHTML) refuse('leaves the XHTML namespace')
  if (name === 'style' && ACTIVE_STYLE.test(value)) refuse('has a style that loads or runs something')
  if (LINKS.has(name) && !schemeIn(value, LINK_SCHEMES)) refuse('has a link of a scheme that is not allowed')
  if (name === 'src' && !INLINE_IMAGE.test(value) && !schemeIn(value, IMAGE_SCHEMES)) refuse('has an image of a scheme that is not allowed')
}

function refuse(fault: string): never {
  throw new Fault(`txt-1: the narrative ${fault}`)
}

/** True for a relative link too. Browsers drop control characters and spaces before they read the scheme, so they are dropped here. */
function schemeIn(value: string, schemes: ReadonlySet<string>): boolean {
  const scheme = SCHEME.exec(value.replace(/[\u0000-\u0020\u007f-\u00a0]+/g, ''))?.[1]
  return scheme === undefined || schemes.has(scheme.toLowerCase())
}
