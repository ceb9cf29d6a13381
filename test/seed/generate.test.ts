import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { generate, type GenerateOptions } from '../../seed/generate.ts'
import { validateResource } from '../../src/fhir/validate/validate.ts'
import { FhirError } from '../../src/model/errors.ts'
import { parseJson } from '../../src/model/json.ts'
import { dataDir } from '../data.ts'

interface Entry { readonly fullUrl: string; readonly resource: Row; readonly request: { readonly method: string; readonly url: string; readonly ifNoneExist?: string } }
interface Row { readonly resourceType: string; readonly id: string; readonly [element: string]: unknown }
interface Parsed { readonly name: string; readonly type: string; readonly entry: readonly Entry[] }

const texts = (options: GenerateOptions): readonly (readonly [string, string])[] => [...generate(options)].map(({ name, bundle }) => [name, JSON.stringify(bundle)])
const parsed = (options: GenerateOptions): readonly Parsed[] =>
  texts(options).map(([name, text]) => ({ name, ...(parseJson(Buffer.from(text), { depthMax: 100 }) as { type: string; entry: readonly Entry[] }) }))

const FULL = parsed({ patients: 12, seed: 1 })
const SMALL = parsed({ patients: 40, seed: 1, size: 'small' })
const patientsOf = (bundles: readonly Parsed[]): readonly Parsed[] => bundles.filter(({ type }) => type === 'transaction')
const rowsOf = (bundles: readonly Parsed[]): readonly Row[] => bundles.flatMap(({ entry }) => entry.map(({ resource }) => resource))

describe('what is generated', () => {
  test('the same arguments give the same names and bytes', () => {
    expect(texts({ patients: 5, seed: 3 })).toEqual(texts({ patients: 5, seed: 3 }))
  })

  test('another seed gives other patients', () => {
    const ids = (seed: number): readonly string[] => patientsOf(parsed({ patients: 5, seed, size: 'small' })).map(({ entry }) => entry[0]!.resource.id)
    expect(ids(4).filter((id) => ids(3).includes(id))).toEqual([])
  })

  test('a patient is the same however many others are made', () => {
    const many = new Map(texts({ patients: 230, seed: 3, size: 'small' }))
    for (const [name, text] of texts({ patients: 30, seed: 3, size: 'small' }).slice(2)) expect(many.get(name)).toBe(text)
  })

  test('hospitals come first, practitioners second, then one transaction per patient', () => {
    expect(FULL.map(({ type }) => type)).toEqual(['batch', 'batch', ...Array.from({ length: 12 }, () => 'transaction')])
    expect(FULL.map(({ name }) => /^(hospital|practitioner)Information\d+\.json$|^\w+_\w+_[0-9a-f-]{36}\.json$/.test(name))).not.toContain(false)
    for (const { entry } of patientsOf(FULL)) expect(entry.filter(({ resource }) => resource.resourceType === 'Patient')).toHaveLength(1)
  })

  test('a full patient has about 100 to 300 resources, a small one about 20', () => {
    const mean = (bundles: readonly Parsed[]): number => rowsOf(patientsOf(bundles)).length / patientsOf(bundles).length
    expect(mean(FULL)).toBeGreaterThan(100)
    expect(mean(FULL)).toBeLessThan(300)
    expect(mean(SMALL)).toBeGreaterThan(15)
    expect(mean(SMALL)).toBeLessThan(28)
  })

  test('every resource is valid R4', () => {
    for (const resource of rowsOf([...FULL, ...SMALL])) expect(problemsOf(resource)).toEqual([])
  })

  test('the check of validity does find a fault in such a resource', () => {
    const encounter = rowsOf(FULL).find(({ resourceType }) => resourceType === 'Encounter')!
    expect(problemsOf({ ...encounter, status: 'over' })).not.toEqual([])
  })

  test('numbers keep their trailing zeros', () => {
    const text = texts({ patients: 3, seed: 1 }).map(([, each]) => each).join('')
    expect(text).toMatch(/"valueQuantity":\{"value":\d+\.\d*0,/)
    expect(text).not.toContain('rawJSON')
  })

  test('all history lies before the date, and each patient was seen in the last 90 days', () => {
    const date = Date.parse('2031-03-01T00:00:00Z')
    for (const { entry } of patientsOf(parsed({ patients: 10, seed: 1, date: '2031-03-01' }))) {
      const starts = entry.filter(({ resource }) => resource.resourceType === 'Encounter').map(({ resource }) => Date.parse((resource.period as { start: string }).start))
      expect(Math.max(...starts)).toBeLessThan(date)
      expect(Math.max(...starts)).toBeGreaterThan(date - 90 * 86_400_000)
    }
  })
})

describe('references', () => {
  const provided = new Set(FULL.slice(0, 2).flatMap(({ entry }) => entry.flatMap(({ resource }) =>
    ((resource.identifier ?? []) as readonly { system: string; value: string }[]).map(({ system, value }) => `${resource.resourceType}?identifier=${system}|${value}`))))

  test('every one is a fullUrl of its bundle, a contained resource, or a condition that the batches fulfil', () => {
    for (const { entry } of patientsOf(FULL)) {
      const own = new Set(entry.map(({ fullUrl }) => fullUrl))
      expect(own.size).toBe(entry.length)
      for (const { reference } of entry.flatMap(({ resource }) => referencesOf(resource, '')))
        expect(reference.startsWith('#') || own.has(reference) || provided.has(reference), reference).toBe(true)
    }
  })

  test('batches create what is identified only where it is not there yet', () => {
    for (const { entry } of FULL.slice(0, 2)) {
      for (const { resource, request } of entry) {
        const [identifier] = (resource.identifier ?? []) as readonly { system: string; value: string }[]
        expect(request).toEqual({
          method: 'POST', url: resource.resourceType, ...(identifier === undefined ? {} : { ifNoneExist: `identifier=${identifier.system}|${identifier.value}` })
        })
      }
    }
  })
})

const data = dataDir()

describe.skipIf(data === null)('beside real Synthea output', () => {
  const real = data === null ? [] : readdirSync(join(data, 'synthea')).map((name) =>
    ({ name, ...(JSON.parse(readFileSync(join(data, 'synthea', name), 'utf8')) as { type: string; entry: readonly Entry[] }) }))
  const many = parsed({ patients: 40, seed: 2 })

  test('the resource types are the same, in proportions within a factor of two', () => {
    const [ours, theirs] = [shares(patientsOf(many)), shares(patientsOf(real))]
    expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort())
    for (const [type, share] of ours) {
      expect(share / theirs.get(type)!, type).toBeGreaterThan(0.5)
      expect(share / theirs.get(type)!, type).toBeLessThan(2)
    }
    expect(shares(many.slice(0, 2)).keys().toArray().sort()).toEqual(shares(real.filter(({ type }) => type === 'batch')).keys().toArray().sort())
  })

  test('references stand in the same elements in the same forms', () => {
    const known = forms(real)
    expect([...forms(many)].filter((form) => !known.has(form))).toEqual([])
  })

  test('codes come from the same code systems', () => {
    const known = systems(real)
    expect(known.size).toBeGreaterThan(20)
    expect([...systems(many)].filter((system) => !known.has(system))).toEqual([])
  })
})

function problemsOf(resource: Row): readonly unknown[] {
  try {
    validateResource(resource, resource.resourceType)
    return []
  } catch (error) {
    if (error instanceof FhirError) return error.issues
    throw error
  }
}

interface Found { readonly path: string; readonly reference: string }

function referencesOf(value: unknown, path: string): readonly Found[] {
  if (Array.isArray(value)) return value.flatMap((item) => referencesOf(item, path))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, item]) => name === 'reference' && typeof item === 'string' ? [{ path, reference: item }] : referencesOf(item, `${path}.${name}`))
}

const forms = (bundles: readonly Parsed[]): ReadonlySet<string> => new Set(rowsOf(bundles).flatMap((row) => referencesOf(row, row.resourceType))
  .map(({ path, reference }) => `${path} ${reference.replace(/^urn:uuid:.*/, 'urn:uuid').replace(/\|.*/, '')}`))

function systems(bundles: readonly Parsed[]): ReadonlySet<string> {
  const found = new Set<string>()
  JSON.stringify(bundles, (_, value: unknown) => {
    if (typeof value === 'object' && value !== null && 'code' in value && 'system' in value) found.add(String(value.system))
    return value
  })
  return found
}

function shares(bundles: readonly Parsed[]): ReadonlyMap<string, number> {
  const rows = rowsOf(bundles)
  const counts = new Map<string, number>()
  for (const { resourceType } of rows) counts.set(resourceType, (counts.get(resourceType) ?? 0) + 1 / rows.length)
  return counts
}
