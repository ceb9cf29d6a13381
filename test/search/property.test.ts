import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Resource } from '../../src/model/resource.ts'
import { compartmentPatients } from '../../src/search/compartment.ts'
import { allTypes } from '../../src/search/classification.ts'
import { termAsks } from '../../src/search/extract.ts'
import { packagedTerms } from '../../src/search/index-levels.ts'
import { matches } from '../../src/search/match.ts'
import { searchParams, usePackaged } from '../../src/search/parameters.ts'
import { plan } from '../../src/search/plan.ts'
import { CROWDED } from '../../src/search/types/reference.ts'
import { dataDir } from '../data.ts'
import { BASE } from './asking.ts'
import { randomFilter, randomResource } from './random-resources.ts'
import { examples, synthea } from './samples.ts'

const UPDATED = Date.UTC(2025, 5, 5)

describe('the plan of a filter never leaves out a resource that matches it', () => {
  const made = Array.from({ length: 400 }, (_, i) => randomResource(i))
  test('made resources', () => {
    const seen = check(made, 30)
    expect(seen.matched).toBeGreaterThan(3000)
    expect(seen.restricted).toBeGreaterThan(1500)
    expect(seen.depending).toBeGreaterThan(300)
  })

  test('a term left out is noticed', () => {
    expect(() => check(made, 30, (value) => !value.startsWith('d:'))).toThrow()
    expect(() => check(made, 30, (value) => !value.startsWith('s3:'))).toThrow()
    expect(() => check(made, 30, (value) => !value.startsWith('r:'))).toThrow()
    expect(() => check(made, 30, (value) => !value.startsWith('t:'))).toThrow()
  })

  const dir = dataDir()
  test.skipIf(dir === null)('examples of the specification, every type', () => {
    const seen = check(examples(dir!), 12)
    expect(seen.matched).toBeGreaterThan(3000)
    expect(seen.restricted).toBeGreaterThan(1500)
  })

  test.skipIf(dir === null)('Synthea, and at most 13 terms a resource on average', () => {
    const all = synthea(dir!)
    check(all.filter((_, i) => i % 10 === 0), 10)
    const total = all.reduce((sum, resource) => sum + asksOf(resource).length, 0)
    expect(all.length).toBeGreaterThan(6000)
    expect(total / all.length).toBeLessThan(13)
    expect(total / all.length).toBeGreaterThan(3)
  })
})

describe('nor where packages bring all of R4 once more', () => {
  const clones = allTypes.flatMap((type) => searchParams(type).filter(({ kind, expression }) => expression !== '' && !['composite', 'special'].includes(kind))
    .map(({ code, kind, expression, target }) => ({ url: `urn:${type}:${code}`, code: `x${code}`, type: kind, base: [type], expression, target, component: [] })))
  const made = Array.from({ length: 400 }, (_, i) => randomResource(i))
  const plain = made.map((resource) => asksOf(resource))
  beforeAll(() => usePackaged(clones))
  afterAll(() => usePackaged([]))

  test('made resources; what R4 alone has of terms is as it was', () => {
    const seen = check(made, 30)
    expect(seen.matched).toBeGreaterThan(3000)
    expect(seen.packaged).toBeGreaterThan(600)
    expect(() => check(made, 30, (value) => !value.startsWith('t:'))).toThrow()
    for (const [at, resource] of made.entries()) {
      const all = asksOf(resource)
      expect(all.slice(0, plain[at]!.length)).toEqual(plain[at])
      expect(all.slice(plain[at]!.length).every(({ code }) => packagedTerms(resource.resourceType).has(code))).toBe(true)
    }
  })

  const dir = dataDir()
  test.skipIf(dir === null)('examples of the specification, every type', () => {
    expect(check(examples(dir!), 12).packaged).toBeGreaterThan(600)
  })
})

const asksOf = (resource: Resource) => termAsks(resource, { base: BASE, patients: compartmentPatients(resource, BASE) })

/** Asks every resource random filters made of its own values; counts what matched, what of it was restricted, and what hung on terms. */
function check(resources: readonly Resource[], filters: number, keep: (value: string) => boolean = () => true) {
  const seen = { matched: 0, restricted: 0, depending: 0, packaged: 0 }
  for (const resource of resources) {
    const terms = new Set(asksOf(resource).filter(({ value }) => keep(value)).map((ask) => `${ask.level} ${ask.code} ${ask.value}`))
    const patients = compartmentPatients(resource, BASE)
    for (let i = 0; i < filters; i++) {
      const filter = randomFilter(resource, 2)
      if (!matches(filter, resource, { base: BASE, updated: UPDATED })) continue
      seen.matched++
      const packaged = new Set(packagedTerms(resource.resourceType).keys())
      const p = plan(resource.resourceType, filter, { base: BASE, termsMax: 512, packaged })
      if (p.conjuncts.some((asks) => asks.some(({ code }) => packaged.has(code)))) seen.packaged++
      if (p.conjuncts.length > 0 || p.patients !== null || p.ids !== null) seen.restricted++
      if (p.conjuncts.length > 1) seen.depending++
      const missed = p.conjuncts.filter((asks) => !asks.some((ask) => terms.has(`${ask.level} ${ask.code} ${ask.value}`)))
      const sound = !p.empty && missed.length === 0 && (p.ids === null || p.ids.includes(resource.id!)) && (p.patients === null || p.patients.some((id) => patients.includes(id)))
        && UPDATED >= (p.updated?.from ?? -Infinity) && UPDATED < (p.updated?.before ?? Infinity) && p.conjuncts.every((asks) => new Set(asks.filter(({ code, value }) => !(packaged.has(code) && value === CROWDED)).map(({ level }) => level)).size === 1)
      if (!sound) throw new Error(`${resource.resourceType}/${resource.id}: ${JSON.stringify({ filter, plan: p, missed, patients })}`)
    }
  }
  return seen
}
