import { readdirSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { askAt, beside, type Child, mint, newPlace, pause, type Place, startChild } from '../child.ts'
import { isOnMongo } from '../stores.ts'

let place: Place
let server: Child
let token: string
const sockets: Socket[] = []

beforeAll(async () => {
  place = await newPlace()
  ;[token] = (await mint(place, { scope: 'system/*.cruds' })) as [string]
})
beforeEach(async () => { server = await startChild(place) })
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await server.stop()
})
afterAll(() => rmSync(place.dir, { recursive: true, force: true }))

/** The default: a stop that waits for nobody is far quicker. */
const DRAIN_MS = 30_000

async function until(happened: () => boolean): Promise<void> {
  while (!happened()) await pause(20)
}

interface Line { readonly socket: Socket; text(): string; readonly closed: Promise<void> }

/** A connection that sends only what it is told to. */
async function line(): Promise<Line> {
  const socket = connect(Number(new URL(server.base).port), '127.0.0.1')
  sockets.push(socket)
  let text = ''
  socket.on('data', (piece) => { text += piece.toString() }).on('error', () => undefined)
  const closed = new Promise<void>((resolve) => { socket.once('close', () => resolve()) })
  await new Promise((resolve) => { socket.once('connect', resolve) })
  return { socket, text: () => text, closed }
}

const head = (path: string, length: number): string =>
  `PUT /fhir/R4/${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/fhir+json\r\nContent-Length: ${length}\r\n\r\n`
const body = (id: string): string => JSON.stringify({ resourceType: 'Patient', id, name: [{ family: 'Stop' }] })

describe('SIGTERM', () => {
  test('lets a request whose body is still coming finish, takes no new ones, and exits 0 when the last is answered', async () => {
    const slow = await line()
    const text = body('slow')
    slow.socket.write(head('Patient/slow', text.length) + text.slice(0, 20))
    const kept = await line()
    kept.socket.write(`GET /health HTTP/1.1\r\nHost: x\r\n\r\n`)
    await until(() => kept.text().startsWith('HTTP/1.1 200'))
    const began = performance.now()
    const ended = server.stop()
    await pause(400)
    await expect(fetch(server.base.replace('/fhir/R4', '/health'))).rejects.toThrow()
    slow.socket.write(text.slice(20))
    expect(await ended).toBe(0)
    await slow.closed
    expect(slow.text()).toMatch(/^HTTP\/1\.1 201[\s\S]*connection: close/i)
    expect(slow.text()).toContain('"family":"Stop"')
    expect(performance.now() - began).toBeLessThan(DRAIN_MS / 2)
    server = await startChild(place)
    expect((await askAt(server.base, token, 'GET', 'Patient/slow')).json.name).toEqual([{ family: 'Stop' }])
  })

  test('does not wait for connections that ask nothing: fresh, idle, or with a part of a head', async () => {
    await line()
    const half = await line()
    half.socket.write('GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ')
    const idle = await line()
    idle.socket.write(`GET /health HTTP/1.1\r\nHost: x\r\n\r\n`)
    await until(() => idle.text().startsWith('HTTP/1.1 200'))
    const began = performance.now()
    expect(await server.stop()).toBe(0)
    expect(performance.now() - began).toBeLessThan(DRAIN_MS / 2)
  })

  test('cuts a request that never ends when the time to drain is over, keeps nothing of it, and exits 0', async () => {
    await server.stop()
    server = await startChild(place, { TIMEOUT_DRAIN_MS: '1500' })
    const endless = await line()
    endless.socket.write(head('Patient/endless', 5000) + '{"resourceType":')
    await pause(100)
    const began = performance.now()
    expect(await server.stop()).toBe(0)
    expect(performance.now() - began).toBeGreaterThan(1400)
    expect(performance.now() - began).toBeLessThan(DRAIN_MS / 2)
    server = await startChild(place)
    expect((await askAt(server.base, token, 'GET', 'Patient/endless')).status).toBe(404)
  })

  test('under load: every answer that began is whole, what was acknowledged is there, and the stores are closed and numbered', async () => {
    const acknowledged: string[] = []
    const broken: string[] = []
    let number = 0
    const clients = Array.from({ length: 6 }, async () => {
      for (;;) {
        const id = `load-${++number}`
        let arrived = false
        try {
          const reply = await askAt(server.base, token, 'PUT', `Patient/${id}`, { body: body(id) }, () => { arrived = true })
          if (reply.status === 201) acknowledged.push(id)
        } catch {
          if (arrived) broken.push(id)
          return
        }
      }
    })
    await until(() => acknowledged.length >= 20)
    expect(await server.stop()).toBe(0)
    await Promise.all(clients)
    expect(broken).toEqual([])
    expect(readdirSync(place.env.DATA_DIR!).sort()).toEqual(isOnMongo ? ['keys'] : ['keys', 'ledger.db', 'wardkeep.db'])
    const { waiting, problems } = await beside(place, (system) => system.verify({ versions: false }))
    expect([waiting, problems]).toEqual([0, []])
    server = await startChild(place)
    for (const id of acknowledged) expect([id, (await askAt(server.base, token, 'GET', `Patient/${id}`)).status]).toEqual([id, 200])
  })
})
