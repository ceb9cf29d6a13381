/** Media types of FHIR resources (https://hl7.org/fhir/R4/http.html#mime-type), the first of equals preferred. What is negotiated, read, answered and declared follows from this table. */
export interface Format {
  readonly type: string
  /** Short name that `_format` takes too. */
  readonly short: string | null
  readonly syntax: 'json' | 'xml'
  /** The Content-Type of an answer: R4 wants the charset said, since HTTP once had another one. */
  readonly contentType: string
}

const format = (type: string, short: string | null, syntax: Format['syntax']): Format => ({ type, short, syntax, contentType: `${type}; charset=utf-8` })

export const JSON_FORMAT = format('application/fhir+json', 'json', 'json')
export const XML_FORMAT = format('application/fhir+xml', 'xml', 'xml')

export const formats: readonly Format[] = [
  JSON_FORMAT,
  format('application/json', null, 'json'),
  XML_FORMAT,
  format('application/xml', null, 'xml'),
  format('text/xml', null, 'xml')
]

const byType: ReadonlyMap<string, Format> = new Map(formats.map((format) => [format.type, format]))

/** By media type without parameters, in lower case. */
export const formatOfType = (type: string): Format | undefined => byType.get(type)

/** What a body of this Content-Type is a resource in; of a Binary only FHIR's own types and plain JSON are, since XML is content as any other (CDA). */
export function bodyFormat(contentType: string, isBinary: boolean): Format | undefined {
  const found = byType.get(contentType.split(';', 1)[0]!.trim().toLowerCase())
  return isBinary && found?.syntax === 'xml' && found !== XML_FORMAT ? undefined : found
}
