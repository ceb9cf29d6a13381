/** What `:in`, `:not-in`, `:above` and `:below` of a search need, fetched before it is parsed (https://hl7.org/fhir/R4/search.html#token). */
import { fault } from '../../model/errors.ts'
import { terminologyIn } from '../../search/parse-filter.ts'
import type { CodeSet } from '../../search/query.ts'
import { splitUnescaped, unescapeValue } from '../../search/types/text.ts'
import type { Lookups } from '../../search/types/kind.ts'
import type { Exchange, PageLink } from '../exchange.ts'
import { closure, codesOf } from './code-system.ts'
import type { Library } from './library.ts'
import { Terminology } from './value-set.ts'
import { visibleLibrary } from './visible.ts'

/** Empty where no parameter has such a modifier, wherever in a chain; most searches cost nothing here. */
export async function lookupsFor(exchange: Exchange, given: PageLink['params']): Promise<{ readonly lookups?: Lookups }> {
  const params = given.flatMap((pair) => (pair[0] === '_filter' ? terminologyIn(pair[1], exchange.site.bounds) : [pair]))
  const [sets, branches] = [params.filter(([name]) => /:(?:not-)?in$/.test(name)), params.filter(([name]) => /:(?:above|below)$/.test(name))]
  if (sets.length + branches.length === 0) return {}
  const valueSetUrls = sets.flatMap(([, text]) => valuesOf(text))
  const codeSystemUrls = branches.flatMap(([, text]) => splitUnescaped(text, ',').map((value) => splitUnescaped(value, '|')))
    .flatMap((parts) => (parts.length === 2 ? [unescapeValue(parts[0]!)] : [])).filter((url) => url !== '')
  return { lookups: lookupsIn(exchange, await visibleLibrary(exchange, { valueSetUrls, codeSystemUrls })) }
}

const valuesOf = (text: string): readonly string[] => splitUnescaped(text, ',').map(unescapeValue).filter((value) => value.trim() !== '')

function lookupsIn({ site }: Exchange, library: Library): Lookups {
  const { expansionCodesMax, expansionValuesMax } = site.bounds
  const terminology = new Terminology(library, { left: expansionCodesMax })
  let left = expansionValuesMax
  const bounded = (codes: CodeSet): CodeSet => {
    left -= codes.size
    if (left < 0) throw fault(422, 'too-costly', `The value sets and hierarchies of a search hold more than ${expansionValuesMax} codes (EXPANSION_VALUES_MAX)`)
    return codes
  }
  return {
    codesIn(canonical) {
      const set = library.valueSet(canonical)
      if (set === undefined) throw fault(400, 'not-found', 'A value set that the search names is not known here')
      const codes = new Map<string, string[]>()
      for (const { system, code } of terminology.expand(set)) {
        const systems = codes.get(code)
        if (systems === undefined) codes.set(code, [system])
        else systems.push(system)
      }
      return bounded(codes)
    },
    codesAround(system, code, direction) {
      const found = library.codeSystem(system)
      const codes = found?.content === 'complete' ? codesOf(found) : undefined
      if (codes === undefined) throw fault(400, 'not-found', 'A code system whose hierarchy the search names is not known here in full')
      const node = codes.find(code)
      if (node === undefined) return bounded(new Map([[code, [system]]]))
      return bounded(new Map([...closure(node, direction === 'above' ? 'parents' : 'children')].map((each) => [each.code, [system]])))
    }
  }
}
