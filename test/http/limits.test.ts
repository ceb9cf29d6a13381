import { once } from 'node:events'
import { Agent, get as httpGet } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import request from 'supertest'
import { describe, expect, it } from 'vitest'
import type { Exchange } from '../../src/http/exchange.ts'
import { addressKeys } from '../../src/http/rate-limit.ts'
import { BEARER, collect, FHIR, openWorld, raw } from './harness.ts'

const read = (url: string, headers: Record<string, string> = {}) => request(url).get(`${FHIR}/Patient/1`).set({ Authorization: BEARER, ...headers })

describe('rate limit', () => {
  it('holds per address, before authentication, and says how long to wait', async () => {
    const world = await openWorld({ config: { rateLimitPerMinute: 3 } })
    for (let left = 2; left >= 0; left--) {
      const got = await request(world.url).get(`${FHIR}/Patient/1`).set('Authorization', `Bearer evil-${left}`)
      expect([got.status, got.headers['ratelimit']?.split(',')[1]]).toEqual([401, ` remaining=${left}`])
    }
    const refused = await read(world.url)
    expect([refused.status, refused.body.issue[0].code, refused.headers['ratelimit-policy'], world.seen.length]).toEqual([429, 'throttled', '3;w=60', 0])
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect((await request(world.url).get('/health')).status).toBe(200)
    await world.close()
  })

  it('holds per client whatever its address, and its tokens count together', async () => {
    const world = await openWorld({ config: { rateLimitPerMinute: 3, trustProxy: ['127.0.0.1'] } })
    const from = (host: number, token: string) => read(world.url, { Authorization: `Bearer ${token}`, 'X-Forwarded-For': `203.0.113.${host}` })
    expect([(await from(1, 'good')).status, (await from(2, 'good')).status, (await from(3, 'good')).status, (await from(4, 'good')).status, (await from(4, 'good-1')).status]).toEqual([200, 200, 200, 429, 200])
    await world.close()
  })

  it('cannot be escaped by X-Forwarded-For unless the proxy is declared (threat 28)', async () => {
    const [open, behind] = await Promise.all([openWorld({ config: { rateLimitPerMinute: 2 } }), openWorld({ config: { rateLimitPerMinute: 2, trustProxy: ['127.0.0.1'] } })])
    const statuses = async (url: string) => [(await read(url, { 'X-Forwarded-For': '203.0.113.1' })).status, (await read(url, { 'X-Forwarded-For': '203.0.113.2', Authorization: 'Bearer good-1' })).status,
      (await read(url, { 'X-Forwarded-For': '203.0.113.3', Authorization: 'Bearer good-2' })).status]
    expect(await statuses(open.url)).toEqual([200, 200, 429])
    expect(await statuses(behind.url)).toEqual([200, 200, 200])
    expect(open.seen.map(({ address }) => address)).toEqual(['127.0.0.1', '127.0.0.1'])
    expect(behind.seen.map(({ address }) => address)).toEqual(['203.0.113.1', '203.0.113.2', '203.0.113.3'])
    await read(behind.url, { 'X-Forwarded-For': '198.51.100.9, 203.0.113.7', Authorization: 'Bearer good-4' }).expect(200)
    await read(behind.url, { 'X-Forwarded-For': 'nonsense', Authorization: 'Bearer good-3' }).expect(200)
    expect(behind.seen.slice(3).map(({ address }) => address)).toEqual(['203.0.113.7', '127.0.0.1'])
    await Promise.all([open.close(), behind.close()])
  })

  it('takes an IPv6 /64 as one address', () => {
    const keyOf = addressKeys()
    const key = (address: string) => keyOf({ address } as Exchange)
    expect(key('2001:db8:1:2::1')).toBe(key('2001:db8:1:2:ffff::9'))
    expect(key('2001:db8:1:2::1')).not.toBe(key('2001:db8:1:3::1'))
    expect(key('192.0.2.1')).not.toBe(key('192.0.2.2'))
  })
})

describe('slow and broken clients (threat 27)', () => {
  it('have a time for their headers', async () => {
    const world = await openWorld({ timeouts: { headersMs: 200, bodyMs: 20_000 } })
    const started = performance.now()
    const socket = connect(world.port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write('GET /health HTTP/1.1\r\nHost: x\r\n')
    const drip = setInterval(() => socket.writable && socket.write('X-A: 1\r\n'), 50)
    const others = await Promise.all(Array.from({ length: 20 }, () => request(world.url).get('/health')))
    const got = await collect(socket, /^$/)
    clearInterval(drip)
    expect(got).toMatch(/^HTTP\/1.1 408/)
    expect(performance.now() - started).toBeLessThan(3_000)
    expect(others.every(({ status }) => status === 200)).toBe(true)
    await world.close()
  })

  it('have a time for their body', async () => {
    const world = await openWorld({ timeouts: { headersMs: 100, bodyMs: 300 } })
    const started = performance.now()
    await raw(world.port, `POST ${FHIR}/Patient HTTP/1.1\r\nHost: x\r\nAuthorization: ${BEARER}\r\nContent-Type: application/fhir+json\r\nContent-Length: 100\r\n\r\n{`)
    expect(performance.now() - started).toBeLessThan(3_000)
    expect(world.seen).toHaveLength(0)
    await world.close()
  })

  it('lose their connection when they take no byte of an answer', async () => {
    const world = await openWorld({ timeouts: { writeStallMs: 200 } })
    const socket = connect(world.port, '127.0.0.1')
    await once(socket, 'connect')
    const cut = new Promise<string>((resolve) => { world.answer = (asked) => (resolve(asked.requestId), { status: 200, headers: {}, body: new Uint8Array(64 * 1024 * 1024) }) })
    socket.pause()
    socket.write(`GET ${FHIR}/Patient/1 HTTP/1.1\r\nHost: x\r\nAuthorization: ${BEARER}\r\n\r\n`)
    await cut
    await sleep(1_000)
    let size = 0
    socket.on('data', (part) => { size += part.length }).on('error', () => undefined).resume()
    await Promise.race([once(socket, 'close').catch(() => undefined), sleep(3_000)])
    expect(socket.destroyed).toBe(true)
    expect(size).toBeLessThan(64 * 1024 * 1024)
    await world.close()
  })

  it('that read slowly but steadily get their whole answer', async () => {
    const world = await openWorld({ timeouts: { writeStallMs: 400 } })
    world.answer = () => ({ status: 200, headers: {}, body: new Uint8Array(24 * 1024 * 1024) })
    const socket = connect(world.port, '127.0.0.1')
    let size = 0
    socket.on('data', (part) => {
      size += part.length
      socket.pause()
      setTimeout(() => socket.resume(), size % 20 === 0 ? 20 : 1)
    })
    socket.write(`GET ${FHIR}/Patient/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${BEARER}\r\n\r\n`)
    await once(socket, 'close')
    expect(size).toBeGreaterThan(24 * 1024 * 1024)
    await world.close()
  })

  it('do not get a body read for ever after an early refusal', async () => {
    const world = await openWorld()
    const socket = connect(world.port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write(`POST ${FHIR}/Patient HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n`)
    const pour = setInterval(() => socket.writable && socket.write(Buffer.alloc(262_144)), 5)
    const got = await collect(socket, /^$/)
    clearInterval(pour)
    expect(got).toMatch(/^HTTP\/1.1 401/)
    await world.close()
  })

  it('that speak no HTTP get a fixed answer that repeats nothing', async () => {
    const world = await openWorld()
    for (const [text, status] of [['CANARY\r\n\r\n', 400], ['GET / HTTP/1.1\r\nHost: x\r\nCANARY\r\n\r\n', 400], ['GET / HTTP/1.1\r\n\r\n', 400], [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'CANARY'.repeat(10_000)}\r\n\r\n`, 431]] as const) {
      const got = await raw(world.port, text)
      expect(got).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
      expect(got).not.toContain('CANARY')
    }
    expect(world.logged.join('')).not.toContain('CANARY')
    await world.close()
  })
})

describe('stopping', () => {
  const ask = (url: string, path: string, agent: Agent): Promise<{ status: number; connection: string | undefined }> => new Promise((resolve, reject) => {
    httpGet(url + path, { agent, headers: { Authorization: BEARER } }, (got) => got.resume().on('end', () => resolve({ status: got.statusCode ?? 0, connection: got.headers.connection }))).on('error', reject)
  })

  it('lets requests in flight finish, closes idle connections, takes no new ones', async () => {
    const world = await openWorld()
    const agent = new Agent({ keepAlive: true })
    let release: () => void = () => undefined
    const held = new Promise<void>((resolve) => { release = resolve })
    const arrived = new Promise<void>((resolve) => {
      world.answer = async () => {
        resolve()
        await held
        return { status: 200, headers: {}, body: '{}' }
      }
    })
    const [idle, inFlight] = [await ask(world.url, '/health', agent), ask(world.url, `${FHIR}/Patient/1`, agent)]
    expect(idle.status).toBe(200)
    await arrived
    const closed = world.close()
    await expect(ask(world.url, '/health', new Agent())).rejects.toThrow()
    release()
    expect(await inFlight).toEqual({ status: 200, connection: 'close' })
    await closed
    agent.destroy()
  })

  it('cuts what does not finish in time', async () => {
    const world = await openWorld({ timeouts: { drainMs: 100 } })
    const arrived = new Promise<void>((resolve) => { world.answer = () => (resolve(), new Promise(() => undefined)) })
    const cut = ask(world.url, `${FHIR}/Patient/1`, new Agent()).catch(() => 'cut')
    await arrived
    await world.close()
    expect(await cut).toBe('cut')
  })

  it('is told by /ready, as is a store that fails or hangs', async () => {
    for (const ready of [() => Promise.reject(new Error('CANARY')), () => new Promise<void>(() => undefined)]) {
      const world = await openWorld({ ready, timeouts: { readyMs: 100 } })
      const got = await request(world.url).get('/ready')
      expect([got.status, got.text]).toEqual([503, '{"status":"unavailable"}'])
      expect((await request(world.url).get('/health')).status).toBe(200)
      await world.close()
    }
    const world = await openWorld()
    const socket = connect(world.port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write('GET /health HTTP/1.1\r\nHost: x\r\n')
    await sleep(50)
    const closed = world.close()
    socket.write('\r\nGET /ready HTTP/1.1\r\nHost: x\r\n\r\n')
    expect(await collect(socket, /unavailable/)).toMatch(/200 OK[^]*Connection: close/)
    await closed
  })
})
