/** `npm run demo`: a server on a store of its own with made-up patients, and what five people see of them. */
import { join } from 'node:path'
import { generate } from '../../seed/generate.ts'
import { load } from '../../seed/load.ts'
import { sourceOf } from '../../seed/bundles.ts'
import { type Config, loadConfig } from '../config.ts'
import { orOneLine, type Running, startServing, untilStopped } from '../serve.ts'
import type { System } from '../system.ts'
import { type Ask, castOf, type Fetched, type Persona, personas } from './personas.ts'

const PATIENTS = 12
const SEED = 2026
const TOKEN_MS = 24 * 3_600_000

/** Loads, prints and then serves until SIGINT or SIGTERM. */
export async function demo(print: (text: string) => void): Promise<void> {
  const { running, stopping } = await untilStopped(async () => startServing(demoConfig(loadConfig())))
  try {
    await orOneLine(() => show(running, print))
  } catch (error) {
    if (!stopping()) throw error
  }
}

/**
 * The settings of the process on a store, keys and policies of the demo's own. Log lines go to stdout too, where they would stand between
 * the curl lines: only errors are logged unless LOG_LEVEL asks for something other than its default.
 */
export function demoConfig(config: Config): Config {
  const dataDir = join(config.dataDir, 'demo')
  return {
    ...config, dataDir, store: { kind: 'sqlite', path: join(dataDir, 'wardkeep.db') },
    keys: { kind: 'file', dir: join(dataDir, 'keys'), underDataDir: true },
    policyFile: null, trustedIssuersFile: null, logLevel: config.logLevel === 'info' ? 'error' : config.logLevel
  }
}

async function show({ system }: Running, print: (text: string) => void): Promise<void> {
  const { baseUrl, fhirBase, dataDir } = system.config
  const expires = Date.now() + TOKEN_MS
  const loader = await system.tokens.mint({
    scope: 'system/*.cruds', patient: null, fhirUser: null, roles: [], purposes: [], client: 'demo', subject: 'demo', expires
  })
  const ask = (path: string): Promise<Fetched> => fetched(`${fhirBase}/${path}`, loader)
  const patients = await filled(ask, baseUrl, loader, print)
  const cast = await castOf(ask, Date.now())
  await system.tokens.revoke(loader)
  print(`Wardkeep serves ${patients} made-up patients at ${fhirBase} (their data and keys: ${dataDir}).`)
  const until = new Date(expires).toISOString().slice(0, 16).replace('T', ' ')
  print(`Five people ask it. Paste any line that starts with curl; its token works until ${until} UTC.`)
  for (const persona of personas(cast)) await introduce(system, persona, expires, print)
  print('\nNobody else gets in: without a token every request for data is answered 401. Stop with Ctrl+C; the next start keeps the data.')
}

/** Loads the patients where they are missing, and counts them. Their history ends today, so that clinicians have patients of their own. */
async function filled(ask: Ask, url: string, token: string, print: (text: string) => void): Promise<number> {
  const count = async (): Promise<number> => Number((await ask('Patient?_count=0')).body.total ?? 0)
  const there = await count()
  if (there >= PATIENTS) return there
  print(`Loading ${PATIENTS} made-up patients …`)
  const sources = [...generate({ patients: PATIENTS, seed: SEED, date: new Date().toISOString().slice(0, 10) })].map(sourceOf)
  const { failed } = await load({ sources, url, token })
  if (failed.length > 0) throw new Error(`the demo's patients were not loaded: ${failed[0]?.problems[0] ?? ''}`)
  return count()
}

async function introduce(system: System, persona: Persona, expires: number, print: (text: string) => void): Promise<void> {
  const { fhirBase } = system.config
  const { scope, patient, fhirUser, roles, purposes, name } = persona
  const token = await system.tokens.mint({ scope, patient, fhirUser, roles, purposes, client: 'demo', subject: fhirUser ?? name, expires })
  print(`\n${persona.title}`)
  for (const { path, shows } of persona.asks) {
    const url = `${fhirBase}/${path}${path.includes('?') ? '&' : '?'}_pretty=true`
    const { status, body } = await fetched(url, token)
    if (status !== 200) throw new Error(`the demo's ${name} was answered ${status}`)
    print(`  ${shows}${body.entry === undefined ? '' : ` (here ${body.entry.length})`}:`)
    print(`curl -sS -H "Authorization: Bearer ${token}" "${url}"`)
  }
  for (const line of persona.notes) print(`  ${line}`)
}

async function fetched(url: string, token: string): Promise<Fetched> {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}`, accept: 'application/fhir+json' } })
  return { status: response.status, body: await response.json() as Fetched['body'] }
}
