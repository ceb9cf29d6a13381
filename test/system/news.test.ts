import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fileSource, openNews } from '../../src/news.ts'
import { StoreUnavailable } from '../../src/store/ports.ts'
import { idsOf, startHarness, SYSTEM } from '../harness.ts'

const NEVER = 2 ** 30

describe('news', () => {
  test('are trusted for two seconds after the question, not after the answer; then nothing is, until they are heard again', async () => {
    let [time, deaf, asked, told] = [0, false, 0, 0]
    const source = async (): Promise<void> => {
      asked++
      if (deaf) throw new Error('deaf')
      time += 500
    }
    const news = await openNews({ sources: [source], failed: () => { told++ }, clock: () => time, everyMs: NEVER })
    expect([time, asked, news.fresh()]).toEqual([500, 1, undefined])
    deaf = true
    time = 1999
    expect([news.fresh(), asked]).toEqual([undefined, 1])
    time = 2000
    await expect(news.fresh()).rejects.toBeInstanceOf(StoreUnavailable)
    await expect(news.fresh()).rejects.toBeInstanceOf(StoreUnavailable)
    expect([asked, told]).toEqual([3, 1])
    deaf = false
    expect(await news.fresh()).toBe(undefined)
    expect(asked).toBe(4)
    news.close()
  })

  test('that were not heard at the start are the reason why there is none', async () => {
    await expect(openNews({ sources: [async () => { throw new Error('why') }], failed: () => undefined })).rejects.toThrow('why')
  })
})

describe('a settings file', () => {
  let dir: string
  beforeEach(() => { dir = mkdtempSync(join(tmpdir(), 'wardkeep-news-')) })
  afterEach(() => { rmSync(dir, { recursive: true, force: true }) })

  test('is taken again only when it has changed, and is not heard while it is absent or refused', async () => {
    const path = join(dir, 'file')
    const taken: string[] = []
    const ask = fileSource(path, (text) => {
      if (text === 'bad') throw new Error('POLICY_FILE is bad')
      taken.push(text)
    })
    await expect(ask()).rejects.toThrow('cannot be read')
    writeFileSync(path, 'one')
    await ask()
    await ask()
    expect(taken).toEqual(['one'])
    writeFileSync(path, 'bad')
    await expect(ask()).rejects.toThrow('POLICY_FILE is bad')
    await expect(ask()).rejects.toThrow('POLICY_FILE is bad')
    // The same size, put in its place by a rename.
    writeFileSync(join(dir, 'new'), 'two')
    renameSync(join(dir, 'new'), path)
    await ask()
    expect(taken).toEqual(['one', 'two'])
  })
})

describe('a server that cannot hear what others write', () => {
  test('refuses everybody with 503 after two seconds, whatever it still knows, and serves again when it hears', async () => {
    const harness = await startHarness()
    try {
      await harness.put({ resourceType: 'Patient', id: 'mine', generalPractitioner: [{ reference: 'Practitioner/dr' }] })
      const physician = await harness.token({ scope: 'user/*.rs', roles: ['physician'], fhirUser: 'Practitioner/dr', purposes: ['TREAT'] })
      const system = await harness.token(SYSTEM)
      expect(idsOf((await harness.ask(physician, 'GET', 'Patient')).json)).toEqual(['Patient/mine'])
      // Reads still work: only the look at recent writes does not.
      const { records } = harness.running.system
      const { findVersions } = records
      Object.assign(records, { findVersions: () => Promise.reject(new StoreUnavailable('deaf')) })
      await new Promise((resolve) => setTimeout(resolve, 2100))
      for (const token of [physician, system]) {
        const reply = await harness.ask(token, 'GET', 'Patient/mine')
        expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '5'])
      }
      Object.assign(records, { findVersions })
      for (const token of [physician, system]) expect((await harness.ask(token, 'GET', 'Patient/mine')).status).toBe(200)
    } finally {
      await harness.close()
    }
  })
})
