/**
 * Loads Synthea's output through the HTTP API: npm run seed -- PATH… [--url BASE_URL] [--token T]
 * It may be stopped and started again at any time; what is there is not written a second time.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { SingleBar } from 'cli-progress'
import { Command, Option } from 'commander'
import { ConfigError, loadConfig } from '../src/config.ts'
import { refuseOldNode } from '../src/runtime.ts'
import type { System } from '../src/system.ts'
import { ordered, shipmentOf, type Source, sourcesIn, stageOf, UnfitBundle } from './bundles.ts'
import { type Answer, type Client, makeClient } from './client.ts'
import { failedReport, type FileReport, fileReport, type LoadReport, loadReport, skippedReport, summary } from './report.ts'

export interface LoadOptions {
  readonly sources: readonly Source[]
  /** Base of the server, without /fhir/R4. */
  readonly url: string
  /** Needs system/*.cruds, or as much of it as the bundles need. */
  readonly token: string
  /** Called after each file. */
  readonly progress?: (done: number) => void
  readonly now?: () => number
  readonly sleep?: (ms: number) => Promise<unknown>
}

const CONCURRENCY = 2

/**
 * Hospitals, then practitioners, then patients, two at a time; a file is read when its turn comes. Throws LoadStopped when nobody answers
 * or the token is refused.
 */
export async function load(options: LoadOptions): Promise<LoadReport> {
  const { url, token, progress = () => undefined, now = Date.now } = options
  const wait = options.sleep ?? ((ms: number) => sleep(ms))
  const client = makeClient({ url, token, now, sleep: async (ms) => void await wait(ms) })
  const reports: FileReport[] = []
  const queue = [...ordered(options.sources)]
  const one = async (source: Source): Promise<void> => {
    reports.push(await loadOne(client, source))
    progress(reports.length)
  }
  while (queue.length > 0 && stageOf(queue[0]!.name) < stageOf('')) await one(queue.shift()!)
  const drain = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await one(next)
  }
  const ends = await Promise.allSettled(Array.from({ length: CONCURRENCY },
    () => drain().catch((error: unknown) => { queue.length = 0; throw error })))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  return loadReport(reports)
}

async function loadOne(client: Client, { name, bytes }: Source): Promise<FileReport> {
  try {
    const shipment = shipmentOf(await bytes())
    const { patient, body } = shipment
    let there = false
    const answer = await client.patiently(async (): Promise<Answer> => {
      if (patient === null) return client.post(body)
      // Looked up again before each further attempt: an answer 503 does not say that nothing was written.
      const found = await client.find(patient)
      there = found.status === 200 && isMatch(found.body)
      return found.status !== 200 || there ? found : client.post(body)
    })
    return there ? skippedReport(name) : fileReport(name, shipment, answer)
  } catch (error) {
    if (error instanceof UnfitBundle) return failedReport(name, [error.message])
    throw error
  }
}

interface Searchset { readonly entry?: readonly { readonly resource?: { readonly resourceType?: string } }[] }

const isMatch = (bundle: unknown): boolean =>
  ((bundle as Searchset | null)?.entry ?? []).some(({ resource }) => resource?.resourceType === 'Patient')

interface Asked { readonly url?: string; readonly token?: string }

async function main(argv: readonly string[]): Promise<void> {
  const command = new Command('seed')
    .description("load Synthea's output (folders or files) through the HTTP API; loading twice changes nothing")
    .argument('<paths...>', 'folders or files')
    .addOption(new Option('--url <base>', 'base of the server, without /fhir/R4').env('BASE_URL'))
    .addOption(new Option('--token <token>', 'access token; without one a token is minted from the local keys').env('TOKEN'))
    .action(async (paths: readonly string[], { url, token }: Asked) => {
      const sources = await sourcesIn(paths)
      const base = url ?? loadConfig().baseUrl
      const report = token === undefined ? await withOwnToken((own) => loadWithBar(sources, base, own)) : await loadWithBar(sources, base,
        token)
      process.stdout.write(`${summary(report)}\n`)
      if (report.failed.length > 0) process.exitCode = 1
    })
  try {
    await command.parseAsync([...argv])
  } catch (error) {
    if (!(error instanceof Error && error.name === 'Error')) throw error
    process.stderr.write(`seed: ${error.message.split('\n')[0]}\n`)
    process.exitCode = error instanceof ConfigError ? 78 : 1
  }
}

async function loadWithBar(sources: readonly Source[], url: string, token: string): Promise<LoadReport> {
  if (!process.stderr.isTTY) return load({ sources, url, token })
  const bar = new SingleBar({ stream: process.stderr,
    format: 'loading [{bar}] {value}/{total} files, {duration_formatted} ({eta_formatted} left)' })
  bar.start(sources.length, 0)
  try {
    return await load({ sources, url, token, progress: (done) => bar.update(done) })
  } finally {
    bar.stop()
  }
}

const TOKEN_MS = 24 * 3_600_000

/** A token from the local store and keys, beside a running server too. It ends with the load. */
async function withOwnToken<T>(work: (token: string) => Promise<T>): Promise<T> {
  const token = await withTokens((tokens) => tokens.mint({
    scope: 'system/*.cruds', patient: null, fhirUser: null, roles: [], purposes: [], client: 'seed', subject: 'seed',
    expires: Date.now() + TOKEN_MS
  }))
  try {
    return await work(token)
  } finally {
    await withTokens((tokens) => tokens.revoke(token))
  }
}

async function withTokens<T>(work: (tokens: System['tokens']) => Promise<T>): Promise<T> {
  // The whole system is only needed to mint a token: a load with a token of the caller's starts without it.
  const { openSystem } = await import('../src/system.ts')
  const system = await openSystem({ config: loadConfig(), slot: 'cli' })
  try {
    return await work(system.tokens)
  } finally {
    await system.close()
  }
}

if (process.argv[1] === import.meta.filename) {
  refuseOldNode()
  await main(process.argv)
}
