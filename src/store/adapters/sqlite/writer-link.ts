import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads'
import { StoreBroken, StoreUnavailable, StoreUnknown } from '../../ports.ts'
import { fromMessage } from './errors.ts'
import type { FromWriter, Outcome, ToWriter, Unit, WriterStart } from './messages.ts'
import type { StoreKind } from './schema.ts'

/** Something to be written and who waits for it. */
export interface Waiting<I> {
  readonly item: I
  resolve(value: unknown): void
  reject(error: Error): void
}

/** Takes the next group off the front of `queue`: units, and for each of them those who wait for it. */
export type Pack<I> = (queue: Waiting<I>[]) => { readonly units: readonly Unit[]; readonly waiting: readonly (readonly Waiting<I>[])[] }

export interface WriterLink<I> {
  /** Resolves with the unit's value when it is durable. */
  send(item: I): Promise<unknown>
  /** Another port to the same writer thread, for a store of another thread of this process. */
  connect(): MessagePort
  /**
   * Waits for what is in flight, then closes this port, and with the first one the writer thread. `drained` is called
   * in between, to close the reader: only the last connection to close empties the WAL, and a reader cannot.
   */
  close(drained?: () => void): Promise<void>
}

export interface LinkOptions<I> { readonly now: () => number; readonly pack: Pack<I> }

export interface StartedWriter { readonly port: MessagePort; readonly worker: Worker; readonly ended: Promise<void> }

/**
 * Starts a writer thread. Its port is given to `openLink`, and to nobody else; `ended` resolves when the thread is gone.
 */
export function startWriter(path: string, store: StoreKind): StartedWriter {
  const { port1, port2 } = new MessageChannel()
  const workerData: WriterStart = { path, store, port: port2 }
  const worker = new Worker(new URL('./writer-thread.ts', import.meta.url), { workerData, transferList: [port2], execArgv: [], env: {} })
  // An error of the thread closes its ports, and that is what a link acts on.
  worker.on('error', () => {})
  return { port: port1, worker, ended: new Promise((resolve) => { worker.once('exit', () => { resolve() }) }) }
}

/** A link over a port from `startWriter` or `connect`, once its writer is ready. `ended`: given by the owner of the thread. */
export async function openLink<I>(port: MessagePort, options: LinkOptions<I>, ended?: Promise<void>): Promise<WriterLink<I>> {
  const line = new Line(port, options, ended)
  await line.ready
  return line
}

class Line<I> implements WriterLink<I> {
  readonly ready: Promise<void>
  readonly #port: MessagePort
  readonly #now: () => number
  readonly #pack: Pack<I>
  readonly #ended: Promise<void> | undefined
  readonly #queue: Waiting<I>[] = []
  #flight: readonly (readonly Waiting<I>[])[] | null = null
  #scheduled = false
  #broken: Error | null = null
  #closing: Promise<void> | null = null
  #idle: (() => void) | null = null

  constructor(port: MessagePort, options: LinkOptions<I>, ended: Promise<void> | undefined) {
    this.#port = port
    this.#now = options.now
    this.#pack = options.pack
    this.#ended = ended
    this.ready = new Promise((resolve, reject) => {
      port.on('close', () => {
        this.#lost()
        reject(new StoreUnavailable('The writer did not start'))
      })
      port.on('message', (message: FromWriter) => {
        if (message.kind === 'outcomes') this.#answered(message.outcomes)
        else if (message.kind === 'failed') reject(fromMessage(message.error))
        else resolve()
      })
    })
  }

  send(item: I): Promise<unknown> {
    if (this.#closing !== null) return Promise.reject(new StoreUnavailable('The store is closed'))
    if (this.#broken !== null) return Promise.reject(this.#broken)
    return new Promise((resolve, reject) => {
      this.#queue.push({ item, resolve, reject })
      // A microtask, so that calls of one turn share a group; no timer: the group in flight is what others wait for.
      if (this.#flight !== null || this.#scheduled) return
      this.#scheduled = true
      queueMicrotask(() => {
        this.#scheduled = false
        this.#flush()
      })
    })
  }

  connect(): MessagePort {
    const { port1, port2 } = new MessageChannel()
    this.#port.postMessage({ kind: 'connect', port: port2 } satisfies ToWriter, [port2])
    return port1
  }

  close(drained?: () => void): Promise<void> {
    this.#closing ??= this.#finish(drained)
    return this.#closing
  }

  async #finish(drained: (() => void) | undefined): Promise<void> {
    if (this.#flight !== null || this.#queue.length > 0) await new Promise<void>((resolve) => { this.#idle = resolve })
    drained?.()
    if (this.#ended === undefined || this.#broken !== null) {
      this.#port.close()
    } else {
      this.#port.postMessage({ kind: 'end' } satisfies ToWriter)
    }
    await this.#ended
  }

  #flush(): void {
    if (this.#queue.length === 0 || this.#broken !== null) return this.#idle?.()
    const { units, waiting } = this.#pack(this.#queue)
    this.#flight = waiting
    this.#port.postMessage({ kind: 'group', at: this.#now(), units } satisfies ToWriter)
  }

  #answered(outcomes: readonly Outcome[]): void {
    const flight = this.#flight ?? []
    this.#flight = null
    // The next group leaves before those of this one go on: the writer need not wait for them.
    if (this.#queue.length > 0) this.#flush()
    outcomes.forEach((outcome, i) => {
      for (const one of flight[i] ?? []) {
        if ('value' in outcome) one.resolve(outcome.value)
        else one.reject(fromMessage(outcome.error))
      }
    })
    if (this.#flight === null && this.#queue.length === 0) this.#idle?.()
  }

  #lost(): void {
    if (this.#closing !== null && this.#flight === null && this.#queue.length === 0) return
    this.#broken = new StoreBroken('The writer is gone')
    for (const one of (this.#flight ?? []).flat()) one.reject(new StoreUnknown('The writer ended before it answered'))
    this.#flight = null
    for (const one of this.#queue.splice(0)) one.reject(this.#broken)
    this.#idle?.()
  }
}
