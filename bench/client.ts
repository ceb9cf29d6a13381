/**
 * A light HTTP/1.1 client: raw sockets, requests made beforehand, of an answer only status and length are read. On two cores the client
 * takes its share from the server, so it does as little as it can.
 */
import { connect, type Socket } from 'node:net'
import type { Server } from './child.ts'

/** A whole request as bytes. */
export type Call = Buffer

export interface Answer { readonly status: number; readonly body: Buffer }

export interface Drive {
  readonly answers: number
  /** Answers that were not 2xx. */
  readonly failed: number
  readonly seconds: number
  /** ms of each answer, sorted. */
  readonly times: Float64Array
}

export function callOf(server: Pick<Server, 'port' | 'token'>, method: string, path: string, body?: string | Buffer): Call {
  const content = body === undefined ? '' : `content-type: application/fhir+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`
  const token = server.token === null ? '' : `authorization: Bearer ${server.token}\r\n`
  const head = `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\n${token}${content}\r\n`
  return body === undefined ? Buffer.from(head) : Buffer.concat([Buffer.from(head), Buffer.from(body)])
}

/** Sends calls over so many connections, each with one request under way, until the time is up and the last answer is there. */
export async function drive(server: Server, connections: number, ms: number, next: () => Call): Promise<Drive> {
  const times: number[] = []
  let failed = 0
  const lines = await Promise.all(Array.from({ length: connections }, () => openLine(server.port)))
  const started = performance.now()
  const end = started + ms
  await Promise.all(lines.map((line) => new Promise<void>((resolve, reject) => {
    let sent = 0
    const send = (): void => {
      sent = performance.now()
      line.send(next(), done, reject)
    }
    const done = (status: number): void => {
      const now = performance.now()
      times.push(now - sent)
      if (status < 200 || status > 299) failed++
      if (now < end) send()
      else resolve()
    }
    send()
  })))
  const seconds = (performance.now() - started) / 1000
  for (const line of lines) line.close()
  return { answers: times.length, failed, seconds, times: Float64Array.from(times).sort() }
}

export interface Pace { readonly lines: number; readonly everyMs: number; readonly next: () => Call }

/** Each connection sends one call every so often, and waits longer only for a late answer, until `ended` is settled. */
export async function pace(server: Server, { lines: count, everyMs, next }: Pace, ended: () => Promise<unknown>): Promise<Drive> {
  const lines = await Promise.all(Array.from({ length: count }, () => openLine(server.port)))
  const times: number[] = []
  let failed = 0
  let over = false
  const started = performance.now()
  const end = ended().finally(() => { over = true })
  await Promise.all(lines.map(async (line, i) => {
    await delay((everyMs * i) / count)
    while (!over) {
      const sent = performance.now()
      const status = await new Promise<number>((resolve, reject) => line.send(next(), resolve, reject))
      times.push(performance.now() - sent)
      if (status < 200 || status > 299) failed++
      await delay(everyMs - (performance.now() - sent))
    }
    line.close()
  }))
  await end
  return { answers: times.length, failed, seconds: (performance.now() - started) / 1000, times: Float64Array.from(times).sort() }
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)))

/** One request on a connection of its own. */
export async function ask(server: Server, call: Call): Promise<Answer> {
  const line = await openLine(server.port)
  try {
    return await new Promise((resolve, reject) => line.send(call, (status, body) => resolve({ status, body: body() }), reject))
  } finally {
    line.close()
  }
}

/** The value below which a share of the sorted times lies. */
export const percentile = (times: Float64Array, share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? NaN

type Done = (status: number, body: () => Buffer) => void

interface Line { send(call: Call, done: Done, lost: (error: Error) => void): void; close(): void }

async function openLine(port: number): Promise<Line> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return lineOver(socket)
}

function lineOver(socket: Socket): Line {
  let chunks: Buffer[] = []
  let held = 0
  let wanted = -1
  let bodyAt = 0
  let status = 0
  let waiting: { readonly done: Done; readonly lost: (error: Error) => void } | null = null
  const lost = (): void => waiting?.lost(new Error('A connection ended before its answer'))
  const readHead = (): void => {
    const all = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
    const end = all.indexOf('\r\n\r\n')
    if (end < 0) return
    const head = all.toString('latin1', 0, end)
    status = Number(head.slice(9, 12))
    bodyAt = end + 4
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    if (length === undefined && status !== 204) throw new Error('An answer without a length')
    wanted = bodyAt + Number(length ?? 0)
  }
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    held += chunk.length
    if (wanted < 0) readHead()
    if (wanted < 0 || held < wanted) return
    const [answered, from, body] = [waiting, bodyAt, chunks]
    ;[chunks, held, wanted, waiting] = [[], 0, -1, null]
    answered?.done(status, () => Buffer.concat(body).subarray(from))
  }).on('error', lost).on('close', lost)
  return {
    send(call, done, onLost) {
      waiting = { done, lost: onLost }
      socket.write(call)
    },
    close() {
      waiting = null
      socket.destroy()
    }
  }
}
