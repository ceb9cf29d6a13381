import { describe, expect, test } from 'vitest'
import { startHarness, SYSTEM } from '../harness.ts'
import { openSystem } from '../../src/system.ts'

describe('a commit does not outlive the keys that sealed it', () => {
  test('a patient erased by another process is not written under the dead key, and can be made anew', async () => {
    const server = await startHarness()
    const other = await openSystem({ config: server.running.system.config, slot: 'cli' })
    try {
      const system = await server.token(SYSTEM)
      const observation = { resourceType: 'Observation', status: 'final', code: { text: 'x' }, subject: { reference: 'Patient/p1' } }
      await server.put({ resourceType: 'Patient', id: 'p1' })
      await server.put(observation)
      expect(await other.erase('p1')).toEqual({ erased: 2, kept: 0 })
      // Within the second in which the server has not looked yet, it still holds the key.
      const created = await server.put(observation)
      expect((await server.ask(system, 'GET', `Observation/${created.id}`)).json).toEqual(created)
      const fresh = await openSystem({ config: server.running.system.config, slot: 'cli' })
      expect((await fresh.resources.read([{ type: 'Observation', id: created.id }]))[0]?.id).toBe(created.id)
      await fresh.close()
    } finally {
      await other.close()
      await server.close()
    }
  })
})
