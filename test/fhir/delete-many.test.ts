import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, idsOf, type Json, startHarness, SYSTEM } from '../harness.ts'
import { bundle, entry, identified, refusal, statuses, SYSTEM_URL } from './kit.ts'

let server: Harness
let system: string
const dir = mkdtempSync(join(tmpdir(), 'wardkeep-policy-'))

beforeAll(async () => {
  const file = join(dir, 'policy.json')
  writeFileSync(file, JSON.stringify({
    version: 1,
    roles: {
      system: { patients: 'all', labelMax: 'V', relabel: true, deleteMany: true, rules: [{ types: ['*'], do: 'cruds' }] },
      careful: { patients: 'all', labelMax: 'V', rules: [{ types: ['*'], do: 'cruds' }] }
    }
  }))
  server = await startHarness({ POLICY_FILE: file, COUNT_MAX: '5', COUNT_DEFAULT: '5' })
  system = await server.token(SYSTEM)
})
afterAll(async () => {
  await server.close()
  rmSync(dir, { recursive: true })
})

const by = (value: string): string => `Patient?identifier=${SYSTEM_URL}|${value}`
const hold = async (value: string, ...more: readonly object[]): Promise<readonly Json[]> => Promise.all(more.map((one) => server.put(identified(value, one))))

describe('conditional delete of several', () => {
  test('removes all that match where the policy allows it, and keeps their history', async () => {
    const rows = await hold('several', {}, {}, {})
    expect((await server.ask(system, 'DELETE', by('several'))).status).toBe(204)
    expect((await server.ask(system, 'GET', by('several'))).json.total).toBe(0)
    for (const { id } of rows) {
      expect((await server.ask(system, 'GET', `Patient/${id}`)).status).toBe(410)
      expect((await server.ask(system, 'GET', `Patient/${id}/_history/1`)).status).toBe(200)
      expect((await server.ask(system, 'GET', `Patient/${id}/_history`)).json.entry).toHaveLength(2)
    }
  })

  test('is 412 for a role without it, and for more than COUNT_MAX', async () => {
    await hold('kept', {}, {})
    const careful = await server.token({ scope: 'user/*.cruds', roles: ['careful'], fhirUser: 'Practitioner/1' })
    expect(refusal(await server.ask(careful, 'DELETE', by('kept')))).toEqual([412, 'multiple-matches', undefined])
    await hold('many', {}, {}, {}, {}, {}, {})
    expect(refusal(await server.ask(system, 'DELETE', by('many')))).toEqual([412, 'too-costly', undefined])
    expect([(await server.ask(system, 'GET', by('kept'))).json.total, (await server.ask(system, 'GET', `${by('many')}&_summary=count`)).json.total]).toEqual([2, 6])
  })

  test('leaves what the caller may not see, and answers alike', async () => {
    const [seen] = await hold('mixed', { active: true }, { active: false }, { active: false })
    const token = await server.token({ scope: 'system/Patient.rds?active=true' })
    expect((await server.ask(token, 'DELETE', by('mixed'))).status).toBe(204)
    expect(idsOf((await server.ask(system, 'GET', by('mixed'))).json)).toHaveLength(2)
    expect((await server.ask(system, 'GET', `Patient/${seen.id}`)).status).toBe(410)
    expect((await server.ask(token, 'DELETE', by('mixed'))).status).toBe(204)
    expect(idsOf((await server.ask(system, 'GET', by('mixed'))).json)).toHaveLength(2)
  })

  test.each(['batch', 'transaction'] as const)('in a %s; a transaction writes each once', async (type) => {
    const [first] = await hold(`in-${type}`, {}, {})
    if (type === 'transaction') {
      const twice = await server.ask(system, 'POST', '', { body: bundle(type, [entry('DELETE', by(`in-${type}`)), entry('PUT', `Patient/${first.id}`, identified('x', { id: first.id }))]) })
      expect(refusal(twice).slice(0, 2)).toEqual([400, 'duplicate'])
    }
    expect(statuses(await server.ask(system, 'POST', '', { body: bundle(type, [entry('DELETE', by(`in-${type}`))]) }))).toEqual([204])
    expect((await server.ask(system, 'GET', by(`in-${type}`))).json.total).toBe(0)
  })
})
