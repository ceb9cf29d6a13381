/** JSON Schemas of resources from the validator's own shapes, so that what a fuzzer makes of them gets past the first checks. */
import { type Prop, type Shape, shapeOf } from '../../src/fhir/validate/shapes.ts'

const DEPTH_MAX = 4

export function resourceSchema(type: string): object {
  const { properties, required } = objectSchema(shapeOf(type)!, 0)
  return { type: 'object', properties: { resourceType: { const: type }, ...properties }, required: ['resourceType', ...required], additionalProperties: false }
}

function objectSchema(shape: Shape, depth: number): { readonly properties: Record<string, object>; readonly required: readonly string[] } {
  const required = shape.required.flatMap(({ element, keys }) => (keys.includes(element) ? [element] : []))
  const shown = [...shape.props.values()].filter((prop) => depth < DEPTH_MAX - 1 || required.includes(prop.key) || prop.check !== null)
    .filter(({ key, type, binding }) => required.includes(key) || (key !== 'contained' && key !== 'text' && key !== 'implicitRules' && type !== 'Extension' && type !== 'Reference' && binding === null))
  return { properties: Object.fromEntries(shown.map((prop) => [prop.key, propSchema(prop, depth)])), required }
}

function propSchema(prop: Prop, depth: number): object {
  const one = prop.check !== null ? primitive(prop.type) : prop.shape === null ? { type: 'object' } : whole(prop.shape(), depth + 1)
  return prop.many ? { type: 'array', items: one, minItems: 1, maxItems: 2 } : one
}

const whole = (shape: Shape, depth: number): object =>
  (depth >= DEPTH_MAX ? { type: 'object' } : { type: 'object', ...objectSchema(shape, depth), minProperties: 1, additionalProperties: false })

const PRIMITIVES: Readonly<Record<string, object>> = {
  boolean: { type: 'boolean' }, decimal: { type: 'number' }, integer: { type: 'integer', minimum: -2147483648, maximum: 2147483647 }, unsignedInt: { type: 'integer', minimum: 0, maximum: 2147483647 },
  positiveInt: { type: 'integer', minimum: 1, maximum: 2147483647 }, date: { enum: ['1970', '2020-02-29'] }, dateTime: { enum: ['1970-01', '2020-02-29T10:00:00Z'] },
  instant: { enum: ['2020-02-29T10:00:00.123+01:00'] }, time: { enum: ['10:00:00'] }, id: { enum: ['held', 'other'] }, code: { enum: ['final', 'GET', 'PUT', 'batch', 'transaction', 'C', '0'] },
  uri: { enum: ['urn:oid:1.2.3', 'http://x.example/a', 'Patient/held', 'Patient', 'urn:uuid:6f1c2b1e-55e4-4e58-9cde-29c4e5bdf4aa'] }, canonical: { enum: ['http://x.example/a|1'] }, base64Binary: { enum: ['eA=='] }
}
const primitive = (type: string): object => PRIMITIVES[type] ?? { type: 'string', pattern: '^[a-zà-ÿ]{1,8}$' }
