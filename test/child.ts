/** The server and the command line as processes of their own, for what only a process can show: kills, files, signals, output. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { freePort } from './free-port.ts'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../src/config.ts'
import { openSystem, type System } from '../src/system.ts'
import type { Claims, Json, Reply } from './harness.ts'
import { newStore } from './stores.ts'

const main = join(import.meta.dirname, '..', 'src', 'main.ts')
const command = join(import.meta.dirname, '..', 'src', 'cli', 'wardkeep.ts')
const START_MS_MAX = 90_000

export type Env = Readonly<Record<string, string>>

/** A DATA_DIR, and the settings that every process on it shares. */
export interface Place {
  readonly dir: string
  readonly env: Env
}

export interface Child {
  /** FHIR base URL by which this process is reached. */
  readonly base: string
  readonly process: ChildProcess
  /** ms from the spawn to the first answer. */
  readonly startedMs: number
  /** Exit code; null after a signal. */
  readonly ended: Promise<number | null>
  /** stdout and stderr so far. */
  output(): string
  /** SIGKILL: nothing of the process runs any more. Resolves when it is gone. */
  kill(): Promise<void>
  /** SIGTERM. */
  stop(): Promise<number | null>
}

export interface Asked {
  readonly body?: unknown
  readonly headers?: Env
}

export async function newPlace(env: Env = {}): Promise<Place> {
  const dir = mkdtempSync(join(tmpdir(), 'wardkeep-child-'))
  const port = await freePort()
  return { dir, env: { DATA_DIR: join(dir, 'data'), PORT: String(port), BASE_URL: `http://127.0.0.1:${port}`, RATE_LIMIT: '1000000', LOG_LEVEL: 'warn', ...newStore(), ...env } }
}

/** Starts a server and waits until it answers. `env` differs from the place's where a second process stands beside the first. */
export async function startChild(place: Place, env: Env = {}): Promise<Child> {
  const settings = { ...place.env, ...env }
  const began = performance.now()
  const started = spawn(process.execPath, [main], { stdio: ['ignore', 'pipe', 'pipe'], env: settings })
  const gone = (): void => void started.kill('SIGKILL')
  process.once('exit', gone)
  const pieces: Buffer[] = []
  started.stdout?.on('data', (piece: Buffer) => pieces.push(piece))
  started.stderr?.on('data', (piece: Buffer) => pieces.push(piece))
  const output = (): string => Buffer.concat(pieces).toString('utf8')
  let over = false
  const ended = new Promise<number | null>((resolve) => started.once('close', (code) => {
    over = true
    process.off('exit', gone)
    resolve(code)
  }))
  const origin = `http://127.0.0.1:${settings.PORT}`
  while (!(await fetch(`${origin}/health`).then((reply) => reply.ok, () => false))) {
    if (over || performance.now() - began > START_MS_MAX) {
      gone()
      throw new Error(`The server did not start: ${output()}`)
    }
    await pause(20)
  }
  return {
    base: `${origin}/fhir/R4`, process: started, startedMs: performance.now() - began, ended, output,
    async kill() {
      started.kill('SIGKILL')
      await ended
    },
    async stop() {
      started.kill('SIGTERM')
      return ended
    }
  }
}

/** One request. A body that is no string and no bytes is sent as JSON. `arrived` is told as soon as the answer's headers are there. */
export async function askAt(
  base: string, token: string | null, method: string, path: string, { body, headers = {} }: Asked = {}, arrived: (headers: Headers) => void = () => undefined
): Promise<Reply> {
  const plain = body === undefined || typeof body === 'string' || body instanceof Uint8Array
  const response = await fetch(path === '' ? base : `${base}/${path}`, {
    method, redirect: 'manual',
    headers: { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...(body === undefined ? {} : { 'content-type': 'application/fhir+json' }), ...headers },
    ...(body === undefined ? {} : { body: plain ? (body as string) : JSON.stringify(body) })
  })
  arrived(response.headers)
  const text = await response.text()
  const isJson = (response.headers.get('content-type') ?? '').includes('json') && text !== ''
  return { status: response.status, headers: response.headers, text, json: isJson ? (JSON.parse(text) as Json) : null }
}

/** `wardkeep …` on the place, as an operator would run it. */
export function wardkeep(place: Place, ...argv: readonly string[]): Promise<{ readonly code: number | null; readonly out: string }> {
  const started = spawn(process.execPath, [command, ...argv], { stdio: ['ignore', 'pipe', 'pipe'], env: place.env })
  let out = ''
  const add = (piece: Buffer): void => { out += piece.toString('utf8') }
  started.stdout.on('data', add)
  started.stderr.on('data', add)
  return new Promise((resolve) => started.once('close', (code) => resolve({ code, out })))
}

/** Opens the place's stores and keys in this process, beside whatever runs on them, as a command does. */
export async function beside<T>(place: Place, work: (system: System) => Promise<T>): Promise<T> {
  const system = await openSystem({ config: loadConfig(place.env), slot: 'cli' })
  try {
    return await work(system)
  } finally {
    await system.close()
  }
}

export const mint = (place: Place, ...claims: readonly Claims[]): Promise<readonly string[]> => beside(place, ({ tokens }) => Promise.all(claims.map((each) => tokens.mint({
  scope: each.scope, patient: each.patient ?? null, fhirUser: each.fhirUser ?? null, roles: each.roles ?? [], purposes: each.purposes ?? [],
  client: each.client ?? 'test', subject: each.subject ?? 'tester', expires: Date.now() + 3_600_000
}))))

export const pause = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms) })
