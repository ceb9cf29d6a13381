import request from 'supertest'
import { describe, expect, it } from 'vitest'
import { openLog } from '../../src/http/log.ts'
import { BEARER, FHIR, openWorld, raw } from './harness.ts'

const CANARY = 'CANARY-5e0c'

describe('process log', () => {
  it('has one JSON line per request: interaction, known type, status, ms and our id', async () => {
    const world = await openWorld()
    const got = await request(world.url).get(`${FHIR}/Patient/1`).set('Authorization', BEARER)
    expect(world.logged).toHaveLength(1)
    const { time, ms, ...line } = JSON.parse(world.logged[0] ?? '') as Record<string, unknown>
    expect(line).toEqual({ level: 30, interaction: 'read', type: 'Patient', status: 200, id: got.headers['x-request-id'] })
    expect([typeof time, typeof ms]).toEqual(['number', 'number'])
    await world.close()
  })

  it('holds nothing that a client sent, whatever the way it came (threats 15, 31, pitfall 39)', async () => {
    const world = await openWorld()
    const tokens = [BEARER, `Bearer ${CANARY}`, `Basic ${CANARY}`]
    for (const token of tokens) {
      const auth = { Authorization: token }
      for (const path of [`/Patient/${CANARY}`, `/${CANARY}/1`, `/Patient?name=${CANARY}`, `/Patient?${CANARY}=1`, `/Patient?access_token=${CANARY}`, `/Patient/1/_history/${CANARY}`, `/Patient/${CANARY}%`, `/metadata?x=${CANARY}`])
        await request(world.url).get(FHIR + path).set({ ...auth, 'X-Request-Id': CANARY, Accept: '*/*', 'User-Agent': CANARY, 'X-Forwarded-For': CANARY, Referer: CANARY, Origin: `https://${CANARY}`, 'If-None-Match': CANARY, 'X-Log': '${jndi:x}' })
      await request(world.url).get(`${FHIR}/Patient/1`).set({ ...auth, Accept: CANARY })
      await request(world.url).get(`/${CANARY}`).set(auth)
      await request(world.url).get(`/.well-known/${CANARY}`).set(auth)
      await request(world.url).post(`${FHIR}/Patient`).set({ ...auth, 'Content-Type': `text/${CANARY}` }).send(CANARY)
      await request(world.url).post(`${FHIR}/Patient`).set({ ...auth, 'Content-Type': 'application/fhir+json' }).send(CANARY)
      await request(world.url).post(`${FHIR}/Patient/_search`).set(auth).type('form').send(`${CANARY}=${CANARY}`)
      await raw(world.port, `${CANARY} / HTTP/1.1\r\n\r\n`)
    }
    world.answer = () => { throw Object.assign(new TypeError(`${CANARY}\n    at ${CANARY} (src/${CANARY}.ts:1:1)`), { name: CANARY, code: CANARY, cause: new Error(CANARY) }) }
    await request(world.url).get(`${FHIR}/Patient/1`).set('Authorization', BEARER).expect(500)
    const text = world.logged.join('')
    expect(world.logged.length).toBeGreaterThan(40)
    expect(text).not.toContain(CANARY)
    expect(text).not.toContain('jndi')
    expect(text).toContain('"error":["TypeError","Error"]')
    await world.close()
  })

  it('names the place of a fault in our own code, without machine paths and without its message', () => {
    const lines: string[] = []
    const log = openLog({ level: 'info', destination: { write: (line) => void lines.push(line) } })
    let error: unknown
    try {
      openLog({ level: 'no such level' })
    } catch (caught) {
      error = caught
    }
    log.fault('id-1', error)
    const line = JSON.parse(lines[0] ?? '') as { id: string; error: string[]; at: string[] }
    expect([line.id, line.error]).toEqual(['id-1', ['Error']])
    expect(line.at.some((place) => /^src\/http\/log\.ts:\d+:\d+$/.test(place))).toBe(true)
    expect(lines[0]).not.toMatch(/no such level|file:|"\//)
  })

  it('keeps to its level', () => {
    const lines: string[] = []
    const log = openLog({ level: 'warn', destination: { write: (line) => void lines.push(line) } })
    log.request({ interaction: 'read', type: 'Patient', status: 200, ms: 1, id: 'a' })
    log.note('warn', 'keys lie under DATA_DIR')
    expect(lines.map((line) => (JSON.parse(line) as { text: string }).text)).toEqual(['keys lie under DATA_DIR'])
  })
})
