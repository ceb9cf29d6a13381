/** The servers of a run: each is started, and its store loaded, when a scenario first asks for it. */
import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { answersOf, checkSame, type Expected, post } from './asks.ts'
import { type Bare, type Server, startBare, startWardkeep } from './child.ts'
import { drive } from './client.ts'
import type { Plan } from './plan.ts'
import { populationBundles } from './population.ts'
import { patientBundle, PER_PATIENT } from './resources.ts'
import { type Contender, type Figures, inTurns } from './rounds.ts'
import { table } from './table.ts'
import { visitBundles, VISIT_RESOURCES } from './visits.ts'

export interface Store {
  readonly server: Server
  readonly resources: number
  /** Of the records' file of a stopped server, for each resource: that has everything, and nothing twice. */
  readonly bytes: number
}

export interface Stage {
  readonly plan: Plan
  say(text: string): void
  store(name: StoreName): Promise<Store>
  bare(): Promise<Bare>
  /** The bare handler that answers these paths as the server does: what it answers is checked first. */
  bareAnswers(server: Server, paths: readonly string[], expected?: Expected): Promise<Bare>
  /** Figures of each contender at the largest number of connections; those of all numbers are printed. */
  compare(title: string, contenders: readonly Contender[], connections?: readonly number[]): Promise<readonly Figures[]>
  /** Ends the server and drops its store, so that it takes no more memory and time. */
  drop(name: StoreName): Promise<void>
  end(): Promise<void>
}

interface Content { readonly name: string; readonly resources: number; readonly bundles: Iterable<string> }

const ofPatients = (patients: number): Content =>
  ({ name: `${patients * PER_PATIENT} resources`, resources: patients * PER_PATIENT, bundles: Array.from({ length: patients }, (_, n) => patientBundle(n)) })
const population = (patients: number): Content => ({ name: `${patients} patients`, resources: patients, bundles: populationBundles(patients) })

const STORES = {
  small: ({ small }: Plan) => ofPatients(small),
  large: ({ large }: Plan) => ofPatients(large),
  visits: ({ visits }: Plan): Content => ({ name: 'this server', resources: visits * VISIT_RESOURCES, bundles: visitBundles(visits) }),
  few: ({ population: [few] }: Plan) => population(few),
  many: ({ population: [, many] }: Plan) => population(many)
}
export type StoreName = keyof typeof STORES

/** Answers of each kind that are compared before anything is measured. */
const CHECKED = 20

export function openStage(plan: Plan, dir: string): Stage {
  const stores = new Map<StoreName, Store>()
  const running = new Set<Server>()
  let bare: Bare | null = null
  const started = async (server: Promise<Server>): Promise<Server> => {
    running.add(await server)
    return server
  }
  const ended = async (server: Server): Promise<void> => {
    await server.stop()
    running.delete(server)
  }
  const loaded = async (name: StoreName): Promise<Store> => {
    const { name: title, resources, bundles } = STORES[name](plan)
    const place = join(dir, name)
    const loader = await started(startWardkeep(title, place))
    for (const bundle of bundles) await post(loader, bundle)
    await ended(loader)
    const bytes = statSync(join(place, 'data', 'wardkeep.db')).size / resources
    return { server: await started(startWardkeep(title, place)), resources, bytes }
  }
  const stage: Stage = {
    plan,
    say: (text) => void process.stdout.write(`${text}\n`),
    async store(name) {
      if (!stores.has(name)) stores.set(name, await loaded(name))
      return stores.get(name)!
    },
    async bare() {
      if (bare === null) running.add((bare = await startBare()))
      return bare
    },
    async bareAnswers(server, paths, expected) {
      const other = await stage.bare()
      await other.take(await answersOf(server, paths, expected))
      await checkSame(other, server, paths.slice(0, CHECKED))
      return other
    },
    async compare(title, contenders, connections = plan.connections) {
      stage.say(`\n${title}`)
      for (const { server, next } of contenders) await drive(server, 64, server === bare ? plan.bareMs : plan.warmMs, next)
      let figures: readonly Figures[] = []
      for (const count of connections) {
        figures = await inTurns(contenders, { connections: count, rounds: plan.rounds, ms: plan.ms, settleMs: plan.settleMs })
        stage.say(table(figures.map((each) => ({ ...each, name: `${each.name}, ${count} connections` }))))
      }
      return figures
    },
    async drop(name) {
      const store = stores.get(name)
      stores.delete(name)
      if (store !== undefined) await ended(store.server)
      rmSync(join(dir, name), { recursive: true, force: true })
    },
    async end() {
      for (const server of running) await ended(server)
    }
  }
  return stage
}
