import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { loadConfig } from '../../src/config.ts'
import type { HttpConfig, Refusal, ServerOptions } from '../../src/http/exchange.ts'
import { openLog } from '../../src/http/log.ts'
import { startServer } from '../../src/http/server.ts'
import type { Caller } from '../../src/model/caller.ts'
import type { FhirRequest, FhirResponse } from '../../src/model/interaction.ts'
import { tokenRefused } from '../../src/oauth/challenge.ts'

export const FHIR = '/fhir/R4'
export const BEARER = 'Bearer good'
export const caller: Caller = {
  issuer: 'https://idp.example', subject: 'u', client: 'app', scope: 'system/*.rs', patient: null, encounter: null, fhirUser: null, roles: [], purposes: [], jti: null, expires: 9e15, ceiling: null
}

export interface World {
  readonly url: string
  readonly port: number
  /** Requests that reached the FHIR side. */
  readonly seen: FhirRequest[]
  readonly refusals: Omit<Refusal, 'requestId' | 'clientRequestId'>[]
  readonly logged: string[]
  /** What the FHIR side answers next. */
  answer: (request: FhirRequest) => FhirResponse | Promise<FhirResponse>
  close(): Promise<void>
}

type Changes = Omit<Partial<ServerOptions>, 'config'> & { readonly config?: Partial<HttpConfig>; readonly timeouts?: Partial<HttpConfig['timeouts']>; readonly bounds?: Partial<HttpConfig['bounds']> }

/** A server on a free port over a FHIR side that only remembers. `good` is the one good token; `good-N` belongs to client N. */
export async function openWorld(changes: Changes = {}): Promise<World> {
  const { config, timeouts, bounds, ...options } = changes
  const defaults = loadConfig({})
  const seen: FhirRequest[] = [], refusals: Omit<Refusal, 'requestId' | 'clientRequestId'>[] = [], logged: string[] = []
  const world = { seen, refusals, logged, answer: (): FhirResponse => ({ status: 200, headers: { 'Content-Type': 'application/fhir+json', ETag: 'W/"1"' }, body: '{"resourceType":"Patient","id":"1","multipleBirthInteger":1.50}' }) }
  const server = await startServer({
    config: { ...defaults, port: 0, ...config, timeouts: { ...defaults.timeouts, ...timeouts }, bounds: { ...defaults.bounds, ...bounds } },
    types: new Set(['Patient', 'Observation', 'Binary', 'Bundle']),
    handle: async (request) => {
      seen.push(request)
      return opened.answer(request)
    },
    verify: (token) => {
      if (token === 'good') return caller
      if (/^good-\d+$/.test(token)) return Promise.resolve({ ...caller, client: token })
      throw tokenRefused()
    },
    refused: ({ requestId, clientRequestId: _, ...refusal }) => {
      if (!/^[0-9a-f-]{36}$/.test(requestId)) throw new Error('a refusal carries our request id')
      refusals.push(refusal)
    },
    ready: async () => undefined,
    metadata: () => '{"resourceType":"CapabilityStatement","status":"active"}',
    wellKnown: { 'smart-configuration': () => '{"capabilities":["permission-v2"]}' },
    unavailable: () => false,
    log: openLog({ level: 'info', destination: { write: (line) => void logged.push(line) } }),
    ...options
  })
  const opened: World = Object.assign(world, { url: `http://127.0.0.1:${server.port}`, port: server.port, close: () => server.close() })
  return opened
}

/** Sends raw bytes and gives what came back once the server closed the connection or `until` fits. */
export async function raw(port: number, text: string | Buffer, until: RegExp = /^$/): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(text)
  return collect(socket, until)
}

export async function collect(socket: Socket, until: RegExp): Promise<string> {
  let got = ''
  socket.setEncoding('latin1')
  return new Promise((resolve) => {
    const done = () => {
      socket.destroy()
      resolve(got)
    }
    socket.on('data', (part: string) => {
      got += part
      if (until.test(got)) done()
    }).on('error', done).on('close', done)
  })
}
