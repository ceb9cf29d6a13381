/** Start and stop of the server process. */
import { openBulk } from './bulk.ts'
import { ConfigError, type Config, loadConfig } from './config.ts'
import { capabilityBytes } from './fhir/capabilities.ts'
import { bodyFormat } from './fhir/formats.ts'
import { openApiBytes } from './fhir/openapi/document.ts'
import { validateResource } from './fhir/validate/validate.ts'
import { openLog } from './http/log.ts'
import type { Refusal } from './http/exchange.ts'
import { startServer } from './http/server.ts'
import { smartConfiguration } from './http/well-known.ts'
import type { Caller } from './model/caller.ts'
import { loadIssuers } from './oauth/issuers.ts'
import { openVerifier, type Verifier } from './oauth/verify.ts'
import { refusals } from './audit/refusals.ts'
import { operationRoutes } from './fhir/operations/index.ts'
import { allTypes } from './search/classification.ts'
import { isBroken } from './store/sealed-store.ts'
import { StoreUnavailable, StoreUnknown } from './store/ports.ts'
import { KeysUnavailable } from './crypto/errors.ts'
import { FileRefused, fileSource } from './news.ts'
import { openSystem, type System } from './system.ts'
import { isSupervisor, type Place, placeAmongServers, supervise } from './workers.ts'

export interface Running {
  readonly system: System
  readonly port: number
  close(): Promise<void>
}

/** Runs the server, or as many as WORKERS says, until SIGTERM or SIGINT. Bad settings and keys stop it with one line. */
export async function serve(): Promise<void> {
  const config = await orOneLine(async () => loadConfig())
  if (isSupervisor(config)) return supervise(config)
  const place = await placeAmongServers()
  await untilStopped(() => startServing(config, place))
}

/** What is told to stop while it starts, stops as soon as it has started: a signal that comes at any time ends in a drain. */
export async function untilStopped(start: () => Promise<Running>): Promise<{ readonly running: Running; readonly stopping: () => boolean }> {
  const starting = orOneLine(start)
  let stopping = false
  const stop = (): void => {
    if (stopping) return
    stopping = true
    void starting.then((running) => running.close()).then(() => process.exit(0))
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  return { running: await starting, stopping: () => stopping }
}

/** `place`: of a server among several on this machine. */
export async function startServing(config: Config, place: Place | null = null): Promise<Running> {
  const log = openLog({ level: config.logLevel, shared: place !== null })
  const failed = (error: unknown): void => {
    log.fault('background', error)
    if (error instanceof FileRefused) log.note('error', 'POLICY_FILE or TRUSTED_ISSUERS cannot be read or is not valid: requests are refused until it is')
    if (isBroken(error)) process.exit(70)
  }
  let verifier: Verifier | null = null
  const takeIssuers = (text: string): void => {
    verifier = openVerifier({
      issuers: loadIssuers(text), ownIssuer: config.baseUrl, opaque: { lookup: (key) => system.tokens.lookup(key) }, audience: config.fhirBase, now: Date.now
    })
  }
  const sources = config.trustedIssuersFile === null ? [] : [fileSource(config.trustedIssuersFile, takeIssuers)]
  if (sources.length === 0) takeIssuers('[]')
  const system = await openSystem({ config, slot: 'server', failed, sources, ...(place === null ? {} : { holder: place.holder }) })
  const once = place === null || place.first
  if (system.newKeys) log.note('warn', 'New keys were made. Without them the data is lost: keep a copy of KEY_URL apart from DATA_DIR')
  if (once && config.keys.underDataDir) log.note('warn', 'KEY_URL lies under DATA_DIR: whoever copies the data has the keys too. Put it elsewhere for real patients')
  const bulk = openBulk(system, 'server')
  const metadata = capabilityBytes({ base: config.fhirBase, ...system.release })
  let openApi: Uint8Array | undefined
  const refusedTokens = refusedRecorder(system, failed)
  // The definitions are read on first use: better now than during the first request.
  validateResource({ resourceType: 'Patient' }, 'Patient')
  const server = await startServer({
    config, types: new Set(allTypes), operations: operationRoutes, log, refused: refusedTokens.refused, ready: system.ready,
    verify: (token) => {
      const heard = system.fresh()
      return heard instanceof Promise ? heard.then(() => verifier!.verify(token)) : verifier!.verify(token)
    },
    ...(place === null ? {} : { hits: place.hits }),
    metadata: () => metadata, openApi: () => (openApi ??= openApiBytes({ base: config.fhirBase, ...system.release })), wellKnown: { 'smart-configuration': smartConfiguration },
    handle: (request, caller) => (isLarge(request, config) ? bulk.handle(request, caller) : system.handle(request, caller)),
    largeXml: bulk.toXml,
    bodyLimit: async (caller: Caller) => ((await system.policyOf(caller)).largeBundles ? config.bounds.bodyBytesLargeMax : config.bounds.bodyBytesMax),
    unavailable: (error) => error instanceof StoreUnavailable || error instanceof StoreUnknown || error instanceof KeysUnavailable
  }).catch(async (error: unknown) => {
    // A slot of the ledger that is not let go is lost to the next start for 15 s.
    await refusedTokens.close()
    await system.close()
    throw error
  })
  if (once) log.note('info', `Wardkeep ${system.release.version} listens on ${config.host}, port ${server.port}; its FHIR base is ${config.fhirBase}`)
  return {
    system, port: server.port,
    async close() {
      if (once) log.note('info', 'Stopping: what is in flight is finished first')
      await server.close()
      await bulk.close()
      await refusedTokens.close()
      await system.close()
    }
  }
}

function isLarge({ body }: Parameters<System['handle']>[0], { bounds }: Config): boolean {
  if (body === null || !('bytes' in body)) return false
  const { bytes, contentType } = body
  if (bodyFormat(contentType, false)?.syntax === 'xml') return bytes.length * XML_COST > bounds.bodyBytesInline
  return hasMoreTags(bytes, (bounds.bodyBytesInline - bytes.length) / TAG_COST)
}

/** Tags of narratives, which are parsed as XML in one piece. */
function hasMoreTags(bytes: Uint8Array, max: number): boolean {
  if (max < 0) return true
  let tags = 0
  for (let at = bytes.length > max ? bytes.indexOf(LESS_THAN) : -1; at >= 0 && tags <= max; at = bytes.indexOf(LESS_THAN, at + 1)) tags += 1
  return tags > max
}

const LESS_THAN = 0x3c
/** How many bytes of JSON are read in the time of one tag. */
const TAG_COST = 24

/** How much longer a byte of XML takes to read than one of JSON. */
const XML_COST = 8

function refusedRecorder(system: System, failed: (error: unknown) => void) {
  const summed = refusals(Date.now)
  const append = async (records: ReturnType<typeof summed.flush>): Promise<void> => {
    for (const record of records) await system.ledger.append(record)
  }
  const timer = setInterval(() => void append(summed.flush()).catch(failed), 1000)
  return {
    refused: ({ client = null, ...refusal }: Omit<Refusal, 'client'> & { readonly client?: string | null }) => append(summed.refused({ ...refusal, client, why: 'credentials' })),
    async close() {
      clearInterval(timer)
      await append(summed.flush(true)).catch(failed)
    }
  }
}

/** An expected fault of the start is one line on stderr and exit code 78 (EX_CONFIG). */
export async function orOneLine<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const known = error instanceof ConfigError || (error instanceof Error && error.name === 'Error')
    if (!known) throw error
    process.stderr.write(`wardkeep: ${(error as Error).message.split('\n')[0]}\n`)
    process.exit(78)
  }
}
