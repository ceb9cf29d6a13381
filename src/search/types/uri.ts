import type { ParamValue } from '../query.ts'
import { type Form, type Kind, NO_TERMS, notIndexed } from './kind.ts'
import { unescapeValue } from './text.ts'

/** URIs match exactly, case and all; `:below` and `:above` follow the path of a URL. https://hl7.org/fhir/R4/search.html#uri */
export const uriKind: Kind = {
  plain: { ...uriForm((given, asked) => given === asked), asks: (value) => (value.kind === 'uri' ? [{ text: `u:${value.uri}` }] : null) },
  modifiers: {
    below: uriForm((given, asked) => isUnder(given, asked)),
    above: uriForm((given, asked) => isUnder(asked, given))
  },
  operators: {
    ne: uriForm((given, asked) => given !== asked),
    co: uriForm((given, asked) => given.toLowerCase().includes(asked.toLowerCase())),
    sw: uriForm((given, asked) => given.toLowerCase().startsWith(asked.toLowerCase())),
    ew: uriForm((given, asked) => given.toLowerCase().endsWith(asked.toLowerCase()))
  },
  terms: (typed) => (typeof typed.value === 'string' ? [{ text: `u:${typed.value}` }] : NO_TERMS)
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
