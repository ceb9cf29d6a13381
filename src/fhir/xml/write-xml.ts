import { isRawNumber, numberText } from '../../model/decimal.ts'
import { type Prop, type Shape, shapeOf } from '../validate/shapes.ts'
import { FHIR_NAMESPACE, isAttribute } from './element-order.ts'

/**
 * A resource, as parsed JSON that this server wrote, in R4's XML (https://hl7.org/fhir/R4/xml.html): elements in the order of the
 * StructureDefinitions, numbers with the text they have. A key that R4 does not have is an error of the server, never dropped.
 * Characters that XML cannot hold (U+FFFE, U+FFFF, lone surrogates) become U+FFFD.
 */
export function writeXml(resource: unknown, isPretty = false): string {
  const writer = new Writer(isPretty)
  writer.resource(resource as JsonObject, ` xmlns="${FHIR_NAMESPACE}"`)
  return `<?xml version="1.0" encoding="UTF-8"?>${isPretty ? '' : '\n'}${writer.text}`
}

type JsonObject = Readonly<Record<string, unknown>>

class Writer {
  text = ''
  readonly #isPretty: boolean
  #depth = 0

  constructor(isPretty: boolean) {
    this.#isPretty = isPretty
  }

  resource(value: JsonObject, namespace = ''): void {
    const type = String(value.resourceType)
    const shape = shapeOf(type)
    if (shape === undefined) throw new Error('A reply holds a resource of an unknown type')
    this.#object(type, shape, value, namespace)
  }

  #object(tag: string, shape: Shape, value: JsonObject, attributes: string): void {
    this.#start(tag, attributes)
    let left = Object.keys(value).length - (shape.isResource ? 1 : 0)
    for (const prop of attributesOf(shape)) {
      if (value[prop.key] === undefined) continue
      this.text += ` ${prop.key}="${escaped(String(value[prop.key]))}"`
      left--
    }
    if (left === 0) {
      this.text += '/>'
      return
    }
    this.text += '>'
    this.#depth++
    for (const prop of elementsOf(shape)) {
      const own = value[prop.key]
      const side = prop.check === null ? undefined : value[`_${prop.key}`]
      if (own !== undefined) left--
      if (side !== undefined) left--
      if (own !== undefined || side !== undefined) this.#prop(prop, own, side)
    }
    // What is left over would be lost in silence.
    if (left !== 0) throw new Error(`A reply holds an element that ${shape.name} does not have`)
    this.#end(tag)
  }

  #prop(prop: Prop, value: unknown, side: unknown): void {
    if (!prop.many) return this.#item(prop, value, side)
    const values = (value ?? []) as readonly unknown[]
    const sides = (side ?? []) as readonly unknown[]
    const count = Math.max(values.length, sides.length)
    for (let index = 0; index < count; index++) this.#item(prop, values[index], sides[index])
  }

  #item(prop: Prop, value: unknown, side: unknown): void {
    const { key } = prop
    if (prop.type === 'xhtml') this.#line(String(value))
    else if (prop.check !== null) this.#primitive(key, value, side as JsonObject | null | undefined)
    else if (prop.shape === null) {
      this.#start(key, '>')
      this.#depth++
      this.resource(value as JsonObject)
      this.#end(key)
    } else this.#object(key, prop.shape(), value as JsonObject, '')
  }

  #primitive(tag: string, value: unknown, side: JsonObject | null | undefined): void {
    const attribute = value === undefined || value === null ? '' : ` value="${escaped(textOf(value))}"`
    if (side === undefined || side === null) this.#line(`<${tag}${attribute}/>`)
    else this.#object(tag, shapeOf('Element')!, side, attribute)
  }

  #start(tag: string, attributes: string): void {
    this.#line(`<${tag}${attributes}`)
  }

  #end(tag: string): void {
    this.#depth--
    this.#line(`</${tag}>`)
  }

  #line(text: string): void {
    this.text += this.#isPretty ? `\n${'  '.repeat(this.#depth)}${text}` : text
  }
}

const parts = new WeakMap<Shape, { readonly attributes: readonly Prop[]; readonly elements: readonly Prop[] }>()

function partsOf(shape: Shape) {
  let found = parts.get(shape)
  if (found === undefined) {
    const props = [...shape.props.values()]
    parts.set(shape, (found = { attributes: props.filter((prop) => isAttribute(shape, prop)), elements: props.filter((prop) => !isAttribute(shape, prop)) }))
  }
  return found
}

const attributesOf = (shape: Shape): readonly Prop[] => partsOf(shape).attributes
const elementsOf = (shape: Shape): readonly Prop[] => partsOf(shape).elements

const textOf = (value: unknown): string => (typeof value === 'number' || isRawNumber(value) ? numberText(value) : String(value))

/** Blanks other than the space are written as references: a parser would make spaces of them. */
const SPECIAL = /[&<>"\t\n\r\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g
const REFERENCES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\t': '&#9;', '\n': '&#10;', '\r': '&#13;' }

function escaped(text: string): string {
  const whole = text.isWellFormed() ? text : text.toWellFormed()
  return whole.replace(SPECIAL, (found) => REFERENCES[found] ?? '\ufffd')
}
