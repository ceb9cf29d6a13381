import type { Prop, Shape } from '../validate/shapes.ts'

/** XHTML and FHIR (https://hl7.org/fhir/R4/xml.html). */
export const FHIR_NAMESPACE = 'http://hl7.org/fhir'
export const XHTML_NAMESPACE = 'http://www.w3.org/1999/xhtml'

/** `id` of elements and `url` of extensions are attributes; all else is an element. */
export const isAttribute = (shape: Shape, prop: Prop): boolean => prop.type === 'element-id' || (prop.key === 'url' && shape.name === 'Extension')

export type Syntax = 'boolean' | 'number' | 'text'

/** What the JSON value of a primitive is. */
export const syntaxOf = ({ type }: Prop): Syntax => (type === 'boolean' ? 'boolean' : NUMBERS.has(type) ? 'number' : 'text')

const NUMBERS: ReadonlySet<string> = new Set(['decimal', 'integer', 'unsignedInt', 'positiveInt'])
