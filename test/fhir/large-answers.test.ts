/** Large answers lie in memory that is used again: what one caller gets holds nothing of another's, however slowly it is read or given up. They are
 * longer than what the operating system takes at once. */
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startHarness, SYSTEM, type Harness } from '../harness.ts'

const PATIENTS = 3
const ROWS = 60

let server: Harness
let bearer: string
/** The whole answer of each patient. */
const whole = new Map<string, string>()

const path = (patient: string): string => `/fhir/R4/Observation?patient=${patient}&_count=200&_sort=_lastUpdated`

beforeAll(async () => {
  server = await startHarness()
  bearer = await server.token(SYSTEM)
  for (let n = 0; n < PATIENTS; n++) {
    const id = `p${n}`
    const entry = [{ resourceType: 'Patient', id }, ...Array.from({ length: ROWS }, (_, i) => ({
      resourceType: 'Observation', id: `${id}-${i}`, status: 'final', code: { text: `only of ${id} ${'é'.repeat(40_000 + 400 * i)}` }, subject: { reference: `Patient/${id}` }
    }))].map((resource) => ({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } }))
    expect((await server.ask(bearer, 'POST', '', { body: { resourceType: 'Bundle', type: 'transaction', entry } })).status).toBe(200)
    whole.set(id, (await server.ask(bearer, 'GET', path(id).replace('/fhir/R4', ''))).text)
  }
}, 60_000)
afterAll(() => server.close())

interface Manner { /** ms before each piece is taken. */ readonly delay: number; /** Bytes after which the caller goes away. */ readonly until?: number }

/** The body as it came over a connection of its own, or the part of it that was waited for. */
function read(patient: string, { delay, until = Infinity }: Manner): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(server.base).port) })
    const pieces: Buffer[] = []
    let held = 0
    const end = (): void => {
      const all = Buffer.concat(pieces)
      resolve(all.toString('utf8', all.indexOf('\r\n\r\n') + 4))
    }
    socket.on('error', reject).on('close', end).on('data', (piece: Buffer) => {
      pieces.push(piece)
      held += piece.length
      if (held >= until) return void socket.destroy()
      socket.pause()
      setTimeout(() => socket.resume(), delay)
    })
    socket.write(`GET ${path(patient)} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${bearer}\r\nconnection: close\r\n\r\n`)
  })
}

describe('large answers', () => {
  it('are as long as they say, and whole', async () => {
    for (const [id, text] of whole) {
      const bundle = JSON.parse(text)
      expect([bundle.entry.length, bundle.entry.every(({ resource }: { resource: { code: { text: string } } }) => resource.code.text.startsWith(`only of ${id} é`))]).toEqual([ROWS, true])
      const head = await server.ask(bearer, 'HEAD', path(id).replace('/fhir/R4', ''))
      expect([head.headers.get('content-length'), head.text]).toEqual([String(Buffer.byteLength(text)), ''])
    }
    expect(Math.min(...[...whole.values()].map((text) => Buffer.byteLength(text)))).toBeGreaterThan(4_000_000)
  })

  it('hold nothing of each other where many are read at once, fast, slowly and not to their end', async () => {
    for (let round = 0; round < 3; round++) {
      const asked = Array.from({ length: 18 }, (_, i) => ({ patient: `p${i % PATIENTS}`, manner: [{ delay: 0 }, { delay: 3 }, { delay: 1, until: 100_000 * (i + 1) }][i % 3]! }))
      const answers = await Promise.all(asked.map(({ patient, manner }) => read(patient, manner)))
      answers.forEach((answer, i) => {
        const { patient, manner } = asked[i]!
        const text = whole.get(patient)!
        // One that was given up ends anywhere, perhaps within a character.
        if (manner.until === undefined) expect(answer === text).toBe(true)
        else expect(text.startsWith(answer.replace(/\uFFFD+$/, ''))).toBe(true)
      })
    }
  })

  it('can stand in a batch or in XML', async () => {
    const entries = [...whole.keys()].map((id) => ({ request: { method: 'GET', url: path(id).replace('/fhir/R4/', '') } }))
    const batch = await server.ask(bearer, 'POST', '', { body: { resourceType: 'Bundle', type: 'batch', entry: entries } })
    expect(batch.json.entry.map(({ resource }: { resource: unknown }) => resource)).toEqual([...whole.values()].map((text) => JSON.parse(text)))
    const [id] = [...whole.keys()] as [string]
    const xml = await server.ask(bearer, 'GET', path(id).replace('/fhir/R4', ''), { headers: { accept: 'application/fhir+xml' } })
    expect([xml.status, xml.text.split(`only of ${id} `).length - 1]).toEqual([200, ROWS])
  })
})
