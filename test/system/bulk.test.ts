/** Large bodies: taken in whole however they come, worked on by a thread that comes last, and with others in between. */
import { readdirSync, readFileSync } from 'node:fs'
import { IncomingMessage, request } from 'node:http'
import { getPriority } from 'node:os'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it, test, vi } from 'vitest'
import { beNice, letHelpersBeNice } from '../../src/priority.ts'
import { type Harness, startHarness, SYSTEM } from '../harness.ts'

let server: Harness
let token: string

beforeAll(async () => {
  server = await startHarness({ BODY_BYTES_INLINE: '1000000' })
  token = await server.token(SYSTEM)
})
afterAll(() => server.close())

/** More than a mebibyte, each byte of which matters. */
const content = (bytes: number): string => Array.from({ length: bytes / 8 }, (_, i) => i.toString(36).padStart(7, '-')).join('+')
const PART = 100_000
const resource = (text: string): string => JSON.stringify({
  resourceType: 'Basic', code: { text: 'large' },
  extension: Array.from({ length: Math.ceil(text.length / PART) }, (_, i) => ({ url: 'urn:part', valueString: text.slice(i * PART, (i + 1) * PART) }))
})
/** Status and content of what was stored. */
const stored = (reply: Awaited<ReturnType<typeof post>>): readonly unknown[] =>
  reply === 'cut' ? [] : [reply.status, JSON.parse(reply.text).extension?.map(({ valueString }: { valueString: string }) => valueString).join('')]

/** Sends the body in pieces of so many bytes, and cuts it off after some of them where that is asked. */
function post(body: Buffer, { piece, headers = {}, cutAt = Infinity }: { piece: number; headers?: Record<string, string>; cutAt?: number }): Promise<{ status: number; text: string } | 'cut'> {
  return new Promise((resolve, reject) => {
    const sent = request(`${server.base}/Basic`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json', 'content-length': body.length, ...headers } }, (reply) => {
      const pieces: Buffer[] = []
      reply.on('data', (some: Buffer) => pieces.push(some)).on('end', () => resolve({ status: reply.statusCode!, text: Buffer.concat(pieces).toString() }))
    })
    sent.on('error', (error) => (cutAt === Infinity ? reject(error) : resolve('cut')))
    const next = (at: number): void => {
      if (at >= cutAt) return void sent.destroy()
      if (at >= body.length) return void sent.end()
      sent.write(body.subarray(at, at + piece), () => setImmediate(next, at + piece))
    }
    next(0)
  })
}

describe('a large body', () => {
  it('arrives as it was sent, at once or in small pieces, plain or compressed', async () => {
    for (const bytes of [1_048_576, 3_000_000]) {
      const text = content(bytes)
      const body = Buffer.from(resource(text))
      for (const piece of [body.length, 70_001]) {
        const [status, sent] = stored(await post(body, { piece }))
        expect([status, sent === text]).toEqual([201, true])
      }
      const [status, sent] = stored(await post(gzipSync(body, { level: 0 }), { piece: 1_000_000, headers: { 'content-encoding': 'gzip' } }))
      expect([status, sent === text]).toEqual([201, true])
    }
  })

  it('that ends early is nothing, and those after it are whole', async () => {
    const count = async (): Promise<number> => (await server.ask(token, 'GET', 'Basic?_summary=count')).json.total
    const before = await count()
    const body = Buffer.from(resource(content(2_000_000)))
    expect(await post(body, { piece: 100_000, cutAt: 1_500_000 })).toBe('cut')
    expect(await count()).toBe(before)
    expect(await post(body, { piece: 100_000 })).toMatchObject({ status: 201 })
    expect(await count()).toBe(before + 1)
  })

  it('does not keep others waiting until it is all there', async () => {
    await server.put({ resourceType: 'Basic', id: 'small', code: { text: 'small' } })
    const events: string[] = []
    const body = Buffer.from(resource(content(4_000_000)))
    const large = post(body, { piece: body.length }).then((reply) => events.push(`large ${reply !== 'cut' && reply.status}`))
    for (let i = 0; i < 3; i++) events.push(`small ${(await server.ask(token, 'GET', 'Basic/small')).status}`)
    await large
    expect(events).toEqual(['small 200', 'small 200', 'small 200', 'large 201'])
  })

  it('is taken in a piece a turn, with others in between', async () => {
    let [turn, counting] = [0, true]
    const count = (): void => {
      turn += 1
      if (counting) setImmediate(count)
    }
    setImmediate(count)
    const pieces = new Map<number, number>()
    const emit = IncomingMessage.prototype.emit
    const watched = vi.spyOn(IncomingMessage.prototype, 'emit').mockImplementation(function (this: IncomingMessage, name: string | symbol, ...given: unknown[]) {
      if (name === 'data' && this.method === 'POST') pieces.set(turn, (pieces.get(turn) ?? 0) + 1)
      return emit.call(this, name, ...given)
    })
    const body = Buffer.from(resource(content(4_000_000)))
    const reply = await post(body, { piece: body.length })
    watched.mockRestore()
    counting = false
    expect(reply).toMatchObject({ status: 201 })
    expect(pieces.size).toBeGreaterThan(30)
    expect(Math.max(...pieces.values())).toBeLessThanOrEqual(2)
  })
})

test.skipIf(process.platform !== 'linux' || getPriority() >= 10)('what works on it, and what collects garbage for that, comes after the readers', () => {
  const niceOf = (id: string): readonly [name: string, nice: number] => {
    const [, name, rest] = /\((.*)\) (.*)$/.exec(readFileSync(`/proc/self/task/${id}/stat`, 'utf8').trim())!
    return [name!, Number(rest!.split(' ')[16])]
  }
  const threads = readdirSync('/proc/self/task').map(niceOf)
  const isHelper = ([name]: readonly [string, number]): boolean => name.includes('V8Worker')
  expect(threads.filter(isHelper).length).toBeGreaterThan(0)
  expect(threads.filter(isHelper).filter(([, nice]) => nice !== 10)).toEqual([])
  expect(threads.filter((thread) => !isHelper(thread) && thread[1] === 10)).toHaveLength(1)
})

test('a priority that cannot be set is left as it is', () => {
  expect([beNice(1_000), letHelpersBeNice(1_000)]).toEqual([false, 0])
  expect(beNice(getPriority())).toBe(process.platform === 'linux')
})
