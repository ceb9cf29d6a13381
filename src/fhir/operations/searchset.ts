import type { FhirResponse } from '../../model/interaction.ts'
import { refText } from '../../model/resource.ts'
import type { Seen } from '../../store/ports.ts'
import type { Exchange } from '../exchange.ts'
import { FHIR_JSON, isPretty, JsonPieces } from '../reply.ts'

export interface Searchset {
  readonly links: readonly { readonly relation: string; readonly url: string }[]
  /** Null: not known without looking through all pages. */
  readonly total: number | null
  readonly matches: readonly Seen[]
  readonly included: readonly Seen[]
}

/** A searchset Bundle from stored bytes; like that of a search it has no id and no timestamp. */
export function searchset({ request, site }: Exchange, { links, total, matches, included }: Searchset): FhirResponse {
  const pieces = new JsonPieces().text(`{"resourceType":"Bundle","type":"searchset"${total === null ? '' : `,"total":${total}`},"link":${JSON.stringify(links)}`)
  let mark = ',"entry":['
  for (const [mode, rows] of [['match', matches], ['include', included]] as const) {
    for (const seen of rows) {
      pieces.text(`${mark}{"fullUrl":"${site.base}/${refText(seen.row)}","resource":`).bytes(seen.json()).text(`,"search":{"mode":"${mode}"}}`)
      mark = ','
    }
  }
  return { status: 200, headers: { 'content-type': FHIR_JSON }, body: pieces.text(mark === ',' ? ']}' : '}').done(isPretty(request)) }
}
