/** What is measured, in this order: what writes comes after what reads the same store. */
import { answersOf, coldReadPaths, coldSearchPaths, creates, gets, measureLoad, post, readPaths, searchPaths } from './asks.ts'
import { type Bundle, generated, largePatient } from './generated.ts'
import { measureLarge } from './large.ts'
import { NAME_HITS, namePaths } from './population.ts'
import { HITS } from './resources.ts'
import type { Contender } from './rounds.ts'
import type { Stage } from './stage.ts'
import { atLeast, atMost, type Bar, growth, noBar, share, table } from './table.ts'
import { measureTerms } from './terms.ts'
import { datePaths, includePaths, INCLUDED } from './visits.ts'

export interface Scenario {
  /** As `--only` takes it. */
  readonly name: string
  readonly run: (stage: Stage) => Promise<readonly Bar[]>
}

export const SCENARIOS: readonly Scenario[] = [
  { name: 'read', run: read },
  { name: 'cold-read', run: coldRead },
  { name: 'search', run: search },
  { name: 'cold-search', run: coldSearch },
  { name: 'date-search', run: (stage) => ofVisits(stage, { title: 'patient search by code and dates, 20 hits', paths: datePaths, included: [], bar: 0.12 }) },
  { name: 'include', run: (stage) => ofVisits(stage, { title: 'patient search with three _include, 20 hits', paths: includePaths, included: INCLUDED, bar: 0.08 }) },
  { name: 'everything', run: everything },
  { name: 'population', run: population },
  { name: 'create', run: create },
  { name: 'load', run: load },
  { name: 'large', run: large },
  { name: 'terms', run: terms },
  { name: 'stored', run: stored }
]

async function read(stage: Stage): Promise<readonly Bar[]> {
  const figures = await stage.compare('read', await threeOf(stage, readPaths))
  return [atLeast('read: CPU of the bare handler / ours', share(figures), 0.25), atMost('read: growth of CPU with the store', growth(figures), 1.3)]
}

async function coldRead(stage: Stage): Promise<readonly Bar[]> {
  const title = 'read, over the whole store in turn'
  return [noBar(title, share(await stage.compare(title, await coldOf(stage, readPaths, coldReadPaths), stage.plan.connections.slice(-1))))]
}

async function search(stage: Stage): Promise<readonly Bar[]> {
  const title = 'patient search, 20 hits'
  const [bare, small, large] = await threeOf(stage, searchPaths, HITS) as [Contender, Contender, Contender]
  // As many patients in the larger store as the smaller has: rows that are asked for in turn lie in the processor's caches or do not, whatever the store's size.
  const alike = { server: { ...large.server, name: `${large.server.name}, as many patients` }, next: gets(large.server, searchPaths(stage.plan.small)) }
  const figures = await stage.compare(title, [bare, small, alike, large])
  return [
    atLeast(title, share(figures), 0.1), atMost('patient search: growth of CPU with the store', growth(figures.slice(0, -1)), 1.3),
    noBar('patient search: growth of CPU with the patients that are asked for', growth(figures))
  ]
}

async function coldSearch(stage: Stage): Promise<readonly Bar[]> {
  const title = 'patient search, 20 hits, over the whole store in turn'
  return [noBar(title, share(await stage.compare(title, await coldOf(stage, searchPaths, coldSearchPaths, HITS), stage.plan.connections.slice(-1))))]
}

type Paths = (patients: number) => readonly string[]

/** The bare handler, the smaller store, the larger. */
async function threeOf(stage: Stage, paths: Paths, hits: number | null = null): Promise<readonly Contender[]> {
  const [{ server: small }, { server: large }] = [await stage.store('small'), await stage.store('large')]
  const { plan } = stage
  const bare = await stage.bareAnswers(large, paths(plan.large), hits === null ? undefined : { hits })
  return [{ server: bare, next: gets(bare, paths(plan.large)) }, { server: small, next: gets(small, paths(plan.small)) }, { server: large, next: gets(large, paths(plan.large)) }]
}

async function coldOf(stage: Stage, paths: Paths, cold: Paths, hits: number | null = null): Promise<readonly Contender[]> {
  const { server } = await stage.store('large')
  const { large } = stage.plan
  const bare = await stage.bareAnswers(server, paths(large), hits === null ? undefined : { hits })
  return [{ server: bare, next: gets(bare, paths(large)) }, { server, next: gets(server, cold(large)) }]
}

interface VisitSearch { readonly title: string; readonly paths: Paths; readonly included: readonly string[]; readonly bar: number }

async function ofVisits(stage: Stage, { title, paths, included, bar }: VisitSearch): Promise<readonly Bar[]> {
  const { server } = await stage.store('visits')
  const asked = paths(stage.plan.visits)
  const bare = await stage.bareAnswers(server, asked, { hits: HITS, included })
  return [atLeast(title, share(await stage.compare(title, [bare, server].map((each) => ({ server: each, next: gets(each, asked) })))), bar)]
}

async function everything(stage: Stage): Promise<readonly Bar[]> {
  const { server } = await stage.store('visits')
  const { facilities, transaction } = largePatient(stage.plan.record, 0)
  for (const bundle of facilities) await post(server, JSON.stringify({ resourceType: 'Bundle', ...bundle }))
  const { entry } = JSON.parse((await post(server, transaction)).toString()) as { readonly entry: readonly { readonly response: { readonly location: string } }[] }
  const [, id] = /Patient\/([^/]+)/.exec(entry[0]!.response.location)!
  const path = `/fhir/R4/Patient/${id}/$everything`
  const title = `$everything of a patient of ${stage.plan.record} resources`
  // A Medication is nobody's, so it comes beside the record that names it.
  const { entry: sent } = JSON.parse(transaction.toString()) as Bundle
  const bare = await stage.bareAnswers(server, [path], { hits: sent.filter(({ resource }) => resource.resourceType !== 'Medication').length, included: ['Medication', 'Practitioner'] })
  return [atLeast(title, share(await stage.compare(title, [bare, server].map((each) => ({ server: each, next: gets(each, [path]) })))), 0.3)]
}

async function population(stage: Stage): Promise<readonly Bar[]> {
  const [{ server: few }, { server: many }] = [await stage.store('few'), await stage.store('many')]
  const bare = await stage.bareAnswers(many, namePaths(), { hits: NAME_HITS })
  await answersOf(few, namePaths(), { hits: NAME_HITS })
  const figures = await stage.compare('first page of a name', [bare, few, many].map((server) => ({ server, next: gets(server, namePaths()) })))
  for (const name of ['few', 'many'] as const) await stage.drop(name)
  return [noBar('first page of a name', share(figures)), atMost('first page of a name: growth of CPU with the population', growth(figures), 2)]
}

async function create(stage: Stage): Promise<readonly Bar[]> {
  const [bare, { server }] = [await stage.bare(), await stage.store('large')]
  const figures = await stage.compare('create', [bare, server].map((each) => ({ server: each, next: creates(each, stage.plan.large) })))
  return [atLeast('create', share(figures), 0.08)]
}

async function load(stage: Stage): Promise<readonly Bar[]> {
  const loaded = await measureLoad([await stage.bare(), (await stage.store('large')).server], generated(stage.plan.generated))
  stage.say(`\nload of generated bundles, one after the other\n${table(loaded)}`)
  return []
}

async function large(stage: Stage): Promise<readonly Bar[]> {
  const { plan } = stage
  const { server } = await stage.store('large')
  const { facilities, transaction } = largePatient(plan.entries, plan.bytes)
  for (const bundle of facilities) await post(server, JSON.stringify({ resourceType: 'Bundle', ...bundle }))
  const big = await measureLarge(server, { transaction, reads: gets(server, readPaths(plan.large)), creates: creates(server, plan.large), idleMs: plan.idleMs })
  stage.say(`\none transaction of ${big.megabytes.toFixed(1)} MB and ${big.entries} entries: ${big.seconds.toFixed(1)} s, status ${big.status}`)
  stage.say(`reads at a steady pace: p99 ${big.idleP99.toFixed(1)} ms before, ${big.duringP99.toFixed(1)} ms during it (${big.readsDuring} reads)`)
  stage.say(`another writer meanwhile: ${big.createsDuring} creates, the slowest ${big.createMax.toFixed(0)} ms; answers that were errors: ${big.failed}`)
  return [atMost('p99 of reads during a large transaction / before', big.duringP99 / big.idleP99, 3), atMost('answers that were errors meanwhile', big.failed, 0)]
}

async function terms(stage: Stage): Promise<readonly Bar[]> {
  const { ours, anew, ratio } = measureTerms(generated(1).flatMap(({ entry }) => entry.map(({ resource }) => resource)), stage.plan.terms)
  stage.say(`\nindex terms of a resource: ${ours.toFixed(1)} µs; each search expression evaluated anew: ${anew.toFixed(0)} µs`)
  return [atLeast('terms: expressions anew / ours', ratio, 30)]
}

async function stored(stage: Stage): Promise<readonly Bar[]> {
  const [small, large] = [await stage.store('small'), await stage.store('large')]
  stage.say(`bytes stored per resource: ${small.bytes.toFixed(0)} at ${small.resources}, ${large.bytes.toFixed(0)} at ${large.resources} resources`)
  return []
}
