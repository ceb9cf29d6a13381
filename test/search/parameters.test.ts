import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Resource } from '../../src/model/resource.ts'
import { allTypes } from '../../src/search/classification.ts'
import { type CompositeValue, componentParams, paths, searchParam, searchParams, values } from '../../src/search/parameters.ts'
import type { SearchParam } from '../../src/search/query.ts'
import { dataDir } from '../data.ts'
import { evaluate, evaluateAnew, parts } from './fhirpath-oracle.ts'

interface Published {
  readonly id: string
  readonly url: string
  readonly code: string
  readonly base?: readonly string[]
  readonly type: string
  readonly expression?: string
  readonly target?: readonly string[]
  readonly component?: readonly { readonly definition: string; readonly expression: string }[]
}

const data = dataDir()
const read = <T>(...path: readonly string[]): T => JSON.parse(readFileSync(join(data!, ...path), 'utf8')) as T
const filesOf = (folder: string, prefix = ''): readonly string[] => readdirSync(join(data!,
  folder)).filter((name) => name.startsWith(prefix) && name.endsWith('.json')).sort()
const published = (): readonly Published[] => filesOf('r4-core', 'SearchParameter-').map((name) => read<Published>('r4-core', name))
const find = (type: string, code: string, resource: Record<string, unknown>) => values(searchParam(type, code)!, { resourceType: type,
  ...resource })

describe('what a parameter finds', () => {
  it('gives each value of a choice element its own type', () => {
    expect(find('Observation', 'value-date', { valuePeriod: { start: '2026' } })).toEqual([{ type: 'Period', value: { start: '2026' } }])
    expect(find('Observation', 'value-date', { valueDateTime: '2026' })).toEqual([{ type: 'dateTime', value: '2026' }])
    expect(find('Observation', 'value-date', { valueString: '2026' })).toEqual([])
    expect(find('Goal', 'target-date', { target: [{ dueDate: '2026-01-02' }, { dueDuration: { value: 1 } }] }))
      .toEqual([{ type: 'date', value: '2026-01-02' }])
  })

  it('tells the types of plain elements', () => {
    expect(find('Patient', 'birthdate', { birthDate: '1970-01-01' })[0]!.type).toBe('date')
    expect(find('Patient', 'active', { active: false })).toEqual([{ type: 'boolean', value: false }])
    expect(find('Patient', '_lastUpdated', { meta: { lastUpdated: '2026-01-01T00:00:00Z' } })[0]!.type).toBe('instant')
    expect(find('Patient', '_id', { id: 'a' })).toEqual([{ type: 'id', value: 'a' }])
    expect(find('Questionnaire', 'url', { url: 'http://example.org/q' })[0]!.type).toBe('uri')
    expect(find('Binary', '_tag', { meta: { tag: [{ code: 'x' }] } })).toEqual([{ type: 'Coding', value: { code: 'x' } }])
  })

  it('keeps to the condition of an expression', () => {
    const telecom = [{ system: 'phone', value: '1' }, { system: 'email', value: '2' }, { value: '3' }]
    expect(find('Patient', 'phone', { telecom }).map(({ value }) => value)).toEqual([telecom[0]])
    expect(find('Patient', 'telecom', { telecom })).toHaveLength(3)
  })

  it('decides `resolve() is Patient` by the text of the reference, its type or the contained resource', () => {
    const subject = (reference: object, rest: object = {}): number => find('Account', 'patient', { subject: [reference], ...rest }).length
    expect(subject({ reference: 'Patient/1' })).toBe(1)
    expect(subject({ reference: 'http://elsewhere.example/r4/Patient/1/_history/3' })).toBe(1)
    expect(subject({ reference: 'urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0', type: 'Patient' })).toBe(1)
    expect(subject({ reference: '#p' }, { contained: [{ resourceType: 'Patient', id: 'p' }] })).toBe(1)
    expect(subject({ reference: '#p' }, { contained: [{ resourceType: 'Group', id: 'p' }] })).toBe(0)
    expect(subject({ reference: 'Group/1' })).toBe(0)
    expect(subject({ reference: 'Group/1', type: 'Patient' })).toBe(0)
    expect(subject({ reference: 'urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0' })).toBe(0)
  })

  it('says of every patient whether they are dead', () => {
    expect(find('Patient', 'deceased', {})).toEqual([{ type: 'boolean', value: false }])
    expect(find('Patient', 'deceased', { deceasedBoolean: false })[0]!.value).toBe(false)
    expect(find('Patient', 'deceased', { deceasedBoolean: true })[0]!.value).toBe(true)
    expect(find('Patient', 'deceased', { deceasedDateTime: '2026' })[0]!.value).toBe(true)
  })

  it('gives a composite per focus element, and only where every component has a value', () => {
    const component = [{ code: { text: 'a' }, valueQuantity: { value: 1 } }, { code: { text: 'b' }, valueString: 'x' }]
    const [only, ...more] = find('Observation', 'component-code-value-quantity', { component })
    expect(more).toEqual([])
    expect(only!.type).toBe('composite')
    expect((only!.value as CompositeValue).components).toEqual([[{ type: 'CodeableConcept', value: { text: 'a' } }], [{ type: 'Quantity',
      value: { value: 1 } }]])
    expect(find('Observation', 'code-value-date', { code: {}, valueDateTime: '2026' })).toHaveLength(1)
  })

  it('searches an extension by its value', () => {
    const extension = [{ url: 'http://hl7.org/fhir/StructureDefinition/observation-geneticsDnaVariant', valueString: 'c.1A>G' },
      { url: 'http://example.org/other', valueString: 'no' }]
    expect(find('Observation', 'dna-variant', { extension })).toEqual([{ type: 'string', value: 'c.1A>G' }])
  })

  it('passes exact decimals on untouched and yields nothing from broken shapes', () => {
    const exact = (JSON as unknown as { rawJSON(text: string): object }).rawJSON('1.10')
    expect(find('RiskAssessment', 'probability', { prediction: [{ probabilityDecimal: exact }] })[0]!.value).toBe(exact)
    for (const name of [null, 'x', 7, [null], [[{ family: 'x' }]], [7]]) expect(find('Patient', 'family', { name })).toEqual([])
    expect(values(searchParam('Patient', 'name')!, { resourceType: 'Person', name: [{ family: 'x' }] })).toEqual([])
  })
})

describe('the registry', () => {
  it('knows no parameter of an unknown type, and one object per parameter', () => {
    for (const type of ['Nonsense', 'Element', '__proto__', 'constructor', '']) expect(searchParams(type)).toEqual([])
    expect(searchParam('Patient', 'toString')).toBeUndefined()
    expect(searchParam('Patient', 'name')).toBe(searchParam('Patient', 'name'))
  })

  it('has the parameters of Resource on all types and those of DomainResource on all that have narrative', () => {
    for (const type of allTypes) for (const code of ['_id', '_lastUpdated', '_tag', '_profile', '_security',
      '_source']) expect(searchParam(type, code), type + code).toBeDefined()
    expect(searchParam('Binary', '_text')).toBeUndefined()
    expect(searchParam('Patient', '_text')!.kind).toBe('special')
  })

  it('can compile every parameter, and knows the parts of each composite', () => {
    for (const type of allTypes) for (const param of searchParams(type)) {
      expect(() => values(param, { resourceType: type })).not.toThrow()
      expect(paths(param).length > 0 || param.code === 'part-agree', `${type}.${param.code}`).toBe(true)
      expect(componentParams(param).length >= 2).toBe(param.kind === 'composite')
    }
    expect(componentParams(searchParam('Observation', 'code-value-quantity')!).map(({ code, kind }) => [code, kind]))
      .toEqual([['code', 'token'], ['value-quantity', 'quantity']])
  })

  it('names the elements that a parameter reads, conditions included', () => {
    const pathsOf = (type: string, code: string): readonly string[] => paths(searchParam(type, code)!)
    expect(pathsOf('Patient', 'phone')).toEqual(['Patient.telecom', 'Patient.telecom.system'])
    expect(pathsOf('Patient', '_tag')).toEqual(['Patient.meta.tag'])
    expect(pathsOf('Observation', 'value-string')).toEqual(['Observation.value', 'Observation.value.text'])
    expect(pathsOf('Observation', 'combo-code-value-quantity'))
      .toEqual(['Observation.code', 'Observation.component.code', 'Observation.value', 'Observation.component.value'])
    expect(pathsOf('Patient', '_text')).toEqual(['Patient.text'])
    expect(pathsOf('Patient', '_content')).toEqual(['Patient'])
  })
})

describe.skipIf(data === null)('the registry beside the specification', () => {
  // Two examples that R4 ships among its parameters repeat a (base, code) with other contents.
  const examples = ['example', 'example-reference']
  // No resource element answers these; R4 calls them string, string and token.
  const special = new Set(['_text', '_content', '_query', '_filter'])
  const row = (type: string, code: string, kind: string, expression: string, target: readonly string[]): string => JSON.stringify([type,
    code, kind, expression, [...target].sort()])

  it('equals R4: base, code, kind, expression and targets', () => {
    const all = published().filter(({ id }) => !examples.includes(id))
    const expected = [...allTypes, 'Resource', 'DomainResource'].flatMap((type) => {
      const bases = [type, ...(type === 'Resource' ? [] : ['Resource']), ...(['Binary', 'Bundle', 'Parameters', 'Resource',
        'DomainResource'].includes(type) ? [] : ['DomainResource'])]
      return all.filter(({ base }) => base?.some((each) => bases.includes(each)))
        .map((each) => row(type, each.code, special.has(each.code) ? 'special' : each.type, each.expression ?? '', each.target ?? []))
    })
    const actual = [...allTypes, 'Resource', 'DomainResource'].flatMap((type) => searchParams(type).map((each) => row(type, each.code,
      each.kind, each.expression, each.target)))
    expect([...actual].sort()).toEqual([...expected].sort())
    expect(new Set(actual).size).toBe(actual.length)
  })

  it('makes each composite of the parameters that R4 names', () => {
    const codes = new Map(published().map(({ url, code }) => [url, code]))
    for (const { base, code, component } of published()) {
      for (const type of component === undefined ? [] : base!) {
        const parts = componentParams(searchParam(type, code)!)
        expect(parts.map((each) => each.code), `${type}.${code}`).toEqual(component!.map(({ definition }) => codes.get(definition)))
        expect(parts.every((each) => each.type === type)).toBe(true)
      }
    }
  })

  it('leaves out only what R4 publishes without a base type', () => {
    expect(published()).toHaveLength(1400)
    expect(published().filter(({ base }) => base === undefined).map(({ id }) => id.replace(/^\w+-extensions-/, ''))).toEqual(
      ['CodeSystem', 'ValueSet'].flatMap((type) => ['author', 'effective', 'end', 'keyword', 'workflow'].map((code) => `${type}-${code}`)))
  })
})

describe.skipIf(data === null)('accessors beside the fhirpath package', () => {
  const composed = new Map(data === null ? [] : published().filter(({ component }) => component !== undefined)
    .flatMap((each) => each.base!.map((base) => [`${base}.${each.code}`, each.component!] as const)))
  const text = (found: readonly unknown[]): readonly string[] => [...new Set(found.map((each) => JSON.stringify(each)))].sort()

  /** The package stops at the extension where search looks at its value. */
  function judge(param: SearchParam, resource: Resource): readonly unknown[] {
    const components = composed.get(`${param.type}.${param.code}`) ?? []
    return parts(param.expression).flatMap((part) => {
      const found = evaluate(part, resource)
      if (components.length === 0) return found.flatMap(({ type, value }) => (type === 'Extension' ? extensionValue(value) : [value]))
      return found.map((_, index) => components.map(({ expression }) =>
        parts(expression).flatMap((each) => evaluate(`(${part}).skip(${index}).first().select(${each})`,
          resource).map(({ value }) => value))))
        .filter((inner) => inner.every((each) => each.length > 0))
    })
  }
  const extensionValue = (extension: unknown): readonly unknown[] => Object.entries(extension as object)
    .filter(([key]) => key.startsWith('value')).map(([, value]) => value as unknown)
  const ours = (param: SearchParam, resource: Resource): readonly unknown[] => values(param, resource).map(({ value }) =>
    (param.kind === 'composite' ? (value as CompositeValue).components.map((found) => found.map((each) => each.value)) : value))

  it('finds the same values for every parameter in every example of the specification', () => {
    const differences: string[] = []
    const met = new Set<string>()
    let compared = 0
    for (const name of filesOf('r4-examples')) {
      const resource = read<Resource>('r4-examples', name)
      for (const param of searchParams(resource.resourceType)) {
        if (param.expression === '') continue
        compared++
        const found = ours(param, resource)
        if (found.length > 0) met.add(`${param.type}.${param.code}`)
        if (text(found).join() !== text(judge(param, resource)).join()) differences.push(`${name} ${param.code}`)
      }
    }
    expect(differences).toEqual([])
    expect(compared).toBeGreaterThan(16_000)
    expect(met.size).toBeGreaterThan(1_350)
  })

  it('names the same types for every value', () => {
    const named = (type: string): string => ({ String: 'id', Boolean: 'boolean', Element: 'BackboneElement' })[type] ?? type
    for (const name of filesOf('r4-examples').filter((_, index) => index % 3 === 0)) {
      const resource = read<Resource>('r4-examples', name)
      for (const param of searchParams(resource.resourceType)) {
        if (param.expression === '' || param.kind === 'composite' || param.expression.includes('xtension(')) continue
        const expected = parts(param.expression).flatMap((part) => evaluate(part, resource)).map(({ type }) => named(type))
        expect([...new Set(values(param, resource).map(({ type }) => type))].sort(), `${name} ${param.code}`)
          .toEqual([...new Set(expected)].sort())
      }
    }
  })

  it('finds the values of a resource at least 30 times faster than evaluating each expression anew', () => {
    const bundle = filesOf('synthea').map((name) => read<{ entry?: readonly { resource: Resource }[] }>('synthea',
      name)).find(({ entry }) => entry?.some(({ resource }) => resource.resourceType === 'Patient'))!
    for (const type of ['Observation', 'Patient', 'Encounter']) {
      const resource = bundle.entry!.find((entry) => entry.resource.resourceType === type)!.resource
      const params = searchParams(type).filter(({ expression, kind }) => expression !== '' && kind !== 'composite')
      const time = (rounds: number, each: (param: SearchParam) => unknown): number => {
        for (const param of params) each(param)
        const start = performance.now()
        for (let round = 0; round < rounds; round++) for (const param of params) each(param)
        return (performance.now() - start) / rounds
      }
      const fast = time(500, (param) => values(param, resource))
      const slow = time(10, (param) => evaluateAnew(param, resource))
      expect(slow / fast, type).toBeGreaterThan(30)
    }
  })
})
