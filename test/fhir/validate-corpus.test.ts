import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { FhirError } from '../../src/model/errors.ts'
import { parseJson } from '../../src/model/json.ts'
import { validateResource } from '../../src/fhir/validate/validate.ts'
import { dataDir } from '../data.ts'
import { REFUSED_EXAMPLES } from './r4-examples-refused.ts'

const folder = dataDir()
const read = (...path: string[]): unknown => parseJson(readFileSync(join(folder as string, ...path)), { depthMax: 100 })
const names = (sub: string): string[] => readdirSync(join(folder as string, sub)).filter((name) => name.endsWith('.json'))

function firstIssue(resource: unknown, type: string | null): string | null {
  try {
    validateResource(resource, type)
    return null
  } catch (error) {
    if (error instanceof FhirError) return error.issues[0]?.diagnostics ?? ''
    throw error
  }
}

describe.skipIf(folder === null)('validateResource on real resources', () => {
  it('takes all 6,251 resources of Synthea, in their bundles', () => {
    let entries = 0
    for (const name of names('synthea')) {
      const bundle = read('synthea', name) as { entry: unknown[] }
      expect(firstIssue(bundle, 'Bundle')).toBe(null)
      entries += bundle.entry.length
    }
    expect(entries).toBe(6251)
  })

  it('refuses of the 738 R4 examples those that break a rule, each for its known fault, and takes the others', () => {
    const found: Record<string, string[]> = {}
    const all = names('r4-examples')
    for (const name of all) {
      const issue = firstIssue(read('r4-examples', name), null)
      if (issue !== null) (found[issue] ??= []).push(name)
    }
    expect(all).toHaveLength(738)
    expect(found).toEqual(REFUSED_EXAMPLES)
  })

  it('validates a Synthea Observation in far less than 60 µs and a bundle of 11,000 entries in seconds', () => {
    const entries = names('synthea').flatMap((name) =>
    (read('synthea', name) as { entry: { fullUrl: string; resource: { resourceType: string } }[] }).entry)
    const observations = entries.map(({ resource }) => resource).filter(({ resourceType }) => resourceType === 'Observation')
    const rounds = Array.from({ length: 10 }, () => {
      const start = performance.now()
      for (const observation of observations) validateResource(observation, 'Observation')
      return (performance.now() - start) * 1000 / observations.length
    })
    expect(Math.min(...rounds)).toBeLessThan(60)
    const many = Array.from({ length: 11_000 }, (_, n) => ({ fullUrl: `urn:x:${n}`, resource: entries[n % entries.length]?.resource }))
    const again = performance.now()
    expect(firstIssue({ resourceType: 'Bundle', type: 'collection', entry: many }, 'Bundle')).toBe(null)
    expect(performance.now() - again).toBeLessThan(10_000)
  })
})
