/** A MongoDB server for tests: the one of MONGODB_URI, one in a container, or a small stand-in from PyPI that speaks the same protocol. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { MongoClient } from 'mongodb'
import type { MongoStoreOptions } from '../../src/store/adapters/mongodb/database.ts'
import { pythonProgram } from '../python-program.ts'
import { withClient } from '../stores.ts'
import type { MakePlace } from './conformance.ts'
import { freePort } from '../free-port.ts'

const run = promisify(execFile)

export interface MongoServer {
  /** Why there is none, or null. */
  readonly missing: string | null
  /** A real mongod: explain, TTL and durability mean something. */
  readonly real: boolean
  readonly url: string
  /** Only for the stand-in; what was acknowledged is there after `start`. */
  readonly stop: (() => Promise<void>) | null
  readonly start: (() => Promise<void>) | null
  /** SIGKILL: it keeps what it acknowledged only when started with `DURABLY`. */
  readonly kill: (() => Promise<void>) | null
  end(): Promise<void>
}

const STAND_IN = { name: 'secantus', requirement: 'secantusdb==0.7.0b3', program: 'secantusd-py' }
/** Ends its server when its own standard input ends, so also when the test file dies: by SIGKILL if it was sent a word. */
const WATCHED = 'import subprocess, sys; p = subprocess.Popen(sys.argv[1:]); word = sys.stdin.read(); p.kill() if word else p.terminate(); p.wait()'
/**
 * Starts the stand-in without what makes it slow and changes no answer. For a hint of an index of arrays it reads and sorts the whole collection: hints
 * are looked up, and not obeyed, but for that of the index by type, without which it answers wrongly. Each of the terms asked for is compared with each of a record's in Python: bytes are looked up instead. After each
 * command it reads whether it should note how long that took. What a killed process held in a transaction is let go after 5 s, not 60, as with a
 * low transactionLifetimeLimitSeconds.
 */
const LAUNCH = `
import sys
from secantus import commands, query
from secantus.cli import main
from secantus.server import SecantusDBServer
from secantus.storage import Storage
SecantusDBServer.__init__.__kwdefaults__['transaction_lifetime_seconds'] = 5.0
compare = query._eq_with_array
def compare_bytes(values, expected, collation=None, *, descend=True):
    if type(expected) is not bytes:
        return compare(values, expected, collation, descend=descend)
    return any(expected == v or (descend and type(v) is list and expected in v) for v in values)
query._eq_with_array = compare_bytes
commands._maybe_record_profile = lambda *parts: None
find = Storage.find_matching
def unhinted(self, db, coll, filter=None, *, hint=None, **more):
    if hint == 'by_type':
        return find(self, db, coll, filter, hint=hint, **more)
    if hint is not None:
        self._resolve_hint(db, coll, hint)
    return find(self, db, coll, filter, **more)
Storage.find_matching = unhinted
sys.exit(main())`
const SETUP_MS = 240_000
const START_MS = 60_000
/** After a kill its port may not be free at once. */
const STARTS_MAX = 5

export const mongoServer = async (): Promise<MongoServer> => (await sharedServer()) ?? (await standIn())

/** One that test files can share, or null. */
export async function sharedServer(): Promise<MongoServer | null> {
  const given = process.env.MONGODB_URI
  if (given !== undefined && given !== '') return { missing: null, real: await isReal(given), url: given, stop: null, start: null, kill: null, end: async () => {} }
  return inContainer()
}

const none = (missing: string): MongoServer => ({ missing, real: false, url: '', stop: null, start: null, kill: null, end: async () => {} })

/** The stand-in knows no storage engine's name. */
async function isReal(url: string): Promise<boolean> {
  const client = new MongoClient(url)
  try {
    const status = await client.db('admin').command({ serverStatus: 1 })
    return status.storageEngine?.name === 'wiredTiger' && !/secantus/i.test(JSON.stringify(await client.db('admin').command({ buildInfo: 1 })))
  } catch {
    return false
  } finally {
    await client.close()
  }
}

async function inContainer(): Promise<MongoServer | null> {
  try {
    await run('docker', ['info'], { timeout: 5_000 })
    const port = await freePort()
    const { stdout } = await run('docker', ['run', '-d', '--rm', '-p', `127.0.0.1:${port}:27017`, 'mongo:8.0', '--replSet', 'rs0'], { timeout: SETUP_MS })
    const url = `mongodb://127.0.0.1:${port}/?directConnection=true`
    const client = new MongoClient(url, { serverSelectionTimeoutMS: START_MS })
    await client.db('admin').command({ replSetInitiate: { _id: 'rs0', members: [{ _id: 0, host: '127.0.0.1:27017' }] } })
    while ((await client.db('admin').command({ hello: 1 })).isWritablePrimary !== true) await sleep(100)
    await client.close()
    return { missing: null, real: true, url, stop: null, start: null, kill: null, end: async () => { await run('docker', ['stop', stdout.trim()]) } }
  } catch {
    return null
  }
}

/** The stand-in leaves syncing to the system unless told. */
export const DURABLY = ['--sync-on-commit'] as const

/** `--standalone`: one that says it is no replica set. `options`: more of its URL. */
export async function standIn(more: readonly string[] = ['--enable-test-commands'], options = ''): Promise<MongoServer> {
  const program = await pythonProgram(STAND_IN)
  if (typeof program !== 'string') return none(`no MONGODB_URI, no docker, and ${program.reason}`)
  const dir = mkdtempSync(join(tmpdir(), 'wardkeep-mongo-'))
  const port = await freePort()
  const url = `mongodb://127.0.0.1:${port}/?${more.includes('--standalone') ? 'directConnection=true' : 'replicaSet=secantus'}${options === '' ? '' : `&${options}`}`
  let child: ChildProcess | null = null
  const stop = async (word = ''): Promise<void> => {
    const ending = child
    child = null
    if (ending === null || ending.exitCode !== null) return
    const gone = new Promise((resolve) => ending.once('exit', resolve))
    ending.stdin?.end(word)
    await gone
  }
  const start = async (): Promise<void> => {
    for (let tries = 1; ; tries++) {
      const started = spawn('python3', ['-c', WATCHED, join(dirname(program), 'python3'), '-c', LAUNCH, '--host', '127.0.0.1', '--port', String(port), '--storage-path', join(dir, 'data'), '--log-level', 'ERROR', ...more], { stdio: ['pipe', 'ignore', 'ignore'] })
      child = started
      const client = new MongoClient(url, { serverSelectionTimeoutMS: START_MS })
      const answered = client.db('admin').command({ ping: 1 }).then(() => true, () => false)
      const ended = new Promise<boolean>((resolve) => started.once('exit', () => resolve(false)))
      const fine = await Promise.race([answered, ended])
      await client.close()
      if (fine) return
      await stop()
      if (tries === STARTS_MAX) throw new Error('The stand-in for MongoDB did not start')
    }
  }
  try {
    await start()
  } catch {
    await stop()
    return none('the stand-in for MongoDB did not start')
  }
  return { missing: null, real: false, url, stop: () => stop(), start, kill: () => stop('kill'), end: async () => { await stop('kill'); rmSync(dir, { recursive: true, force: true }) } }
}

export const freshDatabase = (): string => `wardkeep_${randomBytes(6).toString('hex')}`

/** The tests' clock stands in 1970: expired documents must not be dropped by the server before a test has looked. */
export const CLOCK_OF_TESTS = { expiryDelayS: 2 ** 31 - 1 } as const

/** An empty database for each place; small pieces, so that every set of terms is split. */
export function mongoPlaces<S>(server: MongoServer, open: (options: MongoStoreOptions) => Promise<S>, more: Partial<MongoStoreOptions> = {}): MakePlace<S> {
  return async () => {
    const database = freshDatabase()
    return {
      open: (now) => open({ url: server.url, database, now, splitTerms: 4, ...CLOCK_OF_TESTS, ...more }),
      dispose: () => withClient(server.url, async (client) => { await client.db(database).dropDatabase() })
    }
  }
}
