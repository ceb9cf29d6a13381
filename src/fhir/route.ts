import { openRouter, interactionsDefault } from '../http/fhir-routes.ts'
import { parsePairs } from '../http/query-string.ts'
import { allTypes } from '../search/classification.ts'
import type { FhirRequest } from '../model/interaction.ts'

const router = openRouter({ types: new Set(allTypes), interactions: interactionsDefault })

export function routeOf(method: string, path: string, query: string): Pick<FhirRequest, 'interaction' | 'type' | 'id' | 'version' | 'params'> {
  return { ...router.route(method, path), params: parsePairs(query, 64) }
}
