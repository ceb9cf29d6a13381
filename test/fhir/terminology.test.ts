/** $expand, $validate-code, $lookup and $subsumes: what is in a value set, over R4's own definitions and those stored here. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, type Json, type Reply, startHarness, SYSTEM } from '../harness.ts'

let server: Harness
let system: string
beforeAll(async () => {
  server = await startHarness({ EXPANSION_CODES_MAX: '4000' })
  system = await server.token(SYSTEM)
  await server.put(ANIMALS)
  await server.ask(system, 'POST', '', { body: { resourceType: 'Bundle', type: 'transaction', entry: SETS.map((resource) => ({ resource, request: { method: 'PUT', url: `ValueSet/${resource.id}` } })) } })
})
afterAll(() => server.close())

const URL = 'http://clinic.example/'
const concept = (code: string, more: object = {}): object => ({ code, display: `The ${code}`, ...more })
const is = (code: string, key: string, value: unknown): object => ({ code, [key]: value })

/** cat and dog below mammal by nesting, whale by a property; unicorn is inactive, animal is for grouping. */
const ANIMALS = {
  resourceType: 'CodeSystem', id: 'animals', url: `${URL}animals`, version: '2', status: 'active', content: 'complete', name: 'Animals', caseSensitive: true,
  property: [{ code: 'legs', type: 'integer' }, { code: 'above', uri: 'http://hl7.org/fhir/concept-properties#parent', type: 'code' }, { code: 'inactive', type: 'boolean' }, { code: 'notSelectable', type: 'boolean' }],
  concept: [
    concept('animal', { property: [is('notSelectable', 'valueBoolean', true)], definition: 'Whatever moves', concept: [
      concept('mammal', { concept: [concept('cat', { designation: [{ language: 'de', value: 'Katze' }], property: [is('legs', 'valueInteger', 4)] }), concept('dog', { property: [is('legs', 'valueInteger', 4)] })] }),
      concept('bird', { property: [is('legs', 'valueInteger', 2)] })
    ] }),
    concept('whale', { property: [is('above', 'valueCode', 'mammal')] }), concept('unicorn', { property: [is('inactive', 'valueBoolean', true)] })
  ]
}

const set = (id: string, compose: object): Json => ({ resourceType: 'ValueSet', id, url: `${URL}${id}`, status: 'active', compose })
const filtered = (id: string, property: string, op: string, value: string): Json => set(id, { include: [{ system: `${URL}animals`, filter: [{ property, op, value }] }] })

const SETS: readonly Json[] = [
  set('all', { include: [{ system: `${URL}animals` }] }), set('active', { inactive: false, include: [{ system: `${URL}animals` }] }),
  filtered('is-a', 'concept', 'is-a', 'mammal'), filtered('descendent-of', 'concept', 'descendent-of', 'mammal'), filtered('is-not-a', 'concept', 'is-not-a', 'mammal'),
  filtered('generalizes', 'concept', 'generalizes', 'cat'), filtered('equals', 'legs', '=', '4'), filtered('in', 'legs', 'in', '2,4'), filtered('not-in', 'legs', 'not-in', '2,4'),
  filtered('regex', 'code', 'regex', '[cd].*'), filtered('regex-part', 'code', 'regex', 'a'), filtered('exists', 'legs', 'exists', 'true'), filtered('exists-not', 'legs', 'exists', 'false'),
  filtered('slow', 'display', 'regex', '(.*.*)*(.*.*)*(.*.*)*x'), filtered('broken', 'code', 'regex', '('), filtered('no-op', 'legs', 'exists', 'perhaps'),
  set('imports', { include: [{ valueSet: [`${URL}is-a`] }, { system: `${URL}animals`, concept: [{ code: 'bird', display: 'Tweety' }] }], exclude: [{ system: `${URL}animals`, concept: [{ code: 'cat' }] }] }),
  set('both', { include: [{ valueSet: [`${URL}is-a`, `${URL}equals`] }] }), set('within', { include: [{ system: `${URL}animals`, valueSet: [`${URL}equals`] }] }),
  set('loop-a', { include: [{ valueSet: [`${URL}loop-b`] }] }), set('loop-b', { include: [{ valueSet: [`${URL}loop-a`] }] }), set('loop', { include: [{ valueSet: [`${URL}loop`] }] }),
  ...Array.from({ length: 30 }, (_, level) => set(`double-${level}`, { include: level === 29 ? [{ system: `${URL}animals` }] : [{ valueSet: [`${URL}double-${level + 1}`] }, { valueSet: [`${URL}double-${level + 1}`] }] })),
  set('snomed', { include: [{ system: 'http://snomed.info/sct', concept: [{ code: '1' }, { code: '2', display: 'Two' }] }] }),
  set('snomed-branch', { include: [{ system: 'http://snomed.info/sct', filter: [{ property: 'concept', op: 'is-a', value: '404684003' }] }] }),
  set('without-snomed', { include: [{ system: `${URL}animals` }], exclude: [{ valueSet: [`${URL}snomed-branch`] }] }), set('without-unknown', { include: [{ system: `${URL}animals` }], exclude: [{ valueSet: [`${URL}nowhere`] }] }),
  { resourceType: 'ValueSet', id: 'listed', url: `${URL}listed`, status: 'active', expansion: { timestamp: '2020-01-01', contains: [{ system: 'urn:x', code: 'a', contains: [{ system: 'urn:x', code: 'b' }] }] } },
  { resourceType: 'ValueSet', id: 'page', url: `${URL}page`, status: 'active', expansion: { timestamp: '2020-01-01', total: 9, contains: [{ system: 'urn:x', code: 'a' }] } }
]

const ask = (path: string, token = system): Promise<Reply> => server.ask(token, 'GET', path)
const refusal = ({ status, json }: Reply): readonly unknown[] => [status, json.issue?.[0].code]
const codes = (reply: Reply): readonly string[] => {
  expect([reply.status, reply.text.slice(0, 300)]).toEqual([200, expect.any(String)])
  return (reply.json.expansion.contains ?? []).map((each: Json) => each.code)
}
const expand = async (name: string, more = ''): Promise<readonly string[]> => codes(await ask(`ValueSet/$expand?url=${URL}${name}${more}`))
const all = ['animal', 'mammal', 'cat', 'dog', 'bird', 'whale', 'unicorn']

describe('$expand', () => {
  test.each([
    ['all', all], ['active', all.slice(0, -1)], ['is-a', ['mammal', 'cat', 'dog', 'whale']], ['descendent-of', ['cat', 'dog', 'whale']], ['is-not-a', ['animal', 'bird', 'unicorn']],
    ['generalizes', ['animal', 'mammal', 'cat']], ['equals', ['cat', 'dog']], ['in', ['cat', 'dog', 'bird']], ['not-in', ['animal', 'mammal', 'whale', 'unicorn']], ['regex', ['cat', 'dog']], ['regex-part', []],
    ['exists', ['cat', 'dog', 'bird']], ['exists-not', ['animal', 'mammal', 'whale', 'unicorn']], ['imports', ['mammal', 'dog', 'whale', 'bird']], ['both', ['cat', 'dog']], ['within', ['cat', 'dog']],
    ['snomed', ['1', '2']], ['without-snomed', all], ['listed', ['a', 'b']]
  ])('lists the codes of %s', async (name, wanted) => expect(await expand(name)).toEqual(wanted))

  test('pages, filters by text, leaves out what is inactive, and shows designations and languages when asked', async () => {
    const { json } = await ask(`ValueSet/all/$expand?offset=2&count=2&includeDesignations=true`)
    expect(json).toMatchObject({ url: `${URL}all`, expansion: { total: 7, offset: 2, contains: [{ system: `${URL}animals`, version: '2', code: 'cat', display: 'The cat', designation: [{ language: 'de', value: 'Katze' }] }, { code: 'dog' }] } })
    expect(json.compose).toBeUndefined()
    expect((await ask('ValueSet/all/$expand?includeDefinition=true')).json.compose).toEqual(set('all', { include: [{ system: `${URL}animals` }] }).compose)
    expect(await expand('all', '&count=0')).toEqual([])
    expect(await expand('all', '&filter=the%20DO')).toEqual(['dog'])
    expect(await expand('all', '&filter=og')).toEqual([])
    expect(await expand('all', '&activeOnly=true')).toEqual(all.slice(0, -1))
    expect((await ask(`ValueSet/$expand?url=${URL}is-a&displayLanguage=de`)).json.expansion.contains.map((each: Json) => each.display)).toEqual(['The mammal', 'Katze', 'The dog', 'The whale'])
    const shown = (await ask(`ValueSet/$expand?url=${URL}all`)).json.expansion.contains
    expect([shown[0], shown.at(-1)]).toMatchObject([{ code: 'animal', abstract: true }, { code: 'unicorn', inactive: true }])
    expect((await ask(`ValueSet/$expand?url=${URL}imports`)).json.expansion.contains.at(-1)).toMatchObject({ code: 'bird', display: 'Tweety' })
  })

  test("takes R4's own value sets, a value set in the body, and a version", async () => {
    expect(codes(await ask('ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender'))).toEqual(['male', 'female', 'other', 'unknown'])
    const body = set('sent', { include: [{ system: 'http://hl7.org/fhir/issue-type', filter: [{ property: 'concept', op: 'is-a', value: 'invalid' }] }] })
    const wanted = ['invalid', 'structure', 'required', 'value', 'invariant']
    expect(codes(await server.ask(system, 'POST', 'ValueSet/$expand', { body }))).toEqual(wanted)
    expect(codes(await server.ask(system, 'POST', 'ValueSet/$expand', { body: { resourceType: 'Parameters', parameter: [{ name: 'valueSet', resource: body }] } }))).toEqual(wanted)
    expect(codes(await ask('ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1'))).toHaveLength(4)
    expect(refusal(await ask('ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender&valueSetVersion=3.0.1'))).toEqual([404, 'not-found'])
  })

  test('a stored value set never takes the place of one of R4', async () => {
    await server.put({ ...set('shadow', { include: [{ system: 'urn:x', concept: [{ code: 'x' }] }] }), url: 'http://hl7.org/fhir/ValueSet/administrative-gender' })
    expect(codes(await ask('ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender'))).toEqual(['male', 'female', 'other', 'unknown'])
    expect(codes(await ask('ValueSet/shadow/$expand'))).toEqual(['x'])
  })

  test('refuses what cannot be listed in whole, what imports itself, and what is not known', async () => {
    for (const name of ['snomed-branch', 'without-unknown', 'page', 'no-op', 'broken', 'loop', 'loop-a']) expect([name, ...refusal(await ask(`ValueSet/$expand?url=${URL}${name}`))]).toEqual([name, 422, 'not-supported'])
    expect(refusal(await ask(`ValueSet/$expand?url=${URL}nowhere`))).toEqual([404, 'not-found'])
    expect(refusal(await ask('ValueSet/nowhere/$expand'))).toEqual([404, 'not-found'])
  })

  test('refuses what would look at more concepts than EXPANSION_CODES_MAX, fast; a value set within it is listed (positive control)', async () => {
    const began = performance.now()
    expect(refusal(await ask(`ValueSet/$expand?url=${URL}double-0`))).toEqual([422, 'too-costly'])
    expect(await expand('double-26')).toEqual(all)
    const big = set('big', { include: [{ system: 'urn:x', concept: Array.from({ length: 4001 }, (_, code) => ({ code: String(code) })) }] })
    const reply = await server.ask(system, 'POST', 'ValueSet/$expand', { body: big })
    expect([...refusal(reply), reply.text]).toEqual([422, 'too-costly', expect.stringContaining('EXPANSION_CODES_MAX')])
    big.compose.include[0].concept.length = 3000
    expect(codes(await server.ask(system, 'POST', 'ValueSet/$expand', { body: big }))).toHaveLength(3000)
    expect(performance.now() - began).toBeLessThan(4000)
  })

  test('a pattern made to be slow takes no time', async () => {
    const concepts = Array.from({ length: 60 }, (_, code) => ({ code: String(code), display: 'a'.repeat(2000) }))
    await server.put({ ...ANIMALS, id: 'long', url: `${URL}long`, concept: concepts })
    await server.put(set('slowly', { include: [{ system: `${URL}long`, filter: [{ property: 'display', op: 'regex', value: '(a+)+(a+)+$|(a|a)*b' }] }] }))
    const began = performance.now()
    expect(await expand('slow')).toEqual([])
    expect(await expand('slowly')).toHaveLength(60)
    await server.put({ ...ANIMALS, id: 'longer', url: `${URL}longer`, concept: [{ code: 'a', display: 'a'.repeat(400_000) }] })
    for (const [url, value, code] of [['longer', 'a*', 'too-costly'], ['long', '(a{1,30}){1,30}b', 'not-supported'], ['long', 'a?'.repeat(101), 'not-supported']]) {
      const body = set('sent', { include: [{ system: `${URL}${url}`, filter: [{ property: 'display', op: 'regex', value }] }] })
      expect(refusal(await server.ask(system, 'POST', 'ValueSet/$expand', { body }))).toEqual([422, code])
    }
    const counted = set('sent', { include: [{ system: `${URL}animals`, filter: [{ property: 'code', op: 'regex', value: '[a-z]{2,3}' }] }] })
    expect(codes(await server.ask(system, 'POST', 'ValueSet/$expand', { body: counted }))).toEqual(['cat', 'dog'])
    expect(performance.now() - began).toBeLessThan(4000)
  })
})

describe('$validate-code', () => {
  const told = async (path: string): Promise<unknown> => {
    const { status, json } = await ask(path)
    return status === 200 ? json.parameter.find((each: Json) => each.name === 'result').valueBoolean : status
  }
  const inSet = (name: string, code: string, more = ''): Promise<unknown> => told(`ValueSet/$validate-code?url=${URL}${name}&system=${URL}animals&code=${code}${more}`)

  test('says yes, says no, and says neither where it cannot be told', async () => {
    expect(await Promise.all([inSet('is-a', 'cat'), inSet('is-a', 'bird'), inSet('is-a', 'nothing'), inSet('all', 'animal'), inSet('all', 'animal', '&abstract=true')])).toEqual([true, false, false, false, true])
    const snomed = (name: string, code: string): Promise<unknown> => told(`ValueSet/$validate-code?url=${URL}${name}&system=http://snomed.info/sct&code=${code}`)
    expect(await Promise.all([snomed('snomed', '1'), snomed('snomed', '3'), snomed('snomed-branch', '1'), snomed('all', '1')])).toEqual([true, false, 422, false])
    expect(await Promise.all([inSet('snomed-branch', 'cat'), inSet('without-snomed', 'cat'), inSet('without-unknown', 'cat'), inSet('loop', 'cat'), inSet('page', 'cat')])).toEqual([false, true, 422, 422, 422])
  })

  test('judges displays, codings and concepts', async () => {
    expect(await Promise.all([inSet('all', 'cat', '&display=the%20CAT'), inSet('all', 'cat', '&display=Katze'), inSet('all', 'cat', '&display=Dog'), inSet('all', 'cat', '&systemVersion=2'), inSet('all', 'cat', '&systemVersion=1')])).toEqual([true, true, false, true, 422])
    const coding = (code: string): object => ({ system: `${URL}animals`, code })
    const sent = async (name: string, key: string, value: unknown): Promise<unknown> => {
      const { json } = await server.ask(system, 'POST', 'ValueSet/is-a/$validate-code', { body: { resourceType: 'Parameters', parameter: [{ name, [key]: value }] } })
      return json.parameter?.[0].valueBoolean ?? json.issue[0].code
    }
    expect(await sent('coding', 'valueCoding', coding('dog'))).toBe(true)
    expect(await sent('codeableConcept', 'valueCodeableConcept', { coding: [coding('bird'), coding('dog')] })).toBe(true)
    expect(await sent('codeableConcept', 'valueCodeableConcept', { coding: [coding('bird')] })).toBe(false)
    expect(await sent('codeableConcept', 'valueCodeableConcept', { text: 'dog' })).toBe(false)
    expect(await sent('coding', 'valueCodeableConcept', { coding: [coding('dog')] })).toBe('value')
    expect(await sent('coding', 'valueString', 'dog')).toBe('value')
  })

  test('asks code systems too', async () => {
    const inSystem = (url: string, code: string, more = ''): Promise<unknown> => told(`CodeSystem/$validate-code?url=${url}&code=${code}${more}`)
    expect(await Promise.all([inSystem(`${URL}animals`, 'cat'), inSystem(`${URL}animals`, 'CAT'), inSystem(`${URL}animals`, 'cat', '&version=1'), inSystem('http://snomed.info/sct', '1'), inSystem('urn:nowhere', '1')])).toEqual([true, false, 404, 422, 404])
    expect(await told('CodeSystem/animals/$validate-code?code=bird')).toBe(true)
    for (const [id, content] of [['part', 'fragment'], ['absent', 'not-present']] as const) await server.put({ ...ANIMALS, id, url: `${URL}${id}`, content, ...(content === 'fragment' ? {} : { concept: undefined }) })
    expect(await Promise.all([inSystem(`${URL}part`, 'cat'), inSystem(`${URL}part`, 'ant'), inSystem(`${URL}absent`, 'cat')])).toEqual([true, 422, 422])
    await server.put(set('of-part', { include: [{ system: `${URL}part` }] }))
    const inPart = (code: string): Promise<unknown> => told(`ValueSet/$validate-code?url=${URL}of-part&system=${URL}part&code=${code}`)
    expect(await Promise.all([inPart('cat'), inPart('ant')])).toEqual([true, 422])
    expect(refusal(await ask(`ValueSet/$expand?url=${URL}of-part`))).toEqual([422, 'not-supported'])
  })
})

describe('$lookup and $subsumes', () => {
  test('$lookup tells what a code system says of a code', async () => {
    const { json } = await ask(`CodeSystem/$lookup?system=${URL}animals&code=cat`)
    expect(json.parameter.slice(0, 4)).toEqual([
      { name: 'name', valueString: 'Animals' }, { name: 'version', valueString: '2' }, { name: 'display', valueString: 'The cat' }, { name: 'designation', part: [{ name: 'language', valueCode: 'de' }, { name: 'value', valueString: 'Katze' }] }
    ])
    const parent = { name: 'property', part: [{ name: 'code', valueCode: 'parent' }, { name: 'value', valueCode: 'mammal' }] }
    expect(json.parameter.slice(4)).toEqual([parent, { name: 'property', part: [{ name: 'code', valueCode: 'inactive' }, { name: 'value', valueBoolean: false }] }, { name: 'property', part: [{ name: 'code', valueCode: 'legs' }, { name: 'value', valueInteger: 4 }] }])
    expect((await ask(`CodeSystem/$lookup?system=${URL}animals&code=cat&property=parent&displayLanguage=de`)).json.parameter.slice(2)).toEqual([{ name: 'display', valueString: 'Katze' }, parent])
    expect((await ask('CodeSystem/$lookup?system=http://hl7.org/fhir/administrative-gender&code=male')).json.parameter).toContainEqual({ name: 'display', valueString: 'Male' })
    const wrong = ['system=urn:nowhere&code=8867-4', `system=${URL}animals&code=ant`, `system=${URL}animals&version=3&code=cat`, 'code=cat', `system=${URL}animals`, `system=${URL}part&code=ant`, `system=${URL}absent&code=cat`]
    expect((await Promise.all(wrong.map((query) => ask(`CodeSystem/$lookup?${query}`)))).map(({ status }) => status)).toEqual([404, 404, 404, 400, 400, 422, 422])
  })

  test('$subsumes tells how two codes stand to each other', async () => {
    const told = async (a: string, b: string, path = `CodeSystem/$subsumes?system=${URL}animals&`): Promise<unknown> => {
      const { status, json } = await ask(`${path}codeA=${a}&codeB=${b}`)
      return status === 200 ? json.parameter[0].valueCode : status
    }
    const pairs = [['cat', 'cat'], ['animal', 'whale'], ['whale', 'animal'], ['cat', 'bird'], ['cat', 'ant']] as const
    expect(await Promise.all(pairs.map(([a, b]) => told(a, b)))).toEqual(['equivalent', 'not-subsumed', 'not-subsumed', 'not-subsumed', 404].with(1, 'subsumes').with(2, 'subsumed-by'))
    expect(await told('mammal', 'cat', 'CodeSystem/animals/$subsumes?')).toBe('subsumes')
    expect(await told('mammal', 'cat', 'CodeSystem/part/$subsumes?')).toBe(422)
    expect(await told('a', 'b', 'CodeSystem/$subsumes?system=http://snomed.info/sct&')).toBe(422)
    expect(await told('a', 'b', 'CodeSystem/$subsumes?system=urn:nowhere&')).toBe(404)
    expect(await told('a', 'b', 'CodeSystem/$subsumes?')).toBe(400)
  })

  test('a hierarchy that runs in a circle ends', async () => {
    const above = (code: string): object => ({ property: [is('above', 'valueCode', code)] })
    await server.put({ ...ANIMALS, id: 'circle', url: `${URL}circle`, concept: [concept('a', above('b')), concept('b', above('a'))] })
    await server.put(set('of-circle', { include: [{ system: `${URL}circle`, filter: [{ property: 'concept', op: 'is-a', value: 'a' }] }] }))
    expect(await expand('of-circle')).toEqual(['a', 'b'])
    expect((await ask('CodeSystem/circle/$subsumes?codeA=a&codeB=b')).json.parameter[0].valueCode).toBe('subsumes')
  })
})

describe('what a caller may not see', () => {
  const tokenOf = (scope: string): Promise<string> => server.token({ scope })

  test('a hidden value set or code system is as one that is not there, for every operation and through imports', async () => {
    await server.put({ ...set('secret', { include: [{ system: `${URL}animals`, concept: [{ code: 'cat' }] }] }), publisher: 'hidden' })
    await server.put(set('open', { include: [{ valueSet: [`${URL}secret`] }] }))
    const half = await tokenOf(`system/ValueSet.rs?url=${URL}open,${URL}all system/CodeSystem.rs?url=urn:none`)
    const asks = (name: string): readonly string[] => [
      `ValueSet/$expand?url=${URL}${name}`, `ValueSet/${name}/$expand`, `ValueSet/$validate-code?url=${URL}${name}&system=${URL}animals&code=cat`, `ValueSet/${name}/$validate-code?system=${URL}animals&code=cat`
    ]
    const replies = (names: readonly string[], token: string): Promise<readonly (readonly [number, string])[]> => Promise.all(names.map(async (path) => {
      const { status, text } = await ask(path, token)
      return [status, text] as const
    }))
    expect(await replies(asks('secret'), half)).toEqual(await replies(asks('nowhere'), half))
    expect((await replies(asks('secret'), half)).map(([status]) => status)).toEqual([404, 404, 404, 404])
    expect((await replies(asks('secret'), system)).map(([status]) => status)).toEqual([200, 200, 200, 200])
    // Imported: hidden for the one, listed for the other.
    expect(refusal(await ask(`ValueSet/$expand?url=${URL}open`, half))).toEqual([422, 'not-supported'])
    expect(await expand('open')).toEqual(['cat'])
    expect(refusal(await ask(`ValueSet/$expand?url=${URL}all`, half))).toEqual([422, 'not-supported'])
    const systems = (url: string): readonly string[] => [`CodeSystem/$lookup?system=${url}&code=cat`, `CodeSystem/$validate-code?url=${url}&code=cat`, `CodeSystem/$subsumes?system=${url}&codeA=cat&codeB=dog`]
    expect(await replies(systems(`${URL}animals`), half)).toEqual(await replies(systems('urn:nowhere'), half))
    expect((await replies(systems(`${URL}animals`), system)).map(([status]) => status)).toEqual([200, 200, 200])
    // R4's own are everybody's who may ask at all.
    expect(codes(await ask('ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender', half))).toHaveLength(4)
  })

  test('without the right to the type nothing is answered, and who may read only value sets gets no code systems', async () => {
    const none = await tokenOf('system/Patient.rs')
    for (const path of [`ValueSet/$expand?url=${URL}snomed`, `ValueSet/$validate-code?url=${URL}snomed&system=x&code=y`, `CodeSystem/$lookup?system=${URL}animals&code=cat`, `CodeSystem/$subsumes?system=${URL}animals&codeA=cat&codeB=dog`]) {
      expect([path, (await ask(path, none)).status]).toEqual([path, 403])
    }
    const sets = await tokenOf('system/ValueSet.rs')
    expect(codes(await ask(`ValueSet/$expand?url=${URL}snomed`, sets))).toEqual(['1', '2'])
    expect(refusal(await ask(`ValueSet/$expand?url=${URL}all`, sets))).toEqual([422, 'not-supported'])
  })

  test('unknown parameters are refused by name, and so is what belongs elsewhere', async () => {
    const wrong = [
      `ValueSet/$expand?url=${URL}all&context=x`, 'ValueSet/$expand', `ValueSet/all/$expand?url=${URL}all`, 'ValueSet/all/$expand?count=-1', 'ValueSet/all/$expand?count=x', `ValueSet/$validate-code?url=${URL}all&code=cat`,
      `ValueSet/$validate-code?url=${URL}all&system=${URL}animals`, `CodeSystem/$lookup?system=${URL}animals&code=cat&date=2020`, `CodeSystem/$subsumes?system=${URL}animals&codeA=cat`, 'CodeSystem/animals/$subsumes?system=urn:x&codeA=cat&codeB=dog'
    ]
    expect((await Promise.all(wrong.map((path) => ask(path)))).map(({ status }) => status)).toEqual(wrong.map(() => 400))
    expect((await ask(wrong[0]!)).text).toContain('context')
  })
})
