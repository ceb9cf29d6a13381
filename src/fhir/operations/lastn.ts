/** $lastn (https://hl7.org/fhir/R4/observation-operation-lastn.html): of each code the newest observations. */
import { fault } from '../../model/errors.ts'
import type { Coding, Resource } from '../../model/resource.ts'
import { parseSearch } from '../../search/parse.ts'
import { isResultParameter } from '../../search/result-parameters.ts'
import { dateRange } from '../../search/types/date-text.ts'
import type { Seen } from '../../store/ports.ts'
import { searchset } from '../searchset.ts'
import { lookupsFor } from '../terminology/lookups.ts'
import type { OperationDefinition } from './operation.ts'

export const lastN: OperationDefinition = {
  code: 'lastn',
  definition: 'http://hl7.org/fhir/OperationDefinition/Observation-lastn',
  levels: ['type'],
  resourceTypes: ['Observation'],
  affectsState: false,
  right: 's',
  parameters: [{ name: 'max', type: 'positiveInt', min: 0, max: '1' }],
  searches: true,
  async handler({ exchange, given }) {
    const { site, guarded } = exchange
    for (const [name] of given.search) if (isResultParameter(name)) throw fault(400, 'not-supported', `The parameter ${name} is unknown here; $lastn knows max and the search parameters of Observation`)
    const query = parseSearch('Observation', given.search, { base: site.base, ...site.bounds, ...(await lookupsFor(exchange, given.search)), lenient: false, now: () => site.now })
    if (!query.codes.some((code) => code === 'patient' || code === 'subject')) throw fault(400, 'required', 'The parameter patient or subject is missing')
    const max = Number(given.text('max') ?? 1)
    const rows = await guarded.choose({ type: 'Observation', filter: query.filter, codes: query.codes, order: 'newest' }, (all) => newestOfEach(all, max))
    const links = [{ relation: 'self', url: `${site.base}/Observation/$lastn?${new URLSearchParams([...given.search, ...given.pairs].map(([name, value]) => [name, value]))}` }]
    return searchset(exchange, { links, total: rows.length, rows, included: [] })
  }
}

/** Groups stand in the order of their newest observation. */
function newestOfEach(rows: readonly Seen[], max: number): readonly Seen[] {
  const dated = rows.map((seen) => ({ seen, at: timesOf(seen) })).sort((a, b) => b.at[0] - a.at[0] || b.at[1] - a.at[1] || (a.seen.row.id < b.seen.row.id ? -1 : 1))
  const groups = groupsOf(dated.map(({ seen }) => codesOf(seen.resource())))
  const taken = new Map<number, Seen[]>()
  dated.forEach(({ seen }, index) => {
    const group = groups[index]!
    const known = taken.get(group)
    if (known === undefined) taken.set(group, [seen])
    else if (known.length < max) known.push(seen)
  })
  return [...taken.values()].flat()
}

/** When it was observed, then when it was issued or stored; what has no time is oldest. */
function timesOf(seen: Seen): readonly [number, number] {
  const { effectiveDateTime, effectiveInstant, effectivePeriod, effectiveTiming, issued } = seen.resource()
  const period = effectivePeriod as { end?: string; start?: string } | undefined
  const event = (effectiveTiming as { event?: readonly string[] } | undefined)?.event
  const text = effectiveDateTime ?? effectiveInstant ?? period?.start ?? period?.end ?? event?.at(-1)
  return [startOf(text) ?? -Infinity, startOf(issued) ?? seen.row.updated]
}

const startOf = (text: unknown): number | null => (typeof text === 'string' ? dateRange(text)?.from ?? null : null)

function codesOf({ code }: Resource): readonly string[] {
  const { coding = [], text } = (code ?? {}) as { coding?: readonly Coding[]; text?: string }
  const codes = coding.filter((each) => each.code !== undefined).map((each) => JSON.stringify([each.system ?? '', each.code]))
  return codes.length > 0 ? codes : [JSON.stringify(text ?? '')]
}

/** Observations that share any coding are of one group, through others too; a number for each. */
function groupsOf(codes: readonly (readonly string[])[]): readonly number[] {
  const parent = new Map<string, string>()
  const root = (code: string): string => {
    let at = code
    for (let up = parent.get(at); up !== undefined && up !== at; up = parent.get(at)) at = up
    parent.set(code, at)
    return at
  }
  for (const own of codes) for (const code of own) parent.set(root(code), root(own[0]!))
  const numbers = new Map<string, number>()
  return codes.map((own) => {
    const name = root(own[0]!)
    if (!numbers.has(name)) numbers.set(name, numbers.size)
    return numbers.get(name)!
  })
}
