/** What an operation was called with: the query, and Parameters in the body (https://hl7.org/fhir/R4/operations.html#request). */
import { isNumberValue, numberText } from '../../model/decimal.ts'
import { fault, type FhirError } from '../../model/errors.ts'
import type { FhirRequest } from '../../model/interaction.ts'
import { ID_PATTERN } from '../../model/resource.ts'
import { dateRange } from '../../search/types/date-text.ts'
import { splitUnescaped } from '../../search/types/text.ts'
import { parseToken } from '../../search/types/token.ts'
import { valueIn } from '../body.ts'
import { validateResource } from '../validate/validate.ts'
import { type Arguments, type ComplexType, isComplex, type OperationDefinition, type OperationParameter, type ParameterType } from './operation.ts'

/** FhirError 400 that names what is unknown, malformed, missing or given too often. */
export function argumentsOf(request: FhirRequest, definition: OperationDefinition, jsonDepthMax: number): Arguments {
  const taken = new Taken(definition)
  for (const [name, text] of request.params) if (name !== '_format' && name !== '_pretty') taken.text(name, text)
  const body = bodyOf(request, jsonDepthMax)
  if (body !== null) takeBody(taken, definition, body)
  return taken.done()
}

function bodyOf({ body }: FhirRequest, depthMax: number): JsonObject | null {
  if (body === null || ('bytes' in body && body.bytes.length === 0)) return null
  const value = 'resource' in body ? body.resource : valueIn(body, depthMax)
  if (!isObject(value)) throw fault(400, 'structure', 'The body of an operation is a Parameters resource')
  return value
}

/** A resource may be the body itself where an operation takes one. */
function takeBody(taken: Taken, definition: OperationDefinition, body: JsonObject): void {
  if (body.resourceType !== 'Parameters') {
    const own = definition.parameters.find(({ type }) => type === 'Resource')
    if (own === undefined) throw fault(400, 'structure', 'The body of this operation is a Parameters resource')
    taken.value(own.name, body, 'Resource')
    return
  }
  const given = body.parameter ?? []
  if (!Array.isArray(given) || !given.every(isObject)) throw fault(400, 'structure', 'Parameters.parameter is a list of objects', 'Parameters.parameter')
  // What a resource must be is the operation's to say: $validate is called with bad ones.
  const plain = given.map((parameter) => (parameter.resource === undefined ? parameter : { name: parameter.name, valueBoolean: true }))
  validateResource({ ...body, ...(plain.length === 0 ? {} : { parameter: plain }) }, 'Parameters')
  for (const parameter of given) {
    const key = Object.keys(parameter).find((each) => each.startsWith('value'))
    const value = parameter.resource ?? (key === undefined ? undefined : parameter[key])
    const name = String(parameter.name)
    if (value === undefined) throw malformed(name)
    if (typeof value === 'string' || typeof value === 'boolean' || isNumberValue(value)) taken.text(name, isNumberValue(value) ? numberText(value) : String(value))
    else taken.value(name, value, parameter.resource === undefined ? key!.slice('value'.length) : 'Resource')
  }
}

class Taken {
  readonly #definition: OperationDefinition
  readonly #values = new Map<string, unknown[]>()
  readonly #search: (readonly [string, string])[] = []

  constructor(definition: OperationDefinition) {
    this.#definition = definition
  }

  text(name: string, text: string): void {
    const parameter = this.#known(name)
    if (parameter === null) {
      this.#search.push([name, text])
      return
    }
    if (isComplex(parameter.type) || !FORMS[parameter.type](text)) throw malformed(name)
    this.#add(parameter, text)
  }

  value(name: string, value: unknown, type: string): void {
    const parameter = this.#known(name)
    if (parameter?.type === 'token' && type === 'Coding' && isObject(value)) return this.text(name, tokenOf(value))
    if (parameter === null || !isComplex(parameter.type) || parameter.type !== type || !isObject(value)) throw malformed(name)
    this.#add(parameter, value)
  }

  done(): Arguments {
    const missing = this.#definition.parameters.find(({ name, min }) => min === 1 && !this.#values.has(name))
    if (missing !== undefined) throw fault(400, 'required', `The parameter ${missing.name} is missing`)
    const texts = (name: string): readonly string[] => (this.#values.get(name) ?? []).filter((value) => typeof value === 'string')
    return {
      texts, text: (name) => texts(name)[0] ?? null, value: (name) => this.#values.get(name)?.[0], search: this.#search,
      pairs: [...this.#values.keys()].flatMap((name) => texts(name).map((text) => [name, text] as const))
    }
  }

  /** Null: a search parameter. */
  #known(name: string): OperationParameter | null {
    const { parameters, searches, code } = this.#definition
    const found = parameters.find((parameter) => parameter.name === name)
    if (found !== undefined) return found
    if (searches === true) return null
    const shown = /^[\w.:$[\]-]{1,64}$/.test(name) ? `The parameter ${name}` : 'A parameter'
    const names = parameters.map((parameter) => parameter.name).join(', ')
    throw fault(400, 'not-supported', `${shown} is unknown here; $${code} knows ${names === '' ? 'none' : names}`)
  }

  #add({ name, max }: OperationParameter, value: unknown): void {
    const values = this.#values.get(name)
    if (values === undefined) this.#values.set(name, [value])
    else if (max === '1') throw fault(400, 'invalid', `The parameter ${name} is given more than once`)
    else values.push(value)
  }
}

const tokenOf = ({ system, code }: JsonObject): string => [system ?? '', code ?? ''].map((text) => String(text).replace(/[\\,$|]/g, (sign) => `\\${sign}`)).join('|')

type JsonObject = Readonly<Record<string, unknown>>
const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value)

type Primitive = Exclude<ParameterType, ComplexType>
const isText = (text: string): boolean => text !== ''
const isDate = (text: string): boolean => dateRange(text) !== null

const FORMS: Readonly<Record<Primitive, (text: string) => boolean>> = {
  string: isText, id: (text) => ID_PATTERN.test(text), token: (text) => splitUnescaped(text, ',').every((each) => parseToken(each) !== null), code: isText, uri: isText, canonical: isText, boolean: (text) => text === 'true' || text === 'false',
  integer: (text) => /^-?\d{1,9}$/.test(text), positiveInt: (text) => /^[1-9]\d{0,8}$/.test(text),
  date: (text) => isDate(text) && !text.includes('T'), dateTime: isDate,
  instant: (text) => isDate(text) && /T.*(Z|[+-]\d\d:\d\d)$/.test(text)
}

const malformed = (name: string): FhirError => fault(400, 'value', `The value of the parameter ${name} is malformed or of another type`)
