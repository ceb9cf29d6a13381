/**
 * Large bodies run on a worker thread with a system of its own: parsing, validation and sealing of a 30 MB transaction would hold the
 * event loop for seconds. The thread reads for itself and writes through
 * the process's writer threads, or with a database client of its own.
 */
import { Worker } from 'node:worker_threads'
import type { BulkAnswer, BulkAsk, BulkStart } from './bulk-messages.ts'
import type { Handle } from './fhir/handle.ts'
import { FhirError } from './model/errors.ts'
import type { FhirResponse } from './model/interaction.ts'
import { StoreUnavailable } from './store/ports.ts'
import type { System } from './system.ts'

export interface Bulk {
  readonly handle: Handle
  /** A large reply, JSON, in XML. */
  toXml(json: Uint8Array | string): Promise<string>
  close(): Promise<void>
}

/** Starts no thread until the first large body comes. Requests run one after the other, so that one large load leaves a core to the readers. */
export function openBulk(system: System, slot: string): Bulk {
  let worker: Worker | null = null
  let number = 0
  const waiting = new Map<number, Waiting>()
  const start = (): Worker => {
    const writers = system.connect()
    const started = new Worker(new URL('./bulk-thread.ts', import.meta.url), {
      workerData: { config: system.config, writers, slot, packages: system.packages } satisfies BulkStart, transferList: writers === null ? [] : [writers.store, writers.ledger]
    })
    // A thread that cannot open its stores is given up: its requests are answered, and the next one starts another.
    const late = setTimeout(() => { if (worker === started) gone() }, system.config.timeouts.bulkStartMs)
    started.on('message', (answer: BulkAnswer) => {
      clearTimeout(late)
      if (answer.kind === 'ready') return
      const asked = waiting.get(answer.number)
      waiting.delete(answer.number)
      if (answer.kind === 'xml') return asked?.resolve(answer.xml)
      system.forgetPanels()
      if (answer.kind === 'response') asked?.resolve(answer.response)
      else if (answer.kind === 'fault') asked?.reject(new FhirError(answer.status, answer.issues, { headers: { ...answer.headers } }))
      else asked?.reject(answer.unavailable ? new StoreUnavailable(answer.name) : new Error(answer.name))
    })
    const gone = (): void => {
      clearTimeout(late)
      if (worker !== started) return
      worker = null
      void started.terminate()
      for (const { reject } of waiting.values()) reject(new FhirError(503, [{ severity: 'error', code: 'transient', diagnostics: 'The worker for large requests stopped; ask again' }], { headers: { 'retry-after': '5' } }))
      waiting.clear()
    }
    started.on('error', gone)
    started.on('exit', gone)
    return started
  }
  const send = <T extends FhirResponse | string>(ask: BulkAsk, transfer: ArrayBuffer[]): Promise<T> => {
    worker ??= start()
    const answer = new Promise<T>((resolve, reject) => waiting.set(ask.number, { resolve: resolve as Waiting['resolve'], reject }))
    worker.postMessage(ask, transfer)
    return answer
  }
  return {
    handle: (request, caller) =>
      send<FhirResponse>({ number: ++number, kind: 'request', request, caller }, request.body !== null && 'bytes' in request.body ? movable(request.body.bytes) : []),
    toXml: (json) => send<string>({ number: ++number, kind: 'xml', json }, []),
    async close() {
      if (worker === null) return
      const ended = new Promise((resolve) => worker?.once('exit', resolve))
      worker.postMessage('close')
      await ended
    }
  }
}

interface Waiting { readonly resolve: (result: FhirResponse | string) => void; readonly reject: (error: Error) => void }

/** The body's memory, shared or a buffer of its own, which moves to the thread: http gives each large body one. */
const movable = ({ buffer }: Uint8Array): ArrayBuffer[] => (buffer instanceof ArrayBuffer ? [buffer] : [])
