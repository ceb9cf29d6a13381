/**
 * Kills a server, or the database below it, under load with SIGKILL, as often as asked, and checks after each restart what its clients were
 * told. By hand: `node test/store/kill-run.ts 50 [seed] [server|database]`.
 */
import { readdirSync, rmSync } from 'node:fs'
import { askAt, beside, type Child, mint, newPlace, pause, type Place, startChild, wardkeep } from '../child.ts'
import { isOnMongo, withDatabase } from '../stores.ts'
import { createFaults, fateFaults, sharedFaults, transactionFaults, unrecorded } from './kill-checks.ts'
import { DURABLY, freshDatabase, type MongoServer, standIn } from './mongo-place.ts'
import { type Client, clientRun, dice, newNotes, type Notes, observation, SHARED } from './kill-load.ts'

export interface KillReport {
  readonly kills: number
  readonly faults: readonly string[]
  readonly answered: number
  readonly acknowledgedWrites: number
  readonly transactions: number
  /** Requests without an answer when the server died. */
  readonly inFlight: number
  /** Requests that got 503 because the database was away. */
  readonly putOff: number
  readonly startMsMax: number
  /** ms of the first start, on an empty place. */
  readonly startMsFirst: number
  /** Last line and exit code of `audit verify` at the end. */
  readonly verify: string
}

const CLIENTS = 6
/** In every other round what has more bytes than this, a transaction, runs on the worker thread. */
const INLINE_BYTES = 4000
/** Long enough for many answers on either store. */
const KILL_MS_MAX = isOnMongo ? 5_000 : 800
/** A dead process holds its ledger slot for 15 s; then another takes its spool, if it left one. */
const SPOOL_MS_MAX = 20_000
const BACK_MS_MAX = 60_000

export async function killRuns(kills: number, seed: number, say: (line: string) => void = () => undefined, database: MongoServer | null = null): Promise<KillReport> {
  const place = await newPlace(database === null ? {} : { STORE_URL: withDatabase(database.url, freshDatabase()) })
  const random = dice(seed)
  const [token] = await mint(place, { scope: 'system/*.cruds' })
  const total = newNotes()
  const faults: string[] = []
  let [startMsMax, inFlight] = [0, 0]
  let server = await startChild(place)
  const startMsFirst = server.startedMs
  await prepare(server, token!)
  for (let round = 1; round <= kills; round++) {
    const after = random() * KILL_MS_MAX
    const notes = await loadAndKill(server, token!, { round, after, seed: Math.floor(random() * 2 ** 32) }, database?.kill ?? server.kill)
    inFlight += [...notes.fates.values()].filter((fate) => fate.inFlight !== null).length
    if (database === null) server = await startChild(place, round % 2 === 0 ? {} : { BODY_BYTES_INLINE: String(INLINE_BYTES) })
    else await comeBack(server, database)
    startMsMax = Math.max(startMsMax, server.startedMs)
    const found = await roundFaults(place, clientOf(server, token!, notes, `check${round}`), notes)
    found.forEach((fault) => faults.push(`round ${round}, killed after ${Math.round(after)} ms: ${fault}`))
    merge(total, notes)
    say(`${round}/${kills}: killed after ${Math.round(after)} ms, ${notes.answered.size} answered, restart ${Math.round(server.startedMs)} ms, ${found.length} faults`)
  }
  faults.push(...(await lastFaults(place, clientOf(server, token!, total, 'last'), total)))
  if ((await server.stop()) !== 0) faults.push('The server did not stop with 0')
  const verify = await wardkeep(place, 'audit', 'verify', '--versions')
  if (verify.code !== 0) faults.push(`audit verify: ${verify.code} ${verify.out.slice(0, 500)}`)
  rmSync(place.dir, { recursive: true, force: true })
  const acknowledgedWrites = [...total.fates.values()].reduce((sum, fate) => sum + fate.acknowledged.length, 0) + total.shared.size + total.creates.size
  return { kills, faults, answered: total.answered.size, acknowledgedWrites, transactions: total.transactions.size, inFlight, putOff: total.putOff.count, startMsMax, startMsFirst, verify: `${verify.code} ${verify.out.trim().split('\n').at(-1)}` }
}

async function prepare(server: Child, token: string): Promise<void> {
  for (const ref of SHARED) {
    const reply = await askAt(server.base, token, 'PUT', ref, { body: observation('start', 'Patient/shared', ref.split('/')[1]) })
    if (reply.status !== 201) throw new Error(`The load could not be prepared: ${reply.status} ${reply.text}`)
  }
}

const clientOf = (server: Child, token: string, notes: Notes, name: string, random = Math.random): Client => ({ base: server.base, token, notes, name, random })

async function loadAndKill(server: Child, token: string, options: { round: number; after: number; seed: number }, kill: () => Promise<void>): Promise<Notes> {
  const notes = newNotes()
  let over = false
  const clients = Array.from({ length: CLIENTS }, (_, index) =>
    clientRun(clientOf(server, token, notes, `k${options.round}c${index}`, dice(options.seed + index)), () => over))
  await pause(options.after)
  await kill()
  over = true
  await Promise.all(clients)
  return notes
}

/** The server is not started again: it finds the database by itself. */
async function comeBack(server: Child, database: MongoServer): Promise<void> {
  await database.start!()
  const began = performance.now()
  while (!(await fetch(server.base.replace('/fhir/R4', '/ready')).then((reply) => reply.ok, () => false))) {
    if (performance.now() - began > BACK_MS_MAX) throw new Error('The server did not find its database again')
    await pause(100)
  }
}

async function roundFaults(place: Place, client: Client, notes: Notes): Promise<readonly string[]> {
  const faults: string[] = [...notes.wrong]
  faults.push(...(await fateFaults(client, notes.fates.values())))
  faults.push(...(await sharedFaults(client, notes.shared)))
  faults.push(...(await transactionFaults(client, notes.transactions)))
  faults.push(...(await createFaults(client, notes.creates)))
  faults.push(...(await ledgerFaults(place, notes)))
  return faults
}

/** No answer without its record, and a ledger and store that agree. */
async function ledgerFaults(place: Place, notes: Notes): Promise<readonly string[]> {
  const began = performance.now()
  for (;;) {
    const [missing, verified] = await beside(place, async (system) => [await unrecorded(system, notes.answered.keys()), await system.verify({ versions: false })] as const)
    const spooled = readdirSync(place.env.DATA_DIR!).some((name) => name.endsWith('.spool'))
    if (missing.length === 0 || !spooled || performance.now() - began > SPOOL_MS_MAX) {
      return [...missing.map((id) => `The ${notes.answered.get(id)} answered as ${id} has no record`), ...verified.problems.map((problem) => `verify: ${problem.text}`)]
    }
    await pause(1000)
  }
}

/** Once more over everything that was ever acknowledged. */
async function lastFaults(place: Place, client: Client, total: Notes): Promise<readonly string[]> {
  const faults = [...(await fateFaults(client, total.fates.values())), ...(await sharedFaults(client, total.shared)), ...(await transactionFaults(client, total.transactions))]
  return [...faults, ...(await ledgerFaults(place, total))].map((fault) => `at the end: ${fault}`)
}

function merge(total: Notes, notes: Notes): void {
  total.putOff.count += notes.putOff.count
  for (const part of ['fates', 'transactions', 'creates', 'shared', 'answered'] as const) {
    for (const [key, value] of notes[part]) (total[part] as Map<string, unknown>).set(key, value)
  }
}

if (process.argv[1] === import.meta.filename) {
  const database = process.argv[4] === 'database' ? await standIn(DURABLY) : null
  const report = await killRuns(Number(process.argv[2] ?? 50), Number(process.argv[3] ?? Date.now() % 1_000_000), (line) => process.stdout.write(`${line}\n`), database)
  await database?.end()
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  process.exitCode = report.faults.length === 0 ? 0 : 1
}
