/**
 * WORKERS=n: one process watches over n servers that share its listening socket (node:cluster). It opens no store and holds no key. A server
 * that ends is started again and goes on with the ledger slot of the one before it.
 */
import cluster, { type Worker } from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Config } from './config.ts'
import type { SharedHits } from './http/exchange.ts'
import { openLog, type Log } from './http/log.ts'
import type { Bytes } from './model/resource.ts'

/** What a server among several is told by the process that started it. */
export interface Place {
  /** Holder of the ledger slot: that of the process before it, which is gone. */
  readonly holder: Bytes
  /** The first of them says what is to be said once. */
  readonly first: boolean
  readonly hits: SharedHits
}

type Start = { readonly kind: 'start'; readonly holder: string; readonly first: boolean }
type Hits = { readonly kind: 'hits'; readonly limiter: string; readonly hits: readonly (readonly [key: string, count: number])[] }
type ToServer = Start | Hits

export const isSupervisor = (config: Config): boolean => config.workers > 1 && cluster.isPrimary

/** Null in a process that is the only one. */
export async function placeAmongServers(): Promise<Place | null> {
  if (!cluster.isWorker) return null
  const [start] = await once(process, 'message') as [Start]
  return {
    holder: new Uint8Array(Buffer.from(start.holder, 'base64')), first: start.first,
    hits: {
      report: (limiter, hits) => void process.send?.({ kind: 'hits', limiter, hits: [...hits] } satisfies Hits),
      heard(limiter, take) {
        process.on('message', (message: ToServer) => {
          if (message.kind === 'hits' && message.limiter === limiter) take(message.hits)
        })
      }
    }
  }
}

const RESTART_MS_FIRST = 100
const RESTART_MS_MAX = 30_000
/** A server that ran this long did not fail at its start. */
const STEADY_MS = 30_000
/** Beyond the time that requests in flight get. */
const STOP_MS = 10_000
const EX_CONFIG = 78

interface Post { readonly holder: string; readonly number: number; worker: Worker | null; failures: number; restart: NodeJS.Timeout | null }

/** Runs until SIGTERM or SIGINT. Where the first server does not come to listen, this ends with that server's exit code. */
export async function supervise(config: Config): Promise<never> {
  const log = openLog({ level: config.logLevel, shared: true })
  // Each server takes connections off the socket itself: one that this process had handed to a server that was just killed would hang for ever.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  const posts = Array.from({ length: config.workers }, (_, index): Post =>
    ({ holder: randomBytes(16).toString('base64'), number: index + 1, worker: null, failures: 0, restart: null }))
  let [stopping, started] = [false, false]
  const stop = (): void => {
    if (stopping) return
    stopping = true
    for (const post of posts) if (post.restart !== null) clearTimeout(post.restart)
    void endAll(posts, config.timeouts.drainMs + STOP_MS).then(() => leave(log, 0))
  }
  const onSignal = (): void => stop()
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal)

  const start = (post: Post): Worker => {
    const began = performance.now()
    post.restart = null
    const worker = cluster.fork()
    post.worker = worker
    worker.send({ kind: 'start', holder: post.holder, first: post.number === 1 } satisfies Start)
    worker.on('message', (message: Hits) => {
      for (const { worker: other } of posts) if (other !== null && other !== worker && other.isConnected()) other.send(message)
    })
    // A channel that breaks is a server that ends; its exit says so.
    worker.on('error', () => {})
    worker.on('exit', () => {
      post.worker = null
      if (stopping || !started) return
      post.failures = performance.now() - began < STEADY_MS ? post.failures + 1 : 0
      const wait = Math.min(RESTART_MS_MAX, RESTART_MS_FIRST * 2 ** post.failures)
      log.note('error', `Server ${post.number} ended and is started again in ${wait} ms`)
      post.restart = setTimeout(() => start(post), wait)
    })
    return worker
  }
  // The first alone: it makes keys and tables where there are none, and what keeps it from starting would keep all.
  const first = posts[0]!
  const worker = start(first)
  const ended = once(worker, 'exit') as Promise<[number | null]>
  const failed = await Promise.race([once(worker, 'listening').then(() => null), ended.then(([code]) => code ?? 1)])
  if (failed !== null && !stopping) return leave(log, failed === 0 ? EX_CONFIG : failed)
  started = true
  for (const post of posts.slice(1)) if (!stopping) start(post)
  return new Promise<never>(() => {})
}

/** Each drains what it has in flight; what does not end in time is ended. */
async function endAll(posts: readonly Post[], msMax: number): Promise<void> {
  const workers = posts.flatMap(({ worker }) => worker ?? [])
  const gone = workers.map((worker) => (worker.isDead() ? null : once(worker, 'exit')))
  for (const worker of workers) worker.process.kill('SIGTERM')
  const timer = setTimeout(() => {
    for (const worker of workers) if (!worker.isDead()) worker.process.kill('SIGKILL')
  }, msMax)
  await Promise.all(gone)
  clearTimeout(timer)
}

function leave(log: Log, code: number): never {
  log.flush()
  process.exit(code)
}
