/** What compiled accessors save: the index terms of a resource, against evaluating each of its search expressions anew. */
import { termAsks } from '../src/search/extract.ts'
import { level } from '../src/search/index-levels.ts'
import { searchParams } from '../src/search/parameters.ts'
import type { Resource } from '../src/model/resource.ts'
import { evaluateAnew } from '../test/search/fhirpath-oracle.ts'
import { median } from './rounds.ts'

const BASE = 'http://127.0.0.1:8080/fhir/R4'

/** µs a resource, medians over the rounds. */
export interface TermFigures { readonly ours: number; readonly anew: number; readonly ratio: number }

export function measureTerms(resources: readonly Resource[], rounds: number): TermFigures {
  const asked = resources.map((resource) => searchParams(resource.resourceType)
    .filter(({ type, code, kind, expression }) => expression !== '' && kind !== 'composite' && level(type, code) !== 'none'))
  const ours = (): void => { for (const resource of resources) termAsks(resource, { base: BASE, patients: [] }) }
  const anew = (): void => resources.forEach((resource, i) => { for (const param of asked[i]!) evaluateAnew(param, resource) })
  const perResource = (work: () => void): number => {
    const before = process.threadCpuUsage()
    work()
    const { user, system } = process.threadCpuUsage(before)
    return (user + system) / resources.length
  }
  for (let warm = 0; warm < 20; warm++) ours()
  anew()
  const figures: [number, number][] = []
  // The clock of CPU time is coarse, so the short side is run often.
  for (let round = 0; round < rounds; round++) figures.push([perResource(() => { for (let i = 0; i < 50; i++) ours() }) / 50, perResource(anew)])
  const [mine, theirs] = [median(figures.map(([a]) => a)), median(figures.map(([, b]) => b))]
  return { ours: mine, anew: theirs, ratio: theirs / mine }
}
