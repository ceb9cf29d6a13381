import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generate } from '../../seed/generate.ts'
import { type Place, place, type Program, start, until } from './running.ts'

describe('npm run seed beside a running server', () => {
  let [home, server]: [Place | null, Program | null] = [null, null]
  const seed = async (): Promise<{ code: number | string; stdout: string; stderr: string }> => {
    const program = start('seed/load.ts', [join(home!.dir, 'bundles')], home!.env)
    const code = await program.ended
    return { code, ...program.output() }
  }

  beforeAll(async () => {
    home = await place()
    await mkdir(join(home.dir, 'bundles'))
    for (const { name, bundle } of generate({ patients: 3, seed: 1 })) await writeFile(join(home.dir, 'bundles', name), JSON.stringify(bundle))
    server = start('src/main.ts', [], { ...home.env, LOG_LEVEL: 'error' })
    await until(server, () => fetch(`${home!.base}/ready`).then(({ ok }) => ok, () => false))
  })
  afterAll(async () => {
    server?.child.kill('SIGTERM')
    await server?.ended
    await home?.remove()
  })

  const versions = async (): Promise<readonly string[]> => {
    const token = start('src/cli/wardkeep.ts', ['token', '--scope', 'system/*.rs'], home!.env)
    expect(await token.ended).toBe(0)
    const found: string[] = []
    for (const type of ['Patient', 'Encounter', 'Organization', 'Location', 'Practitioner', 'PractitionerRole', 'Provenance']) {
      const answer = await fetch(`${home!.base}/fhir/R4/${type}?_count=200`, { headers: { authorization: `Bearer ${token.output().stdout.trim()}` } })
      const { entry = [] } = await answer.json() as { entry?: { resource: { id: string; meta: { versionId: string; lastUpdated: string } } }[] }
      found.push(...entry.map(({ resource: { id, meta } }) => `${type}/${id} ${meta.versionId} ${meta.lastUpdated}`))
    }
    return found.sort()
  }

  test('mints its own token, loads everything, and a second load changes nothing', async () => {
    const first = await seed()
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect(first.stdout).toMatch(/\nPatient +3 +0\n[^]*files: 5 loaded, 0 skipped \(there already\), 0 failed\n$/)
    const before = await versions()
    expect(before.filter((line) => line.startsWith('Patient/'))).toHaveLength(3)
    expect(before.filter((line) => line.startsWith('PractitionerRole/'))).toHaveLength(8)
    const second = await seed()
    expect(second).toMatchObject({ code: 0, stderr: '' })
    expect(second.stdout).toMatch(/\ntotal +0 +25\nfiles: 2 loaded, 3 skipped \(there already\), 0 failed\n$/)
    expect(await versions()).toEqual(before)
  })
})
