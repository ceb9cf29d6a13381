/**
 * npm run bench [-- --quick | --smoke]: this server and a bare Express handler that answers the same bytes, in turns within one run, both
 * at 1, 16 and 64 connections. Prints tables and writes nothing but a temporary store, which goes at the end. `--quick` takes a minute at
 * 64 connections; `--smoke` is for the test of this program, and its figures mean nothing. docs/PERFORMANCE.md says how to read the tables.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Server, startBare, startWardkeep } from './child.ts'
import { drive } from './client.ts'
import { generated, LARGE_BYTES, LARGE_ENTRIES, largePatient } from './generated.ts'
import { measureLarge } from './large.ts'
import { PER_PATIENT } from './resources.ts'
import { type Contender, type Figures, inTurns } from './rounds.ts'
import { answersOf, checkSame, coldReadPaths, coldSearchPaths, creates, gets, load, measureLoad, post, readPaths, searchPaths } from './scenarios.ts'
import { bars, table } from './table.ts'
import { measureTerms } from './terms.ts'

const { values: { quick, smoke } } = parseArgs({ options: { quick: { type: 'boolean', default: false }, smoke: { type: 'boolean', default: false } } })

/**
 * `small`, `large`, `generated`: patients. `warmMs`: until compiled code has settled; a server that runs for days is measured, not its first
 * seconds. `ms` of one turn. `settleMs`: what a request leaves behind (its entry is numbered, chained and indexed) belongs to its turn.
 */
const FULL = {
  small: 10, large: 200, generated: 25, connections: [1, 16, 64], rounds: 3, ms: 1_500, warmMs: 10_000, bareMs: 2_000, settleMs: 1_300,
  entries: LARGE_ENTRIES, bytes: LARGE_BYTES, idleMs: 8_000, terms: 5
}
const QUICK: typeof FULL = {
  small: 10, large: 30, generated: 3, connections: [64], rounds: 2, ms: 500, warmMs: 1_500, bareMs: 500, settleMs: 1_100,
  entries: 1_000, bytes: 2_500_000, idleMs: 2_000, terms: 2
}
const SMOKE: typeof FULL = {
  small: 1, large: 2, generated: 1, connections: [2], rounds: 1, ms: 100, warmMs: 50, bareMs: 50, settleMs: 20,
  entries: 60, bytes: 100_000, idleMs: 200, terms: 1
}
const PLAN = smoke ? SMOKE : quick ? QUICK : FULL

const MOST = PLAN.connections.slice(-1)
/** Answers of each kind that are compared before anything is measured. */
const CHECKED = 20

const dir = mkdtempSync(join(tmpdir(), 'wardkeep-bench-'))
const running: Server[] = []
// Stopped by hand, it leaves neither servers nor their stores behind.
process.once('exit', () => rmSync(dir, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
try {
  await run()
} finally {
  for (const server of running) await server.stop()
}

async function run(): Promise<void> {
  const say = (text: string): void => { process.stdout.write(`${text}\n`) }
  const started = performance.now()
  const [small, smallBytes] = await open('small', PLAN.small)
  const [large, largeBytes] = await open('large', PLAN.large)
  const paths = [...readPaths(PLAN.large), ...searchPaths(PLAN.large)]
  const bare = await startBare(await answersOf(large, paths))
  running.push(bare)
  await checkSame(bare, large, [...readPaths(PLAN.large).slice(0, CHECKED), ...searchPaths(PLAN.large).slice(0, CHECKED)])

  const read = await scenario('read', [
    { server: bare, next: gets(bare, readPaths(PLAN.large)) }, { server: small, next: gets(small, readPaths(PLAN.small)) }, { server: large, next: gets(large, readPaths(PLAN.large)) }
  ])
  const readAll = await scenario('read, over the whole store in turn', [
    { server: bare, next: gets(bare, readPaths(PLAN.large)) }, { server: large, next: gets(large, coldReadPaths(PLAN.large)) }
  ], MOST)
  const search = await scenario('patient search, 20 hits', [
    { server: bare, next: gets(bare, searchPaths(PLAN.large)) }, { server: small, next: gets(small, searchPaths(PLAN.small)) }, { server: large, next: gets(large, searchPaths(PLAN.large)) }
  ])
  const searchAll = await scenario('patient search, 20 hits, over the whole store in turn', [
    { server: bare, next: gets(bare, searchPaths(PLAN.large)) }, { server: large, next: gets(large, coldSearchPaths(PLAN.large)) }
  ], MOST)
  const create = await scenario('create', [{ server: bare, next: creates(bare, PLAN.large) }, { server: large, next: creates(large, PLAN.large) }])
  const loaded = await measureLoad([bare, large], generated(PLAN.generated))
  say(`\nload of generated bundles, one after the other\n${table(loaded)}`)

  const { facilities, transaction } = largePatient(PLAN.entries, PLAN.bytes)
  for (const bundle of facilities) await post(large, JSON.stringify({ resourceType: 'Bundle', ...bundle }))
  const big = await measureLarge(large, { transaction, reads: gets(large, readPaths(PLAN.large)), creates: creates(large, PLAN.large), idleMs: PLAN.idleMs })
  say(`\none transaction of ${big.megabytes.toFixed(1)} MB and ${big.entries} entries: ${big.seconds.toFixed(1)} s, status ${big.status}`)
  say(`reads at a steady pace: p99 ${big.idleP99.toFixed(1)} ms before, ${big.duringP99.toFixed(1)} ms during it (${big.readsDuring} reads)`)
  say(`another writer meanwhile: ${big.createsDuring} creates, the slowest ${big.createMax.toFixed(0)} ms; answers that were errors: ${big.failed}`)

  const terms = measureTerms(generated(1).flatMap(({ entry }) => entry.map(({ resource }) => resource)), PLAN.terms)
  say(`\nindex terms of a resource: ${terms.ours.toFixed(1)} µs; each search expression evaluated anew: ${terms.anew.toFixed(0)} µs`)
  say(`bytes stored per resource: ${smallBytes.toFixed(0)} at ${PLAN.small * PER_PATIENT}, ${largeBytes.toFixed(0)} at ${PLAN.large * PER_PATIENT} resources`)
  say(`\n${bars({ read, readAll, search, searchAll, create, terms, big })}`)
  say(`\n${((performance.now() - started) / 1000).toFixed(0)} s`)

  /** A server that holds these patients, and the bytes of a resource in its file: that of a stopped server has everything, and nothing twice. */
  async function open(folder: string, patients: number): Promise<readonly [Server, number]> {
    const resources = patients * PER_PATIENT
    const [name, place] = [`${resources} resources`, join(dir, folder)]
    const loader = await startWardkeep(name, place)
    running.push(loader)
    await load(loader, patients)
    await loader.stop()
    const bytes = statSync(join(place, 'data', 'wardkeep.db')).size / resources
    const server = await startWardkeep(name, place)
    running.push(server)
    return [server, bytes]
  }

  /** Figures of each contender at the largest number of connections; those of all numbers are printed. */
  async function scenario(title: string, contenders: readonly Contender[], connections = PLAN.connections): Promise<readonly Figures[]> {
    say(`\n${title}`)
    for (const { server, next } of contenders) await drive(server, 64, server === bare ? PLAN.bareMs : PLAN.warmMs, next)
    let figures: readonly Figures[] = []
    for (const count of connections) {
      figures = await inTurns(contenders, { connections: count, rounds: PLAN.rounds, ms: PLAN.ms, settleMs: PLAN.settleMs })
      say(table(figures.map((each) => ({ ...each, name: `${each.name}, ${count} connections` }))))
    }
    return figures
  }
}
