/** What `_explain=true` adds to a searchset: how its searches were made, by the names of parameters and never by their values. */
import type { Plan } from '../search/query.ts'
import type { FindReport } from '../store/ports.ts'

/** An OperationOutcome with one issue per search of a type, those that chains and `_has` led to included, in the order they were made. */
export const explanation = (reports: readonly FindReport[]): object => ({
  resourceType: 'OperationOutcome',
  issue: reports.length === 0 ? [{ severity: 'information', code: 'informational', diagnostics: 'Nothing was searched' }] : reports.map(issueOf)
})

const issueOf = ({ type, plan, opened, confirmed }: FindReport): object =>
  ({ severity: 'information', code: 'informational', diagnostics: `${type}: ${planText(plan)}; ${opened} opened, ${confirmed} confirmed` })

/** Lists are given by their length. */
function planText({ empty, ids, patients, conjuncts, updated, unindexed }: Plan): string {
  if (empty) return 'matches nothing, and nothing is asked'
  const parts = [
    ...(ids === null ? [] : [`${ids.length} ids`]),
    ...(patients === null ? [] : [`within ${patients.length} patients`]),
    ...conjuncts.map((asks) => `any of ${asks.length} terms of ${[...new Set(asks.map(({ code }) => code))].join(', ')} (${asks[0]?.level ?? 'none'} level)`),
    ...(updated === null ? [] : ['a range of _lastUpdated'])
  ]
  const asked = parts.length === 0 ? 'all rows in reach' : parts.join(' and ')
  return unindexed.length === 0 ? asked : `${asked}; only confirmed: ${unindexed.join(', ')}`
}
