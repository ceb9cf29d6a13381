/** The Bundle of a search. Searchset bundles carry no id and no timestamp. */
import { fault } from '../model/errors.ts'
import { type FhirResponse, queryText } from '../model/interaction.ts'
import { byText, memoized } from '../model/memo.ts'
import { refText } from '../model/resource.ts'
import { ROWS_A_LOOK, takingTurns } from '../model/turns.ts'
import type { Query } from '../search/query.ts'
import { explanation } from './explanation.ts'
import type { FindReport, Row, Seen, Seens } from '../store/ports.ts'
import { type Exchange, linkTo, pageToken, type Place, selfLink } from './exchange.ts'
import { FHIR_JSON, JsonPieces } from './reply.ts'
import { type Subset, subsetOf } from './subset.ts'

export interface Page extends Seens<Place> {
  readonly included: readonly Seen[]
  readonly total: number | null
  /** The page was reached by a link. */
  readonly isLater: boolean
  /** How the searches behind the page were made; null: not asked. */
  readonly reports: readonly FindReport[] | null
}

/** One Bundle; `total` null: not known without looking through all pages. */
export interface Searchset extends Pick<Page, 'rows' | 'included' | 'total'>, Partial<Pick<Page, 'reports'>> {
  readonly links: readonly { readonly relation: string; readonly url: string }[]
  readonly subset?: { readonly match: Subset | null; readonly include: Subset | null }
}

/** A page of a search; `path` follows the FHIR base. */
export function searchPage(exchange: Exchange, path: string, query: Query, page: Page): Promise<FhirResponse> {
  const { rows, included, total, reports } = page
  return searchset(exchange, { rows, included, total, reports, links: linksOf(exchange, path, query.used, page), subset: { match: subsetOf(query, true), include: subsetOf(query, false) } })
}

/** Rows are sent as they are stored, where nothing of them is left out. */
export async function searchset({ site }: Exchange, { links, total, rows, included, reports = null, subset = { match: null, include: null } }: Searchset): Promise<FhirResponse> {
  const pieces = new JsonPieces().text(`{"resourceType":"Bundle","type":"searchset"${total === null ? '' : `,"total":${total}`},"link":${JSON.stringify(links)}`)
  const writer = entryWriter(pieces, site.base)
  const entries = rows.length + included.length
  const turn = takingTurns(ROWS_A_LOOK)
  for (let at = 0; at < entries; at++) {
    if (at < rows.length) writer.write(rows[at]!, 'match', subset.match)
    else writer.write(included[at - rows.length]!, 'include', subset.include)
    const pause = turn()
    if (pause !== undefined) await pause
  }
  writer.end(reports === null ? null : `{"resource":${JSON.stringify(explanation(reports))},"search":{"mode":"outcome"}}`)
  return { status: 200, headers: { 'content-type': FHIR_JSON }, body: pieces.done() }
}

/** Writes entries one behind the other; `end` closes their list, behind an entry of its own if given. */
function entryWriter(pieces: JsonPieces, base: string) {
  const startOf = startsUnder(base)
  let last: keyof typeof ENDS | null = null
  return {
    write(seen: Seen, mode: keyof typeof ENDS, subset: Subset | null): void {
      const start = startOf(seen.row)
      if (last === 'match') pieces.bytes(start)
      else pieces.text(last === null ? ',"entry":[' : `${ENDS.include},`).bytes(start.subarray(BEHIND_BYTES))
      last = mode
      if (subset === null) pieces.bytes(seen.json())
      else pieces.text(JSON.stringify(subset(seen.resource())))
    },
    end(outcome: string | null): void {
      if (last !== null) pieces.text(ENDS[last])
      if (outcome !== null) pieces.text(`${last === null ? ',"entry":[' : ','}${outcome}`)
      pieces.text(last === null && outcome === null ? '}' : ']}')
    }
  }
}

const ENDS = { match: ',"search":{"mode":"match"}}', include: ',"search":{"mode":"include"}}' }
const BEHIND_BYTES = `${ENDS.match},`.length

/** What comes before a row's bytes behind a match: most entries are, and one piece is put in faster than two. */
const startsUnder = byText((base) => memoized((row: Row) => Buffer.from(`${ENDS.match},{"fullUrl":"${base}/${refText(row)}","resource":`)))

function linksOf(exchange: Exchange, path: string, used: Query['used'], { next, previous, isLater }: Page): readonly { readonly relation: string; readonly url: string }[] {
  if (next !== null && 'key' in next && next.key.length === 0) {
    throw fault(422, 'not-supported', "A search within a transaction has no second page of what the transaction writes: ask for more with '_count'")
  }
  const to = (place: Place, back: boolean): string => linkTo(exchange, path, `_page=${pageToken(exchange, path, used, place, back)}`)
  return [
    { relation: 'self', url: selfLink(exchange, path, used) },
    ...(isLater ? [{ relation: 'first', url: linkTo(exchange, path, queryText(used)) }] : []),
    ...(previous === null ? [] : [{ relation: 'previous', url: to(previous, true) }]),
    ...(next === null ? [] : [{ relation: 'next', url: to(next, false) }])
  ]
}
