import { fault } from '../model/errors.ts'
import { queryText } from '../model/interaction.ts'
import { type Format, formats, JSON_FORMAT } from '../fhir/formats.ts'
import { parsePairs, type Pair } from '../fhir/query-string.ts'
import type { Exchange, Step } from './exchange.ts'

/** Content negotiation (https://hl7.org/fhir/R4/http.html#mime-type): `_format` before Accept; a generic type is answered with that type. */
export const negotiate: Step = (exchange) => {
  const { params, route } = exchange
  const raw = route?.type === 'Binary' && (route.interaction === 'read' || route.interaction === 'vread')
  const format = single(params, '_format')
  if (format !== undefined) takeFormat(exchange, formatOf(format))
  else exchange.format = acceptOf(exchange.incoming.headers.accept) ?? (raw ? JSON_FORMAT : unacceptable())
  exchange.negotiated = true
  if (params.length > 0) takePretty(exchange)
  return undefined
}

/** The form of a POST _search may say too what is wanted. */
export function negotiateForm(exchange: Exchange, form: readonly Pair[]): void {
  const format = single(form, '_format')
  if (format !== undefined) takeFormat(exchange, formatOf(format))
  takePretty(exchange)
}

/** What an error before the negotiation is told in: what was asked for, where that can be made out. */
export function formatForErrors(exchange: Exchange): Format {
  if (exchange.negotiated) return exchange.format
  try {
    const format = exchange.query.includes('_format') ? single(parsePairs(exchange.query, ERROR_PARAMS_MAX), '_format') : undefined
    return format === undefined ? acceptOf(exchange.incoming.headers.accept) ?? JSON_FORMAT : formatOf(format)
  } catch {
    return JSON_FORMAT
  }
}

const ERROR_PARAMS_MAX = 64

function takeFormat(exchange: Exchange, format: Format): void {
  exchange.format = format
  exchange.accept = format.type
}

function takePretty(exchange: Exchange): void {
  const pretty = single(exchange.params, '_pretty')
  if (pretty !== undefined) exchange.pretty = pretty === 'true'
  const asked = exchange.params.filter(isLayout)
  if (asked.length === 0) return
  exchange.layout = queryText(asked)
  exchange.params = exchange.params.filter((pair) => !isLayout(pair))
}

const isLayout = ([name]: Pair): boolean => name === '_format' || name === '_pretty'

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
function formatOf(value: string): Format {
  const { type, version } = mediaType(value.replace(/fhir (json|xml)/, 'fhir+$1'))
  return formats.find((format) => version && (format.type === type || format.short === type)) ?? unacceptable()
}

/** The best of what an Accept header takes; undefined: nothing that this server has. */
function acceptOf(accept: string | undefined): Format | undefined {
  if (accept === undefined || accept === '' || accept === '*/*' || accept === 'application/fhir+json') return JSON_FORMAT
  const ranges = accept.split(',', 64).map(mediaType)
  const quality = ({ type }: Format): number => {
    for (const name of [type, `${type.slice(0, type.indexOf('/'))}/*`, '*/*']) {
      const best = ranges.filter((range) => range.type === name && range.version).map(({ q }) => q)
      if (best.length > 0) return Math.max(...best)
    }
    return 0
  }
  let best: Format | undefined
  let bestQuality = 0
  for (const format of formats) {
    const found = quality(format)
    if (found > bestQuality) [best, bestQuality] = [format, found]
  }
  return best
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

function unacceptable(): never {
  throw fault(406, 'not-supported', 'This server answers application/fhir+json and application/fhir+xml of FHIR 4.0')
}
