/**
 * $docref (http://hl7.org/fhir/us/core/OperationDefinition/docref): the documents of a patient by date of care and type. This server makes no
 * document on demand, so that none is there for who wants only those.
 */
import { fault } from '../../model/errors.ts'
import { parseCriteria } from '../../search/parse.ts'
import { and, codesOf, type Filter, NONE, or } from '../../search/query.ts'
import { dateRange } from '../../search/types/date-text.ts'
import type { SearchAsk, Seen } from '../../store/ports.ts'
import type { Exchange } from '../exchange.ts'
import { searchset } from '../searchset.ts'
import { parameter } from './coding.ts'
import type { Arguments, OperationDefinition } from './operation.ts'

const TYPE = 'DocumentReference'
/** LOINC's "Summary of episode note": a C-CDA CCD, which is meant where nothing is said. */
const CCD = 'http://loinc.org|34133-9'

export const docref: OperationDefinition = {
  code: 'docref',
  definition: 'http://hl7.org/fhir/us/core/OperationDefinition/docref',
  levels: ['type'],
  resourceTypes: [TYPE],
  affectsState: false,
  right: 's',
  parameters: [
    parameter('patient', 'id', '1', 1), parameter('start', 'dateTime'), parameter('end', 'dateTime'), parameter('type', 'token', '*'), parameter('on-demand', 'boolean')
  ],
  async handler({ exchange, given }) {
    const { guarded, site } = exchange
    const [start, end] = [given.text('start'), given.text('end')]
    if (start !== null && end !== null && dateRange(start)!.from >= dateRange(end)!.before) throw fault(400, 'value', "The parameter 'start' lies after 'end'")
    const filter = filterOf(exchange, given)
    const ask: SearchAsk = { type: TYPE, filter, codes: codesOf(filter), order: 'newest', after: null, limit: site.bounds.countMax }
    // Without dates the most recent document is meant.
    const rows = start === null && end === null ? await guarded.choose(ask, (all) => all.toSorted((a, b) => writtenAt(b) - writtenAt(a) || b.row.updated - a.row.updated).slice(0, 1)) : await whole(exchange, ask)
    const query = new URLSearchParams(given.pairs.map(([name, value]) => [name, value]))
    return searchset(exchange, { links: [{ relation: 'self', url: `${site.base}/${TYPE}/$docref?${query}` }], total: rows.length, rows, included: [] })
  }
}

function filterOf({ site }: Exchange, given: Arguments): Filter {
  if (given.text('on-demand') === 'true') return NONE
  const criteria = (...pairs: readonly (readonly [string, string])[]): Filter =>
    parseCriteria(TYPE, new URLSearchParams(pairs.map(([name, value]) => [name, value])).toString(), { base: site.base, ...site.bounds, lenient: false })
  const [start, end] = [given.text('start'), given.text('end')]
  const types = given.texts('type')
  const asked = types.length > 0 ? types : start === null && end === null ? [CCD] : []
  const within = (code: string): readonly (readonly [string, string])[] =>
    [...(start === null ? [] : [[code, `ge${start}`] as const]), ...(end === null ? [] : [[code, `le${end}`] as const])]
  // The time of care; the document's own where that is not said.
  const dated = start === null && end === null ? [] : [or([criteria(['period:missing', 'false'], ...within('period')), criteria(['period:missing', 'true'], ...within('date'))])]
  return and([criteria(['patient', `Patient/${given.text('patient')!}`], ['status:not', 'entered-in-error']), ...(asked.length === 0 ? [] : [criteria(['type', asked.join(',')])]), ...dated])
}

const writtenAt = (seen: Seen): number => {
  const { date } = seen.resource()
  return (typeof date === 'string' ? dateRange(date)?.from : undefined) ?? -Infinity
}

async function whole({ guarded }: Exchange, ask: SearchAsk): Promise<readonly Seen[]> {
  const { rows, next } = await guarded.search(ask)
  if (next !== null) throw fault(422, 'too-costly', 'More documents than COUNT_MAX: name a type or a shorter time')
  return rows
}
