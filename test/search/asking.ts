import type { FhirError } from '../../src/model/errors.ts'
import type { Resource } from '../../src/model/resource.ts'
import { matches } from '../../src/search/match.ts'
import { type ParseOptions, parseSearch } from '../../src/search/parse.ts'

export const BASE = 'https://clinic.example/fhir/R4'
export const NOW = Date.UTC(2026, 0, 1)
export const OPTIONS: ParseOptions = { base: BASE, countMax: 1000, countDefault: 50, orValuesMax: 200, lenient: false, now: () => NOW }

/** With everything that a search by a caller may use. */
export const FULL: ParseOptions = { ...OPTIONS, chainDepthMax: 4, chainSearchesMax: 32, filterTestsMax: 20, filterDepthMax: 6, textCharsMax: 1_000 }

/** `a=b&c=d`, taken as it stands: nothing is percent-decoded. */
export const pairs = (query: string): (readonly [string, string])[] =>
  query.split('&').map((each) => [each.slice(0, each.indexOf('=')), each.slice(each.indexOf('=') + 1)] as const)

/** Whether a query written as `a=b&c=d` finds the resource. */
export const finds = (query: string, resource: Resource, options: ParseOptions = OPTIONS): boolean =>
  matches(parseSearch(resource.resourceType, pairs(query), options).filter, resource, { base: BASE })

/** The error that a query is refused with. */
export function refusal(type: string, query: string, options: ParseOptions = OPTIONS): FhirError {
  try {
    parseSearch(type, pairs(query), options)
  } catch (error) {
    return error as FhirError
  }
  throw new Error(`Not refused: ${query}`)
}
