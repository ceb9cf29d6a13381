import { describe, expect, it } from 'vitest'
import { allowedBy, inReach, reachOf, reachWithin } from '../../src/policy/grants.ts'
import type { Reach } from '../../src/store/ports.ts'

describe('reaches', () => {
  const of = (patients: readonly string[], shared = false): Reach => ({ kind: 'patients', patients, shared })

  it('without patients hold nothing, of every kind of type that has patients', () => {
    for (const kind of ['patient', 'compartment', 'derived', 'restricted'] as const) {
      expect(inReach(of([]), { patients: [] }, kind)).toBe(false)
      expect(inReach(of([], true), { patients: ['a'] }, kind)).toBe(false)
      expect(inReach({ kind: 'all' }, { patients: [] }, kind)).toBe(true)
    }
    expect(reachOf([])).toEqual(of([]))
    expect(allowedBy([], { patients: ['a'], labels: [] }, () => true)).toBe(false)
    expect(allowedBy(undefined, { patients: ['a'], labels: [] }, () => true)).toBe(false)
  })

  it('intersect: what is within both together is within each', () => {
    const rows = [[], ['a'], ['b'], ['a', 'b'], ['a', 'b', 'c']]
    const reaches: Reach[] = [{ kind: 'all' }, of([]), of(['a']), of(['a'], true), of(['a', 'b']), of(['b'], true)]
    let held = 0
    for (const a of reaches) for (const b of reaches) for (const patients of rows) {
      if (!inReach(reachWithin(a, b), { patients }, 'compartment')) continue
      expect(inReach(a, { patients }, 'compartment') && inReach(b, { patients }, 'compartment')).toBe(true)
      held++
    }
    expect(held).toBeGreaterThan(20)
  })
})
