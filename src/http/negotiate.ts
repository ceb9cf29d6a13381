import { fault } from '../model/errors.ts'
import type { Exchange, Step } from './exchange.ts'
import type { Pair } from '../fhir/query-string.ts'

/** Content negotiation (https://hl7.org/fhir/R4/http.html#mime-type): JSON only; the generic type is answered with the generic type. */
export const negotiate: Step = (exchange) => {
  const { params, route } = exchange
  const raw = route?.type === 'Binary' && (route.interaction === 'read' || route.interaction === 'vread')
  const format = single(params, '_format')
  if (format !== undefined) exchange.accept = exchange.format = formatOf(format)
  else if (!raw) exchange.format = acceptOf(exchange.incoming.headers.accept)
  if (params.length > 0) {
    exchange.pretty = single(params, '_pretty') === 'true'
    exchange.params = params.filter(([name]) => name !== '_format' && name !== '_pretty')
  }
  return undefined
}

function single(params: readonly Pair[], name: string): string | undefined {
  let found: string | undefined
  for (const [key, value] of params) {
    if (key !== name) continue
    if (found !== undefined) throw fault(400, 'invalid', `${name} must not be repeated`)
    found = value
  }
  return found
}

/** `application/fhir+json` arrives with a space where a client forgot to encode the plus sign. */
function formatOf(value: string): Exchange['format'] {
  const { type, version } = mediaType(value.replace('fhir json', 'fhir+json'))
  if (!version) throw unacceptable()
  if (type === 'application/json') return type
  if (type === 'json' || type === 'application/fhir+json') return 'application/fhir+json'
  throw unacceptable()
}

function acceptOf(accept: string | undefined): Exchange['format'] {
  if (accept === undefined || accept === '' || accept === '*/*' || accept === 'application/fhir+json') return 'application/fhir+json'
  const ranges = accept.split(',', 64).map(mediaType)
  const quality = (names: readonly string[]): number => {
    for (const name of names) {
      const best = ranges.filter(({ type, version }) => type === name && version).map(({ q }) => q)
      if (best.length > 0) return Math.max(...best)
    }
    return 0
  }
  const fhir = quality(['application/fhir+json', 'application/*', '*/*'])
  const generic = quality(['application/json', 'application/*', '*/*'])
  if (fhir === 0 && generic === 0) throw unacceptable()
  return fhir >= generic ? 'application/fhir+json' : 'application/json'
}

/** `version`: false where fhirVersion asks for another release than R4. */
export function mediaType(text: string): { readonly type: string; readonly q: number; readonly version: boolean; readonly charset: string } {
  const [type = '', ...parameters] = text.split(';')
  let q = 1
  let version = true
  let charset = 'utf-8'
  for (const parameter of parameters) {
    const [name = '', value = ''] = parameter.split('=', 2).map((part) => part.trim().toLowerCase().replace(/^"(.*)"$/, '$1'))
    if (name === 'q') q = /^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(value) ? Number(value) : 0
    if (name === 'fhirversion') version = value === '4.0' || value === '4.0.1'
    if (name === 'charset') charset = value
  }
  return { type: type.trim().toLowerCase(), q, version, charset }
}

const unacceptable = () => fault(406, 'not-supported', 'This server answers application/fhir+json of FHIR 4.0')
