import { isUtf8 } from 'node:buffer'
import { SaxesParser, type SaxesAttributeNS, type SaxesTagNS } from 'saxes'
import { rawNumber } from '../../model/decimal.ts'
import { fault, type FhirError } from '../../model/errors.ts'
import { NUMBER_TEXT_MAX } from '../../model/json.ts'
import { isResourceType, type Prop, type Shape, shapeOf } from '../validate/shapes.ts'
import { FHIR_NAMESPACE, isAttribute, syntaxOf, XHTML_NAMESPACE } from './element-order.ts'

/**
 * R4 XML (https://hl7.org/fhir/R4/xml.html) to what `parseJson` makes of the same resource in JSON; values are validated there, not here.
 * Refuses with FhirError 400, in words that hold nothing of the body: bytes that are not UTF-8, XML that is not well-formed, document type
 * declarations, entities but XML's own five, processing instructions, CDATA, text between elements, other namespaces, elements that R4
 * does not have there or that are out of order, and what would nest deeper than `depthMax` as JSON. Comments are dropped.
 */
export function parseXml(bytes: Uint8Array, bounds: { readonly depthMax: number }): unknown {
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  const body = Buffer.from(bytes.buffer, bytes.byteOffset + start, bytes.length - start)
  if (!isUtf8(body)) throw fault(400, 'structure', 'The body is not UTF-8')
  return new Reader(body.toString('utf8'), bounds.depthMax).read()
}

interface Frame {
  /** What may stand in the element; null where it holds one resource. */
  readonly shape: Shape | null
  readonly object: Record<string, unknown>
  /** The primitive that the element is, and where it goes. */
  readonly primitive: { readonly into: Frame; readonly prop: Prop; readonly value: unknown } | null
  /** Levels of the same resource as JSON. */
  readonly depth: number
  readonly step: string
  /** Repeating primitives among the children, by name. */
  readonly pairs: Map<string, { readonly values: unknown[]; readonly sides: unknown[] }>
  /** Place of the latest child among the shape's elements. */
  order: number
}

class Reader {
  readonly #source: string
  readonly #depthMax: number
  readonly #frames: Frame[] = []
  readonly #parser = new SaxesParser({ xmlns: true, position: false })
  #root: Record<string, unknown> | null = null
  #element = 0
  #divFrom = -1
  #divDepth = 0

  constructor(source: string, depthMax: number) {
    this.#source = source
    this.#depthMax = depthMax
  }

  read(): unknown {
    const parser = this.#parser
    parser.on('error', () => { throw fault(400, 'structure', 'The body is not well-formed XML') })
    parser.on('xmldecl', ({ version, encoding }) => {
      if (version !== '1.0' || (encoding !== undefined && encoding.toLowerCase() !== 'utf-8')) throw fault(400, 'structure', 'The body must be XML 1.0 in UTF-8')
    })
    parser.on('doctype', () => { throw fault(400, 'structure', 'The body has a document type declaration') })
    parser.on('processinginstruction', () => { throw fault(400, 'structure', 'The body has a processing instruction') })
    parser.on('cdata', () => { throw this.#fault('CDATA has no place in FHIR') })
    parser.on('text', (text) => { if (this.#divDepth === 0 && /\S/.test(text)) throw this.#fault('Text stands in attributes, not between elements') })
    parser.on('opentag', (tag) => this.#open(tag))
    parser.on('closetag', () => this.#close())
    parser.write(this.#source).close()
    if (this.#root === null) throw fault(400, 'structure', 'The body has no resource')
    return this.#root
  }

  #open(tag: SaxesTagNS): void {
    if (++this.#element > this.#depthMax) throw tooDeep(this.#depthMax)
    if (this.#divDepth > 0) {
      this.#divDepth++
      return
    }
    const into = this.#frames.at(-1)
    if (into === undefined) return this.#openResource(tag, null)
    if (into.shape === null) return this.#openResource(tag, into)
    const prop = into.shape.props.get(tag.local)
    const isDiv = prop?.type === 'xhtml'
    if (prop === undefined || isAttribute(into.shape, prop) || tag.uri !== (isDiv ? XHTML_NAMESPACE : FHIR_NAMESPACE)) throw this.#fault('R4 has no such element here', tag)
    this.#inOrder(into, into.shape, prop, tag)
    if (isDiv) this.#openDiv(tag)
    else this.#openProp(tag, into, prop)
  }

  #openResource(tag: SaxesTagNS, holder: Frame | null): void {
    const { local } = tag
    if (tag.uri !== FHIR_NAMESPACE || !isResourceType(local)) throw this.#fault('The element is not an R4 resource type in the FHIR namespace')
    const object: Record<string, unknown> = holder?.object ?? {}
    if (object.resourceType !== undefined) throw this.#fault('There is more than one resource in this element')
    object.resourceType = local
    if (holder === null) this.#root = object
    for (const attribute of Object.values(tag.attributes)) {
      if (!isDeclaration(attribute) && !(holder === null && attribute.uri === XSI && attribute.local === 'schemaLocation')) throw this.#fault('R4 has no such attribute here')
    }
    this.#push({ shape: shapeOf(local)!, object, primitive: null, depth: holder?.depth ?? 1, step: holder === null ? local : '', pairs: new Map(), order: -1 })
  }

  #openProp(tag: SaxesTagNS, into: Frame, prop: Prop): void {
    const depth = into.depth + (prop.many ? 2 : 1)
    const isResource = prop.check === null && prop.shape === null
    const shape = isResource ? null : prop.check === null ? prop.shape!() : shapeOf('Element')!
    const object: Record<string, unknown> = {}
    let value: unknown
    for (const attribute of Object.values(tag.attributes)) {
      if (isDeclaration(attribute)) continue
      const own = attribute.uri === '' ? shape?.props.get(attribute.local) : undefined
      if (own !== undefined && isAttribute(shape!, own)) object[own.key] = attribute.value
      else if (prop.check !== null && attribute.uri === '' && attribute.local === 'value') value = this.#valueOf(prop, attribute.value, tag)
      else throw this.#fault('R4 has no such attribute here', tag)
    }
    const many = into.object[prop.key] as unknown[] | undefined
    const index = prop.check === null ? many?.length : into.pairs.get(prop.key)?.values.length
    if (prop.check === null) {
      if (!prop.many) into.object[prop.key] = object
      else if (many === undefined) into.object[prop.key] = [object]
      else many.push(object)
    }
    this.#push({ shape, object, primitive: prop.check === null ? null : { into, prop, value }, depth, step: stepOf(prop, index), pairs: new Map(), order: -1 })
  }

  #push(frame: Frame): void {
    if (frame.depth > this.#depthMax) throw tooDeep(this.#depthMax)
    this.#frames.push(frame)
  }

  /** Repetitions stand together, in the place that R4 gives the element. */
  #inOrder(frame: Frame, shape: Shape, prop: Prop, tag: SaxesTagNS): void {
    const order = orderOf(shape).get(prop)!
    if (order < frame.order) throw this.#fault('This element stands after one that R4 puts behind it', tag)
    if (order === frame.order && !prop.many) throw this.#fault('This element is there more than once', tag)
    frame.order = order
  }

  #valueOf(prop: Prop, text: string, tag: SaxesTagNS): unknown {
    switch (syntaxOf(prop)) {
      case 'boolean':
        if (text !== 'true' && text !== 'false') throw this.#fault('This is not a valid boolean', tag)
        return text === 'true'
      case 'number': {
        const value = text.length <= NUMBER_TEXT_MAX && NUMBER.test(text) ? Number(text) : Number.NaN
        if (!Number.isFinite(value)) throw this.#fault(`This is not a valid ${prop.type}`, tag)
        return String(value) === text ? value : rawNumber(text)
      }
      default:
        return text
    }
  }

  /** The narrative is taken as it stands in the body. */
  #openDiv(tag: SaxesTagNS): void {
    if (tag.name !== 'div' || tag.attributes.xmlns?.value !== XHTML_NAMESPACE) throw this.#fault('The narrative is a div that declares the XHTML namespace itself', tag)
    this.#divFrom = this.#source.lastIndexOf('<', this.#parser.position - 1)
    this.#divDepth = 1
  }

  #close(): void {
    this.#element--
    if (this.#divDepth > 0) {
      if (--this.#divDepth === 0) this.#frames.at(-1)!.object.div = this.#source.slice(this.#divFrom, this.#parser.position).replace(/\r\n?/g, '\n')
      return
    }
    const frame = this.#frames.pop()!
    if (frame.shape === null && frame.object.resourceType === undefined) throw this.#fault('This element must hold a resource')
    if (frame.primitive !== null) this.#closePrimitive(frame, frame.primitive)
  }

  /** In JSON a primitive's id and extensions lie in `_name`, at the same index where the element repeats. */
  #closePrimitive({ object }: Frame, { into, prop, value }: NonNullable<Frame['primitive']>): void {
    const { key, many } = prop
    const isPlain = Object.keys(object).length === 0
    if (isPlain && value === undefined) throw this.#fault(`ele-1: an element has neither a value nor an extension: ${key}`)
    const target = into.object
    if (!many) {
      if (value !== undefined) target[key] = value
      if (!isPlain) target[`_${key}`] = object
      return
    }
    const found = into.pairs.get(key) ?? { values: [], sides: [] }
    into.pairs.set(key, found)
    found.values.push(value ?? null)
    found.sides.push(isPlain ? null : object)
    if (value !== undefined) target[key] = found.values
    if (!isPlain) target[`_${key}`] = found.sides
  }

  #fault(diagnostics: string, tag?: SaxesTagNS): FhirError {
    const parent = this.#frames.at(-1)?.shape
    const known = tag !== undefined && ELEMENT_NAME.test(tag.local) && parent !== null && parent !== undefined ? [tag.local] : []
    const path = [...this.#frames.map(({ step }) => step), ...known].filter((step) => step !== '').join('.')
    return path === '' ? fault(400, 'structure', diagnostics) : fault(400, 'structure', diagnostics, path)
  }
}

const XSI = 'http://www.w3.org/2001/XMLSchema-instance'
const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/
const ELEMENT_NAME = /^[a-z][A-Za-z0-9]{0,63}$/

const isDeclaration = ({ name, prefix }: SaxesAttributeNS): boolean => name === 'xmlns' || prefix === 'xmlns'

const stepOf = (prop: Prop, index = 0): string => (prop.many ? `${prop.key}[${index}]` : prop.key)

const orders = new WeakMap<Shape, ReadonlyMap<Prop, number>>()

/** The types of a choice share one place. */
function orderOf(shape: Shape): ReadonlyMap<Prop, number> {
  let found = orders.get(shape)
  if (found === undefined) {
    const names = [...new Set([...shape.props.values()].map(({ choice, key }) => choice ?? key))]
    orders.set(shape, (found = new Map([...shape.props.values()].map((prop) => [prop, names.indexOf(prop.choice ?? prop.key)]))))
  }
  return found
}

const tooDeep = (depthMax: number): FhirError => fault(400, 'structure', `The body is nested deeper than ${depthMax} levels`)
