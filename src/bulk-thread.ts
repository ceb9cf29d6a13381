import { parentPort, workerData } from 'node:worker_threads'
import type { BulkAnswer, BulkAsk, BulkStart } from './bulk-messages.ts'
import { KeysUnavailable } from './crypto/errors.ts'
import { FhirError } from './model/errors.ts'
import { wholeBody } from './model/interaction.ts'
import { beNice, letHelpersBeNice } from './priority.ts'
import { StoreUnavailable } from './store/ports.ts'
import { xmlOfReply } from './fhir/xml/reply-xml.ts'
import { openSystem } from './system.ts'

/**
 * Readers on the main thread come first where cores are few, and with them all that they wait for. Less urgent than this it gains them nothing,
 * and on a busy machine the thread would not start in time, and take a minute for what is work of two seconds.
 */
const NICE = 10

const { config, writers, slot, packages } = workerData as BulkStart
const port = parentPort!
beNice(NICE)
letHelpersBeNice(NICE)
const system = await openSystem({ config, writers, slot, packages })
port.postMessage({ kind: 'ready' } satisfies BulkAnswer)

// One request at a time; the port keeps the others in order. Replies to lay out wait for no load.
let turn: Promise<void> = Promise.resolve()
port.on('message', (message: BulkAsk | 'close') => {
  if (message !== 'close' && message.kind === 'xml') return port.postMessage(laidOut(message))
  turn = turn.then(() => (message === 'close' ? finish() : answer(message)))
})

function laidOut({ number, json }: Extract<BulkAsk, { kind: 'xml' }>): BulkAnswer {
  try {
    return { number, kind: 'xml', xml: xmlOfReply(json, false) }
  } catch (error) {
    return { number, kind: 'error', name: error instanceof Error ? error.constructor.name : 'unknown', unavailable: false }
  }
}

async function answer({ number, request, caller }: Extract<BulkAsk, { kind: 'request' }>): Promise<void> {
  let reply: BulkAnswer
  system.forgetPanels()
  try {
    const response = await system.handle(request, caller)
    // Parts are views of larger memory, which would go along.
    reply = { number, kind: 'response', response: { ...response, body: response.body === null ? null : wholeBody(response.body) } }
  } catch (error) {
    reply = error instanceof FhirError
      ? { number, kind: 'fault', status: error.status, issues: error.issues, headers: error.headers }
      : { number, kind: 'error', name: error instanceof Error ? error.constructor.name : 'unknown', unavailable: error instanceof StoreUnavailable || error instanceof KeysUnavailable }
  }
  port.postMessage(reply)
}

async function finish(): Promise<void> {
  await system.close()
  port.close()
}
