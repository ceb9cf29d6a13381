import type { ParamValue } from '../query.ts'
import { type Form, type Kind, NO_TERMS, notIndexed } from './kind.ts'
import { unescapeValue } from './text.ts'

/** URIs match exactly, case and all, a canonical with a version also without it; `:below` and `:above` follow the path of a URL. https://hl7.org/fhir/R4/search.html#uri */
export const uriKind: Kind = {
  plain: { ...uriForm(isOf), asks: (value) => (value.kind === 'uri' ? [{ text: `u:${value.uri}` }] : null) },
  modifiers: {
    below: uriForm((given, asked) => isUnder(given, asked) || isOf(given, asked)),
    above: uriForm((given, asked) => isUnder(asked, given) || isOf(asked, given))
  },
  operators: {
    ne: uriForm((given, asked) => !isOf(given, asked)),
    co: uriForm((given, asked) => given.toLowerCase().includes(asked.toLowerCase())),
    sw: uriForm((given, asked) => given.toLowerCase().startsWith(asked.toLowerCase())),
    ew: uriForm((given, asked) => given.toLowerCase().endsWith(asked.toLowerCase()))
  },
  terms: ({ value }) => (typeof value !== 'string' ? NO_TERMS : value.includes('|') ? [{ text: `u:${value}` }, { text: `u:${value.slice(0, value.indexOf('|'))}` }] : [{ text: `u:${value}` }])
}

/** The same, or a version of it: no URI has a `|`. */
function isOf(given: string, asked: string): boolean {
  return given.startsWith(asked) && (given.length === asked.length || (given[asked.length] === '|' && !asked.includes('|')))
}

function uriForm(hit: (given: string, asked: string) => boolean): Form {
  return {
    parse: (text): ParamValue => ({ kind: 'uri', uri: unescapeValue(text) }),
    matches: (value, typed) => value.kind === 'uri' && typeof typed.value === 'string' && hit(typed.value, value.uri),
    asks: notIndexed
  }
}

/** Whether a URL is another one or lies below it in the path. URNs have no path: they only equal themselves. */
export const isUnder = (url: string, top: string): boolean =>
  url === top || (!top.startsWith('urn:') && url.startsWith(top) && (top.endsWith('/') || url[top.length] === '/'))
